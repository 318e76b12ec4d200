from hypothesis import given
from hypothesis import strategies as st

from imgkit.components import groups_of

links_of_eight = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12)


def test_groups_are_sorted_and_come_in_order_of_their_first_member():
    assert groups_of(7, [(6, 5), (4, 2), (2, 0)]) == ((0, 2, 4), (5, 6))


def test_two_groups_that_a_late_link_joins_are_one():
    assert groups_of(6, [(0, 1), (4, 5), (5, 1)]) == ((0, 1, 4, 5),)


def test_what_nothing_links_or_only_links_to_itself_is_no_group():
    assert groups_of(3, []) == ()
    assert groups_of(3, [(1, 1)]) == ()


@given(links=links_of_eight, data=st.data())
def test_neither_the_order_nor_the_direction_of_links_matters_and_twice_is_once(links, data):
    mixed = data.draw(st.permutations([(second, first) for first, second in links]))

    assert groups_of(8, mixed) == groups_of(8, links) == groups_of(8, links + links)
