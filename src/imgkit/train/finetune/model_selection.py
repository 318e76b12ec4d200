"""Choose the final weights on the validation set: the probe, an epoch, the moving average, or a soup of the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imgkit.train.config import Monitor
from imgkit.train.finetune.validator import ValidationScore

WeightsState = dict[str, Tensor]

KEPT = 3  # candidates that stay in memory, and that a soup is made of
PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateWeights:
    """Weights that may become the model; ``state`` is on the CPU."""

    name: str
    judgement: ValidationScore
    state: WeightsState


class ModelSelection:
    """Keeps the best candidates seen so far, best first; of two equal ones the earlier stays ahead."""

    def __init__(self, monitor: Monitor, entered: Sequence[CandidateWeights] = ()) -> None:
        self._monitor = monitor
        self.best: list[CandidateWeights] = []
        for candidate in entered:
            self.enter(candidate)

    def enter(self, candidate: CandidateWeights) -> bool:
        """Add a candidate; return whether it is the best so far."""
        self.best = sorted([*self.best, candidate], key=lambda each: each.judgement.rank(self._monitor), reverse=True)
        self.best = self.best[:KEPT]
        return self.best[0] is candidate

    def soup(self, model: nn.Module, judge: Callable[[nn.Module], ValidationScore]) -> CandidateWeights | None:
        """Average the best candidates greedily, each only if the validation set does not get worse.

        ``model`` is used for judging and left with other weights than before. None where no average is as good.

        Source: Wortsman et al. 2022, "Model soups".
        """
        if len(self.best) < 2:
            return None
        members, taken, best = [self.best[0].state], [self.best[0].name], self.best[0].judgement
        for candidate in self.best[1:]:
            mixed = average([*members, candidate.state])
            model.load_state_dict(mixed)
            judgement = judge(model)
            if judgement.rank(self._monitor) >= best.rank(self._monitor):
                members, taken, best = [*members, candidate.state], [*taken, candidate.name], judgement
        if len(members) == 1:
            return None
        return CandidateWeights(name=f"soup of {', '.join(taken)}", judgement=best, state=average(members))


def average(states: Sequence[Mapping[str, Tensor]]) -> WeightsState:
    """Return the mean of the floating-point tensors; counters are taken from the first state."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if tensor.is_floating_point()
        else tensor.clone()
        for name, tensor in states[0].items()
    }


def copy_of(model: nn.Module) -> WeightsState:
    """Return the model's weights on the CPU, sharing no memory with it."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
