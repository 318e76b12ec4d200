"""The files that leave the manifest for spreadsheets and git."""

import csv
import io

import pytest

from imgkit.errors import UsageError
from imgkit.manifest import Decision, Manifest, Proposal, Query, SearchState
from imgkit.manifest.exports import import_decisions, manifest_csv, read_decisions, write_exports


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


def test_decisions_travel_to_another_manifest_with_their_undos(manifest, tmp_path):
    first, _ = manifest.decide(
        [Decision(image_id="1", label="a", action="reject"), Decision(image_id="2", label="a", action="keep")]
    )
    manifest.decide([Decision(image_id="1", label="a", action="undo", undoes=first)])
    _, log = write_exports(manifest)

    with Manifest.open(tmp_path / "other") as other:
        other.decide([Decision(image_id="9", label="z", action="keep")])
        new = import_decisions(other, read_decisions(log))

        assert new == 3
        assert {key: one.action for key, one in other.current_decisions().items()} == {
            ("z", "9"): "keep",
            ("a", "2"): "keep",
        }


def test_importing_twice_adds_nothing(manifest):
    manifest.decide([Decision(image_id="1", label="a", action="reject")])
    _, log = write_exports(manifest)

    assert import_decisions(manifest, read_decisions(log)) == 0
    assert len(manifest.decisions()) == 1


def test_the_same_manifest_gives_the_same_bytes(manifest):
    manifest.decide([Decision(image_id="1", label="a", action="reject")])
    before = [path.read_bytes() for path in write_exports(manifest)]

    after = [path.read_bytes() for path in write_exports(manifest)]

    assert after == before


def test_a_line_that_is_no_decision_is_named(tmp_path):
    file = tmp_path / "decisions.jsonl"
    file.write_text('{"image_id": "1"}\n')

    with pytest.raises(UsageError, match="line 1 is not a decision"):
        read_decisions(file)
