"""Play a truthful person over the review page's own protocol, and print what it costs to get a clean set.

    python benchmarks/review_effort.py DATA VERDICTS.csv [--mode weed|uncertain|suspects]

VERDICTS.csv has the columns label, file and verdict: "good", or a kind of junk. ``file`` is the path of the picture as
it came, or its name; DATA is a data folder whose pictures came from the provider ``folder`` and were curated. It is
copied first and stays as it is. ``imgkit curate --review`` serves the copy on the loopback address; this script sends
the requests that the page's scripts send, and nothing else. Pictures without a verdict are left as the page has them.

After each page (weed) or after every 15 decisions it prints how many clicks and keys the person has made, what is
decided, how much of the junk is left in the set and how much of the good is lost (each distinct picture counts once),
and the estimate that the page showed with the truth beside it. Clicks and keys count the exceptions, the keys that go
on, and those of the other modes, one for each decision.
"""

import argparse
import csv
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.manifest import Manifest
from imgkit.manifest.standings import outcomes, standings

PAGE: Final = 40
LEARN_EVERY: Final = 15
OUT_FROM: Final = 0.5
LEFT_AT_MOST: Final = 0.02
UNCERTAIN: Final = (0.1, 0.9)
REASONS: Final = {"text": "bad.text", "object": "bad.object", "species": "bad.label", "label": "bad.label"}
REASONS_BY_KIND: Final = {**REASONS, "offtopic": "bad.offtopic", "quality": "bad.quality", "art": "bad.not_photo"}


class Client:
    """Sends what the page's scripts send: ``get`` and ``post`` of ``server.js``."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token, self._write_key = port, token, ""

    def open(self) -> tuple[dict, dict]:
        """Load what the page loads when it opens."""
        columns, state = self.get("/api/set"), self.get("/api/state")
        self._write_key = state["write_key"]
        return columns, state

    def get(self, path: str) -> dict:
        """Return what the server answers a GET."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> dict:
        """Return what the server answers a POST of JSON."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        headers = {"accept": "application/json", "x-imgkit-token": self._token}
        if body is not None:
            headers |= {"content-type": "application/json", "x-imgkit-write": self._write_key}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: the server answered {answer.status}: {data.decode(errors='replace')}")
        return json.loads(data)


@dataclass
class Truth:
    """The verdicts by (label, image id): "good" or a kind of junk; and the group of copies of each picture."""

    verdicts: dict[tuple[str, str], str]
    group: dict[tuple[str, str], str]

    @classmethod
    def read(cls, data: Path, file: Path) -> "Truth":
        """Match the rows of a table with the pictures that came from files of this machine."""
        with file.open(newline="", encoding="utf-8") as table:
            told = [(row["label"], row["file"], row["verdict"].strip()) for row in csv.DictReader(table)]
        by_path = {(label, path): verdict for label, path, verdict in told}
        verdicts: dict[tuple[str, str], str] = {}
        with Manifest.open_existing(data) as manifest:
            names = {label: {label, name} for label, name in manifest.labels().items()}
            group = {one.key: one.copies or f"{one.label}/{one.image_id}" for one in standings(manifest.connection)}
            for one in sorted(manifest.each_candidate(), key=lambda candidate: candidate.state != "kept"):
                key = (one.label, one.image_id or "")
                if key not in group or key in verdicts:
                    continue
                path = Path(unquote(urlsplit(one.proposal.url).path))
                for written in (str(path), one.proposal.title, path.name):
                    found = [by_path[label, written] for label in names[one.label] if (label, written) in by_path]
                    if found:
                        verdicts[key] = found[0]
                        break
        if not verdicts:
            raise SystemExit(f"no row of {file} names a picture of {data} by its label and path or name")
        return cls(verdicts, group)

    def is_good(self, key: tuple[str, str]) -> bool | None:
        """Whether a picture belongs under its label, None where no verdict says."""
        return None if key not in self.verdicts else self.verdicts[key] == "good"

    def counts(self, data: Path) -> tuple[int, int, int, int]:
        """Return junk in the set, distinct junk, distinct good pictures that the set lacks, distinct good pictures."""
        with Manifest.open_existing(data) as manifest:
            placed = {key for key, one in outcomes(manifest.connection).items() if one.placed}
        junk = {self.group[key] for key, said in self.verdicts.items() if said != "good"}
        good = {self.group[key] for key, said in self.verdicts.items() if said == "good"}
        left = {self.group[key] for key in placed if self.verdicts.get(key, "good") != "good"}
        there = {self.group[key] for key in placed}
        return len(left), len(junk), len(good - there - junk), len(good)


@dataclass
class Person:
    """Truthful, and counts what it costs."""

    client: Client
    columns: dict
    state: dict
    truth: Truth
    data: Path
    clicks: int = 0
    keys: int = 0
    decisions: int = 0
    clean_at: int = -1
    covered: list[bool] = field(default_factory=list)
    stopped: str = ""
    sent: int = 0

    def key_of(self, row: int) -> tuple[str, str]:
        """Return label and image id of a row, as the page's listing has them."""
        return self.state["labels"][self.columns["label"][row]][0], self.columns["id"][20 * row : 20 * row + 20].strip()

    def reference(self, row: int) -> str:
        """Return a row as requests name it: number of the label, dot, image id."""
        return f"{self.columns['label'][row]}.{self.key_of(row)[1]}"

    def is_bad(self, row: int, otherwise: bool) -> bool:
        """Return whether a row is to go out; ``otherwise`` without a verdict."""
        good = self.truth.is_good(self.key_of(row))
        return otherwise if good is None else not good

    def scores(self, first: int | None = None) -> dict:
        """Return what waits, ranked, with the estimate of the page."""
        return self.client.get("/api/scores" if first is None else f"/api/scores?first={first}")

    def decide(self, mode: str, out: Sequence[int], kept: Sequence[int]) -> None:
        """Send one action, as the page does for a key."""
        by_reason: dict[str, list[int]] = {}
        for row in out:
            kind = self.truth.verdicts.get(self.key_of(row), "")
            reason = self.columns["reasons"][self.columns["reason"][row]]
            if reason.startswith("dup.") or self.columns["verdict"][row] == "k":
                reason = ""
            by_reason.setdefault(reason or REASONS_BY_KIND.get(kind, "user.rejected"), []).append(row)
        do = [
            {"action": "reject", "reason": reason, "to": -1, "items": [self.reference(row) for row in rows]}
            for reason, rows in by_reason.items()
        ]
        if kept:
            do.append({"action": "keep", "reason": "", "to": -1, "items": [self.reference(row) for row in kept]})
        self.sent += 1
        at = self.reference([*out, *kept][0])
        action = {"key": f"reviewerseffort.{self.sent}", "kind": "decide", "mode": mode, "at": at, "dwell": 2000}
        answer = self.client.post("/api/actions", {"actions": [{**action, "answer": "", "do": do}]})
        if answer["fates"][0]["fate"] != "written":
            raise SystemExit(f"the server did not write a decision: {answer['fates'][0]}")
        self.decisions += len(out) + len(kept)

    def report(self, shown: Mapping[str, object], waiting: Sequence[int]) -> None:
        """Print a line, with the estimate that the page shows and what is true of the unseen pictures of the set."""
        left, junk, lost, good = self.truth.counts(self.data)
        inside = self.columns["in_set"]
        really = sum(self.is_bad(row, False) for row in waiting if inside[row] == "1")
        value, margin, unseen = float(str(shown["value"])), int(str(shown["margin"])), shown["unseen"]
        self.covered.append(abs(really - value) <= margin)
        if self.clean_at < 0 and left <= LEFT_AT_MOST * junk and lost <= LEFT_AT_MOST * good:
            self.clean_at = self.clicks + self.keys
        if shown["stop"] and not self.stopped:
            self.stopped = f"after {self.clicks + self.keys} clicks and keys, {left} junk left and {lost} good lost"
        cost = f"{self.clicks:6} {self.keys:5} {self.decisions:9}"
        quality = f"{left:6} ({share(left, junk)}) {lost:5} ({share(lost, good)})"
        told = f"{value:.0f} ± {margin} wrong in {unseen} unseen"
        true = f"truth {really}" if self.covered[-1] else f"truth {really}, outside"
        print(f"{cost} {quality}   {told} ({true}){'  stop' if shown['stop'] else ''}", flush=True)


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:4.1f} %" if whole else "   -  "


def weed(person: Person) -> None:
    """Pages marked as the probabilities say: a click for each exception, a key for each page."""
    while True:
        ranked = person.scores(PAGE)
        if not ranked["rows"]:
            return
        page(person, "weed", ranked)
        report_all(person)


def page(person: Person, mode: str, ranked: Mapping[str, list]) -> None:
    out, kept = [], []
    for row, probability in zip(ranked["rows"], ranked["scores"], strict=True):
        marked = probability >= OUT_FROM
        bad = person.is_bad(row, marked)
        person.clicks += bad != marked
        (out if bad else kept).append(row)
    person.keys += 1
    person.decide(mode, out, kept)


def report_all(person: Person) -> None:
    ranked = person.scores()
    person.report(ranked["remaining"], ranked["rows"])


def uncertain(person: Person) -> None:
    """One picture after the other, the most uncertain first; then the grid of what the learner would take out."""
    low, high = UNCERTAIN
    while True:
        ranked = person.scores()
        doubtful = [
            (abs(probability - OUT_FROM), row)
            for row, probability in zip(ranked["rows"], ranked["scores"], strict=True)
            if low <= probability <= high
        ]
        if not doubtful:
            break
        singles(person, "uncertain", [row for _, row in sorted(doubtful)[:LEARN_EVERY]])
        report_all(person)
    while (ranked := person.scores(PAGE))["rows"] and ranked["scores"][0] >= OUT_FROM:
        count = sum(one >= OUT_FROM for one in ranked["scores"])
        page(person, "confirm", {"rows": ranked["rows"][:count], "scores": ranked["scores"][:count]})
        report_all(person)


def suspects(person: Person) -> None:
    """The suspects of the checks one by one, the likeliest first."""
    verdict, reasons = person.columns["verdict"], person.columns["reasons"]
    while True:
        rows = [
            row
            for row in person.scores()["rows"]
            if verdict[row] == "s" and not reasons[person.columns["reason"][row]].startswith("dup.")
        ]
        if not rows:
            return
        singles(person, "suspects", rows[:LEARN_EVERY])
        report_all(person)


def singles(person: Person, mode: str, rows: Sequence[int]) -> None:
    for row in rows:
        bad = person.is_bad(row, False)
        person.keys += 1
        person.decide(mode, [row] if bad else [], [] if bad else [row])


def copy_of(data: Path, target: Path) -> Path:
    """Copy a data folder; pictures, which no review changes, are linked."""

    def put(source: str, place: str) -> object:
        if Path(source).suffix in (".jpg", ".png", ".webp", ".gif"):
            try:
                return os.link(source, place)
            except OSError:
                pass
        return shutil.copy2(source, place)

    shutil.copytree(data, target, copy_function=put, ignore=shutil.ignore_patterns(".review", ".locks"))
    return target


@contextmanager
def serving(data: Path) -> Iterator[Client]:
    """Serve the review of a data folder in a process of its own."""
    noted = data / ".review" / "server.json"
    command = [sys.executable, "-m", "imgkit", "curate", "--data", str(data), "--review", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not noted.exists():
            if process.poll() is not None:
                assert process.stderr is not None
                raise SystemExit(f"the review did not start: {process.stderr.read().decode(errors='replace').strip()}")
            time.sleep(0.05)
        told = json.loads(noted.read_text())
        yield Client(told["port"], told["url"].partition("#t=")[2])
    finally:
        process.kill()
        process.wait()


def play(data: Path, verdicts: Path, mode: str) -> Person:
    """Review a copy of a data folder and return the person with what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of(data, Path(folder) / "data")
        truth = Truth.read(copy, verdicts)
        with serving(copy) as client:
            columns, state = client.open()
            person = Person(client, columns, state, truth, copy)
            print(f"clicks  keys decisions  junk left       good lost        the page's estimate ({mode})")
            report_all(person)
            {"weed": weed, "uncertain": uncertain, "suspects": suspects}[mode](person)
    covered = sum(person.covered)
    clean = f"{person.clean_at} clicks and keys" if person.clean_at >= 0 else "never"
    print(f"at most 2 % junk left and 2 % good lost: {clean}")
    print(f"the page says to stop: {person.stopped or 'never'}")
    print(f"the interval held the truth on {covered} of {len(person.covered)} pages")
    return person


def main() -> None:
    """Play one mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a curated data folder whose pictures came from the provider folder")
    parser.add_argument("verdicts", type=Path, help="CSV with the columns label, file, verdict")
    parser.add_argument("--mode", choices=("weed", "uncertain", "suspects"), default="weed")
    given = parser.parse_args()
    play(given.data, given.verdicts, given.mode)


if __name__ == "__main__":
    main()
