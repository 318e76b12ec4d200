"""The tables that lie beside the pictures: ``metadata.csv`` for other tools, ``ATTRIBUTION.md`` for people."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from imgkit.curate.pictures import ItemPicture
from imgkit.escaping import markdown_link, markdown_text, spreadsheet_safe
from imgkit.splits import Split

COLUMNS = (
    "file_name",
    "label",
    "split",
    "group",
    "source_url",
    "page_url",
    "provider",
    "author",
    "license",
    "license_url",
    "sha256",
    "width",
    "height",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture of the curated set: its place in it, and the size in pixels and SHA-256 of the file that lies there."""

    picture: ItemPicture
    label: str
    split: Split
    group: str
    sha256: str
    width: int
    height: int

    @property
    def file_name(self) -> str:
        """The path below ``curated/``."""
        return f"{self.label}/{self.picture.image_id}.jpg"


def metadata_csv(entries: Sequence[Entry]) -> str:
    """Return the table that the image-folder loaders of other tools read; the same set gives the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        found = one.picture.source.proposal if one.picture.source else None
        provenance: list[object] = [
            found.url if found else "",
            found.page_url if found else "",
            one.picture.provider,
            found.author if found else "",
            found.license if found else "",
            found.license_url if found else "",
        ]
        row = [one.file_name, one.label, one.split, one.group, *provenance, one.sha256, one.width, one.height]
        writer.writerow(spreadsheet_safe(row))
    return text.getvalue()


def attribution_md(entries: Sequence[Entry]) -> str:
    """Return who made each picture, under which licence, and where it was found, as Markdown."""
    lines = [
        "# Attribution",
        "",
        f"{len(entries):,} pictures, each with its author, its licence and the page where it was found, as the",
        "provider said it. A picture without a licence may not be passed on: check it at its source first.",
    ]
    label = None
    for one in entries:
        if one.label != label:
            label = one.label
            lines += ["", f"## {markdown_text(label)}", ""]
        lines.append(f"- `{one.file_name}`: {_credit(one.picture)}")
    return "\n".join(lines) + "\n"


def _credit(picture: ItemPicture) -> str:
    if picture.source is None:
        return "origin unknown"
    found = picture.source.proposal
    title = f"“{markdown_text(found.title)}”" if found.title else "untitled"
    author = f" by {markdown_text(found.author)}" if found.author else ", author not given"
    licence = markdown_text(found.license) if found.license else "licence not given"
    if found.license and (link := markdown_link(found.license_url)):
        licence += f" ({link})"
    where = markdown_link(found.page_url) or markdown_link(found.url) or "a file of this machine"
    return f"{title}{author}, {licence}, {markdown_text(picture.provider)}, {where}"
