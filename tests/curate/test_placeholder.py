import pytest
from drawn_photos import photo
from PIL import Image, ImageDraw

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.manifest import Decision


def unavailable():
    """What a host shows instead of a photograph."""
    image = Image.new("RGB", (300, 220), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    draw.rectangle((90, 60, 210, 130), outline=(120, 120, 120), width=6)
    draw.ellipse((130, 75, 170, 115), outline=(120, 120, 120), width=6)
    draw.text((85, 150), "photo unavailable", fill=(60, 60, 60), font_size=18)
    return image


@pytest.fixture
def labels(builder):
    for number, label in enumerate(("coral", "king", "milk")):
        for seed in range(4):
            builder.add(label, photo(10 * number + seed))
    return ("coral", "king", "milk")


def judged(builder):
    curate(CurateConfig(data=builder.folder.root, weights="none"))
    return builder.manifest.judgements()


def test_one_picture_under_three_labels_is_a_placeholder_and_out(builder, labels):
    for label in labels:
        image = builder.add(label, unavailable())

    verdicts = judged(builder)

    assert {verdicts[label, image].reason for label in labels} == {"img.placeholder"}
    assert not list(builder.folder.curated.glob(f"*/{image}.jpg"))


def test_a_plain_picture_from_three_addresses_under_two_labels_is_a_placeholder(builder, labels):
    first = builder.add("coral", unavailable())
    larger = builder.add("coral", unavailable().resize((600, 440)))
    builder.add("king", unavailable())

    verdicts = judged(builder)

    assert verdicts["king", first].reason == "img.placeholder"
    assert {verdicts["coral", first].reason, verdicts["coral", larger].reason} <= {"img.placeholder", "dup.near"}


def test_a_photograph_under_two_labels_is_a_conflict_and_no_placeholder(builder, labels):
    for label in ("coral", "king"):
        image = builder.add(label, photo(77))

    verdicts = judged(builder)

    assert verdicts["coral", image].reason == "bad.conflict"


def test_what_a_person_decided_about_is_no_placeholder(builder, labels):
    for label in labels:
        image = builder.add(label, unavailable())
    builder.manifest.decide([Decision(image_id=image, label="coral", action="keep")])

    verdicts = judged(builder)

    assert verdicts["king", image].reason == "bad.conflict"
    assert (builder.folder.curated / "coral" / f"{image}.jpg").exists()
