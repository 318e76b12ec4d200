"""What the command line promises whatever the command."""

import json
import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from imgkit.cli import COMMANDS, GROUPS, build
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


def test_help_lists_the_commands_in_groups():
    found = re.findall(r"^╭─ (.+?) ─+╮$|^│ (\w+)  ", run("--help").stdout, re.M)
    listed, title = {}, ""
    for panel, command in found:
        title = panel or title
        if command:
            listed.setdefault(title, []).append(command)

    assert listed == {title: [*names, *(["help"] if title == "Upkeep" else [])] for title, names in GROUPS.items()}
    assert list(listed) == list(GROUPS)


@pytest.mark.parametrize("command", ["harvest", "curate", "train"])
def test_the_help_of_a_stage_shows_at_most_ten_options_first(command):
    options = [one for one in get_command(build()).commands[command].params if one.param_type_name == "option"]
    panels = {one.rich_help_panel for one in options}

    assert len([one for one in options if one.rich_help_panel is None and one.name != "help"]) in range(8, 11)
    assert panels == {None, "More options"} | ({"Fine-tuning"} if command == "train" else set())


@pytest.mark.parametrize(
    ("command", "name", "alias"),
    [
        ("harvest", "--license", "--licence"),
        ("harvest", "--per-label", "--limit"),
        ("predict", "--conf", "--sure"),
        ("train", "--batch-size", "--batch"),
        ("tune", "--batch-size", "--batch"),
    ],
)
def test_an_option_is_known_by_the_name_of_the_field_and_by_another(command, name, alias):
    assert [name, alias] in [one.opts for one in get_command(build()).commands[command].params]


def test_one_name_of_an_option_is_declared_the_same_wherever_it_selects_pictures():
    commands = get_command(build()).commands
    said = {
        name: {
            one.help
            for command in ("train", "tune", "evaluate")
            for one in commands[command].params
            if name in one.opts
        }
        for name in ("--labels", "--labels-file", "--limit")
    }

    assert {name: len(texts) for name, texts in said.items()} == {"--labels": 1, "--labels-file": 1, "--limit": 1}
    assert all(
        name in [each for one in commands[command].params for each in one.opts]
        for name in said
        for command in ("train", "tune", "evaluate")
    )


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


def test_every_kind_of_error_has_its_own_exit_code():  # 5 is that of a harvest's report
    kinds = ImgkitError.__subclasses__()

    assert sorted(kind.exit_code for kind in kinds) == [2, 3, 4, 6, 7]
    assert LockedError.exit_code == 6


def test_every_reason_completes_a_sentence():
    assert [code for code, phrase in REASONS.items() if not phrase or phrase.endswith(".") or phrase[0].isupper()] == []
