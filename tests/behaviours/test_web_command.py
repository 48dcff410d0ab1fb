"""``mongojobs web`` as a separate process."""

import re
from base64 import b64encode
from signal import Signals
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.command_line import run
from tests.support.waiting import eventually

CREDENTIALS = {"MONGOJOBS_WEB_USER": "olga", "MONGOJOBS_WEB_PASSWORD": "s3same"}


@pytest.fixture
def serve(start, mongo_uri):
    """Starts the command, and returns the process and its address."""

    def serve(*arguments, **environ):
        process = start("web", "--port", "0", *arguments, MONGOJOBS_URI=mongo_uri, **environ)
        eventually(lambda: "Dashboard: " in process.errors or process.process.poll() is not None)
        [address] = re.findall(r"Dashboard: (http://\S+?)/ ", process.errors)
        return process, address

    return serve


def status_of(address, **headers):
    """Return the HTTP status of a request to *address*."""
    try:
        with urlopen(Request(address, headers=headers), timeout=20) as answer:
            return answer.status
    except HTTPError as error:
        with error:
            return error.code


def test_it_serves_the_dashboard_on_this_machine_and_stops_when_told(serve):
    process, address = serve()

    assert address.startswith("http://127.0.0.1:")
    assert status_of(f"{address}/jobs") == 200
    assert status_of(f"{address}/jobs", Host="evil.example") == 400
    process.send(Signals.SIGTERM)
    assert process.wait() == 0


def test_it_stops_without_a_word_when_told_twice(serve):
    process, _ = serve()

    process.send(Signals.SIGINT)
    process.send(Signals.SIGTERM)

    assert process.wait() == 0
    assert "Traceback" not in process.errors


def test_it_asks_for_credentials_where_others_can_connect(serve):
    _, address = serve("--host", "0.0.0.0", **CREDENTIALS)
    address = address.replace("0.0.0.0", "127.0.0.1")
    header = "Basic " + b64encode(b"olga:s3same").decode()

    assert status_of(address) == 401
    assert status_of(address, Authorization=header) == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "set MONGOJOBS_WEB_USER and MONGOJOBS_WEB_PASSWORD"),
        (["--port", "99999"], "99999 is not in the range"),
    ],
)
def test_it_refuses_to_start_with_a_word_of_why(mongo_uri, arguments, said):
    ended = run("web", *arguments, environ={"MONGOJOBS_URI": mongo_uri})

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_lets_itself_be_told_by_the_environment(serve):
    process, address = serve(MONGOJOBS_WEB_HOST="localhost", MONGOJOBS_WEB_READ_ONLY="1")

    assert "may look)" in process.errors
    assert status_of(address) == 200


def test_it_never_prints_a_password(serve, mongo_uri):
    process, _ = serve(**CREDENTIALS)

    assert "s3same" not in process.errors + process.output


def test_its_help_names_the_variables():
    text = run("web", "--help").stdout

    for name in ("MONGOJOBS_WEB_HOST", "MONGOJOBS_WEB_PORT", "MONGOJOBS_WEB_USER", "MONGOJOBS_WEB_READ_ONLY", "PORT"):
        assert name in text
