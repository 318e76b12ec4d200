"""Measure on resampled splits whether probabilities and prediction sets mean what they say.

    python benchmarks/calibration.py [--sets bigcats,monkeys] [--resamplings 20] [--cache FOLDER]

Pictures are embedded once by the packaged network. Then, 20 times with another seed: copies stay together, 30 % are
held out for the test, a linear probe is fitted on the rest and calibrated out-of-fold as ``imgkit train`` does it, and
the test says (a) whether the mean confidence lies in the 95 % interval of the accuracy, and (b) the share of labels in
the prediction set, 90 % being asked for. Bars: (a) in 90 % of the resamplings, (b) 90 plus or minus 2 % on average.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from imgkit.dataset.folder import scan
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.models.metrics import LabelledPredictions, score
from imgkit.models.network import divide_by_temperature
from imgkit.models.prediction_sets import fit_sets, score_sets
from imgkit.progress import Silent
from imgkit.train.data.split import divide
from imgkit.train.probe.linear_probe import fit_head, logits, out_of_fold
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.embeddings import embed
from imgkit.vision.features.probe import softmax

TEST_SHARE = 0.3


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--sets", default="bigcats,monkeys")
    parser.add_argument("--resamplings", type=int, default=20)
    parser.add_argument("--cache", type=Path, help="folder for features; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets.split(","):
            print(measured(options.photos / name, options.cache or Path(temporary), options.resamplings), flush=True)


def measured(folder: Path, cache: Path, resamplings: int) -> str:
    """Return the line of one set."""
    found = scan(folder, cache=cache, progress=Silent())
    backbone = load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu")
    pictures = list(found.pictures)
    features = embed(
        [each.path for each in pictures],
        backbone,
        cache=cache,
        keys=[each.sha256 for each in pictures],
        progress=Silent(),
    )
    row = {each.path: place for place, each in enumerate(pictures)}
    meant, covered, sizes, accuracies = [], [], [], []
    for seed in range(resamplings):
        splits = divide(pictures, validation_share=0.1, test_share=TEST_SHARE, seed=seed)
        learned, tested = splits.of("train", "val"), splits.of("test")
        rows = features[[row[each.path] for each in learned]]
        head, strength = fit_head(rows, learned, seed=seed)
        judged = out_of_fold(rows, learned, found.labels, strength=strength, folds=5, seed=seed)
        nameable = judged.nameable_predictions
        assert nameable is not None
        calibrated = divide_by_temperature(head, judged.calibration.temperature)
        predictions = LabelledPredictions(
            probabilities=softmax(logits(calibrated, features[[row[each.path] for each in tested]])),
            targets=numbers_of(tested, found.labels),
            groups=group_numbers(tested),
        )
        scores, sets = score(predictions, found.labels), score_sets(fit_sets(nameable), predictions)
        meant.append(scores.accuracy.low <= scores.confidence <= scores.accuracy.high)
        accuracies.append(scores.accuracy.value)
        covered.append(sets.covered.value)
        sizes.append(sets.mean_size)
    return (
        f"{folder.name}: {len(pictures)} pictures of {len(found.labels)} labels, {resamplings} resamplings: "
        f"accuracy {100 * np.mean(accuracies):.1f} %; confidence in its interval in {100 * np.mean(meant):.0f} %; "
        f"sets hold the label {100 * np.mean(covered):.1f} % ({100 * min(covered):.1f} to {100 * max(covered):.1f}), "
        f"{np.mean(sizes):.2f} labels on average"
    )


if __name__ == "__main__":
    main()
