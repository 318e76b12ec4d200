"""What every test may rely on: no network beyond loopback, a manifest to fill, real photographs when they are there."""

import importlib.util
import ipaddress
import os
import socket
from pathlib import Path

import pytest

from clusters import Machines
from imgkit.manifest import Manifest

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT.parent / "shared" / "photos"


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
