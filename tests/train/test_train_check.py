import numpy as np
import pytest
import torch
import torch.nn.functional as F
from training import timm

from imgkit.train.config import TrainConfig
from imgkit.train.sanity_checks import check, check_features, check_network, cross_entropy

LABELS = ("coral", "king", "milk")


def failed(trials):
    return [trial.name for trial in trials if not trial.passed]


def network(*, frozen=False):
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", num_classes=3)
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    if frozen:
        model.requires_grad_(False)
        model.classifier.requires_grad_(True)
    return model


def try_network(model, *, loss=cross_entropy, lr=1e-2):
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(8) % 3
    return check_network(model, images, targets, 3, loss=loss, lr=lr)


def features_of(targets, *, signal):
    random = np.random.default_rng(0)
    return (random.normal(0, 1, (len(targets), 24)) + signal * np.eye(24)[targets]).astype(np.float32)


def try_features(picture, *, signal=3.0, shuffled=False, leaky=False, alike=0.0):
    targets = np.arange(150) % 3
    features = features_of(targets, signal=signal) + np.float32(alike)
    if shuffled:
        targets = np.random.default_rng(1).permutation(targets)
    pictures = [picture(LABELS[target], f"g{number}") for number, target in enumerate(targets)]
    noise = features_of(targets, signal=3.0 if leaky else 0.0)
    return check_features(features, lambda draw: noise, pictures, LABELS)


def test_a_sound_set_and_a_sound_network_pass(picture):
    assert failed(try_features(picture)) == []
    assert failed(try_network(network())) == []


def test_a_frozen_backbone_is_found():
    trials = try_network(network(frozen=True))

    assert "every layer learns" in failed(trials)
    assert "a frozen backbone" in trials[-1].causes


def test_a_learning_rate_of_nothing_is_found():
    assert failed(try_network(network(), lr=0.0)) == ["one batch can be learned by heart", "every layer learns"]


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(lambda logits, targets: cross_entropy(logits.softmax(dim=1), targets), id="softmax twice"),
        pytest.param(lambda logits, targets: F.nll_loss(logits.softmax(dim=1), targets), id="no logarithm"),
        pytest.param(lambda logits, targets: -cross_entropy(logits, targets), id="wrong sign"),
        pytest.param(lambda logits, targets: F.mse_loss(logits, F.one_hot(targets, 3).float()), id="squares"),
    ],
)
def test_a_wrong_loss_is_found(loss):
    assert failed(try_network(network(), loss=loss)) != []


def test_shuffled_labels_are_found_and_called_so(picture):
    trials = try_features(picture, shuffled=True)

    assert failed(trials) == ["the pictures tell their labels"]
    assert "shuffled" in trials[0].causes


def test_pictures_of_nothing_are_found_and_called_so(picture):
    trials = try_features(picture, signal=0.0, alike=10.0)

    assert failed(trials) == ["the pictures tell their labels"]
    assert trials[0].causes == "pictures without content: noise, or all nearly the same"


def test_noise_that_tells_labels_by_luck_is_not_reported(picture):
    targets = np.arange(150) % 3
    pictures = [picture(LABELS[target], f"g{number}") for number, target in enumerate(targets)]
    lucky_once = [features_of(targets, signal=3.0), features_of(targets, signal=0.0)]

    trials = check_features(features_of(targets, signal=3.0), lambda draw: lucky_once[draw], pictures, LABELS)

    assert failed(trials) == []


def test_an_answer_that_does_not_come_from_the_picture_is_found(picture):
    assert failed(try_features(picture, leaky=True)) == ["noise tells nothing"]


def test_a_folder_of_plain_pictures_passes_as_a_whole(folder, tmp_path):
    root = folder(per_label=12)

    trials = check(TrainConfig(data=root, runs=tmp_path / "runs", device="cpu", weights="packaged"))

    assert failed(trials) == []
    assert len(trials) == 6
