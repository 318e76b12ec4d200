"""Runs side by side: the same pictures, paired intervals, cost, settings, and what only one of them gets right."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from drawing import draw
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.errors import UsageError
from imgkit.models.intervals import paired_difference
from imgkit.train.comparison import compare
from imgkit.train.report.comparison_page import render

COLUMNS = ("file_name", "label", "split", "judged_by", "right", "loss", "label_1", "probability_1")


def written(
    folder: Path, rows, *, root: Path = Path("/pictures"), picked="epoch 3", settings=None, groups=None, finished=True
) -> Path:
    """Write a run's folder: ``rows`` are (file, label, answer) or (file, label, answer, judge)."""
    (folder / "model").mkdir(parents=True)
    rows = [row if len(row) == 4 else (*row, "test") for row in rows]
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for name, label, called, judge in rows:
            table.writerow([name, label, "test", judge, "yes" if label == called else "no", 0.1, called, 0.9])
    groups = groups or {}
    lines = [f"{name},{label},test,{groups.get(name, name)}\n" for name, label, _, _ in rows]
    (folder / "split.csv").write_text("file_name,label,split,group\n" + "".join(lines))
    (folder / "classes.json").write_text('["coral", "king"]')
    (folder / "config.json").write_text(json.dumps({"data": str(root), "name": folder.name, **(settings or {})}))
    safetensors.numpy.save_file({"w": np.zeros((3, 4), np.float32)}, folder / "model" / "model.safetensors")
    report = {
        "data": str(root),
        "picked": picked,
        "plan": {"machine": {"backbone": "net"}},
        "seconds": {"scan": 1.0, "probe": 2.5},
    }
    if finished:
        (folder / "report.json").write_text(json.dumps(report))
    return folder


def answers(*called, label="coral"):
    return [(f"{number}.png", label, each) for number, each in enumerate(called)]


def test_the_difference_is_paired_and_has_an_interval(tmp_path):
    written(tmp_path / "a", answers(*["coral"] * 80, *["king"] * 20))
    written(tmp_path / "b", answers(*["coral"] * 78, *["king"] * 2, *["coral"] * 15, *["king"] * 5))

    found = compare([tmp_path])

    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.first_only, pair.second_only) == ("a", "b", 2, 15)
    assert pair.difference.value == pytest.approx(0.13)
    assert (pair.difference.low, pair.difference.high) == (
        pytest.approx(0.0498, abs=1e-4),
        pytest.approx(0.2051, abs=1e-4),
    )
    assert pair.differs
    assert [scores.only_right for scores in found.scores] == [2, 15]
    assert [round(scores.accuracy.value, 2) for scores in found.scores] == [0.8, 0.93]
    assert [(run.parameters, run.seconds) for run in found.runs] == [(12, 3.5)] * 2


def test_the_interval_of_no_difference_has_a_width_and_copies_are_one_trial():
    same = np.ones(50, bool)
    few = paired_difference(same, same, np.repeat([0, 1, 2, 3, 4], 10))
    many = paired_difference(same, same, np.arange(50))

    assert few.value == many.value == 0
    assert few.high == -few.low == pytest.approx(1.959964 / 7)
    assert many.high == pytest.approx(1.959964 / 52)
    empty = paired_difference(np.ones(0, bool), np.ones(0, bool), np.zeros(0, np.int64))
    assert (empty.low, empty.high) == (-1, 1)


def test_groups_of_the_split_count_once(tmp_path):
    groups = {f"{number}.png": f"g{number // 2}" for number in range(8)}
    written(tmp_path / "a", answers(*["coral"] * 8), groups=groups)
    written(tmp_path / "b", answers(*["coral"] * 6, "king", "king"), groups=groups)

    found = compare([tmp_path / "a", tmp_path / "b"])

    assert (found.groups, len(found.shared)) == (4, 8)
    assert found.pairs[0].difference.value == -0.25


def test_only_pictures_count_that_all_were_judged_on_out_of_fold_for_a_probe_alone(tmp_path):
    held = [("x.png", "coral", "coral", "out-of-fold probe"), ("y.png", "coral", "king", "test")]
    written(tmp_path / "probe", held, picked="linear probe")
    written(tmp_path / "tuned", held)
    written(tmp_path / "other", [("x.png", "coral", "king"), ("y.png", "coral", "coral"), ("z.png", "king", "king")])

    assert compare([tmp_path / "probe", tmp_path / "other"]).shared == ("x.png", "y.png")
    assert compare([tmp_path / "tuned", tmp_path / "other"]).shared == ("y.png",)


def test_pictures_whose_label_changed_are_named_and_count_for_none(tmp_path):
    written(tmp_path / "a", [("x.png", "coral", "coral"), ("y.png", "coral", "coral")])
    written(tmp_path / "b", [("x.png", "king", "king"), ("y.png", "coral", "coral")])

    found = compare([tmp_path / "a", tmp_path / "b"])

    assert found.relabelled == {"x.png": ("coral", "king")}
    assert found.shared == ("y.png",)


def test_settings_that_differ_are_named_and_those_of_the_run_alone_are_not(tmp_path):
    written(tmp_path / "a", answers("coral"), settings={"lr": 1e-4, "seed": 0, "runs": "x"})
    written(tmp_path / "b", answers("coral"), settings={"lr": 3e-4, "seed": 0, "runs": "y", "size": 160})

    assert compare([tmp_path]).settings == {"lr": (1e-4, 3e-4), "size": (None, 160)}


def test_reports_of_evaluations_are_compared_too(tmp_path):
    run = written(tmp_path / "runs" / "a", answers("coral"))
    for name, called in (("one", "coral"), ("two", "king")):
        written(tmp_path / name, [("x.png", "coral", called, "evaluate")], finished=False)
        for file in ("config.json", "split.csv", "classes.json"):
            (tmp_path / name / file).unlink()
        (tmp_path / name / "evaluation.json").write_text(json.dumps({"data": "/new", "model": str(run)}))

    found = compare([tmp_path / "one", tmp_path / "two"])

    assert found.pairs[0].difference.value == -1
    assert [run.parameters for run in found.runs] == [12, 12]


@pytest.mark.parametrize("case", ["one", "nothing shared", "damaged", "no folder"])
def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path, case):
    written(tmp_path / "a", answers("coral"))
    said = r"finished runs in .*: 1; not finished: .*b\. Nothing was compared"
    if case == "one":
        written(tmp_path / "b", answers("coral"), finished=False)
    elif case == "nothing shared":
        written(tmp_path / "b", [("other.png", "coral", "coral")])
        said = r"no picture was judged by all runs \(pictures judged: a 1, b 1\)"
    elif case == "damaged":
        (written(tmp_path / "b", answers("coral")) / "report.json").write_text("[]")
        said = r"b is not what imgkit writes \(TypeError"
    else:
        (tmp_path / "b").write_text("")
        said = "b is no folder"

    with pytest.raises(UsageError, match=said):
        compare([tmp_path / "a", tmp_path / "b"])


def test_the_page_shows_the_pictures_that_only_one_gets_right_and_loads_nothing(tmp_path):
    draw(tmp_path / "pictures" / "1.png", (200, 60, 40), 1)
    rows = [("1.png", "<i>coral", "<i>coral"), ("2.png", "king", "king")]
    written(tmp_path / "runs" / "a", rows, root=tmp_path / "pictures")
    written(
        tmp_path / "runs" / "b", [("1.png", "<i>coral", "king"), ("2.png", "king", "king")], root=tmp_path / "pictures"
    )

    page = render(compare([tmp_path / "runs"]))

    assert page.count("data:image/jpeg;base64,") == 1
    assert "<i>coral" not in page
    assert "&lt;i&gt;coral" in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.index("Only a") < page.index("data:image/jpeg") < page.index("Only b")


def test_the_command_writes_the_page_beside_the_first_run(tmp_path):
    written(tmp_path / "a", answers("coral", "king"))
    written(tmp_path / "b", answers("coral", "coral"))

    result = CliRunner().invoke(build(), ["compare", str(tmp_path), "--json"])

    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["report"] == str(tmp_path / "compare.html")
    assert (tmp_path / "compare.html").is_file()
    assert [run["name"] for run in found["runs"]] == ["a", "b"]
    assert found["pairs"][0]["difference"]["value"] == 0.5
