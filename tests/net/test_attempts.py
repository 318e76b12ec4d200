"""What follows an answer: another try, another address, or the end."""

from hypothesis import given
from hypothesis import strategies as st

from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.retry import Completed, DownloadAttempt, NextAttempt, follow


def steps(*answers, attempt=None):
    attempt = attempt or DownloadAttempt(url="https://a.org/1.jpg", page_url="https://a.org/page")
    pauses = []
    for answer in answers:
        step = follow(attempt, answer, seconds=1.0, jitter=lambda: 0.0)
        attempt = step.attempt
        if isinstance(step, NextAttempt):
            pauses.append(step.after_s)
    return step, pauses


BUSY = Failure(reason="http.5xx", transient=True)


def test_a_passing_failure_is_tried_three_times_with_growing_pauses():
    step, pauses = steps(BUSY, BUSY, BUSY)

    assert isinstance(step, Completed)
    assert pauses == [1.0, 2.0]
    assert step.attempt.requests == 3


def test_a_wait_that_the_host_asks_for_is_kept():
    _, pauses = steps(Failure(reason="http.429", transient=True, retry_after=30.0))

    assert pauses == [30.0]


def test_a_lasting_failure_is_not_tried_again():
    step, pauses = steps(Failure(reason="http.404"))

    assert isinstance(step, Completed)
    assert pauses == []


def test_a_403_gets_one_more_try_with_the_page_as_referer():
    refused = Failure(reason="http.403")
    first, _ = steps(refused)
    second, _ = steps(refused, refused)

    assert (first.attempt.referer, first.after_s) == ("https://a.org/page", 0.0)
    assert isinstance(second, Completed)


def test_a_redirect_is_followed_five_times_and_a_new_try_starts_over():
    moved = [Redirect(f"https://a.org/{n}") for n in range(6)]
    fifth, _ = steps(*moved[:5])
    sixth, _ = steps(*moved)
    again, _ = steps(*moved[:2], BUSY)

    assert (fifth.attempt.url, fifth.attempt.seconds) == ("https://a.org/4", 5.0)
    assert sixth.answer.reason == "net.redirect"
    assert (again.attempt.url, again.attempt.hops, again.attempt.seconds) == ("https://a.org/1.jpg", 0, 0.0)


def test_another_size_is_tried_when_the_best_one_is_gone_but_not_when_its_owner_objects():
    attempt = DownloadAttempt(url="https://a.org/large.jpg", fallbacks=("https://a.org/small.jpg",))

    gone, _ = steps(Failure(reason="http.404"), attempt=attempt)
    both, _ = steps(Failure(reason="http.404"), Failure(reason="http.410"), attempt=attempt)
    closed, _ = steps(Failure(reason="policy.header"), attempt=attempt)
    got, _ = steps(Failure(reason="http.404"), Fetched(body=b"x", url="https://a.org/small.jpg"), attempt=attempt)

    assert gone.attempt.url == "https://a.org/small.jpg"
    assert both.answer.reason == "http.404"
    assert closed.answer.reason == "policy.header"
    assert got.answer.body == b"x"


@given(st.lists(st.sampled_from(["http.5xx", "http.429", "net.reset", "net.slow", "net.dns"]), min_size=3, max_size=3))
def test_no_address_is_tried_more_than_three_times(reasons):
    attempt = DownloadAttempt(url="https://a.org/1.jpg")
    for reason in reasons:
        step = follow(attempt, Failure(reason=reason, transient=True), seconds=1.0)
        attempt = step.attempt
        if isinstance(step, Completed):
            break

    assert isinstance(step, Completed)
