import json

import pytest
import typer
from drawn_photos import photo
from typer.testing import CliRunner

from imgkit.cli.curate import curate


@pytest.fixture
def run(builder):
    """Run the command on a data folder of two labels with a mirrored copy in one of them."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(4):
            builder.add(label, photo(100 * number + seed))
    builder.add("coral", photo(0).resize((160, 120)))
    app = typer.Typer()
    app.command()(curate)

    def run(*arguments):
        return CliRunner().invoke(app, ["--data", str(builder.folder.root), "--weights", "none", *arguments])

    return run


def test_the_table_counts_each_label_and_says_what_comes_next(run, builder):
    result = run()

    assert result.exit_code == 0
    coral = next(line for line in result.output.splitlines() if line.startswith("coral"))
    assert coral.split() == ["coral", "5", "0", "1", "0", "0", "4"]
    assert f"Report: {builder.folder.curated / 'report.html'}" in result.output
    assert f"Next:   imgkit train {builder.folder.curated}" in result.output


def test_json_is_one_object_with_the_same_numbers(run):
    result = run("--json")

    assert json.loads(result.stdout)["totals"]["in_set"] == 8


def test_a_dry_run_says_that_nothing_was_changed(run, builder):
    result = run("--dry-run")

    assert "Nothing was changed." in result.output
    assert not builder.folder.curated.exists()


def test_undo_says_what_is_there_now(run, builder):
    run()

    result = run("--undo")

    assert "There was no set before the last curate" in result.output
    assert not builder.folder.curated.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("--policy", "brave"), "--policy brave is not known"), (("--allow", "cats"), "--allow cats is not known")],
)
def test_an_unknown_word_is_one_sentence_with_the_words_that_are_known(run, arguments, sentence):
    result = run(*arguments)

    assert result.exit_code == 2
    assert sentence in result.output.replace("\n", " ")
