"""Measure what curate is worth to train: raw, curated without a look, and clean, on one clean test set.

    python benchmarks/downstream.py [--photos ../shared/photos] [--seeds 3] [--share 0.5]

Half of the photographs of ten species are the test set; the other half is harvested as it is (clean), and with faults
(raw): 10 % wrong labels, as many pictures of other things as 5 %, and altered copies of 5 % under a second label. All
goes through the functions behind ``imgkit harvest``, ``curate``, ``train`` and ``evaluate``; nobody reviews.
"""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from planting import PHOTOS, TRANSFORMS, Table, flipped, monkeys, strangers

from imgkit.curate.config import CurateConfig, Policy
from imgkit.curate.pipeline import curate
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.manifest import Manifest, Query
from imgkit.models.evaluate import evaluate_folder
from imgkit.train.config import TrainConfig
from imgkit.train.run import train

WRONG, OFF_TOPIC, COPIED = 0.10, 0.05, 0.05
SHARES = {"validation_share": 0.05, "test_share": 0.05}  # the test set is elsewhere; chance should not choose much
POLICIES: tuple[Policy, ...] = ("suggest", "strict")

Files = dict[str, Path]
"""Path below the folder to the file to put there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "imgkit-benchmark-curate")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.5, help="of the photographs that is harvested; rest: test")
    arguments = parser.parse_args()
    if not arguments.photos.exists():
        print(f"skipped: {arguments.photos} is not there")
        return
    table = Table("seed", "set", "pictures", "accuracy on the clean test set, %", "macro-F1, %")
    scores: dict[str, list[tuple[float, float]]] = {}
    for seed in range(arguments.seeds):
        for name, (count, accuracy, f1) in one_seed(seed, arguments).items():
            scores.setdefault(name, []).append((accuracy, f1))
            table.tell(str(seed), name, str(count), f"{100 * accuracy:.2f}", f"{100 * f1:.2f}")
    means = {name: np.mean(values, axis=0) for name, values in scores.items()}
    for name, (accuracy, f1) in means.items():
        table.tell("mean", name, "", f"{100 * accuracy:.2f}", f"{100 * f1:.2f}")
    for policy in POLICIES:
        name = f"curated, {policy}"
        shares = (means[name] - means["raw"]) / (means["clean"] - means["raw"])
        table.tell("mean", f"of the gap that {policy} closes", "", *(f"{100 * share:.0f} %" for share in shares))
    table.show()


def one_seed(seed: int, arguments: argparse.Namespace) -> dict[str, tuple[int, float, float]]:
    """Return for each set how many pictures it has, and accuracy and macro-F1 of the model trained on it."""
    chance = np.random.default_rng(seed)
    files = monkeys(arguments.photos)
    at_home = {int(one) for one in stratified([file.parent.name for file in files], arguments.share, chance)}
    pool = [file for index, file in enumerate(files) if index in at_home]
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        kinds: dict[str, str] = {}
        raw = planted(pool, strangers(arguments.photos), place / "altered", chance, kinds)
        clean = {f"{file.parent.name}/{file.name}": file for file in pool}
        test = {f"{file.parent.name}/{file.name}": file for n, file in enumerate(files) if n not in at_home}
        copy(test, place / "test")
        found = {}
        for name, chosen in (("clean", clean), ("raw", raw)):
            copy(chosen, place / name)
            data = harvested(place / name, place / f"data {name}", arguments.cache)
            found[name] = trained(data / "harvested", place / "test", place / f"runs {name}", seed)
        for policy in POLICIES:
            config = CurateConfig(data=place / "data raw", policy=policy, weights="packaged", device="cpu", **SHARES)
            curate(config)
            told = outcome(config.data, kinds)
            print(f"  seed {seed}, {policy}: {told}", flush=True)
            runs = place / f"runs {policy}"
            found[f"curated, {policy}"] = trained(config.data / "curated", place / "test", runs, seed)
        return found


def stratified(labels: Sequence[str], share: float, chance: np.random.Generator) -> np.ndarray:
    """Return the indices of a share of each label."""
    names = np.array(labels)
    chosen = [chance.permutation(np.flatnonzero(names == one)) for one in sorted(set(labels))]
    return np.concatenate([members[: round(share * len(members))] for members in chosen])


def planted(
    pool: Sequence[Path], others: Sequence[Path], altered: Path, chance: np.random.Generator, kinds: dict[str, str]
) -> Files:
    """Return the pool with faults; ``kinds`` is told which file has which."""
    names = sorted({file.parent.name for file in pool})
    truth = np.array([names.index(file.parent.name) for file in pool])
    given = flipped(truth, WRONG, chance)
    chosen: Files = {}
    for file, label, true in zip(pool, given, truth, strict=True):
        chosen[f"{names[label]}/{file.parent.name} {file.name}"] = file
        kinds[f"{file.parent.name} {file.name}"] = "good" if label == true else "wrong label"
    for one in chance.choice(len(others), round(OFF_TOPIC * len(pool)), replace=False):
        chosen[f"{names[chance.integers(len(names))]}/{others[one].name}"] = others[one]
        kinds[others[one].name] = "off-topic"
    altered.mkdir()
    for one in chance.choice(np.flatnonzero(given == truth), round(COPIED * len(pool)), replace=False):
        change = list(TRANSFORMS)[chance.integers(len(TRANSFORMS))]
        file = altered / f"copy of {pool[one].parent.name} {pool[one].stem}.jpg"
        with Image.open(pool[one]) as image:
            TRANSFORMS[change](image.convert("RGB")).save(file, "JPEG", quality=92)
        other = (truth[one] + chance.integers(1, len(names))) % len(names)
        chosen[f"{names[other]}/{file.name}"] = file
        kinds[file.name] = "copy under another label"
    return chosen


def copy(files: Mapping[str, Path], folder: Path) -> None:
    for name, file in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


def harvested(folder: Path, data: Path, cache: Path) -> Path:
    """Harvest a folder of label folders; what was computed for the same pictures before is found again."""
    cache.mkdir(parents=True, exist_ok=True)
    data.mkdir()
    (data / "cache").symlink_to(cache, target_is_directory=True)
    queries = [
        Query(label=one.name, name=one.name, text=str(one), providers=("folder",)) for one in sorted(folder.iterdir())
    ]
    harvest(queries, HarvestConfig(data=data, per_label=10**6), environ={})
    return data


def outcome(data: Path, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return for each kind of picture how many of how many are in the set."""
    with Manifest.open_existing(data) as manifest:
        names = {
            (one.label, one.image_id): kinds[Path(one.proposal.title or one.proposal.url).name]
            for one in manifest.candidates()
            if one.image_id
        }
    inside = {(path.parent.name, path.stem) for path in (data / "curated").glob("*/*.jpg")}
    there, kept = Counter(names.values()), Counter(kind for key, kind in names.items() if key in inside)
    return {kind: f"{kept[kind]} of {count} in" for kind, count in there.items()}


def trained(folder: Path, test: Path, runs: Path, seed: int) -> tuple[int, float, float]:
    config = TrainConfig(data=folder, runs=runs, weights="packaged", device="cpu", finetune=False, seed=seed, **SHARES)
    report = train(config)
    scores = evaluate_folder(report.run, test, cache=runs / "cache", device="cpu").scores
    pictures = len(list(folder.glob("*/*.jpg")))
    shutil.rmtree(runs)
    return pictures, scores.accuracy.value, scores.macro_f1.value


if __name__ == "__main__":
    main()
