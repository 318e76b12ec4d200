import io

import pytest
from drawn_photos import photo
from PIL import Image, ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.manifest import Decision
from imgkit.vision.decode import grey_band


def cut(picture, *, share=0.5):
    """A JPEG of which the rest is missing, with an end marker so that every program opens it."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    return data[: round(share * len(data))] + b"\xff\xd9"


@pytest.fixture
def config(builder):
    for label in ("coral", "king"):
        for seed in range(4):
            builder.add(label, photo(100 * len(label) + seed))
    return CurateConfig(data=builder.folder.root, weights="none")


def test_a_cut_jpeg_that_opens_is_a_suspect_and_out_of_the_set(builder, config):
    damaged = builder.add("coral", cut(photo(7)))

    curate(config)

    judgement = builder.manifest.judgements()["coral", damaged]
    assert (judgement.verdict, judgement.reason, judgement.check) == ("suspect", "img.truncated", "readable")
    assert not (builder.folder.curated / "coral" / f"{damaged}.jpg").exists()


def test_what_is_left_of_a_damaged_picture_is_in_the_set_when_a_person_says_so(builder, config):
    damaged = builder.add("coral", cut(photo(7)))
    builder.manifest.decide([Decision(image_id=damaged, label="coral", action="keep")])

    curate(config)

    assert (builder.folder.curated / "coral" / f"{damaged}.jpg").exists()


@pytest.mark.parametrize("turn", [None, *Image.Transpose])
def test_the_missing_part_is_seen_on_whatever_side_it_lies_after_turning(turn):
    with Image.open(io.BytesIO(cut(photo(7)))) as image:
        upright = image.convert("RGB")

    assert grey_band(upright.transpose(turn) if turn is not None else upright) > 0.3


def test_a_grey_frame_and_a_dark_edge_are_no_damage():
    assert grey_band(ImageOps.expand(photo(7), 30, (128, 128, 128))) == 0
    assert grey_band(ImageOps.expand(photo(7), (0, 0, 0, 30), (60, 60, 60))) == 0


def test_no_photograph_is_taken_for_damaged(photos):
    from imgkit.vision.decode import open_picture

    files = [*(photos / "offtopic").glob("*"), *sorted((photos / "monkeys").glob("*/*"))[::10]]

    assert [file.name for file in files if grey_band(open_picture(file, longest=120)) > 0] == []
