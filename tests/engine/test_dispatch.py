"""Which machine of a cluster gets which call."""

from imgkit.engine.dispatch import Call, Dispatch, Post


def dispatch_of(*posts):
    made = Dispatch()
    for post in posts:
        made.add_post(post)
    return made


def give(dispatch, *calls):
    """Add calls and return where each of those that were handed out went."""
    for call in calls:
        dispatch.add(call)
    return [(post.name, call.work) for post, call in dispatch.assign()]


def test_calls_go_to_the_machine_with_the_most_room():
    dispatch = dispatch_of(Post("small", 1), Post("large", 3))

    assert sorted(give(dispatch, *(Call(n) for n in range(4)))) == [
        ("large", 1),
        ("large", 2),
        ("large", 3),
        ("small", 0),
    ]


def test_a_machine_is_handed_two_calls_for_each_processor_and_the_others_wait():
    dispatch = dispatch_of(Post("one", 2))

    given = give(dispatch, *(Call(n) for n in range(10)))

    assert [work for _, work in given] == [0, 1, 2, 3]
    assert [call.work for call in dispatch.waiting] == [4, 5, 6, 7, 8, 9]


def test_an_answer_makes_room_for_the_next_in_line():
    dispatch = dispatch_of(Post("one", 1))
    calls = [Call(n) for n in range(4)]
    give(dispatch, *calls)

    dispatch.finished("one", calls[0])

    assert give(dispatch) == [("one", 2)]


def test_calls_that_use_several_processors_leave_them_to_each_other():
    dispatch = dispatch_of(Post("one", 4))

    given = give(dispatch, *(Call(n, cpus=2) for n in range(5)))

    assert [work for _, work in given] == [0, 1]


def test_a_call_larger_than_every_machine_is_run_alone():
    assert give(dispatch_of(Post("one", 2)), Call("large", cpus=8)) == [("one", "large")]


def test_calls_for_graphics_processors_go_there_and_others_do_not():
    dispatch = dispatch_of(Post("cpu", 4), Post("gpu", 1, gpus=1))

    assert give(dispatch, Call("a", gpus=1), Call("b")) == [("gpu", "a"), ("cpu", "b")]


def test_a_home_has_one_machine_however_many_calls_it_gets():
    posts = [Post(name, 1) for name in "abc"]
    dispatch = dispatch_of(*posts)

    given = give(dispatch, *(Call(n, home=f"host{n % 20}", cpus=0) for n in range(200)))

    assert len(given) == 200
    assert all(len({name for name, work in given if work % 20 == host}) == 1 for host in range(20))
    assert {name for name, _ in given} == {"a", "b", "c"}


def test_when_a_machine_is_lost_only_its_homes_move():
    dispatch = dispatch_of(*(Post(name, 1) for name in "abc"))
    before = {work: name for name, work in give(dispatch, *(Call(n, home=f"host{n}", cpus=0) for n in range(60)))}

    dispatch.lost("b")
    after = before | {
        work: name for name, work in give(dispatch, *(Call(n, home=f"host{n}", cpus=0) for n in range(60)))
    }

    assert all(after[n] == before[n] for n in range(60) if before[n] != "b")
    assert {after[n] for n in range(60) if before[n] == "b"} == {"a", "c"}


def test_the_calls_of_a_lost_machine_go_first_to_the_others():
    dispatch = dispatch_of(Post("a", 1))
    give(dispatch, Call(0), Call(1), Call(2))
    dispatch.add_post(Post("b", 1))

    reported = dispatch.lost("a")

    assert reported == []
    assert sorted(give(dispatch)) == [("b", 0), ("b", 1)]
    assert [call.work for call in dispatch.waiting] == [2]


def test_a_call_that_lost_three_machines_is_reported():
    dispatch = dispatch_of(Post("a", 1))
    call = Call("poison")
    give(dispatch, call)

    fates = []
    for name in ("b", "c", "d"):
        fates.append(dispatch.lost(call.lost[-1] if not dispatch.posts else dispatch.posts[0].name))
        dispatch.add_post(Post(name, 1))
        give(dispatch)

    assert fates == [[], [], [call]]
    assert call.lost == ["a", "b", "c"]
    assert dispatch.waiting == []


def test_a_call_that_killed_its_worker_is_tried_on_another_machine_and_not_on_the_same_again():
    dispatch = dispatch_of(Post("a", 8), Post("b", 1))
    call = Call("deadly")
    assert give(dispatch, call) == [("a", "deadly")]

    assert dispatch.died_with("a", call) == "again"
    assert give(dispatch) == [("b", "deadly")]
    assert dispatch.died_with("b", call) == "report"


def test_a_call_that_killed_its_worker_on_the_only_machine_is_reported():
    dispatch = dispatch_of(Post("a", 1))
    call = Call("deadly")
    give(dispatch, call)

    assert dispatch.died_with("a", call) == "report"


def test_without_machines_calls_wait_until_they_are_withdrawn():
    dispatch = dispatch_of()

    assert give(dispatch, Call(1), Call(2, home="host")) == []
    assert [call.work for call in dispatch.withdraw()] == [1, 2]
    assert dispatch.waiting == []
