"""Which machine of a cluster gets which call."""

from imgkit.engine.dispatch import Call, Dispatch, NodeLoad


def dispatch_of(*nodes):
    made = Dispatch()
    for node in nodes:
        made.add_node(node)
    return made


def assigned(dispatch, *calls):
    """Add calls and return where each of those that were handed out went."""
    for call in calls:
        dispatch.add(call)
    return [(node.name, call.work) for node, call in dispatch.assign()]


def test_calls_go_to_the_machine_with_the_most_room():
    dispatch = dispatch_of(NodeLoad("small", 1), NodeLoad("large", 3))

    assert sorted(assigned(dispatch, *(Call(n) for n in range(4)))) == [
        ("large", 1),
        ("large", 2),
        ("large", 3),
        ("small", 0),
    ]


def test_a_machine_is_handed_two_calls_for_each_processor_and_the_others_wait():
    dispatch = dispatch_of(NodeLoad("one", 2))

    given = assigned(dispatch, *(Call(n) for n in range(10)))

    assert [work for _, work in given] == [0, 1, 2, 3]
    assert [call.work for call in dispatch.waiting] == [4, 5, 6, 7, 8, 9]


def test_an_answer_makes_room_for_the_next_in_line():
    dispatch = dispatch_of(NodeLoad("one", 1))
    calls = [Call(n) for n in range(4)]
    assigned(dispatch, *calls)

    dispatch.finished("one", calls[0])

    assert assigned(dispatch) == [("one", 2)]


def test_calls_that_use_several_processors_leave_them_to_each_other():
    dispatch = dispatch_of(NodeLoad("one", 4))

    given = assigned(dispatch, *(Call(n, cpus=2) for n in range(5)))

    assert [work for _, work in given] == [0, 1]


def test_a_call_larger_than_every_machine_is_run_alone():
    assert assigned(dispatch_of(NodeLoad("one", 2)), Call("large", cpus=8)) == [("one", "large")]


def test_calls_for_graphics_processors_go_there_and_others_do_not():
    dispatch = dispatch_of(NodeLoad("cpu", 4), NodeLoad("gpu", 1, gpus=1))

    assert assigned(dispatch, Call("a", gpus=1), Call("b")) == [("gpu", "a"), ("cpu", "b")]


def test_a_home_has_one_machine_however_many_calls_it_gets():
    nodes = [NodeLoad(name, 1) for name in "abc"]
    dispatch = dispatch_of(*nodes)

    given = assigned(dispatch, *(Call(n, affinity=f"host{n % 20}", cpus=0) for n in range(200)))

    assert len(given) == 200
    assert all(len({name for name, work in given if work % 20 == host}) == 1 for host in range(20))
    assert {name for name, _ in given} == {"a", "b", "c"}


def test_when_a_machine_is_lost_only_its_homes_move():
    dispatch = dispatch_of(*(NodeLoad(name, 1) for name in "abc"))
    before = {
        work: name for name, work in assigned(dispatch, *(Call(n, affinity=f"host{n}", cpus=0) for n in range(60)))
    }

    dispatch.lost("b")
    after = before | {
        work: name for name, work in assigned(dispatch, *(Call(n, affinity=f"host{n}", cpus=0) for n in range(60)))
    }

    assert all(after[n] == before[n] for n in range(60) if before[n] != "b")
    assert {after[n] for n in range(60) if before[n] == "b"} == {"a", "c"}


def test_the_calls_of_a_lost_machine_go_first_to_the_others():
    dispatch = dispatch_of(NodeLoad("a", 1))
    assigned(dispatch, Call(0), Call(1), Call(2))
    dispatch.add_node(NodeLoad("b", 1))

    reported = dispatch.lost("a")

    assert reported == []
    assert sorted(assigned(dispatch)) == [("b", 0), ("b", 1)]
    assert [call.work for call in dispatch.waiting] == [2]


def test_a_call_that_lost_three_machines_is_reported():
    dispatch = dispatch_of(NodeLoad("a", 1))
    call = Call("poison")
    assigned(dispatch, call)

    fates = []
    for name in ("b", "c", "d"):
        fates.append(dispatch.lost(call.lost[-1] if not dispatch.nodes else dispatch.nodes[0].name))
        dispatch.add_node(NodeLoad(name, 1))
        assigned(dispatch)

    assert fates == [[], [], [call]]
    assert call.lost == ["a", "b", "c"]
    assert dispatch.waiting == []


def test_a_call_that_killed_its_worker_is_tried_on_another_machine_and_not_on_the_same_again():
    dispatch = dispatch_of(NodeLoad("a", 8), NodeLoad("b", 1))
    call = Call("deadly")
    assert assigned(dispatch, call) == [("a", "deadly")]

    assert dispatch.worker_died("a", call) == "again"
    assert assigned(dispatch) == [("b", "deadly")]
    assert dispatch.worker_died("b", call) == "report"


def test_a_call_that_killed_its_worker_on_the_only_machine_is_reported():
    dispatch = dispatch_of(NodeLoad("a", 1))
    call = Call("deadly")
    assigned(dispatch, call)

    assert dispatch.worker_died("a", call) == "report"


def test_without_machines_calls_wait_until_they_are_withdrawn():
    dispatch = dispatch_of()

    assert assigned(dispatch, Call(1), Call(2, affinity="host")) == []
    assert [call.work for call in dispatch.withdraw()] == [1, 2]
    assert dispatch.waiting == []
