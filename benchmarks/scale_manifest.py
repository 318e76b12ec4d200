"""A manifest of a million pictures: how soon ``imgkit status`` answers, and the review page's server."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scale import Figure, Setting, peak_mib

from imgkit.manifest import Manifest, Query

PICTURES, DECIDED, LABELS = 1_000_000, 20_000, 20
NOT_KEPT = 0.3  # candidates without a picture, for each picture
RUNS = 15  # of which the median is told
AT_ONCE = 64  # pictures that the page asks about at once
REASONS = ("http.404", "img.too_small", "dup.exact", "net.timeout")


def manifest(setting: Setting) -> Iterator[Figure]:
    """Time ``imgkit status`` as a command, and the part of it that asks the manifest."""
    count = setting.of(PICTURES)
    data = filled(setting.folder / f"manifest-{count}", count, setting.of(DECIDED))
    title = f"status of {count:,} pictures"
    yield Figure(
        what=f"{title}, size of the manifest", value=(data / "manifest.db").stat().st_size / count, unit="B each"
    )
    for way, option in (("tables", []), ("JSON", ["--json"])):
        command = [sys.executable, "-m", "imgkit", "status", "--data", str(data), *option]
        taken = []
        for _ in range(RUNS):
            started = time.monotonic()
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            taken.append(time.monotonic() - started)
        what = f"{title}, the command, {way}, median of {RUNS}"
        yield Figure(what=what, value=float(np.median(taken)), unit="s", bar=0.5)
    assert sum(label["harvested"] for label in json.loads(told)["labels"]) == count
    yield Figure(what=f"{title}, peak memory", value=peak_mib(children=True), unit="MiB")
    taken = []
    for _ in range(RUNS):
        started = time.monotonic()
        Manifest.open_existing(data).close()
        taken.append(time.monotonic() - started)
    yield Figure(what=f"{title}, opening the manifest", value=float(np.median(taken)), unit="s", bar=0.1)


def review(setting: Setting) -> Iterator[Figure]:
    """Serve the review page on loopback, and ask for what it shows, page by page."""
    from imgkit.curate.review.config import ReviewConfig
    from imgkit.curate.review.server import review as serve

    count = setting.of(PICTURES)
    data = filled(setting.folder / f"manifest-{count}", count, setting.of(DECIDED))
    forget(data / "manifest.db")
    title = f"review of {count:,} pictures"
    noted = data / ".review" / "server.json"
    noted.unlink(missing_ok=True)
    config = ReviewConfig(data=data, open_browser=False)
    server = threading.Thread(
        target=serve, args=(config,), kwargs={"in_set": lambda judged: judged.verdict == "keep", "finish": dict}
    )
    started = time.monotonic()
    server.start()
    while not noted.exists():
        assert server.is_alive()
        time.sleep(0.01)
    yield Figure(what=f"{title}, until the page answers", value=time.monotonic() - started, unit="s")
    page = Page(json.loads(noted.read_text())["url"])
    started = time.monotonic()
    listing = page.get("/api/set")
    yield Figure(what=f"{title}, the list of all pictures, once", value=time.monotonic() - started, unit="s")
    yield Figure(what=f"{title}, the list of all pictures, bytes each", value=len(listing) / count, unit="B")
    columns = json.loads(listing)
    ids, labels = columns["id"], columns["label"]
    keys = [f"{labels[row]}.{ids[20 * row : 20 * row + 20]}" for row in range(count)]
    for name, path in (
        (f"{AT_ONCE} pictures with findings and source", "/api/items?of={}"),
        ("what changed", "/api/changes?since={}"),
    ):
        taken = []
        for place in np.random.default_rng(0).integers(0, max(1, count - AT_ONCE), 200).tolist():
            since = page.revision
            started = time.monotonic()
            page.get(path.format(",".join(keys[place : place + AT_ONCE]) if "items" in path else since))
            taken.append(1000 * (time.monotonic() - started))
        yield Figure(what=f"{title}, {name}, median", value=float(np.median(taken)), unit="ms", bar=20)
        yield Figure(what=f"{title}, {name}, 95th of 100", value=float(np.percentile(taken, 95)), unit="ms", bar=20)
    yield Figure(what=f"{title}, peak memory of the server", value=peak_mib(), unit="MiB")
    page.quit()
    server.join()


def pictures(setting: Setting) -> Iterator[Figure]:
    """Gather the pictures as curate does at its start, without their files."""
    from imgkit.curate.pictures import read_pictures

    count = setting.of(PICTURES)
    data = filled(setting.folder / f"manifest-{count}", count, setting.of(DECIDED))
    forget(data / "manifest.db")
    started = time.monotonic()
    with Manifest.open_existing(data) as known:
        assert len(read_pictures(known)) == count
    title = f"curate's list of {count:,} pictures"
    yield Figure(what=title, value=time.monotonic() - started, unit="s")
    yield Figure(what=f"{title}, peak memory", value=peak_mib(), unit="MiB")


class Page:
    """A browser's connection to the page."""

    def __init__(self, url: str) -> None:
        self._address, _, token = url.partition("/#t=")
        self._opener = urllib.request.build_opener()
        self._opener.addheaders = [("x-imgkit-token", token)]
        self._opener.open(f"{self._address}/").read()
        state = json.loads(self.get("/api/state"))
        self.revision, self._write_key = state["revision"], state["write_key"]

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        return self._opener.open(f"{self._address}{path}").read()

    def quit(self) -> None:
        """End the server."""
        headers = {"content-type": "application/json", "x-imgkit-write": self._write_key, "origin": self._address}
        self._opener.open(urllib.request.Request(f"{self._address}/api/quit", b"{}", headers))


def forget(file: Path) -> None:
    """Take a file out of the system's memory, so that it is read from the disk as after a night."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def filled(data: Path, count: int, decided: int) -> Path:
    """Return a data folder whose manifest has ``count`` pictures (there are no files); made once."""
    if (data / "filled").exists():
        return data
    labels = [f"label-{n:02}" for n in range(LABELS)]
    with Manifest.open(data) as known:
        known.put_queries([Query(label=label, name=label, text=label) for label in labels])
    db = sqlite3.connect(data / "manifest.db")
    db.execute("PRAGMA synchronous=OFF")
    chance = np.random.default_rng(0)
    with db:
        for start in range(0, count, 50_000):
            fill(db, labels, range(start, min(count, start + 50_000)), chance)
        decide(db, labels, count, decided, chance)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    (data / "filled").touch()
    return data


def fill(db: sqlite3.Connection, labels: list[str], numbers: range, chance: np.random.Generator) -> None:
    """Insert pictures with all that belongs to them: a tenth suspects, a tenth set aside."""
    names = [hashlib.sha256(str(n).encode()).hexdigest() for n in numbers]
    verdicts = chance.choice(["keep", "suspect", "reject"], len(names), p=[0.8, 0.1, 0.1]).tolist()
    scores = np.round(chance.random(len(names)), 4).tolist()
    rows = list(zip(numbers, names, verdicts, scores, strict=True))
    db.executemany(
        "INSERT INTO image VALUES (?,?,?,?,?,?,?,?,?)",
        ((name[:20], name, name, "jpg", 50_000, 800, 600, 1, "[]") for _, name, _, _ in rows),
    )
    db.executemany(
        "INSERT INTO candidate (label, query_id, provider, round, rank, url, url_key, proposal, state, reason, "
        "image_id) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (row for n, name, _, _ in rows for row in candidates(labels[n % LABELS], n, name)),
    )
    db.executemany(
        "INSERT INTO item VALUES (?,?,?,?,?)",
        ((labels[n % LABELS], name[:20], 500, 375, name) for n, name, _, _ in rows),
    )
    judged = [(labels[n % LABELS], name[:20], verdict, score) for n, name, verdict, score in rows]
    db.executemany(
        "INSERT INTO finding VALUES (?,?,?,?,?,?,?)",
        (
            (label, image, "label", score, 0.5, '{"probability":0.8}', 1)
            for label, image, verdict, score in judged
            if verdict != "keep"
        ),
    )
    db.executemany(
        "INSERT INTO judgement VALUES (?,?,?,?,?,?,?,?,?)",
        (
            (
                label,
                image,
                verdict,
                "" if verdict == "keep" else "bad.label",
                "" if verdict == "keep" else "label",
                score,
                "",
                "",
                "",
            )
            for label, image, verdict, score in judged
        ),
    )


def candidates(label: str, number: int, name: str) -> Iterator[tuple[object, ...]]:
    """Yield the candidate that brought the picture, and by turns one that brought none."""
    proposal = json.dumps(
        {"page_url": f"https://pages.example/{name}", "author": f"author {number % 997}", "title": name}
    )
    url = f"https://pictures.example/{name}.jpg"
    provider, rank = ("bing", "openverse", "commons")[number % 3], number // LABELS
    yield (label, 1 + number % LABELS, provider, 0, rank, url, url, proposal, "kept", "", name[:20])
    if number % 10 < 10 * NOT_KEPT:
        reason = REASONS[number % len(REASONS)]
        yield (label, 1 + number % LABELS, provider, 0, rank, url + "?", url + "?", proposal, "rejected", reason, None)


def decide(db: sqlite3.Connection, labels: list[str], count: int, decided: int, chance: np.random.Generator) -> None:
    """Insert decisions of people, a tenth of them taken back."""
    for n, number in enumerate(chance.choice(count, min(decided, count), replace=False).tolist(), start=1):
        key = (hashlib.sha256(str(number).encode()).hexdigest()[:20], labels[number % LABELS])
        statement = (
            "INSERT INTO decision (at, actor, command, image_id, label, action, reason, to_label, undoes, key) "
            "VALUES (0,'a person','review',?,?,?,'','',?,NULL)"
        )
        made = db.execute(statement, (*key, ("keep", "reject")[n % 2], None)).lastrowid
        if n % 10 == 0:
            db.execute(statement, (*key, "undo", made))
