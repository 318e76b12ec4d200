"""Training that starts from a model of one's own: its network for other labels, and no score on what it has learned."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from drawing import draw_labels

from imgkit.errors import UsageError
from imgkit.models.classifier import load_classifier
from imgkit.progress import Silent
from imgkit.train import model_candidates
from imgkit.train.ancestor import ancestor_of
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import divide
from imgkit.train.run import train
from imgkit.train.sanity_checks import checked
from imgkit.vision.features.weights import WeightsError, build_model

TINY = "test_efficientnet"


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random numbers for a tiny network, so that runs take a second."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    import timm

    safetensors.torch.save_file(timm.create_model(TINY).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def tuned(weights, tmp_path_factory):
    """A fine-tuned run on coral and king."""
    root = draw_labels(tmp_path_factory.mktemp("first") / "pictures", per_label=12, labels=("coral", "king"))
    config = TrainConfig(
        data=root, runs=root.parent / "runs", name="first", device="cpu", backbone=TINY, weights=str(weights), size=32
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_candidates, "PROBE", "nobody")  # whoever wins, the weights are those of fine-tuning
        report = train(replace(config, finetune=True, steps=2, batch=4))
    assert report.picked != "linear probe"
    return config, report


def test_its_network_is_kept_for_more_labels_and_what_it_has_learned_is_in_no_score(tuned, tmp_path):
    config, report = tuned
    data = draw_labels(tmp_path / "pictures", per_label=20, labels=("coral", "king", "milk"))  # 12 of 20 are the same
    learned = load_classifier(tuned[1].run, device="cpu").metadata.trained_on
    gone = next(path for path in data.rglob("*.png") if hashlib.sha256(path.read_bytes()).hexdigest() in learned)
    gone.unlink()  # what the network has learned from it has learned, though the picture is not here
    told = Told()

    again = train(
        TrainConfig(data=data, runs=config.runs, name="second", device="cpu", start_from=report.run), progress=told
    )

    model = load_classifier(again.model, device="cpu")
    state = [safetensors.torch.load_file(each / "model.safetensors") for each in (report.model, again.model)]
    assert all(torch.equal(value, state[1][name]) for name, value in state[0].items() if not name.startswith("class"))
    assert model.metadata.labels == ("coral", "king", "milk")
    assert model.backbone.preprocessing.size == 32
    assert learned < model.metadata.trained_on
    assert model.metadata.trained["network_learned"] is True
    assert again.plan.machine.weights.endswith("tensors below the head fit, its head of 2 outputs is not used)")
    assert any("which knows 2 of the 3 labels; new: milk" in line for line in told.lines)
    rows = [line.split(",") for line in (again.run / "split.csv").read_text().splitlines()[1:]]
    tested = {row[0] for row in rows if row[2] == "test"}
    scanned = {path.relative_to(data).as_posix(): path for path in data.rglob("*.png")}
    assert tested
    assert not {hashlib.sha256(scanned[name].read_bytes()).hexdigest() for name in tested} & learned
    assert again.probe is None or again.probe.count <= 60 - len(learned)
    third = ancestor_of(TrainConfig(data=data, backbone=TINY, weights=str(again.model)))
    assert third.learned == model.metadata.trained_on  # a probe on it has a network that learned, too


def test_a_set_of_pictures_that_the_network_has_all_learned_from_is_refused(tuned, tmp_path):
    config, report = tuned
    learned = load_classifier(report.run, device="cpu").metadata.trained_on
    for path in config.data.rglob("*.png"):
        if hashlib.sha256(path.read_bytes()).hexdigest() in learned:
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / path.parent.name)

    with pytest.raises(UsageError, match=r"has learned from all \d+ pictures, so none can judge it"):
        train(TrainConfig(data=tmp_path, runs=config.runs, name="third", device="cpu", start_from=report.run))


def test_the_settings_that_such_a_run_leaves_behind_are_taken_again(tuned):
    _, report = tuned
    start = TrainConfig(data=report.data, start_from=report.run)

    once = checked(start)

    assert (once.backbone, once.weights) == (TINY, str(report.model.absolute()))
    assert checked(once) == once


def test_pictures_that_were_learned_from_are_for_training_with_their_copies(picture):
    pictures = [picture("coral", f"g{number}", split="test" if number < 4 else "") for number in range(12)]
    pictures += [picture("coral", "g0", split="test", name="copy.jpg")]

    found = divide(pictures, validation_share=0.2, test_share=0.2, seed=0, learned=frozenset({"g0", "g5", "g6"}))

    where = {(each.group, each.path.name): each.split for each in found.pictures}
    assert {where[key] for key in where if key[0] in ("g0", "g5", "g6")} == {"train"}
    assert where["g1", "g1.jpg"] == "test"
    assert "2 pictures that the given split holds back are for training: the network has seen them" in found.notes


def test_from_says_the_network_and_the_weights_alone(tuned, tmp_path):
    config, report = tuned

    with pytest.raises(UsageError, match="says which network and which weights"):
        train(replace(config, name="y", start_from=report.run))
    with pytest.raises(UsageError, match="is no model folder"):
        train(replace(config, name="y", backbone=None, weights="auto", start_from=tmp_path))


@pytest.mark.parametrize("prefix", ["", "module.", "encoder."])
def test_an_encoder_alone_or_with_another_head_is_taken_with_a_sentence_on_what_fitted(weights, tmp_path, prefix):
    state = safetensors.torch.load_file(weights)
    alone = {prefix + name: value for name, value in state.items() if not name.startswith("classifier")}
    safetensors.torch.save_file(alone, tmp_path / "alone.safetensors")
    other = alone | {f"{prefix}classifier.weight": torch.ones(4, 256), f"{prefix}classifier.bias": torch.zeros(4)}
    other[f"{prefix}classifier.weight"] = torch.ones(4, state["classifier.weight"].shape[1])
    safetensors.torch.save_file(other, tmp_path / "other.safetensors")

    encoder = build_model(TINY, weights=str(tmp_path / "alone.safetensors"))
    headed = build_model(TINY, weights=str(tmp_path / "other.safetensors"))
    fresh = build_model(TINY, weights=str(tmp_path / "other.safetensors"), num_classes=7)

    assert encoder.source.endswith(f"(all {len(alone)} tensors below the head fit, it holds no head)")
    assert headed.source.endswith("its head of 4 outputs is not used)")
    assert [each.model.num_classes for each in (encoder, headed, fresh)] == [0, 4, 7]
    for each in (encoder, headed, fresh):
        kept = each.model.state_dict()
        assert all(torch.equal(kept[name], value) for name, value in state.items() if not name.startswith("classifier"))


def test_a_file_that_lacks_part_of_the_network_is_refused(weights, tmp_path):
    state = safetensors.torch.load_file(weights)
    state.pop("conv_stem.weight")
    safetensors.torch.save_file(state, tmp_path / "part.safetensors")

    with pytest.raises(WeightsError, match="do not fit test_efficientnet"):
        build_model(TINY, weights=str(tmp_path / "part.safetensors"))


def test_a_model_folder_of_another_network_is_refused(tuned):
    _, report = tuned

    with pytest.raises(WeightsError, match="is a test_efficientnet, not a test_resnet"):
        build_model("test_resnet", weights=str(report.run))
    assert json.loads((report.model / "config.json").read_text())["architecture"] == TINY
