"""Read a queries file: which words to search for, and what their pictures are called."""

import contextlib
import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError
from imgkit.files import reading, write_atomically
from imgkit.harvest.providers import PROVIDERS, listing
from imgkit.harvest.search import excludes, licences
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Query
from imgkit.tables import SPREADSHEET_ERROR, Table, TableRow, read_table, renamed, straight
from imgkit.vision.imagetable import SPLIT_NAMES

ALIASES: Final = {
    "class": "label",
    "provider": "providers",
    "limit": "max",
    "licence": "license",
    "note": "notes",
    "queries": "query",
    "search": "query",
    "search_term": "searchterm",
}
COLUMNS: Final = ("label", "query", "exclude", "providers", "max", "license", "notes")
KNOWN: Final = {*COLUMNS, *ALIASES, "searchterm", *listing.KNOWN}
EXAMPLE: Final = "label,query,exclude"
SHOWN_PROBLEMS: Final = 10
"""Problems that a message names with their lines; it counts the others."""
WORDS_FILE: Final = ".txt"
TABLES: Final = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".xlsx", ".ods")
PICTURE_SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jp2", ".jfif", ".mpo")
)
SPREADSHEETS: Final = (".xlsx", ".xls", ".ods")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFile:
    """The queries of a file in its order, and what a person should know about how it was read.

    ``path`` is None for words of a command line.
    """

    path: Path | None
    queries: tuple[Query, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A row that was read: its query, or what is wrong with it."""

    line: int
    query: Query
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def read_queries(path: Path) -> QueryFile:
    """Read a queries file: a header line, then one query in each row; rows with the same label belong together.

    Columns: label (or class), query, exclude, providers, max (or limit), license, notes; only query is required.
    Commas, semicolons or tabs; ``#`` starts a comment. A fastclass file (searchterm,exclude), a list of addresses
    (url,label,...; CSV, TSV, JSON lines or Parquet; or addresses alone), a table of files (path,label) and a folder
    with a folder of pictures for each label are understood too, and in a ``.txt`` file a query on each line.

    Raises:
        UsageError: the file cannot be used; the message names its problems with their lines.
    """
    if path.is_dir():
        return _folders(path)
    if path.suffix.lower() in SPREADSHEETS:
        raise UsageError(
            f"{path} is a spreadsheet. Nothing was changed. Save it as CSV (Save as, CSV UTF-8) and name that file."
        )
    table = read_table(path, KNOWN, verbatim={*listing.PLACES, "query", "queries", "search"})
    columns = [ALIASES.get(column, column) for column in table.columns]
    drafts: list[_Draft] = []
    notices: list[str] = [*table.notices]
    problems = [*table.problems]
    if "query" in columns:
        drafts = [draft for row in table.rows for draft in _drafts(renamed(row, ALIASES), path)]
        notices += _unused_columns(columns)
    elif "searchterm" in columns:
        drafts = [_fastclass(renamed(row, ALIASES)) for row in table.rows]
        notices.append(
            f"{path} is a fastclass file: its exclude words shorten the label, they do not narrow the search. "
            "To narrow a search, write -word into the search term."
        )
    elif (meaning := listing.columns_of(table)).keys() & {"url", "path"}:
        drafts = _listed(table, path)
        notices += _list_notices(table, meaning, path)
        problems = [] if drafts else problems
    elif path.suffix.lower() == WORDS_FILE and len(table.columns) == 1:
        drafts = [_draft(TableRow(line=line, cells={"query": words}), path) for line, words in _lines_of_words(path)]
        notices.append(f"{path} has no header: each of its lines is a query.")
    elif table.columns:
        raise UsageError(
            f"{path} has no column 'query', and none of addresses or files (url, path). It begins:\n"
            f"{table.beginning()}\nNothing was changed. Give it a first line such as: {EXAMPLE}"
        )
    problems += [*(f"line {d.line}: {p}" for d in drafts for p in d.problems), *_same_slug(drafts)]
    if problems:
        raise _unusable(path, problems, table)
    if not drafts:
        raise UsageError(f"{path} has a header and no queries. Nothing was changed. Add a line below it.")
    notices += [f"line {d.line}: {notice}" for d in drafts for notice in (*d.notices, *self_exclusions(d.query))]
    notices += _unasked(drafts)
    queries, repeats = _distinct(drafts)
    return QueryFile(path=path, queries=queries, notices=(*notices, *repeats))


def read_words(words: Sequence[str]) -> QueryFile:
    """Return the queries of words alone: "coral snake -toy" looks for coral snakes and is called so.

    Raises:
        UsageError: words that no label can be named after, or two that would share a folder.
    """
    drafts = [_draft(TableRow(line=at, cells={"query": text}), Path()) for at, text in enumerate(words, start=1)]
    problems = [f"'{words[d.line - 1]}': {problem}" for d in drafts for problem in d.problems]
    problems += [problem.replace("line ", "word ") for problem in _same_slug(drafts)]
    if problems:
        raise UsageError(f"{' '.join(problems)} Nothing was changed.")
    queries, _ = _distinct(drafts)
    notices = tuple(notice for query in queries for notice in self_exclusions(query))
    return QueryFile(path=None, queries=queries, notices=notices)


def read_arguments(arguments: Sequence[str]) -> QueryFile:
    """Return the queries that a command was given: one file or folder, or words.

    Raises:
        UsageError: the file is not there or cannot be used, or a file and something else are given.
    """
    paths = [Path(one).expanduser() for one in arguments]
    files = [path for path in paths if path.exists() or path.suffix.lower() in TABLES]
    if files and len(arguments) > 1:
        raise UsageError(
            f"{files[0]} is a file, so it stands alone. Nothing was changed. Run the command once for each file; words "
            "can be given together."
        )
    looks_like_path = len(arguments) == 1 and (os.sep in arguments[0] or "/" in arguments[0])
    return read_queries(paths[0]) if files or looks_like_path else read_words(arguments)


def save_queries(queries: Sequence[Query], path: Path) -> None:
    """Write queries as a queries file; ``read_queries`` gives them back.

    Raises:
        UsageError: the file is there already.
        ResourceError: it cannot be written.
    """
    if path.exists():
        raise UsageError(f"{path} is there already. Nothing was changed. Give --save another name.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("label", "query", "exclude"))
    for query in queries:
        words = excludes.without_negations(query.text)
        writer.writerow((query.name, words, "; ".join(query.exclude)))
    write_atomically(path, text.getvalue().encode())


def _lines_of_words(path: Path) -> list[tuple[int, str]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _folders(root: Path) -> QueryFile:
    """Make one query for each folder of pictures: a label folder, or one below train, val and test.

    Raises:
        UsageError: there is no folder with a picture in it, or two whose labels share a folder.
        ResourceError: a folder cannot be listed.
    """
    with reading(root):
        below = sorted(path for path in root.iterdir() if path.is_dir() and _may_be_label(path))
        loose = sum(path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES for path in root.iterdir())
        is_split = bool(below) and all(path.name.lower() in SPLIT_NAMES for path in below)
        labelled = [path for one in below for path in sorted(one.iterdir()) if path.is_dir()] if is_split else below
    if not labelled and loose:
        labelled, loose = [root], 0
    drafts = [
        _Draft(line=at, query=_adopted(one))
        for at, one in enumerate((path for path in labelled if _has_file(path)), start=1)
    ]
    problems = [problem.replace("line ", "folder ") for problem in _same_slug(drafts)]
    problems += [f"no label can be named after the folder '{d.query.name}'." for d in drafts if not d.query.label]
    if not drafts:
        raise UsageError(
            f"{root} holds no folder with files in it. Nothing was changed. Give a folder that has one folder of "
            "pictures for each label."
        )
    if problems:
        raise UsageError(f"{root}: {' '.join(problems)} Nothing was changed.")
    notices = [f"{root}: each folder is a label: {', '.join(dict.fromkeys(d.query.name for d in drafts))}."]
    if loose:
        notices.append(f"{root}: {loose:,} pictures beside the label folders have no label and are left out.")
    return QueryFile(path=root, queries=tuple(d.query for d in drafts), notices=tuple(notices))


def _may_be_label(folder: Path) -> bool:
    """Say whether a folder may be that of a label: no hidden one, none of a system, and no data folder of imgkit."""
    return not folder.name.startswith((".", "_")) and not (folder / "manifest.db").exists()


def _adopted(folder: Path) -> Query:
    return Query(label=slug(folder.name), name=folder.name, text=str(folder.resolve()), providers=("folder",))


def _has_file(folder: Path) -> bool:
    return any(not name.startswith(".") for _, _, names in os.walk(folder) for name in names)


def _unusable(path: Path, problems: Sequence[str], table: Table) -> UsageError:
    def line(problem: str) -> int:
        found = re.match(r"line (\d+)", problem)
        return int(found[1]) if found else 0

    ordered = sorted(problems, key=line)
    fix = "Nothing was changed. Correct this and run the same command again."
    if len(ordered) == 1:
        header = f" The header is: {', '.join(table.header)}." if table.header and "values for" in ordered[0] else ""
        return UsageError(f"{path}, {ordered[0]}{header} {fix}")
    lines = "".join(f"\n  {problem}" for problem in ordered[:SHOWN_PROBLEMS])
    more = len(ordered) - SHOWN_PROBLEMS
    rest = f"\n  and {more:,} more" if more > 0 else ""
    begins = f"\nThe file begins:\n{table.beginning()}" if more > 0 and table.columns else ""
    return UsageError(f"{path} has {len(ordered):,} problems:{lines}{rest}{begins}\n{fix}")


def _list_notices(table: Table, meaning: Mapping[str, str], path: Path) -> list[str]:
    """Say how a list was read: where its labels come from, and which rows are left out."""
    notices = []
    label = meaning.get("label")
    if label is None:
        notices.append(f"{path} says no label; all of it is called '{path.stem}'.")
    elif label not in ("label", "class"):
        notices.append(f"{path}: labels are taken from the column '{label}'.")
    if table.problems:
        named = " ".join(table.problems[:SHOWN_PROBLEMS])
        count = len(table.problems)
        notices.append(f"{path}: {count:,} row{'' if count == 1 else 's'} cannot be read and are left out: {named}")
    return notices


def _unused_columns(columns: Sequence[str]) -> list[str]:
    unused = [column for column in columns if column and column not in COLUMNS]
    return [f"columns without a meaning here: {', '.join(unused)}"] if unused else []


def _drafts(row: TableRow, path: Path) -> list[_Draft]:
    """Read a row; a list of addresses without a label of its own gives one query for each label in the list."""
    draft = _draft(row, path)
    is_list = draft.query.providers in (("urls",), ("files",))
    if draft.problems or not is_list or row.cells.get("label"):
        return [draft]
    inner = listing.read_list(Path(draft.query.text))
    return [
        replace(one, line=row.line, query=replace(draft.query, label=one.query.label, name=one.query.name))
        for one in _listed(inner, Path(draft.query.text))
    ]


def _draft(row: TableRow, path: Path) -> _Draft:
    cells = row.cells
    providers, unknown = _providers(cells.get("providers", ""))
    problems = [*unknown]
    is_path = any(PROVIDERS[name].local for name in providers)
    text = cells["query"].strip() if is_path else _typed(cells["query"])
    if SPREADSHEET_ERROR.match(text):
        problems.append(f"the query is '{text}', which a spreadsheet shows for a formula. Write it again there.")
    if not text:
        problems.append("no query. Write the words to search for.")
    local = [name for name in providers if PROVIDERS[name].local]
    if local and len(providers) > 1:
        problems.append(f"the query of provider '{local[0]}' is a path, so it stands alone. Use one row for each.")
    limit, wrong = _limit(cells.get("max", ""))
    problems += wrong
    wanted, wrong = _licences(cells.get("license", ""))
    problems += wrong
    if local and text:
        text, wrong = _path(text, path)
        problems += wrong
    words = _words(_typed(cells.get("exclude", "")))
    name = straight(cells.get("label", "")).strip('"') or (
        Path(text).stem if local else excludes.without_negations(text)
    )
    query = Query(
        label=slug(name),
        name=name,
        text=text,
        exclude=words if local else _union(words, excludes.negated_words(text)),
        providers=providers,
        limit=limit,
        licences=wanted,
    )
    if text and not query.label:
        problems.append(f"no folder can be named after '{name}'. Give it a label of letters or digits.")
    is_error = SPREADSHEET_ERROR.match(name) is not None
    notice = f"the label is '{name}', which a spreadsheet shows for a formula. Is it what you wrote?"
    notices = (notice,) if is_error else ()
    return _Draft(line=row.line, query=query, problems=tuple(problems), notices=notices)


def _typed(text: str) -> str:
    """Return words as they are sent: plain quotes, a plain minus before an excluded word, one space between words."""
    return re.sub(r"(?<!\S)[\u2010-\u2015\u2212](?=\w|\")", "-", " ".join(straight(text).split()))


def _fastclass(row: TableRow) -> _Draft:
    text = _typed(row.cells["searchterm"])
    dropped = {word.casefold() for word in re.split(r"[\s;,]+", row.cells.get("exclude", "")) if word}
    words = excludes.without_negations(text).split()
    name = " ".join(word for word in words if word.casefold().strip('"') not in dropped)
    query = Query(label=slug(name), name=name, text=text, exclude=excludes.negated_words(text))
    problem = "no search term." if not text else "the exclude words leave nothing of the label."
    return _Draft(line=row.line, query=query, problems=() if query.label else (problem,))


def self_exclusions(query: Query) -> list[str]:
    """Say which excluded words stand in the query itself: they leave out the very pictures that are looked for."""
    if any(PROVIDERS[name].local for name in query.providers):
        return []
    held = excludes.excluded_in_query(query.text, query.exclude)
    return [
        f"the excluded word '{word}' is in the query '{query.text}', so every result that is called by its name is "
        "left out. Exclude a word that only the unwanted pictures have."
        for word in held
    ]


def _unasked(drafts: Sequence[_Draft]) -> list[str]:
    """Name the labels in lists of addresses that no row asks for: their addresses are nobody's."""
    asked: dict[str, set[str]] = {}
    for draft in drafts:
        if draft.query.providers in (("urls",), ("files",)):
            asked.setdefault(draft.query.text, set()).add(draft.query.label)
    notices = []
    for path, labels in asked.items():
        with contextlib.suppress(UsageError):  # its provider says what is wrong with it
            others = {
                label: count for label, count in listing.labels_in(Path(path)).items() if label not in {"", *labels}
            }
            if others:
                named = ", ".join(f"{label} ({count:,})" for label, count in others.items())
                notices.append(f"{path}: no row asks for the addresses of these labels: {named}.")
    return notices


def _listed(table: Table, path: Path) -> list[_Draft]:
    """Make one query for each label of a list of addresses or files."""
    meaning = listing.columns_of(table)
    provider = "urls" if "url" in meaning else "files"
    drafts: dict[str, _Draft] = {}
    for row in table.rows:
        name = (row.cells[meaning["label"]] if "label" in meaning else "") or path.stem
        if name in drafts:
            continue
        query = Query(label=slug(name), name=name, text=str(path.resolve()), providers=(provider,))
        problem = () if query.label else (f"no folder can be named after '{name}'.",)
        drafts[name] = _Draft(line=row.line, query=query, problems=problem)
    return list(drafts.values())


def _same_slug(drafts: Sequence[_Draft]) -> list[str]:
    """Name the pairs of labels that would share a folder; case does not part two folders on every file system."""
    first: dict[str, _Draft] = {}
    problems = []
    for draft in drafts:
        other = first.setdefault(draft.query.label.casefold(), draft)
        if draft.query.label and other.query.name != draft.query.name:
            problems.append(
                f"line {draft.line}: label '{draft.query.name}' would share the folder '{draft.query.label}' with "
                f"label '{other.query.name}' of line {other.line}. Write both alike, or make them differ."
            )
    return problems


def _distinct(drafts: Sequence[_Draft]) -> tuple[tuple[Query, ...], list[str]]:
    first: dict[Query, int] = {}
    notices = []
    for draft in drafts:
        line = first.setdefault(draft.query, draft.line)
        if line != draft.line:
            notices.append(f"line {draft.line} repeats line {line} and is left out.")
    return tuple(first), notices


def _providers(cell: str) -> tuple[tuple[str, ...], list[str]]:
    names = _union(tuple(re.findall(r"[^\s;,|+]+", cell.lower())))
    unknown = [name for name in names if name not in PROVIDERS]
    choices = ", ".join(PROVIDERS)
    problems = [f"provider '{name}' is not known. Choose from: {choices}." for name in unknown]
    return tuple(name for name in names if name in PROVIDERS), problems


def _limit(cell: str) -> tuple[int | None, list[str]]:
    if not cell:
        return None, []
    if cell.isdecimal() and int(cell) > 0:
        return int(cell), []
    return None, [f"max is '{cell}'; it is a whole number above 0: the most candidates of each provider."]


def _licences(cell: str) -> tuple[tuple[str, ...], list[str]]:
    words = [word for word in re.split(r"\s*[;,|]\s*|\s+(?=cc|by|pd)", cell.strip(), flags=re.IGNORECASE) if word]
    if [word.casefold() for word in words] == ["any"]:
        return (), []
    unknown = [word for word in words if not licences.code(word)]
    choices = ", ".join(licences.CODES)
    problems = [f"licence '{word}' is not known. Choose from: {choices}, any." for word in unknown]
    return _union(tuple(code for word in words if (code := licences.code(word)))), problems


def _words(cell: str) -> tuple[str, ...]:
    """Split excluded words: at semicolons or commas where there are any (phrases), else at spaces outside quotes."""
    parts = re.split(r"[;,]", cell) if re.search(r"[;,]", cell) else re.findall(r'-?"[^"]+"|\S+', cell)
    return _union(tuple(word for part in parts if (word := part.strip().lstrip("-").strip('" '))))


def _path(text: str, queries: Path) -> tuple[str, list[str]]:
    """Find the file or folder that a row of a local provider names: beside the queries file, or from here."""
    given = Path(text).expanduser()
    places = [given] if given.is_absolute() else [queries.parent / given, Path.cwd() / given]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        looked = " and ".join(str(place) for place in places)
        return text, [f"'{text}' does not exist (looked at {looked})."]
    return str(found.resolve()), []


def _union(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """Join tuples; of words that differ in case alone the first stays."""
    first: dict[str, str] = {}
    for word in (word for group in groups for word in group):
        first.setdefault(word.casefold(), word)
    return tuple(first.values())
