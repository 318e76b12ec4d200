"""The server itself: its log, hosts, and life in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import requests

from imgkit.demo.builder import CORAL, WorldBuilder
from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host


def test_the_log_says_who_asked_for_what_and_how_it_was_answered():
    with serve(small_world(good=1, faults=["404"])) as web:
        headers = {"Referer": "http://page.example/", "User-Agent": "tester/1"}
        requests.get(web.url("fault-404"), headers=headers, timeout=3)
        line = web.requests[-1]

    assert (line.site, line.method, line.status) == (web.world.picture("fault-404").host, "GET", 404)
    assert (line.referer, line.user_agent) == ("http://page.example/", "tester/1")
    assert line.target == "/pictures/fault-404.jpg"
    assert line.started <= line.finished


def test_the_log_counts_the_requests_that_a_host_answers_at_once():
    world = small_world(good=1, faults=["late"])
    with serve(world) as web:
        threads = [threading.Thread(target=requests.get, args=(web.url("fault-late"),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = [line.concurrency for line in web.requests]

    assert sorted(seen) == [1, 2, 3]


def test_a_request_that_its_client_gave_up_is_not_counted_as_under_way():
    with serve(small_world(good=1, faults=["late"])) as web:
        host, port = web.sites[web.world.picture("fault-late").host].split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /pictures/fault-late.jpg HTTP/1.1\r\nHost: h\r\n\r\n")
            while not web.requests:
                time.sleep(0.01)
        requests.get(web.url("fault-late"), timeout=10)
        seen = [line.concurrency for line in web.requests]

    assert seen == [1, 1]


def test_hosts_differ_in_address_and_have_their_own_robots_txt_and_pages():
    hosts = [Host(name="open"), Host(name="closed", robots="User-agent: *\nDisallow: /\n")]
    builder = WorldBuilder(hosts=hosts)
    picture = builder.add(CORAL, host="open", title="A <snake>")
    with serve(builder.build()) as web:
        without = requests.get(f"http://{web.sites['open']}/robots.txt", timeout=3).status_code
        closed = requests.get(f"http://{web.sites['closed']}/robots.txt", timeout=3).text
        page = requests.get(f"http://{web.sites['open']}/page/{picture.id}.html", timeout=3).text

    assert web.sites["open"].split(":")[0] != web.sites["closed"].split(":")[0]
    assert (without, "Disallow: /" in closed) == (404, True)
    assert "A &lt;snake&gt;" in page
    assert web.url(picture) in page


def test_one_connection_serves_many_pictures():
    with serve(small_world(good=2)) as web, requests.Session() as session:
        statuses = [session.get(web.url("coral_snake-001"), timeout=3).status_code for _ in range(3)]
        head = session.head(web.url("coral_snake-001"), timeout=3)

    assert statuses == [200, 200, 200]
    assert (head.content, int(head.headers["Content-Length"])) == (b"", len(web.data("coral_snake-001")))


def test_clients_that_hang_up_or_talk_nonsense_do_no_harm(capfd):
    import socket

    with serve(small_world(good=1)) as web:
        host, port = web.sites["photos"].split(":")
        for said in (b"", b"hello\r\n\r\n", b"GET /pictures/coral_snake-001.jpg HTTP/1.1\r\n\r\n"):
            with socket.create_connection((host, int(port)), timeout=3) as sock:
                sock.sendall(said)
        status = requests.get(web.url("coral_snake-001"), timeout=3).status_code

    assert status == 200
    assert capfd.readouterr().err == ""


def test_it_serves_in_a_process_of_its_own_until_it_is_ended(tmp_path):
    port_file = tmp_path / "web.json"
    command = [sys.executable, "-m", "imgkit.demo.web.server", "--port-file", str(port_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as web:
        printed = json.loads(web.stdout.readline())
        answer = requests.get(printed["IMGKIT_BING_URL"] + "/images/async?q=king+snake", timeout=3)
        web.send_signal(signal.SIGTERM)
        code, errors = web.wait(timeout=10), web.stderr.read()

    assert json.loads(port_file.read_text()) == printed
    assert answer.text.count('class="iusc"') == 35
    assert (code, errors) == (0, "")
