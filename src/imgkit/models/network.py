"""The network that is fine-tuned: a backbone with a new head that starts as the probe, and its parameter groups."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imgkit.errors import UsageError
from imgkit.vision.features import torchvision_ops
from imgkit.vision.features.weights import LoadedModel, build_model
from imgkit.vision.preparing import Preprocessing

torchvision_ops.ensure()
from timm.optim import param_groups_layer_decay  # noqa: E402  (needs the line above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear layer on the features: logits = weight · features + bias. ``weight`` is (K, D), ``bias`` (K,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCounts:
    """How many parameters a model has and how many of them are trainable."""

    trainable: int
    total: int

    def __str__(self) -> str:
        share = self.trainable / self.total
        return f"{self.trainable / 1e6:.1f} of {self.total / 1e6:.1f} M parameters learn ({share:.0%})"


def with_head(
    name: str, head: Head, *, weights: str = "auto", size: int | None = None, drop_path: float = 0.0
) -> LoadedModel:
    """Build a backbone with pretrained weights and ``head`` on it, so that its first outputs are those of the probe.

    ``size`` is the side of its input in pixels, None that of its weights.

    Raises:
        UsageError: the model has no linear head of that width, or its weights are not available.

    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution".
    """
    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        loaded = build_model(name, weights=weights, num_classes=len(head.bias), size=size, **options)
    except TypeError:  # not every architecture knows stochastic depth
        loaded = build_model(name, weights=weights, num_classes=len(head.bias), size=size)
    set_head(loaded.model, head)
    return loaded


def set_head(model: nn.Module, head: Head) -> None:
    """Copy ``head`` into the model's own last layer."""
    layer = linear_layer(model)
    if layer.weight.shape != head.weight.shape:
        raise UsageError(
            f"the head of this backbone has shape {tuple(layer.weight.shape)}, the probe's {head.weight.shape}. "
            "Nothing was changed. Choose another backbone."
        )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))


def set_training_mode(model: nn.Module) -> None:
    """Set training mode with frozen batch-normalisation statistics.

    The probe that became the head was fitted on features of those statistics; with those of one batch the same network
    gets 59 instead of 100 % of its own training pictures right (lite0, 128 pictures of 10 monkey species, batch 32).
    """
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def divide_by_temperature(head: Head, temperature: float) -> Head:
    """Return the head whose logits are those of ``head`` divided by ``temperature``."""
    return Head(weight=head.weight / np.float32(temperature), bias=head.bias / np.float32(temperature))


def head_of(model: nn.Module) -> Head:
    """Return a copy of the model's last layer."""
    layer = linear_layer(model)
    return Head(
        weight=layer.weight.detach().float().cpu().numpy().copy(), bias=layer.bias.detach().float().cpu().numpy().copy()
    )


def linear_layer(model: nn.Module) -> nn.Linear:
    """Return the model's last layer.

    Raises:
        UsageError: it is not one linear layer with a bias.
    """
    layer = cast(Callable[[], nn.Module], model.get_classifier)()
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        raise UsageError(
            "this backbone does not end in one linear layer, so a probe cannot become its head. Nothing was changed. "
            "Choose another backbone, for instance tf_efficientnet_lite0."
        )
    return layer


def parameter_counts(model: nn.Module) -> ParameterCounts:
    """Count all parameters and the trainable ones."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return ParameterCounts(
        trainable=sum(count for count, learns in counts if learns), total=sum(count for count, _ in counts)
    )


def parameter_groups(model: nn.Module, *, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return optimiser groups: the learning rate of each layer is ``layer_decay`` times that of the layer above it.

    Weight decay is for matrices and kernels only. Each group carries ``lr_scale``.

    Source: Bao et al. 2022, "BEiT", appendix; in timm as ``param_groups_layer_decay``.
    """
    groups: list[dict[str, Any]] = param_groups_layer_decay(model, weight_decay=weight_decay, layer_decay=layer_decay)
    return groups


class Normalise(nn.Module):
    """Normalise (B, 3, S, S), uint8 or float in 0 to 1, by the mean and standard deviation of the backbone."""

    mean: Tensor
    std: Tensor

    def __init__(self, form: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(form.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(form.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 3, S, S) float32."""
        if images.dtype == torch.uint8:
            images = images.float() / 255
        return (images - self.mean) / self.std
