"""The plan of a training run: data, split, machine, recipe and estimated time, printed before the run starts."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from imgkit.dataset.folder import Scan, reading_notes
from imgkit.dataset.picture import SPLITS, GivenSplit
from imgkit.models.intervals import wilson
from imgkit.train.config import SMALLEST_VALIDATION_PER_LABEL
from imgkit.train.data.split import SplitSet
from imgkit.train.finetune.recipe import Recipe
from imgkit.vision.imagefolder import Accounts

ASSUMED_ACCURACY = 0.9  # for the width that the test interval will have


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """How many pictures of a label each split has, and how many were left out."""

    label: str
    train: int
    val: int
    test: int
    left_out: int

    @property
    def total(self) -> int:
        """Pictures in use."""
        return self.train + self.val + self.test


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Device, number format and backbone of a run; ``learns`` says in words how many parameters are trainable."""

    device: str
    precision: str
    backbone: str
    weights: str
    size: int
    learns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """The data, the machine and the work of one run.

    ``chance_loss`` is the loss (nats) of uniform predictions, ``majority`` the test accuracy of always predicting
    the largest training label, ``expected_half_width`` half the 95 % interval that the test accuracy will have if it
    is 0.9. ``files`` says where every file of the folder is. ``recipe`` is None where only the linear probe is fitted.
    """

    labels: tuple[LabelCounts, ...]
    pictures: int
    left_out: int
    copies: int
    layout: str
    crossing: int
    notes: tuple[str, ...]
    files: Accounts
    machine: Machine
    chance_loss: float
    majority: float
    expected_half_width: float
    small: bool
    recipe: Recipe | None
    seconds_to_embed: float
    seconds_to_fit: float

    def count(self, split: GivenSplit) -> int:
        """Return how many pictures a split has."""
        return sum(int(getattr(label, split)) for label in self.labels)

    def lines(self) -> list[str]:
        """Return the plan as lines for people."""
        smallest = min(self.labels, key=lambda label: label.total)
        splits = " / ".join(f"{split} {self.count(split):,}" for split in SPLITS)
        tuning = f"; about {duration(self.seconds_to_fit)} to fine-tune" if self.recipe else ""
        embedding = (
            f"about {duration(self.seconds_to_embed)} to embed what is not in the cache"
            if self.seconds_to_embed
            else "every picture is embedded already"
        )
        lines = [
            f"data    {len(self.labels)} labels · {self.pictures:,} pictures ({self.layout}) · {self.left_out} left out"
            f" · {self.copies} near-duplicate groups kept together",
            f"split   {splits} · smallest label {smallest.label} {smallest.train}/{smallest.val}/{smallest.test} · "
            f"the test accuracy will be known to about ±{100 * self.expected_half_width:.1f} points",
            f"model   {self.machine.backbone} from {self.machine.weights} · {self.machine.size} px · "
            f"{self.machine.device}, {self.machine.precision} · {self.machine.learns}",
            f"sanity  chance loss {self.chance_loss:.3f} · always saying the largest label: "
            f"{100 * self.majority:.1f} % right",
            f"time    {embedding}{tuning}",
        ]
        if self.recipe:
            lines.append(
                f"tune    {self.recipe.steps} steps of {self.recipe.batch} pictures ({self.recipe.epochs} epochs) · "
                f"peak rate {self.recipe.lr:.2g}, ×{self.recipe.layer_decay} each layer down · best by "
                f"{self.recipe.monitor}{extras(self.recipe)}"
            )
        else:
            lines.append("tune    not asked for: the probe is the model (--finetune trains all layers)")
        return [*lines, *(f"note    {note}" for note in self.notes)]

    def as_json(self) -> dict[str, object]:
        """Return the plan as JSON-ready values."""
        return asdict(self)


def make_plan(
    scan: Scan,
    splits: SplitSet,
    *,
    machine: Machine,
    recipe: Recipe | None,
    seconds_to_embed: float,
    seconds_to_fit: float,
) -> TrainPlan:
    """Return the plan of a run."""
    labels = _counts(scan, splits)
    train = Counter(picture.label for picture in splits.of("train"))
    test = splits.of("test")
    largest = max(train, key=lambda label: train[label])
    groups = Counter(picture.group for picture in splits.pictures)
    smallest_val = min(label.val for label in labels)
    small = smallest_val < SMALLEST_VALIDATION_PER_LABEL
    return TrainPlan(
        labels=labels,
        pictures=len(splits.pictures),
        left_out=len(scan.quarantine),
        files=scan.accounts(),
        copies=sum(count > 1 for count in groups.values()),
        layout=scan.layout,
        crossing=len(splits.crossing),
        notes=tuple(_notes(scan, splits, labels, smallest_val)),
        machine=machine,
        chance_loss=math.log(len(labels)),
        majority=sum(picture.label == largest for picture in test) / max(1, len(test)),
        expected_half_width=wilson(ASSUMED_ACCURACY, len({picture.group for picture in test})).half_width,
        small=small,
        recipe=recipe,
        seconds_to_embed=seconds_to_embed,
        seconds_to_fit=seconds_to_fit,
    )


def duration(seconds: float) -> str:
    """Return a duration as text: "12 s", "5 min", "1.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def extras(recipe: Recipe) -> str:
    """Return the settings of a recipe that differ from the defaults, as text that starts with " · "; "" for none."""
    extras = []
    if recipe.sizes:
        extras.append(f"pictures of {', '.join(map(str, recipe.sizes))} px")
    if recipe.mixed_steps:
        extras.append(f"mixed pairs for {recipe.mixed_steps} steps")
    if recipe.balance:
        extras.append("rare labels drawn more often")
    if recipe.adjust:
        extras.append("logits adjusted by the shares of the labels")
    return "".join(f" · {extra}" for extra in extras)


def _counts(scan: Scan, splits: SplitSet) -> tuple[LabelCounts, ...]:
    placed = Counter((picture.label, picture.split) for picture in splits.pictures)
    out = Counter(each.label for each in scan.quarantine)
    return tuple(
        LabelCounts(label=label, left_out=out[label], **{split: placed[label, split] for split in SPLITS})
        for label in scan.labels
    )


def _named(labels: Sequence[str]) -> str:
    """Return five labels at most, and how many others there are."""
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} others" if len(labels) > 5 else "")


def _notes(scan: Scan, splits: SplitSet, labels: tuple[LabelCounts, ...], smallest_val: int) -> list[str]:
    left_out = scan.accounts().line()
    notes = [*([f"left out: {left_out}"] if left_out else []), *reading_notes(scan), *splits.notes]
    if splits.crossing:
        notes.append(
            f"{len(splits.crossing)} near-duplicate groups cross the given split: test scores without them are "
            "reported too"
        )
    if smallest_val < SMALLEST_VALIDATION_PER_LABEL:
        notes.append(
            f"the smallest label has {smallest_val} validation pictures (fewer than {SMALLEST_VALIDATION_PER_LABEL}): "
            "the probe is judged out-of-fold on train and val together"
        )
    groups = Counter(label for label, _ in {(each.label, each.group) for each in splits.pictures})
    single = [label.label for label in labels if groups[label.label] == 1]
    if single:
        notes.append(
            f"{_named(single)}: one picture, copies left aside; it is learned from, and how well the label is named "
            "cannot be measured"
        )
    without = [label.label for label in labels if not label.test and label.label not in single]
    if without:
        notes.append(f"no test picture for {_named(without)}: nothing can be said about it")
    counts = [label.train for label in labels]
    if max(counts) > 10 * min(counts):
        notes.append(f"the largest label has {max(counts)} training pictures, the smallest {min(counts)}")
    return notes
