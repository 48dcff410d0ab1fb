"""A job that has not started in time is no longer of use: it is cancelled without running."""

from datetime import timedelta

import pytest

import mongojobs
from mongojobs import OptionError, job
from mongojobs.core.notices import JobDiscarded, JobStarted
from mongojobs.testing import drain, mode, travel
from tests.support.clock import START
from tests.support.schedules import code, heard, tick
from tests.support.working import work_off

ran: list[str] = []


@job(max_attempts=3, backoff=0)
def note(word: str = "x", *, fails: bool = False) -> None:
    ran.append(word)
    if fails:
        raise ValueError(word)


@pytest.fixture(autouse=True)
def nothing_ran():
    ran.clear()


@pytest.fixture
def app(configure, indexes):
    app = configure()
    with code():
        yield app


class TestAJobThatHasNotBegunInTime:
    def test_ends_as_cancelled_without_running(self, app, clock):
        late = note.options(expires_in="10m").delay()
        clock.advance(minutes=10)

        work_off()

        found = app.get(late.id)
        assert (ran, found.state) == ([], "cancelled")
        assert found.last_error == "expired: it had not begun by 2030-01-01T12:10:00.000Z"

    def test_is_told_as_discarded_and_not_as_started(self, app, clock):
        note.options(expires_in="10m").delay()
        started, discarded = heard(app, JobStarted), heard(app, JobDiscarded)
        clock.advance(minutes=10)

        work_off()

        assert (len(started), len(discarded)) == (0, 1)

    def test_is_counted_in_the_statistics(self, app, clock):
        note.options(expires_in="10m").delay()
        clock.advance(minutes=10, seconds=30)

        work_off()

        assert app.stats().total().outcomes["discarded"] == 1

    def test_runs_after_a_retry_by_a_person(self, app, clock):
        late = note.options(expires_in="10m").delay()
        clock.advance(minutes=10)
        work_off()
        app.retry(late.id)

        work_off()

        assert ran == ["x"]

    def test_holds_no_unique_key_any_more(self, app, clock):
        first = note.options(expires_in="10m", unique_key="k").delay()
        clock.advance(minutes=10)
        second = note.options(unique_key="k").delay("y")

        work_off()

        assert (second.duplicate, app.get(first.id).state, ran) == (False, "cancelled", ["y"])

    def test_expires_in_fake_mode_too(self):
        with mode("fake") as jobs:
            late = note.options(expires_in=60).delay()
            travel(61)
            drain()

            assert (ran, jobs.get(late.id).state) == ([], "cancelled")


class TestAJobThatBeginsInTime:
    def test_runs(self, app, clock):
        note.options(expires_in="10m").delay()
        clock.advance(minutes=9, seconds=59)

        assert work_off() == (1, 0)

    def test_does_not_expire_between_its_attempts(self, app, clock):
        tried = note.options(expires_in="10m").delay(fails=True)
        work_off(1)
        clock.advance(minutes=20)

        work_off()

        assert (len(ran), app.get(tried.id).state) == (3, "failed")


class TestASchedule:
    def test_lets_a_job_expire_when_the_next_tick_is_due(self, app, clock):
        app.schedule("report", note, every="15m", expires="interval")
        clock.advance(minutes=15)
        tick(app)

        [made] = app.find().jobs

        assert made.expires_at == START + timedelta(minutes=30)

    def test_can_give_a_time(self, app, clock):
        app.schedule("report", note, every="15m", expires_in="1m")
        clock.advance(minutes=15)
        tick(app)

        [made] = app.find().jobs

        assert made.expires_at == START + timedelta(minutes=16)

    def test_can_say_nothing_else(self, app):
        with pytest.raises(
            mongojobs.ScheduleError, match='expires must be "interval"; for a duration, give expires_in'
        ):
            app.schedule("report", note, every="15m", expires="1m")


def test_a_job_that_expires_before_it_is_due_is_refused(app):
    with pytest.raises(OptionError, match=r"before it is due .*: let it expire later, or be due earlier"):
        note.options(run_in="2m", expires_in="1m").delay()
