"""Enqueueing in web processes that were forked from one that had connected and enqueued already."""

import subprocess
import sys
from collections import Counter

import pytest

from tests.support.command_line import ROOT, clean_environ
from tests.support.preforked_app import PER_PROCESS

pytestmark = pytest.mark.faults

FORK_WHILE_A_THREAD_MEASURES = """
import os, signal
from mongojobs.core.clock import ServerClock, SystemClock

class Server:
    def server_time(self):
        return SystemClock().now()

    def primary(self):
        return "node"

    topology = primary

clock = ServerClock(Server())
clock._measuring.acquire()
if os.fork() == 0:
    signal.alarm(5)
    clock.now()
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.fixture
def fork(mongo_uri):
    """Runs a web process that forks this many children while this many threads enqueue."""

    def fork(children, threads, **environ):
        return subprocess.run(
            [sys.executable, "-W", "always", "-m", "tests.support.preforked_app", str(children), str(threads)],
            cwd=ROOT,
            env=clean_environ({"SAMPLE_URI": mongo_uri, **environ}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return fork


def stored(client):
    """Return how many jobs each of the processes has stored."""
    jobs = client.get_default_database()["delayed_jobs"].find({}, {"handler.args": 1})
    return Counter(job["handler"]["args"][0] for job in jobs)


class TestPreForkedWebProcesses:
    def test_enqueue_each_job_once(self, fork, client):
        ended = fork(children=4, threads=0)

        assert ended.returncode == 0, ended.stderr
        whos = ["parent before", "parent after", *(f"child{number}" for number in range(4))]
        assert stored(client) == dict.fromkeys(whos, PER_PROCESS)

    def test_say_no_more_than_the_driver_does(self, fork):
        ended = fork(children=2, threads=0)

        warnings = [line for line in ended.stderr.splitlines() if "Warning" in line]
        known = ("MongoClient opened before fork", "multi-threaded, use of fork()")  # PyMongo's, and Python's from 3.12
        assert [line for line in warnings if not any(words in line for words in known)] == []
        assert "Traceback" not in ended.stderr

    def test_share_no_client_that_is_the_apps_own_even_if_python_was_not_told_of_the_fork(
        self, fork, client, mongo_uri
    ):
        ended = fork(children=4, threads=0, MONGOJOBS_URI=mongo_uri, UNTOLD="1")

        assert ended.returncode == 0, ended.stderr
        assert "opened before fork" not in ended.stderr
        whos = ["parent before", "parent after", *(f"child{number}" for number in range(4))]
        assert stored(client) == dict.fromkeys(whos, PER_PROCESS)

    def test_do_not_share_that_of_mongoengine_either_where_python_was_not_told_and_say_what_to_set(self, fork, client):
        ended = fork(children=4, threads=0, UNTOLD="1")

        assert ended.returncode == 0, ended.stderr
        assert "forked without telling Python, as uWSGI does" in ended.stderr
        assert {stored(client)[f"child{number}"] for number in range(4)} == {PER_PROCESS}

    def test_do_not_wait_for_a_lock_that_a_thread_held_at_the_fork(self, fork, client):
        ended = fork(children=30, threads=4)

        assert ended.returncode == 0, ended.stderr
        counted = stored(client)
        assert {counted[f"child{number}"] for number in range(30)} == {PER_PROCESS}

    def test_can_tell_the_time_when_a_thread_was_asking_for_it_at_the_fork(self):
        ended = subprocess.run([sys.executable, "-c", FORK_WHILE_A_THREAD_MEASURES], cwd=ROOT, check=False)

        assert ended.returncode == 0
