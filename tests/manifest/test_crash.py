"""A manifest that was killed opens, and has every row whose writing was acknowledged."""

import os
import random
import signal
import subprocess
import sys

from imgkit.manifest import Manifest

WRITER = """
import sys
from pathlib import Path
from imgkit.manifest import Decision, Manifest

with Manifest.open(Path(sys.argv[1])) as manifest:
    number = len(manifest.decisions())
    while True:
        manifest.decide([Decision(image_id=str(number), label="a", action="keep")])
        number += 1
        print(number, flush=True)
"""


def test_no_acknowledged_decision_is_lost_by_kill_9(tmp_path):
    chance = random.Random(0)
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        acknowledged = 0
        for _ in range(chance.randint(1, 40)):
            acknowledged = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
        writer.stdout.close()
        writer.wait()

        with Manifest.open(tmp_path) as manifest:
            assert manifest.check() == "ok"
            assert len(manifest.decisions()) in (acknowledged, acknowledged + 1)
