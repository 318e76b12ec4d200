"""The rooms of the house and who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "imgkit"
STAGES = ("harvest", "curate", "train")
LEAVES = ("manifest", "cores", "errors", "files", "progress", "reasons", "engine")
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("imgkit.")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_never_imports_another_stage_nor_what_runs_it(stage):
    forbidden = {"cli", "demo", *STAGES} - {stage}

    offenders = {
        name_of(module): rooms(imports(module)) & forbidden
        for module in (PACKAGE / stage).rglob("*.py")
        if rooms(imports(module)) & forbidden
    }

    assert offenders == {}


def test_what_is_shared_imports_no_stage():
    allowed = {
        "vision": {"vision", *LEAVES},
        "shards": {"shards", *LEAVES},
        **{leaf: set(LEAVES) for leaf in LEAVES},
        "cli": {"cli", "demo", "health", "shards", "vision", *STAGES, *LEAVES},
    }

    offenders = {}
    for module in MODULES:
        room = name_of(module).split(".")[1] if "." in name_of(module) else ""
        if extra := rooms(imports(module)) - allowed.get(room, {"cli", "demo", "health", "vision", *STAGES, *LEAVES}):
            offenders[name_of(module)] = extra

    assert offenders == {}


def test_only_the_manifest_knows_sqlite():
    offenders = [
        name_of(m) for m in MODULES if "sqlite3" in imports(m) and not name_of(m).startswith("imgkit.manifest")
    ]

    assert offenders == []


def test_only_the_command_line_knows_rich_and_typer():
    offenders = [
        name_of(m)
        for m in MODULES
        if {i.split(".")[0] for i in imports(m)} & {"rich", "typer"} and not name_of(m).startswith("imgkit.cli")
    ]

    assert offenders == []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_is_named_after_what_it_holds(module):
    assert module.stem not in {"utils", "helpers", "common", "misc", "manager", "base", "core"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_its_duty_in_its_first_line(module):
    tree = ast.parse(module.read_text(encoding="utf-8"))

    assert not tree.body or ast.get_docstring(tree), "write one line that says what the module is for"


@pytest.mark.parametrize("stage", STAGES)
def test_the_link_at_the_top_leads_to_the_stage(stage):
    link = PACKAGE.parents[1] / stage

    assert link.is_symlink()
    assert link.resolve() == PACKAGE / stage
