"""The files that leave the manifest for spreadsheets and git."""

import csv
import io

from imgkit.manifest import Decision, Proposal, Query, SearchState
from imgkit.manifest.exports import manifest_csv, write_exports


def test_every_candidate_is_a_row_with_its_reason(manifest):
    (query_id,) = manifest.put_queries([Query(label="a", name="A", text="words")])
    found = [Proposal(url="http://h/1.jpg", rank=1, title="=1+1", license="by")]
    manifest.put_page(SearchState(query_id=query_id, provider="bing"), found, label="a", round_=1)

    (row,) = csv.DictReader(io.StringIO(manifest_csv(manifest)))

    assert (row["label"], row["provider"], row["query"], row["state"]) == ("a", "bing", "words", "pending")
    assert row["license"] == "by"


def test_a_title_that_is_a_formula_is_disarmed(manifest):
    (query_id,) = manifest.put_queries([Query(label="a", name="A", text="words")])
    found = [Proposal(url="http://h/1.jpg", rank=1, title="=HYPERLINK(1)")]
    manifest.put_page(SearchState(query_id=query_id, provider="bing"), found, label="a", round_=1)

    (row,) = csv.DictReader(io.StringIO(manifest_csv(manifest)))

    assert row["title"] == "'=HYPERLINK(1)"


def test_the_same_manifest_gives_the_same_bytes(manifest):
    manifest.decide([Decision(image_id="1", label="a", action="reject")])
    before = [path.read_bytes() for path in write_exports(manifest)]

    after = [path.read_bytes() for path in write_exports(manifest)]

    assert after == before
