"""Describe the curated set to machines, as Croissant 1.0 metadata (JSON-LD)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from imgkit.curate.publish.metadata import COLUMNS, Entry, metadata_csv

FILE: Final = "croissant.json"
TABLE: Final = "metadata.csv"

_CONTEXT: Final[Mapping[str, object]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_MEANINGS: Final[Mapping[str, str]] = {
    "file_name": "Path of the picture below this folder.",
    "label": "What the picture is called.",
    "split": "train, validation or test.",
    "group": "Pictures with one group are copies, one scene or one album, and never in two splits.",
    "source_url": "Address of the picture.",
    "page_url": "Page on which it was found.",
    "provider": "Who proposed it.",
    "author": "Its author, as the provider says; empty where it says nothing.",
    "license": "Its licence, as the provider says; empty where it says nothing.",
    "license_url": "The text of the licence.",
    "sha256": "SHA-256 of the file.",
    "width": "Pixels.",
    "height": "Pixels.",
}


def croissant_json(entries: Sequence[Entry], *, description: str, now: datetime) -> str:
    """Return ``croissant.json``: the pictures, and ``metadata.csv`` with the SHA-256 of each, as Croissant 1.0.

    Args:
        entries: the pictures of the set.
        description: a sentence about it.
        now: when it was made.
    """
    table = metadata_csv(entries).encode()
    labels = sorted({one.label for one in entries})
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"pictures_of_{'_'.join(labels)}"[:120],
        "description": description,
        "datePublished": now.date().isoformat(),
        "version": "1.0.0",
        "license": _licences(entries),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": TABLE,
                "name": TABLE,
                "description": "One row for each picture.",
                "contentUrl": TABLE,
                "contentSize": f"{len(table)} B",
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(table).hexdigest(),
            },
            {
                "@type": "cr:FileSet",
                "@id": "pictures",
                "name": "pictures",
                "description": "Upright RGB JPEG files, one folder for each label.",
                "encodingFormat": "image/jpeg",
                "includes": "*/*.jpg",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "key": {"@id": "rows/file_name"},
                "field": [_field(column) for column in COLUMNS],
            }
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _field(column: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"rows/{column}",
        "name": column,
        "description": _MEANINGS[column],
        "dataType": "sc:Integer" if column in ("width", "height") else "sc:Text",
        "source": {"fileObject": {"@id": TABLE}, "extract": {"column": column}},
    }


def _licences(entries: Sequence[Entry]) -> list[str]:
    """Return the licences of the pictures, each once; what is not known is said and not guessed."""
    found = {
        (one.picture.source.proposal.license_url or one.picture.source.proposal.license) if one.picture.source else ""
        for one in entries
    }
    named = sorted(licence for licence in found if licence)
    return [*named, "unknown for some pictures, see metadata.csv"] if "" in found else named
