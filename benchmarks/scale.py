"""Measure what imgkit does when there is much of it: a million pictures, two nodes, two training processes.

    python benchmarks/scale.py [NAME ...] [--size 1.0] [--folder FOLDER]

Without names everything is measured; ``--list`` prints the names. Each measurement runs in a process of its own, so
that its peak memory is its own, with the children that it starts counted beside it. ``--size 0.1`` measures a tenth of
everything; only figures of size 1 are compared with their bars. ``--folder`` keeps what is made for measuring.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. ``bar`` is the most (or, with ``at_least``, the least) that ``value`` may be."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Whether the figure clears its bar."""
        if self.bar is None:
            return ""
        cleared = self.value >= self.bar if self.at_least else self.value <= self.bar
        return f"{'at least' if self.at_least else 'at most'} {self.bar:g} {self.unit}: {'yes' if cleared else 'NO'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where to measure: a folder that may be used again, and the share of the full size."""

    folder: Path
    size: float

    def of(self, count: int) -> int:
        """Return ``count`` at this size."""
        return max(1, round(count * self.size))


Measure = Callable[[Setting], Iterator[Figure]]

MEASUREMENTS: dict[str, str] = {
    "hashes": "scale_curate:hashes",
    "neighbours": "scale_curate:neighbours",
    "manifest": "scale_manifest:manifest",
    "review": "scale_manifest:review",
    "pictures": "scale_manifest:pictures",
    "torchrun": "scale_torchrun:torchrun",
    "cluster-curate": "scale_cluster:cluster_curate",
    "cluster-harvest": "scale_cluster:cluster_harvest",
    "stages": "scale_stages:stages",
}
"""The module beside this one, and the function in it that yields the figures."""


def peak_mib(*, children: bool = False) -> float:
    """Return the largest resident size of this process so far, or of the largest child that has ended."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss * 1024 / MIB


def main() -> None:
    """Measure what was asked for and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full size, above 0")
    parser.add_argument("--folder", type=Path, help="keep what is made for measuring, and use it again")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}: choose of {', '.join(MEASUREMENTS)}")
    if options.list:
        sys.stdout.write("\n".join(MEASUREMENTS) + "\n")
    elif options.alone:
        measure(options.names[0], Setting(folder=options.folder, size=options.size))
    else:
        with tempfile.TemporaryDirectory() as folder:
            for name in options.names or MEASUREMENTS:
                measure_apart(name, options.folder or Path(folder), options.size)


def measure(name: str, setting: Setting) -> None:
    """Measure in this process; one line of JSON for each figure."""
    module, _, function = MEASUREMENTS[name].partition(":")
    found: Measure = getattr(importlib.import_module(module), function)
    setting.folder.mkdir(parents=True, exist_ok=True)
    for figure in found(setting):
        sys.stdout.write(json.dumps(asdict(figure)) + "\n")
        sys.stdout.flush()


def measure_apart(name: str, folder: Path, size: float) -> None:
    """Measure in a new process and print its figures as they come."""
    command = [sys.executable, __file__, name, "--alone", "--size", str(size), "--folder", str(folder)]
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            figure = Figure(**json.loads(line))
            verdict = figure.verdict if size == 1 else ""
            sys.stdout.write(f"{name:<12} {figure.what:<72} {figure.value:>12,.3f} {figure.unit:<10} {verdict}\n")
            sys.stdout.flush()
    took, load = time.monotonic() - started, os.getloadavg()[0]
    sys.stdout.write(f"{name:<12} took {took:.0f} s, load {load:.1f}, exit {child.returncode}\n\n")


if __name__ == "__main__":
    main()
