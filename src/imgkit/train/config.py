"""The settings of one training run, with every default and its reason."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imgkit.options import option
from imgkit.vision.imagefolder import LAYOUT_HELP, AskedLayout, Selection
from imgkit.vision.imagetable import read_label_names

Monitor = Literal["macro-f1", "accuracy", "loss"]

Balance = Literal["auto", "none", "sampler", "logits"]
"""What is done for rare labels: "sampler" draws them more often, "logits" adds the share of a label to its logit while
training, "auto" is the sampler where the labels are lopsided."""

Length = Literal["short", "long"]
"""How long and how varied training is: "long" mixes pictures and takes four times the steps."""

Preset = Literal["fast", "default", "best"]
"""Which backbone is taken where none is named."""

AskedPrecision = Literal["auto", "fp32", "bf16", "fp16"]

FINE_TUNING = "fine-tuning"  # the group of the options that do nothing where only the probe is trained
SMALLEST_VALIDATION_PER_LABEL = 30  # with fewer, one split says little: out-of-fold numbers are used instead


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. None means: derived from the data and the machine, and printed in the plan.

    The pictures: ``data`` is a folder (label folders, train/val/test folders, or one with a metadata.csv) or a table;
    ``layout`` says whether folders called train, val or test are "splits" or "labels" where other folders lie beside
    them; ``split_file`` gives some pictures' splits, matched by label and file name. ``labels`` and those in
    ``labels_file`` are the only ones, ``limit`` is the most pictures of each; ``label_table`` says what
    labels mean.

    The run: its folder is ``runs / name``; ``resume`` goes on with an unfinished one, with the settings that it has.

    The model: ``backbone`` is a timm name, None the one of the ``preset``; ``weights`` is "auto", "packaged", "hub", a
    file or a model folder; ``start_from`` is a model folder whose network is taken; ``size`` is the side in pixels of
    the pictures that it sees. ``precision`` is the number format of features and training; ``compile`` asks for
    compiled training steps where they pay, ``deterministic`` for the same numbers from the same GPU every time.

    The work: ``finetune`` None means yes on a GPU, no on a CPU; the length is ``steps``, else ``epochs``, else derived;
    ``minutes`` caps it. ``lr`` is that of the head at a batch of 64; deeper layers get less by ``layer_decay`` each;
    with ``lr_find`` it is only where the search falls back to. ``progressive`` are sides in pixels that training goes
    through, the last one that of the model. ``track`` names a program that draws the figures of many runs.
    """

    data: Path = option(help="A folder of labelled pictures, or a table.", on_command_line=False)
    finetune: bool | None = option(
        None,
        flag="--finetune/--no-finetune",
        help="Train all layers, not only the last one.",
        default_text="on a GPU yes, on a CPU no",
    )
    preset: Preset = option("default", help="Which backbone, where none is named: fast, default or best.")
    backbone: str | None = option(
        None, help="A timm model to start from (imgkit models).", default_text="the best for this machine"
    )
    weights: str = option(
        "auto", help="Its pretrained weights: auto, packaged (offline), hub, a file, or a model folder."
    )
    start_from: Path | None = option(
        None,
        flag="--from",
        help="A run or model folder of yours to start from: its network, for these labels and pictures.",
        default_text="a pretrained network",
    )
    size: int | None = option(
        None, help="Side of the pictures that the model sees, in pixels.", default_text="that of its weights"
    )
    progressive: tuple[int, ...] = option(
        (),
        help="Sizes in pixels that fine-tuning goes through, such as 160,192,224; the last is that of the model.",
        default_text="one size",
        group=FINE_TUNING,
    )
    epochs: int | None = option(
        None,
        minimum=1,
        help="Passes over the training pictures.",
        default_text="12 to 40, for 600 steps",
        group=FINE_TUNING,
    )
    steps: int | None = option(None, minimum=1, help="Optimiser steps, instead of epochs.", group=FINE_TUNING)
    minutes: float | None = option(
        None, minimum=0.1, help="Shorten fine-tuning to about this many minutes.", group=FINE_TUNING
    )
    batch: int | None = option(
        None,
        flag="--batch-size",
        aliases=("--batch",),
        minimum=1,
        help="Pictures for each step.",
        default_text="64 on a GPU, 32 on a CPU",
        group=FINE_TUNING,
    )
    lr: float = option(
        1e-4, minimum=1e-9, help="Peak learning rate of the last layer for a batch of 64.", group=FINE_TUNING
    )
    lr_find: bool = option(
        False,
        help="Raise the rate step by step first, and train with what the curve suggests.",
        group=FINE_TUNING,
    )
    recipe: Length = option(
        "short", help="short, or long: pairs of pictures are mixed, and four times the steps.", group=FINE_TUNING
    )
    balance: Balance = option(
        "auto",
        help="For rare labels: sampler (drawn more often), logits (adjusted by their share), none, or auto "
        "(sampler from 3 to 1 on).",
        group=FINE_TUNING,
    )
    keep_color: bool = option(
        False, help="Do not vary saturation: where colour tells the labels apart.", group=FINE_TUNING
    )
    flip: bool = option(
        True,
        flag="--no-flip",
        help="Do not mirror: where left and right tell the labels apart.",
        group=FINE_TUNING,
    )
    layer_decay: float = option(
        0.8,
        minimum=0,
        maximum=1,
        help="What each deeper layer's learning rate is of the one above it.",
        on_command_line=False,
        group=FINE_TUNING,
    )
    weight_decay: float = option(
        0.05, minimum=0, help="Of AdamW, for weights but not for biases.", on_command_line=False, group=FINE_TUNING
    )
    smoothing: float = option(
        0.1, minimum=0, maximum=1, help="Label smoothing of the loss.", on_command_line=False, group=FINE_TUNING
    )
    drop_path: float = option(
        0.1,
        minimum=0,
        maximum=1,
        help="Share of residual branches that are left out while training.",
        on_command_line=False,
        group=FINE_TUNING,
    )
    crop_area: float = option(
        0.35,
        minimum=0,
        maximum=1,
        help="The smallest share of a picture that a training crop shows.",
        on_command_line=False,
        group=FINE_TUNING,
    )
    layout: AskedLayout = option("auto", help=LAYOUT_HELP)
    labels: tuple[str, ...] = option((), help="Only these labels, such as coral,king.", default_text="all")
    labels_file: Path | None = option(
        None, help="A file with a label on each line, or a table with a column label: only these."
    )
    limit: int | None = option(None, minimum=1, help="At most this many pictures of each label, to try fast.")
    label_table: Path | None = option(
        None,
        help="A table that says what labels mean: label, name and any columns, such as genus or countries.",
        default_text="labels.csv in the folder, where it is one",
    )
    split_file: Path | None = option(
        None,
        flag="--split",
        help="A CSV with file_name and split (train, val, test), such as split.csv of a run.",
    )
    validation_share: float = option(
        0.15, help="Share of the pictures for validation, above 0 and below 1.", on_command_line=False
    )
    test_share: float = option(
        0.15, help="Share of the pictures for the test, above 0 and below 1.", on_command_line=False
    )
    final: bool = option(
        False,
        help="Fit once more on everything, the test pictures too, after the judgement: RUN/final, beside RUN/model.",
    )
    folds: int = option(5, minimum=2, help="Parts for judging the probe out-of-fold.")
    monitor: Monitor = option("macro-f1", help="What the best weights are chosen by: macro-f1, accuracy, loss.")
    patience: int | None = option(
        None,
        minimum=1,
        help="Stop after this many epochs without a better one.",
        default_text="never",
        group=FINE_TUNING,
    )
    seed: int = option(0, help="Of the split, the folds and the training.")
    device: str = option("auto", help="auto, cpu, cuda, cuda:1 or mps.")
    precision: AskedPrecision = option("auto", help="Number format: auto, fp32, bf16, fp16.")
    compile: bool = option(
        False, help="Compile the training steps, if a few of them show that it pays.", group=FINE_TUNING
    )
    deterministic: bool = option(
        False, help="The same numbers from the same GPU every time; slower. A CPU gives them anyway."
    )
    runs: Path = option(Path("runs"), help="Folder that the run's folder is made in.")
    name: str | None = option(None, help="Name of the run's folder.", default_text="the data's name and the time")
    track: str | None = option(
        None,
        help="Also send the figures to tensorboard, wandb or mlflow (an extra each).",
        default_text="no",
    )
    resume: bool = option(False, help="Go on with the newest unfinished run (or --name), with its own settings.")
    cache: Path | None = option(
        None, help="Folder for what may be computed again.", default_text="beside the runs", on_command_line=False
    )
    checkpoint_seconds: float = option(
        60.0,
        minimum=0,
        help="Seconds between two checkpoints: what a power cut can cost.",
        on_command_line=False,
    )

    def as_json(self) -> dict[str, object]:
        """Return the settings as JSON-ready values."""
        values = dataclasses.asdict(self)
        return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Return the settings that ``as_json`` gave.

        Raises:
            TypeError: they are settings of another version.
        """
        paths = {name: Path(values[name]) for name in PATHS if values.get(name) is not None}
        lists = {name: tuple(values.get(name, ())) for name in ("progressive", "labels")}
        return cls(**{**values, **paths, **lists})

    def selection(self) -> Selection:
        """Return which part of the pictures is asked for.

        Raises:
            UsageError: the file of labels cannot be read, or holds none.
        """
        named = read_label_names(self.labels_file) if self.labels_file is not None else ()
        return Selection(labels=tuple(dict.fromkeys((*self.labels, *named))), limit=self.limit)


PATHS = ("data", "runs", "cache", "split_file", "labels_file", "label_table", "start_from")
