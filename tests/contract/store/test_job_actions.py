"""What people do with jobs: look, cancel, retry, delete, clear."""

import re
from datetime import timedelta

import pytest
from bson import ObjectId

from mongojobs.core.actions import CANCEL, DELETE, MOVE, RETRY, RUN_NOW
from mongojobs.core.errors import StateError
from mongojobs.core.job import ErrorText
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.transitions import GivenUp
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, actions, reader, reserve, reserved, stored

ERROR = ErrorText(error="boom")


def a_failed_job(**changes):
    return a_job(**{"state": "failed", "failed_at": START, "finished_at": START} | changes)


class TestGet:
    def test_of_an_unknown_id_is_none(self, store):
        assert store.get(ObjectId()) is None

    def test_takes_no_id_for_an_operator(self, store):
        store.insert(a_job())

        assert store.get({"$ne": None}) is None


class TestFind:
    @pytest.fixture
    def store(self, database_store):
        return database_store

    def test_gives_the_jobs_of_a_state_the_newest_first(self, store):
        jobs = [a_failed_job(finished_at=START + timedelta(seconds=n)) for n in (2, 3, 1)]
        store.insert_many([*jobs, a_job()])

        assert reader(store).find(state="failed") == [jobs[1], jobs[0], jobs[2]]

    def test_gives_ready_jobs_by_when_they_are_due_the_latest_first(self, store):
        jobs = [a_job(run_at=START + timedelta(seconds=n)) for n in (2, 3, 1)]
        store.insert_many(jobs)

        assert reader(store).find(state="ready") == [jobs[1], jobs[0], jobs[2]]

    def test_gives_jobs_of_all_states_by_when_they_were_made(self, store):
        jobs = [a_job(), a_failed_job(), a_job()]
        store.insert_many(jobs)

        assert reader(store).find() == jobs[::-1]


class TestCancel:
    def test_of_a_ready_job_keeps_it_as_cancelled(self, store):
        job = a_job()
        store.insert(job)

        cancelled = actions(store).act(CANCEL, job.id)

        assert (cancelled.state, cancelled.finished_at) == ("cancelled", START)
        assert reserve(store) == []

    def test_of_a_running_job_is_refused_with_the_state_and_what_to_do(self, store):
        held = reserved(store, a_job())

        with pytest.raises(StateError, match=f"cannot cancel the job {held.id}, it is running: .*`--running`"):
            actions(store).act(CANCEL, held.id)

    def test_of_no_job_is_refused(self, store):
        with pytest.raises(StateError, match="no job 42"):
            actions(store).act(CANCEL, 42)


def a_stored_failure(store):
    job = a_job(state="failed", attempts=3, failed_at=START, finished_at=START)
    store.insert(job)
    return job


class TestRetry:
    def test_keeps_who_wanted_it_and_when(self, store, clock):
        job = a_stored_failure(store)
        clock.advance(minutes=5)

        retried = actions(store).act(RETRY, job.id, by="olga")

        assert retried.retries == ({"at": clock.now(), "by": "olga"},)

    @pytest.mark.parametrize("kept", [None, "x", 7, {"a": 1}, [{"at": START, "by": "$victor"}]])
    def test_keeps_it_whatever_was_kept_before(self, server_store, kept):
        jobs = [a_stored_failure(server_store) for _ in range(2)]
        server_store.collection.update_one({"_id": jobs[0].id}, {"$set": {"retries": kept}})

        assert actions(server_store).act_on_all(RETRY, JobFilter(), by="$olga") == 2

        found = [server_store.get(job.id).retries for job in jobs]
        assert [retries[-1]["by"] for retries in found] == ["$olga", "$olga"]

    def test_keeps_the_last_ten(self, store):
        job = a_stored_failure(store)
        for number in range(12):
            actions(store).act(RETRY, job.id, by=str(number))
            actions(store).act(CANCEL, job.id)

        assert [retry["by"] for retry in store.get(job.id).retries] == [str(n) for n in range(2, 12)]

    def test_of_a_failed_job_gives_it_all_its_attempts_again(self, store, clock):
        held = reserved(store, a_job(attempts=24, losses=1, releases=1, snoozes=1))
        store.end(held, GivenUp(ERROR, "no more attempts"))
        clock.advance(minutes=5)

        job = actions(store).act(RETRY, held.id)

        assert (job.state, job.run_at) == ("ready", clock.now())
        assert (job.attempts, job.losses, job.releases, job.snoozes) == (0, 0, 0, 0)
        assert (job.fence, job.last_error, len(job.errors)) == (1, "boom", 1)
        assert not {"failed_at", "finished_at", "expire_at"} & stored(store, job).keys()

    def test_of_a_cancelled_job_makes_it_ready(self, store):
        job = a_job()
        store.insert(job)
        actions(store).act(CANCEL, job.id)

        assert actions(store).act(RETRY, job.id) == job

    @pytest.mark.parametrize(
        ("state", "remedy"),
        [("ready", "once it is due"), ("running", "wait until it ends"), ("completed", "enqueue it again")],
    )
    def test_of_another_job_is_refused_with_the_state_and_what_to_do(self, store, state, remedy):
        job = a_job(state=state)
        store.insert(job)

        with pytest.raises(StateError, match=f"it is {state}: .*{remedy}"):
            actions(store).act(RETRY, job.id)


class TestRunNow:
    def test_makes_a_scheduled_job_due(self, store):
        job = a_job(run_at=START + MINUTE)
        store.insert(job)

        assert actions(store).act(RUN_NOW, job.id).run_at == START

    def test_leaves_a_due_job_where_it_stands(self, store):
        job = a_job(run_at=START - MINUTE)
        store.insert(job)

        assert actions(store).act(RUN_NOW, job.id) == job

    def test_of_a_failed_job_is_refused(self, store):
        store.insert(job := a_failed_job())

        with pytest.raises(StateError, match="it is failed: retry it"):
            actions(store).act(RUN_NOW, job.id)


class TestMove:
    def test_gives_a_ready_job_another_queue_and_priority(self, store):
        store.insert(job := a_job())

        moved = actions(store).act(MOVE, job.id, queue="mail", priority=3)

        assert (moved.queue, moved.priority) == ("mail", 3)
        assert actions(store).act(MOVE, job.id, priority=-1).queue == "mail"

    def test_of_a_running_job_is_refused(self, store):
        held = reserved(store, a_job())

        with pytest.raises(StateError, match=r"cannot move the job .*, it is running"):
            actions(store).act(MOVE, held.id, priority=1)


class TestDelete:
    @pytest.mark.parametrize("state", ["ready", "failed", "completed", "cancelled"])
    def test_removes_the_job_and_gives_it_back(self, store, state):
        job = a_job(state=state)
        store.insert(job)

        assert actions(store).act(DELETE, job.id) == job
        assert store.get(job.id) is None

    def test_of_a_running_job_is_refused(self, store):
        held = reserved(store, a_job())

        with pytest.raises(StateError, match=re.escape("it is running: wait until it ends")):
            actions(store).act(DELETE, held.id)

    def test_of_no_job_is_refused(self, store):
        with pytest.raises(StateError, match="no job gone"):
            actions(store).act(DELETE, "gone")


class TestClear:
    @pytest.fixture
    def store(self, database_store):
        return database_store

    @pytest.fixture
    def filled(self, store):
        store.insert_many(
            [
                a_job(),
                a_job(queue="mail"),
                a_job(run_at=START + MINUTE),
                a_failed_job(),
                a_failed_job(queue="mail", finished_at=START - 9 * MINUTE),
                a_job(state="running"),
                a_job(state="completed", finished_at=START),
            ]
        )
        return store

    @pytest.mark.parametrize(
        ("which", "number"),
        [
            ({}, 6),
            ({"queue": "mail"}, 2),
            ({"state": "failed"}, 2),
            ({"state": "running"}, 0),
            ({"queue": "mail", "state": "failed"}, 1),
            ({"state": "failed", "older_than": START - MINUTE}, 1),
            ({"state": "ready", "older_than": START + timedelta(seconds=1)}, 2),
            ({"queue": "$ne"}, 0),
        ],
    )
    def test_deletes_what_was_counted_and_never_a_running_job(self, filled, which, number):
        counted = actions(filled).count_clear(**which)

        deleted = actions(filled).clear(**which)

        assert (counted, deleted, filled.collection.count_documents({})) == (number, number, 7 - number)
        assert filled.collection.count_documents({"state": "running"}) == 1

    def test_deletes_more_than_one_batch(self, server_store, monkeypatch):
        monkeypatch.setattr("mongojobs.store.actions.sweep.SWEPT_AT_ONCE", 2)
        server_store.insert_many([a_job() for _ in range(5)])

        assert actions(server_store).clear() == 5

    def test_deletes_damaged_jobs_too(self, server_store):
        server_store.insert(a_job())
        server_store.collection.update_one({}, {"$unset": {"run_at": ""}})

        assert (actions(server_store).count_clear(), actions(server_store).clear()) == (1, 1)
