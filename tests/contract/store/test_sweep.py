"""Changing many jobs at once: exactly those that match, batch by batch, and none that has begun to run."""

from datetime import timedelta

import pytest

from mongojobs.core.actions import CANCEL, DELETE, MOVE, RETRY, RUN_NOW
from mongojobs.core.errors import FilterError, OptionError
from mongojobs.core.job_filter import JobFilter
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import actions, reader, reserve
from tests.support.verbs import VERBS, given

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(server_store, monkeypatch):
    """A store that goes on in small batches."""
    monkeypatch.setattr("mongojobs.store.actions.sweep.SWEPT_AT_ONCE", 3)
    return server_store


def a_failed_job(**changes):
    return a_job(**{"state": "failed", "failed_at": START, "finished_at": START, "attempts": 9} | changes)


def states(store):
    counted = {}
    for job in reader(store).find(limit=0):
        counted[job.state] = counted.get(job.state, 0) + 1
    return counted


class TestRetryAll:
    def test_makes_all_ready_that_failed_or_were_cancelled(self, store, clock):
        store.insert_many([*(a_failed_job() for _ in range(7)), a_job(state="cancelled", finished_at=START)])
        store.insert_many([a_job(state="completed", finished_at=START), a_job(run_at=START + HOUR)])
        clock.advance(minutes=1)

        assert actions(store).act_on_all(RETRY, JobFilter()) == 8

        assert states(store) == {"ready": 9, "completed": 1}
        job = reader(store).page(JobFilter(state="ready")).jobs[0]
        assert (job.attempts, job.run_at, job.failed_at, job.finished_at) == (0, clock.now(), None, None)

    @pytest.mark.parametrize("chosen", [{"queue": "mail"}, {"name": "a"}, {"error": "boom"}, {"arguments": {"x": 1}}])
    def test_leaves_alone_what_does_not_match(self, store, chosen):
        handler = {"v": 1, "kind": "function", "target": "t", "args": [], "kwargs": {"x": 1}}
        wanted = [a_failed_job(queue="mail", name="a", last_error="Boom", handler=handler) for _ in range(4)]
        store.insert_many([*wanted, *(a_failed_job(queue="other", name="b") for _ in range(5))])

        assert actions(store).act_on_all(RETRY, JobFilter(state="failed", **chosen)) == 4

        assert {job.id for job in reader(store).find(state="ready", limit=0)} == {job.id for job in wanted}

    def test_does_not_retry_what_fails_again_meanwhile(self, store, clock):
        store.insert_many([a_failed_job(finished_at=START - n * SECOND) for n in range(9)])

        def fail_again(_changed, _looked_at):
            clock.advance(seconds=1)
            again = {"state": "failed", "finished_at": clock.now()}
            store.collection.update_many({"state": "ready"}, {"$set": again})

        assert actions(store).act_on_all(RETRY, JobFilter(state="failed"), on_progress=fail_again) == 9


class TestCancelAll:
    def test_cancels_due_and_scheduled_jobs(self, store):
        store.insert_many([*(a_job() for _ in range(4)), *(a_job(run_at=START + HOUR) for _ in range(4))])

        assert actions(store).act_on_all(CANCEL, JobFilter(state="scheduled")) == 4
        assert actions(store).act_on_all(CANCEL, JobFilter()) == 4
        assert states(store) == {"cancelled": 8}

    def test_leaves_a_job_alone_that_has_begun_to_run_meanwhile(self, store):
        store.insert_many([a_job(run_at=START - n * SECOND) for n in range(6)])

        actions(store).act_on_all(CANCEL, JobFilter(), on_progress=lambda _changed, _looked_at: reserve(store, 2))

        assert states(store) == {"cancelled": 4, "running": 2}

    def test_leaves_a_job_alone_that_begins_to_run_just_before_the_write(self, store, spy, administrator):
        store.insert_many([a_job() for _ in range(3)])
        jobs = administrator[store.collection.database.name][store.collection.name]

        def begin(event):
            if event.command_name == "update":
                jobs.update_one({"state": "ready"}, {"$set": {"state": "running"}})

        spy.look = begin

        assert actions(store).act_on_all(CANCEL, JobFilter()) == 2
        assert states(store) == {"cancelled": 2, "running": 1}

    def test_leaves_a_job_alone_that_came_meanwhile(self, store, clock):
        store.insert_many([a_job(run_at=START + HOUR) for _ in range(4)])

        def enqueue(_changed, _looked_at):
            clock.advance(seconds=1)
            store.insert(a_job(run_at=START + 2 * HOUR, created_at=clock.now()))

        assert actions(store).act_on_all(CANCEL, JobFilter(state="scheduled"), on_progress=enqueue) == 4


class TestDeleteAll:
    def test_deletes_all_but_running_jobs(self, store):
        ended = [a_job(state=state, finished_at=START) for state in ("failed", "cancelled", "completed")]
        store.insert_many([a_job(priority=-1), a_job(), a_job(run_at=START + HOUR), *ended])
        reserve(store)

        assert actions(store).act_on_all(DELETE, JobFilter()) == 5
        assert states(store) == {"running": 1}


class TestRunAllNow:
    def test_makes_scheduled_jobs_due(self, store):
        store.insert_many([*(a_job(run_at=START + n * HOUR) for n in range(1, 8)), a_job(run_at=START - HOUR)])

        assert actions(store).act_on_all(RUN_NOW, JobFilter()) == 7
        assert {job.run_at for job in reader(store).find(limit=0)} == {START, START - HOUR}


class TestMoveAll:
    def test_gives_ready_jobs_another_queue_and_priority(self, store):
        store.insert_many([*(a_job(queue="slow") for _ in range(7)), a_job(queue="other")])

        assert actions(store).act_on_all(MOVE, JobFilter(queue="slow"), queue="fast", priority=-5) == 7
        assert sorted({(job.queue, job.priority) for job in reader(store).find()}) == [("fast", -5), ("other", 0)]

    @pytest.mark.parametrize(
        "to", [{}, {"queue": "$x"}, {"queue": {"$ne": 1}}, {"priority": 2**31}, {"priority": True}]
    )
    def test_takes_nothing_that_is_neither(self, store, to):
        with pytest.raises(OptionError, match=r"must|another queue or priority"):
            actions(store).act_on_all(MOVE, JobFilter(), **to)


class TestASweep:
    @pytest.mark.parametrize(("action", "state"), [*((action, "running") for action in VERBS), (RETRY, "ready")])
    def test_refuses_a_state_that_it_does_not_start_from(self, store, action, state):
        with pytest.raises(FilterError, match=f"but not {state} ones"):
            actions(store).act_on_all(action, JobFilter(state=state), **given(action))

    def test_says_how_far_it_is(self, store):
        store.insert_many([a_failed_job(queue=("a", "b")[n % 2], finished_at=START - n * SECOND) for n in range(8)])
        told = []

        actions(store).act_on_all(
            RETRY, JobFilter(state="failed", error="no such thing"), on_progress=lambda *far: told.append(far)
        )
        actions(store).act_on_all(RETRY, JobFilter(state="failed"), on_progress=lambda *far: told.append(far))

        assert told == [(0, 3), (0, 6), (0, 8), (3, 3), (6, 6), (8, 8)]

    def test_can_be_broken_off_between_two_batches(self, store):
        store.insert_many([a_failed_job() for _ in range(9)])

        def interrupt(changed, _looked_at):
            if changed == 6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            actions(store).act_on_all(RETRY, JobFilter(), on_progress=interrupt)
        assert states(store) == {"ready": 6, "failed": 3}

    def test_finds_each_job_of_ids_of_several_types(self, store):
        store.insert_many([a_failed_job(id=job_id, id_given=True) for job_id in ("a", "b", "$c", 1, 2, 3, 4)])
        store.insert_many([a_failed_job() for _ in range(5)])

        assert actions(store).act_on_all(DELETE, JobFilter(state="failed")) == 12
