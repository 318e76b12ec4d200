import io
import json
from concurrent.futures import Future

import numpy as np
import pytest
from drawing import COLOURS, draw
from PIL import Image
from serving import ask

from imgkit.errors import ResourceError
from imgkit.models.predict import predict
from imgkit.models.serve import NOT_DECODED, listen
from imgkit.models.upload import LARGEST_BODY_BYTES
from imgkit.vision.guarded import GuardedDecoder


@pytest.fixture
def king(tmp_path):
    draw(tmp_path / "king.png", COLOURS["king"], 77)
    return tmp_path / "king.png"


def test_a_picture_gets_the_answer_that_predict_gives(address, model, king):
    status, body, _ = ask(address, body=king.read_bytes())

    expected = predict(model, [king], device="cpu")[0].as_json()
    del expected["path"]
    assert status == 200
    assert json.loads(body) == expected
    assert expected["guesses"][0]["label"] == "king"


def picture_of(size):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "body.empty", id="nothing"),
        pytest.param(b"<html><script>alert(1)</script></html>", "body.html", id="a web page"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 200, "img.truncated", id="half a JPEG"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "img.truncated", id="half a PNG"),
        pytest.param(b"%PDF-1.7 " + b"\0" * 99, "img.format", id="a document"),
        pytest.param(picture_of((4, 4)), "img.small", id="four pixels"),
        pytest.param(picture_of((64, 1200)), "img.aspect", id="a sliver"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(address, body, code):
    status, answer, _ = ask(address, body=body)

    assert status == 422
    assert json.loads(answer)["error"].endswith(f"[{code}]")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="a rebound name"),
        pytest.param({"Host": "127.0.0.1:1"}, id="another port"),
        pytest.param({"Host": ""}, id="no name"),
        pytest.param({"Origin": "https://evil.example"}, id="another site"),
        pytest.param({"Origin": "null"}, id="a sandboxed page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site, said by the browser"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="another port, said by the browser"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/about", "/predict"])
def test_another_site_or_name_gets_nothing(address, headers, path):
    status, body, _ = ask(address, method="POST" if path == "/predict" else "GET", path=path, **headers)

    assert status == 403
    assert set(json.loads(body)) == {"error"}


@pytest.mark.parametrize(
    "path", ["/../config.json", "/page.css/..", "/model.safetensors", "/%2e%2e/x", "//", "/predict/"]
)
def test_no_other_path_is_served(address, path):
    status, body, _ = ask(address, method="GET", path=path)

    assert status in (404, 405, 307)
    assert b"safetensors" not in body


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_predict_takes_a_picture_and_nothing_else(address, method):
    assert ask(address, method=method)[0] in (404, 405)


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(address):
    status, body, _ = ask(address, body=b"x", **{"Content-Length": str(LARGEST_BODY_BYTES + 1)})

    assert status == 413
    assert json.loads(body)["error"] == "larger than 20 MiB"


def test_every_answer_forbids_scripts_from_elsewhere(address):
    for path in ("/", "/about", "/nothing"):
        headers = ask(address, method="GET", path=path)[2]
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_port_that_is_taken_is_said_in_one_sentence(address):
    with pytest.raises(ResourceError, match="cannot be used"):
        listen(int(address.rsplit(":", 1)[1]))


@pytest.mark.browser
def test_a_dropped_picture_is_named_on_the_page(address, king, chromium):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page, told = browser.new_page(), []
        page.on("console", lambda message: told.append(message.text))
        page.goto(f"http://{address}/")
        page.set_input_files("#file", str(king))
        page.wait_for_selector("#guesses li")

        assert page.inner_text("#verdict").startswith("king, ")
        assert page.locator("#guesses li").count() == 2
        assert told == []
        browser.close()


@pytest.mark.parametrize("error", [ResourceError("cannot start a process"), MemoryError(), OSError(5, "x")])
def test_a_system_that_cannot_decode_is_said_in_one_sentence_and_the_server_goes_on(
    address, king, monkeypatch, caplog, error
):
    def submit(self, body):
        answer = Future()
        answer.set_exception(error)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(GuardedDecoder, "submit", submit)
        status, body, _ = ask(address, body=king.read_bytes())

    assert (status, json.loads(body)) == (503, {"error": NOT_DECODED})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].message.startswith("a picture was not decoded: ")
    assert caplog.records[0].exc_info is None
    assert ask(address, body=king.read_bytes())[0] == 200
