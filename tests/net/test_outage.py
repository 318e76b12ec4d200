"""When the network is taken to be down, and for how long it is waited for."""

from imgkit.net.outage import OutageDetector
from imgkit.net.outcomes import Failure


def test_many_failures_over_many_hosts_are_an_outage_and_few_hosts_are_not():
    down = Failure(reason="net.connect", transient=True)
    few = OutageDetector(failures=50, hosts=10, probe_s=15, longest_s=600)
    many = OutageDetector(failures=50, hosts=10, probe_s=15, longest_s=600)

    assert not any(few.record(f"host{n % 9}", down, now=0.0) for n in range(500))
    assert [many.record(f"host{n % 10}", down, now=0.0) for n in range(50)].index(True) == 49
    assert many.probe_due(14.9) is False
    assert many.probe_due(15.0) is True


def test_one_answer_ends_the_count():
    outage = OutageDetector(failures=5, hosts=2, probe_s=15, longest_s=600)
    down = Failure(reason="net.dns", transient=True)

    for number in range(20):
        assert not outage.record(f"host{number}", None if number % 4 == 3 else down, now=0.0)


def test_an_outage_ends_with_the_network_or_with_patience():
    outage = OutageDetector(failures=1, hosts=1, probe_s=15, longest_s=40)
    outage.record("a", Failure(reason="net.dns", transient=True), now=0.0)

    assert [outage.still_down(now) for now in (15.0, 30.0, 45.0)] == [True, True, False]
    outage.recovered()
    assert not outage.under_way


def test_a_second_outage_needs_its_own_failures_over_its_own_hosts():
    outage = OutageDetector(failures=3, hosts=2, probe_s=15, longest_s=40)
    down = Failure(reason="net.connect", transient=True)
    assert [outage.record(host, down, now=0.0) for host in ("a", "b", "a")] == [False, False, True]
    outage.record("c", down, now=1.0)
    outage.recovered()

    assert [outage.record("a", down, now=50.0) for _ in range(9)] == [False] * 9  # of the hosts before, none counts
    assert outage.record("b", down, now=51.0) is True
    assert (outage.next_probe, outage.probing) == (66.0, False)


def test_a_probe_that_is_under_way_when_the_network_returns_is_forgotten():
    outage = OutageDetector(failures=1, hosts=1, probe_s=15, longest_s=40)
    outage.record("a", Failure(reason="net.dns", transient=True), now=0.0)
    outage.probing = True
    outage.recovered()
    outage.record("a", Failure(reason="net.dns", transient=True), now=100.0)

    assert outage.probe_due(115.0) is True


def test_without_an_outage_nothing_is_waited_for():
    assert OutageDetector(failures=1, hosts=1, probe_s=15, longest_s=40).still_down(0.0) is False
