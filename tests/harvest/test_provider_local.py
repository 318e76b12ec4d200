"""Pictures in a folder and addresses in a file: every one is proposed, or named."""

import json
import os
from pathlib import Path

import pytest

from imgkit.harvest.crawl.local_files import path_of, read_file
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Ready, SearchQuery

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20
FOLDER, URLS = PROVIDERS["folder"], PROVIDERS["urls"]


def search(provider, path, label=""):
    query = SearchQuery(text=str(path), label=label, name=label)
    return list(provider.pages(query, None, lambda request: pytest.fail("asked the network"), Ready()))


def files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# folder


def test_every_file_below_a_folder_is_proposed_in_the_order_of_its_path(tmp_path):
    files(tmp_path, "b/2.jpg", "a.jpg", "b/1.PNG", "c/d/e.php", "no_extension", "ä b#1?.jpg")

    (page,) = search(FOLDER, tmp_path)

    names = ["a.jpg", "b/1.PNG", "b/2.jpg", "c/d/e.php", "no_extension", "ä b#1?.jpg"]
    assert [found.title for found in page.proposals] == names
    assert [found.url.partition("#")[0] for found in page.proposals] == [(tmp_path / name).as_uri() for name in names]
    assert page.verdict == "end"


def test_hidden_files_and_folders_are_left_out(tmp_path):
    files(tmp_path, ".hidden.jpg", ".git/1.jpg", "a/.DS_Store", "a/1.jpg")

    (page,) = search(FOLDER, tmp_path)

    assert [found.title for found in page.proposals] == ["a/1.jpg"]


def test_a_link_to_a_file_counts_and_a_link_to_a_folder_cannot_go_round(tmp_path):
    files(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a" / "1.jpg")

    (page,) = search(FOLDER, tmp_path)

    assert [found.title for found in page.proposals] == ["a/1.jpg", "b.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_a_name_that_is_not_utf8_is_proposed_too(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(path, "wb"):  # noqa: PTH123
        pass

    (page,) = search(FOLDER, tmp_path)

    assert page.proposals[0].url.partition("#")[0].endswith("/%FF.jpg")
    json.dumps(page.proposals[0].title).encode()


def test_files_that_arrive_later_behind_the_cursor_are_found(tmp_path):
    files(tmp_path, *(f"{number:04}.jpg" for number in range(600)))
    query = SearchQuery(text=str(tmp_path))
    first = FOLDER.page(query, None, None, Ready())
    files(tmp_path, "9999.jpg")

    rest = FOLDER.page(query, json.loads(json.dumps(first.cursor)), None, Ready())

    assert len(first.proposals) == 500
    assert [found.rank for found in rest.proposals] == list(range(501, 602))


@pytest.mark.parametrize(
    ("make", "detail"),
    [
        pytest.param(lambda path: None, "does not exist", id="absent"),
        pytest.param(lambda path: path.touch(), "is a file, not a folder", id="a file"),
    ],
)
def test_a_folder_that_is_none_is_unreachable(tmp_path, make, detail):
    path = tmp_path / "pictures"
    make(path)

    (page,) = search(FOLDER, path)

    assert (page.verdict, page.detail) == ("unreachable", f"{path} {detail}")


def test_an_empty_folder_is_empty(tmp_path):
    (page,) = search(FOLDER, tmp_path)

    assert (page.verdict, page.detail) == ("empty", f"{tmp_path} holds no files")


def test_a_file_that_was_written_anew_is_another_candidate(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"one")
    (before,) = search(FOLDER, tmp_path)[0].proposals
    (same,) = search(FOLDER, tmp_path)[0].proposals
    (tmp_path / "a.jpg").write_bytes(b"another")
    (after,) = search(FOLDER, tmp_path)[0].proposals

    assert before.url == same.url != after.url
    assert read_file(after.url, max_bytes=100).body == b"another"


# urls


def test_the_rows_of_a_label_are_proposed_as_they_stand_with_all_that_is_known(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text(
        "url\tclass\tlicence\tauthor\tpage_url\twidth\theight\tgroup\n"
        "https://h.test/1.jpg\tcoral snake\tcc-by-sa-4.0\tAda\thttps://p.test/1\t640\tx\talbum 1\n"
        "ftp://h.test/2.jpg\tking snake\t\t\t\t\t\t\n"
    )

    (page,) = search(URLS, path, "coral_snake")

    (found,) = page.proposals
    assert (found.url, found.license, found.author) == ("https://h.test/1.jpg", "CC BY-SA 4.0", "Ada")
    assert (found.page_url, found.group, found.width, found.height) == ("https://p.test/1", "album 1", 640, None)
    assert page.detail == "1 address; 1 row of other labels"


def test_rows_without_a_label_belong_to_the_query(tmp_path):
    path = tmp_path / "list.jsonl"
    path.write_text('{"url": "https://h.test/1.jpg"}\n{"image_url": "https://h.test/2.jpg", "label": null}\n')

    (page,) = search(URLS, path, "coral")

    assert [found.url for found in page.proposals] == ["https://h.test/1.jpg", "https://h.test/2.jpg"]


def test_rows_that_cannot_be_used_are_counted_with_their_lines(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,label\nhttps://h.test/1.jpg,a\n,a\nhttps://h.test/2.jpg,a,b,c\n")

    (page,) = search(URLS, path, "a")

    assert page.detail == (
        "1 address; left out: 1 row without an address (line 3), 1 row that cannot be read (line 4: 4 values for 2 "
        "columns. Put double quotes around a value that holds the delimiter.)"
    )


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        pytest.param("query,label\nx,y\n", "schema_changed", id="no column url"),
        pytest.param("url,label\nhttps://h.test/1.jpg,other\n", "empty", id="another label"),
        pytest.param("", "unreachable", id="an empty file"),
    ],
)
def test_a_list_that_gives_nothing_says_why(tmp_path, text, verdict):
    path = tmp_path / "list.csv"
    path.write_text(text)

    (page,) = search(URLS, path, "mine")

    assert (page.verdict, page.proposals) == (verdict, ())
    assert str(path) in page.detail


# files of this machine


def test_a_file_is_read_and_a_link_a_pipe_and_a_giant_are_not(tmp_path):
    (tmp_path / "ä b.jpg").write_bytes(JPEG)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "ä b.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")

    os.mkfifo(tmp_path / "pipe.jpg")

    def read(name, limit=10_000):
        return read_file((tmp_path / name).as_uri(), max_bytes=limit)

    assert read("ä b.jpg").body == JPEG
    if os.name != "nt":
        odd = Path(os.fsdecode(b"caf\xe9 %41.jpg"))
        (tmp_path / odd).write_bytes(JPEG)
        assert path_of((tmp_path / odd).as_uri()) == tmp_path / odd
        assert read(odd).body == JPEG
    assert read("link.jpg").reason == "fs.link"
    assert read("pipe.jpg").reason == "fs.device"
    assert read("empty.jpg").reason == "body.empty"
    assert read("ä b.jpg", limit=100).reason == "body.too_big"
    assert (read("gone.jpg").reason, read("gone.jpg").transient) == ("http.404", True)
