"""Measure ``imgkit curate`` on real photographs with planted faults, and print one table.

    python benchmarks/curate.py [--photos ../shared/photos] [--only copies,bears]

The photographs lie beside the checkout and are no part of the project; what is not there is skipped with a reason.
Embeddings are kept in ``--cache``, so a second run is quick. Copies are made by 13 transforms of 250 photographs that
lie among about 1,150 others, most of them of ten alike species.
"""

import argparse
import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from planting import PHOTOS, SAME_PHOTOGRAPH, TRANSFORMS, Table, embedded, monkeys, picture, strangers
from sklearn.metrics import roc_auc_score

from imgkit.components import groups_of
from imgkit.curate.config import CurateConfig
from imgkit.curate.copies import hamming
from imgkit.curate.copies.fingerprints import MEASURED_PX, fingerprints
from imgkit.curate.copies.grouping import COPY_FROM, best_of, find_copies
from imgkit.curate.pipeline import curate
from imgkit.manifest import Manifest
from imgkit.progress import Silent
from imgkit.vision import GREY_TAIL_SHARE
from imgkit.vision.decode import OWN_FILES, Decoded, Rejected, decode, grey_band, open_picture
from imgkit.vision.resize import jpeg_bytes, shrink

TABLE = Table("measure", "of", "value")
tell = TABLE.tell


def main() -> None:
    arguments = parse()
    wanted = arguments.only.split(",") if arguments.only else list(SECTIONS)
    for name in wanted:
        reason = missing(name, arguments)
        if reason:
            tell(name, "skipped", reason)
        else:
            SECTIONS[name](arguments)
    TABLE.show()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "imgkit-benchmark-curate")
    parser.add_argument("--only", default="")
    return parser.parse_args()


def missing(section: str, arguments: argparse.Namespace) -> str:
    needs = Path(__file__) if section == "speed" else arguments.photos
    return "" if needs.exists() else f"{needs} is not there"


# copies


def copies(arguments: argparse.Namespace) -> None:
    files = monkeys(arguments.photos) + strangers(arguments.photos)
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
    shown = photographs(files, source)
    features = embedded(pictures, arguments.cache)
    prints = fingerprints(pictures, cache=arguments.cache, progress=Silent())
    for name, given in (("by hashes alone", None), ("with features", features)):
        cache = arguments.cache / name.replace(" ", "-")
        began = time.process_time()
        found = find_copies(pictures, prints, given, near_bits=10, cache=cache, progress=Silent())
        spent = time.process_time() - began
        pairs = {(one.first, one.second) for one in found.pairs if one.is_copy}
        right = sum(shown[one] == shown[two] for one, two in pairs)
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
        originals = [sorted({source[one] for one in group if kind[one] == ""}) for group in found.near]
        mixed = [[files[one] for one in members] for members in originals if len(members) > 1]
        wrong = [members for members in mixed if frozenset(one.name for one in members) not in SAME_PHOTOGRAPH]
        apart = sum(len(members) - 1 for members in wrong)
        tell(f"copies {name}", "other photographs set aside as copies", f"{apart} of {len(files)}")
        tell(f"copies {name}", "unlisted copies found", f"{len(mixed) - len(wrong)} of {len(SAME_PHOTOGRAPH)}")
        for members in wrong:
            print("  " + " = ".join(f"{one.parent.name}/{one.name}" for one in members))
        left_out(found, source, shown, kind, [file.parent.name for file in files], name)
        kept = original_kept(found, source, kind, pictures, prints)
        told = ", ".join(f"{each} {value:.2f}" for each, value in kept.items())
        tell(f"copies {name}", "original kept beside one copy, mean of 13", f"{np.mean(list(kept.values())):.3f}")
        tell(f"copies {name}", "original kept each", told)
        tell(f"copies {name}", "CPU seconds to search and compare", f"{spent:.1f}")


def photographs(files, source) -> list[int]:
    """Return for each picture a number of the photograph that it shows."""
    places = {file.name: index for index, file in enumerate(files)}
    first = {max(each): min(each) for each in ([places[name] for name in pair] for pair in SAME_PHOTOGRAPH)}
    return [first.get(index, index) for index in source]


def original_kept(found, source, kind, pictures, prints) -> dict[str, float]:
    """Return how often the original is kept of a group of itself and one copy, by transform."""
    pairs = {(one.first, one.second): one for one in found.pairs}
    kept = defaultdict(list)
    for group in found.near:
        original = {source[one]: one for one in group if kind[one] == ""}
        for one in group:
            if kind[one] and source[one] in original:
                pair = tuple(sorted((one, original[source[one]])))
                known = [pairs[pair]] if pair in pairs else []
                kept[kind[one]].append(kind[best_of(pair, known, pictures, prints)] == "")
    return {transform: float(np.mean(each)) for transform, each in kept.items()}


def left_out(found, source, shown, kind, folders, name: str) -> None:
    """Measure each folder with the threshold that the other folders alone would have given."""
    agreed = [one for one in found.pairs if one.alignment.agreement >= COPY_FROM]
    pairs = [(one.first, one.second, one.alignment.closeness) for one in agreed]
    grid = [round(0.86 + 0.01 * step, 2) for step in range(13)]
    chosen, right, wrong, reached = Counter(), 0, 0, []
    for folder in sorted(set(folders)):
        inside = [folders[index] == folder for index in source]
        others = [pair for pair in pairs if not inside[pair[0]] and not inside[pair[1]]]
        threshold = next((one for one in grid if share_right(others, shown, one) >= PRECISION), grid[-1])
        chosen[threshold] += 1
        near = [(one, two) for one, two, closeness in pairs if closeness >= threshold]
        mine = [shown[one] == shown[two] for one, two in near if inside[one] or inside[two]]
        right, wrong = right + sum(mine), wrong + len(mine) - sum(mine)
        group = {one: number for number, members in enumerate(groups_of(len(source), near)) for one in members}
        original = {index: place for place, index in enumerate(source) if kind[place] == ""}
        for place, index in enumerate(source):
            if kind[place] and inside[place]:
                reached.append(place in group and group[place] == group.get(original[index]))
    told = ", ".join(f"{threshold:g} ({count})" for threshold, count in sorted(chosen.items()))
    value = f"precision {right / (right + wrong):.4f} ({wrong} of {right + wrong}), recall {np.mean(reached):.3f}"
    tell(f"copies {name}", f"each folder by the threshold of the others: {told}", value)


PRECISION = 0.998


def share_right(pairs, shown, threshold: float) -> float:
    hits = [shown[one] == shown[two] for one, two, closeness in pairs if closeness >= threshold]
    return sum(hits) / max(1, len(hits))


# files


def damaged(arguments: argparse.Namespace) -> None:
    """Odd files, photographs whose data was cut before an end marker, and whole photographs."""
    every = [one for folder in ("monkeys", "bears_harvest", "offtopic") for one in whole(arguments.photos / folder)]
    bands = [grey_band(open_picture(file, longest=MEASURED_PX)) for file in every]
    flagged = [file.name for file, band in zip(every, bands, strict=True) if band >= GREY_TAIL_SHARE]
    tell(
        "whole photographs called damaged",
        "",
        f"{len(flagged)} of {len(every)}{': ' if flagged else ''}{flagged or ''}",
    )
    for kept in (0.2, 0.5, 0.8, 0.9):
        found = [harvested_band(cut(file, kept)) >= GREY_TAIL_SHARE for file in every[:: len(every) // 200]]
        tell("cut JPEG with an end marker called damaged", f"{kept:.0%} of its bytes", f"{sum(found)} of {len(found)}")
    with (arguments.photos / "odd.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    outcomes = {row["path"]: decode((arguments.photos / "odd" / row["path"]).read_bytes(), longest=500) for row in rows}
    broken = [row["path"] for row in rows if row["result"] != "loads"]
    refused = [path for path in broken if isinstance(outcomes[path], Rejected)]
    tell("odd files that do not load", "refused with a reason", f"{len(refused)} of {len(broken)}")
    reasons = Counter(one.reason for path, one in outcomes.items() if isinstance(one, Rejected) and path not in broken)
    tell(
        "odd files that load",
        "pictures, the others by reason",
        f"{len(rows) - len(broken) - sum(reasons.values())}, {dict(reasons)}",
    )


def whole(folder: Path) -> list[Path]:
    """Return the files of a folder that decode, as a harvest judges it."""
    return [file for file in sorted(folder.rglob("*.*")) if isinstance(decode(file.read_bytes(), longest=500), Decoded)]


def cut(file: Path, kept: float) -> bytes:
    body = jpeg_bytes(open_picture(file), quality=85)
    return body[: round(kept * len(body))] + b"\xff\xd9"


def harvested_band(body: bytes) -> float:
    """Return the grey band of what a harvest keeps of a body."""
    outcome = decode(body, limits=OWN_FILES)
    assert isinstance(outcome, Decoded)
    again = decode(jpeg_bytes(shrink(outcome.image, 500)), limits=OWN_FILES, longest=MEASURED_PX)
    assert isinstance(again, Decoded)
    return grey_band(again.image)


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
    pairs = hamming.pairs_within(hashes, 6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    tell(
        "hashes compared",
        f"1,000,000 within 6 bits, {len(pairs):,} pairs",
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
    again([each for name in ("monkeys", "bears_harvest") for each in (arguments.photos / name).iterdir()])


def again(labels: Sequence[Path]) -> None:
    """Curate folders of photographs twice in this process; the second time nothing is new."""
    with tempfile.TemporaryDirectory() as folder:
        data, queries = Path(folder) / "data", Path(folder) / "monkeys.csv"
        rows = [f"{each.name},{each},folder\n" for each in sorted(labels) if each.is_dir()]
        queries.write_text("label,query,providers\n" + "".join(rows))
        run("harvest", str(queries), "--data", str(data))
        seconds = []
        for _ in range(2):
            began = time.process_time()
            curate(CurateConfig(data=data, device="cpu", weights="packaged"))
            seconds.append(time.process_time() - began)
        tell(
            "all of curate, then with nothing new",
            f"{sum(1 for each in labels for _ in each.glob('*')):,} photographs",
            f"{seconds[0]:.1f} and {seconds[1]:.1f} CPU s: {seconds[1] / seconds[0]:.1%}",
        )


SECTIONS = {
    "copies": copies,
    "damaged": damaged,
    "bears": bears,
    "speed": speed,
}

if __name__ == "__main__":
    main()
