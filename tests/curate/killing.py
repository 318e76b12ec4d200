"""Kill a curate, or its undo, at each of its steps, and see what the next start makes of it. Run as a program.

    python killing.py DATA curate|undo FIRST STEP [OPERATION]

DATA holds a set A; for ``curate`` a picture came since, so that a curate would make another set B, for ``undo`` B is in
place and A would come back. A step is an operation on files below DATA, as Python announces it to its audit hooks, or
only those called OPERATION. The command is killed with SIGKILL before number FIRST, FIRST + STEP and so on, each in
a copy of DATA, until one survives. Prints one JSON object: for each step the operation and whether A and B came out.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo

OPERATIONS = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "open")


def main(data: Path, command: str, first: int, step: int, operations: tuple[str, ...]) -> None:
    before = tree(data / "curated")
    other = data.with_name("reference")
    shutil.copytree(data, other)
    run(other, command)
    after = tree(other / "curated")
    told, number = [], first
    while True:
        place = data.with_name(f"killed-{number}")
        shutil.copytree(data, place)
        operation = killed_at(place, command, number, operations)
        told.append({"step": number, "operation": operation, **aftermath(place, command, before, after)})
        shutil.rmtree(place)
        if not operation:
            break
        number += step
    sys.stdout.write(json.dumps(told))


def run(data: Path, command: str) -> None:
    config = CurateConfig(data=data, weights="none")
    undo(config) if command == "undo" else curate(config)


def killed_at(data: Path, command: str, number: int, operations: tuple[str, ...]) -> str:
    """Run a command in a process that is killed before its ``number``-th operation; return which that was."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        sys.addaudithook(Killer(data, number, write, operations))
        run(data, command)
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        operation = pipe.read()
    assert bool(operation) == (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL), status
    return operation


class Killer:
    """An audit hook that ends its process before the n-th operation on files below a folder."""

    def __init__(self, root: Path, number: int, pipe: int, operations: tuple[str, ...]) -> None:
        self.root, self.left, self.pipe, self.operations = str(root), number, pipe, operations

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in self.operations or not str(arguments[0]).startswith(self.root):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        if self.left == 0:
            os.write(self.pipe, f"{event} {Path(str(arguments[0])).relative_to(self.root)}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def aftermath(data: Path, command: str, before: dict, after: dict) -> dict[str, bool]:
    """Start again after the kill; return whether the sets before and after come out as they should."""
    config = CurateConfig(data=data, weights="none")
    if command == "curate":
        curate(config)
        finished = same_pictures(tree(data / "curated"), after)
        undo(config)
        back = tree(data / "curated") == before
        undo(config)
        return {"finished": finished and same_pictures(tree(data / "curated"), after), "undone": back}
    # whatever an undo was killed at, the set is one of the two, and undoing leads to the other
    undo(config)
    first = tree(data / "curated")
    undo(config)
    second = tree(data / "curated")
    both = first in (before, after) and second in (before, after) and first != second
    return {"finished": both, "undone": both}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same_pictures(one: dict, two: dict) -> bool:
    """Compare all but what holds the time: the reports and the record with the number of the run."""
    times = {"report.html", "report.json", ".view.json", "croissant.json", "DATACARD.md"}
    return all(one.get(name) == two.get(name) for name in (set(one) | set(two)) - times)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), tuple(sys.argv[5:]) or OPERATIONS)
