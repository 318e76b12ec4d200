"""A picture that a person rejected keeps its copies out of the set after it has left the harvest itself."""

import io

import pytest
from drawn_photos import photo
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.files import write_atomically
from imgkit.manifest import Decision
from imgkit.vision import resize


def jpeg(picture, quality=95):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def harvest(builder):
    """Two labels of six pictures each; ``junk`` is one more of coral that a person rejected before it left."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(6):
            builder.add(label, photo(100 * number + seed))
    return builder


def leave(harvest, label, image_id, data):
    """Take an item out as harvest does when nobody asks for it any more: its row and its original stay."""
    image = harvest.manifest.image(image_id)
    write_atomically(harvest.folder.original(image.stored_sha256, image.extension), data)
    harvest.manifest.remove_items([(label, image_id)])
    harvest.folder.harvested_file(label, image_id).unlink()


def rejected_and_gone(harvest, picture, reason="user.rejected", label="coral"):
    data = jpeg(picture)
    image_id = harvest.add(label, data)
    (decision,) = harvest.manifest.decide(
        [Decision(image_id=image_id, label=label, action="reject", reason=reason, command="review")]
    )
    leave(harvest, label, image_id, data)
    return image_id, decision


def copies_of(picture):
    return {
        "recoded": jpeg(picture, 60),
        "smaller": resize.jpeg_bytes(resize.shrink(picture, 260)),
        "mirrored": jpeg(ImageOps.mirror(picture), 90),
    }


@pytest.mark.parametrize("kind", ["recoded", "smaller", "mirrored"])
@pytest.mark.parametrize("label", ["coral", "king"])
def test_a_copy_that_comes_later_stays_out_and_says_of_what_it_is_one(harvest, kind, label):
    junk, _ = rejected_and_gone(harvest, photo(900))
    later = harvest.add(label, copies_of(photo(900))[kind])

    report = curate(CurateConfig(data=harvest.folder.root, weights="none"))

    judgement = harvest.manifest.judgements()[label, later]
    assert (judgement.verdict, judgement.reason) == ("reject", "bad.rejected")
    assert judgement.detail == f"a copy of coral/{junk}, which a person rejected"
    assert harvest.manifest.outcomes()[label, later].placed == ""
    assert report.totals["in_set"] == 12
    (finding,) = harvest.manifest.findings(check="rejected_copy")
    assert finding.detail == {"copy_of": junk, "copy_of_label": "coral", "rejected_for": "user.rejected"}


def test_of_several_copies_that_come_later_none_is_in_the_set(harvest):
    rejected_and_gone(harvest, photo(900), reason="bad.object")
    later = [("coral", harvest.add("coral", data)) for data in copies_of(photo(900)).values()]

    report = curate(CurateConfig(data=harvest.folder.root, weights="none"))

    assert {harvest.manifest.outcomes()[key].placed for key in later} == {""}
    assert report.totals["in_set"] == 12


def test_an_undo_of_the_rejection_lets_the_copies_in_again(harvest):
    junk, decision = rejected_and_gone(harvest, photo(900))
    later = harvest.add("coral", copies_of(photo(900))["recoded"])
    config = CurateConfig(data=harvest.folder.root, weights="none")
    curate(config)

    harvest.manifest.decide([Decision(image_id=junk, label="coral", action="undo", undoes=decision, command="review")])
    report = curate(config)

    assert harvest.manifest.outcomes()["coral", later].placed == "coral"
    assert report.totals["in_set"] == 13
    assert harvest.manifest.findings(check="rejected_copy") == []


def test_a_person_may_keep_such_a_copy(harvest):
    rejected_and_gone(harvest, photo(900))
    later = harvest.add("coral", copies_of(photo(900))["recoded"])
    harvest.manifest.decide([Decision(image_id=later, label="coral", action="keep", command="review")])

    curate(CurateConfig(data=harvest.folder.root, weights="none"))

    assert harvest.manifest.outcomes()["coral", later].placed == "coral"


@pytest.mark.parametrize("reason", ["dup.near", "dup.exact", "bad.conflict"])
def test_a_rejection_for_a_better_file_says_nothing_about_copies(harvest, reason):
    rejected_and_gone(harvest, photo(900), reason=reason)
    later = harvest.add("coral", copies_of(photo(900))["recoded"])

    curate(CurateConfig(data=harvest.folder.root, weights="none"))

    assert harvest.manifest.outcomes()["coral", later].placed == "coral"


def test_other_pictures_and_their_groups_are_judged_as_without_it(harvest):
    harvest.add("coral", copies_of(photo(2))["mirrored"])
    config = CurateConfig(data=harvest.folder.root, weights="none")
    curate(config)
    before = {
        key: (one.verdict, one.reason, one.copies, one.rank) for key, one in harvest.manifest.judgements().items()
    }

    rejected_and_gone(harvest, photo(900))
    curate(config)

    after = {key: (one.verdict, one.reason, one.copies, one.rank) for key, one in harvest.manifest.judgements().items()}
    assert after == before
    assert sum(reason == "dup.near" for _, reason, _, _ in after.values()) == 1


def test_a_rejected_picture_whose_original_is_gone_is_left_out_quietly(harvest):
    junk, _ = rejected_and_gone(harvest, photo(900))
    image = harvest.manifest.image(junk)
    harvest.folder.original(image.stored_sha256, image.extension).unlink()
    later = harvest.add("coral", copies_of(photo(900))["recoded"])

    curate(CurateConfig(data=harvest.folder.root, weights="none"))

    assert harvest.manifest.outcomes()["coral", later].placed == "coral"
