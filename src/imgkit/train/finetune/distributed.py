"""Several processes, started by ``torchrun``, that train one model as one process would.

Rank 0 alone reads the data folder, decides, writes and prints. The workers (all other ranks) compute their share of the
steps of fine-tuning and of the validation; rank 0 broadcasts what they need. Without ``torchrun`` the group has size 1.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from imgkit.arrays import Float64Array
from imgkit.signals import StopFlag

LONGEST_WAIT: Final = timedelta(days=7)  # of one collective call: the workers wait while rank 0 embeds a large set
GRACE_SECONDS: Final = 5.0  # that an all-reduce on a GPU may still take after this process was asked to stop
POLL_SECONDS: Final = 0.0002
BUCKET: Final = 2**24  # float32 values in one all-reduce
VARIABLES: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class ProcessLostError(Exception):
    """Another process of the group has ended, or cannot be reached."""


class ProcessGroup:
    """The processes that train together. All of them must call the same methods in the same order.

    Args:
        rank: of this process, from 0.
        size: number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self.workers_wait = size > 1  # rank 0 has not sent the workers their task yet
        self._lost = False

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process is the one that decides, writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return the slice of ``count`` items of this process; their lengths differ by one at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def all_reduce(self, tensors: Sequence[Tensor], stop: StopFlag) -> None:
        """Replace each tensor by its sum over all processes. The tensors are float32 and on one device.

        Raises:
            ProcessLostError: another process has ended; on a GPU noticed only after ``torchrun`` asked to ``stop``.
        """
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            work = dist.all_reduce(flat, async_op=True)
            if flat.is_cuda:
                self._watch(work, stop)
            self._wait(work)
            for tensor, values in zip(bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True):
                tensor.copy_(values.view_as(tensor))

    def all_gather(self, own: Float64Array, count: int) -> Float64Array:
        """Return all (``count``, K) rows, float64, of which ``own`` are those of this process."""
        if self.size == 1:
            return own
        whole = torch.zeros(count, own.shape[1], dtype=torch.float64)
        whole[self.share(count)] = torch.from_numpy(own)
        self._wait(dist.all_reduce(whole, async_op=True))
        return whole.numpy()

    def any_process(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process."""
        if self.size == 1:
            return flag
        votes = torch.tensor([float(flag)])
        self._wait(dist.all_reduce(votes, async_op=True))
        return bool(votes > 0)

    def broadcast(self, value: Any = None) -> Any:  # noqa: ANN401  (JSON)
        """Return the ``value`` of rank 0, which JSON can hold; that of other processes is ignored."""
        if self.size == 1:
            return value
        received = self._broadcast_bytes(json.dumps(value).encode() if self.is_rank_zero else b"")
        return value if self.is_rank_zero else json.loads(received)

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of rank 0, on the CPU in every other process."""
        if self.size == 1:
            return dict(tensors)
        data = b""
        if self.is_rank_zero:
            data = safetensors.torch.save({name: each.detach().cpu().contiguous() for name, each in tensors.items()})
        received = self._broadcast_bytes(data)
        return dict(tensors) if self.is_rank_zero else safetensors.torch.load(received)

    def _broadcast_bytes(self, data: bytes) -> bytes:
        length = torch.tensor([len(data)])
        self._wait(dist.broadcast(length, src=0, async_op=True))
        buffer = torch.from_numpy(np.frombuffer(data, np.uint8).copy()) if self.is_rank_zero else None
        buffer = torch.empty(int(length), dtype=torch.uint8) if buffer is None else buffer
        self._wait(dist.broadcast(buffer, src=0, async_op=True))
        return data if self.is_rank_zero else buffer.numpy().tobytes()

    def _wait(self, work: Any) -> None:  # noqa: ANN401  (torch.distributed.Work is not typed)
        try:
            work.wait()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of gloo and of NCCL alike
            self._lost = True
            raise ProcessLostError(str(error)) from error

    def _watch(self, work: Any, stop: StopFlag) -> None:  # noqa: ANN401  (torch.distributed.Work is not typed)
        """Poll until ``work`` is done: on a GPU ``work.wait()`` could not be interrupted."""
        asked = 0.0
        while not work.is_completed():
            if stop:
                asked = asked or time.monotonic()
                if time.monotonic() - asked > GRACE_SECONDS:
                    self._lost = True
                    raise ProcessLostError("no answer")
            time.sleep(POLL_SECONDS)

    @contextlib.contextmanager
    def single_process(self) -> Iterator[None]:
        """Make collective calls inside the block local to this process, while the others wait."""
        size, self.size = self.size, 1
        try:
            yield
        finally:
            self.size = size

    def close(self) -> None:
        """Destroy the process group; rank 0 goes on alone."""
        if self.size == 1 or self._lost:
            return
        with contextlib.suppress(ProcessLostError, RuntimeError):
            self.any_process(False)  # a barrier: no process closes a connection that another one still reads from
            dist.destroy_process_group()
        self.size = 1


def is_worker(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether ``torchrun`` started this process with a rank other than 0."""
    return all(name in environ for name in VARIABLES) and environ["RANK"] != "0"


def is_first_worker(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process has rank 1: it prints the error where rank 0 may have ended."""
    return environ.get("RANK") == "1"


@contextlib.contextmanager
def process_group(environ: Mapping[str, str] = os.environ) -> Iterator[ProcessGroup]:
    """Join the process group of ``torchrun``; one of size 1 where this process was not started by it.

    At the end rank 0 releases workers that still wait for their task.
    """
    processes = _join(environ) if all(name in environ for name in VARIABLES) else ProcessGroup()
    try:
        yield processes
    finally:
        if processes.is_rank_zero and processes.workers_wait:
            with contextlib.suppress(ProcessLostError):
                processes.broadcast()
        processes.close()


def _join(environ: Mapping[str, str]) -> ProcessGroup:
    rank, size = int(environ["RANK"]), int(environ["WORLD_SIZE"])
    if size == 1:
        return ProcessGroup()
    here, local = int(environ["LOCAL_WORLD_SIZE"]), int(environ["LOCAL_RANK"])
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(local % gpus)
    if here == size and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one machine: loopback only
    backend = "cpu:gloo,cuda:nccl" if gpus >= here and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    return ProcessGroup(rank, size)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(each.numel() for each in bucket) + tensor.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
