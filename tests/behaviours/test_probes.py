"""What a worker process tells a platform on its probe port, while all is well and while it is not."""

import json
import re
import socket
from signal import Signals

import pytest

import mongojobs
from tests.support.mongod import Server, with_database
from tests.support.waiting import eventually
from tests.support.web import get, status

HASTY = ("--probe-port=0", "--probe-max-age=2s", "--sleep-delay=0.2")


@pytest.fixture
def app(connection):
    app = mongojobs.configure()
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def hang_file(tmp_path):
    return tmp_path / "hang"


@pytest.fixture
def environ(environ, hang_file):
    return environ | {"MONGOJOBS_APP": "tests.support.probed_app", "HANG_FILE": str(hang_file)}


def url_of(process):
    """Return where a worker answers probes, once it says so."""
    process.says("Probes: http")
    return re.search(r"Probes: (\S+) answers", process.output)[1]


def free_ports(count):
    """Return the first of this many consecutive free ports."""
    for first in range(21000, 31000, count):
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise AssertionError("all ports are taken")


class TestAHealthyWorker:
    def test_is_live_and_ready(self, app, start):
        url = url_of(start("work", "--probe-port=0"))

        eventually(lambda: status(f"{url}/readyz") == 200)
        assert status(f"{url}/livez") == 200

    def test_says_what_status_prints(self, app, start):
        url = url_of(start("work", "--probe-port=0", "--name=ada"))
        eventually(lambda: status(f"{url}/readyz") == 200)
        eventually(lambda: "ada" in get(f"{url}/stats.json").text)

        answer = get(f"{url}/stats.json")

        assert answer.content_type == "application/json"
        assert {"queues", "latency_seconds", "totals", "workers"} <= json.loads(answer.text).keys()

    def test_listens_on_this_machine_only_unless_it_is_told_otherwise(self, app, start):
        assert url_of(start("work", "--probe-port=0")).startswith("http://127.0.0.1:")
        assert url_of(start("work", "--probe-port=0", "--probe-host=::1")).startswith("http://[::1]:")
        under_kubernetes = start("work", "--probe-port=0", "--log-format=text", KUBERNETES_SERVICE_HOST="10.0.0.1")
        assert url_of(under_kubernetes).startswith("http://127.0.0.1:")
        told = start("work", "--probe-port=0", MONGOJOBS_PROBE_HOST="0.0.0.0")
        assert url_of(told).startswith("http://0.0.0.0:")

    def test_answers_while_its_last_job_runs(self, app, start, tmp_path):
        worker = start("work", *HASTY, MONGOJOBS_APP="tests.support.sample_app")
        url = url_of(worker)
        from tests.support.sample_app import append_after

        append_after.delay(str(tmp_path / "ledger"), "job", 4)
        eventually((tmp_path / "ledger").exists)
        worker.send(Signals.SIGTERM)
        worker.says("Exiting...")

        eventually(lambda: status(f"{url}/readyz") == 503)
        assert "stopping" in get(f"{url}/readyz").text
        assert status(f"{url}/livez") == 200
        assert worker.wait() == 0


class TestAHangingLoop:
    def test_is_not_live_but_ready(self, app, start, hang_file):
        url = url_of(start("work", *HASTY))
        eventually(lambda: (status(f"{url}/livez"), status(f"{url}/readyz")) == (200, 200))

        hang_file.touch()

        eventually(lambda: status(f"{url}/livez") == 503)
        assert status(f"{url}/readyz") == 200
        hang_file.unlink()
        eventually(lambda: status(f"{url}/livez") == 200)


class TestAnOutage:
    @pytest.fixture
    def server(self):
        """A separate server, for the test to take down."""
        with Server(replica_set=1, own=True, quick=True) as server:
            yield server

    @pytest.mark.parametrize("fault", ["kill", "pause"])
    def test_leaves_the_worker_live_but_not_ready(self, server, start, fault):
        uri = with_database(server.uri, "probed") + "&serverSelectionTimeoutMS=1000"
        url = url_of(start("work", "--probe-port=0", SAMPLE_URI=uri))
        eventually(lambda: status(f"{url}/readyz") == 200)

        getattr(server.primary, fault)()

        eventually(lambda: status(f"{url}/readyz") == 503)
        assert "the database does not answer" in get(f"{url}/readyz").text
        assert status(f"{url}/livez") == 200
        assert status(f"{url}/stats.json") == 503

    def test_at_the_start_leaves_it_live_but_not_ready(self, start):
        url = url_of(start("work", "--probe-port=0", SAMPLE_URI="mongodb://localhost:1/x?serverSelectionTimeoutMS=500"))

        assert status(f"{url}/livez") == 200
        assert get(f"{url}/readyz").text == "the database has not answered yet\n"


class TestAMissingIndex:
    def test_makes_the_worker_not_ready_until_it_is_there(self, app, start):
        app.store.collection.drop_index("ready_by_time")
        url = url_of(start("work", "--probe-port=0"))

        eventually(lambda: "missing: the index ready_by_time" in get(f"{url}/readyz").text)

        assert status(f"{url}/livez") == 200


class TestSeveralProcesses:
    def test_answer_on_ports_in_a_row(self, app, start):
        first = free_ports(2)
        start("work", "--processes=2", f"--probe-port={first}")

        eventually(lambda: status(f"http://127.0.0.1:{first}/readyz") == 200)
        eventually(lambda: status(f"http://127.0.0.1:{first + 1}/readyz") == 200)


class TestAPortInUse:
    def test_ends_the_worker_with_a_plain_message(self, app, start):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            worker = start("work", f"--probe-port={port}")

            assert worker.wait() == 1
            assert worker.errors == f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
