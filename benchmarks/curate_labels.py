"""Measure how ``imgkit curate`` finds wrong labels and off-topic pictures, on real photographs with planted ones.

    python benchmarks/curate_labels.py [--cleanlab PYTHON] [--seeds 5] [--only labels,unseen,offtopic,noise]

``--cleanlab`` is the interpreter of an environment of its own in which cleanlab is installed; it is asked with its
defaults, on the same probabilities as imgkit (the mean of a probe and of neighbours) and on the probe's alone, which is
what its own tutorials feed it. The photographs lie beside the checkout; what is not there is skipped with a reason.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from planting import PHOTOS, Table, embedded, f1, flipped, monkeys, picture, strangers
from sklearn.metrics import average_precision_score, roc_auc_score

from imgkit.curate.checks.offtopic import THRESHOLD as OFFTOPIC_THRESHOLD
from imgkit.curate.ranking.label_distances import distances_from_every_label
from imgkit.vision.features.confident_learning import CONTRADICTS, EXPECTED, find_label_errors
from imgkit.vision.features.probe import knn_probabilities, out_of_fold

RATES = ((0.02, False), (0.05, False), (0.1, False), (0.2, False), (0.1, True), (0.2, True))
SMALL = ((2, 40), (4, 30), (10, 20))  # labels, pictures of each

CLEANLAB = """
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
from cleanlab.filter import find_label_issues
asked = np.load(sys.argv[1])
names = sorted({key.split(" ", 1)[1] for key in asked.files})
np.savez(sys.argv[2], **{one: find_label_issues(asked["given " + one], asked["p " + one]) for one in names})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--label-noise", type=Path, default=PHOTOS.parent / "label_noise")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "imgkit-benchmark-curate")
    parser.add_argument("--cleanlab", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="labels,unseen,offtopic,noise")
    arguments = parser.parse_args()
    for name in arguments.only.split(","):
        needs = arguments.label_noise if name == "noise" else arguments.photos
        if needs.exists():
            SECTIONS[name](arguments)
        else:
            print(f"{name}: skipped: {needs} is not there")


def cleanlab(python: Path | None, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what cleanlab flags for each set of ``given <name>`` and ``p <name>``; nothing without cleanlab."""
    if python is None:
        return {}
    with tempfile.TemporaryDirectory() as place:
        question, answer = Path(place) / "asked.npz", Path(place) / "flags.npz"
        np.savez(question, **asked)
        subprocess.run([python, "-c", CLEANLAB, question, answer], check=True)
        return dict(np.load(answer))


def labels(arguments: argparse.Namespace) -> None:
    """Wrong labels among all photographs, and in small sets of some labels."""
    pictures = [picture(file, file.parent.name) for file in monkeys(arguments.photos)]
    features = embedded(pictures, arguments.cache)
    names = sorted({one.label for one in pictures})
    truth = np.array([names.index(one.label) for one in pictures])
    asked, wrongs, kinds = {}, {}, {}
    for rate, pairs in RATES:
        for seed in range(arguments.seeds):
            kind = f"{len(truth):,} of {len(names)} labels, {rate:.0%} {'to the next label' if pairs else 'at random'}"
            given = flipped(truth, rate, np.random.default_rng(seed), pairs=pairs)
            ask(asked, wrongs, kinds, kind, seed, features, given, truth)
    for classes, count in SMALL:
        for seed in range(arguments.seeds):
            chance = np.random.default_rng(1000 + seed)
            chosen = np.sort(chance.choice(len(names), classes, replace=False))
            few = np.concatenate([chance.permutation(np.flatnonzero(truth == one))[:count] for one in chosen])
            true = np.searchsorted(chosen, truth[few])
            given = flipped(true, 0.1, chance)
            ask(
                asked, wrongs, kinds, f"{len(few)} of {classes} labels, 10% at random", seed, features[few], given, true
            )
    report(asked, wrongs, kinds, arguments)


def ask(asked, wrongs, kinds, kind, seed, features, given, truth) -> None:
    """Compute the probabilities of one set and note the question."""
    texts, groups = [f"{one:02d}" for one in given], [""] * len(given)
    probe = out_of_fold(features, texts, groups, seed=seed, repeats=1)
    votes = knn_probabilities(features, texts, groups, k=min(10, len(given) // 3))
    for feed, p in (("mean", (probe + votes) / 2), ("probe", probe)):
        name = f"{kind} | {seed} | {feed}"
        asked[f"given {name}"], asked[f"p {name}"], wrongs[name] = given, p, given != truth
        kinds.setdefault(kind, []).append(name)


def report(asked, wrongs, kinds, arguments) -> None:
    theirs = cleanlab(arguments.cleanlab, asked)
    table = Table("pictures, wrong labels", "AP", "AUROC", "F1", "precision", "recall", "cleanlab F1", "on the probe's")
    for kind, members in kinds.items():
        ours = [name for name in members if name.endswith("mean")]
        rows = []
        for name in ours:
            wrong, errors = wrongs[name], find_label_errors(asked[f"given {name}"], asked[f"p {name}"])
            hits = (errors.flagged & wrong).sum()
            rows.append(
                (
                    average_precision_score(wrong, errors.score),
                    roc_auc_score(wrong, errors.score),
                    f1(errors.flagged, wrong),
                    hits / max(1, errors.flagged.sum()),
                    hits / wrong.sum(),
                )
            )
        peers = [
            [f1(theirs[name], wrongs[name]) for name in members if name.endswith(feed) and name in theirs]
            for feed in ("mean", "probe")
        ]
        told = [f"{np.mean(each):.3f}" if each else "not asked" for each in peers]
        table.tell(kind, *(f"{value:.3f}" for value in np.mean(rows, axis=0)), *told)
    print(f"mean of {arguments.seeds} seeds")
    table.show()


def offtopic(arguments: argparse.Namespace) -> None:
    """Pictures of other things beside as many wrong labels."""
    at_home = [picture(file, file.parent.name) for file in monkeys(arguments.photos)]
    away = [picture(file, "?") for file in strangers(arguments.photos)]
    home, far = embedded(at_home, arguments.cache), embedded(away, arguments.cache)
    names = np.array(sorted({one.label for one in at_home}))
    truth = np.searchsorted(names, [one.label for one in at_home])
    table = Table("off-topic, beside as many wrong labels", "AUROC", "AP", "precision at the threshold", "recall")
    for rate in (0.02, 0.05, 0.1):
        scores = []
        for seed in range(arguments.seeds):
            chance = np.random.default_rng(seed)
            given = flipped(truth, rate, chance)
            planted = chance.choice(len(far), min(len(far), round(rate * len(home))), replace=False)
            features = np.concatenate([home, far[planted]])
            given = np.concatenate([given, chance.integers(0, len(names), len(planted))])
            alien = np.arange(len(features)) >= len(home)
            found, _ = distances_from_every_label(features, names[given], np.arange(len(given)), neighbours=10)
            flagged = found >= OFFTOPIC_THRESHOLD
            hits = (flagged & alien).sum() / max(1, flagged.sum())
            scores.append(
                (roc_auc_score(alien, found), average_precision_score(alien, found), hits, flagged[alien].mean())
            )
        table.tell(f"{rate:.0%}", *(f"{value:.3f}" for value in np.mean(scores, axis=0)))
    table.show()


def unseen(arguments: argparse.Namespace) -> None:
    """The thresholds were chosen on these photographs: choose them on one half of the labels, measure on the other."""
    pictures = [picture(file, file.parent.name) for file in monkeys(arguments.photos)]
    features = embedded(pictures, arguments.cache)
    names = np.array([one.label for one in pictures])
    halves = [sorted(set(names))[half::2] for half in (0, 1)]
    sets = [[*half_sets(features, names, half, arguments.seeds)] for half in halves]
    table = Table("labels with planted errors", "thresholds of", "F1 on labels that they were not chosen on")
    for here, there in ((0, 1), (1, 0)):
        chosen = max(GRID, key=lambda pair: mean_f1(sets[here], pair))
        told = ", ".join(f"{value:g}" for value in chosen)
        table.tell(f"half {there + 1}", f"chosen on half {here + 1}: {told}", f"{mean_f1(sets[there], chosen):.3f}")
        shipped = (CONTRADICTS, EXPECTED)
        table.tell(f"half {there + 1}", "imgkit: {:g}, {:g}".format(*shipped), f"{mean_f1(sets[there], shipped):.3f}")
    table.show()
    unseen_strangers(features, names, halves, arguments)


GRID = [(contradicts, expected) for contradicts in (0.5, 0.65, 0.8) for expected in (0.2, 0.3, 0.4, 0.5)]


def half_sets(features, names, labels, seeds):
    """Yield (given, wrong, probabilities) for some labels at each rate and seed."""
    members = np.flatnonzero(np.isin(names, labels))
    truth = np.searchsorted(labels, names[members])
    for rate, pairs in RATES:
        for seed in range(seeds):
            given = flipped(truth, rate, np.random.default_rng(seed), pairs=pairs)
            texts, groups = [str(one) for one in given], [""] * len(given)
            probe = out_of_fold(features[members], texts, groups, seed=seed, repeats=1)
            yield given, given != truth, (probe + knn_probabilities(features[members], texts, groups)) / 2


def mean_f1(sets, thresholds: tuple[float, float]) -> float:
    contradicts, expected = thresholds
    return float(
        np.mean(
            [
                f1(find_label_errors(given, p, contradicts=contradicts, expected=expected).flagged, wrong)
                for given, wrong, p in sets
            ]
        )
    )


def unseen_strangers(features, names, halves, arguments) -> None:
    """Choose the threshold of off-topic pictures on half of the labels and strangers, measure on the others."""
    far = embedded([picture(file, "?") for file in strangers(arguments.photos)], arguments.cache)
    found = []
    for half, labels in enumerate(halves):
        members = np.isin(names, labels)
        both, alien = [], []
        for seed in range(arguments.seeds):
            chance = np.random.default_rng(seed)
            planted = chance.permutation(np.arange(half, len(far), 2))[: round(0.05 * members.sum())]
            mixed = np.concatenate([features[members], far[planted]])
            given = np.concatenate([names[members], chance.choice(labels, len(planted))])
            scores, _ = distances_from_every_label(mixed, given, np.arange(len(given)), neighbours=10)
            both.append(scores)
            alien.append(np.arange(len(given)) >= members.sum())
        found.append((np.concatenate(both), np.concatenate(alien)))
    table = Table("off-topic, 5 % planted", "threshold", "precision", "recall", "on pictures that it was not chosen on")
    for here, there in ((0, 1), (1, 0)):
        grid = np.arange(2.5, 6.01, 0.25)
        chosen = max(grid, key=lambda value: f1(found[here][0] >= value, found[here][1]))
        for title, value in ((f"chosen on half {here + 1}", chosen), ("imgkit", OFFTOPIC_THRESHOLD)):
            flagged, alien = found[there][0] >= value, found[there][1]
            hits = (flagged & alien).sum()
            values = (f"{hits / max(1, flagged.sum()):.2f}", f"{hits / alien.sum():.2f}")
            table.tell(f"half {there + 1}", f"{title}: {value:g}", *values, "yes" if "chosen" in title else "partly")
    table.show()


def noise(arguments: argparse.Namespace) -> None:
    """Published noisy labels with the probabilities of a network that learnt from them."""
    table = Table("published label noise", "F1", "cleanlab F1")
    for rate in (20, 40):
        asked, ours = {}, []
        files = sorted(arguments.label_noise.glob(f"*noise{rate}*.npz"))
        for file in files:
            stored = np.load(file)
            probabilities = np.exp(stored["log_probs"].astype(np.float64))
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            given = stored["given"].astype(np.int64)
            asked[f"given {file.name}"], asked[f"p {file.name}"] = given, probabilities
            ours.append(f1(find_label_errors(given, probabilities).flagged, given != stored["true"]))
        theirs = cleanlab(arguments.cleanlab, asked)
        peers = [
            f1(theirs[file.name], asked[f"given {file.name}"] != np.load(file)["true"]) for file in files if theirs
        ]
        told = f"{np.mean(peers):.3f}" if peers else "not asked"
        table.tell(f"CIFAR-10, {rate} %, mean of {len(files)} sparsities", f"{np.mean(ours):.3f}", told)
    table.show()


SECTIONS = {"labels": labels, "unseen": unseen, "offtopic": offtopic, "noise": noise}

if __name__ == "__main__":
    main()
