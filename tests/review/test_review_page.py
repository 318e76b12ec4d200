"""The page in a real browser: keys, fingers, two windows, a server that dies, and what hostile pages can do."""

import http.server
import json
import re
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright
from reviewing import LABELS, OwnProcess, decided, serving, written

from imgkit.curate.ranking.reduced_features import reduce_features, write_reduced
from imgkit.manifest import Manifest, ReviewLog

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
MODES = ("weed", "suspects", "labels", "duplicates", "grid", "second", "trash", "audit", "overview")


ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def window(browser):
    """Open a page of a review; a request to anyone else, or a complaint of the browser, fails the test."""
    contexts, strangers, complaints = [], [], []

    def opened(url, *, context=None, viewport=WIDE, **options):
        if context is None:
            context = browser.new_context(viewport=viewport, **options)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        host = url.split("/")[2]
        page.on("request", lambda request: request.url.split("/")[2] == host or strangers.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.goto(url if "mode=" in url or "#" not in url else f"{url}&mode=suspects")
        page.wait_for_selector("html[data-ready]")
        return page

    opened.complaints = complaints
    yield opened
    for context in contexts:
        context.close()
    assert strangers == []
    # a killed server is away, and the next one refuses the token of its page: both are meant
    assert [one for one in complaints if "net::ERR_" not in one and "401 (Unauthorized)" not in one] == []


def painted(page):
    """The id of the picture on the stage, once it is painted."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = page.evaluate(
            "(() => { const s = imgkit.view.stage; return s && s.painted === s.row && s.row >= 0"
            " ? imgkit.store.listing.id(s.row) : ''; })()"
        )
        if found:
            return found
        page.wait_for_timeout(10)
    raise AssertionError("no picture was painted")


def settle(page):
    """Wait until everything is on the server's disk."""
    page.evaluate("imgkit.store.outbox.settled()")


def until(page, expression):
    """Wait until an expression is true in the page. (The policy forbids Playwright's own way to wait for one.)"""
    deadline = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def open_mode(page, name):
    page.get_by_role("tab", name=name).click()


def test_one_key_decides_about_the_painted_picture_and_shows_the_next(server, window):
    page = window(server.url)

    first = painted(page)
    page.keyboard.press("Space")
    second = painted(page)
    page.keyboard.press("x")
    third = painted(page)
    page.keyboard.press("u")
    settle(page)

    assert len({first, second, third}) == 3
    assert decided(server.data) == {first: "keep", second: "reject"}
    with Manifest.open(server.data) as manifest:
        log = ReviewLog(manifest).actions()
    assert [(one.kind, one.image_id, one.mode) for one in log] == [
        ("decide", first, "suspects"),
        ("decide", second, "suspects"),
        ("unsure", third, "suspects"),
    ]
    assert all(one.dwell_ms > 0 for one in log)


def test_enter_accepts_the_suggested_label(server, window):
    page = window(server.url)
    open_mode(page, "Labels")

    picture = painted(page)
    page.keyboard.press("Enter")
    settle(page)

    with Manifest.open(server.data) as manifest:
        [decision] = manifest.current_decisions().values()
    assert (decision.image_id, decision.action, decision.to_label) == (picture, "relabel", "king_snake")


def test_a_typed_label_relabels_and_a_new_one_is_added(server, window):
    page = window(server.url)

    first = painted(page)
    other = page.evaluate("imgkit.store.labels[1 - imgkit.store.listing.label[imgkit.view.row]]")
    page.keyboard.press("/")
    page.keyboard.type(other[1][:3])
    page.keyboard.press("Enter")
    second = painted(page)
    page.keyboard.press("/")
    page.keyboard.type("Rat snake")
    page.keyboard.press("Enter")
    until(page, "imgkit.store.done.length === 2")
    settle(page)

    with Manifest.open(server.data) as manifest:
        labels = {one.image_id: one.to_label for one in manifest.current_decisions().values()}
        assert manifest.labels()["Rat_snake"] == "Rat snake"
    assert labels == {first: other[0], second: "Rat_snake"}


def test_undo_shows_the_picture_again_and_redo_decides_again_also_after_a_restart(suspects, window):
    with serving(suspects.data) as server:
        page = window(server.url)
        pictures = []
        for key in ("k", "x", "k"):
            pictures.append(painted(page))
            page.keyboard.press(key)
        painted(page)
        settle(page)
        page.close()
    with serving(suspects.data) as server:
        page = window(server.url)
        painted(page)

        page.keyboard.press("Backspace")
        assert painted(page) == pictures[2]
        page.keyboard.press("Control+z")
        assert painted(page) == pictures[1]
        settle(page)
        assert decided(suspects.data) == {pictures[0]: "keep"}
        page.keyboard.press("Control+Shift+Z")
        settle(page)

        assert decided(suspects.data) == {pictures[0]: "keep", pictures[1]: "reject"}


def test_after_ten_decisions_what_waits_is_in_the_order_that_they_suggest(builder, window):
    for _ in range(24):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic")
    builder.judgements = [replace(one, probability=0.7 - n / 500) for n, one in enumerate(builder.judgements)]
    looks = np.tile(np.eye(2, dtype=np.float32), (12, 1))
    with Manifest.open(builder.data) as manifest:
        manifest.replace_judgements(builder.judgements)
        write_reduced(reduce_features(builder.keys, looks), manifest.folder.cache)
    with serving(builder.data) as running:
        page = window(running.url)
        order = [image_id for _, image_id in builder.keys]

        for n in range(10):
            assert painted(page) == order[n]
            page.keyboard.press("x" if n % 2 == 0 else "k")
        until(page, "imgkit.store.learnt.size === 14")
        settle(page)

        waiting = page.evaluate("imgkit.view.rows.slice(imgkit.view.position + 1).map(r => imgkit.store.listing.id(r))")
        assert painted(page) == order[10]
        assert waiting == order[12::2] + order[11::2]


@pytest.fixture
def weeding(builder, window):
    """A page in the mode that opens first: fifty pictures, of which the likeliest three are marked out."""
    for n in range(50):
        builder.add("coral_snake", verdict="suspect" if n < 3 else "keep", reason="bad.offtopic" if n < 3 else "")
    builder.judgements = [
        replace(one, probability=0.9 - n / 100 if n < 3 else 0.3 - n / 1000) for n, one in enumerate(builder.judgements)
    ]
    with Manifest.open(builder.data) as manifest:
        manifest.replace_judgements(builder.judgements)
    with serving(builder.data) as running:
        page = window(f"{running.url}&mode=")
        expect(page.locator(".pick")).to_have_count(40)
        yield page, builder.data, [image_id for _, image_id in builder.keys]


def test_weeding_marks_forty_by_the_probabilities_and_one_key_confirms_them_with_their_exceptions(weeding):
    page, data, ids = weeding
    chosen = page.locator(".pick[aria-selected=true]")
    assert page.evaluate("imgkit.mode") == "weed"
    expect(chosen).to_have_count(3)
    expect(page.locator(".estimate .left")).to_have_text(
        re.compile(r"^About \d+ ± \d+ wrong ones left in \d+ unseen; ")
    )

    page.locator(".pick").nth(1).click()
    page.locator(".pick").nth(5).click()
    page.keyboard.press("t")
    expect(chosen).to_have_count(3)
    page.keyboard.press("Enter")
    expect(page.locator(".pick")).to_have_count(10)
    settle(page)

    assert decided(data) == {one: "reject" if n in (0, 2, 5) else "keep" for n, one in enumerate(ids[:40])}
    assert page.evaluate("imgkit.store.done.length") == 1
    with Manifest.open(data) as manifest:
        reasons = [one.reason for one in manifest.decisions() if one.image_id == ids[5]]
    assert reasons == ["bad.text"]


def test_an_undo_shows_the_page_with_its_exceptions_and_the_estimate_of_before(weeding):
    page, data, _ = weeding
    words = page.locator(".estimate .left")
    expect(words).not_to_have_text("…")
    before = words.inner_text()
    page.locator(".pick").nth(7).click()
    page.keyboard.press("Enter")
    expect(page.locator(".pick")).to_have_count(10)
    expect(words).not_to_have_text(before)

    page.keyboard.press("Backspace")

    expect(page.locator(".pick")).to_have_count(40)
    expect(page.locator(".pick[aria-selected=true]")).to_have_count(4)
    expect(words).to_have_text(before)
    settle(page)
    assert decided(data) == {}


def test_after_the_last_page_everything_was_shown_and_nothing_else_says_done(weeding):
    page, _, _ = weeding
    for left in (10, 0):
        page.keyboard.press("Enter")
        expect(page.locator(".pick")).to_have_count(left)

    expect(page.get_by_role("heading", name="Every picture was shown")).to_be_visible()
    expect(page.locator(".estimate .left")).to_have_text("Every picture of the set has been looked at.")


def test_suspects_that_are_all_decided_are_not_done_while_the_estimate_says_otherwise(weeding):
    page, _, ids = weeding
    open_mode(page, "Suspects")
    for one in ids[:3]:
        assert painted(page) == one
        page.keyboard.press("x")

    expect(page.get_by_role("heading", name="Nothing waits here")).to_be_visible()
    expect(page.get_by_role("button", name="Go on: Weed")).to_be_visible()


def test_a_key_before_the_picture_is_there_decides_nothing(builder, window):
    builder.add_many("coral_snake", 40, verdict="suspect", reason="bad.offtopic", check="offtopic")
    with serving(builder.data) as server:
        page = window(server.url)
        painted(page)
        page.route("**/view/*", lambda route: (time.sleep(0.02), route.continue_()))
        page.evaluate(
            """(() => {
              const store = imgkit.store, perform = store.perform.bind(store);
              globalThis.wrong = 0;
              store.perform = (action) => {
                const image = document.querySelector(".stage img");
                const right = image?.complete && image.src.includes(store.listing.id(action.row));
                if (!right) wrong++;
                perform(action);
              };
            })()"""
        )

        for _ in range(60):
            page.keyboard.press("x")
            page.wait_for_timeout(5)
        settle(page)

        assert page.evaluate("wrong") == 0
        assert len(decided(server.data)) == len(set(decided(server.data))) > 0


def test_the_last_decisions_can_be_shown_again(server, window):
    page = window(server.url)
    first = painted(page)
    page.keyboard.press("x")
    painted(page)

    page.get_by_role("group", name="Last decisions").get_by_role("button").first.click()

    assert painted(page) == first
    expect(page.locator(".badge")).to_contain_text("Rejected")


def test_copies_are_compared_and_the_worse_one_goes(server, window):
    page = window(server.url)
    open_mode(page, "Copies")
    expect(page.locator(".pane img")).to_have_count(2)
    better, worse = page.evaluate("imgkit.view.pair.map((row) => imgkit.store.listing.id(row))")

    page.keyboard.press("v")
    expect(page.locator(".pair")).to_have_attribute("data-manner", "flip")
    page.keyboard.press("v")
    expect(page.locator(".pair")).to_have_attribute("data-top", "left")
    page.keyboard.press("o")
    expect(page.locator(".pair")).to_have_attribute("data-manner", "difference")
    page.keyboard.press("o")
    page.keyboard.press("ArrowLeft")
    settle(page)

    assert decided(server.data) == {better: "keep", worse: "reject"}
    with Manifest.open(server.data) as manifest:
        assert {one.reason for one in manifest.current_decisions().values()} == {"", "dup.near"}
    page.keyboard.press("Backspace")
    settle(page)
    assert decided(server.data) == {}


def test_a_range_in_the_grid_is_decided_with_one_key_and_taken_back_with_one(server, window):
    page = window(server.url)
    open_mode(page, "Grid")
    expect(page.locator(".cell:visible").first).to_be_visible()

    page.locator("#cell-1").click()
    page.locator("#cell-4").click(modifiers=["Shift"])
    expect(page.locator(".cell.selected")).to_have_count(4)
    page.keyboard.press("x")
    settle(page)
    assert list(decided(server.data).values()) == ["reject"] * 4
    page.keyboard.press("Control+z")
    settle(page)

    assert decided(server.data) == {}
    assert written(server.data)[0] == 2


def test_many_at_once_are_asked_about_first(builder, window):
    builder.add_many("coral_snake", 300)
    with serving(builder.data) as server:
        page = window(server.url)
        open_mode(page, "Grid")
        page.locator("#cell-0").wait_for()
        page.keyboard.press("Control+a")
        page.keyboard.press("Space")
        expect(page.get_by_role("dialog")).to_contain_text("300 pictures")
        assert decided(server.data) == {}

        page.get_by_role("button", name="Go on").click()
        settle(page)

        assert len(decided(server.data)) == 300
        assert page.locator(".cell").count() < 120


def test_what_is_set_aside_can_be_taken_back(server, window):
    page = window(server.url)
    rejected = painted(page)
    page.keyboard.press("x")
    painted(page)

    open_mode(page, "Set aside")
    expect(page.locator("#cell-0 .mark")).to_have_text("✕")
    page.locator("#cell-0").click()
    page.keyboard.press("k")
    settle(page)

    assert decided(server.data) == {rejected: "keep"}


def test_an_audit_hides_what_is_known_and_shows_its_result_at_the_end(server, window):
    page = window(server.url)
    open_mode(page, "Audit")
    page.get_by_role("button", name="Start the audit").click()
    until(page, "Boolean(imgkit.store.audit)")
    count = page.evaluate("imgkit.store.audit.rows.length")

    expect(page.locator(".view")).to_contain_text("Is this a usable photo of")
    expect(page.locator(".panel")).to_have_count(0)
    pictures = []
    for n in range(count):
        pictures.append(painted(page))
        page.keyboard.press("x" if n == 0 else "Space")
    settle(page)

    expect(page.locator(".card")).to_contain_text("Noise left in the set")
    expect(page.locator(".card")).to_contain_text("1, now out")
    assert decided(server.data) == dict.fromkeys(pictures, "keep") | {pictures[0]: "reject"}


def test_finishing_writes_the_set_and_tells_the_next_command(server, window):
    page = window(server.url)
    open_mode(page, "Overview")

    page.get_by_role("button", name="Write the set").click()

    expect(page.locator(".finish")).to_contain_text("imgkit train data/curated")
    assert len(server.finished) == 1


def test_two_windows_lose_and_double_nothing(builder, window):
    builder.add_many("coral_snake", 30, verdict="suspect", reason="bad.offtopic", check="offtopic")
    with serving(builder.data) as server:
        left = window(server.url)
        right = window(server.url, context=left.context)
        for n in range(12):
            for page in (left, right):
                painted(page)
                page.keyboard.press("kx"[n % 2])
        settle(left)
        settle(right)

        with Manifest.open(builder.data) as manifest:
            actions, decisions = ReviewLog(manifest).actions(), manifest.decisions()
        assert len(actions) == len(decisions) == 24
        assert len({one.key for one in actions}) == 24
        until(left, "imgkit.store.done.length === 24")
        until(right, "imgkit.store.done.length === 24")
        states = "[...imgkit.store.marks.action].join('')"
        assert left.evaluate(states) == right.evaluate(states)


def test_one_window_takes_back_what_the_other_decided(server, window):
    left = window(server.url)
    right = window(server.url, context=left.context)
    picture = painted(left)
    left.keyboard.press("x")
    settle(left)
    until(right, "imgkit.store.done.length === 1")

    right.keyboard.press("Backspace")
    settle(right)

    until(left, "imgkit.store.undone.length === 1")
    assert decided(server.data) == {}
    assert painted(right) == picture


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def reopen(page, url):
    """Open the address of a new review in the window of the last one."""
    page.evaluate("document.documentElement.dataset.last = '1'")
    page.goto(url)
    page.wait_for_selector("html[data-ready]:not([data-last])")


def test_a_window_of_the_last_review_is_shown_nothing_by_the_next(suspects, window):
    """Its decisions wait until the address of the new review is opened in it."""
    own = OwnProcess(suspects.data, free_port())
    page = window(own.start())
    first = painted(page)
    own.kill()
    page.keyboard.press("x")
    try:
        url = own.start()
        until(page, "imgkit.store.outbox.trouble.includes('open the address')")
        assert decided(suspects.data) == {}
        window.complaints.clear()  # of the browser, about the refusal
        reopen(page, url)
        settle(page)
        address = page.evaluate("location.href")
    finally:
        own.kill()

    assert decided(suspects.data) == {first: "reject"}
    assert "t=" not in address


def test_a_server_that_is_killed_loses_nothing_and_hears_the_rest_when_it_is_back(builder, window):
    builder.add_many("coral_snake", 60, verdict="suspect", reason="bad.offtopic", check="offtopic")
    own = OwnProcess(builder.data, free_port())
    page = window(own.start())
    expected = {}
    try:
        for n in range(40):
            if n in (9, 27):
                own.kill()
            picture = painted(page)
            key = "kx"[n % 2]
            page.keyboard.press(key)
            expected[picture] = {"k": "keep", "x": "reject"}[key]
            if n in (13, 31):
                reopen(page, own.start())
                settle(page)
                assert decided(builder.data) == expected
            if n == 12:
                page.wait_for_timeout(2500)
                expect(page.get_by_role("alert")).to_contain_text("kept in this browser")
        settle(page)
    finally:
        own.kill()

    assert decided(builder.data) == expected
    assert written(builder.data) == (40, 40)


def test_what_a_closed_window_could_not_send_is_sent_by_the_next(builder, window):
    builder.add_many("coral_snake", 12, verdict="suspect", reason="bad.offtopic", check="offtopic")
    own = OwnProcess(builder.data, free_port())
    page = window(own.start())
    for n in range(4):
        painted(page)
        if n == 2:
            settle(page)
            own.kill()
        page.keyboard.press("x")
    context = page.context
    page.close()
    try:
        again = window(own.start(), context=context)
        settle(again)
        painted(again)
    finally:
        own.kill()

    assert list(decided(builder.data).values()) == ["reject"] * 4


def test_a_page_whose_pictures_have_changed_meanwhile_still_decides_about_what_it_shows(builder, window):
    """Another harvest, while the server was away, puts pictures before the known ones: all rows have moved."""
    builder.add_many("king_snake", 6, verdict="suspect", reason="bad.offtopic", check="offtopic")
    own = OwnProcess(builder.data, free_port())
    page = window(own.start())
    first = painted(page)
    own.kill()
    builder.add_many("coral_snake", 5, verdict="suspect", reason="bad.offtopic", check="offtopic")
    page.keyboard.press("x")
    try:
        reopen(page, own.start())
        until(page, "imgkit.store.listing.rows === 11")
        second = painted(page)
        page.keyboard.press("k")
        settle(page)
        shown = page.evaluate("[...document.querySelectorAll('.past')].length")
    finally:
        own.kill()

    assert decided(builder.data) == {first: "reject", second: "keep"}
    assert shown >= 1


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280 px", "390 px"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mode_fits_and_every_control_has_a_name(server, window, viewport, scheme):
    page = window(server.url, viewport=viewport, color_scheme=scheme)

    for mode in MODES:
        page.evaluate(f"imgkit.open('{mode}')")
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), mode
        unnamed = page.evaluate(
            """[...document.querySelectorAll("button, select, input, [role=listbox], [role=option], [role=img]")]
               .filter((one) => one.offsetParent && !one.ariaLabel && !one.textContent.trim() && !one.labels?.length)
               .map((one) => one.outerHTML.slice(0, 90))"""
        )
        assert unnamed == [], mode
        outside = page.evaluate(
            """[...document.querySelectorAll("button")]
               .filter((one) => one.offsetParent && !one.closest(".tabs, .filters, .members, .wide, .recent"))
               .map((one) => [one.textContent, one.getBoundingClientRect()])
               .filter(([, box]) => box.left < -1 || box.right > innerWidth + 1).map(([text]) => text)"""
        )
        assert outside == [], mode


def luminance(colour):
    channels = [int(part) / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(server, window, scheme):
    page = window(server.url, color_scheme=scheme)
    grounds = {
        "ink": ("ground", "surface", "sunken"),
        "soft": ("ground", "surface", "sunken"),
        "faint": ("surface",),
        "on": ("keep", "reject"),
    }
    for kind in ("keep", "reject", "relabel", "unsure"):
        grounds[kind] = ("surface", f"{kind}-soft")

    for text, behind in grounds.items():
        for ground in behind:
            colours = page.evaluate(
                """(names) => names.map((name) => {
                     const one = document.createElement("i");
                     one.style.color = `var(--${name})`;
                     document.body.append(one);
                     return getComputedStyle(one).color.match(/\\d+/g).slice(0, 3);
                   })""",
                [text, ground],
            )
            light, dark = sorted((luminance(one) for one in colours), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground, colours)


def test_a_swipe_decides_where_fingers_are(server, window):
    page = window(server.url, viewport=NARROW, has_touch=True, is_mobile=True)
    first = painted(page)
    client = page.context.new_cdp_session(page)

    def swipe(start, end):
        client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start, "y": 300}]})
        for n in range(1, 6):
            x = start + (end - start) * n / 5
            client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": 300}]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(120, 320)
    second = painted(page)
    swipe(320, 120)
    painted(page)
    settle(page)

    assert decided(server.data) == {first: "keep", second: "reject"}


def test_a_control_reached_by_tab_takes_enter_for_itself(server, window):
    page = window(server.url)
    painted(page)

    page.get_by_role("button", name="Reject").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    settle(page)

    assert list(decided(server.data).values()) == ["reject"]


def test_a_held_key_moves_but_does_not_decide(server, window):
    page = window(server.url)
    painted(page)

    for _ in range(5):
        page.keyboard.down("x")  # the browser marks all but the first as repeated
    page.keyboard.up("x")
    settle(page)

    assert len(decided(server.data)) == 1


def test_own_keys_work_and_are_shown(suspects, window, tmp_path, monkeypatch):
    from imgkit.curate.review import keys

    (tmp_path / "keys.toml").write_text('reject = ["d"]\n')
    monkeypatch.setenv("IMGKIT_KEYS", str(tmp_path / "keys.toml"))
    with serving(suspects.data, environ={"IMGKIT_KEYS": str(tmp_path / "keys.toml")}) as server:
        page = window(server.url)
        picture = painted(page)

        page.keyboard.press("x")
        page.keyboard.press("d")
        settle(page)

        assert decided(suspects.data) == {picture: "reject"}
        expect(page.get_by_role("button", name="Reject").locator("kbd")).to_have_text("D")
    assert keys.KEYS["reject"] == ("x",)


EVIL = """<!doctype html><script>
const target = location.search.slice(1), body = JSON.stringify({actions: []});
const blind = {method: "POST", mode: "no-cors", credentials: "include"}, open = {credentials: "include"};
const tries = [
  () => fetch(`http://${target}/api/actions`, {...blind, body, headers: {"content-type": "text/plain"}}),
  () => fetch(`http://${target}/api/quit`, {...blind, body: "{}"}),
  () => fetch(`http://${target}/api/state`, open).then((r) => r.text()).then((t) => { window.stolen = t; }),
  () => new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => { window.seen = 1; done(); };
    image.onerror = fail;
    image.src = `http://${target}/view/IMAGE`;
  }),
];
Promise.allSettled(tries.map((one) => one())).then(() => { document.title = "tried"; });
</script>"""


@pytest.fixture
def evil_port(server):
    """The port of another site on this machine, whose page attacks the review."""
    image = server.get("/api/set")["id"][:20]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(EVIL.replace("IMAGE", image).encode())

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as evil:
        threading.Thread(target=evil.serve_forever, daemon=True).start()
        yield evil.server_port
        evil.shutdown()


@pytest.mark.parametrize("name", ["evil.test", "127.0.0.1"], ids=["another site", "another port"])
def test_a_hostile_page_in_the_same_browser_reads_and_writes_nothing(server, evil_port, browser, name):
    """With the review open in the browser; the foreign name leads to this machine."""
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("html[data-ready]")

    page.goto(f"http://{name}:{evil_port}/?{server.host}")
    expect(page).to_have_title("tried")
    stolen = page.evaluate("[window.stolen ?? '', window.seen ?? 0]")
    rebound = page.goto(f"http://evil.test:{server.port}/#t={server.token}")
    page.context.close()

    assert stolen == ["", 0]
    assert rebound.status == 403
    assert written(server.data) == (0, 0)
    assert server.get("/api/state")["labels"] == [[slug, LABELS[slug]] for slug in ("coral_snake", "king_snake")]


def test_words_from_the_web_stay_words(builder, window):
    title = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    key = builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic")
    with Manifest.open(builder.data) as manifest:
        [candidate] = manifest.candidates()
        proposal = json.dumps({"title": title, "page_url": "javascript:alert(3)", "author": title})
        manifest.connection.read("SELECT 1")
        with manifest.connection.write() as db:
            db.execute("UPDATE candidate SET proposal=?, image_id=?, state='kept'", (proposal, key[1]))
        assert candidate.state == "pending"
    with serving(builder.data) as server:
        page = window(server.url)
        painted(page)

        expect(page.locator(".origin")).to_contain_text(title)
        assert page.locator(".origin a").count() == 0
        assert page.locator(".origin img, .origin script").count() == 0
