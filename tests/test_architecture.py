"""The packages of imgkit, who may import whom, and what names mean."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from slow_tests import FOLDER, SLOW

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "imgkit"
STAGES = ("harvest", "curate", "train")
MODULES = sorted(PACKAGE.rglob("*.py"))
FLOORS: dict[str, int] = {
    **dict.fromkeys((path.stem for path in PACKAGE.glob("*.py")), 0),  # leaves
    "manifest": 1,
    "engine": 1,
    "vision": 2,
    "net": 3,
    "dataset": 3,
    "models": 4,
    "shards": 4,
    **dict.fromkeys(STAGES, 5),
    "adoption": 6,
    "demo": 6,
    "health": 6,
    "interface": 7,
    "cli": 7,
    "__init__": 8,
    "__main__": 8,
}
"""A package imports itself and packages of lower floors; leaves import leaves."""


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


def package_of(module: Path) -> str:
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("imgkit.")} & set(FLOORS)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_imports_its_own_package_and_lower_ones_only(module):
    own = package_of(module)
    below = {name for name, floor in FLOORS.items() if floor < FLOORS[own] or (floor == FLOORS[own] == 0)}
    same_floor = {"interface": {"cli"}}.get(own, set())

    assert packages(imports(module)) - below - same_floor - {own} == set()


def test_every_package_has_a_floor():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("__")}

    assert folders <= set(FLOORS)


def test_no_modules_import_each_other_in_a_circle():
    known = {name_of(module): module for module in MODULES}
    arrows = {
        name: {
            target
            for each in top_level_imports(module)
            for target in (each, each.rpartition(".")[0])
            if target in known and target != name
        }
        for name, module in known.items()
    }
    done: set[str] = set()
    circles = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circles.append(way[way.index(name) :])
        elif name not in done:
            for target in sorted(arrows[name]):
                if not name.startswith(f"{target}."):  # a package's own face gathers its modules
                    visit(target, (*way, name))
            done.add(name)

    for name in sorted(arrows):
        if known[name].name != "__init__.py":
            visit(name, ())

    assert circles == []


def top_level_imports(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


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


def test_a_public_class_or_type_has_one_meaning_in_the_whole_package():
    defined = defaultdict(set)
    for module in MODULES:
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined[node.name].add(name_of(module))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name[0].isupper() and not name.isupper():
                    defined[name].add(name_of(module))

    assert {name: modules for name, modules in defined.items() if len(modules) > 1} == {}


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


@pytest.mark.parametrize("name", SLOW)
def test_what_is_marked_slow_is_there(name):
    assert (FOLDER / name).exists(), "it was renamed or removed: mend tests/slow_tests.py"
