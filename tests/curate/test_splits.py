from imgkit.curate.splits import Member, divide


def shares(members):
    splits = divide(members, validation_share=0.15, test_share=0.15, seed=0)
    return dict(zip(members, splits, strict=True))


def test_a_group_never_parts_even_across_labels():
    members = [Member(label, f"group {n % 40}") for n, label in enumerate(["coral", "king"] * 100)]

    splits = shares(members)

    groups = {member.group: set() for member in members}
    for member, split in splits.items():
        groups[member.group].add(split)
    assert all(len(found) == 1 for found in groups.values())


def test_nobody_moves_when_pictures_are_added():
    before = [Member("coral", f"{n}") for n in range(200)]

    after = shares([*before, *(Member("coral", f"new {n}") for n in range(50)), Member("king", "other")])

    assert all(after[member] == split for member, split in shares(before).items())


def test_about_70_15_15_of_a_large_label():
    splits = list(shares([Member("coral", f"{n}") for n in range(4000)]).values())

    assert 0.13 < splits.count("test") / 4000 < 0.17
    assert 0.13 < splits.count("validation") / 4000 < 0.17


def test_a_label_of_three_groups_is_in_every_split():
    for first in range(30):
        members = [Member("coral", f"{first + n}") for n in range(3)]

        assert set(shares(members).values()) == {"train", "validation", "test"}


def test_a_label_of_two_groups_is_learnt_from():
    for first in range(30):
        members = [Member("coral", f"{first}"), Member("coral", f"{first + 1}")]

        assert "train" in shares(members).values()
