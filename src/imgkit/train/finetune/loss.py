"""The loss of fine-tuning: cross-entropy with label smoothing, logit adjustment, and mixed targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imgkit.train.data.batches import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Cross-entropy with ``smoothing``, 0 to 1.

    ``prior`` (K,) is added to the logits while training, so that the logits without it treat all labels alike however
    lopsided the training pictures are; None adds nothing.

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment".
    """

    smoothing: float
    prior: Tensor | None = None

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the sum of the losses (nats) of (B, K) logits."""
        adjusted = logits.float() if self.prior is None else logits.float() + self.prior
        whole = F.cross_entropy(adjusted, batch.targets, label_smoothing=self.smoothing, reduction="sum")
        if batch.others is None:
            return whole
        other = F.cross_entropy(adjusted, batch.others, label_smoothing=self.smoothing, reduction="sum")
        return batch.share * whole + (1 - batch.share) * other

    def hits(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return how many pictures get their label; a mixed one counts by its shares."""
        named = logits.argmax(dim=1)
        hits = (named == batch.targets).sum()
        if batch.others is None:
            return hits
        return batch.share * hits + (1 - batch.share) * (named == batch.others).sum()


def log_prior(targets: Sequence[int], labels: int) -> Tensor:
    """Return the (labels,) logarithms of the share of each label among ``targets``."""
    counts = torch.bincount(torch.tensor(targets), minlength=labels).double()
    return (counts / counts.sum()).clamp(min=1e-12).log().float()
