"""The probe server: its pages, and its limits for clients that ask too much."""

import socket
import threading

import pytest

from mongojobs.plugins import probes
from mongojobs.plugins.probes import LARGEST_REQUEST, MOST_CLIENTS, MOST_WAITING, Answer, Cached, ProbeServer
from tests.support.waiting import eventually
from tests.support.web import get


def raises():
    raise RuntimeError("c4n4ry")


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def server(gate):
    pages = {
        "/good": lambda: Answer("fine ü\n"),
        "/bad": lambda: Answer("not now\n", ok=False),
        "/broken": raises,
        "/slow": lambda: Answer(str(gate.wait(30))),
    }
    with ProbeServer(pages, host="127.0.0.1", port=0) as server:
        yield server
        gate.set()


@pytest.fixture
def connect(server):
    """Opens a connection and sends some bytes over it."""
    opened = []

    def connect(text=b""):
        opened.append(socket.create_connection(server.server_address[:2], timeout=10))
        opened[-1].sendall(text)
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


class TestAPage:
    def test_is_answered_with_its_body(self, server):
        answer = get(f"{server.url}/good?x=1")

        assert (answer.status, answer.text, answer.content_type) == (200, "fine ü\n", "text/plain; charset=utf-8")

    def test_that_says_no_has_the_status_503(self, server):
        assert get(f"{server.url}/bad").status == 503

    def test_that_is_not_there_is_reported_with_those_that_are(self, server):
        answer = get(f"{server.url}/other")

        assert answer.status == 404
        assert "/good" in answer.text

    def test_that_cannot_be_made_does_not_say_why(self, server):
        answer = get(f"{server.url}/broken")

        assert answer.status == 500
        assert "c4n4ry" not in answer.text

    def test_can_be_asked_for_its_status_only(self, server):
        answer = get(f"{server.url}/good", method="HEAD")

        assert (answer.status, answer.text) == (200, "")

    def test_can_only_be_read(self, server):
        assert get(f"{server.url}/good", method="POST").status == 501


class TestAClient:
    def test_that_sends_too_much_is_cut_off(self, server, connect):
        client = connect(b"GET /good HTTP/1.1\r\n" + b"X: y\r\n" * LARGEST_REQUEST)

        assert b"fine" not in read_all(client)

    def test_that_sends_nothing_is_cut_off_in_time(self, server, connect, monkeypatch):
        monkeypatch.setattr(probes, "CLIENT_SECONDS", 0.3)
        client = connect(b"GET /go")

        assert read_all(client) == b""

    def test_cannot_take_more_threads_than_there_are(self, server, connect):
        before = {*threading.enumerate()}
        clients = [connect(b"GET /slow HTTP/1.1\r\n\r\n") for _ in range(MOST_CLIENTS)]
        eventually(lambda: len({*threading.enumerate()} - before) == MOST_CLIENTS)

        turned_away = read_all(connect(b"GET /good HTTP/1.1\r\n\r\n"))

        assert turned_away == b""
        assert len(clients) == MOST_CLIENTS

    def test_finds_room_again_when_others_have_left(self, server, connect, gate):
        for _ in range(MOST_CLIENTS):
            connect(b"GET /slow HTTP/1.1\r\n\r\n")
        gate.set()

        eventually(lambda: read_all(connect(b"GET /good HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.0 200"))


class TestAPromptPage:
    @pytest.fixture
    def pages(self, server):
        more_than_a_connection_takes_unread = "x" * 6_000_000
        server.pages["/livez"] = lambda: Answer("alive")
        server.pages["/large"] = lambda: Answer(more_than_a_connection_takes_unread)

    def test_is_answered_whatever_other_pages_wait_for(self, server, connect, pages):
        clients = [connect(b"GET /slow HTTP/1.1\r\n\r\n") for _ in range(MOST_CLIENTS)]
        eventually(lambda: read_all(connect(b"GET /good HTTP/1.1\r\n\r\n")) == b"")

        assert get(f"{server.url}/livez").text == "alive"
        assert clients

    def test_is_answered_beside_any_number_of_clients_that_say_nothing(self, server, connect, pages, monkeypatch):
        monkeypatch.setattr(probes, "CLIENT_SECONDS", 600)
        idle = [connect(b"GET /li") for _ in range(3 * MOST_WAITING)]

        assert get(f"{server.url}/livez").text == "alive"
        assert is_cut_off(idle[0])

    def test_is_answered_beside_clients_that_do_not_take_their_answers(self, server, connect, pages, monkeypatch):
        monkeypatch.setattr(probes, "CLIENT_SECONDS", 600)
        deaf = [connect(b"GET /large HTTP/1.1\r\n\r\n") for _ in range(MOST_CLIENTS + 1)]
        eventually(lambda: deaf[0].recv(1))

        assert get(f"{server.url}/livez").text == "alive"
        assert get(f"{server.url}/good").status == 200


def is_cut_off(client):
    """Wait for an answer that does not come: the line ends, or is reset, as what was sent on it was not read."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


class TestTheServer:
    def test_gives_up_a_page_that_takes_too_long(self, server, monkeypatch):
        monkeypatch.setattr(probes, "PAGE_SECONDS", 0.1)

        answer = get(f"{server.url}/slow")

        assert (answer.status, answer.text) == (503, "/slow takes too long\n")

    def test_leaves_no_thread_and_no_port_behind(self, gate):
        before = {*threading.enumerate()}
        with ProbeServer({}, host="127.0.0.1", port=0) as server:
            port = server.server_address[1]

        assert {*threading.enumerate()} - before == set()
        with ProbeServer({}, host="127.0.0.1", port=port):
            pass

    def test_ends_without_a_word_beside_a_client_that_says_nothing(self, caplog):
        with ProbeServer({"/": lambda: Answer("yes")}, host="127.0.0.1", port=0) as server:
            silent = socket.create_connection(server.server_address[:2])
            eventually(lambda: server._waiting)

        silent.close()
        assert caplog.messages == []

    def test_listens_on_version_6_too(self):
        with ProbeServer({"/": lambda: Answer("yes")}, host="::1", port=0) as server:
            assert get(f"{server.url}/").text == "yes"


class TestACachedPage:
    def test_is_made_once_in_a_while(self):
        made = []
        page = Cached(lambda: made.append(1) or Answer(str(len(made))), 60)

        assert [page().body, page().body] == ["1", "1"]

    def test_is_made_again_when_it_is_old(self):
        made = []
        page = Cached(lambda: made.append(1) or Answer(str(len(made))), 0)

        assert [page().body, page().body] == ["1", "2"]


def read_all(client):
    """Return what the server sends until it closes."""
    received = b""
    try:
        while part := client.recv(4096):
            received += part
    except ConnectionResetError:
        pass
    return received
