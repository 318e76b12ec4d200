"""Files of this machine: who may name one, and what is read of it."""

import os
import socket

import pytest

from imgkit.errors import ResourceError
from imgkit.harvest.crawl import local_files
from imgkit.harvest.crawl.local_files import address_key, is_local, path_of, read_file
from imgkit.manifest import Candidate, Proposal
from imgkit.net.outcomes import Failure, Fetched


def candidate(provider, url):
    return Candidate(id=1, label="coral", query_id=1, provider=provider, round=0, proposal=Proposal(url=url, rank=1))


@pytest.mark.parametrize(
    ("provider", "url", "local"),
    [
        ("folder", "file:///a.jpg", True),
        ("folder", "https://h.test/a.jpg", False),
        ("urls", "file:///a.jpg", False),
        ("bing", "file:///a.jpg", False),
        ("unheard of", "file:///a.jpg", False),
    ],
)
def test_only_a_file_that_a_folder_of_a_person_named_is_read(provider, url, local):
    assert is_local(candidate(provider, url)) is local


@pytest.mark.parametrize(
    ("provider", "url", "key"),
    [
        ("folder", "file:///a.jpg", "file:///a.jpg"),
        ("bing", "file:///a.jpg", "bing proposes file:///a.jpg"),
        ("urls", "FILE:///a.jpg", "urls proposes FILE:///a.jpg"),
        ("bing", "HTTPS://H.test:443/a.jpg#x", "https://h.test/a.jpg"),
        ("folder", "https://h.test/a.jpg", "https://h.test/a.jpg"),
    ],
)
def test_a_file_and_the_same_words_of_a_search_service_are_two_addresses(provider, url, key):
    assert address_key(candidate(provider, url)) == key


def test_a_path_may_hold_any_character(tmp_path):
    odd = tmp_path / "a b%20#é?.jpg"
    odd.write_bytes(b"picture")

    assert path_of(odd.as_uri()) == odd
    assert read_file(odd.as_uri(), max_bytes=7) == Fetched(body=b"picture", url=odd.as_uri())


@pytest.mark.parametrize(
    ("size", "answer"),
    [
        (0, Failure(reason="body.empty", detail="0 bytes")),
        (1, None),
        (999, None),
        (1000, None),
        (1001, Failure(reason="body.too_big", detail="1,001 B")),
    ],
)
def test_a_file_may_have_as_many_bytes_as_a_body(tmp_path, size, answer):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x" * size)

    assert read_file(file.as_uri(), max_bytes=1000) == (answer or Fetched(body=b"x" * size, url=file.as_uri()))


@pytest.mark.parametrize(("grown", "reason"), [(1000, ""), (1001, "body.too_big")])
def test_a_file_that_grows_while_it_is_read_is_read_up_to_the_limit(tmp_path, monkeypatch, grown, reason):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x" * grown)
    facts = os.stat_result((0o100644, *[0] * 5, 10, *[0] * 3))  # of ten bytes
    monkeypatch.setattr(local_files.os, "fstat", lambda _: facts)

    answer = read_file(file.as_uri(), max_bytes=1000)

    assert getattr(answer, "reason", "") == reason
    assert not reason or answer.detail == "more than 1,000 B"


def test_what_is_no_plain_file_is_said_and_nothing_is_waited_for(tmp_path):
    link, pipe, door = tmp_path / "link", tmp_path / "pipe", tmp_path / "s"
    (tmp_path / "picture").write_bytes(b"x")
    link.symlink_to(tmp_path / "picture")
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        answers = [read_file(one.as_uri(), max_bytes=9) for one in (link, pipe, tmp_path, door)]

    assert answers == [
        Failure(reason="fs.link", detail="a link, which is not followed"),
        Failure(reason="fs.device", detail="not a file"),
        Failure(reason="fs.device", detail="not a file"),
        Failure(reason="body.not_image", detail="not a file"),
    ]


def test_a_file_that_is_gone_may_come_back(tmp_path):
    (tmp_path / "plain").write_bytes(b"x")
    gone = Failure(reason="http.404", detail="the file is gone", transient=True)

    assert read_file((tmp_path / "no").as_uri(), max_bytes=9) == gone
    assert read_file((tmp_path / "plain" / "below").as_uri(), max_bytes=9) == gone


@pytest.mark.parametrize("call", ["open", "read"])
def test_a_disk_that_fails_says_nothing_about_the_picture_and_ends_the_harvest(tmp_path, monkeypatch, call):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")

    def fails(*_, **__):
        raise OSError(5, "Input/output error")

    class Failing:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        read = fails

    real = os.fdopen
    if call == "open":
        monkeypatch.setattr(local_files.os, "open", fails)
    else:
        monkeypatch.setattr(local_files.os, "fdopen", lambda *arguments: Failing(real(*arguments)))

    with pytest.raises(ResourceError, match=r"a\.jpg"):
        read_file(file.as_uri(), max_bytes=9)
