"""Draw the pictures of the review page that the documentation shows, from the demo world alone.

    python docs/review_pictures.py [--all FOLDER]

Runs the demo in a temporary folder, reviews a part of it in Chromium and photographs each mode: wide and narrow, light
and dark. ``--all`` also keeps every single photograph, to look at. Needs playwright and /usr/bin/chromium.
"""

import argparse
import io
import json
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate_with_review
from imgkit.curate.review.config import ReviewConfig
from imgkit.demo.run import run_demo

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
MODES = ("suspects", "labels", "duplicates", "grid", "second", "trash", "audit", "overview")
GAP = 24
SHOWN_WIDTH = 1400
QUALITY = 86


@dataclass
class Heard:
    """Progress that waits for the address of the page."""

    ready: threading.Event = field(default_factory=threading.Event)

    def start(self, title: str, total: int | None = None) -> None:
        """Nothing to show."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Nothing to show."""

    def say(self, line: str) -> None:
        """The address is noted before this is said."""
        if line.startswith("Decisions are saved"):
            self.ready.set()


def main() -> None:
    """Write ``docs/images/review-*.webp``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, help="keep every photograph here")
    parser.add_argument("--demo", type=Path, help="a demo that was run before, to save a minute")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        demo = options.demo or Path(temporary) / "demo"
        if not demo.exists():
            run_demo(demo)
        data = (demo / "data").rename(Path(temporary) / "snakes") if not options.demo else demo / "data"
        photograph_review(data, options.all)


def photograph_review(data: Path, keep: Path | None) -> None:
    """Serve the review of a data folder, review a little, and photograph every mode."""
    heard = Heard()
    page = ReviewConfig(data=data, port=0, open_browser=False, reviewer="demo")
    config = CurateConfig(data=data, allow=("drawings",))
    server = threading.Thread(target=lambda: curate_with_review(config, page, progress=heard))
    server.start()
    heard.ready.wait()
    url = json.loads((data / ".review" / "server.json").read_text())["url"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        opened = open_page(browser, url, WIDE, "light")
        result = review_a_little(opened)
        photographs = {
            (mode, width, scheme): photograph
            for width, viewport in (("wide", WIDE), ("narrow", NARROW))
            for scheme in ("light", "dark")
            for mode, photograph in photograph_modes(browser, url, viewport, scheme).items()
        }
        opened.evaluate("imgkit.store.quit().catch(() => {})")
        browser.close()
    server.join()
    result.resize((SHOWN_WIDTH // 2, SHOWN_WIDTH * result.height // (2 * result.width)), Image.Resampling.LANCZOS).save(
        IMAGES / "review-result.webp", quality=QUALITY, method=6
    )
    for n, mode in enumerate((*MODES, "difference")):
        scheme, other = ("light", "dark") if n % 2 == 0 else ("dark", "light")
        beside = beside_each_other(photographs[mode, "wide", scheme], photographs[mode, "narrow", other])
        beside.save(IMAGES / f"review-{mode}.webp", quality=QUALITY, method=6)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        for (mode, width, scheme), photograph in photographs.items():
            photograph.save(keep / f"{mode}-{width}-{scheme}.png")


def open_page(browser: Browser, url: str, viewport: dict[str, int], scheme: str) -> Page:
    """Open the review in a window of its own."""
    page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    return page


def until(page: Page, expression: str) -> None:
    """Wait until something is true in the page."""
    while not page.evaluate(expression):
        page.wait_for_timeout(20)


def press(page: Page, keys: str) -> None:
    """Press keys, each when its picture is painted."""
    for key in keys:
        until(page, "imgkit.view.stage.painted === imgkit.view.row")
        page.keyboard.press({" ": "Space", "\n": "Enter"}.get(key, key))
    until(page, "!imgkit.store.outbox.waiting.length")


def review_a_little(page: Page) -> Image.Image:
    """Decide about some suspects and answer the first hundred questions of an audit; return the result's photograph."""
    page.evaluate("imgkit.open('suspects')")
    press(page, "x\nxkux\nk")
    page.evaluate("imgkit.open('audit')")
    page.get_by_role("button", name="Start the audit").click()
    until(page, "Boolean(imgkit.store.audit)")
    first = page.evaluate("imgkit.store.audit.looks[0][1]")
    for number in range(first):
        until(page, "imgkit.view.stage.painted === imgkit.view.rows[imgkit.view.position]")
        known_bad = page.evaluate("imgkit.store.decided(imgkit.view.rows[imgkit.view.position])")
        page.keyboard.press("x" if known_bad or number in (17, 61) else "Space")
    until(page, "Boolean(imgkit.store.audit.result)")
    return photograph(page)


def photograph_modes(browser: Browser, url: str, viewport: dict[str, int], scheme: str) -> dict[str, Image.Image]:
    """Return a photograph of each mode, and of the difference of two copies."""
    page = open_page(browser, url, viewport, scheme)
    taken = {}
    for mode in MODES:
        page.evaluate(f"imgkit.open('{mode}')")
        prepare(page, mode)
        taken[mode] = photograph(page)
        if mode == "duplicates":
            page.keyboard.press("o")
            taken["difference"] = photograph(page)
    page.context.close()
    return taken


def prepare(page: Page, mode: str) -> None:
    """Bring a mode into a state worth showing."""
    if mode == "duplicates":
        page.evaluate(
            """(() => {
              const { listing } = imgkit.store;
              const differs = (rows) => new Set(rows.map((row) => listing.label[row])).size === 1
                && new Set(rows.map((row) => listing.width[row])).size > 1;
              imgkit.open("duplicates", { group: listing.members.findIndex(differs) });
            })()"""
        )
    if mode == "grid":
        page.locator("#cell-0").wait_for()
        for position in (2, 4, 8):
            page.locator(f"#cell-{position}").click()


def photograph(page: Page) -> Image.Image:
    """Return the window once everything in it is drawn."""
    page.wait_for_timeout(900)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def beside_each_other(wide: Image.Image, narrow: Image.Image) -> Image.Image:
    """Return both on one ground, as wide as a page of documentation."""
    size = (wide.width + narrow.width + 3 * GAP, max(wide.height, narrow.height) + 2 * GAP)
    ground = Image.new("RGB", size, (122, 126, 132))
    ground.paste(wide, (GAP, GAP))
    ground.paste(narrow, (2 * GAP + wide.width, GAP))
    return ground.resize((SHOWN_WIDTH, round(SHOWN_WIDTH * size[1] / size[0])), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
