"""The same test of the tests for what happens once: ticks of schedules, and unique jobs."""

from contextlib import suppress

import pytest

from mongojobs.schedules.store import ScheduleStore
from mongojobs.schedules.ticks import TickEnqueuer
from mongojobs.store import indexes
from mongojobs.store.filters import QueueSelector
from tests.support.clock import HeldClock
from tests.support.sample_jobs import recorder, remember_one
from tests.support.schedules import app_without_schedules, tick
from tests.support.unique_crowd import at_once, enqueue_often, wrong
from tests.support.unique_jobs import sync
from tests.support.working import work_off

pytestmark = pytest.mark.faults


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
def ticking(connection, clock):
    """An app of one schedule, whose next tick is due."""
    recorder.clear()
    with app_without_schedules(clock) as app:
        app.schedule("report", remember_one, every="15m", args=("a tick",))
        clock.advance(minutes=15)
        yield app


def tick_and_die(app, owner, name):
    """Let a worker tick that is killed when it is about to call a method."""

    def die(*_arguments, **_options):
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, suppress(SystemExit):
        patch.setattr(owner, name, die)
        tick(app)


def runs_of_a_tick_though_workers_die(app):
    """Return how often the job of a tick ran whose workers died before the insert, and between that and the advance."""
    tick_and_die(app, TickEnqueuer, "enqueue")
    tick_and_die(app, ScheduleStore, "advance")
    work_off()
    tick(app)
    work_off()
    return len(recorder.deeds)


class TestATickThatIsMovedOnFirst:
    def test_is_found_to_be_lost(self, ticking, plant):
        plant("advance before insert")

        assert runs_of_a_tick_though_workers_die(ticking) == 0

    def test_would_not_be_found_without_the_fault(self, ticking):
        assert runs_of_a_tick_though_workers_die(ticking) == 1


class TestATickThatIsDeletedWhenDone:
    def test_is_found_to_run_again(self, ticking, plant):
        plant("delete when done")

        assert runs_of_a_tick_though_workers_die(ticking) == 2


class TestUniqueJobsWithoutAnIndex:
    def test_are_found_to_have_twins(self, app, plant):
        app.store.collection.drop_index(indexes.UNIQUE)
        plant("duplicates without index")

        assert sum(at_once(8, enqueue_often(5, 10))) == 40

    def test_would_not_be_found_without_the_fault(self, app):
        assert sum(at_once(8, enqueue_often(20, 10))) == 10


class TestAReserveThatDoesNotUnset:
    @pytest.fixture
    def running(self, app):
        """A job that held its key until it started."""
        sync.options(unique_until="start").delay(1)
        return lambda: app.store.reserve(QueueSelector(), token="t", by="w", lease=app.settings.lease)

    def test_is_found_by_the_key_that_is_left_behind(self, app, running, plant):
        plant("reserve that does not unset")
        running()

        assert [state for state, *_ in wrong(app)] == ["running"]

    def test_would_not_be_found_without_the_fault(self, app, running):
        running()

        assert wrong(app) == []
