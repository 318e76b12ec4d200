"""What the command line promises whatever the command."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from imgkit.cli import COMMANDS, build
from imgkit.errors import ImgkitError, LockedError
from imgkit.reasons import REASONS


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "imgkit", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_loads_neither_torch_nor_pillow_nor_requests():
    code = (
        "import sys\nfrom imgkit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'PIL', 'requests', 'numpy', 'sklearn', 'matplotlib'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == ""
    assert done.returncode == 0


def test_help_names_every_command():
    page = run("--help").stdout

    assert [name for name in COMMANDS if f" {name} " not in page] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_has_a_help_text(command):
    options = build().registered_commands
    (found,) = [one for one in options if one.name == command]

    without = [
        name
        for name, annotation in found.callback.__annotations__.items()
        if name != "return" and not any(getattr(extra, "help", "") for extra in getattr(annotation, "__metadata__", ()))
    ]

    assert without == []


def test_a_missing_data_folder_is_one_sentence_and_exit_code_2(tmp_path):
    done = run("status", "--data", str(tmp_path / "nowhere"))

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("imgkit status: no manifest at")
    assert "Run first: imgkit harvest" in done.stderr


def test_status_as_json_is_one_object(tmp_path, manifest):
    done = run("status", "--data", str(manifest.folder.root), "--json")

    assert json.loads(done.stdout)["labels"] == []


def test_doctor_finds_this_environment_sound(tmp_path):
    done = run("doctor", "--data", str(tmp_path), "--json")

    found = json.loads(done.stdout)
    assert [one for one in found["observations"] if one["grade"] == "problem"] == []
    assert done.returncode == 0


def test_doctor_names_a_folder_without_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)

    done = run("doctor", "--data", str(tmp_path))

    assert done.returncode == 4
    assert "not writable" in done.stdout


def test_an_unknown_option_is_exit_code_2():
    assert CliRunner().invoke(build(), ["status", "--no-such-option"]).exit_code == 2


def test_every_kind_of_error_has_its_own_exit_code():
    kinds = ImgkitError.__subclasses__()

    assert sorted(kind.exit_code for kind in kinds) == [2, 3, 4, 5, 6, 7]
    assert LockedError.exit_code == 6


def test_every_reason_completes_a_sentence():
    assert [code for code, phrase in REASONS.items() if not phrase or phrase.endswith(".") or phrase[0].isupper()] == []
