from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from imgkit.dataset.folder import Scan
from imgkit.progress import Silent
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import SplitSet
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.model_candidates import probe
from imgkit.train.probe.probe_cache import cached_probe
from imgkit.train.state import TrainingState
from imgkit.train.tracking import NoTracking

LABELS = ("coral", "king")


@pytest.fixture
def work(picture, tmp_path):
    """Sixty pictures of two labels, with features that tell them apart but for a few."""
    targets = np.arange(60) % 2
    random = np.random.default_rng(0)
    features = (random.normal(0, 1, (60, 8)) + 1.5 * targets[:, None]).astype(np.float32)
    pictures = tuple(
        picture(LABELS[target], f"{number:064x}", split="val" if number % 5 == 0 else "train")
        for number, target in enumerate(targets.tolist())
    )
    return TrainingState(
        config=TrainConfig(data=tmp_path),
        found=Scan(root=tmp_path, layout="label folders", labels=LABELS, pictures=pictures, quarantine=()),
        splits=SplitSet(pictures=pictures),
        backbone=SimpleNamespace(key="a backbone"),
        features=features,
        folder=None,
        cache=tmp_path / "cache",
        progress=Silent(),
        processes=ProcessGroup(),
        tracking=NoTracking(),
    )


class Counted:
    """The probe, and how often it was computed."""

    def __init__(self):
        self.count = 0

    def __call__(self, work):
        self.count += 1
        return probe(work)


def test_the_same_pictures_are_probed_once_and_say_the_same_to_the_last_bit(work):
    compute = Counted()

    first, second = cached_probe(work, compute), cached_probe(work, compute)

    assert compute.count == 1
    for one, other in ((first.head, second.head), (first.start, second.start)):
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.bias, other.bias)
    assert np.array_equal(first.judged.predictions.probabilities, second.judged.predictions.probabilities)
    assert first.judged.calibration == second.judged.calibration
    assert (first.judged.strength, first.scores, first.learning) == (
        second.judged.strength,
        second.scores,
        second.learning,
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda work: replace(work, config=replace(work.config, folds=3)), id="other folds"),
        pytest.param(lambda work: replace(work, config=replace(work.config, seed=1)), id="another seed"),
        pytest.param(lambda work: replace(work, backbone=SimpleNamespace(key="another")), id="another backbone"),
        pytest.param(
            lambda work: replace(
                work,
                splits=SplitSet(pictures=(replace(work.splits.pictures[0], label="king"), *work.splits.pictures[1:])),
            ),
            id="another label",
        ),
        pytest.param(
            lambda work: replace(
                work,
                splits=SplitSet(pictures=(replace(work.splits.pictures[0], split="train"), *work.splits.pictures[1:])),
            ),
            id="another split",
        ),
    ],
)
def test_whatever_changes_what_a_probe_says_is_probed_again(work, change):
    compute = Counted()
    cached_probe(work, compute)

    cached_probe(change(work), compute)

    assert compute.count == 2


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_damaged_memory_is_computed_again(work, share):
    compute = Counted()
    expected = cached_probe(work, compute)
    (stored,) = (work.cache / "probes").iterdir()
    data = stored.read_bytes()
    stored.write_bytes(data[: int(share * len(data))])

    found = cached_probe(work, compute)

    assert compute.count == 2
    assert np.array_equal(found.head.weight, expected.head.weight)
