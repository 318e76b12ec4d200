"""What every test may rely on: no network beyond loopback, a manifest to fill, real photographs when they are there."""

import importlib.util
import ipaddress
import os
import signal
import socket
from pathlib import Path

import pytest
from hypothesis import settings

from clusters import Machines
from imgkit.manifest import Manifest
from slow_tests import is_slow

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # processes of tests fill the cores: more threads would wait for each other
os.environ["HF_HUB_OFFLINE"] = "1"
settings.register_profile("same", deadline=None, derandomize=True)  # the same examples every time, however long
settings.register_profile("random", deadline=None)  # others each time: pytest --hypothesis-profile=random
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs in the background; processes inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT.parent / "shared" / "photos"


LONGEST = (
    "printed_commands",
    "train",
    "distribution",
    "curate",
    "review",
    "harvest",
    "demo",
)
"""Folders of tests in the order in which they begin: the longest files first, so that no process waits at the end."""


def pytest_collection_modifyitems(items):
    """Mark what is slow. The files that take longest come first; ``--no-loadscope-reorder`` keeps that order."""
    folders = [Path(__file__).parent / name for name in LONGEST]

    def place(item):
        return next((n for n, folder in enumerate(folders) if item.path.is_relative_to(folder)), len(folders))

    items.sort(key=place)
    for item in items:
        if is_slow(item):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A test that reaches beyond this machine fails instead of waiting for a time-out."""
    connect = socket.socket.connect

    def connect_on_loopback(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if not ipaddress.ip_address(host).is_loopback and not _is_ours(host, self.family):
                pytest.fail(f"a test reached for the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_on_loopback)


def _is_ours(host, family):
    """Whether this machine has the address, as the nodes of a cluster that a test starts: then it can listen on it."""
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    """Keys and addresses of the person who runs the tests do not leak into them."""
    for name in list(os.environ):
        if name.startswith(("IMGKIT_", "FLICKR_", "GOOGLE_", "OPENVERSE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def manifest(tmp_path):
    """An empty manifest in an empty data folder."""
    with Manifest.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(scope="session")
def photos():
    """The folder of real photographs beside the checkout."""
    if not PHOTOS.is_dir():
        pytest.skip("no real photographs beside the checkout (../shared/photos)")
    return PHOTOS


@pytest.fixture(scope="session")
def chromium():
    """The path of a real browser."""
    path = Path("/usr/bin/chromium")
    if not path.exists():
        pytest.skip("no Chromium at /usr/bin/chromium; install it with: apt-get install chromium")
    return str(path)


@pytest.fixture(scope="session")
def machines():
    """A Ray cluster on this machine: a head without processors, and two nodes of two."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed; install it with the extra: ray")
    made = Machines(2)
    yield made
    made.stop()
