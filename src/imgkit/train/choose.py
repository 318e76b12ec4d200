"""Make the candidates for the model, the linear probe and a fine-tuned network, and take the better one."""

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from imgkit.train import helping, interrupt
from imgkit.train.calibrate import fit_temperature, softmax
from imgkit.train.contest import PROBE
from imgkit.train.familiar import Familiar, fit_familiar
from imgkit.train.fit import Fit
from imgkit.train.fitted import EpochRow
from imgkit.train.learning import learning_curve
from imgkit.train.metrics import Answers, score
from imgkit.train.model import cool, head_of, set_head, with_head
from imgkit.train.picture import Picture
from imgkit.train.probing import fit_head, group_numbers, numbers_of, out_of_fold
from imgkit.train.ratefinder import find_rate
from imgkit.train.recipe import Recipe
from imgkit.train.results import Tuning
from imgkit.train.tracking import epoch_figures
from imgkit.train.tuning import set_up
from imgkit.train.work import Chosen, Features, Probed, Work
from imgkit.vision.backbone import Backbone
from imgkit.vision.embeddings import embed
from imgkit.vision.weights import LoadedModel


def probe(work: Work) -> Probed:
    """Fit the linear probe, and judge it on pictures that it has not seen."""
    pictures, features = work.part("train", "val")
    work.progress.start("linear probe")
    head, strength = fit_head(features, pictures, seed=work.config.seed)
    judged = out_of_fold(
        features, pictures, work.labels, strength=strength, folds=work.config.folds, seed=work.config.seed
    )
    learning = learning_curve(
        features,
        pictures,
        work.labels,
        judged.answers,
        strength=strength,
        folds=work.config.folds,
        seed=work.config.seed,
    )
    training, training_features = work.part("train")
    start, _ = fit_head(training_features, training, strength=strength)
    return Probed(head=head, start=start, judged=judged, scores=score(judged.answers, work.labels), learning=learning)


def probe_alone(work: Work, probed: Probed) -> Chosen:
    """Make the linear probe the model: the pretrained backbone with the calibrated probe as its head."""
    pictures, features = work.part("train", "val")
    head = cool(probed.head, probed.judged.calibration.temperature)
    return Chosen(
        name="linear probe",
        loaded=with_head(work.backbone.name, head, weights=work.config.weights, size=work.config.size),
        calibration=probed.judged.calibration,
        familiar=_familiar(work, features, pictures),
        validation=probed.scores,
        validated_on=f"train and val, out-of-fold ({work.config.folds} folds)",
    )


def fine_tune(work: Work, probed: Probed, net: LoadedModel, wanted: Recipe) -> Chosen:
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
        team=work.team,
    )
    if work.config.resume:
        fit.resume()
    if work.config.lr_find and fit.probe is None:
        fit.recipe = wanted = _with_found_rate(work, fit, wanted)
    helping.ask(work, wanted)
    started = time.monotonic()

    def log(row: EpochRow) -> None:
        work.folder.log("epoch", **asdict(row))
        work.tracking.log(row.step, epoch_figures(row))

    command = f"torchrun --nproc-per-node {work.team.size} -m imgkit" if work.team.size > 1 else "imgkit"
    work.progress.say(f"        Ctrl-C saves; then: {command} train --resume --runs {work.folder.path.parent}")
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
        return replace(probe_alone(work, probed), tuning=tuning, notes=(*fitted.notes, note))
    net.model.load_state_dict(fitted.winner.state)
    return _calibrated(work, fit, net, tuning, fitted.notes)


def _with_found_rate(work: Work, fit: Fit, wanted: Recipe) -> Recipe:
    """Look for a learning rate, keep the curve in lr_find.csv, and return the recipe with it."""
    with interrupt.listen() as stop:
        try:
            with work.team.apart():
                found = find_rate(fit, work.progress, stop)
        except interrupt.StoppedError:
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


def _calibrated(work: Work, fit: Fit, net: LoadedModel, tuning: Tuning, notes: Sequence[str]) -> Chosen:
    training, _ = work.part("train")
    validation, _ = work.part("val")
    targets, groups = numbers_of(validation, work.labels), group_numbers(validation)
    found = fit.judge.logits(net.model)
    calibration = fit_temperature(found, targets, groups)
    set_head(net.model, cool(head_of(net.model), calibration.temperature))
    answers = Answers(probabilities=softmax(found / calibration.temperature), targets=targets, groups=groups)
    copied = replace(net, model=copy.deepcopy(net.model))  # a frozen backbone changes the network it is given
    eye = Backbone(copied, device=work.backbone.device, precision=work.backbone.precision)
    features = embed([each.path for each in (*training, *validation)], eye, cache=None, progress=work.progress)
    return Chosen(
        name=tuning.winner_name,
        loaded=net,
        calibration=calibration,
        familiar=_familiar(work, features[: len(training)], training, held_out=features[len(training) :]),
        validation=score(answers, work.labels),
        validated_on="val",
        tuning=tuning,
        notes=tuple(notes),
    )


def _familiar(
    work: Work, features: Features, pictures: Sequence[Picture], *, held_out: Features | None = None
) -> Familiar:
    targets, groups = numbers_of(pictures, work.labels), group_numbers(pictures)
    return fit_familiar(features, targets, groups, len(work.labels), held_out=held_out)
