"""The worlds hold what they say, the same for the same seed, and their truth can be asked."""

from collections import Counter

import pytest

from imgkit.demo.builder import CORAL, KING, WorldBuilder
from imgkit.demo.population import demo_world, small_world
from imgkit.demo.web.faults import FAULTS
from imgkit.demo.web.server import serve


@pytest.fixture(scope="module")
def demo():
    return demo_world()


def test_the_demo_has_known_numbers(demo):
    assert Counter(picture.kind for picture in demo.pictures) == {
        "good": 280,
        "wrong_label": 22,
        "offtopic": 14,
        "exact_copy": 22,
        "near_copy": 24,
        "placeholder": 8,
        "excluded": 6,
        "damaged": 2,
        "lost": 24,
    }
    assert Counter(p.listed_as for p in demo.of_kind("good", "wrong_label")) == {CORAL: 151, KING: 151}


def test_the_demo_is_the_same_for_a_seed_and_another_for_another(demo):
    assert demo_world(seed=0) == demo
    assert demo_world(seed=1) != demo


def test_every_address_belongs_to_one_picture(demo):
    assert len({picture.address for picture in demo.pictures}) == len(demo.pictures)
    assert all(demo.find(f"http://127.0.0.9:1234{p.address}") is p for p in demo.pictures)


def test_every_picture_of_the_demo_is_found_by_one_of_the_two_queries_of_its_label(demo):
    queries = ("Micrurus fulvius", "coral snake", "Lampropeltis elapsoides", "king snake")
    providers = ("bing", "flickr", "openverse", "commons", "inaturalist")

    found = {p.id for provider in providers for query in queries for p in demo.search(provider, query)}

    assert found == {picture.id for picture in demo.pictures}


def test_wrong_labels_show_the_other_snake_under_a_title_that_does_not_say_so(demo):
    wrong = demo.of_kind("wrong_label")

    assert {(p.listed_as, p.label) for p in wrong} == {(CORAL, KING), (KING, CORAL)}
    assert not any(word in p.title.lower() for p in wrong for word in ("king", "coral"))


def test_exact_copies_are_the_same_bytes_and_near_copies_are_not(demo):
    with serve(demo) as web:
        exact, near = demo.of_kind("exact_copy")[0], demo.of_kind("near_copy")[0]

        assert web.data(exact) == web.data(exact.copy_of)
        assert web.data(near) != web.data(near.copy_of)
        assert exact.address != demo.picture(exact.copy_of).address


def test_no_bytes_of_the_demo_but_the_placeholder_have_three_addresses(demo):
    addresses = Counter(picture.drawing for picture in demo.pictures)

    assert [drawing.subject for drawing, count in addresses.items() if count > 2] == ["placeholder"]


def test_reasons_follow_from_what_was_planted(demo):
    assert {p.reason for p in demo.of_kind("good", "wrong_label", "offtopic", "exact_copy", "near_copy")} == {""}
    assert {p.reason for p in demo.of_kind("placeholder")} == {"img.placeholder"}
    assert {p.reason for p in demo.of_kind("excluded")} == {"policy.excluded"}
    assert all(p.reason not in ("", "img.placeholder") for p in demo.of_kind("lost"))


def test_the_small_world_lists_its_pictures_in_order_at_every_provider():
    world = small_world(good=2, faults=["404", "png"], providers=["bing", "flickr"])

    assert [p.id for p in world.search("flickr", "coral snake")] == [
        "coral_snake-001",
        "coral_snake-002",
        "fault-404",
        "fault-png",
    ]
    assert [p.kind for p in world.search("bing", "Micrurus")] == ["good", "good", "lost", "good"]
    assert world.search("openverse", "coral snake") == []


def test_the_longest_phrase_decides_and_words_are_whole():
    world = small_world(good=1)

    assert [p.listed_as for p in world.search("bing", "scarlet king snake, not a coral snake")] == [CORAL]
    assert world.search("bing", "corals nakedly") == []


def test_a_fault_can_be_put_on_any_picture_by_name():
    world = small_world(good=2).with_faults({"king_snake-001": "410"})

    assert world.picture("king_snake-001").reason == "http.410"
    with pytest.raises(KeyError, match="no such picture: cobra-001"):
        world.with_faults({"cobra-001": "410"})


def test_a_world_is_composed_picture_by_picture():
    builder = WorldBuilder()
    first = builder.add(CORAL)
    builder.exact_copy(first, listed_as=KING)
    builder.near_copy(first, "mirrored")
    world = builder.build()

    assert [(p.kind, p.listed_as, p.copy_of) for p in world.pictures] == [
        ("good", CORAL, ""),
        ("exact_copy", KING, "coral_snake-001"),
        ("near_copy", CORAL, "coral_snake-001"),
    ]
    assert [p.listings[0].rank for p in world.pictures] == [1, 1, 2]


@pytest.mark.parametrize("fault", sorted(name for name, fault in FAULTS.items() if fault.address))
def test_a_fault_in_the_address_keeps_the_address_findable(fault):
    with serve(small_world(good=1, faults=[fault])) as web:
        url = web.url(f"fault-{fault}")

        assert "{" not in url
        assert web.truth(url).id == f"fault-{fault}"
