"""Several processes, started by ``torchrun``, that train one model as one process would.

The first one leads: it alone reads the data folder, decides, writes and prints. The others help with the steps of
fine-tuning and with judging; what they need to know is sent to them. Outside of ``torchrun`` one process is the team.
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

from imgkit.train.interrupt import Stop
from imgkit.train.metrics import Floats

LONGEST_WAIT: Final = timedelta(days=7)  # the others wait while the leader embeds a large set
GRACE_SECONDS: Final = 5.0  # for the others to answer on a GPU, after this process was asked to stop
POLL_SECONDS: Final = 0.0002
BUCKET: Final = 2**24  # numbers that are added up at once
VARIABLES: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class LostError(Exception):
    """Another process of the team has ended, or cannot be reached."""


class Team:
    """The processes that train together. All of them must call the same methods in the same order.

    Args:
        rank: of this process, from 0; 0 leads.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self.waiting = size > 1  # the others have not been told yet what to do
        self._lost = False

    @property
    def leads(self) -> bool:
        """Whether this process decides, writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of ``count`` things are this process's; the shares differ by one at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def add(self, tensors: Sequence[Tensor], stop: Stop) -> None:
        """Replace each tensor by its sum over the team. They are float32 and on one device.

        Raises:
            LostError: another process has ended; on a GPU that is known only once ``torchrun`` tells us to ``stop``.
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

    def gather(self, own: Floats, count: int) -> Floats:
        """Return the (``count``, K) rows of which each process has its share."""
        if self.size == 1:
            return own
        whole = torch.zeros(count, own.shape[1], dtype=torch.float64)
        whole[self.share(count)] = torch.from_numpy(own)
        self._wait(dist.all_reduce(whole, async_op=True))
        return whole.numpy()

    def any(self, said: bool) -> bool:
        """Return whether any process says yes."""
        if self.size == 1:
            return said
        votes = torch.tensor([float(said)])
        self._wait(dist.all_reduce(votes, async_op=True))
        return bool(votes > 0)

    def tell(self, value: Any = None) -> Any:  # noqa: ANN401  (JSON)
        """Return what the leader says, a value that JSON can hold."""
        if self.size == 1:
            return value
        said = self._tell_bytes(json.dumps(value).encode() if self.leads else b"")
        return value if self.leads else json.loads(said)

    def tell_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the leader's tensors, on the CPU where this process is another one."""
        if self.size == 1:
            return dict(tensors)
        data = b""
        if self.leads:
            data = safetensors.torch.save({name: each.detach().cpu().contiguous() for name, each in tensors.items()})
        said = self._tell_bytes(data)
        return dict(tensors) if self.leads else safetensors.torch.load(said)

    def _tell_bytes(self, data: bytes) -> bytes:
        length = torch.tensor([len(data)])
        self._wait(dist.broadcast(length, src=0, async_op=True))
        buffer = torch.from_numpy(np.frombuffer(data, np.uint8).copy()) if self.leads else None
        buffer = torch.empty(int(length), dtype=torch.uint8) if buffer is None else buffer
        self._wait(dist.broadcast(buffer, src=0, async_op=True))
        return data if self.leads else buffer.numpy().tobytes()

    def _wait(self, work: Any) -> None:  # noqa: ANN401  (torch.distributed.Work is not typed)
        try:
            work.wait()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of gloo and of NCCL alike
            self._lost = True
            raise LostError(str(error)) from error

    def _watch(self, work: Any, stop: Stop) -> None:  # noqa: ANN401  (torch.distributed.Work is not typed)
        """Wait where waiting itself could not be interrupted."""
        asked = 0.0
        while not work.is_completed():
            if stop:
                asked = asked or time.monotonic()
                if time.monotonic() - asked > GRACE_SECONDS:
                    self._lost = True
                    raise LostError("no answer")
            time.sleep(POLL_SECONDS)

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Let this process work inside the block as if it were alone, while the others wait."""
        size, self.size = self.size, 1
        try:
            yield
        finally:
            self.size = size

    def leave(self) -> None:
        """End the team; the leader goes on alone."""
        if self.size == 1 or self._lost:
            return
        with contextlib.suppress(LostError, RuntimeError):
            self.any(False)  # nobody closes a connection that another one still reads from
            dist.destroy_process_group()
        self.size = 1


def helps(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether ``torchrun`` started this process to help another one, which leads."""
    return all(name in environ for name in VARIABLES) and environ["RANK"] != "0"


def speaks(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is the one that speaks when the one that leads may have ended."""
    return environ.get("RANK") == "1"


@contextlib.contextmanager
def joined(environ: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """Join the team that ``torchrun`` started this process in; a team of one where it did not.

    On the way out the leader sends home those that still wait to be told what to do.
    """
    team = _join(environ) if all(name in environ for name in VARIABLES) else Team()
    try:
        yield team
    finally:
        if team.leads and team.waiting:
            with contextlib.suppress(LostError):
                team.tell()
        team.leave()


def _join(environ: Mapping[str, str]) -> Team:
    rank, size = int(environ["RANK"]), int(environ["WORLD_SIZE"])
    if size == 1:
        return Team()
    here, local = int(environ["LOCAL_WORLD_SIZE"]), int(environ["LOCAL_RANK"])
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(local % gpus)
    if here == size and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one machine: nothing is sent or heard outside of it
    backend = "cpu:gloo,cuda:nccl" if gpus >= here and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    return Team(rank, size)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(each.numel() for each in bucket) + tensor.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
