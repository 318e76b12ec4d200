"""The report of an evaluation: every mistake, filtered and enlarged, beside the training pictures that explain it."""

import csv
import json
import re
from dataclasses import replace

import pytest
from drawing import COLOURS, draw

from imgkit.errors import UsageError
from imgkit.interface import load_model
from imgkit.models.report.explorer import References, explorer_data, json_data
from imgkit.models.report.page import refuse_foreign_folder, write_evaluation


@pytest.fixture(scope="module")
def judged(model, tmp_path_factory):
    """A report on 4 corals and 4 kings, of which two corals lie under king and one king under coral."""
    root = tmp_path_factory.mktemp("judged")
    for number in range(4):
        draw(root / "new" / ("king" if number < 2 else "coral") / f"c{number}.png", COLOURS["coral"], 900 + number)
        draw(root / "new" / ("coral" if number < 1 else "king") / f"k{number}.png", COLOURS["king"], 950 + number)
    draw(root / "new" / "king" / "<b>&amp.png", COLOURS["king"], 990)
    report = load_model(model, device="cpu").evaluate(root / "new", cache=root / "cache", report=root / "out")
    return root / "out", report


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="tested">(.*?)</script>', page, re.DOTALL).group(1))


def test_the_folder_holds_the_page_and_the_tables(judged):
    out, report = judged

    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))

    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv",
        "evaluation.json",
        "per_label.csv",
        "predictions.csv",
        "report.html",
    ]
    assert {row["file_name"] for row in rows if row["right"] == "no"} == {"king/c0.png", "king/c1.png", "coral/k0.png"}
    assert len(rows) == report.scores.count == 9
    assert (out / "confusion.csv").read_text().splitlines()[1:] == ["coral,2,1", "king,2,4"]


def test_every_mistake_is_on_the_page_enlarged_with_its_nearest_and_typical_training_pictures(judged):
    out, _ = judged

    data = data_of((out / "report.html").read_text("utf-8"))
    mistakes = data["tested"][:3]

    assert data["labels"] == ["coral", "king"]
    assert {one["file"] for one in mistakes} == {"king/c0.png", "king/c1.png", "coral/k0.png"}
    assert all(one["label"] == one["called"] for one in data["tested"][3:])
    assert [one["sure"] for one in mistakes] == sorted((one["sure"] for one in mistakes), reverse=True)
    for one in mistakes:
        assert one["large"].startswith("data:image/jpeg;base64,")
        near = [data["training"][index] for index, _ in one["near"]]
        assert [each["label"] for each in near] == [one["called"]] * 3  # its label is wrong: all nearest say so
    assert set(data["typical"]) == {"0", "1"}
    for label, places in data["typical"].items():
        assert [data["training"][place]["label"] for place in places] == [int(label)] * 3


def test_names_end_no_element_of_the_page(judged):
    out, _ = judged

    page = (out / "report.html").read_text("utf-8")

    assert "<b>&amp.png" not in page
    assert any(one["file"] == "king/<b>&amp.png" for one in data_of(page)["tested"])
    assert json_data("</script><img>") == '"\\u003c/script\\u003e\\u003cimg\\u003e"'


def test_without_training_pictures_the_page_says_so(judged, tmp_path):
    _, report = judged

    write_evaluation(tmp_path / "out", report, None)

    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "The training pictures are not at hand" in page
    assert [one["near"] for one in data_of(page)["tested"]] == [[]] * 9


def test_typical_pictures_are_no_copies_of_each_other(judged):
    _, report = judged
    evaluated = report.predictions
    same = [replace(picture, group="one") for picture in evaluated.pictures]

    data = explorer_data(
        evaluated,
        report.labels,
        References(pictures=same, features=evaluated.features, tested=evaluated.features),
        name=lambda picture: picture.path.name,
    )

    assert [len(places) for places in data["typical"].values()] == [1, 1]


def test_a_folder_with_other_files_is_refused_and_an_earlier_report_is_written_anew(judged, tmp_path):
    out, report = judged
    (tmp_path / "predictions.csv").write_text("mine")

    with pytest.raises(UsageError, match="is no folder of an earlier report"):
        refuse_foreign_folder(tmp_path)
    refuse_foreign_folder(out)
    refuse_foreign_folder(tmp_path / "new")
    write_evaluation(out, report, None)


@pytest.mark.browser
def test_a_cell_opens_its_pictures_a_click_enlarges_and_the_slider_counts(judged, chromium):
    from playwright.sync_api import sync_playwright

    out, _ = judged
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((out / "report.html").as_uri())
        counted = page.locator("#explorer output")
        assert counted.text_content() == "3 of 9 pictures"

        page.locator("td[title='king called coral: 2']").click()
        assert counted.text_content() == "2 of 9 pictures"
        page.locator("#explorer button.case").first.click()
        assert page.locator("dialog .facts > p").text_content().startswith("labelled king")
        first = page.locator("dialog code").text_content()
        page.keyboard.press("ArrowRight")
        assert {first, page.locator("dialog code").text_content()} == {"king/c0.png", "king/c1.png"}
        page.keyboard.press("Escape")
        page.locator("#threshold").fill("0")
        assert "it answers 9 of 9 pictures; of these 66.7 % are right (95 % interval 35.4 to 87.9)" in (
            page.locator("#answered").text_content()
        )
        browser.close()
    assert complaints == []
