"""Options that are declared once, as fields of a config."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from imgkit.cli.config_options import with_options_of
from imgkit.cli.train import merged
from imgkit.errors import UsageError
from imgkit.options import declared, from_command_line, option, out_of_range, typed
from imgkit.train.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Baking:
    """A config of these tests."""

    oven: Literal["gas", "wood"] = option("gas", help="What it is baked in.")
    loaves: int = option(2, minimum=1, maximum=9, help="How many.")
    minutes: float | None = option(None, minimum=0.5, help="How long.", default_text="until brown")
    sizes: tuple[int, ...] = option((), help="Grams of each.")
    salt: bool = option(True, flag="--no-salt", help="Without salt.")
    steam: bool = option(False, help="With steam.")
    dough_file: Path | None = option(None, flag="--dough", help="The dough.")
    humidity: float = option(0.5, help="Of the air.", on_command_line=False)


def told(*arguments):
    """Return what a command is given for the arguments, or the text and code of its refusal."""
    seen = []
    app = typer.Typer()

    @app.command()
    @with_options_of(Baking)
    def bake(*, given, name: Annotated[str, typer.Option(help="Of the bread.")] = "rye") -> None:
        """Bake."""
        seen.append((given, name))

    result = CliRunner().invoke(app, list(arguments))
    return seen[0] if seen else (result.exit_code, result.output)


def test_a_command_is_given_every_option_of_its_config_and_none_where_nothing_was_written():
    given, name = told("--loaves", "3", "--no-salt", "--name", "spelt")

    assert name == "spelt"
    assert given == {
        "oven": None,
        "loaves": 3,
        "minutes": None,
        "sizes": None,
        "salt": True,
        "steam": None,
        "dough_file": None,
    }


def test_what_was_written_becomes_values_of_the_config_and_what_was_not_stays_away():
    given, _ = told("--loaves", "3", "--no-salt", "--steam", "--sizes", "500,750", "--dough", "a/b", "--oven", "wood")

    assert from_command_line(Baking, given) == {
        "oven": "wood",
        "loaves": 3,
        "sizes": (500, 750),
        "salt": False,
        "steam": True,
        "dough_file": Path("a/b"),
    }
    assert from_command_line(Baking, told()[0]) == {}


def test_a_command_that_names_an_option_that_is_none_is_refused():
    for named in ({"only": ("oven", "crust")}, {"common": ("oven", "crust")}):
        with pytest.raises(ValueError, match="no such option: crust"):

            @with_options_of(Baking, **named)
            def bake(*, given) -> None: ...


def test_a_command_takes_only_the_options_that_it_asks_for():
    seen = []
    app = typer.Typer()

    @app.command()
    @with_options_of(Baking, only=("loaves",))
    def bake(*, given) -> None:
        seen.append(given)

    assert CliRunner().invoke(app, ["--loaves", "4"]).exit_code == 0
    assert CliRunner().invoke(app, ["--oven", "gas"]).exit_code == 2
    assert seen == [{"loaves": 4}]


def test_a_list_that_is_none_is_named_with_its_option():
    with pytest.raises(ValueError, match="--sizes 500;750"):
        from_command_line(Baking, {"sizes": "500;750"})


@pytest.mark.parametrize(("written", "code"), [("0", 2), ("10", 2), ("x", 2)])
def test_the_command_line_refuses_what_the_config_does(written, code):
    exit_code, _ = told("--loaves", written)

    assert exit_code == code


def test_the_help_page_says_what_the_field_says():
    _, page = told("--help")

    assert "until brown" in page
    assert "How many." in page
    assert "1<=x<=9" in page
    assert "humidity" not in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"loaves": 1, "minutes": 0.5}, None),
        ({"loaves": 9}, None),
        ({"loaves": 0}, "--loaves is 0. Nothing was changed. Give a number from 1 to 9."),
        ({"loaves": 10}, "--loaves is 10. Nothing was changed. Give a number from 1 to 9."),
        ({"minutes": 0.4}, "--minutes is 0.4. Nothing was changed. Give a number of at least 0.5."),
        ({"minutes": float("nan")}, "--minutes is nan. Nothing was changed. Give a number of at least 0.5."),
        ({"oven": "sun"}, "--oven sun is not known. Nothing was changed. Choose gas, wood."),
    ],
)
def test_a_value_out_of_its_range_is_refused_wherever_it_came_from(changes, sentence):
    assert out_of_range(Baking(**changes)) == sentence


def test_a_field_that_says_nothing_about_itself_is_refused():
    @dataclass(frozen=True)
    class Silent:
        level: int = 3

    with pytest.raises(TypeError, match=r"Silent\.level has no option"):
        declared(Silent)


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (None, int | None, None),
        ("1e-4", float, 1e-4),
        ([160, 224], tuple[int, ...], (160, 224)),
        ("a", Path, Path("a")),
    ],
)
def test_values_of_a_settings_file_become_the_type_of_their_field(value, kind, result):
    assert typed(value, kind) == result


def test_every_default_of_training_is_allowed_and_every_option_is_explained():
    options = declared(TrainConfig)

    assert list(options) == [field.name for field in fields(TrainConfig)]
    assert all(each.option.help.endswith(".") for each in options.values())
    assert out_of_range(TrainConfig(data=Path("pictures"))) is None
    assert [name for name, each in options.items() if each.default is MISSING] == ["data"]


def test_options_of_a_command_outrank_its_file_and_the_file_the_defaults(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("lr: 1e-3\nsteps: 7\n", encoding="utf-8")

    config = merged(file, {"data": Path("pictures"), "lr": 1e-2, "flip": True, "progressive": "160,224"})

    assert (config.lr, config.steps, config.flip, config.progressive) == (1e-2, 7, False, (160, 224))
    assert merged(None, {}).data == Path("data/curated")


def test_a_list_of_sizes_that_is_none_is_a_usage_error():
    with pytest.raises(UsageError, match=r"--progressive 160;192 is no list\. Nothing was changed\."):
        merged(None, {"progressive": "160;192"})
