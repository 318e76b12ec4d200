"""Train and measure the two small heads of ``imgkit curate``: not a photograph, and text or collage.

    python benchmarks/curate_heads.py --art FOLDER [--photos ../shared/photos] [--cache FOLDER] [--write]

What they are taught with is in ``junk_pictures.py``, with licences. The harvest of bears is no part of it: it is what
``curate_junk.py`` examines them on. A source is left out of the training once, with all others of its hand, and with
it, turn by turn, each source of photographs: the table says how well a hand that the head has never seen is told from
photographs of a kind it has never seen. The lines below it say how well from other photographs of kinds it has seen.
Each picture teaches three times: its middle, as in curate, all of it squashed, and the middle of what is left when it
is framed, signed or cut out, so that this tells nothing. The directions in which the heads are fitted are found once
on all pictures, without their labels.
"""

import argparse
import io
import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from junk_pictures import MADE, MADE_COUNT, SOURCES, Kind, Shots, as_harvested, pictures_of, published, unpack_resources
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.utils.extmath import randomized_svd

from imgkit.curate.copies.fingerprints import MEASURED_PX, RECORD, measure
from imgkit.curate.ranking.heads import MEASURES, measured
from imgkit.vision.decode import OWN_FILES, Decoded, decode
from imgkit.vision.features.backbone import Backbone, TexturedBackbone, load_backbone
from imgkit.vision.features.textures import BACKBONE, HEADS_FILE, standardised

Floats = npt.NDArray[np.float64]

DIRECTIONS = 1000
RIDGE = 2e-4
KINDS_OF: dict[str, tuple[Kind, ...]] = {"drawings": ("drawing", "render", "toy"), "text": ("text",)}
BASE = "learnt from"  # photographs of which covers and drawings are made; held out with those of their folders
OF_BASE = ("monkeys", "many subjects")
DRAWN_FROM = tuple(name for name, (kind, _) in MADE.items() if kind == "drawing")
BATCH = 16
PHOTOGRAPHS = 400  # of a folder
SEEDS = 5  # ways to halve the photographs


def values_of(looks: npt.NDArray[np.float32], prints: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """Return (N, M), all that the heads read, of what they read in the network and of fingerprints."""
    return np.concatenate([looks, measured(prints)], axis=1, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Taught:
    """The N pictures of one source: what the heads read in the network, (N, T), and fingerprints, (N,).

    ``squashed`` are looks at all of each picture, ``altered`` at what it is when framed, signed or cut out.
    """

    name: str
    kind: Kind
    hand: str
    looks: npt.NDArray[np.float32]
    prints: npt.NDArray[np.void]
    squashed: npt.NDArray[np.float32]
    altered: npt.NDArray[np.float32]
    prints_altered: npt.NDArray[np.void]

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """(N, VIEWS, M) as the heads read them; what is asked comes first."""
        views = (self.looks, self.prints), (self.squashed, self.prints), (self.altered, self.prints_altered)
        return np.stack([values_of(*view) for view in views], axis=1)


@dataclass(frozen=True, slots=True)
class Space:
    """Few directions in which the pictures differ most, so that heads are fitted fast and to little noise."""

    middle: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    directions: Floats

    @classmethod
    def of(cls, taught: Sequence[Taught]) -> "Space":
        """Find the directions of these pictures."""
        every = np.concatenate([each for one in taught for each in one.values])
        middle, spread = every.mean(axis=0), every.std(axis=0) + np.float32(1e-6)
        brought = standardised(every, middle, spread) / np.float32(np.sqrt(len(middle)))
        directions = randomized_svd(brought, DIRECTIONS, random_state=0)[2].astype(np.float64)
        return cls(middle, spread, directions / np.sqrt(len(middle)))

    def points(self, values: npt.NDArray[np.float32]) -> Floats:
        """Return (..., directions) where pictures lie, from the (..., M) that the heads read of them."""
        found: Floats = standardised(values, self.middle, self.spread) @ self.directions.T
        return found

    def back(self, weights: Floats) -> Floats:
        """Weights of directions as weights of what the heads read."""
        found: Floats = weights @ self.directions
        return found


def main() -> None:
    arguments = parse()
    taught = [one for one in read_all(arguments) if len(one.looks)]
    if not any(one.name == BASE for one in taught):
        sys.exit(f"skipped: no photographs in {arguments.photos}")
    space = Space.of(taught)
    points = {one.name: space.points(one.values) for one in taught}
    kinds, hands = {one.name: one.kind for one in taught}, {one.name: one.hand for one in taught}
    heads = {}
    for head, bad_kinds in KINDS_OF.items():
        bad = [name for name, kind in kinds.items() if kind in bad_kinds]
        good = [name for name, kind in kinds.items() if kind == "photograph"]
        held_out, areas = leave_one_out(points, hands, bad, good)
        table(head, areas, kinds, points)
        known_photographs(points, kinds, hands, bad, good)
        slope, bias = calibrated(held_out, good)
        weights, zero = direction({name: Moments.of(each) for name, each in points.items()}, bad, good)
        heads[head] = (space.back(slope * weights), bias + slope * zero)
        false_alarms(held_out, bad, good, slope, bias)
    if arguments.write:
        write(heads, space)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--art", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--photos", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "photos")
    parser.add_argument("--cache", type=Path, help="folder to keep vectors in; delete it when the sources change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exam", action="store_true", help="look at the harvest of bears too")
    parser.add_argument("--write", action="store_true", help=f"put the heads into {HEADS_FILE}")
    return parser.parse_args()


def read_all(arguments: argparse.Namespace) -> Iterator[Taught]:
    """Yield every source, from the cache where it is there."""
    chance = random.Random(arguments.seed)
    resources = arguments.art / "gcompris-qt-data"
    if resources.exists() and not (arguments.art / "gcompris-pictures").exists():
        unpack_resources(resources, arguments.art / "gcompris-pictures")
    folders = {"monkeys": "monkeys/*/*", "many subjects": "offtopic/*"}
    files = {name: sorted(arguments.photos.glob(pattern)) for name, pattern in folders.items()}
    for some in files.values():
        chance.shuffle(some)
    # covers and drawings are made of one half
    base = Shots([file for some in files.values() for file in some[0::2]], random.Random(arguments.seed + 1))
    if not base.files:
        return
    backbone: list[Backbone] = []

    def taught(
        name: str, kind: Kind, hand: str, make: Callable[[random.Random], Iterator[Image.Image]], count: int
    ) -> Taught:
        kept = arguments.cache / f"{name.replace(' ', '_')}.npz" if arguments.cache else None
        if kept and kept.exists():
            with np.load(kept) as stored:
                found = {name: stored[name] for name in stored.files}
        else:
            backbone.extend(
                [] if backbone else [load_backbone(BACKBONE, weights="packaged", device="cpu", textured=True)]
            )
            own = random.Random(zlib.crc32(f"{arguments.seed} {name}".encode()))
            found = views_of(backbone[0], islice(make(own), count), own)
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, **found)
            print(f"looked at {len(found['looks'])} pictures of {name}", file=sys.stderr, flush=True)
        return Taught(
            name,
            kind,
            hand,
            **{name: np.float32(each) if each.dtype == np.float16 else each for name, each in found.items()},
        )

    yield taught(BASE, "photograph", BASE, lambda own: base.used(500), 500)
    for name, some in files.items():
        shots = Shots(some[1::2], random.Random(arguments.seed + 2))
        yield taught(name, "photograph", name, lambda own, shots=shots: shots.used(PHOTOGRAPHS), PHOTOGRAPHS)
    for source in SOURCES:
        yield taught(
            source.name,
            source.kind,
            source.hand or source.package,
            lambda own, source=source: pictures_of(source, arguments.art, base, own),
            source.count,
        )
    for name, (kind, make) in MADE.items():
        yield taught(name, kind, name, lambda own, make=make: (make(own, base) for _ in range(MADE_COUNT)), MADE_COUNT)


def views_of(backbone: Backbone, pictures: Iterable[Image.Image], chance: random.Random) -> dict[str, np.ndarray]:
    """Look at pictures of a source in all the ways that teach; returns fields of ``Taught``."""
    bodies, altered = [], []
    for image in pictures:
        bodies.append(as_harvested(image, chance))
        altered.append(as_harvested(published(image, chance), chance))
    looks, prints = look_at(backbone, bodies)
    squashed, _ = look_at(backbone, bodies, squash=True)
    changed, prints_altered = look_at(backbone, altered)
    kept = {"looks": looks, "squashed": squashed, "altered": changed}
    return {name: each.astype(np.float16) for name, each in kept.items()} | {
        "prints": prints,
        "prints_altered": prints_altered,
    }


def look_at(
    backbone: Backbone, bodies: Sequence[bytes], *, squash: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.void]]:
    """Return what the heads read in the network of the middle, or of all, of JPEG files, and their fingerprints."""
    assert isinstance(backbone, TexturedBackbone)
    form = backbone.preprocessing
    looks, prints = [], np.zeros(len(bodies), RECORD)
    for start in range(0, len(bodies), BATCH):
        pixels = []
        for number, body in enumerate(bodies[start : start + BATCH], start):
            image = picture(body, shortest=form.shortest)
            if squash:
                whole = image.resize((form.size, form.size), Image.Resampling.BICUBIC, reducing_gap=3.0)
                pixels.append(np.asarray(whole))
            else:
                pixels.append(backbone.prepare(image))
            prints[number] = measure([picture(body, longest=MEASURED_PX)])[0]
        looks.append(backbone.features_and_textures(np.stack(pixels))[1])
    return np.concatenate(looks) if looks else np.zeros((0, 0), np.float32), prints


def picture(body: bytes, *, shortest: int | None = None, longest: int | None = None) -> Image.Image:
    decoded = decode(body, limits=OWN_FILES, shortest=shortest, longest=longest)
    if not isinstance(decoded, Decoded):
        raise SystemExit(f"a picture that was just written cannot be read: {decoded}")
    return decoded.image


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, (directions,), and covariance, (directions, directions), of the points of a source."""

    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, points: Floats) -> "Moments":
        """Return those of (N, VIEWS, directions) points."""
        flat = points.reshape(-1, points.shape[-1])
        return cls(flat.mean(axis=0), np.cov(flat.T, bias=True))


def direction(moments: Mapping[str, Moments], bad: Sequence[str], good: Sequence[str]) -> tuple[Floats, float]:
    """Return weights and bias that put the average bad source at 1/2 and the average good one at -1/2.

    Fisher's discriminant where each source counts the same however many pictures it has, and the differences between
    sources of one class count as noise: what tells sources apart says nothing about the next one.
    """
    noise, centre = np.zeros((DIRECTIONS, DIRECTIONS)), {}
    for side, names in (("bad", bad), ("good", good)):
        means = np.stack([moments[name].mean for name in names])
        centre[side] = means.mean(axis=0)
        within = sum(moments[name].covariance for name in names) / len(names)
        noise += (within + (means - centre[side]).T @ (means - centre[side]) / len(names)) / 2
    gap = centre["bad"] - centre["good"]
    weights = np.linalg.solve(noise + RIDGE * np.eye(DIRECTIONS), gap)
    weights /= gap @ weights
    return weights, -float((centre["bad"] + centre["good"]) @ weights) / 2


Held = dict[tuple[str, str], tuple[Floats, Floats]]
"""(bad source, good source) to the scores of both by a head that has seen neither."""


def leave_one_out(
    points: dict[str, Floats],
    hands: dict[str, str],
    bad: Sequence[str],
    good: Sequence[str],
) -> tuple[Held, dict[str, dict[str, float]]]:
    """Return scores of held-out sources, and the AUC of each bad source against each source of photographs."""
    moments = {name: Moments.of(each) for name, each in points.items()}
    held: Held = {}
    areas: dict[str, dict[str, float]] = {}
    for one in bad:
        areas[one] = {}
        for other in good:
            if other == BASE:
                continue
            # what is made of photographs shows the subjects of their folders: it may not teach that these are bad
            unseen = {BASE, *DRAWN_FROM} if other in OF_BASE else set()
            unseen |= {name for name in bad if hands[name] == hands[one]}
            unseen |= {name for name in good if hands[name] == hands[other]}
            weights, bias = direction(
                moments, [n for n in bad if n not in unseen], [n for n in good if n not in unseen]
            )
            worse, better = points[one][:, 0] @ weights + bias, points[other][:, 0] @ weights + bias
            held[one, other] = worse, better
            areas[one][other] = area(worse, better)
    return held, areas


def area(worse: Floats, better: Floats) -> float:
    """Return the AUC of scores that should be higher and scores that should be lower."""
    truth = np.repeat([1, 0], [len(worse), len(better)])
    return float(roc_auc_score(truth, np.concatenate([worse, better])))


def known_photographs(
    points: dict[str, Floats],
    kinds: dict[str, Kind],
    hands: dict[str, str],
    bad: Sequence[str],
    good: Sequence[str],
) -> None:
    """Leave out the junk of one hand only: the photographs are other ones of sources that the head has seen."""
    moments = {name: Moments.of(points[name]) for name in bad}
    plain: dict[str, list[float]] = {one: [] for one in bad}
    altered: dict[str, list[float]] = {one: [] for one in bad}
    for seed, half in product(range(SEEDS), (0, 1)):
        chance = np.random.default_rng(seed)
        order = {name: chance.permutation(len(points[name])) for name in good}
        learnt = {name: Moments.of(points[name][order[name][half::2]]) for name in good}
        asked = {name: points[name][order[name][1 - half :: 2]] for name in good if name != BASE}
        for one in bad:
            others = [name for name in bad if hands[name] != hands[one]]
            weights, _ = direction(moments | learnt, others, good)
            for rows in asked.values():
                plain[one].append(area(points[one][:, 0] @ weights, rows[:, 0] @ weights))
                altered[one].append(area(points[one][:, -1] @ weights, rows[:, -1] @ weights))
    for areas, words in ((plain, "other photographs"), (altered, "other photographs, all framed, signed or cut out,")):
        means = {one: float(np.mean(found)) for one, found in areas.items()}
        print(f"  against {words} of the sources that it has seen, {SEEDS} ways to halve them:")
        for line in by_kind(means, kinds):
            print(f"    {line}")


def by_kind(means: dict[str, float], kinds: dict[str, Kind]) -> Iterator[str]:
    """Yield a line for each kind, mean and least over its sources, those made of photographs apart, and one for all."""
    for kind in dict.fromkeys(kinds[name] for name in means):
        for made, words in ((False, ""), (True, " made of photographs")):
            some = {name: mean for name, mean in means.items() if kinds[name] == kind and of_photographs(name) == made}
            if some:
                least = ", ".join(f"{name} {some[name]:.3f}" for name in sorted(some, key=some.__getitem__)[:3])
                told = f"mean AUC {np.mean(list(some.values())):.3f}, least {least}"
                yield f"{len(some)} sources of kind {kind}{words}: {told}"
    rest = [mean for name, mean in means.items() if not of_photographs(name)]
    yield f"all {len(rest)} that are not made of photographs: mean AUC {np.mean(rest):.3f}"


def of_photographs(name: str) -> bool:
    return "of photographs" in name


def calibrated(held: Held, good: Sequence[str]) -> tuple[float, float]:
    """Return slope and bias that make held-out scores log-odds, every source counting the same."""
    scores = np.concatenate([each for pair in held.values() for each in pair])
    truth = np.concatenate([np.repeat([1, 0], [len(worse), len(better)]) for worse, better in held.values()])
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for pair in held.values() for each in pair])
    fitted = LogisticRegression(C=1e4).fit(scores[:, None], truth, sample_weight=weights * len(held))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def table(head: str, areas: dict[str, dict[str, float]], kinds: dict[str, Kind], points: dict[str, Floats]) -> None:
    others = list(next(iter(areas.values())))
    print(f"\n{head}: AUC of each source when the head has not seen it, against photographs it has not seen")
    print(f"  {'source':26s} {'kind':8s}    n   mean  " + "  ".join(f"{name[:10]:>10s}" for name in others))
    for name, found in sorted(areas.items(), key=lambda pair: np.mean(list(pair[1].values()))):
        row = "  ".join(f"{found[other]:10.3f}" for other in others)
        print(f"  {name:26s} {kinds[name]:8s} {len(points[name]):4d}  {np.mean(list(found.values())):.3f}  {row}")
    for line in by_kind({name: float(np.mean(list(found.values()))) for name, found in areas.items()}, kinds):
        print(f"  {line}")


def false_alarms(held: Held, bad: Sequence[str], good: Sequence[str], slope: float, bias: float) -> None:
    """Say how many pictures of held-out sources reach a log-odds, photographs as they are and less their median."""
    for words, less in (("as they are", False), ("less the median of their source", True)):
        for limit in (1.0, 2.0, 3.0, 4.0, 5.0):
            found, alarms = [], {other: [] for other in good if other != BASE}
            for (_, other), (worse, better) in held.items():
                base = max(0.0, float(np.median(slope * better + bias))) if less else 0.0
                found.append(float((slope * worse + bias - base >= limit).mean()))
                alarms[other].append(float((slope * better + bias - base >= limit).mean()))
            shares = ", ".join(f"{other} {np.mean(each):.2%}" for other, each in alarms.items())
            print(f"  from {limit:.0f}, {words}: {np.mean(found):.1%} of unseen junk; of unseen photographs {shares}")


def write(heads: dict[str, tuple[Floats, float]], space: Space) -> None:
    names = sorted(heads)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(names),
        textures=len(space.middle) - len(MEASURES),
        weights=np.stack([heads[name][0] for name in names]).astype(np.float32),
        biases=np.array([heads[name][1] for name in names], np.float32),
        middle=space.middle.astype(np.float16),
        spread=space.spread.astype(np.float16),
    )
    HEADS_FILE.write_bytes(buffer.getvalue())
    print(f"\nwritten: {HEADS_FILE}, {HEADS_FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
