"""One training run, from a folder of pictures to a model, honest numbers and a report."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgkit.errors import UsageError
from imgkit.manifest.folder import DataFolder
from imgkit.progress import Progress, Silent
from imgkit.train import checkpoint, interrupt, runfolder
from imgkit.train.calibrate import Calibration, fit_temperature, softmax, unknown_threshold
from imgkit.train.classifier import load_classifier
from imgkit.train.config import MONITORS, TrainConfig
from imgkit.train.contest import PROBE
from imgkit.train.evaluate import Evaluated, evaluate
from imgkit.train.fit import EpochRow, Fit
from imgkit.train.folder import Scan, scan
from imgkit.train.metrics import Answers, Scores, score
from imgkit.train.mistakes import galleries
from imgkit.train.model import Head, cool, head_of, learning_share, set_head, with_head
from imgkit.train.modelfolder import About, write_model
from imgkit.train.picture import Picture, Split
from imgkit.train.plan import Machine, Plan, duration, make_plan
from imgkit.train.probing import OutOfFold, fit_head, group_numbers, label_issues, logits, numbers_of, out_of_fold
from imgkit.train.recipe import Recipe, recipe
from imgkit.train.records import write_label_issues, write_predictions, write_scores
from imgkit.train.report import Page, write_report
from imgkit.train.results import TrainReport, Tuning
from imgkit.train.runfolder import RunFolder
from imgkit.train.split import SplitSet, apply_split_file, divide, read_split_file
from imgkit.train.tuning import network, seconds_per_step, set_up
from imgkit.vision.backbone import Backbone, load_backbone
from imgkit.vision.embeddings import embed
from imgkit.vision.weights import LoadedModel

Features = NDArray[np.float32]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the steps of a run share. ``features`` has one row for each of ``splits.pictures``."""

    config: TrainConfig
    found: Scan
    splits: SplitSet
    backbone: Backbone
    features: Features
    folder: RunFolder
    cache: Path
    progress: Progress

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        return self.found.labels

    def part(self, *splits: Split) -> tuple[list[Picture], Features]:
        """Return the pictures of ``splits`` and their features."""
        kept = np.array([picture.split in splits for picture in self.splits.pictures])
        return self.splits.of(*splits), self.features[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The linear probe: its head for the model (all of train and val), one for fine-tuning (train), its judgement."""

    head: Head
    start: Head
    judged: OutOfFold
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The network that becomes the model, with its scores on pictures that it was not trained on."""

    name: str
    loaded: LoadedModel
    calibration: Calibration
    unknown_below: float
    validation: Scores
    validated_on: str
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()


def train(config: TrainConfig, *, progress: Progress | None = None, now: Clock | None = None) -> TrainReport:
    """Train a classifier: plan, linear probe, fine-tuning if asked for, calibration, test, report.

    Everything is written to ``<runs>/<name>/``. Ctrl-C and SIGTERM save the state before they stop.

    Args:
        config: what to train on, and how.
        progress: told of the plan and of each step.
        now: the clock that names the run.

    Raises:
        UsageError: the data, the backbone or an option cannot be used.
        ResourceError: the disk is full or not writable.
    """
    progress, now = progress or Silent(), now or (lambda: datetime.now(UTC))
    _check(config)
    cache = cache_folder(config)
    clock = _Laps()
    found = scan(config.data, cache=cache, progress=progress)
    splits = _split(found, config)
    backbone = load_backbone(config.backbone, weights=config.weights, device=config.device, progress=progress)
    wanted = config.finetune if config.finetune is not None else backbone.device.type != "cpu"
    net = network(config, backbone, len(found.labels)) if wanted else None
    plan = _plan(config, found, splits, backbone, net)
    for line in plan.lines():
        progress.say(line)
    folder = runfolder.create(config, now=now().astimezone())
    _write_start(folder, config, found, splits)
    clock.lap("scan")

    features = embed(
        [picture.path for picture in splits.pictures],
        backbone,
        cache=cache,
        keys=[picture.sha256 for picture in splits.pictures],
        progress=progress,
    )
    work = Work(
        config=config,
        found=found,
        splits=splits,
        backbone=backbone,
        features=features,
        folder=folder,
        cache=cache,
        progress=progress,
    )
    clock.lap("embed")
    probed = _probe(work)
    progress.say(f"probe   {summary(probed.scores)} · out-of-fold on train and val · {clock.lap('probe')}")
    chosen = _fine_tune(work, probed, net, plan.recipe) if net and plan.recipe else _probe_alone(work, probed)
    if net:
        progress.say(f"tuned   best is {chosen.name} · {summary(chosen.validation)} on val · {clock.lap('fine-tune')}")

    about = About(
        labels=work.labels,
        unknown_below=chosen.unknown_below,
        trained={"run": folder.path.name, "picked": chosen.name, "images": len(splits.of("train", "val"))},
    )
    write_model(folder.model, chosen.loaded.model, chosen.loaded.name, about)
    classifier = load_classifier(folder.model, device=config.device)
    tested = evaluate(classifier, splits.of("test"), progress=progress, title="testing")
    progress.say(f"test    {summary(tested.scores)} · {clock.lap('test')}")
    report = _report(work, plan, probed, chosen, tested, seconds=clock.seconds, finished=now())
    _write_end(work, report, probed, tested)
    checkpoint.clear(folder.checkpoints)
    return report


def summary(scores: Scores) -> str:
    """Return the scores on one line."""
    accuracy = scores.accuracy
    line = (
        f"accuracy {100 * accuracy.value:.1f} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}] · "
        f"macro-F1 {100 * scores.macro_f1.value:.1f}"
    )
    return line if scores.top_k is None else f"{line} · top-{scores.k} {100 * scores.top_k.value:.1f}"


def cache_folder(config: TrainConfig) -> Path:
    """Return the folder for what can be computed again: that of the data folder where there is one."""
    if config.cache is not None:
        return config.cache
    around = DataFolder(config.data.absolute().parent)
    return around.cache if around.manifest.exists() else config.runs / "cache"


def _check(config: TrainConfig) -> None:
    if config.monitor not in MONITORS:
        raise UsageError(f"--monitor is {config.monitor!r}. Nothing was changed. Choose {', '.join(MONITORS)}.")
    if not (0 < config.validation_share < 1 and 0 < config.test_share < 1):
        raise UsageError("the shares for validation and test lie between 0 and 1. Nothing was changed.")
    if config.validation_share + config.test_share > 0.8:
        raise UsageError("validation and test take more than 80 % of the pictures. Nothing was changed.")


def _split(found: Scan, config: TrainConfig) -> SplitSet:
    pictures: Sequence[Picture] = found.pictures
    if config.split_file is not None:
        pictures = apply_split_file(pictures, read_split_file(config.split_file), found.root)
    return divide(pictures, validation_share=config.validation_share, test_share=config.test_share, seed=config.seed)


def _plan(config: TrainConfig, found: Scan, splits: SplitSet, backbone: Backbone, net: LoadedModel | None) -> Plan:
    embedding = _seconds_per_picture(backbone) * len(splits.pictures)
    wanted, fitting, learns = None, 0.0, f"frozen, its head of {len(found.labels)} × {backbone.dimension} learns"
    if net is not None:
        targets = numbers_of(splits.of("train"), found.labels).tolist()
        on_gpu = backbone.device.type != "cpu"
        batch = recipe(config, targets, on_gpu=on_gpu).batch
        step = seconds_per_step(net, backbone, batch=batch)
        wanted = recipe(config, targets, on_gpu=on_gpu, seconds_per_step=step)
        validating = 2 * wanted.epochs * len(splits.of("val")) * embedding / max(1, len(splits.pictures))
        fitting, learns = wanted.steps * step + validating, str(learning_share(net.model))
    machine = Machine(
        device=str(backbone.device),
        precision=backbone.precision,
        backbone=backbone.name,
        weights=backbone.source,
        size=backbone.preprocessing.size,
        learns=learns,
    )
    return make_plan(found, splits, machine=machine, recipe=wanted, seconds_to_embed=embedding, seconds_to_fit=fitting)


def _seconds_per_picture(backbone: Backbone) -> float:
    blank = np.zeros((8, backbone.preprocessing.size, backbone.preprocessing.size, 3), np.uint8)
    backbone.features(blank)  # warms up
    started = time.monotonic()
    backbone.features(blank)
    return (time.monotonic() - started) / len(blank)


def _probe(work: Work) -> Probed:
    pictures, features = work.part("train", "val")
    work.progress.start("linear probe")
    head, strength = fit_head(features, pictures, seed=work.config.seed)
    judged = out_of_fold(
        features, pictures, work.labels, strength=strength, folds=work.config.folds, seed=work.config.seed
    )
    training, training_features = work.part("train")
    start, _ = fit_head(training_features, training, strength=strength)
    return Probed(head=head, start=start, judged=judged, scores=score(judged.answers, work.labels))


def _probe_alone(work: Work, probed: Probed) -> Chosen:
    head = cool(probed.head, probed.judged.calibration.temperature)
    return Chosen(
        name="linear probe",
        loaded=with_head(work.backbone.name, head, weights=work.config.weights),
        calibration=probed.judged.calibration,
        unknown_below=unknown_threshold(probed.judged.answers),
        validation=probed.scores,
        validated_on=f"train and val, out-of-fold ({work.config.folds} folds)",
    )


def _fine_tune(work: Work, probed: Probed, net: LoadedModel, wanted: Recipe) -> Chosen:
    """Train all layers from the probe on, and take the best weights seen; the probe's where nothing beat them."""
    training, _ = work.part("train")
    validation, _ = work.part("val")
    set_head(net.model, probed.start)
    fit = set_up(
        work.config,
        wanted,
        net,
        work.backbone,
        training=training,
        validation=validation,
        labels=work.labels,
        cache=work.cache,
        folder=work.folder.checkpoints,
        progress=work.progress,
    )
    started = time.monotonic()

    def log(row: EpochRow) -> None:
        work.folder.log("epoch", **asdict(row))

    with interrupt.listen() as stop:
        fitted = fit.run(stop=stop, progress=work.progress, log=log)
    tuning = Tuning(
        probe=fitted.probe,
        winner=fitted.winner.judgement,
        winner_name=fitted.winner.name,
        rows=fitted.rows,
        seconds=time.monotonic() - started,
    )
    if fitted.winner.name == PROBE:
        note = "fine-tuning did not beat the linear probe on the validation pictures, so the probe is the model"
        return replace(_probe_alone(work, probed), tuning=tuning, notes=(*fitted.notes, note))
    net.model.load_state_dict(fitted.winner.state)
    return _calibrated(work, fit, net, tuning, validation, fitted.notes)


def _calibrated(
    work: Work, fit: Fit, net: LoadedModel, tuning: Tuning, validation: Sequence[Picture], notes: Sequence[str]
) -> Chosen:
    targets, groups = numbers_of(validation, work.labels), group_numbers(validation)
    found = fit.judge.logits(net.model)
    calibration = fit_temperature(found, targets, groups)
    set_head(net.model, cool(head_of(net.model), calibration.temperature))
    answers = Answers(probabilities=softmax(found / calibration.temperature), targets=targets, groups=groups)
    return Chosen(
        name=tuning.winner_name,
        loaded=net,
        calibration=calibration,
        unknown_below=unknown_threshold(answers),
        validation=score(answers, work.labels),
        validated_on="val",
        tuning=tuning,
        notes=tuple(notes),
    )


def _report(
    work: Work,
    plan: Plan,
    probed: Probed,
    chosen: Chosen,
    tested: Evaluated,
    *,
    seconds: dict[str, float],
    finished: datetime,
) -> TrainReport:
    pictures, features = work.part("test")
    frozen = logits(probed.head, features) / probed.judged.calibration.temperature
    answers = Answers(
        probabilities=softmax(frozen), targets=numbers_of(pictures, work.labels), groups=group_numbers(pictures)
    )
    crossing = set(work.splits.crossing)
    return TrainReport(
        run=work.folder.path,
        data=work.config.data,
        finished=finished.isoformat(timespec="seconds"),
        plan=plan,
        picked=chosen.name,
        validation=chosen.validation,
        validated_on=chosen.validated_on,
        test=tested.scores,
        test_unknown=tested.unknown,
        test_without_crossing=tested.without(crossing, work.labels) if crossing else None,
        probe=probed.scores,
        probe_test=score(answers, work.labels),
        tuning=chosen.tuning,
        calibration=chosen.calibration,
        unknown_below=chosen.unknown_below,
        label_issues=int((~probed.judged.answers.right).sum()),
        data_digest=data_digest(work.splits.pictures, work.found.root),
        seconds=dict(seconds),
        notes=chosen.notes,
    )


def data_digest(pictures: Sequence[Picture], root: Path) -> str:
    """Return a SHA-256 that changes when a picture, its label or its split does."""
    lines = sorted(f"{each.name_in(root)}\t{each.sha256}\t{each.label}\t{each.split}\n" for each in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _write_start(folder: RunFolder, config: TrainConfig, found: Scan, splits: SplitSet) -> None:
    folder.write_json("config.json", config.as_json())
    folder.write_json("env.json", runfolder.environment())
    folder.write_json("classes.json", list(found.labels))
    folder.write_text("split.csv", splits.as_csv(found.root))
    folder.write_csv(
        "quarantine.csv",
        ("file_name", "label", "reason", "detail"),
        ((each.name_in(found.root), each.label, each.reason, each.detail) for each in found.quarantine),
    )
    folder.log("start", data=str(config.data), pictures=len(splits.pictures))


def _write_end(work: Work, report: TrainReport, probed: Probed, tested: Evaluated) -> None:
    pictures, _ = work.part("train", "val")
    issues = label_issues(probed.judged.answers, pictures, work.labels)
    root, folder = work.found.root, work.folder
    write_label_issues(folder, root, issues)
    write_scores(folder, report.test)
    judged = [("test", tested.pictures, tested.answers), ("out-of-fold probe", pictures, probed.judged.answers)]
    write_predictions(folder, root, work.labels, judged)
    training, training_features = work.part("train", "val") if report.tuning is None else work.part("train")
    _, features = work.part("test")
    shown = galleries(tested, work.labels, features=features, training=training, training_features=training_features)
    folder.write_json("report.json", report.as_json())
    work.progress.start("drawing the report")
    page = Page(report=report, config=work.config, found=work.found, evaluated=tested, shown=shown, issues=issues)
    write_report(folder.report, page)
    folder.log("end", picked=report.picked, accuracy=report.test.accuracy.value, seconds=dict(report.seconds))


class _Laps:
    """Seconds spent on each part of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> str:
        """End the part called ``name``; return how long it took, in words."""
        now = time.monotonic()
        self.seconds[name], self._since = round(now - self._since, 3), now
        return duration(self.seconds[name])
