"""Probabilities mean what they say, on pictures that are new and on every way to ask."""

import csv
import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import COLOURS, draw
from serving import ask, served

from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import evaluate_folder
from imgkit.models.export import export_onnx, export_torch
from imgkit.models.intervals import wilson
from imgkit.models.predict import predict
from imgkit.models.report.error_analysis import ErrorGalleries
from imgkit.train import model_candidates
from imgkit.train.config import TrainConfig
from imgkit.train.report.advice import advise
from imgkit.train.run import train

WRONG = 0.3  # share of the labels that are another one's: nobody can be right more often than 70 %
SIDE = 64  # pixels: small, so that fine-tuning takes seconds
GRAPH = "onnx" if importlib.util.find_spec("onnxruntime") else "torch"


def draw_uncertain(root, per_label, seed):
    """Draw pictures of which three in ten show the colour of another label."""
    chance = np.random.default_rng(seed)
    for label in COLOURS:
        for number in range(per_label):
            others = [name for name in COLOURS if name != label]
            shown = chance.choice(others) if chance.random() < WRONG else label
            draw(root / label / f"{number:03}.png", COLOURS[shown], int(chance.integers(2**31)))
    return root


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory):
    return draw_uncertain(tmp_path_factory.mktemp("uncertain") / "pictures", 90, seed=0)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return draw_uncertain(tmp_path_factory.mktemp("fresh") / "pictures", 110, seed=1)


@pytest.fixture(scope="module", params=["linear probe", pytest.param("fine-tuned", marks=pytest.mark.long)])
def learned(request, uncertain):
    """The report of a run on uncertain labels, by the probe and by a network that was fine-tuned."""
    config = TrainConfig(
        data=uncertain, runs=uncertain.parent / "runs", name=request.param, device="cpu", weights="packaged", size=SIDE
    )
    if request.param == "linear probe":
        return train(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_candidates, "PROBE", "nobody")  # whoever wins, the weights take the way of fine-tuned ones
        report = train(replace(config, finetune=True, steps=16, batch=16))
    assert report.tuning is not None
    assert report.picked != "linear probe"
    return report


def tops_predicted(model, files):
    return {Path(one.path): (one.guesses[0].label, one.guesses[0].probability) for one in predict(model, files)}


def tops_served(model, files):
    tops = {}
    with served(model) as address:
        for file in files:
            status, body, _ = ask(address, body=file.read_bytes())
            assert status == 200
            guess = json.loads(body)["guesses"][0]
            tops[file] = (guess["label"], guess["probability"])
    return tops


def tops_exported(model, files, folder):
    classifier = load_classifier(model, device="cpu")
    pictures = np.stack([classifier.preprocess(file) for file in files]).transpose(0, 3, 1, 2).astype(np.float32) / 255
    if GRAPH == "onnx":
        import onnxruntime

        export_onnx(model, folder / "model.onnx")
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        found = session.run(["probabilities"], {"pictures": pictures})[0]
    else:
        export_torch(model, folder / "model.pt2")
        program = torch.export.load(folder / "model.pt2").module()
        found = program(torch.from_numpy(pictures)).detach().numpy()
    labels = classifier.metadata.labels
    return {file: (labels[row.argmax()], float(row.max())) for file, row in zip(files, found, strict=True)}


def as_sure_as_right(confidence, accuracy, learned):
    """Whether a mean probability is within chance of an accuracy, also that of the pictures it was calibrated on."""
    fitted_on = wilson(accuracy.value, learned.validation.count)
    return abs(confidence - accuracy.value) <= math.hypot(accuracy.half_width, fitted_on.half_width)


@pytest.mark.parametrize("way", ["predict", "serve", "exported graph"])
def test_new_pictures_are_named_as_surely_as_they_are_named_right(learned, fresh, way, tmp_path):
    files = sorted(fresh.glob("*/*.png"))

    if way == "predict":
        tops = tops_predicted(learned.model, files)
    elif way == "serve":
        tops = tops_served(learned.model, files)
    else:
        tops = tops_exported(learned.model, files, tmp_path)

    right = [tops[file][0] == file.parent.name for file in files]
    accuracy = wilson(float(np.mean(right)), len(files))
    assert as_sure_as_right(np.mean([tops[file][1] for file in files]), accuracy, learned)


def test_the_scores_on_new_pictures_are_of_the_same_probabilities(learned, fresh):
    labelled = evaluate_folder(learned.model, fresh, cache=learned.run.parent / "cache").predictions

    for scores in (labelled.scores, learned.probe_test, learned.test):
        assert as_sure_as_right(scores.confidence, scores.accuracy, learned)


def test_a_calibration_error_beyond_chance_is_among_what_to_know(learned):
    nothing = ErrorGalleries(wrong_confident=(), wrong_unsure=(), right_unsure=(), confusions=(), copies=())
    test = replace(learned.test, ece=0.159, ece_by_chance=0.08, confidence=0.843)
    off = replace(learned, test=replace(test, accuracy=replace(test.accuracy, value=0.686)))
    fine = replace(learned, test=replace(test, ece=0.079))

    said = [one for one in advise(off, nothing) if "probabilities" in one.what]

    assert [(one.level, one.what) for one in said] == [
        (
            "care",
            "Its probabilities are off: on the test pictures it is 84 % sure on average and right 69 % of the time.",
        )
    ]
    assert "The calibration error is 15.9 points, and chance alone would give no more than 8.0" in said[0].why
    assert not [one for one in advise(fine, nothing) if "probabilities" in one.what]


def test_the_head_of_a_probe_is_what_was_fitted_divided_by_its_temperature_once(uncertain):
    config = TrainConfig(data=uncertain, runs=uncertain.parent / "runs", name="again", device="cpu", size=SIDE)
    report = train(replace(config, weights="packaged"))
    kept = max((report.run.parent / "cache" / "probes").glob("*.npz"), key=lambda file: file.stat().st_mtime)

    head = load_classifier(report.model, device="cpu").head

    assert report.calibration.temperature != 1
    with np.load(kept) as fitted:
        assert head.weight * report.calibration.temperature == pytest.approx(fitted["head_weight"], rel=1e-5, abs=1e-7)
        assert head.bias * report.calibration.temperature == pytest.approx(fitted["head_bias"], rel=1e-5, abs=1e-6)


def test_a_fine_tuned_model_is_written_with_its_outputs_divided_by_the_temperature_once(uncertain, monkeypatch):
    """The temperature is set to 4 here, far from 1, so that dividing never or twice would be seen."""
    fit, fitted_on = model_candidates.fit_temperature, []

    def four(logits, targets, groups):
        fitted_on.append(logits)
        return replace(fit(logits, targets, groups), temperature=4.0)

    monkeypatch.setattr(model_candidates, "PROBE", "nobody")
    monkeypatch.setattr(model_candidates, "fit_temperature", four)
    config = TrainConfig(data=uncertain, runs=uncertain.parent / "runs", name="four", device="cpu", size=SIDE)
    report = train(replace(config, weights="packaged", finetune=True, steps=2, batch=16))
    classifier = load_classifier(report.model, device="cpu")
    with (report.run / "split.csv").open(encoding="utf-8") as table:
        files = [report.data / row["file_name"] for row in csv.DictReader(table) if row["split"] == "val"]
    pixels = np.stack([classifier.preprocess(file) for file in files])
    written = np.stack([one.logits for one in classifier.predict_batch(pixels)])

    assert report.calibration.temperature == 4.0
    assert len(fitted_on) == 1
    assert sorted(written.max(axis=1) * 4) == pytest.approx(sorted(fitted_on[0].max(axis=1)), abs=0.1)
    assert written.std() * 4 == pytest.approx(fitted_on[0].std(), rel=0.1)  # validated in half precision


def test_nine_of_ten_new_pictures_have_their_label_among_the_likely_on_every_way_to_ask(learned, fresh):
    files = sorted(path for path in fresh.rglob("*.png") if int(path.stem) < 40)
    found = predict(learned.model, files, device="cpu")
    covered = np.mean([path.parent.name in one.likely for path, one in zip(files, found, strict=True)])
    scored = evaluate_folder(learned.model, fresh, cache=fresh.parent / "sets", device="cpu").sets

    assert learned.test_sets is not None
    assert learned.test_sets.asked == scored.asked == 0.9
    assert abs(scored.covered.value - 0.9) < 0.06
    assert abs(covered - 0.9) < 0.1
    assert {len(one.likely) for one in found} > {1} or scored.single == 1
    assert found[0].as_json()["likely"] == list(found[0].likely)
