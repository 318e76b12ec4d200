"""A harvest whose fetching and decoding is done by the machines of a cluster."""

import io
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harvesting import HASTY
from PIL import Image

from imgkit.engine import ClusterEngine, InlineEngine
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.manifest import Manifest, Query
from imgkit.manifest.exports import digest

HOSTS = [f"127.0.0.{number}" for number in range(2, 7)]
PICTURES = 150


def jpeg(seed):
    file = io.BytesIO()
    Image.effect_noise((96, 80), 70).point(lambda value: (value * 3 + seed) % 256).convert("RGB").save(file, "JPEG")
    return file.getvalue()


class Sites:
    """Five hosts with pictures of their own; some addresses are missing, no picture, moved or closed to robots."""

    def __init__(self):
        self.bodies = [jpeg(number) for number in range(PICTURES)]
        self.busy, self.most, self.asked = Counter(), Counter(), Counter()
        self.lock = threading.Lock()
        self.servers = [ThreadingHTTPServer((host, 0), self.handler()) for host in HOSTS]
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.origins = ["http://{}:{}".format(*server.server_address) for server in self.servers]

    def urls(self):
        found = [f"{self.origins[number % len(HOSTS)]}/{number}.jpg" for number in range(PICTURES)]
        for number, origin in enumerate(self.origins):
            found += [f"{origin}/missing.jpg", f"{origin}/page.jpg", f"{origin}/closed/{number}.jpg"]
            found += [f"{self.origins[number - 1]}/moved/{PICTURES - 1 - number}.jpg"]
        return found

    def handler(self):
        sites = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with sites.lock:
                    sites.asked[self.path] += 1
                    sites.busy[self.server] += 1
                    sites.most[self.server] = max(sites.most[self.server], sites.busy[self.server])
                time.sleep(0.002)
                status, body, more = sites.answer(self.path)
                with sites.lock:
                    sites.busy[self.server] -= 1
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_): ...

        return Handler

    def answer(self, path):
        if path == "/robots.txt":
            return 200, b"User-agent: *\nDisallow: /closed/\n", {}
        if path == "/page.jpg":
            return 200, b"<html>not a picture</html>", {"Content-Type": "text/html"}
        if path.startswith("/moved/"):
            number = int(path.removeprefix("/moved/").removesuffix(".jpg"))
            return 302, b"", {"Location": f"{self.origins[number % len(HOSTS)]}/{number}.jpg"}
        number = path.removeprefix("/").removesuffix(".jpg")
        if not number.isdigit():
            return 404, b"", {}
        return 200, self.bodies[int(number)], {"Content-Type": "image/jpeg"}

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def sites():
    made = Sites()
    yield made
    made.close()


class Watch:
    """Calls ``half_way`` when half of the pictures are kept."""

    def __init__(self, half_way):
        self.half_way, self.kept = half_way, 0

    def start(self, title, total=None): ...

    def say(self, line): ...

    def advance(self, steps=1, note=""):
        before, self.kept = self.kept, self.kept + steps
        if before < PICTURES / 2 <= self.kept:
            self.half_way()


def harvested(sites, data, engine, *, half_way=lambda: None):
    """Harvest every address of the sites; return the digest of the manifest and the report."""
    data.parent.mkdir(exist_ok=True)
    table = data.parents[1] / "list.csv"
    table.write_text("\n".join(["url", *sites.urls()]) + "\n", encoding="utf-8")
    report = harvest(
        [Query(label="snake", name="snake", text=str(table), providers=("urls",))],
        HarvestConfig(data=data, per_label=500, size=64, smallest_side=16, allow_private_hosts=("127.0.0.0/8",)),
        environ={},
        timeouts=HASTY,
        engine=engine,
        progress=Watch(half_way),
    )
    with Manifest.open_existing(data) as manifest:
        return digest(manifest), report


def files(data):
    return {path.relative_to(data): path.read_bytes() for path in data.glob("[ho]*/*/*") if path.is_file()}


def test_a_cluster_harvests_the_same_as_one_machine_also_when_a_machine_is_lost_half_way(sites, machines, tmp_path):
    here, report = harvested(sites, tmp_path / "here" / "data", InlineEngine())
    asked_here = sites.asked.copy()
    sites.asked.clear()
    lost = machines.add()
    with ClusterEngine(machines.address, timeout_s=20.0) as engine:
        list(engine.map(abs, [-1] * 24))

        there, afar = harvested(sites, tmp_path / "there" / "data", engine, half_way=lambda: machines.lose(lost))

    assert there == here
    assert files(tmp_path / "there" / "data") == files(tmp_path / "here" / "data")
    assert afar.total.kept == report.total.kept == PICTURES
    assert (
        afar.total.reasons
        == report.total.reasons
        == {
            "dup.exact": 5,
            "http.404": 5,
            "body.html": 5,
            "policy.robots": 5,
        }
    )
    assert not [path for path in sites.asked if path.startswith("/closed/")]
    assert sites.asked["/robots.txt"] <= asked_here["/robots.txt"] + 2  # once a host; again where an answer was lost


def test_a_host_gets_no_more_connections_from_a_cluster_than_from_one_machine(sites, machines, tmp_path):
    with ClusterEngine(machines.address, timeout_s=20.0) as engine:
        harvested(sites, tmp_path / "there" / "data", engine)

    assert set(sites.most.values()) <= {1, 2}
    assert len(sites.most) == len(HOSTS)


def test_pictures_are_made_anew_on_a_cluster_without_its_seeing_the_files(sites, machines, tmp_path):
    data = tmp_path / "there" / "data"
    harvested(sites, data, InlineEngine())
    before = files(data)
    for path in data.glob("harvested/*/*.jpg"):
        path.unlink()

    with ClusterEngine(machines.address, timeout_s=20.0) as engine:
        _, report = harvested(sites, data, engine)

    assert report.made == PICTURES
    assert files(data) == before
