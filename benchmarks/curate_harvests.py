"""Measure the probability of junk of ``imgkit curate`` on harvests with a person's verdicts.

    python benchmarks/curate_harvests.py DATA VERDICTS.csv [DATA VERDICTS.csv ...] [--sheets FOLDER]

DATA is a data folder whose pictures came from the provider ``folder`` and that ``imgkit curate`` curated, VERDICTS a
table with the columns label, file and verdict: "good" (or keep, overlay) or a kind of junk; "unsure" is left out. Where
the table holds several harvests, a column ``set`` names them and DATA is to end in the name. Printed are, over distinct
pictures (one of each group of copies): AUC and average precision by kind of junk, the junk that an unreviewed curate
leaves out and the good ones that it loses, and how often pictures of a probability are junk. ``--sheets`` writes the 40
worst misses and false alarms as contact sheets.
"""

import argparse
import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.metrics import average_precision_score, roc_auc_score

from imgkit.vision.decode import UnreadablePictureError, open_picture

GOOD = ("good", "keep", "overlay")
UNSURE = "unsure"
BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
WORST = 40
SIDE_PX = 150
COLUMNS = 8


@dataclass(frozen=True)
class Picture:
    """A distinct picture: what a person said, and what curate did."""

    kind: str
    label: str
    source: Path
    probability: float
    in_set: bool
    reason: str

    @property
    def good(self) -> bool:
        """Whether a person would keep it."""
        return self.kind in GOOD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=Path, metavar="DATA VERDICTS")
    parser.add_argument("--sheets", type=Path)
    arguments = parser.parse_args()
    if len(arguments.pairs) % 2:
        parser.error("give a table of verdicts for each data folder")
    for data, verdicts in zip(arguments.pairs[::2], arguments.pairs[1::2], strict=True):
        pictures = read(data, verdicts)
        report(data.name, pictures)
        if arguments.sheets:
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            misses = sorted((one for one in pictures if not one.good), key=lambda one: one.probability)
            alarms = sorted((one for one in pictures if one.good), key=lambda one: -one.probability)
            sheet(misses[:WORST], arguments.sheets / f"{data.name}-misses.png")
            sheet(alarms[:WORST], arguments.sheets / f"{data.name}-false-alarms.png")


def read(data: Path, verdicts: Path) -> list[Picture]:
    """Return one picture of each group of copies; a group is judged as the member of it that is in the set, if any."""
    said: dict[tuple[str, str], str] = {}
    with verdicts.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if not row.get("set") or data.name.endswith(row["set"]):
                said[row.get("label_name") or row.get("class") or row["label"], row["file"]] = verdict_of(row)
    groups: dict[tuple[str, str], list[Picture]] = {}
    with (data / "curated" / "probabilities.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            source = Path(row["source"])
            kind = said.get((source.parent.name, source.name)) or said.get((row["label"], source.name), UNSURE)
            inside = row["in_set"] == "1"
            one = Picture(kind, row["label"], source, float(row["probability"]), inside, row["reason"])
            if kind != UNSURE:
                groups.setdefault((row["label"], row["group"] or f"alone {number}"), []).append(one)
    return [max(group, key=lambda one: one.in_set) for group in groups.values()]


def verdict_of(row: dict[str, str]) -> str:
    return row["verdict"] if "verdict" in row else row["label"]


def report(name: str, pictures: list[Picture]) -> None:
    probability = np.array([one.probability for one in pictures])
    good = np.array([one.good for one in pictures])
    inside = np.array([one.in_set for one in pictures])
    kinds = np.array([one.kind for one in pictures])
    print(f"\n{name}: {len(pictures)} distinct pictures, {(~good).sum()} of them junk")
    for kind in [*sorted({one.kind for one in pictures if not one.good}), "all junk"]:
        bad = ~good if kind == "all junk" else kinds == kind
        rows = bad | good
        area = roc_auc_score(bad[rows], probability[rows])
        precision = average_precision_score(bad[rows], probability[rows])
        out = (bad & ~inside).sum()
        print(f"  {kind:10} {bad.sum():4}  AUC {area:.3f}  AP {precision:.3f}  out without review {out} of {bad.sum()}")
    lost = (good & ~inside).sum()
    print(f"  good ones lost without review: {lost} of {good.sum()} ({lost / max(1, good.sum()):.1%})")
    print("  probability     pictures   expected junk   junk")
    for low, high in itertools.pairwise(BINS):
        rows = (probability >= low) & (probability < high)
        if rows.any():
            print(
                f"  {low:.2f} to {high:.2f}  {rows.sum():8}  {probability[rows].sum():10.1f}  {(~good[rows]).sum():8}"
            )


def sheet(pictures: list[Picture], file: Path) -> None:
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * SIDE_PX, max(1, rows) * (SIDE_PX + 36)), "white")
    draw = ImageDraw.Draw(page)
    for number, one in enumerate(pictures):
        left, top = number % COLUMNS * SIDE_PX, number // COLUMNS * (SIDE_PX + 36)
        try:
            image = open_picture(one.source, longest=SIDE_PX)
            image.thumbnail((SIDE_PX, SIDE_PX))
            page.paste(image, (left, top))
        except UnreadablePictureError:
            pass
        said = f"{one.kind[:5]} {one.probability:.2f} {'in' if one.in_set else 'out'}"
        draw.text((left, top + SIDE_PX), said, fill="black")
        draw.text((left, top + SIDE_PX + 12), one.reason[:24], fill="red")
        draw.text((left, top + SIDE_PX + 23), one.reason[24:48], fill="red")
    page.save(file)


if __name__ == "__main__":
    main()
