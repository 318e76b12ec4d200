"""Fold batch normalisation and uneven padding into convolutions: the same numbers with fewer passes over memory."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Final, TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imgkit.vision.features import torchvision_ops

torchvision_ops.ensure()
from timm.layers import Conv2dSame  # noqa: E402  (needs the line above)
from timm.layers.padding import get_same_padding  # noqa: E402  (and this)

M = TypeVar("M", bound=nn.Module)

_TOLERANCE: Final = 1e-3  # of the largest feature; float32 rounding gives 1e-6, a wrong pair gives 1


def fold(model: M, example: torch.Tensor) -> M:
    """Return a float32 model that gives the same features of pictures of one size, or ``model`` where none would.

    A convolution and the normalisation that its module defines next are taken to follow each other; whether that is so
    is seen from the outcome.

    Args:
        model: one of timm, in eval mode.
        example: (N, 3, S, S), pictures of the size that the model will see from now on.
    """
    kinds = {type(module) for module in model.modules()}
    changes = [change for kind, change in _CHANGES if any(issubclass(one, kind) for one in kinds)]
    if not changes:
        return model
    with torch.no_grad():
        before = _features(model, example)
        for attempt in (changes, *([change] for change in changes)):
            changed = copy.deepcopy(model)
            for change in attempt:
                change(changed, example)
            difference = (before - _features(changed, example)).abs().max()
            if bool(difference <= _TOLERANCE * before.abs().max()):
                return changed
    return model


def _features(model: nn.Module, example: torch.Tensor) -> torch.Tensor:
    features: torch.Tensor = model.forward_features(example)  # type: ignore[operator]  # timm's, not torch's
    return features


def _without_batch_norms(model: nn.Module, example: torch.Tensor) -> None:
    for module in model.modules():
        _fold_children(module)


def _fold_children(module: nn.Module) -> None:
    for (name, first), (following, second) in pairwise(list(module.named_children())):
        if not isinstance(first, nn.Conv2d) or not isinstance(second, nn.BatchNorm2d):
            continue
        if first.out_channels != second.num_features or not second.track_running_stats:
            continue
        setattr(module, name, fuse_conv_bn_eval(first, second))
        # timm's normalisation layers carry their activation along
        setattr(module, following, nn.Sequential(*(child for _, child in second.named_children())))


def _with_even_padding(model: nn.Module, example: torch.Tensor) -> None:
    """Let convolutions pad by themselves what timm pads for them, as TensorFlow does: more at the right and bottom.

    A row and a column of zeros at the top and left of the kernel make up for the padding that is then even; padding
    apart copies the largest maps of the network.
    """
    sizes: dict[nn.Module, tuple[int, int]] = {}

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes[module] = (inputs[0].shape[-2], inputs[0].shape[-1])

    padded = list(_padded_apart(model))
    with ExitStack() as hooks:
        for _, _, convolution in padded:
            hooks.callback(convolution.register_forward_pre_hook(note).remove)
        _features(model, example)
    for parent, name, convolution in padded:
        if convolution in sizes and convolution.dilation == (1, 1):
            setattr(parent, name, _padding_itself(convolution, sizes[convolution]))


def _padded_apart(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, Conv2dSame):
                yield parent, name, child


def _padding_itself(convolution: nn.Conv2d, size: tuple[int, int]) -> nn.Conv2d:
    """Return an equal convolution for maps of ``size`` (height, width)."""
    more, ends = [], []  # by axis: rows that the kernel gains in front, and padding at both ends
    for side, kernel, stride in zip(size, convolution.kernel_size, convolution.stride, strict=True):
        total = get_same_padding(side, kernel, stride, 1)
        ends.append(total - total // 2)
        more.append(total % 2)
    made = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        (convolution.kernel_size[0] + more[0], convolution.kernel_size[1] + more[1]),
        (convolution.stride[0], convolution.stride[1]),
        (ends[0], ends[1]),
        groups=convolution.groups,
        bias=convolution.bias is not None,
    )
    weight = functional.pad(convolution.weight.detach(), (more[1], 0, more[0], 0))
    made.weight, made.bias = nn.Parameter(weight, requires_grad=False), convolution.bias
    return made


_CHANGES: Final = ((nn.BatchNorm2d, _without_batch_norms), (Conv2dSame, _with_even_padding))
