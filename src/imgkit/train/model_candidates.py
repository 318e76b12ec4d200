"""Produce the model candidates, linear probe and fine-tuned network, and select the better one."""

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from imgkit import commands, signals
from imgkit.arrays import Float32Array
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.calibration import fit_temperature
from imgkit.models.metrics import LabelledPredictions, score
from imgkit.models.network import divide_by_temperature, head_of, set_head, with_head
from imgkit.models.out_of_distribution import OutOfDistributionDetector, fit_detector
from imgkit.models.prediction_sets import fit_sets
from imgkit.train.finetune import distributed_worker
from imgkit.train.finetune.history import EpochRow, is_best
from imgkit.train.finetune.lr_finder import find_rate
from imgkit.train.finetune.model_selection import PROBE
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.setup import set_up
from imgkit.train.finetune.trainer import Trainer
from imgkit.train.probe.learning_curve import learning_curve
from imgkit.train.probe.linear_probe import fit_head, out_of_fold
from imgkit.train.report.progress_page import write_progress
from imgkit.train.results import Tuning
from imgkit.train.state import ProbeResult, SelectedModel, TrainingState
from imgkit.train.tracking import epoch_figures
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.embeddings import embed
from imgkit.vision.features.probe import softmax
from imgkit.vision.features.weights import LoadedModel


def probe(work: TrainingState) -> ProbeResult:
    """Fit the linear probe and score it out-of-fold."""
    pictures, features = work.part("train", "val")
    work.progress.start("linear probe")
    head, strength = fit_head(features, pictures, seed=work.config.seed)
    judged = out_of_fold(
        features,
        pictures,
        work.labels,
        strength=strength,
        folds=work.config.folds,
        seed=work.config.seed,
        learned=work.learned,
    )
    learning = learning_curve(
        features,
        pictures,
        work.labels,
        judged,
        strength=strength,
        folds=work.config.folds,
        seed=work.config.seed,
    )
    training, training_features = work.part("train")
    start, _ = fit_head(training_features, training, strength=strength)
    scores = score(judged.nameable_predictions, work.labels) if judged.nameable_predictions else None
    return ProbeResult(head=head, start=start, judged=judged, scores=scores, learning=learning)


def probe_candidate(work: TrainingState, probed: ProbeResult) -> SelectedModel:
    """Make the linear probe the model: the pretrained backbone with the calibrated probe as its head."""
    pictures, features = work.part("train", "val")
    return SelectedModel(
        name="linear probe",
        loaded=with_head(work.backbone.name, probed.calibrated, weights=work.config.weights, size=work.config.size),
        calibration=probed.judged.calibration,
        detector=_detector(work, features, pictures),
        sets=fit_sets(judged) if (judged := probed.judged.nameable_predictions) else None,
        validation=probed.scores,
        validated_on=f"train and val, out-of-fold ({work.config.folds} folds)",
    )


def fine_tune(work: TrainingState, probed: ProbeResult, net: LoadedModel, wanted: Recipe) -> SelectedModel:
    """Train all layers from the probe on, and take the best weights seen; the probe's where nothing beat them."""
    training, _ = work.part("train")
    validation, _ = work.part("val")
    set_head(net.model, probed.start)
    trainer = set_up(
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
        processes=work.processes,
    )
    if work.config.resume:
        trainer.resume()
    if work.config.lr_find and trainer.probe is None:
        trainer.recipe = wanted = _with_found_rate(work, trainer, wanted)
    distributed_worker.send_task(work, wanted)
    started = time.monotonic()

    def log(row: EpochRow) -> None:
        work.folder.log("epoch", **asdict(row))
        work.tracking.log(row.step, epoch_figures(row))
        rows, probe_score = trainer.rows, trainer.probe
        if probe_score is not None:
            best = is_best(rows, probe_score, work.config.monitor)
            work.progress.say(row.line(wanted.epochs, best=best))
            write_progress(work.folder, rows, probe_score, wanted, resume=_resume_command(work))

    work.progress.say(f"        Ctrl-C saves; then: {_resume_command(work)}")
    with signals.listen() as stop:
        fitted = trainer.run(stop=stop, progress=work.progress, log=log)
    tuning = Tuning(
        probe=fitted.probe,
        winner=fitted.winner.judgement,
        winner_name=fitted.winner.name,
        rows=fitted.rows,
        seconds=time.monotonic() - started,
    )
    if fitted.winner.name == PROBE:
        note = "fine-tuning did not beat the linear probe on the validation pictures, so the probe is the model"
        return replace(probe_candidate(work, probed), tuning=tuning, notes=(*fitted.notes, note))
    net.model.load_state_dict(fitted.winner.state)
    return _calibrated(work, trainer, net, tuning, fitted.notes)


def _with_found_rate(work: TrainingState, trainer: Trainer, wanted: Recipe) -> Recipe:
    """Look for a learning rate, keep the curve in lr_find.csv, and return the recipe with it."""
    with signals.listen() as stop:
        try:
            with work.processes.single_process():
                found = find_rate(trainer, work.progress, stop)
        except signals.StoppedError:
            stop.pass_on()
            raise
    work.folder.write_csv("lr_find.csv", ("learning_rate", "loss"), zip(found.rates, found.losses, strict=True))
    work.progress.say(f"rates   loss by learning rate: {found.line()}")
    if found.suggestion is None:
        work.progress.say(f"        the loss falls no further along it than batches differ: {wanted.lr:.2g} stays")
        return wanted
    work.progress.say(f"        a tenth of where the loss is lowest: {found.suggestion:.2g} instead of {wanted.lr:.2g}")
    wanted = replace(wanted, lr=found.suggestion)
    work.folder.write_json("recipe.json", asdict(wanted))
    return wanted


def _calibrated(
    work: TrainingState, trainer: Trainer, net: LoadedModel, tuning: Tuning, notes: Sequence[str]
) -> SelectedModel:
    training, _ = work.part("train")
    validation, _ = work.part("val")
    targets, groups = numbers_of(validation, work.labels), group_numbers(validation)
    found = trainer.validator.logits(net.model)
    calibration = fit_temperature(found, targets, groups)
    set_head(net.model, divide_by_temperature(head_of(net.model), calibration.temperature))
    predictions = LabelledPredictions(
        probabilities=softmax(found / calibration.temperature), targets=targets, groups=groups
    )
    copied = replace(net, model=copy.deepcopy(net.model))  # a frozen backbone changes the network it is given
    embedder = Backbone(copied, device=work.backbone.device, precision=work.backbone.precision)
    features = embed([each.path for each in (*training, *validation)], embedder, cache=None, progress=work.progress)
    return SelectedModel(
        name=tuning.winner_name,
        loaded=net,
        calibration=calibration,
        detector=_detector(work, features[: len(training)], training, held_out=features[len(training) :]),
        sets=fit_sets(predictions),
        validation=score(predictions, work.labels),
        validated_on="val",
        tuning=tuning,
        notes=tuple(notes),
    )


def _detector(
    work: TrainingState,
    features: Float32Array,
    pictures: Sequence[LabelledPicture],
    *,
    held_out: Float32Array | None = None,
) -> OutOfDistributionDetector:
    targets, groups = numbers_of(pictures, work.labels), group_numbers(pictures)
    return fit_detector(features, targets, groups, len(work.labels), held_out=held_out)


def _resume_command(work: TrainingState) -> str:
    """Return the command that goes on with an interrupted run."""
    launcher = ("torchrun", "--standalone", "--nproc-per-node", str(work.processes.size), "-m", "imgkit")
    program = launcher if work.processes.size > 1 else ("imgkit",)
    run = work.folder.path
    return commands.command("train", "--resume", "--runs", run.parent, "--name", run.name, program=program)
