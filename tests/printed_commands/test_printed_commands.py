"""Every command and every line of Python that imgkit prints is run as it stands, from folders with awkward names.

What cannot run to its end here is run as far as it goes: a harvest with ``--dry-run`` (its services are not there), the
review until its address is printed and Ctrl-C ends it, a training for one step. A command for ``torchrun`` has its
words parsed. Words in capitals are replaced by what they stand for.
"""

import ast
import contextlib
import hashlib
import html
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from imgkit import commands
from imgkit.cli import COMMANDS, build
from imgkit.cli.train_modes import resume_hint
from imgkit.curate import pipeline
from imgkit.curate.config import CurateConfig
from imgkit.curate.publish.alerts import alerts_of
from imgkit.curate.publish.report import _same_again
from imgkit.curate.publish.summary import CurateReport
from imgkit.curate.review.listing import ReviewListing
from imgkit.curate.review.server import _session
from imgkit.errors import UsageError
from imgkit.harvest import changes
from imgkit.harvest.report import HarvestReport, LabelResult
from imgkit.manifest import DataFolder, Decision, Manifest
from imgkit.manifest.summary import next_step
from imgkit.train import model_candidates
from imgkit.train.report import advice

PACKAGE = Path(commands.__file__).parent
COLOURS = {"coral": (200, 60, 40), "king": (50, 70, 200), "milk": (70, 190, 80)}
PLACE = 'it\'s $HOME; a (new) "folder" & more'
TWINS = Path("twins")  # two runs with the same pictures
DATA, RUNS, QUERIES = Path("the data's"), Path("my runs"), Path("my queries.csv")
MENTION = re.compile(rf"imgkit (?:{'|'.join(COMMANDS)})\b(?! wrote|:)")
WITHOUT_A_FOLDER = {"imgkit demo", "imgkit models", "imgkit doctor"}


@dataclass(frozen=True)
class Printed:
    """A command, and where in the package it was put together."""

    line: str
    file: Path
    number: int


class Recorder:
    """Notes each command that the package puts together, with the place outside of ``imgkit.commands``."""

    def __init__(self):
        self.printed, self._command = [], commands.command

    def __call__(self, *words, **more):
        line, frame = self._command(*words, **more), sys._getframe(1)
        while frame.f_code.co_filename == commands.__file__:
            frame = frame.f_back
        self.printed.append(Printed(line, Path(frame.f_code.co_filename), frame.f_lineno))
        return line


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A folder in which everything that prints a command has happened: what was recorded, and every text of it."""
    place = tmp_path_factory.mktemp("life") / PLACE
    place.mkdir()
    recorder, texts, patch = Recorder(), {}, pytest.MonkeyPatch()
    patch.setattr(commands, "command", recorder)
    patch.chdir(place)
    with contextlib.closing(patch_end(patch)):
        live(texts)
        for path in (*DATA.rglob("*"), *RUNS.rglob("*"), *Path("hub").rglob("*")):
            if path.suffix in (".html", ".md", ".json", ".yaml") and path.is_file():
                text = path.read_text(encoding="utf-8")
                texts[str(path)] = html.unescape(text) if path.suffix == ".html" else text
    return SimpleNamespace(place=place, printed=recorder.printed, texts=texts)


def draw(path, colour, seed):
    """Save a blotchy picture whose mean colour tells its label."""
    blotches = np.random.default_rng(seed).normal(colour, 40, (6, 8, 3)).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blotches).resize((120, 90), Image.Resampling.BICUBIC).save(path)


def patch_end(patch):
    return SimpleNamespace(close=patch.undo)


def imgkit(texts, *arguments, code=0):
    done = CliRunner().invoke(build(), [str(one) for one in arguments])
    assert done.exit_code == code, done.output
    texts[f"{len(texts)}: imgkit {shlex.join(map(str, arguments))}"] = done.output


def live(texts):
    """Walk through the commands, their mistakes included."""
    imgkit(texts)
    for name, colour in COLOURS.items():
        for number in range(16):
            draw(Path("pictures") / name / f"{number}.png", colour, 1000 * sum(colour) + number)
    QUERIES.write_text(
        "label,query,providers\n" + "".join(f"{name},pictures/{name},folder\n" for name in COLOURS), encoding="utf-8"
    )
    imgkit(texts)
    curated = DATA / "curated"
    imgkit(texts, "status", "--data", DATA, code=2)
    imgkit(texts, "train", curated, "--runs", RUNS, code=2)
    Manifest.open(DATA).close()
    imgkit(texts, "status", "--data", DATA)
    imgkit(texts, "curate", "--data", DATA, code=2)
    imgkit(texts, "curate", "--review", "--no-browser", "--data", DATA, code=2)
    imgkit(texts, "curate", "--undo", "--data", DATA, code=2)
    imgkit(texts, "train", curated, "--runs", RUNS, code=2)
    curated.mkdir()
    imgkit(texts, "shards", curated, "shards", code=2)
    curated.rmdir()
    imgkit(texts, "harvest", QUERIES, "--data", DATA)
    imgkit(texts, "status", "--data", DATA)
    with Manifest.open(DATA) as manifest, pytest.raises(UsageError, match="is judged yet"):
        ReviewListing(manifest, pipeline.in_set("suggest"))
    damage_an_original(texts)
    settings = ("--policy", "keep", "--allow", "drawings,text", "--weights", "packaged")
    imgkit(texts, "curate", "--data", DATA, *settings)
    imgkit(texts, "curate", DATA, code=2)  # it is a data folder, not pictures
    imgkit(texts, "status", "--data", DATA)
    finished_review()
    every_alert(DATA)
    imgkit(texts, "train", curated, "--runs", RUNS, "--name", "the first", "--device", "cpu", "--weights", "packaged")
    every_advice()
    model = RUNS / "the first" / "model"
    imgkit(texts, "export", model, "--hub-folder", "hub/it's mine")
    imgkit(texts, "evaluate", model, curated)
    imgkit(texts, "predict", model, "pictures/coral")
    imgkit(texts, "models", "lite0")
    shutil.copytree(model, Path("runs") / "it's first" / "model")
    imgkit(texts)
    comparisons(texts)
    decisions_elsewhere(texts)
    tune(texts, curated)
    damaged_shards(texts, curated)
    interruptions()
    changes._command("coral", "it's coral", str(DATA))
    imgkit(texts, "labels", "rename", "milk", "milk & honey", "--data", DATA)
    imgkit(texts, "remove", "--sha", first_original().stem, "--data", DATA, "--runs", RUNS)


def first_original():
    return min(path for path in (DATA / "originals").rglob("*.*") if path.is_file())


def damage_an_original(texts):
    original = first_original()
    whole = original.read_bytes()
    original.write_bytes(b"no picture")
    imgkit(texts, "harvest", QUERIES, "--data", DATA, "--size", 100, code=7)
    original.write_bytes(whole)
    imgkit(texts, "harvest", QUERIES, "--data", DATA)


def comparisons(texts):
    """Of one run, and of two that have no picture in common."""
    imgkit(texts, "compare", RUNS, code=2)
    for name in ("a", "b"):
        shutil.copytree(RUNS / "the first", TWINS / name)
    other = shutil.copytree(RUNS / "the first", Path("strangers") / "c")
    predictions = other / "predictions.csv"
    head, *rows = predictions.read_text(encoding="utf-8").splitlines()
    predictions.write_text("\n".join([head, *(f"elsewhere/{row}" for row in rows)]), encoding="utf-8")
    imgkit(texts, "compare", RUNS / "the first", other, code=2)


def decisions_elsewhere(texts):
    """What was decided in one data folder is taken over by a copy of it."""
    copy = shutil.copytree(DATA, "a copy's")
    with Manifest.open(DATA) as manifest:
        item = manifest.items()[0]
        manifest.decide([Decision(label=item.label, image_id=item.image_id, action="keep")])
    imgkit(texts, "decisions", "export", "decided.jsonl", "--data", DATA)
    imgkit(texts, "decisions", "import", "decided.jsonl", "--data", copy)


def tune(texts, curated):
    fast = ("--steps", 2, "--trials", 1, "--backbone", "tf_efficientnet_lite0", "--size", 64, "--device", "cpu")
    imgkit(texts, "tune", curated, "--runs", RUNS, *fast)


def damaged_shards(texts, curated):
    imgkit(texts, "shards", curated, "shards of it's")
    shard = next(Path("shards of it's").glob("*.tar"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    imgkit(texts, "shards", "shards of it's", "back", "--restore", code=7)
    shard.write_bytes(b"no tar at all")
    sums = shard.parent / "SHA256SUMS"
    right = sums.read_text(encoding="utf-8")
    wrong = right.replace(hashlib.sha256(whole).hexdigest(), hashlib.sha256(b"no tar at all").hexdigest())
    sums.write_text(wrong, encoding="utf-8")
    imgkit(texts, "shards", "shards of it's", "back", "--restore", code=7)
    sums.write_text(right, encoding="utf-8")
    shard.write_bytes(whole)
    picture = next(curated.rglob("*.jpg"))
    picture.rename("kept aside.jpg")
    imgkit(texts, "shards", curated, "other shards", code=2)
    Path("kept aside.jpg").rename(picture)


def finished_review():
    """What the page tells when a person finishes the review, without a browser."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "review", lambda page, *, in_set, finish, progress: told.append(finish()))
        pipeline.curate_with_review(CurateConfig(data=DATA, weights="none", policy="keep"), None)
    assert shlex.split(told[0]["next"]) == ["imgkit", "train", f"{DATA}/curated"]


def every_alert(data):
    """The alerts of every kind, made from the last report."""
    with Manifest.open(data) as manifest:
        report = manifest.last_run("curate")["summary"]
        for queries in (manifest.last_queries(), None):
            next_step([], manifest.folder, queries)
        for numbers in ((0, 0), (1, 0), (0, 1)):  # suspects, and pictures that are written and not in the set
            row = SimpleNamespace(harvested=1, unjudged=0, suspects=numbers[0], curated=0, written=numbers[1])
            next_step([row], manifest.folder)
    fields = {name: report[name] for name in ("data", "version", "policy", "queries", "asked_per_label", "settings")}
    empty = ("suspects", "removed", "moved", "copies", "providers", "labels")
    plain = CurateReport(**fields, **dict.fromkeys(empty, ()), backbone="", licences={}, edits={}, totals={"in_set": 0})
    row = SimpleNamespace(label="a", in_set=3, suspects={})
    conflict = SimpleNamespace(reason="bad.conflict", kept=False)
    provider = SimpleNamespace(provider="bing", in_set=9)
    other = SimpleNamespace(provider="commons", in_set=1)
    alerts_of(plain)
    alerts_of(
        replace(
            plain,
            labels=(row, SimpleNamespace(label="b", in_set=0, suspects={})),
            suspects=(conflict,),
            leaks=(conflict,),
            providers=(provider, other),
            licences={"": 10},
            totals={"in_set": 10},
        )
    )
    _same_again(replace(plain, policy="keep", settings={**plain.settings, "policy": "keep", "seed": 3}))
    host = SimpleNamespace(folder=DataFolder(data), token="t", port=1, config=SimpleNamespace(data=data), stop=None)
    _session(host, None, {}, None)
    for result in (LabelResult(label="a", name="a", target=1, kept=kept) for kept in (0, 1)):
        assert HarvestReport(data=str(data), labels=(result,), rows=()).summary


def every_advice():
    """The pieces of advice that name a command, beside a data folder of imgkit and beside none."""
    report = SimpleNamespace(
        data=DATA / "curated", plan=SimpleNamespace(labels=[SimpleNamespace(total=130)]), notes=(), tuning=None
    )
    assert [shlex.split(line)[2:5] for line in advice._harvest_more(report)] == [["QUERIES.csv", "--per-label", "300"]]
    assert len(list(advice._review(report))) == 1
    report.data = Path("pictures")
    assert [*advice._harvest_more(report), *advice._review(report)] == []
    assert list(advice._about_fit(report))


def interruptions():
    run = RUNS / "it's new"
    work = SimpleNamespace(folder=SimpleNamespace(path=run), processes=SimpleNamespace(size=1))
    model_candidates._resume_command(work)
    work.processes.size = 2
    model_candidates._resume_command(work)
    say = resume_hint(RUNS, resumed=False)
    run.mkdir()
    (run / "config.json").write_text("{}", encoding="utf-8")
    say()
    shutil.rmtree(run)


def call_sites():
    """Every place in the package that puts a command together: (file, first line, last line)."""
    for module in sorted(PACKAGE.rglob("*.py")):
        if module == Path(commands.__file__):
            continue
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("commands."):
                yield module, node.lineno, node.end_lineno


def test_every_place_that_puts_a_command_together_was_reached(life):
    reached = {(one.file, one.number) for one in life.printed}

    missed = [
        f"{module.relative_to(PACKAGE)}:{first}"
        for module, first, last in call_sites()
        if not any((module, line) in reached for line in range(first, last + 1))
    ]

    assert missed == []
    assert any("--undo" in one.line for one in life.printed)  # in the page of a curate only


def test_nothing_that_was_printed_holds_another_command(life):
    lines = {one.line for one in life.printed}
    others = {}
    for name, text in life.texts.items():
        for found in MENTION.finditer(text):
            rest = text[found.start() :].replace('\\"', '"')
            to_fill_in = re.match(r"imgkit \w+ [A-Z]{4,}\b", rest)  # parsed by tests/test_commands.py
            if found.group() not in WITHOUT_A_FOLDER and not to_fill_in and not any(map(rest.startswith, lines)):
                others.setdefault(name, []).append(rest[:100])

    assert others == {}


def test_every_command_that_was_put_together_runs(life):
    kinds = {}  # one of each kind: the same program and options with other values
    for one in life.printed:
        words = shlex.split(one.line)
        kinds.setdefault((*words[:2], *sorted(word for word in words if word.startswith("--"))), one.line)
    lines = sorted(kinds.values())
    restore = life.place.parent / "as it was"
    shutil.copytree(life.place, restore)

    failed = {}
    for line in lines:
        if why := run(line, life.place):
            failed[line] = why
        shutil.rmtree(life.place)  # a removal or an undo must not decide what the next command finds
        shutil.copytree(restore, life.place)

    assert failed == {}
    assert len(lines) > 12


def run(line, place):
    """Run a command as a shell reads it and return what is wrong, "" for nothing."""
    read = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], cwd=place, capture_output=True, text=True, check=True
    )
    words = read.stdout.split("\0")[:-1]
    if words[0] == "torchrun":
        return parsed(words[words.index("imgkit") + 1 :])
    if "--resume" in words:  # of a run that was there for a moment only; another test goes on with a real one
        return parsed(words[1:])
    root = place
    if "it's mine" in words:
        place = place / "hub"  # the card of a model names its folder as it is seen from above
    meant = {"QUERIES.csv": QUERIES, "PICTURES": root / "pictures/coral", "FOLDER": DATA / "curated", "RUNS": TWINS}
    words = [str(meant.get(word, word)) for word in words]
    if words[1] == "shards":
        shutil.rmtree(root / words[3])  # the set has changed since, and another one is never written over
    if words[1] == "harvest":
        words += ["--dry-run"]
    if words[1] == "curate" and "--undo" not in words:
        words += ["--weights", "none"]
    if words[1] == "train":
        words += ["--device", "cpu", "--weights", "packaged", "--size", "64", "--steps", "1", "--runs", str(RUNS)]
    if "--review" in words:
        return opened_and_ended(line, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        done = CliRunner().invoke(build(), words[1:])
    return "" if done.exit_code == 0 else done.output[-600:]


def parsed(words):
    try:
        get_command(build()).commands[words[0]].make_context(words[0], words[1:]).close()
    except Exception as error:
        return repr(error)
    return ""


def opened_and_ended(line, place):
    """Open the review, wait for its address, and end it as Ctrl-C does."""
    line = f"exec {line} --no-browser"
    running = subprocess.Popen(
        ["bash", "-c", line], cwd=place, env=here(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = ""
    for said in running.stderr:
        seen += said
        if "Ctrl-C ends the review" in said:
            running.send_signal(signal.SIGINT)
            break
    _, rest = running.communicate(timeout=200)
    return "" if running.returncode == 0 and "Review page: http://127.0.0.1" in seen else seen + rest


def here():
    """The environment in which ``imgkit`` is the one under test."""
    return {**os.environ, "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"}


PYTHON = re.compile(r"from contextlib import suppress\n.*?label_names\"\]", re.S)


def test_the_lines_of_python_that_were_printed_run(life):
    printed = {name: found.group() for name, text in life.texts.items() if (found := PYTHON.search(text))}
    assert {Path(name).name for name in printed} == {"report.html", "README.md"}

    for name, lines in printed.items():
        folder = life.place / "hub" if name.endswith("README.md") else life.place
        lines += "\nprint(labels)"
        done = subprocess.run([sys.executable, "-c", lines], cwd=folder, capture_output=True, text=True, check=False)
        assert done.stdout == "['coral', 'king', 'milk']\n", done.stderr


def test_an_interrupted_training_prints_a_command_that_goes_on(life):
    asked = ("train", DATA / "curated", "--finetune", "--device", "cpu", "--size", 64, "--steps", 1000, "--batch", 4)
    line = commands.command(*map(str, asked), "--weights", "packaged", "--runs", RUNS, "--name", "it's cut short")
    before, after = interrupted(line, life.place)

    assert before == after
    assert interrupted(after, life.place)[0] == before


def interrupted(line, place):
    """Run a training and interrupt it as soon as it says how to go on; return what it said before and after that."""
    running = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=place, env=here(), stderr=subprocess.PIPE, text=True)
    for said in running.stderr:
        if "Ctrl-C saves; then: " in said:
            before = said.split("then: ")[1].strip()
            running.send_signal(signal.SIGINT)
            break
    _, rest = running.communicate(timeout=200)
    assert running.returncode == 130, rest
    return before, re.search(r"Go on with: (.*)", rest).group(1).strip()
