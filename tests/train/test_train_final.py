"""After the judgement the same recipe is fitted on everything, and the scores stay those of the judged model."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from drawing import draw_labels

from imgkit.errors import UsageError
from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import evaluate_folder
from imgkit.progress import Silent
from imgkit.train import model_candidates
from imgkit.train.config import TrainConfig
from imgkit.train.run import train


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Settings for a tiny network on 12 corals and 12 kings."""
    import timm

    root = tmp_path_factory.mktemp("final")
    torch.manual_seed(0)
    safetensors.torch.save_file(timm.create_model("test_efficientnet").state_dict(), root / "tiny.safetensors")
    data = draw_labels(root / "pictures", per_label=12, labels=("coral", "king"))
    weights = str(root / "tiny.safetensors")
    return TrainConfig(
        data=data, runs=root / "runs", device="cpu", backbone="test_efficientnet", weights=weights, size=32, final=True
    )


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_a_probe_is_fitted_on_everything_and_the_scores_say_whose_they_are(config, tmp_path):
    told = Told()

    report = train(replace(config, name="probe"), progress=told)
    plain = train(replace(config, name="plain", final=False))

    judged, final = (load_classifier(report.run / name, device="cpu") for name in ("model", "final"))
    assert (len(judged.metadata.trained_on), len(final.metadata.trained_on)) == (20, 24)
    assert final.metadata.trained["judged"] is False
    assert (final.metadata.detector.threshold, final.metadata.sets) == (
        judged.metadata.detector.threshold,
        judged.metadata.sets,
    )
    assert not np.allclose(final.head.weight, judged.head.weight)
    assert report.test == plain.test
    assert any(
        "all 24 pictures is in" in line and f"Every score here is of {report.model}, which was fitted on 20" in line
        for line in told.lines
    )
    assert "nothing was held out to judge it" in (report.run / "report.html").read_text("utf-8")
    with pytest.raises(UsageError, match="has learned from all 24 of them"):
        evaluate_folder(report.run / "final", config.data, cache=tmp_path, device="cpu")
    assert not (plain.run / "final").exists()


def test_a_network_is_fine_tuned_again_on_everything(config, monkeypatch):
    monkeypatch.setattr(model_candidates, "PROBE", "nobody")  # whoever wins, the weights are those of fine-tuning

    report = train(replace(config, name="tuned", finetune=True, steps=3, batch=4))

    first, second = (
        safetensors.torch.load_file(report.run / name / "model.safetensors") for name in ("model", "final")
    )
    start = safetensors.torch.load_file(config.weights)
    final = load_classifier(report.run / "final", device="cpu")
    assert not torch.equal(first["conv_stem.weight"], second["conv_stem.weight"])
    assert not torch.equal(start["conv_stem.weight"], second["conv_stem.weight"])
    assert len(final.metadata.trained_on) == 24
    assert np.isfinite(final.head.weight).all()
    assert not list(report.run.glob("checkpoints*"))
