"""A curate whose looking and embedding is done by the machines of a cluster."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest
from drawn_photos import photo
from harvest_builder import HarvestBuilder

from imgkit.curate.config import CurateConfig
from imgkit.curate.copies import fingerprints
from imgkit.curate.pipeline import curate
from imgkit.engine import ClusterEngine, InlineEngine, LocalEngine
from imgkit.errors import ResourceError
from imgkit.manifest import Manifest
from imgkit.manifest.exports import digest
from imgkit.vision.decode import decode_own
from imgkit.vision.features import remote_embeddings


@pytest.fixture
def harvest(tmp_path):
    """Builds the same data folder, with copies and an unreadable file, as often as it is called."""

    def build(name):
        builder = HarvestBuilder(tmp_path / name)
        for number in range(24):
            builder.add("coral" if number % 2 else "king", photo(number))
        broken = builder.add("coral", photo(30))
        builder.add("coral", photo(1).resize((200, 150)))
        builder.folder.harvested_file("coral", broken).write_bytes(b"no picture")
        return builder.close()

    return build


def curated(data, engine):
    """Curate with the packaged network; return what the manifest says and what the set holds."""
    curate(CurateConfig(data=data, weights="packaged", device="cpu"), engine=engine)
    with Manifest.open_existing(data) as manifest:
        return digest(manifest), sorted(path.relative_to(data / "curated") for path in data.glob("curated/*/*"))


def test_a_cluster_curates_the_same_as_one_machine_also_when_a_machine_is_lost(harvest, machines):
    here = curated(harvest("here"), None)
    lost = machines.add()
    with ClusterEngine(machines.address) as engine:
        engine.submit(abs, -1).result()
        machines.lose(lost)
        there = curated(harvest("there"), engine)

    assert there == here
    assert len(here[1]) == 24


def test_workers_of_this_machine_curate_the_same_as_this_process(harvest):
    with LocalEngine(2) as engine:
        assert curated(harvest("workers"), engine) == curated(harvest("here"), None)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize("weights", ["none", "packaged"])
def test_an_error_of_the_system_in_a_worker_is_no_unreadable_picture(harvest, monkeypatch, number, weights):
    data = harvest("failing")
    curate(CurateConfig(data=data, weights=weights, device="cpu", policy="keep"))
    before = {path: path.read_bytes() for path in data.glob("curated/**/*") if path.is_file()}
    shutil.rmtree(data / "cache")
    real = decode_own

    def failing(body, *, longest=None, shortest=None):
        if (longest if weights == "none" else shortest) and body[-40:] == last:
            raise OSError(number, os.strerror(number))
        return real(body, longest=longest, shortest=shortest)

    last = sorted(data.glob("harvested/king/*.jpg"))[3].read_bytes()[-40:]
    for module in (fingerprints, remote_embeddings):
        monkeypatch.setattr(module, "decode_own", failing)

    with InlineEngine() as engine, pytest.raises(ResourceError, match=os.strerror(number)) as stopped:
        engine.shares_files = False
        curate(CurateConfig(data=data, weights=weights, device="cpu", policy="keep", seed=1), engine=engine)

    assert stopped.value.exit_code == 4
    assert {path: path.read_bytes() for path in data.glob("curated/**/*") if path.is_file()} == before


def test_the_command_prints_one_object_and_nothing_of_rays(harvest, machines):
    data = harvest("commanded")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "imgkit", "curate", "--data", str(data), "--weights", "none", "--json"),
            *("--engine", "ray", "--ray-address", machines.address),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["harvested"] == 26
    assert "ray" not in done.stderr.lower()
