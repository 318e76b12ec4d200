"""Measure how fast ``imgkit serve`` answers, with the packaged backbone, and print one table.

    python benchmarks/train_serve.py [--photos ../shared/photos] [--model FOLDER] [--clients 1,2,4,8] [--seconds 20]

Each client sends one photograph after the other over a connection that it keeps, the next one as soon as it has the
answer. The photographs are sent as a harvest stores them: JPEG, longest side 500 px. Clients and server share the
machine. Without ``--model`` a linear probe is trained first.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from train_photos import LONGEST, bodies

from imgkit.train.config import TrainConfig
from imgkit.train.run import train

DIFFERENT = 200  # photographs


@contextmanager
def server(model: Path) -> Iterator[str]:
    """Run ``imgkit serve`` in a process of its own; yield its address."""
    command = [sys.executable, "-m", "imgkit", "serve", str(model), "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://([0-9.]+:\d+)/", line):
                yield found[1]
                break
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def load(address: str, pictures: list[bytes], clients: int, seconds: float) -> np.ndarray:
    """Let ``clients`` ask for some seconds; return the seconds that each answer took."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        for turn in count(number * 17):
            if time.monotonic() >= end:
                break
            started = time.monotonic()
            connection.request("POST", "/predict", body=pictures[turn % len(pictures)])
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            assert reply.status == 200, answer
            assert len(answer["guesses"]) == 3
            taken.append(time.monotonic() - started)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--clients", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    if not (options.photos / "monkeys").is_dir():
        raise SystemExit(f"no photographs in {options.photos}: give --photos")
    with tempfile.TemporaryDirectory() as folder:
        model = options.model
        if model is None:
            config = TrainConfig(
                data=options.photos / "monkeys", runs=Path(folder), device="cpu", weights="packaged", finetune=False
            )
            model = train(config).run
        pictures = bodies(options.photos, DIFFERENT)
        size = np.mean([len(body) for body in pictures]) / 1024
        print(f"{os.cpu_count()} cores; {len(pictures)} JPEG photographs of {LONGEST} px, {size:.0f} KiB on average")
        print("| clients | answers | a second | p50 | p95 | p99 |\n|---|---|---|---|---|---|")
        with server(model) as address:
            load(address, pictures, 1, 1.0)
            for clients in map(int, options.clients.split(",")):
                taken = load(address, pictures, clients, options.seconds)
                middle, high, highest = 1000 * np.quantile(taken, [0.5, 0.95, 0.99])
                rate = len(taken) / options.seconds
                row = f"| {clients} | {len(taken)} | {rate:.0f} | {middle:.0f} ms | {high:.0f} ms | {highest:.0f} ms |"
                print(row, flush=True)


if __name__ == "__main__":
    main()
