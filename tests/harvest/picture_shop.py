"""Two search services and a host of pictures for tests of edited queries files: small, fast, the same every time."""

import functools
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from harvesting import HASTY
from PIL import Image

from imgkit.engine import InlineEngine
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.providers.interface import HostPolicy, Provider, Ready, ResultPage
from imgkit.harvest.queries import read_queries
from imgkit.harvest.search.excludes import excluded_by
from imgkit.manifest import Manifest, Proposal

RESULTS = 14
PAGE_SIZE = 4
TITLES = ("snake", "toy snake", "snake on a mug")
LICENCES = ("CC BY 4.0", "CC BY-SA 4.0", "All rights reserved", "")


@functools.cache
def picture(number):
    """A JPEG that looks like no other number's."""
    pixels = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    body = io.BytesIO()
    Image.fromarray(pixels).resize((120, 90), Image.Resampling.BICUBIC).save(body, "JPEG")
    return body.getvalue()


class Shop:
    """A host of pictures: ``/<number>.jpg``, and ``/copy/<name>/<number>.jpg`` with the same bytes."""

    def __init__(self):
        self.asked = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/robots.txt":
                    self.send_error(404)
                    return
                shop.asked.append(self.path)
                shop.before_answer(self.path)
                body = picture(int(self.path.rsplit("/", 1)[1].removesuffix(".jpg")))
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.searches = []
        self.before_answer = lambda path: None
        self.refusing = set()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def providers(self):
        """Two services that find the pictures of a text in opposite orders; the first understands -word."""
        return {
            name: Provider(
                name=name,
                title=name,
                page=functools.partial(self._page, name),
                check=lambda environ: Ready(),
                page_size=PAGE_SIZE,
                default=default,
                negates=name == "ascending",
                policy=HostPolicy(pause_seconds=0.0),
            )
            for name, default in (("ascending", "always"), ("descending", "always"), ("backwards", "named"))
        }

    def results(self, text):
        """The proposals for a text, without a rank; the first picture has one to three more addresses."""
        seed = sum(text.encode()) % 11
        numbers = [seed * 5 + n for n in range(RESULTS)]
        found = [(f"{self.address}/{n}.jpg", TITLES[n % 3], LICENCES[(n + seed) % 4]) for n in numbers]
        copies = [
            (f"{self.address}/copy/{c}/{numbers[0]}.jpg", TITLES[c], LICENCES[c]) for c in range((3, 2, 1)[seed % 3])
        ]
        return [*found[:6], *copies, *found[6:]]

    def _page(self, name, query, cursor, fetch, ready):
        self.searches.append((name, query.text))
        if name in self.refusing:
            return ResultPage(verdict="blocked", cursor=cursor, detail="no programs, please")
        found = [
            Proposal(url=url, rank=1, title=title, license=licence) for url, title, licence in self.results(query.text)
        ]
        if name == "ascending":
            found = [one for one in found if not excluded_by(one, query.exclude)]
        else:
            found.reverse()
        first = cursor or 0
        proposals = tuple(
            Proposal(url=one.url, rank=first + n, title=one.title, license=one.license)
            for n, one in enumerate(found[first : first + PAGE_SIZE], start=1)
        )
        after = first + len(proposals)
        if after >= len(found):
            return ResultPage(verdict="end" if found else "empty", proposals=proposals)
        return ResultPage(verdict="ok", proposals=proposals, cursor=after)


def run(path, data, **settings):
    """Harvest a queries file; further arguments are those of HarvestConfig."""
    config = HarvestConfig(
        data=data, allow_private_hosts=("127.0.0.0/8",), **{"per_label": 500, "smallest_side": 32, **settings}
    )
    file = read_queries(path)
    return harvest(file.queries, config, environ={}, timeouts=HASTY, engine=InlineEngine(), file=file.path)


def pictures(data):
    """Every picture in ``harvested/``, as label/name."""
    return {f"{path.parent.name}/{path.name}" for path in data.glob("harvested/*/*.jpg")}


def why(data, label):
    """Address to state and reason, for the candidates of a label."""
    with Manifest.open_existing(data) as manifest:
        return {one.proposal.url: (one.state, one.reason) for one in manifest.candidates(label=label)}
