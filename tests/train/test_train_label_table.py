"""A table of labels: what they are called, what they have in common, and what is known beforehand."""

import json

import numpy as np
import pytest
from drawing import COLOURS, draw, draw_labels
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.errors import UsageError
from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import evaluate_folder
from imgkit.models.label_table import LabelTable, find_label_table, roll_up, score_rollups
from imgkit.models.metrics import LabelledPredictions
from imgkit.models.predict import Guess, Prediction, predict
from imgkit.train.config import TrainConfig
from imgkit.train.run import train

TABLE = """label,display_name,genus,countries
coral,Coral snake,Micrurus,USA; Mexico
milk,Milk snake,Lampropeltis,Kenya
king,,Lampropeltis,
"""
LABELS = ("coral", "king", "milk")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "labels.csv").write_text(TABLE, "utf-8")
    found, _ = find_label_table(tmp_path, None, LABELS)
    return found


@pytest.fixture(scope="module")
def snakes(tmp_path_factory):
    """A model of three labels that was trained beside a labels.csv."""
    root = draw_labels(tmp_path_factory.mktemp("meaning") / "pictures", per_label=8, labels=LABELS)
    (root / "labels.csv").write_text(TABLE, "utf-8")
    return train(TrainConfig(data=root, runs=root.parent / "runs", name="run", device="cpu", weights="packaged"))


def test_a_table_gives_names_and_the_values_of_every_other_column(table):
    assert table.columns == ("genus", "countries")
    assert [table.name(label) for label in LABELS] == ["Coral snake", "king", "Milk snake"]
    assert table.cell("coral", "countries") == ("USA", "Mexico")
    assert table.cell("king", "countries") == ()
    assert LabelTable.from_json(json.loads(json.dumps(table.as_json()))) == table


def test_only_a_column_of_single_values_that_labels_share_is_rolled_up_by_summed_probabilities(table):
    (rolled,) = roll_up(table, LABELS, np.array([0.4, 0.35, 0.25]))

    assert (rolled.column, rolled.value) == ("genus", "Lampropeltis")
    assert rolled.probability == pytest.approx(0.6)


def test_a_genus_is_named_where_no_label_is_sure_and_a_genus_is(table):
    rollups = roll_up(table, LABELS, np.array([0.4, 0.35, 0.25]))
    unsure = Prediction(path="a.jpg", guesses=(Guess("coral", 0.4, "Coral snake"),), rollups=rollups)

    assert unsure.answer() == "Lampropeltis"
    assert unsure.answer(sure=0.4) == "Coral snake"
    assert unsure.answer(sure=0.7) == "Coral snake"


def test_rolled_up_accuracy_counts_a_wrong_label_of_the_right_genus_as_right(table):
    predictions = LabelledPredictions(
        probabilities=np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]]),
        targets=np.array([1, 2, 0, 0]),
        groups=np.arange(4),
    )

    (scored,) = score_rollups(table, LABELS, predictions)

    assert (scored.column, scored.values, scored.count, scored.accuracy.value) == ("genus", 2, 4, 0.5)


def test_what_is_given_leaves_a_hundredth_to_labels_of_other_values_and_all_to_those_of_none(table):
    assert np.exp(table.log_weights(["Countries=kenya"], LABELS)) == pytest.approx([0.01, 1, 1])
    assert np.exp(table.log_weights(["countries=Kenya", "genus=Micrurus"], LABELS)) == pytest.approx([0.01, 0.01, 0.01])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("country=Kenya", "its columns are genus, countries"),
        ("countries", "Write column=value"),
        ("countries=Peru", "Its values are Kenya, Mexico, USA"),
    ],
)
def test_a_column_or_value_that_is_not_there_is_refused_with_those_that_are(table, given, sentence):
    with pytest.raises(UsageError, match=sentence):
        table.log_weights([given], LABELS)


def test_a_table_of_pictures_called_labels_csv_is_no_table_of_labels(tmp_path):
    (tmp_path / "labels.csv").write_text("image,label\na.png,coral\n", "utf-8")

    assert find_label_table(tmp_path, None, LABELS) == (None, [])


def test_a_label_with_two_rows_and_a_table_without_a_label_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("label,genus\ncoral,A\ncoral,B\n", "utf-8")
    (tmp_path / "other.csv").write_text("label,genus\ncobra,A\n", "utf-8")

    with pytest.raises(UsageError, match="two rows for the label coral, in lines 2 and 3"):
        find_label_table(tmp_path, None, LABELS)
    with pytest.raises(UsageError, match="names none of the labels coral, king, milk"):
        find_label_table(tmp_path, tmp_path / "other.csv", LABELS)
    with pytest.raises(UsageError, match="does not exist"):
        find_label_table(tmp_path, tmp_path / "none.csv", LABELS)


def test_train_reads_the_table_beside_the_pictures_and_the_model_keeps_it(snakes):
    page = (snakes.run / "report.html").read_text("utf-8")

    assert load_classifier(snakes.model, device="cpu").metadata.table.name("coral") == "Coral snake"
    assert [each.column for each in snakes.test_rollups] == ["genus"]
    assert "On the test pictures genus is right for" in page
    assert "what labels mean is read from labels.csv: genus, countries" in snakes.plan.notes


def test_predict_and_evaluate_speak_it(snakes, tmp_path):
    draw(tmp_path / "new" / "coral" / "a.png", COLOURS["coral"], 77)
    picture = tmp_path / "new" / "coral" / "a.png"
    (plain,) = predict(snakes.model, [picture], device="cpu")
    (given,) = predict(snakes.model, [picture], device="cpu", given=["countries=Kenya"])

    assert plain.guesses[0].name == "Coral snake"
    assert plain.as_json()["rollups"]["genus"]["value"] == "Micrurus"
    odds = [{guess.label: guess.probability for guess in each.guesses} for each in (plain, given)]
    assert odds[1]["coral"] / odds[1]["king"] == pytest.approx(odds[0]["coral"] / odds[0]["king"] / 100, rel=1e-4)
    report = evaluate_folder(snakes.model, tmp_path / "new", cache=tmp_path / "cache", device="cpu")
    assert report.as_json()["rollups"][0]["column"] == "genus"


def test_a_model_without_a_table_takes_one_and_without_it_knows_nothing_that_is_given(model, tmp_path):
    picture = tmp_path / "a.png"
    draw(picture, COLOURS["coral"], 78)
    (tmp_path / "t.csv").write_text("label,name,region\ncoral,Korallenotter,south\nking,,north\n", "utf-8")
    asked = ["predict", str(model), str(picture), "--device", "cpu", "--given", "region=south"]

    refused = CliRunner().invoke(build(), asked)
    answered = CliRunner().invoke(build(), [*asked, "--label-table", str(tmp_path / "t.csv"), "--format", "csv"])

    assert refused.exit_code == 2
    assert "needs a table of labels, and the model has none" in " ".join(refused.output.split())
    assert answered.exit_code == 0
