"""Fine-tune a model: one flat loop of optimiser steps, judged on the validation set after each epoch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgkit.progress import Progress
from imgkit.train import checkpoint
from imgkit.train.batches import Batch, Batches, step_seed
from imgkit.train.contest import PROBE, Candidate, Contest, copy_of
from imgkit.train.interrupt import Stop, StoppedError
from imgkit.train.judge import Judge, Judgement
from imgkit.train.model import Normalise, learn, parameter_groups
from imgkit.train.recipe import Recipe, pace
from imgkit.vision import torchvision_ops
from imgkit.vision.device import DTYPES, Precision

torchvision_ops.ensure()
from timm.utils import ModelEmaV3  # noqa: E402  (needs the line above)

LARGEST_GRADIENT = 1.0  # norm to which gradients are clipped
BAD_STEPS = 10  # steps without a finite loss, in a row, before the last good state is taken up again
HALVINGS = 4  # of the batch that is computed at once, when memory runs out


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One line of the log. Losses are in nats; ``average`` is the judgement of the moving average of the weights."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    validation: Judgement
    average: Judgement
    seconds: float
    images_per_second: float
    gradient_norm: float

    @property
    def best(self) -> Judgement:
        """The better one of the weights and their average, by macro-F1."""
        return max(self.validation, self.average, key=lambda each: each.rank("macro-f1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What fine-tuning gave: the winner, the judgement of the probe that it started from, the log, and warnings."""

    winner: Candidate
    probe: Judgement
    rows: tuple[EpochRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a checkpoint knows besides tensors."""

    probe: Judgement | None
    candidates: list[tuple[str, Judgement]]
    rows: list[EpochRow]
    notes: list[str]
    micro: int
    slower: float
    seconds: float

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "Facts":
        """Return the facts that ``asdict`` turned into JSON."""
        rows = [
            EpochRow(**{**row, "validation": Judgement(**row["validation"]), "average": Judgement(**row["average"])})
            for row in stored["rows"]
        ]
        return cls(
            probe=Judgement(**stored["probe"]) if stored["probe"] else None,
            candidates=[(name, Judgement(**judgement)) for name, judgement in stored["candidates"]],
            rows=rows,
            notes=list(stored["notes"]),
            micro=stored["micro"],
            slower=stored["slower"],
            seconds=stored["seconds"],
        )


class NotFiniteError(Exception):
    """The loss was not a number for too many steps."""


class Fit:
    """The state of one fine-tuning: everything that a checkpoint holds.

    Args:
        model: on the device, its head already that of the probe.
        batches: the training batches.
        recipe: how long and how fast.
        judge: scores weights on the validation set.
        normalise: what stands before the model, on the device.
        precision: number format of the forward pass.
        folder: for checkpoints.
        checkpoint_seconds: between two checkpoints.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        recipe: Recipe,
        *,
        judge: Judge,
        normalise: Normalise,
        precision: Precision,
        folder: Path,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        self.model, self.batches, self.recipe = model, batches, recipe
        self.judge, self._normalise, self._precision, self._folder = judge, normalise, precision, folder
        self._checkpoint_seconds = checkpoint_seconds
        self._device = next(model.parameters()).device
        groups = parameter_groups(model, layer_decay=recipe.layer_decay, weight_decay=recipe.weight_decay)
        self._scales = [float(group["lr_scale"]) for group in groups]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=self._device.type == "cuda")
        self.average = ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=True)
        self.step, self.rows, self.notes = 0, [], []
        self.contest = Contest(recipe.monitor)
        self.probe: Judgement | None = None
        self._micro, self._slower, self._saved_at = recipe.batch, 1.0, time.monotonic()
        self._bad, self._seconds = 0, 0.0
        self._sums = torch.zeros(4, device=self._device, dtype=torch.float64)  # loss, hits, gradient norm, steps

    step: int
    rows: list[EpochRow]
    notes: list[str]

    def run(self, *, stop: Stop, progress: Progress, log: Callable[[EpochRow], None]) -> Fitted:
        """Train to the end of the recipe, or until ``stop``: then everything is saved and the signal is passed on."""
        try:
            return self._run(stop, progress, log)
        except StoppedError:
            self.save()
            stop.pass_on()
            raise

    def _run(self, stop: Stop, progress: Progress, log: Callable[[EpochRow], None]) -> Fitted:
        if self.probe is None:
            self.probe = self.judge(self.model, stop)
            self.contest.enter(Candidate(name=PROBE, judgement=self.probe, state=copy_of(self.model)))
            self.save()
        progress.start("fine-tuning", self.recipe.steps)
        progress.advance(self.step)
        while len(self.rows) < self.recipe.epochs and not self._out_of_patience():
            try:
                self._train_epoch(stop, progress)
            except NotFiniteError:
                if not self._fall_back():
                    break
                continue
            row = self._close_epoch(stop)
            log(row)
            progress.advance(0, f"epoch {row.epoch} of {self.recipe.epochs}: val macro-F1 {row.best.macro_f1:.3f}")
        winner = self.contest.best[0]
        soup = self.contest.soup(self.model, lambda model: self.judge(model, stop))
        if soup and self._rank(soup.judgement) > self._rank(winner.judgement):
            winner = soup
        return Fitted(winner=winner, probe=self.probe, rows=tuple(self.rows), notes=tuple(self.notes))

    def _train_epoch(self, stop: Stop, progress: Progress) -> None:
        """Take the steps that are left of the epoch in hand."""
        end = min(self.recipe.steps, (len(self.rows) + 1) * self.recipe.steps_per_epoch)
        learn(self.model)
        while self.step < end:
            stop.check()
            started = time.monotonic()
            self._set_pace()
            torch.manual_seed(step_seed(self.recipe.seed, self.step) % 2**63)  # dropped paths repeat after a resume
            loss, hits = self._gradients(self.batches[self.step])
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
            if torch.isfinite(loss) and torch.isfinite(norm):
                self.optimizer.step()
                self.average.update(self.model, step=self.step)
                self._sums += torch.stack([loss, hits, norm, torch.ones_like(loss)]).double()
                self._bad = 0
            else:
                self._bad += 1
                if self._bad > BAD_STEPS:
                    raise NotFiniteError
            self.step += 1
            self._seconds += time.monotonic() - started
            progress.advance(1)
            if time.monotonic() - self._saved_at > self._checkpoint_seconds:
                self.save()

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

    def _accumulate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        hits = torch.zeros((), device=self._device)
        for start in range(0, len(batch.targets), self._micro):
            part = slice(start, start + self._micro)
            targets = batch.targets[part]
            with torch.autocast(self._device.type, DTYPES[self._precision], enabled=self._precision == "bfloat16"):
                logits = self.model(self._normalise(batch.images[part]))  # (B, K)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.recipe.smoothing, reduction="sum")
            loss = loss / len(batch.targets)
            loss.backward()
            total += loss.detach()
            hits += (logits.argmax(dim=1) == targets).sum() / len(batch.targets)
        return total, hits

    def _set_pace(self) -> None:
        lr = self.recipe.lr * self._slower * pace(self.step, self.recipe)
        for group, scale in zip(self.optimizer.param_groups, self._scales, strict=True):
            group["lr"] = lr * scale

    def _close_epoch(self, stop: Stop) -> EpochRow:
        """Judge the weights and their moving average, and write the line of the epoch."""
        epoch = len(self.rows) + 1
        steps = self.step - (epoch - 1) * self.recipe.steps_per_epoch
        loss, hits, norm, _ = (self._sums / self._sums[3].clamp(min=1)).tolist()
        validation, average = self.judge(self.model, stop), self.judge(self.average.module, stop)
        self.contest.enter(Candidate(name=f"epoch {epoch}", judgement=validation, state=copy_of(self.model)))
        self.contest.enter(
            Candidate(name=f"average at epoch {epoch}", judgement=average, state=copy_of(self.average.module))
        )
        row = EpochRow(
            epoch=epoch,
            step=self.step,
            lr=self.recipe.lr * self._slower * pace(self.step - 1, self.recipe),
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

    def _out_of_patience(self) -> bool:
        if self.recipe.patience is None or len(self.rows) <= self.recipe.patience:
            return False
        ranks = [max(row.validation, row.average, key=self._rank) for row in self.rows]
        best = max(range(len(ranks)), key=lambda index: self._rank(ranks[index]))
        return len(ranks) - 1 - best >= self.recipe.patience

    def _rank(self, judgement: Judgement) -> tuple[float, float]:
        return judgement.rank(self.recipe.monitor)

    def _fall_back(self) -> bool:
        """Take up the last good state with half the learning rate, once; the second time fine-tuning ends."""
        where = f"epoch {self.step // self.recipe.steps_per_epoch + 1}, step {self.step}"
        if self._slower < 1 or not self.resume():
            self.notes.append(
                f"the loss was not a number at {where}, again: fine-tuning stopped, the best so far counts"
            )
            return False
        self._slower, self._bad = 0.5, 0
        self.notes.append(f"the loss was not a number at {where}: went back to step {self.step} at half the rate")
        return True

    def save(self) -> None:
        """Write a checkpoint of everything that the rest of the run depends on."""
        tensors: dict[str, Tensor] = {"sums": self._sums}
        tensors |= {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self.average.module.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": tensor for name, tensor in state.items()}
        for place, candidate in enumerate(self.contest.best):
            tensors |= {f"candidate{place}/{name}": tensor for name, tensor in candidate.state.items()}
        facts = Facts(
            probe=self.probe,
            candidates=[(each.name, each.judgement) for each in self.contest.best],
            rows=self.rows,
            notes=self.notes,
            micro=self._micro,
            slower=self._slower,
            seconds=self._seconds,
        )
        checkpoint.save(self._folder, self.step, tensors, asdict(facts))
        self._saved_at = time.monotonic()

    def resume(self) -> bool:
        """Take up the newest valid checkpoint; return whether there was one."""
        found = checkpoint.newest(self._folder)
        if found is None:
            return False
        facts, tensors = Facts.read(found.facts), found.tensors
        self.model.load_state_dict(_under("model/", tensors))
        self.average.module.load_state_dict(_under("average/", tensors))
        self._load_optimizer(_under("optimizer/", tensors))
        self._sums = tensors["sums"].to(self._device)
        self.step = found.step
        self.probe = facts.probe
        self.rows, self.notes = (
            facts.rows,
            [*facts.notes, *(f"checkpoint {name} was damaged" for name in found.damaged)],
        )
        self._micro, self._slower, self._seconds = facts.micro, facts.slower, facts.seconds
        entered = [
            Candidate(name=name, judgement=judgement, state=_under(f"candidate{place}/", tensors))
            for place, (name, judgement) in enumerate(facts.candidates)
        ]
        self.contest = Contest(self.recipe.monitor, entered)
        return True

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, key = name.split("/")
            state.setdefault(int(number), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
