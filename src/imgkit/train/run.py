"""One training run, from a folder of pictures to a model, honest numbers and a report."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from imgkit.errors import UsageError
from imgkit.progress import Progress, Silent
from imgkit.train import checkpoint, runfolder
from imgkit.train.calibrate import softmax
from imgkit.train.checked import checked, idle
from imgkit.train.choose import fine_tune, probe, probe_alone
from imgkit.train.classifier import load_classifier
from imgkit.train.config import TrainConfig
from imgkit.train.evaluate import Evaluated, evaluate
from imgkit.train.folder import Scan, scan
from imgkit.train.metrics import Answers, Scores, score
from imgkit.train.mistakes import galleries
from imgkit.train.model import learning_share
from imgkit.train.modelfolder import About, write_model
from imgkit.train.picture import Picture
from imgkit.train.plan import Machine, Plan, duration, make_plan
from imgkit.train.probe_memory import remembered
from imgkit.train.probing import group_numbers, label_issues, logits, numbers_of
from imgkit.train.recipe import Recipe, recipe
from imgkit.train.records import write_label_issues, write_predictions, write_scores, write_start
from imgkit.train.report import Page, write_report
from imgkit.train.results import TrainReport
from imgkit.train.runfolder import RunFolder
from imgkit.train.split import SplitSet, apply_split_file, data_digest, divide, read_split_file
from imgkit.train.team import Team, joined
from imgkit.train.tracking import score_figures, start_tracking
from imgkit.train.tuning import backbone_of, network, seconds_per_step
from imgkit.train.work import Chosen, Probed, Work
from imgkit.vision.backbone import Backbone
from imgkit.vision.embeddings import count_missing, embed
from imgkit.vision.weights import LoadedModel

Clock = Callable[[], datetime]


def train(config: TrainConfig, *, progress: Progress | None = None, now: Clock | None = None) -> TrainReport:
    """Train a classifier: plan, linear probe, fine-tuning if asked for, calibration, test, report.

    Everything is written to ``<runs>/<name>/``. Ctrl-C and SIGTERM save the state before they stop; the same with
    ``resume`` goes on from there. Under ``torchrun`` the first process calls this, the others ``helping.help_train``.

    Args:
        config: what to train on, and how.
        progress: told of the plan and of each step.
        now: the clock that names the run.

    Raises:
        UsageError: the data, the backbone or an option cannot be used.
        ResourceError: the disk is full or not writable, or another process of the training has ended.
    """
    with joined() as team:
        return _train(config, team, progress=progress, now=now)


def _train(config: TrainConfig, team: Team, *, progress: Progress | None, now: Clock | None) -> TrainReport:
    progress, now = progress or Silent(), now or (lambda: datetime.now(UTC))
    config = checked(config)
    folder = None
    if config.resume:
        folder, config = runfolder.reopen(config)
    clock = _Laps()
    found = scan(config.data, cache=runfolder.cache_folder(config), progress=progress)
    splits = _split(found, config, folder)
    backbone = backbone_of(config, progress)
    wanted = config.finetune if config.finetune is not None else backbone.device.type != "cpu"
    net = network(config, backbone, len(found.labels)) if wanted else None
    plan = _plan(config, found, splits, backbone, net, stored=folder.recipe() if folder else None, team=team)
    for line in plan.lines():
        progress.say(line)
    if net is None and (named := idle(config)):
        progress.say(f"note    only fine-tuning looks at {', '.join(named)}, and it was not asked for (--finetune)")
    if folder is None:
        folder = runfolder.create(config, now=now().astimezone())
        write_start(folder, config, found, splits, plan.recipe)
    clock.lap("scan")

    work = _work(config, found, splits, backbone, folder, progress, team)
    clock.lap("embed")
    probed = remembered(work, probe)
    progress.say(f"probe   {summary(probed.scores)} · out-of-fold on train and val · {clock.lap('probe')}")
    chosen = fine_tune(work, probed, net, plan.recipe) if net and plan.recipe else probe_alone(work, probed)
    if net:
        progress.say(f"tuned   best is {chosen.name} · {summary(chosen.validation)} on val · {clock.lap('fine-tune')}")

    about = About(
        labels=work.labels,
        familiar=chosen.familiar,
        trained={"run": folder.path.name, "picked": chosen.name, "pictures": len(splits.of("train", "val"))},
        trained_on=frozenset(picture.sha256 for picture in splits.of("train", "val")),
    )
    write_model(folder.model, chosen.loaded.model, chosen.loaded.name, about)
    classifier = load_classifier(folder.model, device=config.device)
    tested = evaluate(classifier, splits.of("test"), cache=work.cache, progress=progress, title="testing")
    progress.say(f"test    {summary(tested.scores)} · {clock.lap('test')}")
    plan = replace(plan, recipe=folder.recipe())  # with the rate that was found
    report = _report(work, plan, probed, chosen, tested, seconds=clock.seconds, finished=now())
    _write_end(work, report, probed, tested)
    steps = chosen.tuning.rows[-1].step if chosen.tuning and chosen.tuning.rows else 0
    work.tracking.log(steps, score_figures(report.probe, "probe") | score_figures(report.test, "test"))
    work.tracking.finish()
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


def _split(found: Scan, config: TrainConfig, resumed: RunFolder | None) -> SplitSet:
    pictures: Sequence[Picture] = found.pictures
    file = resumed.split if resumed else config.split_file
    if file is not None:
        pictures = apply_split_file(pictures, read_split_file(file), found.root)
    splits = divide(pictures, validation_share=config.validation_share, test_share=config.test_share, seed=config.seed)
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
    team: Team,
) -> Plan:
    keys = [picture.sha256 for picture in splits.pictures]
    missing = count_missing(keys, backbone, cache=runfolder.cache_folder(config))
    each = _seconds_per_picture(backbone) if missing or net is not None else 0.0
    embedding = each * missing
    wanted, fitting, learns = None, 0.0, f"frozen, its head of {len(found.labels)} × {backbone.dimension} learns"
    if net is not None:
        targets = numbers_of(splits.of("train"), found.labels).tolist()
        on_gpu = backbone.device.type != "cpu"
        batch = recipe(config, targets, on_gpu=on_gpu).batch
        if batch < team.size:
            raise UsageError(
                f"{team.size} processes cannot share batches of {batch} pictures. Nothing was changed. Start fewer of "
                "them, or give a larger --batch."
            )
        step = seconds_per_step(net, backbone, batch=math.ceil(batch / team.size), asked=config.precision)
        step *= recipe(config, targets, on_gpu=on_gpu).work
        wanted = stored or recipe(config, targets, on_gpu=on_gpu, seconds_per_step=step)
        validating = 2 * wanted.epochs * len(splits.of("val")) * each
        fitting, learns = wanted.steps * step + validating, str(learning_share(net.model))
    machine = Machine(
        device=f"{backbone.device} in {team.size} processes" if team.size > 1 else str(backbone.device),
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
    team: Team,
) -> Work:
    cache = runfolder.cache_folder(config)
    features = embed(
        [picture.path for picture in splits.pictures],
        backbone,
        cache=cache,
        keys=[picture.sha256 for picture in splits.pictures],
        progress=progress,
    )
    return Work(
        config=config,
        found=found,
        splits=splits,
        backbone=backbone,
        features=features,
        folder=folder,
        cache=cache,
        progress=progress,
        team=team,
        tracking=start_tracking(config.track, folder.path, config.as_json(), say=progress.say),
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
        learning=probed.learning,
        label_issues=int((~probed.judged.answers.right).sum()),
        data_digest=data_digest(work.splits.pictures, work.found.root),
        seconds=dict(seconds),
        notes=chosen.notes,
    )


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
    work.progress.start("drawing the report")
    page = Page(report=report, config=work.config, found=work.found, evaluated=tested, shown=shown, issues=issues)
    write_report(folder.report, page)
    folder.write_json(runfolder.FINISHED, report.as_json())
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
