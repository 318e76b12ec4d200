"""Leave out residual branches while training, by picture: which ones does not depend on how a batch is cut into parts.

A network that draws while it computes gets other random numbers when a batch is computed in two halves, because memory
ran out or because two processes share it.
"""

import torch
from torch import Tensor, nn

from imgkit.vision.features import torchvision_ops

torchvision_ops.ensure()
from timm.layers.drop import DropPath  # noqa: E402  (needs the line above)


class DropByPicture(DropPath):  # type: ignore[misc]  # timm is not typed
    """A residual branch, scaled for each picture by 0 or by what keeps its mean."""

    scales: Tensor | None = None

    def forward(self, branch: Tensor) -> Tensor:
        """Return the branch of pictures (B, ...); as timm does it where ``scales`` are those of other pictures."""
        if not self.training or self.scales is None or len(self.scales) != len(branch):
            kept: Tensor = super().forward(branch)
            return kept
        return branch * self.scales.view(-1, *[1] * (branch.ndim - 1)).to(branch.dtype)


class DropPaths:
    """All branches of a model that may be left out; replaces timm's own.

    Args:
        model: is changed: its ``DropPath`` layers are replaced. They hold no weights.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers: list[DropByPicture] = []
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, DropPath) and layer.drop_prob:
                    replaced = DropByPicture(layer.drop_prob, layer.scale_by_keep)
                    setattr(parent, name, replaced)
                    self._layers.append(replaced)
        self._scales = torch.empty(len(self._layers), 0)

    def draw(self, random: torch.Generator, whole: int, device: torch.device) -> None:
        """Draw for a batch of ``whole`` pictures; ``random`` is on the CPU."""
        keep = torch.tensor([1 - layer.drop_prob for layer in self._layers]).view(-1, 1)
        kept = (torch.rand(len(self._layers), whole, generator=random) < keep).float()
        self._scales = (kept / keep).to(device, non_blocking=True)

    def show(self, start: int, count: int) -> None:
        """Say which pictures of the batch are computed next."""
        for layer, scales in zip(self._layers, self._scales, strict=True):
            layer.scales = scales[start : start + count]
