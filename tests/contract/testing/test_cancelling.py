"""Cancelling jobs in tests, with a queue in memory and with a real one."""

import asyncio
from dataclasses import dataclass

import pytest

import mongojobs
from mongojobs import Cancelled, Job, StateError, current_job, every, job
from mongojobs.core.errors import ConfigurationError
from mongojobs.testing import cancel, drain, enqueued_jobs, mode, travel
from mongojobs.testing.modes import tick
from tests.support.sample_jobs import remember_one
from tests.support.schedules import code

deeds: list[object] = []


@pytest.fixture(params=["fake", "real"])
def jobs(request, connection):
    deeds.clear()
    mongojobs.configure().create_indexes()
    with mode(request.param) as jobs:
        yield jobs
    mongojobs.configure()


class TestTheApp:
    """What its own code asks of it: the app under test knows no mode."""

    def test_cancels_a_job_that_waits(self, jobs):
        app, made = mongojobs.default_app(), remember_one.delay(1)

        cancelled = app.cancel(made.id, by="ann", why="wrong file")

        assert (cancelled.state, app.get(made.id).cancellation["why"]) == ("cancelled", "wrong file")
        assert enqueued_jobs() == []

    def test_makes_the_other_changes_of_one_job_too(self, jobs):
        app, made = mongojobs.default_app(), remember_one.options(run_in=60).delay(1)

        app.cancel(made.id)
        app.retry(made.id)
        app.run_now(made.id)
        assert app.move(made.id, queue="mail").queue == "mail"
        app.delete(made.id)

        assert app.get(made.id) is None

    def test_drops_a_twin_where_it_is_told_to(self, jobs):
        app, unique = mongojobs.default_app(), remember_one.options(unique_key="k")
        first = unique.delay(1)
        app.cancel(first.id)
        second = unique.delay(2)

        with pytest.raises(StateError, match="holds its unique key"):
            app.retry(first.id)

        assert app.retry(first.id, merge=True).id == second.id
        assert (app.get(first.id), app.get(second.id).merged) == (None, 1)


def is_cancelled_now(why="wrong file"):
    """Cancel the job that calls this, as somebody else would at this moment."""
    cancel(current_job(), by="ann", why=why)


@job
@dataclass
class Import:
    def perform(self) -> None:
        try:
            is_cancelled_now()
            deeds.append("went on")
        except Cancelled:
            deeds.append("was told")
            raise
        finally:
            deeds.append("cleaned up")

    def cancelled(self, job: Job) -> None:
        assert job.cancellation is not None
        deeds.append(job.cancellation["why"])


@job
async def import_later():
    try:
        is_cancelled_now()
        await asyncio.sleep(60)
        deeds.append("went on")
    finally:
        deeds.append("cleaned up")


@job
def note():
    deeds.append("ran")


@job
def fails_once_cancelled():
    try:
        is_cancelled_now()
    except Cancelled:
        raise ValueError("no luck") from None


class TestARunningJob:
    def test_is_interrupted_with_its_hook_and_ends(self, jobs):
        job = mongojobs.enqueue(Import())

        assert drain() == (0, 0)

        ended = jobs.get(job.id)
        assert deeds == ["was told", "cleaned up", "wrong file"]
        assert (ended.state, ended.attempts, ended.cancellation["by"]) == ("cancelled", 0, "ann")

    def test_is_cancelled_where_it_awaits(self, jobs):
        job = import_later.delay()

        drain()

        assert deeds == ["cleaned up"]
        assert jobs.get(job.id).state == "cancelled"

    def test_is_not_run_again_whatever_it_raises(self, jobs):
        job = fails_once_cancelled.delay()

        drain()

        assert (jobs.get(job.id).state, enqueued_jobs()) == ("cancelled", [])

    def test_leaves_the_next_one_alone(self, jobs):
        mongojobs.enqueue(Import())
        note.delay()

        assert drain() == (1, 0)

        assert deeds[-1] == "ran"


@job
def is_cancelled_by_the_app():
    try:
        mongojobs.default_app().cancel(current_job().id, running=True)
        deeds.append("went on")
    finally:
        deeds.append("cleaned up")


def test_the_app_cancels_a_running_job_in_memory_too():
    deeds.clear()
    with mode("fake") as jobs:
        job = is_cancelled_by_the_app.delay()
        drain()

        assert (deeds, jobs.get(job.id).state) == (["cleaned up"], "cancelled")


class TestAWaitingJob:
    def test_is_cancelled_at_once(self, jobs):
        job = note.delay()

        gone = cancel(job, by="ann", why="wrong file")

        assert (gone.state, gone.cancellation["why"], enqueued_jobs()) == ("cancelled", "wrong file", [])

    def test_that_has_ended_is_refused(self, jobs):
        job = note.delay()
        cancel(job)

        with pytest.raises(StateError, match="it is cancelled"):
            cancel(job)

    def test_of_a_schedule_makes_room_for_the_next_tick(self, jobs):
        with code((note, every("1h", name="hourly", overlap="cancel"))):
            travel(3600)
            tick()
            travel(3600)
            tick()

        assert len(enqueued_jobs()) == 1


def test_in_inline_mode_nothing_waits_that_could_be_cancelled(jobs):
    with mode("inline"), pytest.raises(ConfigurationError, match="cancel\\(\\) needs mode"):
        cancel(Job(id=1, name="n", queue="q", priority=0, run_at=jobs.clock.now(), handler={}))
