"""robots.txt: what a file says to us, and what a host without one closes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgkit.net import robots
from imgkit.net.addresses import parse
from imgkit.net.outcomes import Failure, Fetched
from imgkit.net.robots import RobotsCache, of_answer, read_robots


@pytest.mark.parametrize(
    ("text", "path", "refused"),
    [
        pytest.param("", "/a.jpg", False, id="empty"),
        pytest.param("User-agent: *\nDisallow: /", "/a.jpg", True, id="all closed"),
        pytest.param("User-agent: *\nDisallow:", "/a.jpg", False, id="nothing closed"),
        pytest.param("User-agent: imgkit\nDisallow: /\nUser-agent: *\nAllow: /", "/a.jpg", True, id="us by name"),
        pytest.param("User-agent: *\nDisallow: /\n\nUser-agent: ImgKit\nAllow: /", "/a.jpg", False, id="us allowed"),
        pytest.param("User-agent: a\nUser-agent: imgkit\nDisallow: /x", "/x/1.jpg", True, id="shared group"),
        pytest.param("User-agent: otherbot\nDisallow: /", "/a.jpg", False, id="another bot"),
        pytest.param("User-agent: *\nDisallow: /p\nAllow: /p/open/", "/p/open/1.jpg", False, id="longest wins"),
        pytest.param("User-agent: *\nAllow: /p\nDisallow: /p", "/p", False, id="allow wins a tie"),
        pytest.param("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg", True, id="wildcard"),
        pytest.param("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg?w=1", False, id="end anchor"),
        pytest.param("User-agent: *\nDisallow: /*?w=", "/a.jpg?w=1", True, id="query"),
        pytest.param("User-agent: *\nDisallow: /%7Ejoe/", "/~joe/1.jpg", True, id="encoded"),
        pytest.param("User-agent: *\nDisallow: /caf%C3%A9", "/caf%c3%a9/1.jpg", True, id="encoded in lower case"),
        pytest.param("\ufeffUSER-AGENT : *\r\nDISALLOW : /x # not here", "/x/1", True, id="loose spelling"),
        pytest.param("Disallow: /", "/a.jpg", False, id="a rule for nobody"),
        pytest.param("User-agent: *\nContent-Signal: search=yes, ai-train=no", "/a.jpg", True, id="signal"),
        pytest.param("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "/a.jpg", True, id="usage"),
        pytest.param("User-agent: *\nContent-Usage: /art train-ai=n", "/a.jpg", False, id="usage elsewhere"),
    ],
)
def test_robots_txt_is_read_as_the_rfc_says(text, path, refused):
    assert (read_robots(text).refuses(path) is not None) == refused


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_robots_txt_is_a_crash(text, path):
    read_robots(text).refuses(f"/{path}")


def test_a_host_without_robots_txt_closes_nothing_and_one_with_errors_is_asked_later():
    assert of_answer(Failure(reason="http.404")) == ""
    assert of_answer(Failure(reason="http.403")) == ""
    assert of_answer(Failure(reason="http.5xx", detail="status 503", transient=True)) == Failure(
        reason="http.5xx", detail="robots.txt: status 503", transient=True
    )


@pytest.mark.parametrize(
    ("text", "path", "refused"),
    [
        pytest.param("User-agent: imgkit\nDisallow: /a\n\nUser-agent: imgkit\nDisallow: /b", "/a/1", True, id="first"),
        pytest.param("User-agent: imgkit\nDisallow: /a\n\nUser-agent: imgkit\nDisallow: /b", "/b/1", True, id="second"),
        pytest.param("User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/a/1", True, id="first of all"),
        pytest.param("User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/b/1", True, id="second of all"),
        pytest.param(
            "User-agent: imgkit\nDisallow: /a\nUser-agent: x\nDisallow: /\nUser-agent: IMGKIT/2.0\nAllow: /a/b",
            "/a/b/1",
            False,
            id="with another agent's between them, the name spelt otherwise",
        ),
        pytest.param("User-agent: imgkit\n\nUser-agent: *\nDisallow: /", "/a", True, id="blank lines part no group"),
        pytest.param("User-agent: imgkit\nAllow: /x\nUser-agent: *\nDisallow: /", "/a", False, id="own replaces all"),
        pytest.param("User-agent: imgkit\nDisallow:\nUser-agent: *\nDisallow: /", "/a", False, id="own and empty"),
        pytest.param("User-agent: imgkitten\nDisallow: /", "/a", False, id="a longer name is another agent"),
        pytest.param("User-agent: imgkit/1.0 (x)\nDisallow: /", "/a", True, id="a version behind the name"),
        pytest.param("User-agent: * \nDisallow: /", "/a", True, id="a blank behind the star"),
        pytest.param("User-agent: *\nDisallow: /a$", "/a", True, id="anchored, whole"),
        pytest.param("User-agent: *\nDisallow: /a$", "/ab", False, id="anchored, longer"),
        pytest.param("User-agent: *\nDisallow: /a*b$", "/axxb", True, id="anchored wildcard"),
        pytest.param("User-agent: *\nDisallow: /a*b$", "/axxbc", False, id="anchored wildcard, longer"),
        pytest.param("User-agent: *\nDisallow: /ab*ba$", "/aba", False, id="parts do not overlap"),
        pytest.param("User-agent: *\nDisallow: /ab*ba$", "/abba", True, id="parts may touch"),
        pytest.param("User-agent: *\nDisallow: /*a*b*c", "/xaxcxb", False, id="parts in their order"),
        pytest.param("User-agent: *\nDisallow: /*a*b*c", "/xaxbxcx", True, id="parts in their order, all there"),
        pytest.param("User-agent: *\nDisallow: /a**b", "/a1b", True, id="two stars are one"),
        pytest.param("User-agent: *\nDisallow: *", "/a", True, id="a star alone"),
        pytest.param("User-agent: *\nDisallow: /*$", "/a", True, id="a star at the end"),
        pytest.param("User-agent: *\nAllow: /*/b\nDisallow: /a/bc", "/a/bc/1", True, id="longest of both kinds: plain"),
        pytest.param("User-agent: *\nAllow: /*/bcd\nDisallow: /a", "/a/bcd", False, id="longest of both: wildcard"),
        pytest.param("User-agent: *\nAllow: /*b\nDisallow: /ab", "/ab", False, id="a tie of both kinds: Allow"),
        pytest.param("User-agent: *\nDisallow: /*b\nAllow: /*b", "/ab", False, id="one pattern both ways: Allow"),
        pytest.param("User-agent: *\nDisallow: /a%2Fb", "/a/b", False, id="an encoded slash is no slash"),
        pytest.param("User-agent: *\nDisallow: /a%2Ab", "/axb", False, id="an encoded star is no wildcard"),
        pytest.param("User-agent: *\nDisallow: /a%24", "/ab", False, id="an encoded dollar is no anchor"),
        pytest.param("User-agent: *\nContent-Usage: /art train-ai=n", "/art/1.jpg", True, id="usage here"),
        pytest.param("User-agent: *\nAllow: /\nContent-Usage: /%61rt train-ai=n", "/art/1", True, id="usage encoded"),
    ],
)
def test_groups_and_patterns(text, path, refused):
    assert (read_robots(text).refuses(path) is not None) == refused


def test_a_refusal_names_its_rule():
    rules = read_robots("User-agent: *\nDisallow: /p\nDisallow: /*.gif$\nContent-Usage: /art train-ai=n")

    assert rules.refuses("/p/1") == Failure(reason="policy.robots", detail="Disallow: /p")
    assert rules.refuses("/1.gif") == Failure(reason="policy.robots", detail="Disallow: /*.gif$")
    assert rules.refuses("/art/1") == Failure(
        reason="policy.header", detail="robots.txt: content-usage: /art train-ai=n"
    )


@pytest.mark.parametrize(
    ("line", "most", "what"),
    [
        ("Disallow: /private/{}", 10_000, "10,000 rules"),
        ("Disallow: /*{}.gif", 1_000, "1,000 rules with wildcards"),
        ("Content-Usage: /{} train-ai=n", 100, "100 lines about training"),
    ],
)
def test_a_host_with_more_rules_than_are_followed_is_closed(line, most, what):
    followed = "User-agent: *\n" + "\n".join(line.format(n) for n in range(most))

    assert read_robots(followed).refuses("/open/1.jpg") is None
    assert read_robots(f"{followed}\n{line.format('more')}").refuses("/open/1.jpg") == Failure(
        reason="policy.robots", detail=f"robots.txt holds more than {what} for us"
    )
    assert read_robots(f"{followed}\n{line.format('more')}\nUser-agent: imgkit\nDisallow: /x").refuses("/1.jpg") is None


def test_lines_about_training_are_among_the_rules_that_are_counted():
    rules = "User-agent: *\n" + "\n".join(f"Disallow: /private/{n}" for n in range(9_999))

    assert read_robots(f"{rules}\nContent-Usage: /a train-ai=n").refuses("/open") is None
    assert read_robots(f"{rules}\nContent-Usage: /a train-ai=n\nContent-Usage: /b train-ai=n").refuses("/open") == (
        Failure(reason="policy.robots", detail="robots.txt holds more than 10,000 rules for us")
    )


def test_a_rule_with_many_wildcards_closes_more_and_opens_nothing():
    pattern = "/" + "".join(f"*{n:02d}" for n in range(17))
    path = "/" + "".join(f"x{n:02d}" for n in range(16)) + "end"

    assert read_robots(f"User-agent: *\nDisallow: {pattern}").refuses(path) is not None
    assert read_robots(f"User-agent: *\nDisallow: {pattern}").refuses(path.replace("15", "")) is None
    assert read_robots(f"User-agent: *\nDisallow: /\nAllow: {pattern}").refuses(path + "16") is not None
    assert read_robots(f"User-agent: *\nDisallow: /\nAllow: {pattern.replace('*16', '')}").refuses(path) is None


def as_the_rfc_says(rules, path):
    """Whether a path is refused by (pattern, allowed), in the words of the RFC: slow, and simple to check."""
    matching = []
    for pattern, allowed in rules:
        body = ".*".join(map(re.escape, re.sub(r"\*+", "*", pattern.removesuffix("$")).split("*")))
        if re.match(body + ("$" if pattern.endswith("$") else ""), path, re.DOTALL):
            matching.append((len(pattern), allowed))
    return bool(matching) and not max(matching)[1]


PATTERN = st.text("ab/*", max_size=6).map(lambda text: f"/{text}")


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.builds(lambda p, end: p + end, PATTERN, st.sampled_from(["", "$"])), st.booleans()), max_size=6
    ),
    st.text("ab/", max_size=8).map(lambda text: f"/{text}"),
)
def test_patterns_match_as_the_rfc_says(rules, path):
    text = "User-agent: *\n" + "\n".join(f"{'Allow' if allowed else 'Disallow'}: {p}" for p, allowed in rules)

    assert (read_robots(text).refuses(path) is not None) == as_the_rfc_says(rules, path)


def test_the_rules_of_an_origin_are_read_once_and_kept():
    stored, recalled = {}, []

    def recall(origin):
        recalled.append(origin)
        return stored.get(origin)

    book = RobotsCache(recall=recall, store=stored.__setitem__)
    target = parse("http://a.example.org/x/1.jpg")
    assert book.rules(target) is None

    text = "User-agent: *\nDisallow: /x"
    book.learn(target.origin, text, read_robots(text))

    assert stored == {"http://a.example.org": text}
    assert book.rules(target) is book.rules(parse("http://a.example.org/y/2.jpg"))
    assert book.rules(target).refuses("/x/1.jpg") is not None
    assert recalled == ["http://a.example.org"]
    again = RobotsCache(recall=recall, store=stored.__setitem__)
    assert again.rules(target) is again.rules(target)
    assert again.rules(parse("https://a.example.org/")) is None  # another origin
    assert recalled == ["http://a.example.org", "http://a.example.org", "https://a.example.org"]


def test_the_numbers_of_a_robots_txt():
    assert (robots.PATH, robots.LONGEST_BYTES, robots.MAX_AGE_S) == ("/robots.txt", 524_288, 86_400.0)
    assert (robots.MOST_RULES, robots.MOST_WILDCARD_RULES) == (10_000, 1_000)
    assert (robots.MOST_OPT_OUTS, robots.MOST_WILDCARDS) == (100, 16)


def test_what_an_answer_says_about_a_robots_txt():
    text = b"User-agent: *\nDisallow: /caf\xc3\xa9 \xff"

    assert of_answer(Fetched(body=text, url="")) == "User-agent: *\nDisallow: /café �"
    assert len(of_answer(Fetched(body=b"x" * 600_000, url=""))) == 524_288
    assert of_answer(Failure(reason="http.429", detail="status 429", transient=True, retry_after=7.0)) == Failure(
        reason="http.429", detail="robots.txt: status 429", transient=True, retry_after=7.0
    )
    assert of_answer(Failure(reason="net.redirect")) == ""
    assert of_answer(Failure(reason="http.401")) == ""
