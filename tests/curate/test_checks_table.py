"""A check is one file and one line: the command line, the verdicts, the report and the review page read the rest."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
from drawn_photos import photo

import imgkit
from imgkit.curate.checks import CHECK_REASONS, CHECKS, KINDS, ORDER
from imgkit.curate.checks.check import Check, Reason, Suspicion
from imgkit.curate.review.listing import choices
from imgkit.curate.verdicts import judge
from imgkit.manifest import Finding
from imgkit.manifest.standings import UNREADABLE
from imgkit.reasons import LISTED, REASONS, explain

PACKAGE = Path(imgkit.__file__).parent

TOY = '''
"""Toys."""

from typing import TypedDict

from imgkit.curate.checks.check import Check, Reason, Suspicion


class ToyDetail(TypedDict):
    """Of what it is made."""

    made_of: str


def run(context):
    """Find every picture of a king."""
    found = [one for one in context.pictures if one.label_now == "king"]
    return [CHECK.finding(one, 5.0, {"made_of": "wood"}) for one in found]


CHECK = Check(
    name="toy", title="a toy", reason=Reason("bad.toy", "a toy, not the animal", column="toy?", key="t", choice="toy"),
    detail=ToyDetail, threshold=1.0, scale=Suspicion(even=1.0, sure=4.0), kind="toys",
    describe=lambda finding: f"made of {finding.detail['made_of']}", run=run,
)
'''

TRY_IT = """
import json, sys
from pathlib import Path
from typer.testing import CliRunner
from imgkit.cli import build
from imgkit.curate.review.listing import ReviewListing
from imgkit.curate.verdicts import in_set
from imgkit.manifest import Manifest
from imgkit.reasons import explain

folder = sys.argv[1]
told = {"help": CliRunner().invoke(build(), ["curate", "--help"], env={"COLUMNS": "200"}).output}
arguments = ["curate", "--data", folder, "--weights", "none"]
told["allowed"] = CliRunner().invoke(build(), [*arguments, "--allow", "toys", "--dry-run"]).output
told["table"] = CliRunner().invoke(build(), arguments).output
with Manifest.open_existing(Path(folder)) as manifest:
    told["verdicts"] = sorted({(one.label, one.verdict, one.reason, one.check, one.detail, one.score)
                               for one in manifest.judgements().values()})
    told["columns"] = json.loads(ReviewListing(manifest, in_set("suggest")).columns)
told["phrase"] = explain("bad.toy")
print(json.dumps(told))
"""


@pytest.fixture
def with_toy(tmp_path):
    """The package with one file and one line more."""
    package = tmp_path / "source" / "imgkit"
    for folder, only in ((PACKAGE, "curate"), (PACKAGE / "curate", "checks")):
        here = package / folder.relative_to(PACKAGE)
        here.mkdir(parents=True)
        for each in folder.iterdir():
            if each.name != only:
                (here / each.name).symlink_to(each)
    checks = package / "curate" / "checks"
    checks.mkdir()
    for each in (PACKAGE / "curate" / "checks").glob("*.py"):
        (checks / each.name).write_text(each.read_text(encoding="utf-8"), encoding="utf-8")
    (checks / "toy.py").write_text(TOY, encoding="utf-8")
    return checks


def register(checks):
    table = (checks / "__init__.py").read_text(encoding="utf-8")
    line = '    "quality",\n'
    assert line in table
    (checks / "__init__.py").write_text(table.replace(line, f'{line}    "toy",\n'), encoding="utf-8")


def run(checks, code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(checks.parents[2])}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_a_check_is_one_file_and_one_line(with_toy, builder):
    for number, label in enumerate(("coral", "king")):
        for seed in range(3):
            builder.add(label, photo(100 * number + seed))
    register(with_toy)

    done = run(with_toy, TRY_IT, str(builder.folder.root))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert "toys, drawings, text" in re.sub(r"[\s│]+", " ", told["help"])
    assert ["king", "suspect", "bad.toy", "toy", "made of wood", 0.9493] in told["verdicts"]
    assert [one for one in told["verdicts"] if one[0] == "coral"] == [["coral", "keep", "", "", "", 0.0]]
    assert "toy?" in told["table"]
    assert "toy?" not in told["allowed"]
    assert told["columns"]["titles"]["toy"] == "a toy"
    assert told["columns"]["words"]["bad.toy"] == told["phrase"] == "a toy, not the animal"
    assert ["t", "bad.toy", "toy"] in told["columns"]["choices"]
    page = (builder.folder.curated / "report.html").read_text(encoding="utf-8")
    assert "a toy, not the animal" in page
    assert "made of wood" in page
    card = (builder.folder.curated / "DATACARD.md").read_text(encoding="utf-8")
    assert re.search(r"\| a toy, not the animal \| bad.toy \| 3 \|", card.replace("\\", ""))
    report = json.loads((builder.folder.curated / "report.json").read_text(encoding="utf-8"))
    assert {tuple(one["checks"]) for one in report["suspects"]} == {("toy: made of wood",)}


IMPORT = "import imgkit.curate.checks"


def test_a_file_that_is_not_in_the_table_stops_the_import(with_toy):
    done = run(with_toy, IMPORT)

    assert "ImportError: toy: not in the table of checks. Add a line to imgkit.curate.checks.ORDER" in done.stderr


@pytest.mark.parametrize(
    ("whole", "half", "sentence"),
    [
        ('title="a toy", ', "", "the check toy is not described in full: .*'title'"),
        ('title="a toy"', 'title=""', "the check toy is not described in full: it has no name or no title"),
        ("detail=ToyDetail, ", "", "the check toy is not described in full: .*'detail'"),
        ("detail=ToyDetail", "detail=dict", "its detail is <class 'dict'> and not a TypedDict"),
        ("threshold=1.0, ", "", "the check toy is not described in full: .*'threshold'"),
        ("scale=Suspicion(even=1.0, sure=4.0), ", "", "a reason goes together with a scale or a rule that settles"),
        ('"a toy, not the animal"', '""', "the reason bad.toy has no phrase: say what completes 'not kept: …'"),
        ('"bad.toy"', '"http.404"', "the phrase of the reason http.404 is in imgkit.reasons already"),
        ('"bad.toy"', '"bad.quality"', "the check toy says of the reason bad.quality something else"),
        ('name="toy"', 'name="game"', "the check in toy.py calls itself game"),
        ("CHECK = ", "MY_CHECK = ", "the check toy is not described in full: .*CHECK"),
    ],
)
def test_a_check_that_is_described_by_half_stops_the_import(with_toy, whole, half, sentence):
    register(with_toy)
    assert whole in TOY
    (with_toy / "toy.py").write_text(TOY.replace(whole, half), encoding="utf-8")

    done = run(with_toy, IMPORT)

    assert re.search(f"ImportError: .*{sentence}", done.stderr) or re.search(f"Error: {sentence}", done.stderr)


class Evidence(TypedDict):
    seen: int


def test_a_finding_holds_only_what_the_type_of_its_detail_declares():
    check = Check(
        name="x", title="x", detail=Evidence, threshold=1.0, describe=str, run=list,
        reason=Reason("bad.x", "x"), scale=Suspicion(even=0.0, sure=1.0), version=3,
    )  # fmt: skip
    picture = type("Picture", (), {"label": "coral", "image_id": "a"})()

    assert check.finding(picture, 2.0, {"seen": 1}, model=4) == Finding(
        label="coral", image_id="a", check="x", score=2.0, threshold=1.0, detail={"seen": 1}, version=7
    )
    with pytest.raises(TypeError, match="the check x does not declare heard in Evidence"):
        check.finding(picture, 2.0, {"heard": 1})


def test_findings_of_a_check_that_is_not_in_the_table_are_not_dropped():
    with pytest.raises(ValueError, match="findings of forgotten: not in the table of checks"):
        judge([], {"forgotten": []}, [])


def test_the_table_runs_cheap_checks_first_and_later_ones_build_on_earlier_ones():
    assert tuple(CHECKS) == ORDER
    assert [name for name, check in CHECKS.items() if check.needs_model] == [
        name for name in ORDER[ORDER.index("quality") + 1 :] if name != "words"
    ]
    assert UNREADABLE in CHECKS  # the manifest knows this one by name


def test_kinds_titles_and_choices_for_people():
    assert KINDS == ("drawings", "text")
    assert {name: check.kind for name, check in CHECKS.items() if check.kind} == {
        "art": "drawings", "not_photo": "drawings", "text": "text",
    }  # fmt: skip
    assert choices() == [
        ("l", "bad.label", "wrong label, right one unknown"),
        ("u", "bad.offtopic", "unrelated"),
        ("d", "bad.not_photo", "drawing, render, text or screenshot"),
        ("b", "bad.quality", "blurred, dark or tiny"),
        ("c", "dup.near", "copy of another one"),
        ("o", "user.rejected", "something else"),
    ]
    assert len({check.title for check in CHECKS.values()}) == len(CHECKS)


def test_the_reasons_of_checks_are_on_the_list_of_reasons():
    assert set(REASONS) == set(LISTED) | set(CHECK_REASONS)
    assert len(REASONS) == len(set(REASONS))
    assert explain("bad.label") == "looks like another label"
    assert explain("bad.conflict") == "the same picture under several labels"
    with pytest.raises(KeyError):
        explain("bad.unheard_of")
