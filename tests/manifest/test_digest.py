from dataclasses import replace

import pytest

from imgkit.manifest import Manifest, Query
from imgkit.manifest.exports import digest
from imgkit.manifest.nouns import Decision, Image, Item, Judgement, Proposal, SearchState

CORAL = Query(label="coral", name="coral", text="coral snake")
PICTURE = Image(sha256="a" * 64, stored_sha256="b" * 64, extension="jpg", bytes=9, width=8, height=8)
ITEM = Item(label="coral", image_id=PICTURE.id, width=8, height=8, file_sha256="c" * 64)
KEPT = Judgement(label="coral", image_id=PICTURE.id, verdict="keep", score=0.25)


def filled(data, *, reverse=False, item=ITEM, judgement=KEPT, detail="first words"):
    """A manifest with two candidates, of which one brought a picture that was judged and decided on."""
    with Manifest.open(data) as manifest:
        (query,) = manifest.put_queries([CORAL])
        proposals = [Proposal(url=f"https://one.example/{rank}.jpg", rank=rank) for rank in (1, 2)]
        for proposal in reversed(proposals) if reverse else proposals:
            manifest.put_page(SearchState(query_id=query, provider="urls"), [proposal], label="coral", round_=0)
        manifest.put_image(PICTURE)
        first, second = sorted(manifest.candidates(), key=lambda one: one.proposal.rank)
        manifest.settle(
            [
                replace(first, state="kept", image_id=PICTURE.id, attempts=1),
                replace(second, state="rejected", reason="http.404", detail=detail),
            ]
        )
        manifest.put_items([item])
        manifest.replace_judgements([judgement])
        manifest.decide([Decision(image_id=PICTURE.id, label="coral", action="keep")])
        return digest(manifest)


def test_the_same_content_gives_the_same_digest_whatever_the_order_the_wording_and_the_last_digits(tmp_path):
    one = filled(tmp_path / "one")

    other = filled(
        tmp_path / "other", reverse=True, judgement=replace(KEPT, score=0.2500001), detail="other words for it"
    )

    assert len(one) == 64
    assert one == other


@pytest.mark.parametrize(
    "change",
    [
        {"item": replace(ITEM, file_sha256="d" * 64)},
        {"judgement": replace(KEPT, verdict="suspect")},
        {"judgement": replace(KEPT, group="g1")},
    ],
    ids=["another file", "another verdict", "another group"],
)
def test_another_content_gives_another_digest(tmp_path, change):
    assert filled(tmp_path / "one") != filled(tmp_path / "other", **change)


def test_an_empty_manifest_has_a_digest(manifest):
    assert digest(manifest) == "0" * 64
