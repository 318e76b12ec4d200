"""Records of fine-tuning: one row for each epoch, the result, and the metadata of a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imgkit.train.config import Monitor
from imgkit.train.finetune.model_selection import CandidateWeights
from imgkit.train.finetune.validator import ValidationScore


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One line of the log. Losses are in nats; ``average`` is the judgement of the moving average of the weights."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    validation: ValidationScore
    average: ValidationScore
    seconds: float
    images_per_second: float
    gradient_norm: float

    @property
    def best(self) -> ValidationScore:
        """The better one of the weights and their average, by macro-F1."""
        return max(self.validation, self.average, key=lambda each: each.rank("macro-f1"))

    def rank(self, monitor: Monitor) -> tuple[float, float]:
        """Return what epochs are compared by: the better rank of the weights and their average. High is good."""
        return max(self.validation.rank(monitor), self.average.rank(monitor))

    def line(self, epochs: int, *, best: bool) -> str:
        """Return the epoch, of ``epochs``, in one line; ``best`` marks the best one so far."""
        return (
            f"epoch   {self.epoch:>{len(str(epochs))}}/{epochs} · train loss {self.train_loss:.3f}, "
            f"{100 * self.train_accuracy:.1f} % right · val loss {self.best.nll:.3f}, {100 * self.best.accuracy:.1f} % "
            f"right, macro-F1 {100 * self.best.macro_f1:.1f} · rate {self.lr:.1e} · {self.images_per_second:.0f} "
            f"pictures/s{' · best' if best else ''}"
        )


def is_best(rows: Sequence[EpochRow], probe: ValidationScore, monitor: Monitor) -> bool:
    """Return whether the last of ``rows`` is better than the probe and every epoch before it."""
    before = [probe.rank(monitor), *(row.rank(monitor) for row in rows[:-1])]
    return rows[-1].rank(monitor) > max(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHistory:
    """What fine-tuning gave: the winner, the judgement of the probe that it started from, the log, and warnings."""

    winner: CandidateWeights
    probe: ValidationScore
    rows: tuple[EpochRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The metadata of a checkpoint besides its tensors."""

    probe: ValidationScore | None
    candidates: list[tuple[str, ValidationScore]]
    rows: list[EpochRow]
    notes: list[str]
    micro: int
    slower: float
    seconds: float

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "Facts":
        """Return the facts that ``asdict`` turned into JSON."""
        rows = [
            EpochRow(
                **{
                    **row,
                    "validation": ValidationScore(**row["validation"]),
                    "average": ValidationScore(**row["average"]),
                }
            )
            for row in stored["rows"]
        ]
        return cls(
            probe=ValidationScore(**stored["probe"]) if stored["probe"] else None,
            candidates=[(name, ValidationScore(**judgement)) for name, judgement in stored["candidates"]],
            rows=rows,
            notes=list(stored["notes"]),
            micro=stored["micro"],
            slower=stored["slower"],
            seconds=stored["seconds"],
        )
