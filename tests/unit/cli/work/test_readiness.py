"""Telling the process that started a worker that it is up."""

import os
import socket
from uuid import uuid4

import pytest

from mongojobs.cli.work.readiness import READY_DESCRIPTOR, ReadinessNotifier
from mongojobs.core.notices import DatabaseAway, WorkerStarted
from mongojobs.process.supervisor import ChildCommand


@pytest.fixture
def pipe():
    """The ends of a pipe at which somebody waits; the announcer closes the writing end."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


@pytest.fixture
def environ(pipe):
    return {READY_DESCRIPTOR: str(pipe[1]), "OTHER": "kept"}


class TestAnnouncer:
    def test_says_once_that_the_worker_works(self, pipe, environ):
        announcer = ReadinessNotifier(environ)

        announcer.hear(WorkerStarted("w", ""))
        announcer.hear(WorkerStarted("w", ""))

        assert os.read(pipe[0], 100) == b"ready\n"
        assert os.read(pipe[0], 100) == b""

    def test_says_in_one_line_what_keeps_it_from_the_database(self, pipe, environ):
        ReadinessNotifier(environ).hear(DatabaseAway("w", "connecting", "it is\naway " + "x" * 1000))

        [line, rest] = os.read(pipe[0], 2000).split(b"\n")
        assert line.startswith(b"waiting it is away xxx")
        assert len(line) == 300
        assert rest == b""

    def test_says_how_many_processes_will_say_it_themselves(self, pipe, environ):
        children = ReadinessNotifier(environ).share([ChildCommand(["a"], {}), ChildCommand(["b"], {})])

        assert os.read(pipe[0], 100) == b"processes 2\n"
        assert [child.descriptors for child in children] == [(pipe[1],)] * 2
        assert [child.environ for child in children] == [{READY_DESCRIPTOR: str(pipe[1])}] * 2
        os.close(pipe[1])

    def test_does_not_mind_that_nobody_waits_any_more(self):
        reading, writing = os.pipe()
        os.close(reading)

        ReadinessNotifier({READY_DESCRIPTOR: str(writing)}).ready()

    def test_tells_nobody_where_nobody_asks(self):
        announcer = ReadinessNotifier({})

        announcer.ready()
        announcer.beat()

        assert announcer.share([ChildCommand(["a"], {})]) == [ChildCommand(["a"], {})]

    def test_leaves_nothing_to_what_jobs_start(self, pipe, environ):
        environ |= {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
        os.set_inheritable(pipe[1], True)

        announcer = ReadinessNotifier.taken_from(environ)

        assert environ == {"OTHER": "kept"}
        assert not os.get_inheritable(pipe[1])
        announcer.ready()

    def test_finds_systemd_at_an_address_that_is_no_file(self):
        name = f"mongojobs-{uuid4().hex}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{name}")
            manager.settimeout(5)

            ReadinessNotifier({"NOTIFY_SOCKET": f"@{name}"}).ready()

            assert manager.recv(100) == b"READY=1\nSTATUS=Working"

    def test_does_not_mind_that_systemd_is_gone(self, tmp_path):
        ReadinessNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
