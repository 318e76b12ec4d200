"""Measure ``imgkit curate`` on real photographs with planted faults, and print one table.

    python benchmarks/curate.py [--photos ../shared/photos] [--seeds 5] [--only copies,bears]

The photographs lie beside the checkout and are no part of the project; what is not there is skipped with a reason.
Embeddings are kept in ``--cache``, so a second run is quick. Copies are made by 13 transforms of 250 photographs that
lie among about 1,150 others, most of them of ten alike species.
"""

import argparse
import csv
import io
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from sklearn.metrics import average_precision_score, roc_auc_score

from imgkit.curate import hamming
from imgkit.curate.checks.offtopic import THRESHOLD as OFFTOPIC_THRESHOLD
from imgkit.curate.checks.offtopic import distances_from_every_label
from imgkit.curate.confident import find_label_errors
from imgkit.curate.duplicates import COPY_FROM, find_copies
from imgkit.curate.fingerprints import fingerprints
from imgkit.curate.pictures import Picture
from imgkit.files import sha256_of
from imgkit.manifest import Manifest
from imgkit.progress import Silent
from imgkit.vision.backbone import load_backbone
from imgkit.vision.decode import open_picture
from imgkit.vision.embeddings import embed
from imgkit.vision.probe import knn_probabilities, out_of_fold

ROWS: list[tuple[str, str, str]] = []


def main() -> None:
    arguments = parse()
    wanted = arguments.only.split(",") if arguments.only else list(SECTIONS)
    for name in wanted:
        reason = missing(name, arguments)
        if reason:
            tell(name, "skipped", reason)
        else:
            SECTIONS[name](arguments)
    print("\n| measure | of | value |\n|---|---|---|")
    for row in ROWS:
        print("| " + " | ".join(row) + " |")


def parse() -> argparse.Namespace:
    shared = Path(__file__).resolve().parents[2] / "shared"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=shared / "photos")
    parser.add_argument("--label-noise", type=Path, default=shared / "label_noise")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "imgkit-benchmark-curate")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def missing(section: str, arguments: argparse.Namespace) -> str:
    needs = {"noise": arguments.label_noise, "speed": Path(__file__)}.get(section, arguments.photos)
    return "" if needs.exists() else f"{needs} is not there"


def tell(measure: str, of: str, value: str) -> None:
    ROWS.append((measure, of, value))
    print(f"{measure}: {of}: {value}", flush=True)


# copies


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def middle(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    cut_x, cut_y = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y))


def captioned(image: Image.Image) -> Image.Image:
    marked, (width, height) = image.copy(), image.size
    draw = ImageDraw.Draw(marked)
    draw.rectangle((0, round(0.86 * height), width, height), fill="black")
    draw.text((0.1 * width, 0.9 * height), "a caption on example.com", fill="white")
    draw.rectangle((round(0.05 * width), round(0.05 * height), round(0.25 * width), round(0.15 * height)), fill="red")
    return marked


TRANSFORMS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg q30": recompressed,
    "half size": lambda image: image.resize((max(1, image.width // 2), max(1, image.height // 2))),
    "squeezed 1:1": lambda image: image.resize((min(image.size),) * 2),
    "crop 87.5 %": lambda image: middle(image, 0.875),
    "crop 70 %": lambda image: middle(image, 0.7),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned 25°": lambda image: image.rotate(25, Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "white border": lambda image: ImageOps.expand(image, round(0.08 * min(image.size)), "white"),
    "caption bar": captioned,
    "grey": lambda image: image.convert("L").convert("RGB"),
}


def monkeys(arguments: argparse.Namespace) -> list[Path]:
    """The photographs of ten species, one of each pair that is known to be the same."""
    with (arguments.photos / "monkeys_near_duplicates.csv").open(newline="") as file:
        copies = {(row["class"], row["file_b"]) for row in csv.DictReader(file)}
    return [
        file
        for file in sorted((arguments.photos / "monkeys").glob("*/*"))
        if (file.parent.name, file.name) not in copies
    ]


def copies(arguments: argparse.Namespace) -> None:
    files = monkeys(arguments) + sorted((arguments.photos / "offtopic").glob("*"))
    chosen = set(random.Random(0).sample(range(len(files)), 250))
    folder = arguments.cache / "copies"
    pictures, source, kind = [], [], []
    for index, file in enumerate(files):
        variants = {"": None, **TRANSFORMS} if index in chosen else {"": None}
        for name, change in variants.items():
            target = folder / f"{index:05d} {name}.jpg"
            if not target.exists():
                folder.mkdir(parents=True, exist_ok=True)
                image = open_picture(file)
                (change(image) if change else image).save(target, "JPEG", quality=92)
            pictures.append(picture(target, file.parent.name))
            source.append(index)
            kind.append(name)
    features = embedded(pictures, arguments)
    prints = fingerprints(pictures, cache=arguments.cache, progress=Silent())
    for name, given in (("by hashes alone", None), ("with features", features)):
        cache = arguments.cache / name.replace(" ", "-")
        began = time.process_time()
        found = find_copies(pictures, prints, given, near_bits=10, cache=cache, progress=Silent())
        spent = time.process_time() - began
        pairs = {(one.first, one.second) for one in found.pairs if one.alignment.agreement >= COPY_FROM}
        right = sum(source[one] == source[two] for one, two in pairs)
        tell(f"copies {name}", "precision of pairs", f"{right / len(pairs):.4f} ({len(pairs) - right} of {len(pairs)})")
        together = {one: number for number, group in enumerate(found.near) for one in group}
        reached = defaultdict(list)
        original = {index: place for place, index in enumerate(source) if kind[place] == ""}
        for place, index in enumerate(source):
            if kind[place]:
                one, two = together.get(place), together.get(original[index])
                reached[kind[place]].append(one is not None and one == two)
        recall = {transform: float(np.mean(hits)) for transform, hits in reached.items()}
        tell(f"copies {name}", "recall, original to copy, mean of 13", f"{np.mean(list(recall.values())):.3f}")
        tell(f"copies {name}", "recall each", ", ".join(f"{each} {value:.2f}" for each, value in recall.items()))
        wrong = different_set_aside(found, source, kind)
        tell(
            f"copies {name}",
            "unlike photographs set aside (unlisted real copies among them)",
            f"{wrong} of {len(files)}",
        )
        best_is_original = [
            kind[best] == ""
            for group, best in zip(found.near, found.best, strict=True)
            if len({source[one] for one in group}) == 1
        ]
        tell(f"copies {name}", "original kept of its group", f"{np.mean(best_is_original):.3f}")
        tell(f"copies {name}", "CPU seconds to search and compare", f"{spent:.1f}")


def different_set_aside(found, source: Sequence[int], kind: Sequence[str]) -> int:
    """How many originals share a group with another original."""
    return sum(max(0, len({source[one] for one in group if kind[one] == ""}) - 1) for group in found.near)


def picture(file: Path, label: str) -> Picture:
    with Image.open(file) as image:
        width, height = image.size
    digest = sha256_of(file)
    return Picture(
        label=label,
        image_id=digest[:20],
        path=file,
        file_sha256=digest,
        sha256=digest,
        width=width,
        height=height,
        bytes=file.stat().st_size,
        label_now=label,
    )


_backbones = {}


def embedded(pictures: Sequence[Picture], arguments: argparse.Namespace):
    if "packaged" not in _backbones:
        _backbones["packaged"] = load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu")
    return embed(
        [one.path for one in pictures],
        _backbones["packaged"],
        cache=arguments.cache,
        keys=[one.file_sha256 for one in pictures],
    )


# labels and off-topic


def flipped(truth, rate: float, chance, *, pairs: bool):
    labels, classes = truth.copy(), int(truth.max()) + 1
    for one in chance.choice(len(truth), round(rate * len(truth)), replace=False):
        labels[one] = (labels[one] + (1 if pairs else chance.integers(1, classes))) % classes
    return labels


def labels(arguments: argparse.Namespace) -> None:
    pictures = [picture(file, file.parent.name) for file in monkeys(arguments)]
    features = embedded(pictures, arguments)
    names = sorted({one.label for one in pictures})
    truth = np.array([names.index(one.label) for one in pictures])
    for rate, pairs in ((0.02, False), (0.05, False), (0.1, False), (0.2, False), (0.1, True), (0.2, True)):
        scores = []
        for seed in range(arguments.seeds):
            given = flipped(truth, rate, np.random.default_rng(seed), pairs=pairs)
            texts, groups = [names[one] for one in given], [""] * len(given)
            opinions = out_of_fold(features, texts, groups, seed=seed, repeats=1)
            opinions = (opinions + knn_probabilities(features, texts, groups)) / 2
            errors, wrong = find_label_errors(given, opinions), given != truth
            scores.append(
                (
                    average_precision_score(wrong, errors.score),
                    roc_auc_score(wrong, errors.score),
                    f1(errors.flagged, wrong),
                    (errors.suggested[errors.flagged & wrong] == truth[errors.flagged & wrong]).mean(),
                )
            )
        ap, auc, score, suggested = np.mean(scores, axis=0)
        tell(
            "label errors",
            f"{rate:.0%} {'to the next label' if pairs else 'at random'}, {arguments.seeds} seeds",
            f"AP {ap:.3f}, AUROC {auc:.4f}, F1 {score:.3f}, right suggestion {suggested:.3f}",
        )


def f1(flagged, wrong) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def offtopic(arguments: argparse.Namespace) -> None:
    at_home = [picture(file, file.parent.name) for file in monkeys(arguments)]
    strangers = [picture(file, "?") for file in sorted((arguments.photos / "offtopic").glob("*"))]
    home, far = embedded(at_home, arguments), embedded(strangers, arguments)
    names = np.array(sorted({one.label for one in at_home}))
    truth = np.searchsorted(names, [one.label for one in at_home])
    for rate in (0.02, 0.05, 0.1):
        scores = []
        for seed in range(arguments.seeds):
            chance = np.random.default_rng(seed)
            given = flipped(truth, rate, chance, pairs=False)
            planted = chance.choice(len(far), min(len(far), round(rate * len(home))), replace=False)
            features = np.concatenate([home, far[planted]])
            given = np.concatenate([given, chance.integers(0, len(names), len(planted))])
            alien = np.arange(len(features)) >= len(home)
            found, _ = distances_from_every_label(features, names[given], np.arange(len(given)), neighbours=10)
            flagged = found >= OFFTOPIC_THRESHOLD
            scores.append(
                (
                    roc_auc_score(alien, found),
                    average_precision_score(alien, found),
                    (flagged & alien).sum() / max(1, flagged.sum()),
                    flagged[alien].mean(),
                )
            )
        auc, ap, precision, recall = np.mean(scores, axis=0)
        tell(
            "off-topic",
            f"{rate:.0%} planted beside as many wrong labels, {arguments.seeds} seeds",
            f"AUROC {auc:.4f}, AP {ap:.3f}; at the threshold precision {precision:.2f}, recall {recall:.2f}",
        )


def noise(arguments: argparse.Namespace) -> None:
    for rate in (20, 40):
        scores = []
        for file in sorted(arguments.label_noise.glob(f"*noise{rate}*.npz")):
            stored = np.load(file)
            probabilities = np.exp(stored["log_probs"].astype(np.float64))
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            given = stored["given"].astype(np.int64)
            errors = find_label_errors(given, probabilities)
            scores.append(f1(errors.flagged, given != stored["true"]))
        tell(
            "published label noise",
            f"CIFAR-10, {rate} %, mean of {len(scores)} sparsities",
            f"F1 {np.mean(scores):.3f}",
        )


# a real harvest, against a person's verdict on every file


def bears(arguments: argparse.Namespace) -> None:
    root = arguments.photos / "bears_harvest"
    with (arguments.photos / "bears_harvest_labels.csv").open(newline="") as file:
        truth = {(row["class"], row["file"]): row for row in csv.DictReader(file)}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        queries = Path(folder) / "bears.csv"
        queries.write_text(
            "label,query,providers\n" + "".join(f"{each.name},{each},folder\n" for each in sorted(root.iterdir()))
        )
        run("harvest", str(queries), "--data", str(data))
        began = time.perf_counter()
        run("curate", "--data", str(data), "--device", "cpu", "--weights", "packaged")
        first = time.perf_counter() - began
        began = time.perf_counter()
        run("curate", "--data", str(data), "--device", "cpu", "--weights", "packaged")
        tell("bears harvest", "seconds of curate, first and again", f"{first:.1f}, {time.perf_counter() - began:.1f}")
        with Manifest.open(data) as manifest:
            compare(manifest, truth)


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "imgkit", *command], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"imgkit {command[0]} failed: {done.stderr}")


def compare(manifest: Manifest, truth) -> None:
    judgements = manifest.judgements()
    said, reasons = {}, {}
    for one in manifest.candidates():
        key = (one.label, Path(unquote(one.proposal.url)).name)
        judgement = judgements.get((one.label, one.image_id or ""))
        refused = one.state == "rejected"
        reasons[key] = one.reason if refused else judgement.reason if judgement else ""
        said[key] = judgement.score if judgement and not refused else 0.0
    broken = {key for key, row in truth.items() if row["label"] == "unreadable"}
    called_broken = {key for key, reason in reasons.items() if reason.startswith(("body.", "img.trunc"))}
    tell("bears harvest", "broken files found, of those there", f"{len(broken & called_broken)} of {len(broken)}")
    tell("bears harvest", "whole files called broken", str(len(called_broken - broken)))
    groups = defaultdict(set)
    for key, row in truth.items():
        if row["dup_group"]:
            groups[row["dup_group"]].add(key)
    redundant = sum(len(group) - 1 for group in groups.values())
    copies_found = {key for key, reason in reasons.items() if reason.startswith("dup.")}
    in_groups = set().union(*groups.values())
    tell(
        "bears harvest",
        "redundant copies set aside, of those listed",
        f"{len(copies_found & in_groups)} of {redundant}",
    )
    unlisted = sorted("/".join(key) for key in copies_found - in_groups)
    tell("bears harvest", "set aside as copies but not listed", f"{len(unlisted)}: {', '.join(unlisted)}")
    junk = {key for key, row in truth.items() if row["label"] not in ("keep", "unreadable")} - copies_found
    suspects = {
        key
        for key, reason in reasons.items()
        if reason.startswith("bad.") or reason in ("img.blank", "img.placeholder")
    }
    tell("bears harvest", "junk found, of that there", f"{len(junk & suspects)} of {len(junk)}")
    tell("bears harvest", "junk missed", ", ".join(sorted("/".join(key) for key in junk - suspects)) or "none")
    false = Counter(reasons[key] for key in suspects - junk)
    tell("bears harvest", "good pictures suspected", f"{sum(false.values())}: {dict(false)}")
    here = [key for key in reasons if key in said and not reasons[key].startswith(("dup.", "body."))]
    flags = [key in junk for key in here]
    if any(flags):
        tell("bears harvest", "AUC of the score for junk", f"{roc_auc_score(flags, [said[key] for key in here]):.3f}")


# speed


def speed(arguments: argparse.Namespace) -> None:
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 2**63, 1_000_000, dtype=np.uint64) * np.uint64(2)
    hashes[-50_000:] = hashes[:50_000] ^ (np.uint64(1) << chance.integers(0, 64, 50_000).astype(np.uint64))
    began = time.process_time()
    groups = hamming.groups_within(hashes, 6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    tell(
        "hashes grouped",
        f"1,000,000 within 6 bits, {groups.max() + 1:,} groups",
        f"{time.process_time() - began:.1f} CPU s, peak {peak:.2f} GiB of the whole process",
    )
    if not arguments.photos.exists():
        return
    files = sorted((arguments.photos / "bears_harvest").glob("*/*.jpg"))[:300]
    pictures = [picture(file, file.parent.name) for file in files]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        fingerprints(pictures, cache=Path(folder), progress=Silent())
        spent = time.process_time() - began
        tell(
            "one look at a picture",
            f"{len(files)} of 640 px: hashes and quality",
            f"{1000 * spent / len(files):.2f} CPU ms",
        )
        began = time.process_time()
        fingerprints(pictures, cache=Path(folder), progress=Silent())
        again = time.process_time() - began
        tell("a second look", "share of the first", f"{again / spent:.2%}")


SECTIONS = {
    "copies": copies,
    "labels": labels,
    "offtopic": offtopic,
    "noise": noise,
    "bears": bears,
    "speed": speed,
}

if __name__ == "__main__":
    main()
