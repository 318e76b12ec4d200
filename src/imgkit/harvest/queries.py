"""Read a queries file: which words to search for, and what their pictures are called."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError
from imgkit.harvest import excludes, licences
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.tabular import Row, Table, read_table, renamed
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Query

ALIASES: Final = {
    "class": "label",
    "provider": "providers",
    "limit": "max",
    "licence": "license",
    "note": "notes",
    "image_url": "url",
}
COLUMNS: Final = ("label", "query", "exclude", "providers", "max", "license", "notes")
KNOWN: Final = {*COLUMNS, *ALIASES, "searchterm", "url"}
EXAMPLE: Final = "label,query,exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFile:
    """The queries of a file in its order, and what a person should know about how it was read."""

    path: Path
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
    Commas, semicolons or tabs; ``#`` starts a comment. A fastclass file (searchterm,exclude) and a list of addresses
    (url,label,...; CSV, TSV or JSON lines) are understood too.

    Raises:
        UsageError: the file cannot be used; the message names every problem with its line.
    """
    table = read_table(path, KNOWN)
    columns = [ALIASES.get(column, column) for column in table.columns]
    drafts: list[_Draft] = []
    notices: list[str] = []
    if "query" in columns:
        drafts = [draft for row in table.rows for draft in _drafts(renamed(row, ALIASES), path)]
        notices += _unused_columns(columns)
    elif "searchterm" in columns:
        drafts = [_fastclass(row) for row in table.rows]
        notices.append(
            f"{path} is a fastclass file: its exclude words shorten the label, they do not narrow the search. "
            "To narrow a search, write -word into the search term."
        )
    elif "url" in columns:
        drafts = _addresses(table, path)
    elif table.columns:
        raise UsageError(
            f"{path} has no column 'query' (its first line reads: {', '.join(table.columns)}). Nothing was changed. "
            f"Give it a first line such as: {EXAMPLE}"
        )
    problems = [*table.problems, *(f"line {d.line}: {p}" for d in drafts for p in d.problems), *_same_slug(drafts)]
    if problems:
        raise _unusable(path, problems)
    if not drafts:
        raise UsageError(f"{path} has a header and no queries. Nothing was changed. Add a line below it.")
    notices += [f"line {d.line}: {notice}" for d in drafts for notice in d.notices]
    queries, repeats = _distinct(drafts)
    return QueryFile(path=path, queries=queries, notices=(*notices, *repeats))


def _unusable(path: Path, problems: Sequence[str]) -> UsageError:
    def line(problem: str) -> int:
        found = re.match(r"line (\d+)", problem)
        return int(found[1]) if found else 0

    ordered = sorted(problems, key=line)
    fix = "Nothing was changed. Correct this and run the same command again."
    if len(ordered) == 1:
        return UsageError(f"{path}, {ordered[0]} {fix}")
    lines = "".join(f"\n  {problem}" for problem in ordered)
    return UsageError(f"{path} has {len(ordered)} problems:{lines}\n{fix}")


def _unused_columns(columns: Sequence[str]) -> list[str]:
    unused = [column for column in columns if column and column not in COLUMNS]
    return [f"columns without a meaning here: {', '.join(unused)}"] if unused else []


def _drafts(row: Row, path: Path) -> list[_Draft]:
    """Read a row; a list of addresses without a label of its own gives one query for each label in the list."""
    draft = _draft(row, path)
    if draft.problems or draft.query.providers != ("urls",) or row.cells.get("label"):
        return [draft]
    inner = read_table(Path(draft.query.text), KNOWN)
    return [
        replace(one, line=row.line, query=replace(draft.query, label=one.query.label, name=one.query.name))
        for one in _addresses(inner, Path(draft.query.text))
    ]


def _draft(row: Row, path: Path) -> _Draft:
    cells = row.cells
    text = cells["query"]
    providers, unknown = _providers(cells.get("providers", ""))
    problems = [*unknown]
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
    words = _words(cells.get("exclude", ""))
    name = cells.get("label", "") or (Path(text).stem if local else excludes.without_negations(text))
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
    return _Draft(line=row.line, query=query, problems=tuple(problems))


def _fastclass(row: Row) -> _Draft:
    text = row.cells["searchterm"]
    dropped = {word.casefold() for word in re.split(r"[\s;,]+", row.cells.get("exclude", "")) if word}
    words = excludes.without_negations(text).split()
    name = " ".join(word for word in words if word.casefold().strip('"') not in dropped)
    query = Query(label=slug(name), name=name, text=text, exclude=excludes.negated_words(text))
    problem = "no search term." if not text else "the exclude words leave nothing of the label."
    return _Draft(line=row.line, query=query, problems=() if query.label else (problem,))


def _addresses(table: Table, path: Path) -> list[_Draft]:
    """Make one query for each label of a list of addresses."""
    drafts: dict[str, _Draft] = {}
    for row in (renamed(row, ALIASES) for row in table.rows):
        name = row.cells.get("label", "") or path.stem
        query = Query(label=slug(name), name=name, text=str(path.resolve()), providers=("urls",))
        problem = () if query.label else (f"no folder can be named after '{name}'.",)
        drafts.setdefault(name, _Draft(line=row.line, query=query, problems=problem))
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
