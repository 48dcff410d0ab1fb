"""The list of the workers that are alive."""

import dataclasses

import pytest

from mongojobs.core.inside.progress import Progress
from mongojobs.core.settings import Settings
from mongojobs.store.workers import RunningJob, WorkerStatus, WorkerStore
from tests.support.clock import START
from tests.support.stores import MINUTE

STATUS = WorkerStatus(
    name="host:1:ab", host="host", pid=1, started_at=START, queues=("mail",), threads=4, busy=2, version="0.1"
)


@pytest.fixture
def store(database_store):
    return database_store


@pytest.fixture
def workers(store, clock):
    return WorkerStore(store.collection, clock, Settings(lease=60))


class TestAlive:
    def test_gives_what_the_worker_said_of_itself(self, workers):
        workers.beat(STATUS)

        assert workers.alive() == [dataclasses.replace(STATUS, heartbeat_at=START)]

    def test_gives_how_far_its_jobs_are_and_which_were_asked_to_end(self, workers):
        far = RunningJob(id=1, name="a", queue="mail", since=START, progress=Progress(done=3, of=4, note="three"))
        asked = RunningJob(id=2, name="b", queue="mail", since=START, cancelling=True)
        workers.beat(dataclasses.replace(STATUS, running=(far, asked)))

        assert workers.alive()[0].running == (far, asked)

    def test_gives_each_worker_once_with_its_last_word_by_name(self, workers, clock):
        workers.beat(STATUS)
        workers.beat(dataclasses.replace(STATUS, name="another"))
        clock.advance(seconds=10)
        workers.beat(dataclasses.replace(STATUS, busy=0))

        assert [(one.name, one.busy, one.heartbeat_at) for one in workers.alive()] == [
            ("another", 2, START),
            ("host:1:ab", 0, clock.now()),
        ]

    def test_forgets_a_worker_that_was_silent_for_a_lease(self, workers, clock):
        workers.beat(STATUS)
        clock.advance(seconds=60)

        assert workers.alive() == []

    @pytest.mark.parametrize(("order", "done"), [("quiet", "quiet"), ("stop", "stopping")])
    def test_says_what_a_worker_was_told_until_it_does_it(self, workers, order, done):
        workers.beat(STATUS)
        workers.tell(order)
        told = workers.alive()

        workers.beat(dataclasses.replace(STATUS, state=done))

        assert [one.told for one in told] == [order]
        assert [(one.state, one.told) for one in workers.alive()] == [(done, None)]

    def test_tells_nothing_that_a_namesake_was_told_before(self, workers, clock):
        workers.beat(STATUS)
        workers.tell("stop")
        workers.beat(dataclasses.replace(STATUS, started_at=clock.now() + MINUTE))

        assert [one.told for one in workers.alive()] == [None]

    def test_forgets_a_worker_that_was_removed(self, workers):
        workers.beat(STATUS)

        workers.remove(STATUS.name)

        assert workers.alive() == []

    def test_reads_what_another_version_wrote(self, workers, clock):
        workers.beat(STATUS)
        workers.collection.update_one({}, {"$unset": {"busy": "", "version": ""}, "$set": {"new": 1}})

        [worker] = workers.alive()

        assert (worker.busy, worker.version) == (0, "")
