"""Step the weights of a model on finite gradients only, without waiting for the device."""

import torch
from torch import Tensor, nn

from imgkit.models.network import parameter_groups
from imgkit.vision.features.device import Precision

LARGEST_GRADIENT = 1.0  # norm to which gradients are clipped
FIRST_SCALE, GROWTH_STEPS = 2.0**16, 2000  # of losses in float16, as in Micikevicius et al. 2018
STATE = "optimizer/"


class Optimiser:
    """AdamW with a rate for each layer, clipped gradients, and losses scaled where the numbers are float16.

    Args:
        model: on its device.
        layer_decay: how much slower each layer learns than the one above.
        weight_decay: of matrices and kernels.
        precision: of the forward pass.
    """

    def __init__(self, model: nn.Module, *, layer_decay: float, weight_decay: float, precision: Precision) -> None:
        groups = parameter_groups(model, layer_decay=layer_decay, weight_decay=weight_decay)
        self._model, self._scales = model, [float(group["lr_scale"]) for group in groups]
        self._device = next(model.parameters()).device
        self._fused = self._device.type in ("cpu", "cuda")
        self._adam = torch.optim.AdamW(groups, fused=self._fused)
        self._scaled = precision == "float16"
        # of the loss, steps since it changed, steps without a finite loss in a row
        self._scale = torch.tensor([FIRST_SCALE if self._scaled else 1.0, 0.0, 0.0], device=self._device)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the last layer, and those below with it."""
        for group, scale in zip(self._adam.param_groups, self._scales, strict=True):
            group["lr"] = rate * scale

    def clear(self) -> None:
        """Forget the gradients."""
        self._adam.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss`` to those that are there."""
        (loss * self._scale[0] if self._scaled else loss).backward()

    def step(self, loss: Tensor) -> tuple[Tensor, Tensor]:
        """Change the weights, where ``loss`` and gradients are finite; return the norm of the gradients, and whether.

        Both are tensors on the device: nothing waits for them.
        """
        gradients = [each.grad for each in self._model.parameters() if each.grad is not None]
        if self._scaled:
            torch._foreach_mul_(gradients, 1 / self._scale[0])
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), LARGEST_GRADIENT)
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        if self._fused:  # the kernels themselves leave the weights alone
            self._adam.found_inf, self._adam.grad_scale = 1 - finite.float(), None  # type: ignore[attr-defined]
            self._adam.step()
        elif bool(finite):
            self._adam.step()
        self._count(finite)
        return norm, finite

    def _count(self, finite: Tensor) -> None:
        scale, calm, bad = self._scale.unbind()
        calm, bad = torch.where(finite, calm + 1, 0), torch.where(finite, 0, bad + 1)
        if self._scaled:
            grown = calm >= GROWTH_STEPS
            scale = torch.where(finite, torch.where(grown, scale * 2, scale), scale / 2)
            calm = torch.where(grown, 0, calm)
        self._scale = torch.stack([scale, calm, bad])

    def bad_steps(self) -> int:
        """Return how many of the last steps, in a row, had no finite loss; waits for the device."""
        return int(self._scale[2])

    def forget(self) -> None:
        """Begin anew: no momentum, no gradients, no bad steps."""
        self._adam.state.clear()
        self.clear()
        self._scale[2] = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by name."""
        tensors: dict[str, Tensor] = {f"{STATE}scale": self._scale}
        for number, state in self._adam.state_dict()["state"].items():
            tensors |= {f"{STATE}{number}/{name}": tensor for name, tensor in state.items()}
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up what ``tensors`` returned; the bad steps are forgotten."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(STATE) and name != f"{STATE}scale":
                number, key = name.removeprefix(STATE).split("/")
                state.setdefault(int(number), {})[key] = tensor
        self._adam.load_state_dict({**self._adam.state_dict(), "state": state})
        for weights, stored in self._adam.state.items():
            for key, tensor in stored.items():
                if tensor.shape == weights.shape:  # the fused kernel goes through both as they lie in memory
                    stored[key] = torch.empty_like(weights, dtype=tensor.dtype).copy_(tensor)
        self._scale = tensors[f"{STATE}scale"].to(self._device)
        self._scale[2] = 0.0
