"""A label gets another name: pictures, decisions and everything else that carries the name go along."""

from dataclasses import replace

import pytest

from imgkit.errors import UsageError
from imgkit.manifest import (
    Audit,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Proposal,
    Query,
    Question,
    ReviewAction,
    ReviewLog,
    SearchState,
)
from imgkit.manifest.renaming import case_changes, find_label, rename_label, renamed_labels
from item_counts import item_counts

IMAGES = [
    Image(sha256=f"{n:064x}"[::-1], stored_sha256=f"{n:064x}", extension="jpg", bytes=9, width=4, height=3)
    for n in range(1, 6)
]


def harvested(manifest, label, *numbers, text="words"):
    """Pictures ``numbers`` under a label, with a candidate, a row and a file each."""
    (query_id,) = manifest.put_queries([Query(label=label, name=label, text=text)])
    state = SearchState(query_id=query_id, provider="bing", cursor=len(numbers), found=len(numbers))
    found = [Proposal(url=f"http://host/{n}.jpg", rank=rank) for rank, n in enumerate(numbers, start=1)]
    manifest.put_page(state, found, label=label, round_=0)
    for one in manifest.candidates(label=label):
        image = IMAGES[int(one.proposal.url[-5]) - 1]
        manifest.put_image(image)
        manifest.settle([replace(one, state="kept", image_id=image.id)])
        manifest.put_items([Item(label=label, image_id=image.id, width=4, height=3, file_sha256=image.stored_sha256)])
        path = manifest.folder.harvested_file(label, image.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(label)


def files(manifest):
    return sorted(
        path.relative_to(manifest.folder.harvested).as_posix() for path in manifest.folder.harvested.glob("*/*")
    )


def counts(manifest):
    kept = manifest.connection.read("SELECT * FROM tally WHERE of='item' AND count<>0 ORDER BY 1, 2, 3, 4, 5")
    rows = manifest.connection.read(
        "SELECT 'item', label, placed, state, reason, count(*) FROM standing GROUP BY 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    )
    assert sorted(map(tuple, kept)) == sorted(map(tuple, rows))  # what is counted as it comes is what is there
    return {(one.label, one.state, one.reason): one.count for one in item_counts(manifest)}


def test_pictures_candidates_searches_and_rows_go_along(manifest):
    harvested(manifest, "newt", 1, 2)

    renamed = rename_label(manifest, "newt", "great newt")

    assert (renamed.old, renamed.new, renamed.pictures, renamed.decisions) == ("newt", "great newt", 2, 0)
    assert manifest.labels() == {"great_newt": "great newt"}
    assert [(one.label, one.state) for one in manifest.candidates()] == [("great_newt", "kept")] * 2
    assert [one.label for one in manifest.items()] == ["great_newt"] * 2
    assert files(manifest) == sorted(f"great_newt/{one.id}.jpg" for one in IMAGES[:2])
    assert [row.query.label for row in manifest.rows_in_force()] == ["great_newt"]
    assert manifest.search_state(1, "bing").found == 2
    assert counts(manifest) == {("great_newt", "harvested", ""): 2}
    assert renamed_labels(manifest) == {"newt": "great_newt"}


def test_decisions_and_their_undos_go_along_and_hold(manifest):
    harvested(manifest, "newt", 1, 2, 3)
    harvested(manifest, "snake", 4)
    one, two, three, four = (image.id for image in IMAGES[:4])
    first, *_ = manifest.decide(
        [
            Decision(label="newt", image_id=one, action="reject"),
            Decision(label="newt", image_id=two, action="reject", reason="bad.quality"),
            Decision(label="newt", image_id=three, action="relabel", to_label="snake"),
            Decision(label="snake", image_id=four, action="relabel", to_label="newt"),
        ]
    )
    manifest.decide([Decision(label="newt", image_id=one, action="undo", undoes=first)])

    renamed = rename_label(manifest, "newt", "great newt")

    assert renamed.decisions == 2
    assert {key: (held.action, held.to_label) for key, held in manifest.current_decisions().items()} == {
        ("great_newt", two): ("reject", ""),
        ("great_newt", three): ("relabel", "snake"),
        ("snake", four): ("relabel", "great_newt"),
    }
    assert counts(manifest) == {
        ("great_newt", "harvested", ""): 1,
        ("great_newt", "reject", "bad.quality"): 1,
        ("great_newt", "relabel", "user.moved"): 1,
        ("snake", "relabel", "user.moved"): 1,
    }
    manifest.decide([Decision(label="great_newt", image_id=one, action="keep")])
    assert counts(manifest)["great_newt", "keep", ""] == 1


def test_verdicts_reviews_and_audits_go_along(manifest):
    harvested(manifest, "newt", 1)
    image_id = IMAGES[0].id
    manifest.replace_judgements(
        [
            Judgement(label="newt", image_id=image_id, verdict="suspect", reason="bad.label", suggested="snake"),
            Judgement(label="snake", image_id=image_id, verdict="keep", suggested="newt"),
        ]
    )
    manifest.replace_findings(
        ["label", "conflict"],
        [
            Finding(label="newt", image_id=image_id, check="label", score=1, threshold=1, detail={"loss": 2.0}),
            Finding(
                label="snake", image_id=image_id, check="conflict", score=1, threshold=1, detail={"labels": ["newt"]}
            ),
        ],
    )
    log = ReviewLog(manifest)
    log.append(ReviewAction(key="k", reviewer="r", mode="grid", kind="unsure", label="newt", image_id=image_id), [])
    log.put_audit(Audit(kept=1, unseen=1, questions=(Question(label="newt", image_id=image_id, trial="sample"),)))

    rename_label(manifest, "newt", "eft")

    judged = manifest.judgements()
    assert {key: one.suggested for key, one in judged.items()} == {
        ("eft", image_id): "snake",
        ("snake", image_id): "eft",
    }
    assert [(one.label, one.check) for one in manifest.findings()] == [("eft", "label")]  # what names the old one goes
    assert [one.label for one in log.actions()] == ["eft"]
    assert [one.label for one in log.last_audit().questions] == ["eft"]


def test_two_labels_of_the_same_words_become_one_with_the_later_decision(manifest):
    harvested(manifest, "newt", 1, 2)
    harvested(manifest, "eft", 2, 3)
    two = IMAGES[1].id
    manifest.decide([Decision(label="newt", image_id=two, action="reject")])
    manifest.decide([Decision(label="eft", image_id=two, action="keep")])
    manifest.decide([Decision(label="newt", image_id=IMAGES[0].id, action="relabel", to_label="eft")])

    rename_label(manifest, "newt", "eft")

    assert [(one.label, one.proposal.url) for one in manifest.candidates()] == [
        ("eft", f"http://host/{n}.jpg") for n in (1, 2, 3)
    ]
    assert {key: one.action for key, one in manifest.current_decisions().items()} == {
        ("eft", two): "keep",
        ("eft", IMAGES[0].id): "keep",  # it was moved to where it is now
    }
    assert files(manifest) == sorted(f"eft/{one.id}.jpg" for one in IMAGES[:3])
    assert manifest.folder.harvested_file("eft", two).read_text() == "eft"
    assert counts(manifest) == {("eft", "keep", ""): 2, ("eft", "harvested", ""): 1}
    assert len(manifest.queries()) == 1
    assert manifest.connection.read("PRAGMA foreign_key_check") == []
    assert sum(one.count for one in manifest.candidate_counts()) == 3


@pytest.mark.parametrize("further", ["newt", "eft"])
def test_of_two_searches_for_the_same_words_the_one_that_came_further_goes_on(manifest, further):
    harvested(manifest, "newt", 1)
    harvested(manifest, "eft", 2)
    for query_id, label in ((1, "newt"), (2, "eft")):
        found = 9 if label == further else 4
        state = SearchState(query_id=query_id, provider="bing", cursor=label, found=found)
        manifest.put_page(state, [], label=label, round_=0)
    manifest.put_page(SearchState(query_id=1, provider="flickr", cursor="f", found=2), [], label="newt", round_=0)

    rename_label(manifest, "newt", "eft")

    assert [(one.query_id, one.provider, one.cursor) for one in manifest.search_states()] == [
        (2, "bing", further),
        (2, "flickr", "f"),
    ]


@pytest.mark.parametrize("state", ["kept", "rejected"])
def test_of_two_candidates_for_one_address_the_one_with_the_picture_tells_what_became_of_it(manifest, state):
    harvested(manifest, "newt", 1)
    harvested(manifest, "eft", 1)
    old, new = manifest.candidates(label="newt")[0], manifest.candidates(label="eft")[0]
    manifest.settle([replace(old, state=state, reason="" if state == "kept" else "query.gone", attempts=3)])
    manifest.settle([replace(new, state="pending", image_id=None)])

    rename_label(manifest, "newt", "eft")

    (one,) = manifest.candidates()
    assert (one.id, one.label, one.state, one.image_id, one.attempts) == (new.id, "eft", state, IMAGES[0].id, 3)
    assert manifest.proposed("eft") == [(new.id, 2, 1)]


def test_a_candidate_that_is_kept_is_not_replaced_by_one_that_left(manifest):
    harvested(manifest, "newt", 1)
    harvested(manifest, "eft", 1)
    (old,) = manifest.candidates(label="newt")
    manifest.settle([replace(old, state="rejected", reason="query.gone")])

    rename_label(manifest, "newt", "eft")

    assert [(one.state, one.reason) for one in manifest.candidates()] == [("kept", "")]


def test_two_labels_of_other_words_become_one_only_when_that_is_said(manifest):
    harvested(manifest, "newt", 1)
    harvested(manifest, "snake", 2, text="other words")

    with pytest.raises(UsageError, match="add --merge"):
        rename_label(manifest, "newt", "snake")
    assert manifest.labels() == {"newt": "newt", "snake": "snake"}

    rename_label(manifest, "newt", "snake", merge=True)
    assert [one.image_id for one in manifest.items(label="snake")] == sorted(one.id for one in IMAGES[:2])


def test_names_in_a_chain_lead_to_the_last_one_and_a_name_that_comes_back_to_itself(manifest):
    harvested(manifest, "a", 1)

    rename_label(manifest, "a", "b")
    rename_label(manifest, "b", "c")
    assert renamed_labels(manifest) == {"a": "c", "b": "c"}
    rename_label(manifest, "c", "a")
    assert renamed_labels(manifest) == {"b": "a", "c": "a"}
    manifest.put_queries([Query(label="b", name="b", text="b")])
    assert renamed_labels(manifest) == {"c": "a"}


def test_a_display_name_changes_alone(manifest):
    harvested(manifest, "newt", 1)

    rename_label(manifest, "newt", "newt!")

    assert manifest.labels() == {"newt": "newt!"}
    assert files(manifest) == [f"newt/{IMAGES[0].id}.jpg"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("newt", "is called 'newt' already"), ("...", "no folder can be named"), ("SNAKE", "would share the folder name")],
)
def test_a_name_that_cannot_be_taken_is_refused_and_nothing_changes(manifest, name, sentence):
    harvested(manifest, "newt", 1)
    harvested(manifest, "snake", 2, text="other")

    with pytest.raises(UsageError, match=sentence):
        rename_label(manifest, "newt", name)

    assert manifest.labels() == {"newt": "newt", "snake": "snake"}


def test_a_label_is_found_by_folder_by_name_or_by_either_in_another_case(manifest):
    manifest.add_label("great_newt", "great newt")
    manifest.add_label("eft", "Eft")

    assert find_label(manifest, "great_newt") == "great_newt"
    assert find_label(manifest, "great newt") == "great_newt"
    assert find_label(manifest, "EFT") == "eft"
    with pytest.raises(UsageError, match=r"has no label 'toad'.*great newt, Eft"):
        find_label(manifest, "toad")


def test_a_label_that_differs_in_case_alone_is_the_known_one_unless_another_file_asks_for_it(manifest, tmp_path):
    mine, other = tmp_path / "mine.csv", tmp_path / "other.csv"
    manifest.put_queries([Query(label="coral", name="coral", text="coral")], file=mine)
    manifest.put_queries([Query(label="king", name="king", text="king")], file=other)
    wanted = {"Coral": "Coral", "KING": "KING", "milk": "Milk"}

    assert case_changes(manifest, wanted, mine) == [("coral", "Coral")]
    assert case_changes(manifest, wanted, other) == [("king", "KING")]
    assert case_changes(manifest, wanted, None) == []
    assert case_changes(manifest, {"coral": "CORAL", "king": "king"}, mine) == []
