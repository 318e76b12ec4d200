"""The command in a process of its own, for tests that kill it, interrupt it or take its disk away."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def start(web, queries, data, *options, wrapper=(), **more):
    """Start the command in a process group of its own; ``wrapper`` is a command that runs it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMGKIT_", "FLICKR_"))}
    environ |= {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", **(web.environ if web else {})}
    chosen = () if "--provider" in options else ("--provider", "bing")
    return subprocess.Popen(
        [*wrapper, sys.executable, "-m", "imgkit", "harvest", str(queries), "--data", str(data), *chosen, *options],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
        text=True,
        **more,
    )


def finish(process, seconds=60):
    """Wait for the end; return exit code, stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err
