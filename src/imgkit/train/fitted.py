"""What a fine-tuning tells: the line of each epoch, how it ended, and what its checkpoints know besides tensors."""

from dataclasses import dataclass
from typing import Any

from imgkit.train.contest import Candidate
from imgkit.train.judge import Judgement


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
