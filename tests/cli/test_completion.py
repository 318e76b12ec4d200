"""The shell completes commands, options and their values; installing that for a shell works."""

import os
import subprocess
import sys
from typing import get_args

import pytest
import shellingham
from typer.testing import CliRunner

from imgkit.cli import COMMANDS, build, completion, main
from imgkit.cli.predict import FORMATS
from imgkit.curate.checks import KINDS
from imgkit.engine import ENGINES
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.search.licences import CODES
from imgkit.models import architectures
from imgkit.shards.plan import SUFFIXES
from imgkit.train.config import Preset
from imgkit.train.tracking import PROGRAMS
from imgkit.vision.features import torchvision_ops
from imgkit.vision.imagefolder import AskedLayout

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)


def completed(*words):
    """Return what bash is offered for the last of the words."""
    environment = {
        "_IMGKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["imgkit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return CliRunner().invoke(build(), [], prog_name="imgkit", env=environment).stdout.split()


def test_commands_and_options_are_completed():
    assert completed("c") == ["curate", "compare"]
    assert completed("help", "") == list(COMMANDS)
    assert completed("train", "--lim") == ["--limit"]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("harvest", "a.csv", "--provider", ""), tuple(PROVIDERS)),
        (("harvest", "a.csv", "--license", ""), tuple(CODES)),
        (("harvest", "a.csv", "--engine", ""), ENGINES),
        (("curate", "--engine", ""), ENGINES),
        (("curate", "--allow", ""), KINDS),
        (("train", "--preset", ""), get_args(Preset)),
        (("train", "--track", ""), tuple(PROGRAMS)),
        (("train", "--layout", ""), get_args(AskedLayout)),
        (("tune", "--layout", ""), get_args(AskedLayout)),
        (("evaluate", "m", "d", "--layout", ""), get_args(AskedLayout)),
        (("evaluate", "m", "d", "--split", ""), ("train", "val", "test")),
        (("predict", "m", "p", "--format", ""), FORMATS),
        (("shards", "a", "b", "--format", ""), tuple(SUFFIXES)),
        (("serve", "m", "--device", ""), ("auto", "cpu", "cuda", "mps")),
        (("labels", ""), ("list", "rename", "drop")),
        (("decisions", ""), ("export", "import")),
    ],
    ids=" ".join,
)
def test_the_values_that_are_offered_are_those_that_the_program_knows(words, values):
    assert completed(*words) == list(values)


def test_only_what_begins_as_typed_is_offered():
    assert completed("harvest", "a.csv", "--provider", "b") == ["bing"]
    assert completed("train", "--preset", "x") == []


def test_the_last_part_of_a_list_with_commas_is_completed_and_nothing_twice():
    first, second, *_ = KINDS

    assert completed("curate", "--allow", f"{first},{second[0]}") == [
        f"{first},{kind}" for kind in KINDS if kind.startswith(second[0]) and kind != first
    ]
    assert f"{first},{first}" not in completed("curate", "--allow", f"{first},")


def test_the_names_of_networks_are_those_of_timm():
    assert architectures.architectures() == sorted(timm.list_models())
    assert len(set(timm.list_pretrained()) - set(architectures.weights())) < 0.03 * len(timm.list_pretrained())
    assert len(set(architectures.weights()) - set(timm.list_pretrained())) < 0.005 * len(timm.list_pretrained())


def test_networks_are_completed_and_after_a_dot_their_weights():
    assert completed("train", "--backbone", "convnext_na") == ["convnext_nano", "convnext_nano_ols"]
    assert completed("tune", "--backbone", "convnext_nano.") == completed("models", "convnext_nano.")
    assert "convnext_nano.in12k_ft_in1k" in completed("models", "convnext_nano.")


def test_a_value_that_is_a_file_is_left_to_the_shell():
    assert completed("train", "--labels-file", "") == []
    assert completed("predict", "") == []


def test_completing_the_name_of_a_network_loads_no_torch():
    code = (
        "import sys\nfrom imgkit.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'PIL', 'numpy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    asked = {"_IMGKIT_COMPLETE": "complete_bash", "COMP_WORDS": "imgkit train --backbone resnet18", "COMP_CWORD": "3"}

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **asked}
    )

    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["resnet18", "resnet18d"], "")


def test_after_installing_it_bash_completes(tmp_path):
    program = tmp_path / "bin" / "imgkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imgkit "$@"\n')
    program.chmod(0o755)
    (tmp_path / ".bashrc").write_text("# mine\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def bash(line):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    assert "bash completion installed" in bash("imgkit --install-completion; true")
    assert (tmp_path / ".bashrc").read_text().startswith("# mine\n")
    found = bash(
        f'. "{tmp_path}/.bashrc"; COMP_CWORD=1; COMP_WORDS=(imgkit exp); '
        '_imgkit_completion imgkit; echo "${COMPREPLY[@]}"; complete -p imgkit'
    )
    assert found.splitlines() == ["export", "complete -o default -F _imgkit_completion imgkit"]


def fails(*_, **__):
    raise shellingham.ShellDetectionFailure


@pytest.mark.parametrize("option", completion.ASKED)
def test_a_shell_without_completion_is_one_sentence_and_exit_code_2(option, monkeypatch, capsys):
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("tcsh", "/bin/tcsh"))
    with pytest.raises(SystemExit) as known:
        main([option])
    monkeypatch.setattr(shellingham, "detect_shell", fails)
    with pytest.raises(SystemExit) as unknown:
        main([option])

    assert (known.value.code, unknown.value.code) == (2, 2)
    assert capsys.readouterr().err.splitlines() == [
        f"imgkit: this shell (tcsh) has no completion. Nothing was changed. Run {option} at the prompt of bash, zsh, "
        "fish or PowerShell.",
        f"imgkit: it is not clear which shell this is. Nothing was changed. Run {option} at the prompt of bash, zsh, "
        "fish or PowerShell.",
    ]


def test_a_file_of_the_shell_that_cannot_be_written_is_one_sentence_and_exit_code_4(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bashrc").mkdir()

    with pytest.raises(SystemExit) as ended:
        main(["--install-completion"])

    assert ended.value.code == 4
    assert capsys.readouterr().err == (
        f"imgkit: completion is not installed: the system refused at {tmp_path}/.bashrc: Is a directory. Look at the "
        "disk and at permissions, then run the same command again.\n"
    )


def test_a_shell_that_is_named_is_refused_since_another_one_would_be_changed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--install-completion", "zsh"])

    assert ended.value.code == 2
    assert "takes no value: it is for the shell that it is run in. Nothing was changed. Leave out zsh." in (
        capsys.readouterr().err
    )


def test_each_shell_has_a_script(monkeypatch, capsys):
    for shell in completion.SHELLS:
        monkeypatch.setattr(shellingham, "detect_shell", lambda shell=shell: (shell, shell))
        with pytest.raises(SystemExit) as ended:
            main(["--show-completion"])
        assert ended.value.code in (0, None)
        assert "_IMGKIT_COMPLETE" in capsys.readouterr().out
