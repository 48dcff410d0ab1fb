"""The change stream that wakes idle workers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mongojobs.core.job import ErrorText
from mongojobs.core.transitions import Discarded, Errored
from mongojobs.store.faults import DatabaseError
from mongojobs.store.filters import EPOCH
from mongojobs.store.jobs import QueueSelector
from mongojobs.store.stream import JobStream
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reserve, reserved

LATER = START + timedelta(hours=1)


@pytest.fixture
def listen(server_store, monkeypatch):
    """Open a stream on what is wanted; it is closed afterwards. It waits for half a second, not for ten."""
    monkeypatch.setattr("mongojobs.store.stream.AWAIT_MILLISECONDS", 500)
    streams = []

    def open_stream(**wanted):
        streams.append(JobStream(server_store.collection, QueueSelector(**wanted)))
        return streams[-1]

    yield open_stream
    [stream.close() for stream in streams]


class TestNext:
    def test_says_when_a_new_job_is_due(self, server_store, listen):
        stream = listen()
        server_store.insert(a_job(run_at=LATER))

        assert stream.next() == LATER

    def test_tells_nothing_when_nothing_comes(self, listen):
        assert listen().next() is None

    def test_reports_each_of_many_jobs(self, server_store, listen):
        stream = listen()
        server_store.insert_many([a_job(), a_job(run_at=LATER)])

        assert [stream.next(), stream.next(), stream.next()] == [START, LATER, None]

    def test_says_when_a_failed_run_is_due_again(self, server_store, listen):
        held = reserved(server_store, a_job())
        stream = listen()
        server_store.end(held, Errored(ErrorText(error="e"), LATER))

        assert stream.next() == LATER

    def test_reports_a_job_that_was_handed_back_as_due(self, server_store, listen):
        held = reserved(server_store, a_job())
        stream = listen()
        server_store.release([held], started=False)

        assert stream.next() == EPOCH

    def test_tells_nothing_of_reserves_renewals_ends_and_jobs_stored_in_another_state(self, server_store, listen):
        server_store.insert_many([a_job(), a_job()])
        stream = listen()
        held = reserve(server_store, 2)
        server_store.renew(held, lease=2 * MINUTE)
        server_store.finish(held[:1])
        server_store.end(held[1], Discarded("r"))
        server_store.insert(a_job(state="failed"))

        assert stream.next() is None

    def test_tells_only_of_queues_and_priorities_that_are_wanted(self, server_store, listen):
        stream = listen(queues=("mail", "bulk"), max_priority=5)
        server_store.insert_many([a_job(), a_job(queue="mail", priority=6), a_job(queue="mail", run_at=LATER)])

        assert [stream.next(), stream.next()] == [LATER, None]

    def test_reports_a_damaged_job_as_due(self, server_store, listen):
        stream = listen()
        server_store.collection.insert_one({"state": "ready", "priority": 0, "run_at": "soon"})

        assert stream.next() == EPOCH

    def test_raises_when_the_collection_is_dropped(self, server_store, listen):
        server_store.insert(a_job(state="failed"))
        stream = listen()
        server_store.collection.drop()

        with pytest.raises(DatabaseError, match="dropped or renamed"):
            list(iter(stream.next, "never"))


class TestClose:
    def test_ends_a_wait_in_another_thread_at_once(self, server_store):
        stream = JobStream(server_store.collection, QueueSelector())
        waiting = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            result = thread.submit(lambda: (waiting.set(), stream.next())[1])
            waiting.wait()
            threading.Event().wait(0.2)  # until the thread is inside the driver

            stream.close()

            assert result.result(30) is None

    def test_may_be_repeated_and_leaves_nothing_to_wait_for(self, server_store):
        stream = JobStream(server_store.collection, QueueSelector())

        stream.close()
        stream.close()

        assert stream.next() is None
