"""A harvest or a search on the loopback web, with short timeouts, for tests."""

import hashlib
import time

from imgkit.engine import InlineEngine
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Ready, SearchQuery
from imgkit.harvest.search.http import ServiceSession
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Manifest, Query
from imgkit.net.fetch import FetchLimits
from imgkit.net.host_queue import HostLimits

CORAL = Query(label="coral_snake", name="coral snake", text="coral snake")
KING = Query(label="king_snake", name="king snake", text="king snake")

HASTY = Timeouts(
    fetch=FetchLimits(connect_s=2.0, headers_s=1.0, gap_s=1.0, slow_window_s=0.6, deadline_s=3.0),
    back_off_s=(0.05, 0.1),
    own=HostLimits(gap_s=0.0, pause_s=0.2),
    search_back_off_s=(0.05, 0.1),
)


def run(web, data, *queries, providers=("bing",), timeouts=HASTY, retry=False, progress=None, engine=None, **settings):
    """Harvest ``queries`` from a web, decoding in this process; further arguments are those of HarvestConfig."""
    config = HarvestConfig(data=data, providers=providers, **{"per_label": 500, **settings})
    return harvest(
        queries or (CORAL, KING),
        config,
        environ=web.environ,
        progress=progress,
        timeouts=timeouts,
        retry=retry,
        engine=engine or InlineEngine(),
    )


def candidates(data):
    """Every candidate of a data folder."""
    with Manifest.open_existing(data) as manifest:
        return manifest.candidates()


def kept_by_picture(web, data):
    """The ids of the world's pictures that are kept, by label."""
    return {
        label: sorted(
            web.truth(one.proposal.url).id for one in candidates(data) if one.label == label and one.state == "kept"
        )
        for label in sorted({one.label for one in candidates(data)})
    }


def digest(data):
    """What a harvest is about: every picture under its label, and every candidate's state and reason."""
    lines = [
        f"{path.parent.name}\t{path.name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in data.glob("harvested/*/*.jpg")
    ]
    lines += [f"{path.name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in data.glob("originals/*/*")]
    lines += [
        f"{one.label}\t{one.provider}\t{one.proposal.url}\t{one.state}\t{one.reason}\t{one.image_id}"
        for one in candidates(data)
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def image_requests(web):
    """Requests to image hosts so far, robots.txt included."""
    hosts = {host.name for host in web.world.hosts}
    return [one for one in web.requests if one.site in hosts]


def pictures_asked_for(web):
    """Requests for pictures so far."""
    return [one for one in image_requests(web) if one.target != "/robots.txt"]


def search(web, name, environ=None, *, text="Micrurus fulvius", cursor=None, deadline=10.0, contact="me@x.test"):
    """Search one service of a web to the end; return its pages."""
    provider = PROVIDERS[name]
    ready = provider.check({**web.environ, **(environ or {})})
    assert isinstance(ready, Ready)
    session = ServiceSession(provider, ready, HarvestConfig(contact=contact), deadline=deadline)
    try:
        return list(provider.pages(SearchQuery(text=text, exclude=("toy",)), cursor, session, ready))
    finally:
        session.close()


def found(web, pages):
    """The ids of the pictures that the pages propose, in order."""
    pictures = [web.truth(proposal.url) for page in pages for proposal in page.proposals]
    return [picture.id for picture in pictures if picture]


def wait_for(condition, seconds=30.0):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
