"""Fold batch normalisation into the convolutions before it: the same numbers with fewer passes over memory."""

import copy
from itertools import pairwise
from typing import Final, TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)

_TOLERANCE: Final = 1e-3  # of the largest feature; float32 rounding gives 1e-6, a wrong pair gives 1


def fold_batch_norms(model: M, example: torch.Tensor) -> M:
    """Return an equal float32 model without batch normalisation, or ``model`` itself where folding would change it.

    A convolution and the normalisation that its module defines next are taken to follow each other; whether that is so
    is seen from the outcome for ``example``, a (N, 3, S, S) batch.
    """
    folded = copy.deepcopy(model)
    if not sum(_fold_children(module) for module in folded.modules()):
        return model
    with torch.inference_mode():
        before, after = (_features(each, example) for each in (model, folded))
    same = (before - after).abs().max() <= _TOLERANCE * before.abs().max()
    return folded if bool(same) else model


def _features(model: nn.Module, example: torch.Tensor) -> torch.Tensor:
    features: torch.Tensor = model.forward_features(example)  # type: ignore[operator]  # timm's, not torch's
    return features


def _fold_children(module: nn.Module) -> int:
    count = 0
    for (name, first), (following, second) in pairwise(list(module.named_children())):
        if not isinstance(first, nn.Conv2d) or not isinstance(second, nn.BatchNorm2d):
            continue
        if first.out_channels != second.num_features or not second.track_running_stats:
            continue
        setattr(module, name, fuse_conv_bn_eval(first, second))
        # timm's normalisation layers carry their activation along
        setattr(module, following, nn.Sequential(*(child for _, child in second.named_children())))
        count += 1
    return count
