"""Fill a data folder with drawn pictures and verdicts, and serve a review of it."""

import contextlib
import hashlib
import http.client
import io
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.server import review
from imgkit.curate.verdicts import in_set
from imgkit.manifest import (
    Finding,
    Image,
    Item,
    Judgement,
    Manifest,
    Proposal,
    Query,
    ReviewLog,
    SearchState,
)
from imgkit.vision.decode import Decoded, decode
from imgkit.vision.resize import jpeg_bytes, shrink

LABELS = {"coral_snake": "coral snake", "king_snake": "king snake", "milk_snake": "milk snake"}


def drawn(number, size=(240, 180)):
    """A picture that shows its number, so that it can be told which one is painted."""
    picture = Pillow.new("RGB", size, ((number * 53) % 256, (number * 101) % 256, (number * 197) % 256))
    ImageDraw.Draw(picture).text((20, 20), str(number), fill="white")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass
class Builder:
    """Fills a manifest: pictures by label, with the machine's verdicts on them."""

    data: Path
    judgements: list[Judgement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)

    def copied_to(self, data):
        """Return the builder of a copy of the folder, which goes on by itself."""
        return Builder(data, [*self.judgements], [*self.findings], [*self.keys])

    def add_many(self, label, count, **verdict):
        """Add pictures of which only some are drawn: the rest are links to them under names of their own."""
        with Manifest.open(self.data) as manifest:
            manifest.put_queries([Query(label=label, name=LABELS.get(label, label), text=label)])
            items, folder = [], manifest.folder.harvested / label
            folder.mkdir(parents=True, exist_ok=True)
            with manifest.together():
                for n in range(count):
                    body = drawn(len(self.keys) % 40)
                    sha256 = hashlib.sha256(f"{label} {n}".encode()).hexdigest()
                    image = Image(
                        sha256=sha256, stored_sha256=sha256, extension="jpg", bytes=900, width=240, height=180
                    )
                    manifest.put_image(image)
                    (folder / f"{image.id}.jpg").write_bytes(body)
                    file_sha256 = hashlib.sha256(body).hexdigest()
                    items.append(Item(label=label, image_id=image.id, width=240, height=180, file_sha256=file_sha256))
                    self.keys.append((label, image.id))
                    self.judgements.append(
                        Judgement(**{"label": label, "image_id": image.id, "verdict": "keep"} | verdict)
                    )
                manifest.put_items(items)
            manifest.replace_judgements(self.judgements)

    def add(self, label, *, verdict="keep", reason="", check="", score=0.5, suggested="", body=None, copy_of=None):
        number = len(self.keys)
        body = drawn(number) if body is None else body
        sha256 = hashlib.sha256(b"original of" + body).hexdigest()
        image = Image(sha256=sha256, stored_sha256=sha256, extension="jpg", bytes=len(body), width=240, height=180)
        key = (label, image.id)
        with Manifest.open(self.data) as manifest:
            query = Query(label=label, name=LABELS.get(label, label), text=f"{label} photo")
            [query_id] = manifest.put_queries([query])
            proposal = Proposal(
                url=f"https://host.test/{number}.jpg", rank=number + 1, page_url="https://host.test/page"
            )
            manifest.put_page(SearchState(query_id=query_id, provider="demo"), [proposal], label=label, round_=1)
            manifest.put_image(image)
            file = manifest.folder.harvested_file(*key)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            item = Item(
                label=label, image_id=image.id, width=240, height=180, file_sha256=hashlib.sha256(body).hexdigest()
            )
            manifest.put_items([item])
            self.judgements.append(
                Judgement(
                    label=label,
                    image_id=image.id,
                    verdict=verdict,
                    reason=reason,
                    check=check,
                    score=score,
                    suggested=suggested,
                )
            )
            detail = {"suggested": suggested, "probability": 0.9, "own_probability": 0.1} if suggested else {}
            if copy_of is not None:
                detail = {"copy_of": copy_of[1], "copy_of_label": copy_of[0], "agreement": 0.9, "bits": 3}
            if check:
                self.findings.append(
                    Finding(label=label, image_id=image.id, check=check, score=score, threshold=0.1, detail=detail)
                )
            manifest.replace_judgements(self.judgements)
            manifest.replace_findings(["label", "offtopic", "quality", "near", "exact", "conflict"], self.findings)
        self.keys.append(key)
        return key


def adopt(data, label, files):
    """Put photographs under a label as a harvest would; return the image id of each file that is a picture."""
    ids, images, items = {}, {}, {}
    with Manifest.open(data) as manifest:
        manifest.put_queries([Query(label=label, name=f"{label} bear", text=f"{label} bear")])
        for file in files:
            body = file.read_bytes()
            decoded = decode(body)
            if not isinstance(decoded, Decoded):
                continue
            small = jpeg_bytes(shrink(decoded.image, 500))
            sha256 = hashlib.sha256(body).hexdigest()
            image = Image(
                sha256=sha256,
                stored_sha256=sha256,
                extension=decoded.extension,
                bytes=len(body),
                width=decoded.width,
                height=decoded.height,
            )
            target = manifest.folder.harvested_file(label, image.id)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(small)
            ids[file.name], images[image.id] = image.id, image
            width, height = shrink(decoded.image, 500).size
            items[image.id] = Item(
                label=label,
                image_id=image.id,
                width=width,
                height=height,
                file_sha256=hashlib.sha256(small).hexdigest(),
            )
        with manifest.together():
            for image in images.values():
                manifest.put_image(image)
            manifest.put_items(items.values())
    return ids


class Heard:
    """Progress that remembers."""

    def __init__(self):
        self.lines, self.ready = [], threading.Event()

    def start(self, title, total=None):
        self.lines.append(title)

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        self.lines.append(line)
        if line.startswith("Decisions are saved"):
            self.ready.set()


@dataclass
class Running:
    """A review that is being served, with a client that has opened the page."""

    data: Path
    port: int
    token: str
    write_key: str
    finished: list
    report: list = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/#t={self.token}"

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def headers(self, **more):
        return {
            "Host": self.host,
            "X-Imgkit-Token": self.token,
            "X-Imgkit-Write": self.write_key,
            "Content-Type": "application/json",
        } | more

    def ask(self, method, path, body=None, headers=None):
        """Send a request as written, and return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            sent = dict(self.headers() if headers is None else headers)
            data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            if data and not {"content-length", "transfer-encoding"} & {name.lower() for name in sent}:
                sent["Content-Length"] = str(len(data))
            for name, value in sent.items():
                connection.putheader(name, value)
            try:
                connection.endheaders(data or None)
                response = connection.getresponse()
                return response.status, dict(response.getheaders()), response.read()
            except ConnectionError:  # closed on an unreadable request, and the reset overtook the answer
                return 400, {}, b""

    def get(self, path):
        status, _, body = self.ask("GET", path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def post(self, path, body):
        status, _, answer = self.ask("POST", path, body)
        assert status == 200, (path, status, answer)
        return json.loads(answer)


@contextlib.contextmanager
def serving(data, **settings):
    """Serve ``data`` in a thread of this process until the block ends."""
    heard, report, finished = Heard(), [], []
    fails = settings.pop("fails", None)

    def finish():
        finished.append(1)
        if fails:
            raise fails.pop()
        return {"kept": 7, "folder": "data/curated", "report": "report.html", "next": "imgkit train data/curated"}

    environ = settings.pop("environ", {})
    config = ReviewConfig(data=data, port=settings.pop("port", 0), open_browser=False, reviewer="ada")
    thread = threading.Thread(
        target=lambda: report.append(
            review(config, in_set=in_set("suggest"), finish=finish, progress=heard, environ=environ)
        )
    )
    thread.start()
    try:
        assert heard.ready.wait(30), heard.lines
        noted = json.loads((data / ".review" / "server.json").read_text())
        token = noted["url"].partition("#t=")[2]
        running = Running(data, noted["port"], token, "", finished, report)
        running.write_key = running.get("/api/state")["write_key"]
        yield running
        if thread.is_alive():
            with contextlib.suppress(OSError, http.client.HTTPException):
                running.ask("POST", "/api/quit", {})
    finally:
        thread.join(30)


def written(data):
    """How much is in the log of a data folder: (actions, decisions)."""
    with Manifest.open(data) as manifest:
        return len(ReviewLog(manifest).actions()), len(manifest.decisions())


def decided(data):
    """What is in force in a data folder: image id to action."""
    with Manifest.open(data) as manifest:
        return {image_id: one.action for (_, image_id), one in manifest.current_decisions().items()}


class OwnProcess:
    """A review in a process of its own, to be killed."""

    def __init__(self, data, port):
        self.data, self.port = data, port
        self.process = None

    def start(self):
        noted = self.data / ".review" / "server.json"
        noted.unlink(missing_ok=True)
        self.process = subprocess.Popen([sys.executable, __file__, str(self.data), str(self.port)])
        deadline = time.monotonic() + 60
        while not noted.exists():
            assert self.process.poll() is None, "the review did not start"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return json.loads(noted.read_text())["url"]

    def kill(self):
        self.process.kill()
        self.process.wait()


def main():
    """Serve the folder and port given as arguments."""
    review(
        ReviewConfig(data=Path(sys.argv[1]), port=int(sys.argv[2]), open_browser=False, reviewer="ada"),
        in_set=in_set("suggest"),
        finish=dict,
        environ={},
    )


if __name__ == "__main__":
    main()
