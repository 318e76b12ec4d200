"""One trial of a search for settings: what was tried, and how good it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgkit.train.finetune.validator import ValidationScore

NLL_WEIGHT: Final = 1e-3  # the loss decides between settings that name the same pictures right


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial: its settings, how far it came and its best judgement. ``state`` is complete, pruned or failed."""

    number: int
    state: str
    settings: dict[str, Any]
    steps: int
    seconds: float
    winner: str
    judgement: ValidationScore | None


def value_of(judgement: ValidationScore) -> float:
    """Return what is searched for: the macro-F1, and at the same one the lower loss."""
    return judgement.macro_f1 - NLL_WEIGHT * min(judgement.nll, 10.0)


def in_words(attempt: Trial) -> str:
    """Return a trial on one line."""
    values = attempt.settings
    judged = attempt.judgement
    score = f"macro-F1 {100 * judged.macro_f1:.1f}, loss {judged.nll:.3f} ({attempt.winner})" if judged else "nothing"
    return (
        f"trial {attempt.number} {attempt.state}: {score} · {values['backbone']} {values['size']} px, rate "
        f"{values['lr']:.1e}, ×{values['layer_decay']:.2f} a layer, decay {values['weight_decay']:.0e}, crops from "
        f"{values['crop_area']:.2f}, {values['recipe']} · {attempt.steps} steps in {attempt.seconds:.0f} s"
    )


def best_of(attempts: Sequence[Trial]) -> Trial | None:
    """Return the one with the best judgement, the first of equals."""
    judged = [(value_of(each.judgement), -each.number, each) for each in attempts if each.judgement]
    return max(judged)[2] if judged else None
