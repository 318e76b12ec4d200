"""Files damaged in every way, by the generator of ``benchmarks/mutations.py``."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.copies.fingerprints import RECORD, measure_bodies
from imgkit.engine import LocalEngine
from imgkit.harvest.storage.ingest import Ingested, Task, ingest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def bodies(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mutations = importlib.import_module("mutations")
    return [body for _, body in mutations.mutations(mutations.encoded(mutations.drawn()), 200)]


@pytest.fixture
def engine():
    with LocalEngine(1, timeout_s=20, memory_bytes=2**30) as made:
        yield made


def test_the_guard_has_a_picture_or_a_reason_for_every_damaged_file(bodies, engine):
    tasks = [Task(body=body, size=500, smallest_side=64) for body in bodies]

    outcomes = [outcome for _, outcome in engine.map(ingest, tasks)]

    reasons = {outcome.reason for outcome in outcomes if not isinstance(outcome, Ingested)}
    assert len(outcomes) == 200
    assert reasons == {"img.truncated"}


def test_the_first_look_of_curate_ends_in_a_row_for_every_damaged_file(bodies, engine):
    outcomes = [outcome for _, outcome in engine.map(measure_bodies, [[body] for body in bodies])]

    rows = np.frombuffer(b"".join(row for [row] in outcomes), RECORD)
    assert len(rows) == 200
    assert 20 < rows["readable"].sum() < 100
    assert rows["grey_band"].max() > 0.2
