"""Run the page's scripts outside a browser, in node."""

import importlib.resources
import json
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"


def copied(folder):
    """Copy the page's scripts and those of the tests into one folder that node takes for modules."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for file in (importlib.resources.files("imgkit.curate.review") / "static").iterdir():
        if file.name.endswith(".js"):
            (folder / file.name).write_bytes(file.read_bytes())
    for file in SCRIPTS.glob("*.mjs"):
        shutil.copy(file, folder)
    return folder


def node():
    """Return the path of node, or skip the test."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node on this machine; install Node.js 20 or newer to test the page's scripts")
    return found


def answers(folder, script, value):
    """Run a script with a value as JSON on its input; return what it writes as JSON."""
    done = subprocess.run(
        [node(), script], cwd=folder, input=json.dumps(value), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)
