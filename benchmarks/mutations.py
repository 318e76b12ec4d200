"""Damage picture files in ten thousand ways, and see that the guard and curate's first look survive every one.

    python benchmarks/mutations.py [--files 10000] [--workers 2]

A drawn picture in six forms (baseline and progressive JPEG, PNG, WEBP, GIF, BMP) is damaged: bits flipped, cut, heads
and ends of files joined, stretches deleted, doubled, zeroed, made noise, lengths changed. File number n is the
same on every machine. Each goes to the two functions that see untrusted bytes, in worker processes with the limits of a
harvest; what is counted is what became of it, and what it cost the process that drives them.
"""

import argparse
import io
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from imgkit.curate.copies.fingerprints import RECORD, measure_bodies
from imgkit.engine import LocalEngine, WorkerFailure
from imgkit.harvest.storage.ingest import Task, ingest
from imgkit.vision.decode import Rejected

TIMEOUT_S, MEMORY_BYTES = 20.0, 2**30
FORMS: tuple[tuple[str, dict[str, object]], ...] = (
    ("JPEG", {"quality": 85}),
    ("JPEG", {"quality": 85, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("GIF", {}),
    ("BMP", {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    sources = encoded(drawn())
    for title, function, wrap, name in (
        ("the guard of harvest", ingest, lambda body: Task(body=body, size=500, smallest_side=64), named),
        ("curate's first look", measure_bodies, lambda body: [body], looked),
    ):
        began, before = time.monotonic(), peak_mib()
        with LocalEngine(arguments.workers, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES) as engine:
            bodies = (wrap(body) for _, body in mutations(sources, arguments.files))
            outcomes = Counter(name(outcome) for _, outcome in engine.map(function, bodies))
        print(f"\n{title}: {arguments.files:,} files in {time.monotonic() - began:.0f} s, none ended this process")
        for outcome, count in outcomes.most_common():
            print(f"  {count:>6} {outcome}")
        workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"  peak memory: this process {peak_mib():.0f} MiB (before {before:.0f}), largest worker {workers:.0f} MiB"
        )


def named(outcome: object) -> str:
    if isinstance(outcome, WorkerFailure):
        return f"worker {outcome.kind}: {outcome.detail.splitlines()[-1]}"
    return outcome.reason if isinstance(outcome, Rejected) else "a picture"


def looked(outcome: list[bytes] | WorkerFailure) -> str:
    if isinstance(outcome, WorkerFailure):
        return named(outcome)
    row = np.frombuffer(outcome[0], RECORD)[0]
    if not row["readable"]:
        return "unreadable"
    return "a picture, damaged at one side" if row["grey_band"] else "a picture"


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def drawn() -> Image.Image:
    """Return a picture with structure at all scales."""
    image = Image.effect_mandelbrot((256, 192), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    image.paste((220, 30, 20), (0, 0, 64, 48))
    return image


def encoded(image: Image.Image) -> list[bytes]:
    """Return a picture in every form."""
    found = []
    for form, options in FORMS:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        found.append(buffer.getvalue())
    return found


def mutations(sources: Sequence[bytes], count: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` damaged files with how they were damaged; number n is always the same."""
    kinds = list(KINDS)
    for number in range(count):
        chance = random.Random(number)
        kind = kinds[number % len(kinds)]
        yield kind, KINDS[kind](bytearray(chance.choice(sources)), sources, chance)


def flip_bits(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def flip_header(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 2, 4))):
        data[chance.randrange(4, min(len(data), 700))] = chance.randrange(256)
    return bytes(data)


def cut(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(len(data))])


def cut_with_end(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    kept, end = chance.randrange(len(data)), chance.choice((2, 12, 64))
    return bytes(data[:kept] + data[-end:])


def splice(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(sources)
    return bytes(data[: chance.randrange(16, 1000)]) + other[chance.randrange(len(other)) :]


def delete(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    first, last = stretch(data, chance)
    return bytes(data[:first] + data[last:])


def double(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    first, last = stretch(data, chance)
    return bytes(data[:last] + data[first:])


def blank(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    first, last = stretch(data, chance)
    data[first:last] = bytes([chance.choice((0, 255))]) * (last - first)
    return bytes(data)


def scramble(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    first, last = stretch(data, chance)
    data[first:last] = chance.randbytes(last - first)
    return bytes(data)


def enlarge(data: bytearray, sources: Sequence[bytes], chance: random.Random) -> bytes:
    """Put a huge number somewhere in the header, where sizes and lengths stand."""
    place = chance.randrange(2, 200)
    data[place : place + 4] = chance.choice(
        (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\x00\x00", b"\0\0\0\0")
    )
    return bytes(data)


def stretch(data: bytearray, chance: random.Random) -> tuple[int, int]:
    first = chance.randrange(len(data))
    return first, min(len(data), first + chance.choice((1, 16, 256, 4096)))


KINDS = {
    one.__name__: one
    for one in (flip_bits, flip_header, cut, cut_with_end, splice, delete, double, blank, scramble, enlarge)
}

if __name__ == "__main__":
    main()
