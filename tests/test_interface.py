"""imgkit from Python: the interface that scripts and notebooks import."""

import ast
import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import imgkit
from imgkit.demo.builder import CORAL, KING, WorldBuilder
from imgkit.demo.web.server import serve
from imgkit.interface import Dataset, Model, Predictions, Run
from imgkit.models.predict import Guess, Prediction
from imgkit.notebook import TableReport

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HEAVY = ("torch", "timm", "numpy", "PIL", "requests", "typer", "rich", "sklearn")


class Yield(TableReport):
    """A report of these tests."""

    def table(self):
        return ["label", "kept", "share", "done"], [["<b>coral</b>", 1234, 0.25, True], ["king", 0, 1.0, False]]

    def headline(self):
        return "1,234 & more"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a queries file, and what the environment must hold to reach the loopback services."""
    folder = tmp_path_factory.mktemp("interface")
    queries = "label,query,providers\ncoral snake,coral snake,bing\nking snake,king snake,bing\n"
    (folder / "queries.csv").write_text(queries, encoding="utf-8")
    builder = WorldBuilder()
    for _ in range(16):
        builder.add(CORAL)
        builder.add(KING)
    with serve(builder.build()) as web:
        yield folder, web.environ


@contextlib.contextmanager
def running_in(folder, environ):
    before, values = Path.cwd(), {name: os.environ.get(name) for name in environ}
    os.chdir(folder)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.chdir(before)
        for name, value in values.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def test_importing_imgkit_loads_nothing_heavy():
    code = f"import sys, imgkit; imgkit.open; print([name for name in {HEAVY} if name in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_every_example_of_the_page_and_the_notebook_runs(world):
    folder, environ = world
    notebook = json.loads((DOCS / "notebooks" / "first.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names, shown = {}, {}
    with running_in(folder, environ), contextlib.redirect_stdout(io.StringIO()) as printed:
        for example in EXAMPLES:
            exec(compile(example, "docs/python.md", "exec"), names)
        for cell in cells:
            *statements, last = ast.parse(cell).body
            exec(compile(ast.Module(statements, []), "first.ipynb", "exec"), shown)
            assert isinstance(last, ast.Expr)
            assert "<table>" in eval(compile(ast.Expression(last.value), "first.ipynb", "eval"), shown)._repr_html_()

    assert isinstance(names["run"], Run)
    assert names["run"].path == Path("runs/second")
    assert names["columns"] == ["label", "provider", "found", "tried", "kept", "deferred", "waiting"]
    assert names["rows"][0] == ["coral snake", "bing", 16, 16, 16, 0, 0]
    assert "('coral_snake', 'king_snake')" in printed.getvalue()
    assert sum(1 for one in names["found"] if one.guesses) == len(list((folder / "data" / "curated").rglob("*.jpg")))
    assert "2 no manifest at nowhere" in printed.getvalue()


def test_a_data_folder_does_what_the_commands_do_with_the_same_settings(world):
    folder, environ = world
    with running_in(folder, environ):
        data = imgkit.open(folder / "other", progress=imgkit.Silent())
        report = data.harvest("queries.csv", per_label=3)
        dry = data.curate(dry_run=True, weights="none")

        assert not data.curated.exists()

        curated = data.curate(weights="none")
        again = data.status()

    assert [(one.label, one.target, one.kept) for one in report.labels] == [
        ("coral_snake", 3, 3),
        ("king_snake", 3, 3),
    ]
    assert dry.table() == curated.table()
    assert curated.table()[1] == [["coral snake", 3, 0, 0, 0, 0, 3], ["king snake", 3, 0, 0, 0, 0, 3]]
    assert [one.curated for one in again.labels] == [3, 3]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda folder: imgkit.load(folder / "none"), "there is no folder"),
        (lambda folder: imgkit.open(folder).curate(polcy="strict"), "polcy"),
        (lambda folder: imgkit.fit(folder, epoch=3), "epoch"),
        (lambda folder: imgkit.open(folder / "none").status(), "none"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(tmp_path, call, sentence):
    with pytest.raises(imgkit.ImgkitError) as refusal:
        call(tmp_path)

    assert sentence in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_report_shows_itself_as_a_table_without_markup_of_others():
    assert Yield()._repr_html_() == (
        "<p>1,234 &amp; more</p><table><thead><tr><th>label</th><th>kept</th><th>share</th><th>done</th></tr></thead>"
        '<tbody><tr><td style="text-align:left">&lt;b&gt;coral&lt;/b&gt;</td><td style="text-align:right">1,234</td>'
        '<td style="text-align:right">0.250</td><td>yes</td></tr><tr><td style="text-align:left">king</td>'
        '<td style="text-align:right">0</td><td style="text-align:right">1.000</td><td>no</td></tr></tbody></table>'
    )


def test_predictions_are_a_list_that_shows_the_first_guess_and_why_there_is_none():
    guesses = (Guess("coral", 0.75), Guess("king", 0.25))
    found = Predictions(
        [Prediction(path=Path("a.jpg"), guesses=guesses), Prediction(path=Path("b.txt"), reason="body.not_image")]
    )

    columns, rows = found.table()

    assert columns == ["picture", "label", "probability", "unknown", "reason"]
    assert rows[0] == ["a.jpg", "coral", 0.75, False, ""]
    assert rows[1][1] == ""
    assert rows[1][4] == "body.not_image"


def test_a_table_goes_to_pandas_or_says_how_to_install_it():
    try:
        import pandas
    except ModuleNotFoundError:
        with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
            Yield().to_pandas()
    else:
        frame = Yield().to_pandas()
        assert isinstance(frame, pandas.DataFrame)
        assert frame["kept"].tolist() == [1234, 0]


def test_the_public_names_are_the_documented_ones_and_none_is_a_package_of_imgkit():
    documented = set(re.findall(r"`imgkit\.(\w+)", PAGE.split("## The names")[1]))
    packages = {path.stem for path in Path(imgkit.__file__).parent.iterdir()}

    assert documented == set(imgkit.__all__)
    assert not set(imgkit.__all__) & (packages - {"__init__"})
    assert set(imgkit.__all__) <= set(dir(imgkit))
    assert all(getattr(imgkit, name) is not None for name in imgkit.__all__)


@pytest.mark.parametrize("kind", [Dataset, Model, Run])
def test_every_public_method_is_documented_and_typed(kind):
    methods = {name: each for name, each in vars(kind).items() if not name.startswith("_") and callable(each)}

    for name, each in methods.items():
        assert inspect.getdoc(each), name
        assert "return" in each.__annotations__, name
        assert f"`{name}`" in PAGE or f".{name}(" in PAGE, name


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'harvset'"):
        imgkit.harvset  # noqa: B018
