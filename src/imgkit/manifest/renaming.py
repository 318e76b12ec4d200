"""Give a label another name: its queries, candidates, pictures, verdicts and decisions go along, and its files."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.files import resource_error
from imgkit.manifest import rows
from imgkit.manifest.labels import slug
from imgkit.manifest.store import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedLabel:
    """What was moved from one label to another: pictures, decisions of people, and the files that ask for it."""

    old: str
    new: str
    pictures: int
    decisions: int
    files: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return {
            "old": self.old,
            "new": self.new,
            "pictures": self.pictures,
            "decisions": self.decisions,
            "files": list(self.files),
        }


def find_label(manifest: Manifest, text: str) -> str:
    """Return the folder name of a label given by its name or its folder name.

    Raises:
        UsageError: there is no such label; the sentence names those that there are.
    """
    names = manifest.labels()
    for found in (
        [text] if text in names else [],
        [one for one, name in names.items() if name == text],
        [one for one, name in names.items() if text.casefold() in (one.casefold(), name.casefold())],
    ):
        if len(found) == 1:
            return found[0]
    raise UsageError(
        f"{manifest.folder.root} has no label '{text}'. Nothing was changed. It has: {', '.join(names.values())}."
    )


def rename_label(manifest: Manifest, old: str, name: str, *, merge: bool = False) -> RenamedLabel:
    """Move a label's pictures and decisions to the label ``name``, which need not be there.

    Where both labels have the same picture or the same address it is one afterwards; of decisions about it the later
    one holds. Machine verdicts that name the old label elsewhere go until the next curate.

    Args:
        manifest: of the data folder. The caller holds ``exclusive_access``.
        old: the label's folder name.
        name: the new display name; its folder name is made of it.
        merge: whether two labels that ask for different words may become one, which cannot be taken back.

    Raises:
        UsageError: no folder can be named so, the label is called that already, or two labels would become one.
        ResourceError: no permission to move the files.
    """
    new = slug(name)
    names = manifest.labels()
    _check(manifest, names, old, new, name, merge=merge)
    pictures = len(manifest.items(label=old))
    decisions = sum(label == old for label, _ in manifest.current_decisions())
    with manifest.connection.write(durable=True) as db:
        if new == old:
            db.execute("UPDATE label SET name=? WHERE slug=?", (name, old))
        else:
            db.execute("INSERT INTO label VALUES (?,?) ON CONFLICT DO UPDATE SET name=excluded.name", (new, name))
            _move_queries(db, old, new)
            _move_candidates(db, old, new)
            _move_pictures(db, old, new)
            _move_decisions(db, old, new)
            _move_reviews(db, old, new)
            db.execute("DELETE FROM label WHERE slug=?", (old,))
            db.execute("UPDATE renamed_label SET new=? WHERE new=?", (new, old))
            db.execute("DELETE FROM renamed_label WHERE old=?", (new,))
            db.execute("INSERT INTO renamed_label VALUES (?,?) ON CONFLICT DO UPDATE SET new=excluded.new", (old, new))
    # rows first: files that a crash leaves behind are made again from their originals by the next harvest
    if new != old:
        _move_files(manifest.folder.harvested, old, new)
    asking = {row.file: None for row in manifest.rows_in_force() if row.query.label == new}
    return RenamedLabel(
        old=names[old], new=name, pictures=pictures, decisions=decisions, files=tuple(one for one in asking if one)
    )


def renamed_labels(manifest: Manifest) -> dict[str, str]:
    """Return the folder name that a label had to the one that it has: for what was written before it was renamed."""
    found = manifest.connection.read("SELECT old, new FROM renamed_label")
    return {rows.checked_label(row["old"]): rows.checked_label(row["new"]) for row in found}


def case_changes(manifest: Manifest, wanted: dict[str, str], file: Path | None) -> list[tuple[str, str]]:
    """Return (old folder name, new display name) of labels that differ from wanted ones in upper and lower case alone.

    Both would have the same folder on many file systems, so they are one label. Left out are labels that another
    queries file asks for under the name that is known.

    Args:
        manifest: of the data folder.
        wanted: folder name to display name of labels in ``file``.
        file: the queries file; None for words on the command line.
    """
    known = {one.casefold(): one for one in manifest.labels()}
    own = {row.query.label for row in manifest.rows_of(file)} if file is not None else set()
    others = {row.query.label for row in manifest.rows_in_force() if row.query.label not in own}
    found = []
    for folder, name in wanted.items():
        old = known.get(folder.casefold(), folder)
        if old != folder and old not in others:
            found.append((old, name))
    return found


def _check(manifest: Manifest, names: dict[str, str], old: str, new: str, name: str, *, merge: bool) -> None:
    if not new:
        raise UsageError(f"no folder can be named after '{name}'. Nothing was changed. Use letters or digits.")
    if (new, name) == (old, names[old]):
        raise UsageError(f"the label is called '{name}' already. Nothing was changed.")
    other = next((one for one in names if one.casefold() == new.casefold() and one not in (old, new)), None)
    if other is not None:
        raise UsageError(
            f"'{name}' would share the folder name {new} with the label '{names[other]}'. Nothing was changed. "
            "Choose another name."
        )
    if new in names and new != old and not merge and not _alike(manifest, old, new):
        raise UsageError(
            f"there is a label '{names[new]}' with other words and pictures. Nothing was changed. To make the two one, "
            "which cannot be taken back, add --merge; or choose another name."
        )


def _alike(manifest: Manifest, old: str, new: str) -> bool:
    """Say whether two labels ask, or asked, for the same words, or the new one has no pictures of its own."""
    texts: dict[str, set[str]] = {old: set(), new: set()}
    for query in manifest.queries().values():
        if query.label in texts:
            texts[query.label].add(query.text)
    pictures = [{one.image_id for one in manifest.items(label=label)} for label in (old, new)]
    return bool(texts[old] & texts[new]) or pictures[1] <= pictures[0]


def _move_queries(db: sqlite3.Connection, old: str, new: str) -> None:
    twins = db.execute(
        "SELECT one.id AS id, other.id AS twin FROM query AS one JOIN query AS other "
        "USING (text, exclude, licences) WHERE one.label=? AND other.label=?",
        (old, new),
    ).fetchall()
    for row in twins:
        pair = (row["twin"], row["id"])
        db.execute("UPDATE candidate SET query_id=? WHERE query_id=?", pair)
        db.execute("UPDATE OR IGNORE proposed SET query_id=? WHERE query_id=?", pair)
        db.execute("UPDATE query_row SET query_id=? WHERE query_id=?", pair)
        # of two searches the one that came further goes on
        db.execute(
            "DELETE FROM search WHERE query_id=? AND provider IN (SELECT one.provider FROM search AS one "
            "JOIN search AS other USING (provider) WHERE one.query_id=? AND other.query_id=? "
            "AND other.found > one.found)",
            (row["twin"], *pair),
        )
        db.execute("UPDATE OR IGNORE search SET query_id=? WHERE query_id=?", pair)
        for table in ("proposed", "search"):
            db.execute(f"DELETE FROM {table} WHERE query_id=?", (row["id"],))
        db.execute("DELETE FROM query WHERE id=?", (row["id"],))
    db.execute("UPDATE query SET label=? WHERE label=?", (new, old))


def _move_candidates(db: sqlite3.Connection, old: str, new: str) -> None:
    twins = db.execute(
        "SELECT one.id AS id, other.id AS twin, one.image_id IS NOT NULL AND (other.image_id IS NULL "
        "OR (one.state='kept' AND other.state<>'kept')) AS better FROM candidate AS one JOIN candidate AS other "
        "USING (provider, url_key) WHERE one.label=? AND other.label=?",
        (old, new),
    ).fetchall()
    for row in twins:
        if row["better"]:
            db.execute(
                "UPDATE candidate SET (state, reason, detail, attempts, next_try_at, image_id) = "
                "(SELECT state, reason, detail, attempts, next_try_at, image_id FROM candidate WHERE id=?) WHERE id=?",
                (row["id"], row["twin"]),
            )
        db.execute(
            "INSERT OR IGNORE INTO proposed SELECT ?, query_id, rank FROM proposed WHERE candidate_id=?",
            (row["twin"], row["id"]),
        )
        db.execute("DELETE FROM proposed WHERE candidate_id=?", (row["id"],))
        db.execute("DELETE FROM candidate WHERE id=?", (row["id"],))
    db.execute("UPDATE candidate SET label=? WHERE label=?", (new, old))


def _move_pictures(db: sqlite3.Connection, old: str, new: str) -> None:
    # rows are put and taken, not updated: what counts them looks at rows that come and go
    db.execute("DELETE FROM finding WHERE instr(detail, ?)", (json.dumps(old, ensure_ascii=False),))
    db.execute("UPDATE judgement SET suggested=? WHERE suggested=?", (new, old))
    db.execute("UPDATE judgement SET placed=? WHERE placed=?", (new, old))
    for table, columns in (
        (
            "judgement",
            "image_id, verdict, reason, check_name, score, detail, suggested, group_name, copies, copy_rank, included, "
            "placed, probability, why",
        ),
        ("finding", "image_id, check_name, score, threshold, detail, version"),
        ("item", "image_id, width, height, file_sha256"),
    ):
        db.execute(
            f"INSERT OR IGNORE INTO {table} (label, {columns}) SELECT ?, {columns} FROM {table} WHERE label=?",
            (new, old),
        )
        db.execute(f"DELETE FROM {table} WHERE label=?", (old,))


def _move_decisions(db: sqlite3.Connection, old: str, new: str) -> None:
    # where a picture is counted depends on its decision and the label that this names: taken out, and put in again
    db.execute(
        "DELETE FROM in_force WHERE label IN (?,?) OR decision IN (SELECT id FROM decision WHERE to_label IN (?,?))",
        (old, new, old, new),
    )
    db.execute("UPDATE decision SET label=? WHERE label=?", (new, old))
    db.execute("UPDATE decision SET to_label=? WHERE to_label=?", (new, old))
    # a picture that was moved between the two is where it belongs
    db.execute("UPDATE decision SET action='keep', to_label='', reason='' WHERE action='relabel' AND label=to_label")
    db.execute(
        "INSERT INTO in_force SELECT label, image_id, id, action, CASE action "
        "WHEN 'reject' THEN iif(reason = '', 'user.rejected', reason) WHEN 'relabel' THEN 'user.moved' ELSE '' END "
        "FROM decision WHERE ? IN (label, to_label) AND id IN (SELECT max(id) FROM decision "
        "WHERE action<>'undo' AND NOT undone GROUP BY label, image_id)",
        (new,),
    )


def _move_reviews(db: sqlite3.Connection, old: str, new: str) -> None:
    db.execute("UPDATE review SET label=? WHERE label=?", (new, old))
    for row in db.execute("SELECT id, sample FROM audit").fetchall():
        sample = [[new if label == old else label, *rest] for label, *rest in json.loads(row["sample"])]
        db.execute("UPDATE audit SET sample=? WHERE id=?", (rows.to_json(sample), row["id"]))


def _move_files(harvested: Path, old: str, new: str) -> None:
    source, target = harvested / old, harvested / new
    try:
        if not source.is_dir():
            return
        if not target.exists() or source.samefile(target):  # the same: names that differ in case alone
            source.rename(target)
            return
        for file in sorted(source.iterdir()):
            if (target / file.name).exists():
                file.unlink()
            else:
                file.rename(target / file.name)
        source.rmdir()
    except OSError as error:
        raise resource_error(error, source) from error
