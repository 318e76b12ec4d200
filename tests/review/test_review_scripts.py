"""The page's scripts without a browser: sending, what is in force, what waits, keys."""

import subprocess

import pytest
from page_scripts import SCRIPTS, copied, node


@pytest.mark.parametrize("file", sorted(one.name for one in SCRIPTS.glob("*.test.mjs")))
def test_the_sentences_of_a_script_hold(tmp_path, file):
    done = subprocess.run(
        [node(), "--test", "--test-reporter=tap", file], cwd=copied(tmp_path), capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout
    assert "\n# fail 0" in done.stdout
    assert "\n# pass 0" not in done.stdout
