"""Save the state of a training run so that a crash at any moment leaves a checkpoint that can be trusted.

A checkpoint is a safetensors file and, written after it, its SHA-256 in a file for ``sha256sum --check``: without
a matching pair it does not count. Nothing is ever unpickled.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from imgkit.files import read_file, write_atomically, write_text

KEPT = 2  # checkpoints; the older one is for the case that the newer one is damaged
STATE, DIGEST = ".safetensors", ".sha256"


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
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(state, metadata={"imgkit": json.dumps({"step": step, "facts": dict(facts)})})
    path = folder / f"step-{step:08d}{STATE}"
    write_atomically(path, data)
    write_text(path.with_suffix(DIGEST), _digest_line(path.name, data))
    for old in _newest_first(folder)[KEPT:]:
        _remove(folder, old)


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose bytes are those that were written, or None.

    Raises:
        ResourceError: one could not be read, so that nobody knows whether it is whole.
    """
    damaged: list[str] = []
    for name in _newest_first(folder):
        path = folder / f"{name}{STATE}"
        try:
            data = read_file(path)
            if read_file(path.with_suffix(DIGEST)) != _digest_line(path.name, data).encode():
                raise ValueError("the bytes are not those that were written")
            about = json.loads(_metadata(data)["imgkit"])
            return Checkpoint(
                step=about["step"],
                tensors=safetensors.torch.load(data),
                facts=about["facts"],
                damaged=tuple(damaged),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError):
            damaged.append(name)
    return None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    for name in _newest_first(folder):
        _remove(folder, name)
    with contextlib.suppress(OSError):  # not there, or somebody put something else into it
        folder.rmdir()


def _digest_line(name: str, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n"


def _metadata(data: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])


def _newest_first(folder: Path) -> list[str]:
    """Return the names of all checkpoints, those of which a part is missing too."""
    return sorted({path.stem for path in folder.glob("step-*") if path.suffix in (STATE, DIGEST)}, reverse=True)


def _remove(folder: Path, name: str) -> None:
    """Remove the digest first: what is left of a removal that was cut short is no checkpoint."""
    for suffix in (DIGEST, STATE):
        (folder / f"{name}{suffix}").unlink(missing_ok=True)
