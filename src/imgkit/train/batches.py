"""Training batches whose every random number depends on the seed and the step alone, so that a run can be resumed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imgkit.train.augment import Augmentation, augment
from imgkit.train.pixels import Squares
from imgkit.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pictures (B, 3, S, S), 0 to 1, and their label numbers (B,), both on the device."""

    images: Tensor
    targets: Tensor


class Batches:
    """The batches of a run: batch ``step`` is always the same one for the same seed."""

    def __init__(
        self,
        squares: Squares,
        targets: Sequence[int],
        *,
        recipe: Recipe,
        augmentation: Augmentation | None,
        device: torch.device,
    ) -> None:
        self._squares, self._recipe, self._device = squares, recipe, device
        self._targets = torch.tensor(targets, dtype=torch.int64)
        self._augmentation = augmentation
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Batch:
        """Return batch ``step``, counted from 0."""
        epoch, place = divmod(step, self._recipe.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        indices = self._order[place * self._recipe.batch : (place + 1) * self._recipe.batch]
        pixels, sizes = self._squares.batch(indices, self._device)
        if self._augmentation is None:
            images = pixels.float() / 255
        else:
            images = augment(pixels, sizes, self._augmentation, generator(self._recipe.seed, step))
        return Batch(images=images, targets=self._targets[indices].to(self._device, non_blocking=True))

    def _shuffled(self, epoch: int) -> Tensor:
        """Each picture once; with lopsided labels, drawn by the inverse square root of the label's count."""
        random = generator(self._recipe.seed, -1 - epoch)
        if not self._recipe.balance:
            return torch.randperm(len(self._targets), generator=random)
        weights = torch.bincount(self._targets).double().rsqrt()[self._targets]
        return torch.multinomial(weights, len(weights), replacement=True, generator=random)


def generator(seed: int, step: int) -> torch.Generator:
    """Return random numbers for one step: equal for equal seed and step, unrelated otherwise."""
    return torch.Generator().manual_seed(step_seed(seed, step))


def step_seed(seed: int, step: int) -> int:
    """Return a 63-bit seed from the seed of the run and a step."""
    mixed = (seed * 0x9E3779B97F4A7C15 + (step + 2**32) * 0xBF58476D1CE4E5B9) % 2**64
    mixed = ((mixed ^ (mixed >> 30)) * 0x94D049BB133111EB) % 2**64
    return (mixed ^ (mixed >> 31)) >> 1
