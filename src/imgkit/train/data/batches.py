"""Training batches whose every random number depends on the seed and the step alone, so that a run can be resumed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imgkit.train.data.augment import Augmentation, RandomDraws, augment
from imgkit.train.data.mixing import Mix, draw_mix
from imgkit.train.data.pixel_cache import PixelCache
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.finetune.recipe import Recipe

MIXES = 2**33  # added to the seed for how pictures are mixed: other numbers than for the pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pictures (B, 3, S, S), 0 to 1, and their label numbers (B,), both on the device.

    They are this process's share of a batch: those from ``start`` on of ``whole``. Where pictures are mixed, ``others``
    are the label numbers (B,) of what was mixed in, and ``share`` is what ``targets`` have of each picture, 0 to 1.
    """

    images: Tensor
    targets: Tensor
    start: int
    whole: int
    others: Tensor | None = None
    share: float = 1.0

    def cut(self, part: slice) -> "Batch":
        """Return some of its pictures."""
        others = None if self.others is None else self.others[part]
        start = self.start + (part.start or 0)
        return replace(self, images=self.images[part], targets=self.targets[part], start=start, others=others)


class Batches:
    """The batches of a run: batch ``step`` is always the same one for the same seed."""

    def __init__(
        self,
        squares: PixelCache,
        targets: Sequence[int],
        *,
        recipe: Recipe,
        augmentation: Augmentation | None,
        device: torch.device,
        processes: ProcessGroup | None = None,
    ) -> None:
        self._processes = processes or ProcessGroup()
        self._squares, self._recipe, self._device = squares, recipe, device
        self._targets = torch.tensor(targets, dtype=torch.int64)
        self._augmentation = augmentation
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Batch:
        """Return this process's share of batch ``step``, counted from 0."""
        epoch, place = divmod(step, self._recipe.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        order = self._order[place * self._recipe.batch : (place + 1) * self._recipe.batch]
        whole, part = len(order), self._processes.share(len(order))
        images = self._pictures(order, part, step)
        batch = Batch(images=images, targets=self._labels(order[part]), start=part.start, whole=whole)
        mix = self._mix(step, images.shape[-1])
        if mix is None:
            return batch
        mirror = slice(whole - part.stop, whole - part.start)  # each picture is mixed with the one as far from the end
        others = images if mirror == part else self._pictures(order, mirror, step)
        return replace(
            batch, images=mix(images, others.flip(0)), others=self._labels(order[mirror]).flip(0), share=mix.share
        )

    def _pictures(self, order: Tensor, part: slice, step: int) -> Tensor:
        """Return the pictures of a part of a batch, varied as they are whatever the part."""
        pixels, sizes = self._squares.batch(order[part], self._device)
        if self._augmentation is None:
            return pixels.float() / 255
        augmentation = replace(self._augmentation, size=self._recipe.size(step) or self._augmentation.size)
        return augment(pixels, sizes, augmentation, RandomDraws(generator(self._recipe.seed, step), len(order), part))

    def _labels(self, indices: Tensor) -> Tensor:
        return self._targets[indices].to(self._device, non_blocking=True)

    def _mix(self, step: int, size: int) -> Mix | None:
        if step >= self._recipe.mixed_steps:
            return None
        seed = step_seed(MIXES + self._recipe.seed, step)
        return draw_mix(seed, mixup=self._recipe.mixup, cutmix=self._recipe.cutmix, size=size)

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
