"""Plant slips in a module, one at a time, run its tests on each, and print the slips that no test notices.

    make mutants MODULES=net/robots
    make mutants MODULES="curate/verdicts vision/resize" COUNT=20 MUTANTS="--seed 3 --minutes 20"

A room is a module (``net/robots``) or a folder of modules (``net``) below ``src/imgkit``. Its tests are those of
``TESTS``, else ``tests/<folder>/test_<module>.py`` where that exists, else the folder ``tests/<folder>``. The slips are
small changes of the syntax tree: another comparison, ``and`` for ``or``, a condition that is always true or false, a
number off by one, a flag turned round, ``min`` for ``max``, a call that is left out, a result that is not returned,
``break`` for ``continue``.

Each slip is written into a copy of the package, never into the checkout. The heavy libraries are imported once; each
slip gets a fork of that process, which imports the changed package and runs pytest until the first failure. The fork
leads a session of its own, which is killed after twice what the tests take without a slip, and five seconds more. A
slip counts as noticed when a test fails, when the module cannot be imported, or when that time is over. Slips that
change nothing that can be seen (a longer cache, another log line) are not told apart: read the list.

``COUNT`` slips of each module are drawn by ``--seed`` and the name of the module, so the same call draws the same slips
again, whichever other modules it names.
"""

import argparse
import ast
import compileall
import contextlib
import importlib
import importlib.util
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "imgkit"
TESTS = {
    "commands": ["tests/test_commands.py"],
    "components": ["tests/test_components.py"],
    "escaping": ["tests/test_escaping.py"],
    "files": ["tests/test_files.py"],
    "redaction": ["tests/harvest/test_keys.py"],
    "splits": ["tests/test_splits.py", "tests/curate/test_split_groups.py"],
    "curate/verdicts": ["tests/curate/test_judge.py"],
    "curate/checks/art": ["tests/curate/test_art.py"],
    "curate/checks/conflict": ["tests/curate/test_checks.py", "tests/curate/test_judge.py"],
    "curate/checks/exact": ["tests/curate/test_checks.py", "tests/curate/test_judge.py"],
    "curate/checks/leak": ["tests/curate/test_checks.py", "tests/curate/test_judge.py"],
    "curate/checks/near": ["tests/curate/test_checks.py", "tests/curate/test_judge.py"],
    "curate/context": ["tests/curate/test_checks.py"],
    "curate/copies/alignment": ["tests/curate/test_alignment.py", "tests/curate/test_duplicates.py"],
    "curate/copies/fingerprints": ["tests/curate/test_quality.py", "tests/curate/test_duplicates.py"],
    "curate/copies/grouping": ["tests/curate/test_checks.py", "tests/curate/test_duplicates.py"],
    "curate/publish/adopt": ["tests/curate/test_by_hand.py"],
    "curate/publish/plan": ["tests/curate/test_split_groups.py", "tests/curate/test_given_splits.py"],
    "curate/publish/folders": ["tests/curate/test_folders.py"],
    "curate/publish/manual_edits": ["tests/curate/test_by_hand.py"],
    "curate/publish/metadata": ["tests/curate/test_metadata_rows.py", "tests/curate/test_cards.py"],
    "curate/publish/noticed_edits": ["tests/curate/test_by_hand.py"],
    "curate/publish/summary": ["tests/curate/test_report.py"],
    "curate/quality": ["tests/curate/test_checks.py"],
    "curate/ranking/junk_score": ["tests/curate/test_ranking.py", "tests/curate/test_junk.py"],
    "curate/ranking/out_of_fold": ["tests/curate/test_out_of_fold.py"],
    "curate/ranking/reduced_features": ["tests/curate/test_remaining.py"],
    "curate/ranking/relearning": ["tests/curate/test_relearn.py", "tests/curate/test_remaining.py"],
    "curate/ranking/remaining": ["tests/curate/test_remaining.py"],
    "curate/review/decision_log": ["tests/review/test_review_decision_log.py", "tests/review/test_review_service.py"],
    "curate/review/learning": ["tests/review/test_review_learning.py"],
    "curate/review/listing": ["tests/review/test_review_service.py", "tests/review/test_review_learning.py"],
    "curate/review/messages": ["tests/review/test_review_messages.py"],
    "curate/review/request_filter": ["tests/review/test_review_guard.py"],
    "curate/review/service": ["tests/review/test_review_service.py", "tests/review/test_review_outcomes.py"],
    "harvest/remove": ["tests/harvest/test_remove.py", "tests/harvest/test_takedown.py"],
    "harvest/crawl/downloader": ["tests/harvest/test_downloader.py"],
    "harvest/crawl/duplicate_tracker": [
        "tests/harvest/test_shared_addresses.py",
        "tests/harvest/test_scheduling.py",
        "tests/harvest/test_account_of_candidates.py",
    ],
    "harvest/crawl/frontier": ["tests/harvest/test_scheduling.py", "tests/harvest/test_shared_addresses.py"],
    "harvest/crawl/jobs": ["tests/harvest/test_scheduling.py", "tests/harvest/test_account_of_candidates.py"],
    "harvest/crawl/local_files": ["tests/harvest/test_local_files.py"],
    "harvest/crawl/network_monitor": ["tests/harvest/test_downloader.py"],
    "harvest/crawl/order": ["tests/harvest/test_scheduling.py", "tests/harvest/test_account_of_candidates.py"],
    "harvest/crawl/remote_downloader": ["tests/harvest/test_downloader.py"],
    "harvest/crawl/result_writer": ["tests/harvest/test_account_of_candidates.py"],
    "harvest/crawl/robots_queue": ["tests/harvest/test_downloader.py", "tests/harvest/test_scheduling.py"],
    "harvest/crawl/scheduler": ["tests/harvest/test_scheduler.py", "tests/harvest/test_shared_addresses.py"],
    "harvest/crawl/screening": [
        "tests/harvest/test_tombstones.py",
        "tests/harvest/test_scheduling.py",
        "tests/harvest/test_account_of_candidates.py",
    ],
    "harvest/crawl/workers": ["tests/harvest/test_downloader.py"],
    "harvest/search/http": ["tests/harvest/test_search_session.py"],
    "harvest/search/sessions": ["tests/harvest/test_search_session.py", "tests/harvest/test_search_rounds.py"],
    "harvest/storage/ingest": ["tests/harvest/test_ingest.py", "tests/harvest/test_account_of_candidates.py"],
    "manifest/addresses": ["tests/manifest/test_addresses.py", "tests/harvest/test_remove.py"],
    "manifest/exports": [
        "tests/manifest/test_exports.py",
        "tests/manifest/test_order_and_durability.py",
        "tests/manifest/test_digest.py",
        "tests/manifest/test_stranger.py",
    ],
    "manifest/outcomes": ["tests/manifest/test_outcomes.py", "tests/review/test_review_outcomes.py"],
    "manifest/purge": ["tests/harvest/test_takedown.py"],
    "models/calibration": ["tests/train/test_train_metrics.py"],
    "models/intervals": ["tests/train/test_train_metrics.py", "tests/train/test_train_comparison.py"],
    "models/metrics": ["tests/train/test_train_metrics.py"],
    "net/addresses": ["tests/net/test_guard_rules.py", "tests/net/test_guard.py"],
    "net/body": ["tests/net/test_limits_of_hosts.py", "tests/net/test_watchdog.py"],
    "net/connect": ["tests/net/test_connections.py"],
    "net/dial": ["tests/net/test_connections.py"],
    "net/dns": ["tests/net/test_lookup.py"],
    "net/guard": ["tests/net/test_guard_rules.py", "tests/net/test_guard.py"],
    "net/host_queue": ["tests/net/test_hosts.py", "tests/net/test_limits_of_hosts.py"],
    "net/opt_out": ["tests/net/test_robots.py", "tests/net/test_fetch.py"],
    "net/outage": ["tests/net/test_outage.py", "tests/net/test_limits_of_hosts.py"],
    "net/outcomes": ["tests/net/test_limits_of_hosts.py", "tests/net/test_fetch.py"],
    "net/retry": ["tests/net/test_attempts.py", "tests/net/test_limits_of_hosts.py"],
    "net/robots": ["tests/net/test_robots.py"],
    "net/fetch": ["tests/net/test_watchdog.py", "tests/net/test_fetch.py"],
    "net/watchdog": ["tests/net/test_watchdog.py"],
    "train/data/split": ["tests/train/test_train_split.py"],
    "train/data/augment": ["tests/train/test_train_recipe.py", "tests/train/test_train_warp.py"],
    "train/data/batches": ["tests/train/test_train_recipe.py"],
    "train/finetune/drop_path": ["tests/train/test_train_recipe.py"],
    "train/finetune/loss": ["tests/train/test_train_recipe.py", "tests/train/test_train_options.py"],
    "train/finetune/model_selection": ["tests/train/test_train_recipe.py"],
    "train/finetune/optimiser": ["tests/train/test_train_recipe.py", "tests/train/test_train_options.py"],
    "train/finetune/recipe": ["tests/train/test_train_recipe.py", "tests/train/test_train_options.py"],
    "train/finetune/trainer": ["tests/train/test_train_fit.py", "tests/train/test_train_recipe.py"],
    "train/probe/learning_curve": ["tests/train/test_train_recipe.py", "tests/train/test_train_learning.py"],
    "vision/metadata_png": ["tests/vision/test_metadata.py"],
    "vision/metadata_gif": ["tests/vision/test_metadata.py"],
    "vision/sniff": ["tests/vision/test_decode.py", "tests/vision/test_decode_damaged.py"],
    "vision/jpeg": ["tests/vision/test_metadata.py", "tests/vision/test_decode_damaged.py"],
    "vision/features/confident_learning": ["tests/vision/test_confident.py"],
    "vision/features/weights": ["tests/vision/test_backbone.py"],
}
"""Tests of the modules that have no file of tests of the same name."""
HEAVY = (
    *("numpy", "scipy.stats", "scipy.sparse.csgraph", "sklearn.linear_model", "PIL.Image", "torch"),
    *("requests", "starlette.applications", "uvicorn", "httpx", "hypothesis", "typer"),
)
"""What is imported once, before the forks."""
OTHER_COMPARISON = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OTHER_OPERATION = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any", "round": "int", "sorted": "list"}
WORDS = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
WORDS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
SILENT = {"logger", "progress", "_progress"}  # what is said to a log or a person while work is done


@dataclass(frozen=True)
class Slip:
    """A changed module: where, what stood there and what stands there now."""

    line: int
    before: str
    after: str
    source: str


def slips(source: str) -> Iterator[Slip]:
    """Yield every slip of a module, in the order of its lines."""
    tree = ast.parse(source)
    skipped = set(_skipped(tree))
    found = []
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in skipped and hasattr(node, "lineno"):
            for variant in range(len(_changed(node))):
                found.append((node.lineno, number, variant))
    for line, number, variant in sorted(found):
        changed = deepcopy(tree)
        node = list(ast.walk(changed))[number]
        before = ast.unparse(node).splitlines()[0]
        new = _changed(node)[variant]
        changed = _Swap(node, new).visit(changed)
        ast.fix_missing_locations(changed)
        after = "" if isinstance(new, ast.Pass) else ast.unparse(new).splitlines()[0]
        yield Slip(line, before, after, ast.unparse(changed))


class _Swap(ast.NodeTransformer):
    """Put one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _skipped(tree: ast.Module) -> Iterator[int]:
    """Yield the ids of nodes that are no behaviour: annotations, texts of errors, what is logged."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        elif isinstance(node, ast.Raise):
            parts.append(node.exc)
        elif (
            isinstance(node, ast.JoinedStr)
            or (isinstance(node, ast.Expr) and _speaker(node.value) in SILENT)
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ):
            parts.append(node)
        for part in parts:
            if part is not None:
                yield from (id(each) for each in ast.walk(part))


def _speaker(node: ast.AST) -> str:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    owner = node.func.value
    return owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""


def _changed(node: ast.AST) -> list[ast.AST]:
    """Return what may stand in the place of a node."""
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=right) if type(operation) in OTHER_COMPARISON:
            return [ast.Compare(left, [OTHER_COMPARISON[type(operation)]()], right)]
        case ast.BoolOp(op=operation, values=values):
            return [ast.BoolOp(ast.Or() if isinstance(operation, ast.And) else ast.And(), values)]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OTHER_OPERATION and not _text(node):
            return [ast.BinOp(left, OTHER_OPERATION[type(operation)](), right)]
        case ast.Constant(value=bool(value)):
            return [ast.Constant(not value)]
        case ast.Constant(value=int(value) | float(value)):
            return [ast.Constant(value + 1)]
        case ast.If(test=test, body=body, orelse=other):
            return [
                ast.If(ast.Constant(value), body, other) for value in (True, False) if ast.unparse(test) != str(value)
            ]
        case ast.IfExp(body=body, orelse=other):
            return [body, other]
        case ast.Name(id=name) if name in OTHER_NAME and isinstance(node.ctx, ast.Load):
            return [ast.Name(OTHER_NAME[name], ast.Load())]
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            return [ast.Return(ast.Constant(None))]
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            return [ast.Pass()]
        case ast.Break():
            return [ast.Continue()]
        case ast.Continue():
            return [ast.Break()]
        case _:
            return []


def _text(node: ast.BinOp) -> bool:
    """Whether an addition is one of texts, which has no opposite."""
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


def modules(name: str) -> list[Path]:
    """Return the modules of a name below the package: a module, or all of a folder."""
    path = PACKAGE / name
    if path.is_dir():
        return sorted(one.relative_to(PACKAGE) for one in path.rglob("*.py") if one.name != "__init__.py")
    if not path.with_suffix(".py").is_file():
        sys.exit(f"{name}: there is no such module or folder below src/imgkit. Write it as net/robots or net.")
    return [path.with_suffix(".py").relative_to(PACKAGE)]


def tests_of(module: Path) -> list[str]:
    """Return the tests that are to notice a slip in a module."""
    name = module.with_suffix("").as_posix()
    if name in TESTS:
        return TESTS[name]
    folder = "tests" if module.parent == Path() else f"tests/{module.parts[0]}"
    named = [f"{folder}/test_{module.stem}.py", f"{folder}/test_train_{module.stem}.py"]
    return [one for one in named if (ROOT / one).is_file()] or [folder]


def _import_heavy() -> None:
    """Import the libraries that cost most, and timm the way that the package does, but nothing of the package."""
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(
        "_mutants_torchvision", PACKAGE / "vision/features/torchvision_ops.py"
    )
    if spec is not None and spec.loader is not None:
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        with contextlib.suppress(ImportError):
            spec.loader.exec_module(module)
            module.ensure()
            importlib.import_module("timm")


def run(package: Path, tests: list[str], limit_s: float) -> tuple[str, float]:
    """Run tests on a copy of the package in a fork; return "passed", "failed" or "too long", and the seconds."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(_in_fork(package, tests))
    while time.monotonic() - began < limit_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _kill_session(child)
            return "passed" if status == 0 else "failed", time.monotonic() - began
        time.sleep(0.02)
    _kill_session(child)
    os.waitpid(child, 0)
    return "too long", time.monotonic() - began


def _in_fork(package: Path, tests: list[str]) -> int:
    """Run pytest on the copy, silently; return 0 when every test passed."""
    code = 1
    with contextlib.suppress(BaseException):
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        os.chdir(ROOT)
        sys.path.insert(0, str(package))
        code = int(pytest.main([*WORDS, *tests]))
        if not str(sys.modules["imgkit"].__file__).startswith(str(package)):
            code = 2  # the tests ran on another copy than the changed one
    return code


def _kill_session(leader: int) -> None:
    """End what a fork left behind: servers, workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def mutate(module: Path, package: Path, until: float, options: argparse.Namespace) -> tuple[int, int, int]:
    """Try slips of a module, drawn by the seed; return how many were noticed, tried and found."""
    original = (PACKAGE / module).read_text(encoding="utf-8")
    target, tests = package / "imgkit" / module, tests_of(module)
    outcome, seconds = run(package, tests, 600)
    if outcome != "passed":
        print(f"{module}: its tests ({' '.join(tests)}) fail without a slip", flush=True)
        return 0, 0, 0
    found = list(slips(original))
    print(f"{module}: {len(found)} slips found; its tests take {seconds:.0f} s", flush=True)
    chosen = random.Random(f"{options.seed} {module.as_posix()}").sample(found, len(found))[: options.count]
    noticed, missed = 0, 0
    for cached in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
        cached.unlink()
    for slip in chosen:
        if time.monotonic() > until:
            break
        target.write_text(slip.source, encoding="utf-8")
        outcome, _ = run(package, tests, 2 * seconds + 5)
        if outcome == "passed":
            missed += 1
            print(f"  line {slip.line}: {slip.before}  ->  {slip.after or '(left out)'}", flush=True)
        else:
            noticed += 1
    target.write_text(original, encoding="utf-8")
    tried = noticed + missed
    print(f"{module}: {noticed} of {tried} slips noticed ({len(found)} found), by {' '.join(tests)}", flush=True)
    return noticed, tried, len(found)


def main() -> None:
    """Try the modules that are named, and print what nobody noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--minutes", type=float, default=30.0, help="stop after so many minutes")
    parser.add_argument("--count", type=int, help="slips of each module, drawn at random; without it, all")
    parser.add_argument("--seed", type=int, default=0, help="another number draws other slips")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    chosen = [module for name in options.modules for module in modules(name)]
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory(prefix="imgkit-mutants-") as place:
        package = Path(place) / "src"
        shutil.copytree(PACKAGE.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(package, quiet=2)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        os.environ.update({"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", **threads})
        _import_heavy()
        sums = [0, 0, 0]
        for module in chosen:
            if time.monotonic() < until:
                sums = [a + b for a, b in zip(sums, mutate(module, package, until, options), strict=True)]
    noticed, tried, found = sums
    print(f"{noticed} of {tried} slips noticed ({100 * noticed / max(1, tried):.0f} %), {found - tried} not tried")


if __name__ == "__main__":
    main()
