"""When two addresses are the same address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.manifest.addresses import url_key


@pytest.mark.parametrize(
    ("url", "key"),
    [
        pytest.param("HTTP://Host.COM:80/A.jpg", "http://host.com/A.jpg", id="case of scheme and host, default port"),
        pytest.param("https://h/a.jpg#top", "https://h/a.jpg", id="fragment"),
        pytest.param("https://h/a?w=5&h=6", "https://h/a?w=5&h=6", id="a query chooses the picture and stays"),
        pytest.param("http://h", "http://h/", id="empty path"),
        pytest.param("http://[::1]:8080/x", "http://[::1]:8080/x", id="IPv6 with a port"),
        pytest.param("file:///tmp/a b.jpg", "file:///tmp/a b.jpg", id="a local file is its own key"),
        pytest.param("http://h:99999/x", "http://h:99999/x", id="nonsense is its own key"),
    ],
)
def test_the_key_of(url, key):
    assert url_key(url) == key


@given(st.text(max_size=60))
def test_a_key_is_its_own_key(url):
    assert url_key(url_key(url)) == url_key(url)
    assert url_key(url_key("http://" + url)) == url_key("http://" + url)
