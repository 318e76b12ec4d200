"""One training run: scan, split, linear probe, fine-tuning, calibration, test, report."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from imgkit.dataset.folder import Scan, scan
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import UsageError
from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import Evaluated, evaluate
from imgkit.models.label_table import find_label_table
from imgkit.models.metrics import LabelledPredictions, Scores, score
from imgkit.models.model_folder import ModelMetadata, write_model
from imgkit.models.network import parameter_counts
from imgkit.models.report.error_analysis import galleries
from imgkit.models.report.explorer import References
from imgkit.models.report.tables import write_predictions, write_scores
from imgkit.progress import Progress, Silent
from imgkit.train import run_folder
from imgkit.train.ancestor import Ancestor, ancestor_of
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import SplitSet, apply_split_file, data_digest, divide, read_split_file
from imgkit.train.final_fit import fit_final
from imgkit.train.finetune import checkpoint
from imgkit.train.finetune.distributed import ProcessGroup, process_group
from imgkit.train.finetune.recipe import Recipe, recipe
from imgkit.train.finetune.setup import backbone_of, network, seconds_per_step
from imgkit.train.model_candidates import fine_tune, probe, probe_candidate
from imgkit.train.plan import Machine, TrainPlan, duration, make_plan
from imgkit.train.probe.linear_probe import LabelReview, logits, review_labels
from imgkit.train.probe.probe_cache import cached_probe
from imgkit.train.records import write_label_issues, write_start
from imgkit.train.report.page import ReportPage, write_report
from imgkit.train.results import TrainReport
from imgkit.train.run_folder import RunFolder
from imgkit.train.sanity_checks import checked, ignored_settings
from imgkit.train.state import ProbeResult, SelectedModel, TrainingState
from imgkit.train.tracking import score_figures, start_tracking
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.embeddings import count_missing, embed
from imgkit.vision.features.probe import softmax
from imgkit.vision.features.weights import LoadedModel

Clock = Callable[[], datetime]


def train(config: TrainConfig, *, progress: Progress | None = None, now: Clock | None = None) -> TrainReport:
    """Train a classifier: plan, linear probe, fine-tuning if asked for, calibration, test, report.

    Everything is written to ``<runs>/<name>/``. Ctrl-C and SIGTERM save the state before they stop; the same with
    ``resume`` goes on from there. Under ``torchrun`` rank 0 calls this, the workers ``distributed_worker.run_worker``.

    Args:
        config: what to train on, and how.
        progress: told of the plan and of each step.
        now: the clock that names the run.

    Raises:
        UsageError: the data, the backbone or an option cannot be used.
        ResourceError: the disk is full or not writable, or another process of the training has ended.
    """
    with process_group() as processes:
        return _train(config, processes, progress=progress, now=now)


def _train(
    config: TrainConfig, processes: ProcessGroup, *, progress: Progress | None, now: Clock | None
) -> TrainReport:
    progress, now = progress or Silent(), now or (lambda: datetime.now(UTC))
    config = checked(config)
    folder = None
    if config.resume:
        folder, config = run_folder.reopen(config)
    timer = _StageTimer()
    found = scan(
        config.data,
        cache=run_folder.cache_folder(config),
        progress=progress,
        layout=config.layout,
        wanted=config.selection(),
    )
    table, told_of_labels = find_label_table(config.data, config.label_table, found.labels)
    found = replace(found, notes=(*found.notes, *told_of_labels))
    ancestor = ancestor_of(config)
    splits = _split(found, config, folder, ancestor)
    _refuse_unjudgeable(splits, finetune=bool(config.finetune))
    backbone = backbone_of(config, progress)
    wanted = (
        config.finetune if config.finetune is not None else backbone.device.type != "cpu" and bool(splits.of("val"))
    )
    net = network(config, backbone, len(found.labels)) if wanted else None
    if net is not None and config.final and processes.size > 1:
        raise UsageError(
            "--final fine-tunes in one process only. Nothing was changed. Leave it out, or start one process."
        )
    plan = _plan(config, found, splits, backbone, net, stored=folder.recipe() if folder else None, processes=processes)
    for line in plan.lines():
        progress.say(line)
    if net is None and (named := ignored_settings(config)):
        progress.say(f"note    only fine-tuning looks at {', '.join(named)}, and it was not asked for (--finetune)")
    if folder is None:
        folder = run_folder.create(config, now=now().astimezone())
        write_start(folder, config, found, splits, plan.recipe)
    timer.finish("scan")

    work = _work(config, found, splits, backbone, folder, progress, processes, learned=_learned(ancestor))
    timer.finish("embed")
    probed = cached_probe(work, probe)
    told = f"{summary(probed.scores)} · out-of-fold on train and val" if probed.scores else "no label has two groups"
    progress.say(f"probe   {told} · {timer.finish('probe')}")
    chosen = fine_tune(work, probed, net, plan.recipe) if net and plan.recipe else probe_candidate(work, probed)
    if net:
        told = f" · {summary(chosen.validation)} on val" if chosen.validation else ""
        progress.say(f"tuned   best is {chosen.name}{told} · {timer.finish('fine-tune')}")

    metadata = ModelMetadata(
        labels=work.labels,
        detector=chosen.detector,
        trained={
            "run": folder.path.name,
            "picked": chosen.name,
            "pictures": len(splits.of("train", "val")),
            "network_learned": bool(work.learned),
        },
        trained_on=work.learned.union(picture.sha256 for picture in splits.of("train", "val")),
        sets=chosen.sets,
        table=table,
    )
    write_model(folder.model, chosen.loaded.model, chosen.loaded.name, metadata)
    classifier = load_classifier(folder.model, device=config.device)
    tested = evaluate(classifier, splits.of("test"), cache=work.cache, progress=progress, title="testing")
    progress.say(f"test    {summary(tested.scores)} · {timer.finish('test')}")
    for each in tested.rollups:
        progress.say(f"        {each.sentence()}")
    plan = replace(plan, recipe=folder.recipe())  # with the rate that was found
    if config.final:
        told = fit_final(work, probed, chosen, plan.recipe, metadata)
        chosen = replace(chosen, notes=(*chosen.notes, told))
        progress.say(f"final   {told} · {timer.finish('final')}")
    review = review_labels(probed.judged, splits.of("train", "val"), work.labels)
    report = _report(work, plan, probed, chosen, tested, review, seconds=timer.seconds, finished=now())
    _write_end(work, report, probed, tested, review)
    steps = chosen.tuning.rows[-1].step if chosen.tuning and chosen.tuning.rows else 0
    work.tracking.log(
        steps, (score_figures(report.probe, "probe") if report.probe else {}) | score_figures(report.test, "test")
    )
    work.tracking.finish()
    checkpoint.clear(folder.checkpoints)
    return report


def _refuse_unjudgeable(splits: SplitSet, *, finetune: bool) -> None:
    groups = Counter(label for label, _ in {(each.label, each.group) for each in splits.pictures})
    most = max(groups.values())
    unspared = (
        "copies of one another and of test pictures left aside, each picture left for training is the only one of some "
        "label"
    )
    if not splits.of("test"):
        why = "each label has one picture only, copies left aside" if most == 1 else unspared
        raise UsageError(
            f"no picture can be held back for the test: {why}. Nothing was changed. Add pictures: a label of two is "
            "learned from one and tested on the other."
        )
    if finetune and not splits.of("val"):
        why = "each label has two pictures at most, copies left aside" if most <= 2 else unspared
        raise UsageError(
            f"--finetune chooses its weights on validation pictures, and none can be held back: {why}. Nothing was "
            "changed. Add pictures, or leave --finetune out."
        )


def summary(scores: Scores) -> str:
    """Return the scores on one line."""
    accuracy = scores.accuracy
    line = (
        f"accuracy {100 * accuracy.value:.1f} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}] · "
        f"macro-F1 {100 * scores.macro_f1.value:.1f}"
    )
    return line if scores.top_k is None else f"{line} · top-{scores.k} {100 * scores.top_k.value:.1f}"


def _learned(ancestor: Ancestor | None) -> frozenset[str]:
    return ancestor.learned if ancestor else frozenset()


def _split(found: Scan, config: TrainConfig, resumed: RunFolder | None, ancestor: Ancestor | None) -> SplitSet:
    pictures: Sequence[LabelledPicture] = found.pictures
    file = resumed.split if resumed else config.split_file
    if file is not None:
        pictures = apply_split_file(pictures, read_split_file(file), found.root)
    learned = _learned(ancestor)
    if learned and all(picture.sha256 in learned for picture in pictures):
        raise UsageError(
            f"the network of {config.weights} has learned from all {len(pictures)} pictures, so none can judge it. "
            "Nothing was changed. Add new pictures, or start from a pretrained network."
        )
    splits = divide(
        pictures,
        validation_share=config.validation_share,
        test_share=config.test_share,
        seed=config.seed,
        learned=learned,
    )
    if ancestor is not None:
        splits = replace(splits, notes=(ancestor.sentence(found.labels), *splits.notes))
    if resumed is None:
        return splits
    if found.labels != resumed.labels():
        raise UsageError(
            f"the labels in {config.data} are not those of the run {resumed.path}. Nothing was changed. Train anew."
        )
    if data_digest(splits.pictures, found.root) == resumed.data_digest():
        return splits
    return replace(splits, notes=(*splits.notes, "the pictures have changed since this run was started"))


def _plan(
    config: TrainConfig,
    found: Scan,
    splits: SplitSet,
    backbone: Backbone,
    net: LoadedModel | None,
    *,
    stored: Recipe | None,
    processes: ProcessGroup,
) -> TrainPlan:
    keys = [picture.sha256 for picture in splits.pictures]
    missing = count_missing(keys, backbone, cache=run_folder.cache_folder(config))
    each = _seconds_per_picture(backbone) if missing or net is not None else 0.0
    embedding = each * missing
    wanted, fitting, learns = None, 0.0, f"frozen, its head of {len(found.labels)} × {backbone.dimension} learns"
    if net is not None:
        targets = numbers_of(splits.of("train"), found.labels).tolist()
        on_gpu = backbone.device.type != "cpu"
        batch = recipe(config, targets, on_gpu=on_gpu).batch
        if batch < processes.size:
            raise UsageError(
                f"{processes.size} processes cannot share batches of {batch} pictures. Nothing was changed. Start "
                "fewer of them, or give a larger --batch-size."
            )
        step = seconds_per_step(net, backbone, batch=math.ceil(batch / processes.size), asked=config.precision)
        step *= recipe(config, targets, on_gpu=on_gpu).work
        wanted = stored or recipe(config, targets, on_gpu=on_gpu, seconds_per_step=step)
        validating = 2 * wanted.epochs * len(splits.of("val")) * each
        fitting, learns = wanted.steps * step + validating, str(parameter_counts(net.model))
    machine = Machine(
        device=f"{backbone.device} in {processes.size} processes" if processes.size > 1 else str(backbone.device),
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


def _work(
    config: TrainConfig,
    found: Scan,
    splits: SplitSet,
    backbone: Backbone,
    folder: RunFolder,
    progress: Progress,
    processes: ProcessGroup,
    *,
    learned: frozenset[str],
) -> TrainingState:
    cache = run_folder.cache_folder(config)
    features = embed(
        [picture.path for picture in splits.pictures],
        backbone,
        cache=cache,
        keys=[picture.sha256 for picture in splits.pictures],
        progress=progress,
    )
    return TrainingState(
        config=config,
        found=found,
        splits=splits,
        backbone=backbone,
        features=features,
        folder=folder,
        cache=cache,
        progress=progress,
        processes=processes,
        tracking=start_tracking(config.track, folder.path, config.as_json(), say=progress.say),
        learned=learned,
    )


def _report(
    work: TrainingState,
    plan: TrainPlan,
    probed: ProbeResult,
    chosen: SelectedModel,
    tested: Evaluated,
    review: LabelReview,
    *,
    seconds: dict[str, float],
    finished: datetime,
) -> TrainReport:
    pictures, features = work.part("test")
    predictions = LabelledPredictions(
        probabilities=softmax(logits(probed.calibrated, features)),
        targets=numbers_of(pictures, work.labels),
        groups=group_numbers(pictures),
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
        test_sets=tested.set_scores(chosen.sets),
        test_rollups=tested.rollups,
        test_without_crossing=tested.without(crossing, work.labels) if crossing else None,
        probe=probed.scores,
        probe_test=score(predictions, work.labels),
        tuning=chosen.tuning,
        calibration=chosen.calibration,
        learning=probed.learning,
        label_issues=review.count("doubted"),
        wrong_labels=review.estimate(),
        data_digest=data_digest(work.splits.pictures, work.found.root),
        seconds=dict(seconds),
        notes=chosen.notes,
    )


def _write_end(
    work: TrainingState, report: TrainReport, probed: ProbeResult, tested: Evaluated, review: LabelReview
) -> None:
    pictures, _ = work.part("train", "val")
    root, folder = work.found.root, work.folder
    write_label_issues(folder, root, review.issues)
    write_scores(folder.path, report.test)
    judged = [("test", tested.pictures, tested.predictions), ("out-of-fold probe", pictures, probed.judged.predictions)]
    write_predictions(folder.path, root, work.labels, judged)
    training, training_features = work.part("train", "val") if report.tuning is None else work.part("train")
    _, features = work.part("test")
    shown = galleries(tested, work.labels, features=features, training=training, training_features=training_features)
    work.progress.start("drawing the report")
    page = ReportPage(
        report=report,
        config=work.config,
        found=work.found,
        evaluated=tested,
        shown=shown,
        review=review,
        references=References(pictures=training, features=training_features, tested=features),
    )
    write_report(folder.report, page)
    folder.write_json(run_folder.FINISHED, report.as_json())
    folder.log("end", picked=report.picked, accuracy=report.test.accuracy.value, seconds=dict(report.seconds))


class _StageTimer:
    """Measures the seconds of each stage of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def finish(self, name: str) -> str:
        """Record the seconds of the stage ``name``; return its duration as text."""
        now = time.monotonic()
        self.seconds[name], self._since = round(now - self._since, 3), now
        return duration(self.seconds[name])
