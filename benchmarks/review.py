"""Measure the review page in a real browser: latency, start, a long grid, memory, strangers, kills, two windows.

    python benchmarks/review.py [--images 50000] [--grid 100000] [--rounds 3] [--kills 20] [--folder FOLDER]

Needs Chromium at /usr/bin/chromium and about 6 GB of disk for the pictures of both folders. Every figure is printed
with the load of the machine while it was taken; on a busy machine the latencies are those of a busy machine.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from imgkit.curate.audit import hypergeometric_counts
from imgkit.curate.review.app import static_files
from imgkit.manifest import Finding, Image, Item, Judgement, Manifest, Query, ReviewLog

CHROMIUM = "/usr/bin/chromium"
LABELS = ("coral_snake", "king_snake", "milk_snake", "rat_snake", "corn_snake")
DRAWINGS = 400  # different pictures; each file has a comment of its own, so that all files differ
KEYS_PER_ROUND = 300
PACE_S = 0.1
KILL_KEYS = 12

SERVE = """
import sys
from pathlib import Path
from imgkit.curate.judge import in_set
from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.serve import review
review(ReviewConfig(data=Path(sys.argv[1]), port=int(sys.argv[2]), open_browser=False, reviewer="benchmark"),
       in_set=in_set("suggest"), finish=dict, environ={})
"""

# Times each key press until the frame with the next picture has been painted: the frame's callback runs before its
# paint, a message posted from there arrives after it.
STOPWATCH = """
(() => {
  const stage = imgkit.view.stage, times = [];
  let pressed = 0;
  document.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, { capture: true });
  const before = stage.on.painted;
  stage.on.painted = (row) => {
    before(row);
    const channel = new MessageChannel(), from = pressed;
    channel.port1.onmessage = () => { if (from) times.push(performance.now() - from); };
    channel.port2.postMessage(0);
    pressed = 0;
  };
  globalThis.stopwatch = times;
})()
"""

SCROLL = """
(speed, seconds) => new Promise((done) => {
  const scroller = document.querySelector(".scroller"), frames = [];
  let last = 0;
  const began = performance.now();
  const step = (now) => {
    if (last) { frames.push(now - last); scroller.scrollTop += speed * (now - last) / 1000; }
    last = now;
    if (now - began < 1000 * seconds) requestAnimationFrame(step); else done(frames);
  };
  requestAnimationFrame(step);
})
"""

JUMP = """
async (share) => {
  const scroller = document.querySelector(".scroller"), began = performance.now();
  scroller.scrollTop = share * scroller.scrollHeight;
  await new Promise((done) => setTimeout(done, 30));
  for (;;) {
    const box = scroller.getBoundingClientRect();
    const shown = [...document.querySelectorAll(".cell:not([hidden])")].filter((cell) => {
      const one = cell.getBoundingClientRect();
      return one.bottom > box.top && one.top < box.bottom;
    });
    const images = shown.map((cell) => cell.querySelector("img"));
    if (images.length && images.every((one) => one.complete && one.naturalWidth)) return performance.now() - began;
    if (performance.now() - began > 20000) return NaN;
    await new Promise((done) => setTimeout(done, 8));
  }
}
"""


@dataclass
class Figures:
    """What was measured, printed as it comes and as one JSON object at the end."""

    values: dict[str, object] = field(default_factory=dict)

    def add(self, name: str, value: object, bar: str = "") -> None:
        """Note a figure and print it."""
        self.values[name] = value
        load = os.getloadavg()[0]
        print(f"{name:<58} {value!s:>24}   {bar:<22} load {load:.1f}", flush=True)


def percentiles(times: list[float]) -> str:
    if not times:
        return "none"
    ordered = sorted(times)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)]
    return " / ".join(f"{one:.0f}" for one in at)


# the data folder


def drawings(count: int) -> list[bytes]:
    """Draw pictures that cost a decoder as much as photographs of 500 px do."""
    chance = np.random.default_rng(7)
    bodies = []
    for n in range(count):
        ground = Pillow.fromarray(chance.integers(0, 255, (47, 63, 3), dtype=np.uint8)).resize((500, 375))
        picture = ground.filter(ImageFilter.GaussianBlur(3))
        pen = ImageDraw.Draw(picture)
        for _ in range(14):
            box = sorted(int(one) for one in chance.integers(0, 375, 4))
            pen.ellipse(
                [box[0], box[1], box[2] + 60, box[3]], fill=tuple(int(one) for one in chance.integers(0, 255, 3))
            )
        pen.text((20, 20), str(n), fill="white")
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=92)
        bodies.append(buffer.getvalue())
    return bodies


def with_comment(body: bytes, text: str) -> bytes:
    comment = text.encode()
    return body[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + body[2:]


def generate(data: Path, count: int) -> None:
    """Fill a data folder with ``count`` pictures of which a tenth are suspects."""
    bodies = drawings(DRAWINGS)
    chance = random.Random(1)
    judgements, findings, items = [], [], []
    with Manifest.open(data) as manifest:
        manifest.put_queries([Query(label=label, name=label.replace("_", " "), text=label) for label in LABELS])
        for label in LABELS:
            (manifest.folder.harvested / label).mkdir(parents=True)
        with manifest.together():
            for n in range(count):
                label = LABELS[n % len(LABELS)]
                body = with_comment(bodies[n % DRAWINGS], str(n))
                sha256 = hashlib.sha256(body).hexdigest()
                image = Image(
                    sha256=sha256, stored_sha256=sha256, extension="jpg", bytes=len(body), width=500, height=375
                )
                manifest.put_image(image)
                manifest.folder.harvested_file(label, image.id).write_bytes(body)
                items.append(Item(label=label, image_id=image.id, width=500, height=375, file_sha256=sha256))
                judgements.append(judgement(label, image.id, chance, findings))
            manifest.put_items(items)
        manifest.replace_findings(["label", "offtopic"], findings)
        manifest.replace_judgements(judgements)


def judgement(label: str, image_id: str, chance: random.Random, findings: list[Finding]) -> Judgement:
    if chance.random() > 0.1:
        return Judgement(label=label, image_id=image_id, verdict="keep", score=round(chance.random() / 2, 4))
    check = chance.choice(["label", "offtopic"])
    score = round(0.5 + chance.random() / 2, 4)
    other = chance.choice([one for one in LABELS if one != label]) if check == "label" else ""
    detail = {"suggested": other, "probability": 0.8, "own_probability": 0.1} if other else {"nearest_label": label}
    findings.append(Finding(label=label, image_id=image_id, check=check, score=score, threshold=0.5, detail=detail))
    return Judgement(
        label=label,
        image_id=image_id,
        verdict="suspect",
        reason=f"bad.{check}",
        check=check,
        score=score,
        suggested=other,
        detail="as the benchmark wants it",
    )


# the server and the browser


class Server:
    """A review in a process of its own."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0

    def start(self) -> str:
        """Start the process and return the page's address once it can be reached."""
        noted = self.data / ".review" / "server.json"
        noted.unlink(missing_ok=True)
        began = time.monotonic()
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, str(self.data), str(self.port)])
        while not noted.exists():
            if self.process.poll() is not None:
                raise SystemExit("the review did not start")
            time.sleep(0.01)
        self.start_s = time.monotonic() - began
        return str(json.loads(noted.read_text())["url"])

    def kill(self) -> None:
        """Kill it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def open_page(context, url, strangers):
    page = context.new_page()
    host = url.split("/")[2]
    page.on("request", lambda request: request.url.split("/")[2] == host or strangers.append(request.url))
    page.goto(url)
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    wait(page, "imgkit.view.stage.painted >= 0")
    return page


def wait(page, expression, *, limit_s=60.0):
    """Wait in steps of 5 ms; the policy of the page forbids the browser tool's own way to wait for an expression."""
    deadline = time.monotonic() + limit_s
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            raise SystemExit(f"never came true: {expression}")
        time.sleep(0.005)


def press(page, keys, *, pace_s):
    """Press keys at a steady pace, whatever each press costs."""
    next_at = time.monotonic()
    for key in keys:
        next_at += pace_s
        page.keyboard.press(key)
        time.sleep(max(0.0, next_at - time.monotonic()))


def keys(chance: random.Random, count: int) -> list[str]:
    return chance.choices(["Space", "x", "Enter"], weights=[4, 4, 2], k=count)


def heap_mb(client) -> str:
    """Return what scripts hold, the browser's side of it and the columns in array buffers, in MB."""
    client.send("HeapProfiler.collectGarbage")
    used = client.send("Runtime.getHeapUsage")
    return f"{(used['usedSize'] + used['embedderHeapUsedSize'] + used['backingStorageSize']) / 1e6:.0f}"


# what is measured


def measure_start(browser, url, figures, strangers) -> None:
    times = []
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = open_page(context, url, strangers)
        times.append(page.evaluate("imgkit.view.stage.paintedAt"))
        context.close()
    figures.add(
        "first picture painted, ms after navigation (3 runs)", " / ".join(f"{one:.0f}" for one in times), "under 1500"
    )


def measure_keys(browser, url, figures, strangers, rounds: int) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = open_page(context, url, strangers)
    chance = random.Random(3)
    for number in range(rounds):
        page.evaluate(STOPWATCH)
        before = page.evaluate("imgkit.store.done.length")
        press(page, keys(chance, KEYS_PER_ROUND), pace_s=PACE_S)
        page.evaluate("imgkit.store.outbox.settled()")
        times = page.evaluate("stopwatch")
        decided = page.evaluate("imgkit.store.done.length") - before
        figures.add(
            f"round {number + 1}: key to next picture, 10 keys/s, p50/p95/p99 ms",
            percentiles(times),
            "p95 < 50, p99 < 100",
        )
        figures.add(f"round {number + 1}: keys that decided", f"{decided} of {KEYS_PER_ROUND}")
    page.evaluate(STOPWATCH)
    press(page, ["ArrowRight"] * KEYS_PER_ROUND, pace_s=1 / 30)
    page.wait_for_timeout(300)
    figures.add("held arrow, 30 a second, p50/p95/p99 ms", percentiles(page.evaluate("stopwatch")), "p95 < 50")
    client = context.new_cdp_session(page)
    figures.add("heap of the page with array buffers, MB", heap_mb(client), "under 150")
    context.close()


def measure_grid(browser, url, figures, strangers, count: int) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = open_page(context, url, strangers)
    page.evaluate("imgkit.open('grid')")
    wait(page, "imgkit.view.rows.length > 0")
    figures.add("pictures in the grid", f"{page.evaluate('imgkit.view.rows.length'):,}", f"of {count:,}")
    for name, speed in (("reading", 500), ("skimming", 2500), ("flying", 20000)):
        frames = page.evaluate(f"({SCROLL})({speed}, 6)")
        figures.add(f"grid, {name} at {speed} px/s: frames p50/p95/p99 ms", percentiles(frames), "p95 < 33")
    chance = random.Random(5)
    places = [chance.random() for _ in range(12)]
    for state in ("made now", "made before"):
        fresh = browser.new_context(viewport={"width": 1280, "height": 800})  # with an empty cache of its own
        again = open_page(fresh, url, strangers)
        again.evaluate("imgkit.open('grid')")
        wait(again, "imgkit.view.rows.length > 0")
        jumps = [again.evaluate(f"({JUMP})({place})") for place in places]
        shown = percentiles(jumps).rpartition(" / ")[0]
        figures.add(f"jump, all painted, thumbnails {state}: p50/p95 ms", shown, "p95 < 800 when before")
        fresh.close()
    cells = page.evaluate("document.querySelectorAll('.cell').length")
    client = context.new_cdp_session(page)
    figures.add("heap with the grid, MB; cells", f"{heap_mb(client)}; {cells}", "under 150")
    context.close()


def measure_kills(browser, server, url, figures, strangers, kills: int) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = open_page(context, url, strangers)
    page.evaluate(
        """(() => {
          const add = imgkit.store.outbox.add.bind(imgkit.store.outbox);
          globalThis.made = [];
          imgkit.store.outbox.add = (action) => { made.push(action.key); add(action); };
        })()"""
    )
    chance, replayed = random.Random(11), []
    for _ in range(kills):
        press(page, keys(chance, chance.randrange(2, KILL_KEYS)), pace_s=PACE_S / 2)
        time.sleep(chance.random() * 0.02)
        server.kill()
        press(page, keys(chance, 4), pace_s=PACE_S / 2)
        server.start()
        began = time.monotonic()
        wait(page, "imgkit.store.outbox.waiting.length === 0")
        replayed.append(time.monotonic() - began)
    page.evaluate("imgkit.store.outbox.settled()")
    made = page.evaluate("made")
    context.close()
    with Manifest.open(server.data) as manifest:
        logged = [one.key for one in ReviewLog(manifest).actions()]
    lost = len(set(made) - set(logged))
    figures.add(f"kill -9 of the server, {kills} times: decisions made", len(made))
    figures.add("  lost", lost, "0")
    figures.add("  written twice", len(logged) - len(set(logged)), "0")
    figures.add("  replayed after the server is back, worst s", f"{max(replayed):.2f}", "under 5")
    figures.add("  restart of the server, s", f"{server.start_s:.1f}")


def measure_two_windows(browser, server, url, figures, strangers) -> None:
    with Manifest.open(server.data) as manifest:
        before = len(ReviewLog(manifest).actions())
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    pages = [open_page(context, url, strangers) for _ in range(2)]
    chance = random.Random(13)
    counts = [page.evaluate("imgkit.store.done.length") for page in pages]
    for _ in range(60):
        for page in pages:
            wait(page, "imgkit.view.stage.painted === imgkit.view.row")
            page.keyboard.press(keys(chance, 1)[0])
    for page in pages:
        page.evaluate("imgkit.store.outbox.settled()")
    made = sum(page.evaluate("imgkit.store.outbox.count") for page in pages)
    with Manifest.open(server.data) as manifest:
        logged = [one.key for one in ReviewLog(manifest).actions()][before:]
    figures.add(
        "two windows: made, written, written twice",
        f"{made}, {len(logged)}, {len(logged) - len(set(logged))}",
        "equal, equal, 0",
    )
    assert counts[0] == counts[1]
    context.close()


def measure_audit(figures, sets: int = 2000) -> None:
    for sampled, unseen in ((100, 400), (300, 5_000), (300, 50_000)):
        chance = np.random.default_rng(sampled + unseen)
        truths = chance.binomial(unseen, chance.beta(1, 30, sets))
        found = chance.hypergeometric(truths, unseen - truths, sampled)
        bounds = {bad: hypergeometric_counts(int(bad), sampled, unseen) for bad in np.unique(found)}
        covered = np.mean([bounds[bad][0] <= truth <= bounds[bad][1] for truth, bad in zip(truths, found, strict=True)])
        figures.add(
            f"audit, {sampled} of {unseen:,}: interval covers, of {sets:,} sets",
            f"{100 * covered:.1f} %",
            "at least 94 %",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--grid", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--port", type=int, default=5860)
    parser.add_argument("--folder", type=Path, help="keep the generated folders here, and use them again")
    options = parser.parse_args()
    if not Path(CHROMIUM).exists():
        raise SystemExit(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    figures, strangers = Figures(), []
    files = static_files().values()
    sizes = sum(len(gzip.compress(body)) for body in files), sum(map(len, files))
    figures.add("the page: bytes sent (packed), bytes of source", f"{sizes[0]:,}; {sizes[1]:,}", "sent under 100,000")
    measure_audit(figures)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        root = options.folder or Path(temporary)
        folders = {count: root / f"review-{count}" for count in (options.images, options.grid)}
        for count, data in folders.items():
            if not data.exists():
                began = time.monotonic()
                generate(data, count)
                print(f"{count:,} pictures generated in {time.monotonic() - began:.0f} s")
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        server = Server(folders[options.images], options.port)
        url = server.start()
        figures.add(f"server ready, {options.images:,} pictures, s", f"{server.start_s:.1f}")
        try:
            measure_start(browser, url, figures, strangers)
            measure_keys(browser, url, figures, strangers, options.rounds)
            measure_two_windows(browser, server, url, figures, strangers)
            measure_kills(browser, server, url, figures, strangers, options.kills)
        finally:
            server.kill()
        long = Server(folders[options.grid], options.port + 1)
        url = long.start()
        try:
            measure_grid(browser, url, figures, strangers, options.grid)
        finally:
            long.kill()
        browser.close()
    figures.add("requests to any other host", len(strangers), "0")
    print(json.dumps({"machine": f"{os.cpu_count()} cores, Python {sys.version.split()[0]}", **figures.values}))


if __name__ == "__main__":
    main()
