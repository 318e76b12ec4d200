"""Teach and measure the head that tells art, figurines, toys and renders from photographs.

    python benchmarks/curate_art.py [--photos ../shared/photos] [--cache FOLDER] [--write]

Sources are leave-one-out: each is judged by a head that has not seen it. The two development harvests are never taught
with. Every source weighs alike, art and photographs together as much as each other.
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from imgkit.curate.checks.art import living_share, relative_to_label
from imgkit.curate.copies.fingerprints import MEASURED_PX
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.features.art_head import ART_HEAD_FILE, FARTHEST, ArtHead, art_inputs
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.embeddings import embed_readable
from imgkit.vision.features.textures import BACKBONE
from imgkit.vision.ground import GROUND_MEASURES, ground_measures

RIDGE = 1e-4  # inverse strength of the penalty, as scikit-learn counts it
GROUND_SCALE = 10.0  # how much larger deviations of the ground are than those of features: a weaker penalty
CUTS = (0.5, 0.75, 0.8, 0.9)
HARVESTS = ("web_subjects", "bears")


@dataclass(frozen=True)
class Pictures:
    """Pictures of a set: (N, D) features, (N, 16) measures, (N,) kinds and labels."""

    features: np.ndarray
    ground: np.ndarray
    kinds: np.ndarray
    labels: np.ndarray


def main() -> None:
    arguments = parse()
    if not (arguments.photos / "junk_sources" / "sources.csv").is_file():
        sys.exit(f"skipped: no sources in {arguments.photos}")
    backbone = load_backbone(BACKBONE, weights="packaged", device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        sources = {name: read(rows, backbone, cache) for name, rows in sources_of(arguments.photos).items()}
        harvests = {name: read(rows, backbone, cache) for name, rows in harvests_of(arguments.photos).items()}
    head = taught(list(sources.values()))
    false_alarms(sources)
    for name, each in harvests.items():
        examine(name, each, head, living_share(backbone, each.features))
    if arguments.write:
        with ART_HEAD_FILE.open("wb") as file:
            half = {name: getattr(head, name).astype(np.float16) for name in ("middle", "spread", "weights")}
            np.savez_compressed(file, **half, bias=np.float32(head.bias))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "photos")
    parser.add_argument("--cache", type=Path, help="folder to keep vectors in")
    parser.add_argument("--write", action="store_true", help=f"put the head into {ART_HEAD_FILE}")
    return parser.parse_args()


def sources_of(photos: Path) -> dict[str, list[tuple[Path, str, str]]]:
    """Return (file, kind, label) of what is taught with, by source."""
    found: dict[str, list[tuple[Path, str, str]]] = {}
    with (photos / "junk_sources" / "sources.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = photos / "junk_sources" / row["source"] / row["file"]
            found.setdefault(row["source"], []).append((path, row["kind"], row["source"]))
    for name in ("monkeys", "bigcats", "birds", "offtopic"):
        files = sorted(path for path in (photos / name).rglob("*") if path.is_file())
        found[name] = [(path, "photo", path.parent.name) for path in files]
    return found


def harvests_of(photos: Path) -> dict[str, list[tuple[Path, str, str]]]:
    """Return (file, verdict, label) of the development harvests."""
    found: dict[str, list[tuple[Path, str, str]]] = {name: [] for name in HARVESTS}
    with (photos / "dev_harvests" / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = photos / "dev_harvests" / row["set"] / row["class"] / row["file"]
            found[row["set"]].append((path, row["label"], row["class"]))
    return found


def read(rows: Sequence[tuple[Path, str, str]], backbone: object, cache: Path) -> Pictures:
    ground = np.full((len(rows), len(GROUND_MEASURES)), np.nan, np.float32)
    for number, (path, _, _) in enumerate(rows):
        try:
            ground[number] = ground_measures(open_picture(path, longest=MEASURED_PX))
        except UnreadablePictureError:
            continue
    features = embed_readable([path for path, _, _ in rows], backbone, cache=cache).features
    kept = np.isfinite(ground[:, 0]) & np.isfinite(features[:, 0])
    kinds, labels = (np.array([row[place] for row in rows])[kept] for place in (1, 2))
    return Pictures(features[kept], ground[kept], kinds, labels)


def taught(sources: Sequence[Pictures]) -> ArtHead:
    """Return the head that these sources teach."""
    inputs = np.concatenate([art_inputs(each.features, each.ground) for each in sources])
    art = np.concatenate([each.kinds == "art" for each in sources])
    weight = np.concatenate([np.full(len(each.kinds), 1 / len(each.kinds)) for each in sources])
    for kind in (True, False):
        weight[art == kind] *= 0.5 * len(art) / weight[art == kind].sum()
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0) + np.float32(1e-6)
    scale = np.ones(inputs.shape[1])
    scale[-len(GROUND_MEASURES) :] = GROUND_SCALE
    deviations = np.clip((inputs - middle) / spread, -FARTHEST, FARTHEST) * scale
    fitted = LogisticRegression(C=RIDGE, max_iter=500).fit(deviations, art, sample_weight=weight)
    weights = (fitted.coef_[0] * scale).astype(np.float32)
    return ArtHead(middle, spread, weights, float(fitted.intercept_[0]))


def false_alarms(sources: dict[str, Pictures]) -> None:
    print(f"photographs of a source that the head has not seen, % at probability >= {CUTS}; art found likewise")
    for name, each in sources.items():
        head = taught([other for other_name, other in sources.items() if other_name != name])
        share = 1 / (1 + np.exp(-head.logits(each.features, each.ground)))
        for kind in ("photo", "art"):
            own = share[each.kinds == kind]
            if len(own):
                print(
                    f"  {name:16} {kind:6} {len(own):5}  "
                    + " ".join(f"{100 * (own >= cut).mean():5.1f}" for cut in CUTS)
                )


def examine(name: str, pictures: Pictures, head: ArtHead, living: np.ndarray | None) -> None:
    scores = head.logits(pictures.features, pictures.ground)
    for label in np.unique(pictures.labels):
        own = pictures.labels == label
        scores[own] = relative_to_label(scores, own, np.flatnonzero(own), living)
    good = np.isin(pictures.kinds, ("keep", "overlay"))
    print(f"harvest {name}: {good.sum()} good")
    for kind in ("art", "text", "offtopic"):
        bad = pictures.kinds == kind
        if bad.any():
            told = roc_auc_score(np.r_[np.ones(bad.sum()), np.zeros(good.sum())], np.r_[scores[bad], scores[good]])
            print(f"  {kind:9} {bad.sum():4}  AUC {told:.3f}")
    share = 1 / (1 + np.exp(-scores))
    art = pictures.kinds == "art"
    for cut in CUTS:
        print(f"  p >= {cut}: {(share[art] >= cut).sum()} of {art.sum()} art, {(share[good] >= cut).sum()} good")


if __name__ == "__main__":
    main()
