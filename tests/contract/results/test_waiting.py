"""How those wait who want the results of jobs: on one stream together, or by looking; through outages; in forks."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pymongo import MongoClient, monitoring

import mongojobs
from mongojobs import NoSuchJobError, StoreUnavailableError
from mongojobs.results import watch
from mongojobs.store.jobs import JobStore
from mongojobs.store.stream import EndStream
from tests.support import result_jobs
from tests.support.failpoints import failing
from tests.support.jobs import a_job
from tests.support.spy import Spy
from tests.support.waiting import LONG, eventually, promptly
from tests.support.working import work_off, working

MANY = 1000


@pytest.fixture
def sent(monkeypatch):
    """What all clients send that are opened from now on."""
    spy = Spy()
    monkeypatch.setattr(monitoring, "_LISTENERS", monitoring._Listeners([spy], [], [], [], []))
    return spy


@pytest.fixture
def app(sent, connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.fixture
def waiting():
    """Starts threads that wait; at the end all of them are done."""
    with ThreadPoolExecutor() as pool:
        yield lambda job, timeout="60s": pool.submit(job.result, timeout)


@pytest.fixture
def only_heard(monkeypatch):
    """Nobody looks again by himself for a long time."""
    monkeypatch.setattr(watch, "HEARD_PAUSE_SECONDS", LONG)


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "mongojobs-results"]


def streams(sent):
    """Return the commands that opened a change stream."""
    opened = [event.command["pipeline"] for event in sent.sent if event.command_name == "aggregate"]
    return [pipeline for pipeline in opened if "$changeStream" in pipeline[0]]


def looks(sent):
    """Return how often somebody looked for many jobs."""
    return [event for event in sent.sent if event.command_name == "find" and "$nin" in str(event.command["filter"])]


class TestTheStream:
    def test_is_one_for_a_thousand_who_wait(self, app, sent):
        jobs = result_jobs.adds.delay_many([(number, 1) for number in range(MANY)])

        async def wait_for_all():
            results = [asyncio.ensure_future(job.aresult(timeout="10m")) for job in jobs]
            await asyncio.to_thread(eventually, lambda: streams(sent))
            running = len(watchers())
            await asyncio.to_thread(work_off, MANY)
            return running, await asyncio.gather(*results)

        running, results = asyncio.run(wait_for_all())

        assert results == [number + 1 for number in range(MANY)]
        assert (running, len(streams(sent))) == (1, 1)

    def test_tells_those_who_wait(self, app, sent, waiting, only_heard):
        done, failed = result_jobs.adds.delay(1, 2), result_jobs.fails.delay("luck")
        waits = [waiting(done), waiting(failed)]
        eventually(lambda: looks(sent))
        eventually(lambda: streams(sent))

        with promptly():
            work_off()
            assert waits[0].result() == 3
            assert isinstance(waits[1].exception(), mongojobs.JobFailed)

    def test_tells_nothing_of_a_plain_job(self, app, sent):
        result_jobs.multiplies.delay(1, 2)
        stream = EndStream(app.store.collection)
        work_off()

        assert stream.next() is None
        stream.close()

    def test_is_not_needed_for_a_job_that_ends_before_it_is_open(self, app, monkeypatch, waiting, only_heard):
        job = result_jobs.adds.delay(1, 2)
        open_stream = JobStore.ends

        def open_late(store):
            work_off()
            return open_stream(store)

        monkeypatch.setattr(JobStore, "ends", open_late)

        with promptly():
            assert waiting(job).result() == 3

    def test_that_breaks_leaves_those_who_look(self, app, sent, administrator, waiting, only_heard):
        job = result_jobs.adds.delay(1, 2)
        wait = waiting(job)
        eventually(lambda: "getMore" in sent.names)

        with failing(administrator, "getMore", "aggregate", times=1000, errorCode=8000), promptly():
            work_off()
            assert wait.result() == 3

    def test_ends_with_its_thread_when_nobody_waits(self, app, sent, monkeypatch, waiting):
        monkeypatch.setattr(watch, "LINGER_SECONDS", 0.1)
        eventually(lambda: not watchers())  # those of other tests have gone
        closed = []
        close = EndStream.close
        monkeypatch.setattr(EndStream, "close", lambda stream: (closed.append(stream), close(stream)))
        job = result_jobs.adds.delay(1, 2)
        wait = waiting(job)
        eventually(lambda: "getMore" in sent.names)

        work_off()
        wait.result()

        eventually(lambda: not watchers())
        assert len(closed) == 1

    def test_serves_those_who_come_later(self, app, sent, waiting):
        first = result_jobs.adds.delay(1, 2)
        wait = waiting(first)
        eventually(lambda: "getMore" in sent.names)
        work_off()
        wait.result()

        second = result_jobs.adds.delay(3, 4)
        wait = waiting(second)
        work_off()

        assert (wait.result(), len(streams(sent))) == (7, 1)


class TestWithoutAStream:
    @pytest.fixture(autouse=True)
    def standalone(self, monkeypatch):
        monkeypatch.setattr(JobStore, "ends", lambda _store: None)

    def test_one_question_is_asked_for_all(self, app, sent, waiting):
        jobs = result_jobs.adds.delay_many([(number, 1) for number in range(5)])
        waits = [waiting(job) for job in jobs]
        eventually(lambda: any(len(event.command["filter"]["_id"]["$in"]) == 5 for event in looks(sent)))

        work_off()

        assert [wait.result() for wait in waits] == [1, 2, 3, 4, 5]
        assert streams(sent) == []

    def test_those_who_wait_for_long_ask_seldom(self):
        pauses = [watch._pause([waiter_since(seconds)], hears=False) for seconds in (0, 1, 10, 3600)]

        assert pauses == [pytest.approx(pause, rel=0.1) for pause in (0.05, 0.1, 1, 2)]


def waiter_since(seconds):
    waiter = watch.Waiting(a_job())
    waiter.since -= seconds
    return waiter


class TestAJobThatIsDeleted:
    def test_is_missed_by_those_who_wait_for_it(self, app, sent, monkeypatch, waiting):
        monkeypatch.setattr(watch, "HEARD_PAUSE_SECONDS", 0.1)
        job = result_jobs.adds.delay(1, 2)
        wait = waiting(job)
        eventually(lambda: "getMore" in sent.names)

        app.delete(job.id)

        assert isinstance(wait.exception(), NoSuchJobError)


class TestADatabaseThatIsAway:
    def test_while_one_waits_is_told_when_the_time_is_over(self, app, sent, administrator, waiting):
        wait = waiting(result_jobs.adds.delay(1, 2), timeout=6)
        eventually(lambda: looks(sent))

        with failing(administrator, "find", "getMore", "aggregate", times=100_000, closeConnection=True):
            error = wait.exception()

        assert isinstance(error, StoreUnavailableError)
        assert str(error).startswith("the database is not available: ")

    def test_for_a_while_only_makes_one_wait(self, app, sent, administrator, waiting):
        job = result_jobs.adds.delay(1, 2)
        wait = waiting(job)
        eventually(lambda: looks(sent))
        with failing(administrator, "find", "getMore", "aggregate", times=100_000, closeConnection=True):
            eventually(lambda: job.home._waiters.trouble)

        work_off()

        assert wait.result() == 3

    def test_and_says_nothing_is_waited_for_no_longer_than_the_timeout(self, silent_server):
        with MongoClient(silent_server, serverSelectionTimeoutMS=LONG * 1000) as client:
            job = a_job(keep_result=timedelta(days=1)).stay(mongojobs.MongoJobs(client=client).home)

            with promptly(), pytest.raises(StoreUnavailableError, match="the database is not available"):
                job.result(timeout=1)


class TestAForkedProcess:
    def test_waits_by_itself(self, app, mongo_uri):
        with working():
            command = [sys.executable, "-W", "error", "-m", "tests.support.forked_waiter", mongo_uri]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert (done.stdout, done.stderr, done.returncode) == ("child 3\nparent 7\n", "", 0)
