import numpy as np

from imgkit.train.probe.learning_curve import learning_curve
from imgkit.train.probe.linear_probe import out_of_fold

LABELS = ("coral", "king")


def curve(picture, spread, count=200, dimensions=60):
    random = np.random.default_rng(0)
    targets = np.arange(count) % 2
    features = random.normal(0, 1, (count, dimensions)).astype(np.float32)
    features[:, :10] += spread * (2 * targets[:, None] - 1)
    pictures = [picture(LABELS[target], f"g{number}") for number, target in enumerate(targets)]
    judged = out_of_fold(features, pictures, LABELS, strength=0.1, folds=5, seed=0)
    return learning_curve(features, pictures, LABELS, judged, strength=0.1, folds=5, seed=0)


def test_hard_labels_are_learned_better_from_more_pictures(picture):
    learning = curve(picture, spread=0.25)

    assert [point.pictures for point in learning.points] == [40, 80, 120, 160]
    assert learning.points[0].accuracy.value < learning.points[-1].accuracy.value
    assert learning.gain.value > 0
    assert set(learning.wanting) <= set(LABELS)


def test_easy_labels_are_learned_from_few_pictures_and_no_more_are_asked_for(picture):
    learning = curve(picture, spread=3.0)

    assert learning.points[0].accuracy.value == 1.0
    assert learning.gain.value == 0
    assert not learning.rising
    assert learning.wanting == ()
