"""The table of every picture with its probability of being junk: ``probabilities.csv``, and the same rows in JSON."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.curate.pictures import ItemPicture
from imgkit.escaping import spreadsheet_safe
from imgkit.manifest import Judgement, Outcome
from imgkit.manifest.folder import PROBABILITIES
from imgkit.manifest.nouns import ItemKey

FILE: Final = PROBABILITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """One picture: ``source`` is its address, or its path where it came from this machine, "" where nobody knows.

    ``probability`` that a person would throw it out, more than 0 and less than 1, with the reason in words; ``in_set``
    is 1 for a picture that the set holds; ``group`` names its group of copies, "" when alone.
    """

    label: str
    id: str
    source: str
    probability: float
    reason: str
    in_set: int
    group: str


COLUMNS: Final = tuple(one.name for one in fields(PictureRow))


def picture_rows(
    pictures: Sequence[ItemPicture], judgements: Sequence[Judgement], outcomes: Mapping[ItemKey, Outcome]
) -> tuple[PictureRow, ...]:
    """Return a row for each of N pictures with its verdict, by (label, id)."""
    found = [
        PictureRow(
            label=picture.label,
            id=picture.image_id,
            source=source_of(picture),
            probability=judgement.probability,
            reason=judgement.why,
            in_set=int(bool(outcomes[picture.key].placed)),
            group=judgement.copies,
        )
        for picture, judgement in zip(pictures, judgements, strict=True)
    ]
    return tuple(sorted(found, key=lambda row: (row.label, row.id)))


def source_of(picture: ItemPicture) -> str:
    """Return the address of a picture, or its path where it came from this machine; "" where nobody knows."""
    url = picture.source.proposal.url if picture.source else ""
    return unquote(urlsplit(url).path) if url.startswith("file:") else url


def probabilities_csv(rows: Sequence[PictureRow]) -> str:
    """Return the table as CSV, safe to open in a spreadsheet; the same rows give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in rows:
        writer.writerow(spreadsheet_safe(list(asdict(one).values())))
    return text.getvalue()
