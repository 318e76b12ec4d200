"""What must stay in one split: copies, kin, one album, one picture under several labels."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgkit.curate.config import CurateConfig
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.manual_edits import Edits
from imgkit.curate.publish.plan import digest_of, plan, rules_of, split_groups, verdicts_of
from imgkit.manifest import Candidate, Finding, Item, Judgement, Outcome, Proposal


def picture(label, image_id, *, rank=1, group="", provider="openverse"):
    proposal = Proposal(url=f"https://example.org/{image_id}", rank=rank, group=group)
    source = Candidate(id=rank, label=label, query_id=1, provider=provider, round=1, proposal=proposal)
    return ItemPicture(
        label=label,
        image_id=image_id,
        path=None,
        file_sha256="",
        sha256="",
        width=1,
        height=1,
        bytes=1,
        label_now=label,
        source=source,
    )


def test_one_image_under_two_labels_is_one_group():
    pictures = [picture("coral", "a", rank=5), picture("king", "a", rank=2), picture("king", "b", rank=1)]

    assert split_groups(pictures, ["", "", ""]) == ["a", "a", "b"]


def test_copies_and_what_a_provider_calls_one_album_are_one_group_called_after_its_earliest_member():
    pictures = [
        picture("coral", "c", rank=3),
        picture("coral", "d", rank=4, group="album"),
        picture("king", "e", rank=1, group="album"),
        picture("king", "f", rank=2, group="album", provider="flickr"),
    ]

    assert split_groups(pictures, ["copies", "copies", "", ""]) == ["e", "e", "e", "f"]


def test_a_picture_that_stands_alone_is_a_group_of_its_own_name():
    pictures = [picture("coral", name, rank=rank) for rank, name in enumerate("abc", start=1)]

    assert split_groups(pictures, ["", "", ""]) == ["a", "b", "c"]


CONFIG = CurateConfig(data=Path("data"))


def planned(*placed, carried=None, config=CONFIG):
    """Plan the set of pictures ``(label, image id, label in the set or "", group)``; all are in the harvest."""
    pictures = [picture(label, image_id, rank=rank) for rank, (label, image_id, _, _) in enumerate(placed, start=1)]
    judgements = [
        Judgement(label=label, image_id=image_id, verdict="keep", score=0.0, group=group)
        for label, image_id, _, group in placed
    ]
    outcomes = {
        (label, image_id): Outcome(placed=to, label=to or label, state="kept", reason="", by="machine")
        for label, image_id, to, _ in placed
    }
    items = {
        (label, image_id): Item(label=label, image_id=image_id, width=number, height=2, file_sha256=image_id * 64)
        for number, (label, image_id, _, _) in enumerate(placed, start=10)
    }
    return plan(pictures, judgements, outcomes, items, Edits(carried=carried or {}), config)


def test_a_set_holds_what_is_placed_under_its_label_in_order_of_the_paths():
    found = planned(
        ("king", "a", "king", ""), ("coral", "c", "king", ""), ("king", "b", "", ""), ("coral", "d", "coral", "")
    )

    assert [(one.file_name, one.width, one.height, one.sha256[0]) for one in found.entries] == [
        ("coral/d.jpg", 13, 2, "d"),
        ("king/a.jpg", 10, 2, "a"),
        ("king/c.jpg", 11, 2, "c"),
    ]
    assert found.labels() == ["coral", "king"]


def test_copies_under_two_labels_are_in_one_split_and_every_label_has_all_three():
    alone = [(label, f"{label[0]}{number}", label, "") for label in ("coral", "king") for number in range(6)]
    copies = [("coral", "x", "coral", "g"), ("king", "y", "king", "g")]

    entries = planned(*alone, *copies).entries

    assert {one.split for one in entries if one.label == "coral"} == {"train", "validation", "test"}
    assert {one.split for one in entries if one.label == "king"} == {"train", "validation", "test"}
    assert len({(one.split, one.group) for one in entries if one.picture.image_id in ("x", "y")}) == 1
    assert {one.group for one in entries if one.picture.image_id in ("x", "y")} == {"x"}


def test_without_shares_everything_is_for_training():
    config = replace(CONFIG, test_share=0.0, validation_share=0.0)

    assert {
        one.split for one in planned(*(("king", f"k{n}", "king", "") for n in range(9)), config=config).entries
    } == {"train"}


def test_a_file_of_a_person_is_taken_along_unless_the_set_has_one_of_its_name():
    found = planned(("king", "a", "king", ""), carried={"king/a.jpg": Path("1"), "king/notes.txt": Path("2")})

    assert found.carried == {"king/notes.txt": Path("2")}


def test_the_digest_changes_with_all_that_the_set_says_and_not_with_where_the_data_lie(tmp_path):
    (tmp_path / "notes.txt").write_text("one", encoding="utf-8")
    base = planned(("king", "a", "king", ""))
    judgement = Judgement(label="king", image_id="a", verdict="keep", score=0.0)
    finding = Finding(label="king", image_id="a", check="label", score=0.1, threshold=0.5, detail={})

    def digest(found=base, judgements=(judgement,), findings=(finding,), config=CONFIG, noise=""):
        return digest_of(found, judgements, findings, config, noise=noise)

    others = [
        digest(planned(("king", "b", "king", ""))),
        digest(replace(base, carried={"notes.txt": tmp_path / "notes.txt"})),
        digest(judgements=(replace(judgement, score=0.1),)),
        digest(findings=(replace(finding, score=0.2),)),
        digest(config=replace(CONFIG, seed=CONFIG.seed + 1)),
        digest(noise="2 %"),
    ]
    assert digest() == digest(config=replace(CONFIG, data=Path("elsewhere")))
    assert len({digest(), *others}) == 7
    assert len(digest()) == 32


def test_files_that_a_person_added_give_the_same_digest_in_whatever_order_they_were_found(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    base = planned(("king", "a", "king", ""))
    found = {name: tmp_path / name for name in ("a.txt", "b.txt")}

    first, second = (
        digest_of(replace(base, carried=dict(order)), [], [], CONFIG, noise="")
        for order in (found.items(), reversed(found.items()))
    )

    assert first == second


def test_the_rules_change_with_a_setting_and_not_with_the_folder_or_the_device():
    assert rules_of(CONFIG) == rules_of(replace(CONFIG, data=Path("elsewhere")))
    assert rules_of(CONFIG) != rules_of(replace(CONFIG, seed=CONFIG.seed + 1))
    assert len(rules_of(CONFIG)) == 16


JUDGEMENT = {"label": "king", "image_id": "a" * 20, "verdict": "keep", "score": 0.0}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({"judgements": [JUDGEMENT], "findings": []}, 1),
        ({"judgements": [JUDGEMENT]}, 1),
        ({}, 0),
        ([JUDGEMENT], 0),
        ({"judgements": [JUDGEMENT | {"label": "../king"}]}, 0),
        ({"judgements": [JUDGEMENT | {"image_id": "../a"}]}, 0),
        ({"judgements": [JUDGEMENT | {"of another version": 1}]}, 0),
        ({"judgements": ["text"]}, 0),
    ],
)
def test_verdicts_that_another_program_wrote_are_data(monkeypatch, tmp_path, stored, read):
    monkeypatch.setattr("imgkit.curate.publish.folders.read_verdicts", lambda _: json.loads(json.dumps(stored)))

    judgements, findings = verdicts_of(tmp_path)

    assert (len(judgements), findings) == (read, [])
