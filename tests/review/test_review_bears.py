"""A real, unweeded harvest of bears, reviewed in a real browser by a script that knows a person's labels."""

import csv
import json
import threading
import time
from collections import defaultdict

import pytest
from playwright.sync_api import sync_playwright
from reviewing import Heard, adopt

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate_with_review
from imgkit.curate.review.config import ReviewConfig

pytestmark = [pytest.mark.browser, pytest.mark.photos, pytest.mark.long]

LABELS = ("black", "grizzly", "teddy")


@pytest.fixture(scope="module")
def truth(photos, tmp_path_factory):
    """The harvest in a data folder, and the person's verdict on each picture: (good, group of copies)."""
    data = tmp_path_factory.mktemp("bears") / "data"
    ids = {label: adopt(data, label, sorted((photos / "bears_harvest" / label).iterdir())) for label in LABELS}
    verdicts = {}
    with (photos / "bears_harvest_labels.csv").open() as file:
        for row in csv.DictReader(file):
            if image_id := ids[row["class"]].get(row["file"]):
                known = verdicts.get((row["class"], image_id), (True, ""))
                good = row["label"] == "keep" and known[0]
                verdicts[row["class"], image_id] = (good, row["dup_group"] or known[1])
    return data, verdicts


class ScriptedReviewer:
    """Presses the keys that a person would who knows the right answers."""

    def __init__(self, page, verdicts):
        self.page, self.verdicts = page, verdicts

    def key_of(self, row):
        return tuple(
            self.page.evaluate(
                "(row) => [imgkit.store.labelSlug(imgkit.store.listing.label[row]), imgkit.store.listing.id(row)]", row
            )
        )

    def good(self, row):
        return self.verdicts[self.key_of(row)][0]

    def wait(self, expression):
        deadline = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(10)

    def go_through_suspects(self):
        self.page.get_by_role("tab", name="Suspects").click()
        while (row := self.page.evaluate("imgkit.view.row")) >= 0:
            self.wait(f"imgkit.view.stage.painted === {row}")
            self.page.keyboard.press("Space" if self.good(row) else "x")

    def go_through_copies(self):
        """Every group, also those that the machine has settled."""
        self.page.get_by_role("tab", name="Copies").click()
        for group in range(self.page.evaluate("imgkit.view.groups.length")):
            self.page.evaluate(f"imgkit.open('duplicates', {{ group: {group} }})")
            for _ in range(30):
                self.wait(
                    "imgkit.view.position < 0 || (imgkit.view.painted && imgkit.view.painted === imgkit.view.pair)"
                )
                pair = self.page.evaluate("imgkit.view.position < 0 ? null : imgkit.view.pair")
                if pair is None or self.page.evaluate("imgkit.store.listing.group[imgkit.view.pair[0]]") != group:
                    break
                self.page.keyboard.press(self.answer(*pair))

    def answer(self, left, right):
        good = [self.good(left), self.good(right)]
        if not any(good):
            return "n"
        if not all(good):
            return "ArrowLeft" if good[0] else "ArrowRight"
        groups = [self.verdicts[self.key_of(row)][1] for row in (left, right)]
        return "ArrowLeft" if groups[0] and groups[0] == groups[1] else "b"

    def weed_the_rest_in_the_grid(self):
        """Click what is bad and reject it with one key."""
        self.page.get_by_role("tab", name="Grid").click()
        self.page.locator("#cell-0").wait_for()
        rows = self.page.evaluate("imgkit.view.rows")
        bad = [n for n, row in enumerate(rows) if not self.good(row)]
        for position in bad:
            self.page.evaluate(f"imgkit.view.reveal({rows[position]})")
            self.page.locator(f"#cell-{position}").click()
        if bad:
            self.page.keyboard.press("x")

    def finish(self):
        self.page.get_by_role("tab", name="Overview").click()
        self.page.get_by_role("button", name="Write the set").click()
        self.page.wait_for_selector(".finish pre.command", timeout=240_000)
        self.page.evaluate("imgkit.store.quit().catch(() => {})")


def test_a_reviewer_who_knows_the_labels_ends_with_the_set_that_the_person_wanted(truth, chromium):
    data, verdicts = truth
    heard, reports = Heard(), []
    page_settings = ReviewConfig(data=data, port=0, open_browser=False, reviewer="script")
    thread = threading.Thread(
        target=lambda: reports.append(curate_with_review(CurateConfig(data=data), page_settings, progress=heard))
    )
    thread.start()
    try:
        assert heard.ready.wait(280), heard.lines
        url = json.loads((data / ".review" / "server.json").read_text())["url"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(url)
            page.wait_for_selector("html[data-ready]")
            reviewer = ScriptedReviewer(page, verdicts)
            reviewer.go_through_suspects()
            reviewer.go_through_copies()
            reviewer.weed_the_rest_in_the_grid()
            reviewer.finish()
            browser.close()
    finally:
        thread.join(60)

    curated = {(path.parent.name, path.stem) for path in (data / "curated").glob("*/*.jpg")}
    good = {key for key, (is_good, _) in verdicts.items() if is_good}
    groups = defaultdict(set)
    for key in good:
        groups[verdicts[key][1] or key].add(key)
    assert curated - good == set()
    assert [name for name, members in groups.items() if not members & curated] == []
    assert [name for name, members in groups.items() if len(members & curated) > 1] == []
    report = json.loads((data / "curated" / "report.json").read_text())
    [done] = reports
    assert report["totals"]["in_set"] == len(curated) == done.curated.totals["in_set"]
    assert {row["label"]: row["in_set"] for row in report["labels"]} == {
        label: sum(key[0] == label for key in curated) for label in LABELS
    }
    assert done.reviewed.totals.rejected >= 1
