"""Fit and examine the ranking of junk of ``imgkit curate``.

    python benchmarks/curate_junk.py --art FOLDER [--photos ../shared/photos] [--cache FOLDER] [--exam]

Harvests are imitated: three labels of monkeys and about one picture in ten junk, of four sources: two kinds of
drawings, covers or collages made *of those monkeys*, drawings or renders of other things, photographs of other things.
Heads that judge a harvest have seen neither its sources of junk nor a photograph of its folders. Weights that a source
is examined with were fitted without that source. ``--exam`` adds the harvest of bears, which nothing was fitted on, as
the package judges it.
"""

import csv
import io
import random
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from curate_heads import BASE, KINDS_OF, Moments, Space, Taught, direction, look_at, parse, read_all, values_of
from junk_pictures import MADE, Shots, as_harvested
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from imgkit.curate.checks.junk import THRESHOLD
from imgkit.curate.ranking.heads import logits
from imgkit.curate.ranking.junk_score import BIAS, DETECTORS, log_odds, scores_of
from imgkit.curate.ranking.label_distances import distances_from_every_label
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.textures import BACKBONE, heads

HARVESTS = 24
LABELS = 3
SOURCES_OF_JUNK = 4
JUNK = 12  # pictures of each source in a harvest
SLOPE = 6.0  # about what makes log-odds of a discriminant; the ranking divides by the spread anyway
FEATURES = 1280  # roots of the network's features come first in what the heads read
OF_EACH = 4  # pictures that a maker makes of each kind of monkey


@dataclass(frozen=True, slots=True)
class Looked:
    """Pictures with a name each, what the heads read in the network, and fingerprints."""

    names: npt.NDArray[np.str_]
    looks: npt.NDArray[np.float32]
    prints: npt.NDArray[np.void]

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """(N, D) features of the network."""
        return self.looks[:, :FEATURES] ** 2

    def part(self, rows: npt.NDArray[np.int64]) -> "Looked":
        """Return some of them."""
        return Looked(self.names[rows], self.looks[rows], self.prints[rows])


@dataclass(frozen=True, slots=True)
class Judged:
    """A harvest with what each detector says: (N, S) scores, (N,) truth and where each picture came from."""

    scores: npt.NDArray[np.float64]
    bad: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.str_]


def main() -> None:
    arguments = parse()
    taught = [one for one in read_all(arguments) if len(one.looks)]
    if not taught:
        sys.exit(f"skipped: no photographs in {arguments.photos}")
    space = Space.of(taught)
    harvested = {name: looked_at(arguments, name) for name in ("monkeys", "offtopic", "made of monkeys")}
    moments = {one.name: Moments.of(space.points(one.values)) for one in taught}
    judged = [imitate(number, harvested, taught, space, moments) for number in range(HARVESTS)]
    report(judged)
    if arguments.exam:
        exam(arguments.photos, looked_at(arguments, "bears"))


def looked_at(arguments, name: str) -> Looked:
    """Look at a folder of photographs, or at drawings and covers made of each monkey; kept in the cache."""
    kept = arguments.cache / f"harvest_{name.replace(' ', '_')}.npz" if arguments.cache else None
    if kept and kept.exists():
        with np.load(kept) as stored:
            return Looked(stored["names"], stored["looks"].astype(np.float32), stored["prints"])
    pattern = {"monkeys": "monkeys/*/*", "offtopic": "offtopic/*", "bears": "bears_harvest/*/*"}.get(name)
    names, bodies = made_of_monkeys(arguments.photos) if pattern is None else files_of(arguments.photos, pattern)
    looks, prints = look_at(load_backbone(BACKBONE, weights="packaged", device="cpu", textured=True), bodies)
    if kept:
        np.savez(kept, names=np.array(names), looks=looks.astype(np.float16), prints=prints)
    return Looked(np.array(names), looks, prints)


def files_of(photos: Path, pattern: str) -> tuple[list[str], list[bytes]]:
    names, bodies = [], []
    for file in sorted(photos.glob(pattern)):
        try:
            image = open_picture(file)
        except UnreadablePictureError:
            continue
        names.append(str(file.relative_to(photos)))
        bodies.append(shrunk(image))
    return names, bodies


def shrunk(image: Image.Image) -> bytes:
    image.thumbnail((500, 500))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def made_of_monkeys(photos: Path) -> tuple[list[str], list[bytes]]:
    names, bodies = [], []
    for folder in sorted((photos / "monkeys").iterdir()):
        for name, (_, make) in MADE.items():
            if name in ("pages of text", "charts"):
                continue
            chance = random.Random(zlib.crc32((folder.name + name).encode()))
            shots = Shots(sorted(folder.iterdir()), chance)
            for number in range(OF_EACH):
                names.append(f"{folder.name}/{name}/{number}")
                bodies.append(as_harvested(make(chance, shots), chance))
    return names, bodies


def imitate(
    number: int,
    harvested: dict[str, Looked],
    taught: Sequence[Taught],
    space: Space,
    moments: Mapping[str, Moments],
) -> Judged:
    """Return a harvest of three monkeys with junk, judged by heads that have seen none of it."""
    chance = np.random.default_rng(number)
    monkeys, made = harvested["monkeys"], harvested["made of monkeys"]
    species = np.array([name.split("/")[1] for name in monkeys.names])
    labels = chance.choice(np.unique(species), LABELS, replace=False)
    of_subject = sorted({name.split("/")[1] for name in made.names})
    foreign = [one.name for one in taught if one.kind != "photograph" and one.name not in MADE]
    junk = [*chance.choice(of_subject, SOURCES_OF_JUNK // 2, replace=False), *chance.choice(foreign, 1), "off-topic"]
    sources, given = [], []
    good = np.flatnonzero(np.isin(species, labels))
    parts = [monkeys.part(good)]
    sources += ["photograph"] * len(good)
    given += list(species[good])
    for name in junk:
        part, where = planted(name, harvested, taught, labels, chance)
        parts.append(part)
        sources += [name] * len(part.names)
        given += where
    features = np.concatenate([part.features for part in parts])
    values = np.concatenate([values_of(part.looks, part.prints) for part in parts])
    measured = heads_unaware(space, taught, moments, set(junk) | {"monkeys", "many subjects", BASE}, values)
    measured["offtopic"], _ = distances_from_every_label(
        features, np.array(given), np.arange(len(given)), neighbours=10
    )
    scores = scores_of(measured, np.array(given), np.arange(len(given)))
    return Judged(scores, np.array(sources) != "photograph", np.array(sources))


def planted(
    name: str, harvested: dict[str, Looked], taught: Sequence[Taught], labels: npt.NDArray[np.str_], chance
) -> tuple[Looked, list[str]]:
    """Return junk of a source and the labels that it is found under; that of the subject under its own."""
    made, offtopic = harvested["made of monkeys"], harvested["offtopic"]
    if name in MADE:
        parts = np.array([one.split("/") for one in made.names])
        rows = np.flatnonzero((parts[:, 1] == name) & np.isin(parts[:, 0], labels))
        rows = chance.choice(rows, min(JUNK, len(rows)), replace=False)
        return made.part(rows), list(parts[rows, 0])
    if name == "off-topic":
        rows = chance.choice(len(offtopic.names), JUNK, replace=False)
        return offtopic.part(rows), list(chance.choice(labels, JUNK))
    source = next(one for one in taught if one.name == name)
    rows = chance.choice(len(source.looks), min(JUNK, len(source.looks)), replace=False)
    looked = Looked(np.full(len(rows), name), source.looks[rows], source.prints[rows])
    return looked, list(chance.choice(labels, len(rows)))


def heads_unaware(
    space: Space,
    taught: Sequence[Taught],
    moments: Mapping[str, Moments],
    unseen: set[str],
    values: npt.NDArray[np.float32],
) -> dict[str, npt.NDArray[np.float64]]:
    """Return what heads that know none of ``unseen`` say; the ranking compares it within each label."""
    seen = {name: each for name, each in moments.items() if name not in unseen}
    kinds = {one.name: one.kind for one in taught}
    good = [name for name in seen if kinds[name] == "photograph"]
    measured = {}
    for check, head in (("not_photo", "drawings"), ("text", "text")):
        bad = [name for name in seen if kinds[name] in KINDS_OF[head]]
        weights, bias = direction(seen, bad, good)
        measured[check] = SLOPE * (space.points(values) @ weights + bias)
    return measured


def report(judged: Sequence[Judged]) -> None:
    bad = np.concatenate([one.bad for one in judged])
    print(f"\n{len(judged)} imitated harvests, {len(bad)} pictures, {bad.sum()} of them junk; AUC by source of junk")
    print(f"  {'source':28s}    n   {'  '.join(f'{name:>9s}' for name in DETECTORS)}   together   as packaged")
    fitted, packaged = [], []
    for name in sorted({source for one in judged for source in one.sources} - {"photograph"}):
        model = fit(judged, without=name)
        truths, alone, together, ours, count = [], [], [], [], 0
        for one in (one for one in judged if name in one.sources):
            rows = (one.sources == name) | ~one.bad
            scores, truth = one.scores[rows], one.bad[rows]
            truths.append(truth)
            alone.append([roc_auc_score(truth, scores[:, n]) for n in range(len(DETECTORS))])
            together.append(roc_auc_score(truth, model.decision_function(scores)))
            ours.append(roc_auc_score(truth, log_odds(scores)))
            count += int(truth.sum())
        fitted.append(np.mean(together))
        packaged.append(np.mean(ours))
        each = "  ".join(f"{area:9.3f}" for area in np.mean(alone, axis=0))
        print(f"  {name:28s} {count:4d}   {each}   {fitted[-1]:8.3f}   {packaged[-1]:11.3f}")
    print(f"  mean over sources: fitted without the source {np.mean(fitted):.3f}, as packaged {np.mean(packaged):.3f}")
    model = fit(judged)
    weights = ", ".join(f"{name} {each:.2f}" for name, each in zip(DETECTORS, model.coef_[0], strict=True))
    print(f"  fitted on all: {weights}, bias {model.intercept_[0]:.2f}; packaged bias {BIAS}")
    odds = log_odds(np.concatenate([one.scores for one in judged]))
    for limit in (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0):
        found, alarms = (odds[bad] >= limit).mean(), (odds[~bad] >= limit).mean()
        print(f"  log-odds from {limit:+.0f}: {found:.1%} of junk, {alarms:.2%} of photographs")


def fit(judged: Sequence[Judged], *, without: str = "") -> LogisticRegression:
    every = np.concatenate([one.scores[one.sources != without] for one in judged])
    bad = np.concatenate([one.bad[one.sources != without] for one in judged])
    return LogisticRegression(C=10.0).fit(every, bad)


def exam(photos: Path, bears: Looked) -> None:
    """The harvest that nothing was chosen on, one picture of each group of copies that a person saw."""
    with (photos / "bears_harvest_labels.csv").open(newline="") as file:
        said = {f"bears_harvest/{row['class']}/{row['file']}": row for row in csv.DictReader(file)}
    seen: set[str] = set()
    rows = []
    for row, name in enumerate(bears.names):
        group = said[name]["dup_group"]
        if not group or group not in seen:
            rows.append(row)
        seen.add(group)
    part = bears.part(np.array(rows))
    labels = np.array([name.split("/")[1] for name in part.names])
    bad = np.array([said[name]["label"] != "keep" for name in part.names])
    measured = {}
    for check, head in (("not_photo", "drawings"), ("text", "text")):
        measured[check] = logits(head, heads().read(part.looks), part.prints).astype(np.float64)
    measured["offtopic"], _ = distances_from_every_label(part.features, labels, np.arange(len(labels)), neighbours=10)
    scores = scores_of(measured, labels, np.arange(len(labels)))
    odds = log_odds(scores)
    alone = ", ".join(f"{name} alone {roc_auc_score(bad, scores[:, n]):.3f}" for n, name in enumerate(DETECTORS))
    print(f"\nharvest of bears: {len(bad)} distinct pictures, {bad.sum()} of them junk")
    print(f"  AUC together {roc_auc_score(bad, odds):.3f}, {alone}")
    print(f"  good pictures from the threshold on: {((odds >= THRESHOLD) & ~bad).sum()}")
    place = odds.argsort()[::-1].argsort() + 1
    for row in np.flatnonzero(bad):
        said = ", ".join(f"{name} {each:.1f}" for name, each in zip(DETECTORS, scores[row], strict=True))
        print(f"  {part.names[row]}: place {place[row]} of {len(bad)}, log-odds {odds[row]:.2f} ({said})")


if __name__ == "__main__":
    main()
