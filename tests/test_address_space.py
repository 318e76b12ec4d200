"""With little address space a command ends in one sentence, not in the message of a library."""

import subprocess
import sys

import pytest

from imgkit.cores import SCARCE_ADDRESS_SPACE, spare_address_space


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v holds on Linux")
@pytest.mark.parametrize("command", ["predict {0} {0}", "curate --data {0}"])
@pytest.mark.parametrize("kilobytes", [150_000, 250_000])
def test_a_command_without_memory_for_its_libraries_says_so_in_one_sentence_and_ends_with_4(
    tmp_path, command, kilobytes
):
    asked = f"ulimit -v {kilobytes}; exec {sys.executable} -m imgkit {command.format(tmp_path)}"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"}

    ended = subprocess.run(
        ["/bin/sh", "-c", asked], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )

    assert ended.returncode == 4
    assert len(ended.stderr.splitlines()) == 1
    assert "out of memory" in ended.stderr
    assert "OpenBLAS" not in ended.stderr


@pytest.mark.parametrize(
    ("limit", "before", "after"),
    [
        (None, {}, {}),
        (SCARCE_ADDRESS_SPACE, {}, {}),
        (SCARCE_ADDRESS_SPACE - 1, {}, {"OPENBLAS_NUM_THREADS": "1"}),
        (1, {"OPENBLAS_NUM_THREADS": "3"}, {"OPENBLAS_NUM_THREADS": "3"}),
    ],
)
def test_one_thread_is_for_scarce_addresses_only_and_a_set_number_stays(limit, before, after):
    spare_address_space(before, limit)

    assert before == after
