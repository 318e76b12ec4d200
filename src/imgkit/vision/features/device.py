"""Choose where a model runs, in which number format, and with how many threads."""

import ctypes
from typing import Final, Literal

import torch

from imgkit.cores import cpu_count
from imgkit.errors import UsageError

Precision = Literal["float32", "bfloat16", "float16"]
DTYPES: Final[dict[Precision, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_AMPERE, _VOLTA = (8, 0), (7, 0)


def choose_device(wanted: str = "auto") -> torch.device:
    """Return the device called ``wanted``: ``auto`` (a GPU, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises:
        UsageError: there is no such device here.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device {wanted!r} cannot be used here: {str(error).splitlines()[0]}. Nothing was changed. "
            "Use --device auto or --device cpu.",
            code="device.missing",
        ) from error
    return device


def choose_precision(device: torch.device) -> Precision:
    """Return the fastest number format in which features keep their accuracy on ``device``.

    bfloat16 where the hardware multiplies it, float16 on GPUs of 2017 to 2019, else float32.
    """
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability >= _AMPERE:
            return "bfloat16"
        return "float16" if capability >= _VOLTA else "float32"
    if device.type == "cpu" and cpu_multiplies_bfloat16():
        return "bfloat16"
    return "float32"


def cpu_multiplies_bfloat16() -> bool:
    """Return whether this CPU has instructions for products of bfloat16 (AVX-512 BF16 or AMX)."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(probe()) for name in probes if (probe := getattr(torch.cpu, name, None)) is not None)


def limit_threads() -> None:
    """Let torch use no more threads than there are CPUs for this process: in a container it counts the machine's."""
    if torch.get_num_threads() > cpu_count():
        torch.set_num_threads(cpu_count())


def keep_freed_memory() -> bool:
    """Let the C library keep what this process frees, for a process that does nothing but ask a network.

    glibc gives blocks of more than 32 MiB back to the system at once, and the system clears them anew for the next
    layer: in float32 that is a quarter of the time of a pass. The peak of memory then stays with the process.

    Returns:
        Whether the C library could be told; only glibc can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return False
    wanted = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1))
    return [mallopt(option, value) for option, value in wanted] == [1, 1, 1]
