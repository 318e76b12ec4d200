import json
import re

import pytest
from drawn_photos import photo

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.manifest import Decision

HOSTILE = '<script>alert("x")</script><img src=https://evil.example/p.png onerror=alert(1)>'


@pytest.fixture
def curated(builder):
    """A curated set whose names, authors and licences were written by somebody with bad intentions."""
    builder.label("coral", HOSTILE)
    for seed in range(6):
        builder.add(
            "coral", photo(seed), author=HOSTILE, license=HOSTILE, title=HOSTILE, page_url="javascript:alert(1)"
        )
        builder.add("king", photo(100 + seed), license="=HYPERLINK(1)")
    builder.add("coral", photo(0).resize((160, 120)))
    builder.manifest.decide(
        [
            Decision(image_id=item.image_id, label="king", action="reject", reason="user.rejected", command=HOSTILE)
            for item in builder.manifest.items(label="king")[:1]
        ]
    )
    curate(CurateConfig(data=builder.folder.root, weights="none"))
    return builder.folder.curated


def test_texts_from_outside_are_text_on_the_page(curated):
    page = (curated / "report.html").read_text(encoding="utf-8")

    assert "&lt;script&gt;" in page
    assert not re.search(r"<script", page)
    assert "<img src=https" not in page


def test_texts_from_outside_are_text_in_the_attribution(curated):
    text = (curated / "ATTRIBUTION.md").read_text(encoding="utf-8")

    assert "<script>" not in text
    assert "\\<script\\>" in text


def test_cells_that_a_spreadsheet_would_run_are_defused(curated):
    table = (curated / "metadata.csv").read_text(encoding="utf-8")

    assert ",'=HYPERLINK(1)," in table


def test_the_page_loads_nothing_and_runs_nothing(curated, chromium):
    from playwright.sync_api import sync_playwright

    requests, errors = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda one: requests.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
        page.on("console", lambda one: errors.append(one.text))
        page.goto((curated / "report.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        broken = page.evaluate("[...document.images].filter(one => !one.naturalWidth).length")
        browser.close()

    assert requests == []
    assert errors == []
    assert width <= 390
    assert broken == 0


def test_every_number_of_the_funnel_is_in_the_json(curated):
    facts = json.loads((curated / "report.json").read_text(encoding="utf-8"))

    coral = next(row for row in facts["labels"] if row["label"] == "coral")
    assert (coral["found"], coral["harvested"], coral["left_out"], coral["in_set"]) == (7, 7, {"dup.near": 1}, 6)
    assert facts["totals"]["decided"] == 1
    assert len(facts["copies"]) == 1
    assert sum(facts["licences"].values()) == facts["totals"]["in_set"]
