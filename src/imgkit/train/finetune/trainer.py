"""Fine-tune a model: one flat loop of optimiser steps, judged on the validation set after each epoch."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from imgkit.errors import ResourceError
from imgkit.models.network import Normalise, set_training_mode
from imgkit.progress import Progress, Silent
from imgkit.signals import StopFlag, StoppedError
from imgkit.train.data.batches import Batch, Batches, generator, step_seed
from imgkit.train.finetune import checkpoint
from imgkit.train.finetune.distributed import ProcessGroup, ProcessLostError
from imgkit.train.finetune.drop_path import DropPaths
from imgkit.train.finetune.history import EpochRow, Facts, TrainingHistory
from imgkit.train.finetune.loss import Objective
from imgkit.train.finetune.model_selection import PROBE, CandidateWeights, ModelSelection, copy_of
from imgkit.train.finetune.optimiser import Optimiser
from imgkit.train.finetune.recipe import Recipe, learning_rate_share
from imgkit.train.finetune.validator import ValidationScore, Validator
from imgkit.vision.features import torchvision_ops
from imgkit.vision.features.device import DTYPES, Precision

torchvision_ops.ensure()
from timm.utils import ModelEmaV3  # noqa: E402  (needs the line above)

BAD_STEPS = 10  # steps without a finite loss, in a row, before the last good state is taken up again
LOOK_EVERY = 10  # steps between two checks on a GPU: each check synchronises it
PATHS = 2**32  # added to the seed for the branches that are left out: other numbers than for the pictures
HALVINGS = 4  # of the batch that is computed at once, when memory runs out


class NotFiniteError(Exception):
    """The loss was NaN or infinite for more than ``BAD_STEPS`` steps in a row."""


class Trainer:
    """The state of one fine-tuning: everything that a checkpoint holds.

    Args:
        model: on the device, its head already that of the probe.
        batches: the training batches.
        recipe: how long and how fast.
        validator: scores weights on the validation set.
        normalise: what stands before the model, on the device.
        precision: number format of the forward pass.
        prior: (K,) what is added to the logits while training, None: nothing.
        folder: for checkpoints.
        checkpoint_seconds: between two checkpoints.
        processes: the process group; all have the same ``recipe``, the weights of rank 0 are broadcast.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        recipe: Recipe,
        *,
        validator: Validator,
        normalise: Normalise,
        precision: Precision,
        folder: Path,
        prior: Tensor | None = None,
        checkpoint_seconds: float = 60.0,
        processes: ProcessGroup | None = None,
    ) -> None:
        self._processes, self._paths = processes or ProcessGroup(), DropPaths(model)
        self.model, self.batches, self.recipe = model, batches, recipe
        self.validator, self._normalise, self._precision, self._folder = validator, normalise, precision, folder
        self._checkpoint_seconds = checkpoint_seconds
        self._device = next(model.parameters()).device
        self.forward: Callable[[Tensor], Tensor] = model
        self._objective = Objective(smoothing=recipe.smoothing, prior=prior)
        self._optimiser = Optimiser(
            model, layer_decay=recipe.layer_decay, weight_decay=recipe.weight_decay, precision=precision
        )
        self.average = ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=True)
        self.step, self.rows, self.notes = 0, [], []
        self.selection = ModelSelection(recipe.monitor)
        self.probe: ValidationScore | None = None
        self._micro, self._rate_factor, self._saved_at = recipe.batch, 1.0, time.monotonic()
        self._seconds = 0.0
        self._sums = torch.zeros(4, device=self._device, dtype=torch.float64)  # loss, hits, gradient norm, steps

    step: int
    rows: list[EpochRow]
    notes: list[str]

    def run(self, *, stop: StopFlag, progress: Progress, log: Callable[[EpochRow], None]) -> TrainingHistory:
        """Train to the end of the recipe, or until ``stop``: then everything is saved and the signal is passed on."""
        try:
            return self._run(stop, progress, log)
        except StoppedError:
            self.save()
            stop.pass_on()
            raise
        except ProcessLostError as error:
            self.save()
            raise ResourceError(
                f"another process of this training ended at step {self.step} of {self.recipe.steps}. "
                f"The state is saved in {self._folder}. Run the same command again with --resume.",
                code="train.lost",
            ) from error

    def run_as_worker(self, *, stop: StopFlag) -> None:
        """Compute this worker's share of each step until the training ends or a stop is requested.

        Raises:
            ProcessLostError: rank 0 has ended.
        """
        with contextlib.suppress(StoppedError):
            self._epochs(stop, Silent(), lambda row: None)
            self._processes.close()

    def _run(self, stop: StopFlag, progress: Progress, log: Callable[[EpochRow], None]) -> TrainingHistory:
        probe = self._epochs(stop, progress, log)
        self._processes.close()
        winner = self.selection.best[0]
        soup = self.selection.soup(self.model, lambda model: self.validator(model, stop))
        if soup and self._rank(soup.judgement) > self._rank(winner.judgement):
            winner = soup
        return TrainingHistory(winner=winner, probe=probe, rows=tuple(self.rows), notes=tuple(self.notes))

    def _epochs(self, stop: StopFlag, progress: Progress, log: Callable[[EpochRow], None]) -> ValidationScore:
        """Train to the end of the recipe; return the judgement of the weights that it began with."""
        self._synchronise()
        if self.probe is None:
            self.probe = self.validator(self.model, stop)
            self._enter(PROBE, self.probe, self.model)
            self.save()
        progress.start("fine-tuning", self.recipe.steps)
        progress.advance(self.step)
        while len(self.rows) < self.recipe.epochs and not self._stop_early():
            try:
                self._train_epoch(stop, progress)
            except NotFiniteError:
                if not self._restore_checkpoint():
                    break
                continue
            row = self._end_epoch(stop)
            log(row)
            progress.advance(0, f"epoch {row.epoch} of {self.recipe.epochs}: val macro-F1 {row.best.macro_f1:.3f}")
        return self.probe

    def _train_epoch(self, stop: StopFlag, progress: Progress) -> None:
        """Take the remaining steps of the current epoch."""
        end = min(self.recipe.steps, (len(self.rows) + 1) * self.recipe.steps_per_epoch)
        set_training_mode(self.model)
        while self.step < end:
            if self._processes.size == 1:  # else the all-reduce tells all processes
                stop.check()
            started = time.monotonic()
            self._set_learning_rate()
            torch.manual_seed(step_seed(self.recipe.seed, self.step) % 2**63)  # dropped paths repeat after a resume
            loss, hits = self._all_reduce(*self._gradients(self.batches[self.step]), stop)
            norm, finite = self._optimiser.step(loss)
            self.average.update(self.model, step=self.step)
            told = torch.stack([loss, hits, norm, torch.ones_like(loss)]).double()
            self._sums += torch.where(finite, told, 0)
            self._check_finite(end)
            self.step += 1
            if self._device.type == "cuda" and self.step == end:
                torch.cuda.synchronize(self._device)  # once an epoch: the time of its steps
            self._seconds += time.monotonic() - started
            progress.advance(1)
            if time.monotonic() - self._saved_at > self._checkpoint_seconds:
                self.save()

    def _check_finite(self, end: int) -> None:
        """Raise NotFiniteError after too many bad steps; on a GPU checked every ``LOOK_EVERY`` steps."""
        asked = self._device.type == "cpu" or self.step % LOOK_EVERY == 0 or self.step + 1 == end
        if asked and self._optimiser.bad_steps() > BAD_STEPS:
            raise NotFiniteError

    def try_step(self) -> None:
        """Compute the gradients of one step and forget them, to see how long that takes."""
        set_training_mode(self.model)
        self._gradients(self.batches[self.step])
        self._optimiser.clear()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def try_rates(
        self, rates: Sequence[float], *, stop: StopFlag, enough: Callable[[list[float]], bool]
    ) -> list[float]:
        """Return the loss (nats) before each of some steps at different rates, then put everything back.

        Ends early once ``enough`` says so of the losses so far.
        """
        before, losses = copy_of(self.model), list[float]()
        set_training_mode(self.model)
        try:
            for place, rate in enumerate(rates):
                stop.check()
                self._optimiser.set_rate(rate)
                torch.manual_seed(step_seed(self.recipe.seed, place) % 2**63)
                loss, _ = self._gradients(self.batches[place])
                self._optimiser.step(loss)
                losses.append(float(loss))
                if enough(losses):
                    break
        finally:
            self.model.load_state_dict(before)
            self._optimiser.forget()
        return losses

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Put the gradients of the whole batch into the model; return loss (mean, nats) and hits (share)."""
        while True:
            try:
                return self._accumulate(batch)
            except torch.OutOfMemoryError:
                if self._micro <= max(1, self.recipe.batch >> HALVINGS):
                    raise
                self._micro = max(1, self._micro // 2)
                self.notes.append(f"out of memory at step {self.step}: {self._micro} pictures are computed at once now")
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()

    def _all_reduce(self, loss: Tensor, hits: Tensor, stop: StopFlag) -> tuple[Tensor, Tensor]:
        """Sum gradients, loss and hits over all processes; all raise StoppedError where one was asked to stop."""
        if self._processes.size == 1:
            return loss, hits
        told = torch.stack([loss, hits, torch.full_like(loss, float(bool(stop)))])
        gradients = [each.grad for each in self.model.parameters() if each.grad is not None]
        self._processes.all_reduce([*gradients, told], stop)
        if told[2] > 0:
            raise StoppedError
        return told[0], told[1]

    def _accumulate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        self._optimiser.clear()
        self._paths.draw(generator(PATHS + self.recipe.seed, self.step), batch.whole, self._device)
        total = torch.zeros((), device=self._device)
        hits = torch.zeros((), device=self._device)
        for start in range(0, len(batch.targets), self._micro):
            part = batch.cut(slice(start, start + self._micro))
            self._paths.show(part.start, len(part.targets))
            with torch.autocast(self._device.type, DTYPES[self._precision], enabled=self._precision != "float32"):
                logits = self.forward(self._normalise(part.images))  # (B, K)
            loss = self._objective.loss(logits, part) / batch.whole
            self._optimiser.backward(loss)
            total += loss.detach()
            hits += self._objective.hits(logits, part) / batch.whole
        return total, hits

    def _set_learning_rate(self) -> None:
        self._optimiser.set_rate(self.recipe.lr * self._rate_factor * learning_rate_share(self.step, self.recipe))

    def _end_epoch(self, stop: StopFlag) -> EpochRow:
        """Judge the weights and their moving average, and write the line of the epoch."""
        epoch = len(self.rows) + 1
        steps = self.step - (epoch - 1) * self.recipe.steps_per_epoch
        loss, hits, norm, _ = (self._sums / self._sums[3].clamp(min=1)).tolist()
        validation, average = self.validator(self.model, stop), self.validator(self.average.module, stop)
        self._enter(f"epoch {epoch}", validation, self.model)
        self._enter(f"average at epoch {epoch}", average, self.average.module)
        row = EpochRow(
            epoch=epoch,
            step=self.step,
            lr=self.recipe.lr * self._rate_factor * learning_rate_share(self.step - 1, self.recipe),
            train_loss=loss,
            train_accuracy=hits,
            validation=validation,
            average=average,
            seconds=self._seconds,
            images_per_second=steps * self.recipe.batch / max(self._seconds, 1e-9),
            gradient_norm=norm,
        )
        self.rows.append(row)
        self._sums.zero_()
        self._seconds = 0.0
        return row

    def _enter(self, name: str, judgement: ValidationScore, model: nn.Module) -> None:
        if self._processes.is_rank_zero:
            self.selection.enter(CandidateWeights(name=name, judgement=judgement, state=copy_of(model)))

    def _stop_early(self) -> bool:
        if self.recipe.patience is None or len(self.rows) <= self.recipe.patience:
            return False
        ranks = [max(row.validation, row.average, key=self._rank) for row in self.rows]
        best = max(range(len(ranks)), key=lambda index: self._rank(ranks[index]))
        return len(ranks) - 1 - best >= self.recipe.patience

    def _rank(self, judgement: ValidationScore) -> tuple[float, float]:
        return judgement.rank(self.recipe.monitor)

    def _restore_checkpoint(self) -> bool:
        """Take up the last good state with half the learning rate, once; the second time fine-tuning ends."""
        where = f"epoch {self.step // self.recipe.steps_per_epoch + 1}, step {self.step}"
        if self._rate_factor < 1 or not self._processes.broadcast(self._processes.is_rank_zero and self.resume()):
            self.notes.append(
                f"the loss was not a number at {where}, again: fine-tuning stopped, the best so far counts"
            )
            return False
        self._synchronise()
        self._rate_factor = 0.5
        self.notes.append(f"the loss was not a number at {where}: went back to step {self.step} at half the rate")
        return True

    def save(self) -> None:
        """Write a checkpoint of everything that the rest of the run depends on; workers write nothing."""
        if not self._processes.is_rank_zero:
            return
        tensors = self._tensors()
        for place, candidate in enumerate(self.selection.best):
            tensors |= {f"candidate{place}/{name}": tensor for name, tensor in candidate.state.items()}
        checkpoint.save(self._folder, self.step, tensors, asdict(self._facts()))
        self._saved_at = time.monotonic()

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {"sums": self._sums}
        tensors |= {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self.average.module.state_dict().items()}
        return tensors | self._optimiser.tensors()

    def _facts(self) -> Facts:
        return Facts(
            probe=self.probe,
            candidates=[(each.name, each.judgement) for each in self.selection.best],
            rows=self.rows,
            notes=self.notes,
            micro=self._micro,
            slower=self._rate_factor,
            seconds=self._seconds,
        )

    def resume(self) -> bool:
        """Take up the newest valid checkpoint; return whether there was one."""
        found = checkpoint.newest(self._folder)
        if found is None:
            return False
        facts = Facts.read(found.facts)
        self._load(found.step, facts, found.tensors)
        self.notes.extend(f"checkpoint {name} was damaged" for name in found.damaged)
        entered = [
            CandidateWeights(name=name, judgement=judgement, state=_under(f"candidate{place}/", found.tensors))
            for place, (name, judgement) in enumerate(facts.candidates)
        ]
        self.selection = ModelSelection(self.recipe.monitor, entered)
        return True

    def _synchronise(self) -> None:
        """Broadcast the state of rank 0 to all processes."""
        if self._processes.size == 1:
            return
        state = self._processes.broadcast(
            {"step": self.step, "facts": asdict(self._facts())} if self._processes.is_rank_zero else None
        )
        tensors = self._processes.broadcast_tensors(self._tensors() if self._processes.is_rank_zero else {})
        if not self._processes.is_rank_zero:
            self._load(state["step"], Facts.read(state["facts"]), tensors)

    def _load(self, step: int, facts: Facts, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(_under("model/", tensors))
        self.average.module.load_state_dict(_under("average/", tensors))
        self._optimiser.load(tensors)
        self._sums = tensors["sums"].to(self._device)
        self.step, self.probe = step, facts.probe
        self.rows, self.notes = facts.rows, list(facts.notes)
        self._micro, self._rate_factor, self._seconds = facts.micro, facts.slower, facts.seconds


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
