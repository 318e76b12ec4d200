"""Who gets to the page: a token kept for its owner, a port, one review at a time; and the pictures that leave."""

import gzip
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from PIL import Image as Pillow
from reviewing import drawn, serving

from imgkit.curate.pictures import read_pictures
from imgkit.curate.review.access import can_open_browser, listen, project_of
from imgkit.curate.review.app import static_files
from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.details import web_address
from imgkit.curate.review.keys import KEYS, load_keys
from imgkit.curate.review.server import review
from imgkit.curate.review.thumbnails import Thumbnails
from imgkit.curate.verdicts import in_set
from imgkit.errors import LockedError, UsageError
from imgkit.manifest import DataFolder, Manifest


def test_the_name_of_a_data_folder_stays_over_restarts_and_is_made_anew_where_it_is_damaged(tmp_path):
    folder = DataFolder(tmp_path)

    project = project_of(folder)

    file = folder.review / "project"
    assert project_of(folder) == project
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("<script>")
    assert project_of(folder) not in (project, "<script>")
    assert project_of(folder) == project_of(folder)


def test_a_restarted_review_has_the_port_and_the_name_of_the_last_one_and_another_token(suspects):
    with serving(suspects.data) as first:
        before = first.get("/api/state")
    with serving(suspects.data, port=None) as second:
        after = second.get("/api/state")
        status, _, _ = second.ask("GET", "/api/state", headers=second.headers(**{"X-Imgkit-Token": first.token}))
        old, _, _ = second.ask(
            "GET", f"/view/{suspects.keys[0][1]}?k={before['picture_key']}", headers={"Host": second.host}
        )

    assert (second.port, after["project"]) == (first.port, before["project"])
    assert (status, old) == (401, 401)
    assert len({first.token, second.token}) == 2
    for name in ("write_key", "picture_key"):
        assert before[name] != after[name]


def test_nothing_of_the_token_is_left_once_the_review_has_ended(suspects):
    (suspects.data / ".review").mkdir(parents=True)
    (suspects.data / ".review" / "token").write_text("of an earlier version")
    with serving(suspects.data) as running:
        pass

    files = {file.name: file.read_text() for file in (suspects.data / ".review").iterdir()}
    assert set(files) == {"project", "server.json"}
    assert [name for name, text in files.items() if running.token in text] == []
    assert json.loads(files["server.json"]) == {"port": running.port}


def test_a_given_port_that_is_busy_is_refused_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        with pytest.raises(UsageError, match=f"port {port} .* choose another port with --port"):
            listen(port, last=None)


def test_without_a_given_port_the_last_one_then_the_next_free_one_is_taken():
    with listen(0, last=None) as free:
        last = free.getsockname()[1]
    with listen(None, last=last) as first:
        assert first.getsockname() == ("127.0.0.1", last)
        with listen(None, last=last) as second:
            assert second.getsockname()[1] != last


def test_a_second_review_of_a_folder_is_refused_with_the_address_of_the_first(suspects):
    with (
        serving(suspects.data) as running,
        pytest.raises(LockedError, match=r"Its page: http://127\.0\.0\.1") as refused,
    ):
        review(ReviewConfig(data=suspects.data, port=0, open_browser=False), in_set=in_set("suggest"), finish=dict)

    assert running.url in str(refused.value)


def test_a_review_without_pictures_says_what_to_run(tmp_path):
    with pytest.raises(UsageError, match="imgkit harvest"):
        review(ReviewConfig(data=tmp_path, open_browser=False), in_set=in_set("suggest"), finish=dict)


@pytest.mark.parametrize(
    ("environ", "system", "opens"),
    [
        pytest.param({"DISPLAY": ":0"}, "linux", True, id="a desktop"),
        pytest.param({}, "linux", False, id="no display"),
        pytest.param({"DISPLAY": ":0", "SSH_CONNECTION": "1.2.3.4 5 6 7"}, "linux", False, id="over ssh"),
        pytest.param({}, "darwin", True, id="a Mac"),
    ],
)
def test_a_browser_is_opened_only_where_it_shows_up(environ, system, opens):
    assert can_open_browser(environ, system=system) is opens


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_ends_the_command_with_its_summary(suspects):
    with listen(0, last=None) as free:
        port = free.getsockname()[1]
    noted = suspects.data / ".review" / "server.json"
    command = [sys.executable, "-m", "imgkit", "curate", "--review", "--no-browser", f"--port={port}"]
    running = subprocess.Popen(
        [*command, f"--data={suspects.data}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not noted.exists():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)

    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert running.returncode == 0, err
    assert f"Review page: http://127.0.0.1:{port}/#t=" in err
    assert "Decided by a person: 0 kept, 0 rejected, 0 relabelled." in out


# keys


@pytest.fixture
def keys_in(tmp_path):
    def load(text):
        (tmp_path / "keys.toml").write_text(text)
        return load_keys({"IMGKIT_KEYS": str(tmp_path / "keys.toml")})

    return load


def test_without_a_file_the_keys_are_the_usual_ones(tmp_path):
    assert load_keys({"XDG_CONFIG_HOME": str(tmp_path)}) == KEYS


def test_own_keys_take_the_place_of_the_usual_ones(keys_in):
    keys = keys_in('reject = ["d", "Delete"]\nhelp = "F1"\nrepeat = []')

    assert (keys["reject"], keys["help"], keys["repeat"]) == (("d", "Delete"), ("F1",), ())
    assert keys["keep"] == ("Space", "k")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("reject = ", "cannot read the keys", id="no TOML"),
        pytest.param('destroy = "d"', "no action", id="unknown action"),
        pytest.param("reject = 4", "write it as", id="a number"),
        pytest.param('reject = "u"', "u is the key of both reject and unsure", id="one key for two"),
    ],
)
def test_a_wrong_keys_file_is_refused_with_the_line_to_write(keys_in, text, says):
    with pytest.raises(UsageError, match=says):
        keys_in(text)


def test_comparing_copies_may_use_a_key_that_means_something_else_elsewhere(keys_in):
    assert keys_in('keep_both = "u"')["keep_both"] == ("u",)


# pictures


@pytest.fixture
def thumbnails(suspects):
    with Manifest.open(suspects.data) as manifest:
        yield Thumbnails(manifest.folder), read_pictures(manifest)[0]


def with_camera_data():
    picture, buffer = Pillow.open(io.BytesIO(drawn(1))), io.BytesIO()
    exif = Pillow.Exif()
    exif[0x010F] = "ACME"
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0)}
    picture.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_a_file_that_imgkit_wrote_is_shown_as_it_is(thumbnails):
    maker, picture = thumbnails

    assert maker.view(picture) == picture.path.read_bytes()


def test_a_file_that_was_changed_by_hand_leaves_re_encoded_without_where_it_was_taken(thumbnails):
    maker, picture = thumbnails
    picture.path.write_bytes(with_camera_data())
    assert b"ACME" in picture.path.read_bytes()

    for body in (maker.view(picture), maker.thumb(picture, 192), maker.zoom(picture)):
        assert b"ACME" not in body
        assert not Pillow.open(io.BytesIO(body)).getexif()


def test_a_link_that_leads_out_of_the_folder_is_not_followed(thumbnails, tmp_path):
    maker, picture = thumbnails
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(drawn(99))
    picture.path.unlink()
    picture.path.symlink_to(secret)

    assert (maker.view(picture), maker.thumb(picture, 192), maker.zoom(picture)) == (None, None, None)


@pytest.mark.parametrize("body", [b"<svg onload='alert(1)'/>", b"<html>", b"", b"\xff\xd8\xff" + b"\0" * 40])
def test_what_is_no_picture_is_not_sent(thumbnails, body):
    maker, picture = thumbnails
    picture.path.write_bytes(body)

    assert (maker.view(picture), maker.thumb(picture, 384)) == (None, None)


def test_a_thumbnail_is_made_once_and_made_again_when_its_file_is_damaged(thumbnails, suspects):
    maker, picture = thumbnails
    first = maker.thumb(picture, 192)
    [kept] = (suspects.data / "cache" / "thumbs").rglob("*_192.webp")
    assert Pillow.open(io.BytesIO(first)).size == (192, 144)

    kept.write_bytes(b"")
    assert maker.thumb(picture, 192) == first
    picture.path.unlink()
    assert maker.thumb(picture, 192) == first


def test_the_original_is_shown_where_someone_looks_closer(thumbnails):
    maker, picture = thumbnails
    original = maker._folder.original(picture.sha256, "jpg")
    original.parent.mkdir(parents=True)
    original.write_bytes(drawn(5, size=(1200, 900)))

    assert Pillow.open(io.BytesIO(maker.zoom(picture))).size == (1200, 900)


def test_pictures_go_by_their_hash_and_are_kept_by_the_browser(server):
    image_id = server.get("/api/set")["id"][:20]

    status, headers, _ = server.ask("GET", f"/view/{image_id}")

    lower = {name.lower(): value for name, value in headers.items()}
    assert (status, lower["content-type"]) == (200, "image/jpeg")
    assert "immutable" in lower["cache-control"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host.test/page?a=1", "https://host.test/page?a=1"),
        ("javascript:alert(1)", ""),
        ("data:text/html,<script>", ""),
        ("file:///etc/passwd", ""),
        ("https:///nohost", ""),
        ("http://[broken", ""),
    ],
)
def test_only_web_addresses_become_links(url, shown):
    assert web_address(url) == shown


# the page's own files


def test_the_page_is_small_and_asks_nobody_else():
    files = static_files()

    text = {name: body.decode() for name, body in files.items()}
    strangers = [name for name, body in text.items() if "://" in body.replace("http://www.w3.org/2000/svg", "")]
    assert strangers == []
    assert sum(len(gzip.compress(body)) for body in files.values()) < 100_000


def test_the_page_s_files_travel_packed(server):
    _, _, page = server.ask("GET", "/")
    script = "/static/" + page.split(b"/static/")[1].split(b'"')[0].decode().split("/")[0] + "/main.js"

    _, headers, packed = server.ask("GET", script, headers=server.headers(**{"Accept-Encoding": "gzip"}))
    _, _, plain = server.ask("GET", script)

    assert {name.lower(): value for name, value in headers.items()}["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain == static_files()["main.js"]


def test_the_page_holds_no_script_or_style_that_the_policy_forbids():
    page = static_files()["index.html"].decode()

    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=')


def test_every_key_is_explained_on_the_help_page():
    script = static_files()["keys.js"].decode()

    assert [name for name in KEYS if f"{name}:" not in script] == []


def test_the_address_for_a_second_review_is_readable_by_the_owner_only(suspects):
    with serving(suspects.data) as running:
        noted = suspects.data / ".review" / "server.json"

        assert stat.S_IMODE(noted.stat().st_mode) == 0o600
        assert json.loads(noted.read_text()) == {"pid": os.getpid(), "port": running.port, "url": running.url}


def test_a_manifest_row_without_its_file_is_shown_as_missing(thumbnails):
    maker, picture = thumbnails

    assert maker.view(replace(picture, path=picture.path.with_name("gone.jpg"))) is None
