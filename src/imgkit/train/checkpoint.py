"""Save the state of a training run so that a crash at any moment leaves a checkpoint that can be trusted.

A checkpoint is a safetensors file and, written after it, a JSON file with its SHA-256: without a matching pair it does
not count. Nothing is ever unpickled.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from imgkit.files import write_atomically, write_text

KEPT = 2  # checkpoints; the older one is for the case that the newer one is damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read back and found whole. ``damaged`` names newer ones that were not."""

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    damaged: tuple[str, ...] = ()


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write the checkpoint of ``step`` and remove all but the newest two.

    Args:
        folder: holds the checkpoints of one run.
        step: optimiser steps done.
        tensors: the state, any device.
        facts: JSON-ready values kept beside it.

    Raises:
        ResourceError: disk full or not writable; the older checkpoints are still there.
    """
    data = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    path = folder / f"step-{step:08d}.safetensors"
    write_atomically(path, data)
    about = {"step": step, "sha256": hashlib.sha256(data).hexdigest(), "facts": dict(facts)}
    write_text(path.with_suffix(".json"), json.dumps(about))
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".safetensors").unlink(missing_ok=True)


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose bytes are those that were written, or None."""
    damaged: list[str] = []
    for path in _newest_first(folder):
        try:
            about = json.loads(path.read_text("utf-8"))
            data = path.with_suffix(".safetensors").read_bytes()
            if hashlib.sha256(data).hexdigest() != about["sha256"]:
                raise ValueError("the bytes are not those that were written")
            return Checkpoint(
                step=about["step"],
                tensors=safetensors.torch.load(data),
                facts=about["facts"],
                damaged=tuple(damaged),
            )
        except (OSError, ValueError, KeyError, TypeError):
            damaged.append(path.stem)
    return None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    for path in [*folder.glob("step-*.json"), *folder.glob("step-*.safetensors")]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or somebody put something else into it
        folder.rmdir()


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"), reverse=True)
