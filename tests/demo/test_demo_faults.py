"""Each fault of the loopback web does what its name says."""

import gzip
import io
import socket

import pytest
import requests
from PIL import Image

from imgkit.demo.population import small_world
from imgkit.demo.web.faults import BROKEN_WIRE, DAMAGED, FAULTS, NO_PICTURE, RECOVERABLE, REFUSED
from imgkit.demo.web.server import serve
from imgkit.reasons import REASONS

QUICK = sorted(name for name, fault in RECOVERABLE.items() if not fault.stalls)


@pytest.fixture(scope="module")
def web():
    with serve(small_world(good=1, faults=sorted(FAULTS))) as running:
        yield running


def address(web, fault):
    return web.url(f"fault-{fault}")


def picture(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_there_are_more_than_forty_faults_and_each_loss_has_a_reason_of_the_closed_list():
    codes = {code for fault in FAULTS.values() for code in (fault.reason, *fault.also) if code}

    assert len(FAULTS) > 40
    assert codes <= set(REASONS)
    assert all(not fault.reason for fault in (RECOVERABLE | DAMAGED).values())
    assert all(fault.reason for fault in (REFUSED | BROKEN_WIRE | NO_PICTURE).values())


@pytest.mark.parametrize("fault", QUICK)
def test_a_client_with_patience_ends_with_a_picture_that_loads(web, polite, fault):
    answer = polite(address(web, fault))

    assert answer.status_code == 200
    assert min(picture(answer.content).size) >= 240


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("429_once", [429, 200, 200]),
        ("429_date_once", [429, 200, 200]),
        ("503_once", [503, 200, 200]),
        ("503_twice", [503, 503, 200]),
        ("500_once", [500, 200, 200]),
    ],
)
def test_a_fault_that_passes_is_over_for_good(fault, statuses):
    with serve(small_world(good=1, faults=[fault])) as web:
        seen = [requests.get(address(web, fault), timeout=3).status_code for _ in range(3)]

    assert seen == statuses


def test_a_fault_that_passes_begins_again_only_with_a_new_web():
    world = small_world(good=1, faults=["503_once"])
    seen = []
    for _ in range(2):
        with serve(world) as web:
            seen += [requests.get(address(web, "503_once"), timeout=3).status_code for _ in range(2)]

    assert seen == [503, 200, 503, 200]


def test_the_host_that_is_asked_too_much_says_when_to_come_back():
    with serve(small_world(good=1, faults=["429_once", "429_date_once", "429_bare_once", "429_long"])) as web:
        waits = {
            name: requests.get(address(web, name), timeout=3).headers.get("Retry-After")
            for name in ("429_once", "429_date_once", "429_bare_once", "429_long")
        }

    assert waits["429_once"] == "1"
    assert waits["429_date_once"].endswith("GMT")
    assert waits["429_bare_once"] is None
    assert waits["429_long"] == "3600"


@pytest.mark.parametrize(("fault", "status"), [("401", 401), ("403", 403), ("404", 404), ("410", 410), ("451", 451)])
def test_a_host_that_refuses_always_refuses(web, polite, fault, status):
    assert polite(address(web, fault)).status_code == status


def test_a_hot_link_is_refused_and_a_visit_from_a_page_is_not(web):
    url = address(web, "needs_referer")

    without = requests.get(url, timeout=3).status_code
    with_page = requests.get(url, timeout=3, headers={"Referer": "http://127.0.0.1/page"}).status_code

    assert (without, with_page) == (403, 200)


def test_opt_outs_are_said_in_headers_and_in_robots_txt(web):
    noai = requests.get(address(web, "noai"), timeout=3).headers["X-Robots-Tag"]
    second = requests.get(address(web, "noimageai_for_bots"), timeout=3).headers["X-Robots-Tag"]
    robots = requests.get(address(web, "robots").rsplit("/", 2)[0] + "/robots.txt", timeout=3).text

    assert noai == "noai"
    assert "imgkit: noimageai" in second
    assert "Disallow: /private/" in robots
    assert "/private/" in address(web, "robots")


@pytest.mark.parametrize("fault", ["ends_early", "chunked_cut", "chunked_nonsense"])
def test_a_wire_that_fails_never_gives_the_whole_picture(web, say, fault):
    received = say(address(web, fault), seconds=3)

    assert web.data(f"fault-{fault}") not in received


def test_a_reset_is_a_reset(web, say):
    with pytest.raises(ConnectionResetError):
        say(address(web, "reset"), seconds=3)


def test_a_silent_host_keeps_the_connection_and_says_nothing(web, say):
    assert say(address(web, "silent"), seconds=0.5) == b""


@pytest.mark.parametrize("fault", ["slow_headers", "slow_body"])
def test_a_slow_host_sends_a_byte_a_second(web, say, fault):
    received = say(address(web, fault), seconds=0.4)
    body = received.partition(b"\r\n\r\n")[2] if fault == "slow_body" else received

    assert len(body) == 1


def test_a_body_without_an_end_goes_on_after_the_picture(web, say):
    assert len(say(address(web, "endless"), most=5 << 20)) >= 5 << 20


def test_lengths_that_lie_lie_in_both_directions(web, say):
    whole = len(web.data("fault-ends_early"))

    early = say(address(web, "ends_early"))
    short = say(address(web, "announced_short"))
    huge = say(address(web, "announced_200mb"), seconds=0.3)

    assert f"Content-Length: {whole}".encode() in early
    assert len(early.partition(b"\r\n\r\n")[2]) < whole
    assert len(short.partition(b"\r\n\r\n")[2]) == len(web.data("fault-announced_short"))
    assert f"Content-Length: {len(web.data('fault-announced_short')) // 2}".encode() in short
    assert b"Content-Length: 200000000" in huge


def test_the_gzip_bomb_is_a_thousand_times_larger_than_it_looks(web, say):
    body = say(address(web, "gzip_bomb"), seconds=10, most=4 << 20).partition(b"\r\n\r\n")[2]

    with gzip.GzipFile(fileobj=io.BytesIO(body)) as bomb:
        unpacked = sum(len(bomb.read(1 << 20)) for _ in range(64))

    assert len(body) < 2 << 20
    assert unpacked == 64 << 20


@pytest.mark.parametrize(
    ("fault", "hops"),
    [("redirect_once", 1), ("redirect_three", 3), ("redirect_elsewhere", 1), ("redirect_twelve", 12)],
)
def test_a_redirect_leads_to_the_picture_after_as_many_hops_as_it_says(web, fault, hops):
    answer = requests.get(address(web, fault), timeout=3)

    assert len(answer.history) == hops
    assert answer.content == web.data(f"fault-{fault}")


def test_a_redirect_elsewhere_changes_the_host(web):
    answer = requests.get(address(web, "redirect_elsewhere"), timeout=3)

    assert answer.url.split("/")[2] != address(web, "redirect_elsewhere").split("/")[2]


def test_a_redirect_loop_has_no_end(web):
    with pytest.raises(requests.TooManyRedirects):
        requests.get(address(web, "redirect_loop"), timeout=3)


@pytest.mark.parametrize(
    ("fault", "place"), [("redirect_private", "canary"), ("redirect_to_file", "file:///etc/hostname")]
)
def test_a_redirect_can_lead_where_no_client_may_go(web, fault, place):
    location = requests.get(address(web, fault), timeout=3, allow_redirects=False).headers["Location"]

    assert location == place if place.startswith("file") else web.sites[place] in location
    assert web.sites["canary"] not in web.environ["IMGKIT_ALLOW_PRIVATE_HOSTS"]


def test_nobody_listens_at_the_refused_address(web, say):
    with pytest.raises(ConnectionRefusedError):
        say(address(web, "refused"))


@pytest.mark.parametrize(
    ("fault", "start"),
    [
        ("html_named_jpg", b"<!DOCTYPE html>"),
        ("html_typed_jpeg", b"<!DOCTYPE html>"),
        ("json_named_jpg", b'{"error"'),
        ("pdf", b"%PDF-"),
        ("svg_named_jpg", b"<?xml"),
        ("bomb_png", b"\x89PNG"),
    ],
)
def test_what_is_no_picture_begins_like_what_it_is(web, fault, start):
    assert requests.get(address(web, fault), timeout=3).content.startswith(start)


@pytest.mark.parametrize("fault", ["truncated", "truncated_png"])
def test_a_truncated_picture_opens_and_does_not_load(web, fault):
    image = Image.open(io.BytesIO(requests.get(address(web, fault), timeout=3).content))

    with pytest.raises(OSError, match=r"truncated|broken|Truncated"):
        image.load()


def test_a_cut_with_an_end_marker_loads_all_the_same(web):
    data = requests.get(address(web, "cut_with_end"), timeout=3).content

    assert data.endswith(b"\xff\xd9")
    assert picture(data).size == (320, 240)


@pytest.mark.parametrize(
    ("fault", "size"),
    [("pixel", (1, 1)), ("icon", (40, 40)), ("sliver", (1200, 90)), ("sideways", (240, 320)), ("blank", (600, 400))],
)
def test_odd_sizes_are_as_odd_as_they_say(web, fault, size):
    assert picture(requests.get(address(web, fault), timeout=3).content).size == size


def test_the_bomb_claims_nine_hundred_megapixels_in_a_small_file(web):
    data = requests.get(address(web, "bomb_png"), timeout=3).content

    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])

    assert (width, height) == (30_000, 30_000)
    assert len(data) < 10_000


@pytest.mark.parametrize(
    ("fault", "format_", "mode", "frames"),
    [
        ("cmyk", "JPEG", "CMYK", 1),
        ("png_alpha", "PNG", "RGBA", 1),
        ("png_palette", "PNG", "P", 1),
        ("png_grey", "PNG", "L", 1),
        ("png_16bit", "PNG", "I;16", 1),
        ("webp_named_jpg", "WEBP", "RGB", 1),
        ("animated_gif", "GIF", "P", 4),
        ("animated_many", "GIF", "P", 600),
        ("mpo", "MPO", "RGB", 2),
        ("bmp", "BMP", "RGB", 1),
        ("tiff", "TIFF", "RGB", 1),
        ("avif", "AVIF", "RGB", 1),
    ],
)
def test_odd_forms_are_what_they_say(web, fault, format_, mode, frames):
    image = Image.open(io.BytesIO(requests.get(address(web, fault), timeout=3).content))

    assert (image.format, image.mode, getattr(image, "n_frames", 1)) == (format_, mode, frames)


def test_a_picture_on_its_side_says_how_to_turn_it_and_one_from_a_telephone_where_it_was_taken(web):
    sideways = Image.open(io.BytesIO(requests.get(address(web, "sideways"), timeout=3).content))
    gps = Image.open(io.BytesIO(requests.get(address(web, "gps"), timeout=3).content))

    assert sideways.getexif()[0x0112] == 6
    assert gps.getexif().get_ifd(0x8825)[2] == (28.0, 32.0, 17.0)


def test_the_placeholder_is_the_same_at_every_address(web):
    own = requests.get(address(web, "placeholder"), timeout=3).content
    redirected = requests.get(address(web, "redirect_placeholder"), timeout=3)

    assert redirected.content == own
    assert redirected.url.endswith("/photo_unavailable.jpg")


def test_a_web_that_closes_breaks_the_connections_that_wait():
    with serve(small_world(good=1, faults=["silent"])) as web:
        host, port = web.sites[web.world.picture("fault-silent").host].split(":")
        waiting = socket.create_connection((host, int(port)), timeout=10)
        waiting.sendall(b"GET /pictures/fault-silent.jpg HTTP/1.1\r\n\r\n")

    with waiting:
        assert waiting.recv(1) == b""
