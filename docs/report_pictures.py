"""Draw the pictures of the two reports that the documentation shows, from the demo world alone.

    python docs/report_pictures.py

Runs the demo in a temporary folder and photographs its reports in Chromium. Needs playwright and /usr/bin/chromium.
"""

import contextlib
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from imgkit.demo.run import run_demo

IMAGES = Path(__file__).resolve().parent / "images"
WIDTH, HEIGHT = 1180, 760  # CSS pixels: the head of the report, readable at the width of a README


def main() -> None:
    """Write ``docs/images/curated.png`` and ``docs/images/trained.png``."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), sync_playwright() as playwright:
        report = run_demo(Path("snakes"))
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, file in (
            ("curated", Path("snakes", "data", "curated", "report.html")),
            ("trained", report.train.run / "report.html"),
        ):
            page.goto(file.absolute().as_uri())
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
