"""The same test of the tests for what a job does with itself, and what others ask of it while it runs."""

from datetime import timedelta

import pytest

import mongojobs
from mongojobs.core.transitions import SUCCEEDED
from mongojobs.store.filters import QueueSelector
from mongojobs.store.stream import CancelStream
from tests.support.cancelled_jobs import goes_on
from tests.support.clock import HeldClock
from tests.support.sample_jobs import gate, recorder, remember_one
from tests.support.schedules import app_without_schedules, tick
from tests.support.stores import reserve
from tests.support.waiting import LONG, eventually
from tests.support.worker_parts import held_of
from tests.support.working import working

pytestmark = pytest.mark.faults


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
def app(connection, clock):
    with app_without_schedules(clock) as app:
        yield app


def worker_is_lost(app, clock):
    clock.advance(minutes=2)
    app.store.rescue(by="another")


def order(app, jobs, *, dies):
    """Let each of *jobs* write an order in a transaction of its own; its worker *dies* before it is committed."""
    for job in jobs:
        with app.store.ending.open() as session:
            app.store.collection.database["orders"].insert_one({"job": job.id}, session=session)
            assert app.store.ending.end(job, SUCCEEDED, session)
            assert dies or app.store.ending.commit(job, session, may_go_on=lambda: False)


def orders_though_a_worker_dies(app, clock):
    """Return how many orders there are of one job, whose first worker died."""
    remember_one.delay("an order")
    order(app, reserve(app.store), dies=True)
    worker_is_lost(app, clock)
    order(app, reserve(app.store), dies=False)
    return app.store.collection.database["orders"].count_documents({})


class TestAnEndOutsideTheTransaction:
    def test_is_found_by_an_order_that_is_lost(self, app, clock, plant):
        plant("end outside the transaction")

        assert orders_though_a_worker_dies(app, clock) == 0

    def test_would_not_be_found_without_the_fault(self, app, clock):
        assert orders_though_a_worker_dies(app, clock) == 1


def rows_done_once_a_former_owner_has_told(app, clock):
    """Return how many rows are done, as stored, after the former owner told of one and the new one of three."""
    job = remember_one.delay("rows")
    former = through_rows(app, clock, 1)
    worker_is_lost(app, clock)
    app.store.tell([through_rows(app, clock, 3)])
    app.store.tell([former])
    return app.get(job.id).cursors[0]["count"]


def through_rows(app, clock, count):
    """Reserve the job, go through so many of its rows, and return it."""
    [job] = reserve(app.store)
    rows = iter(held_of(job, clock=clock).job.each(range(10)))
    assert [next(rows) for _ in range(count + 1)][-1] == count  # a row is done once the next is asked for
    return job


class TestTellingWithoutTheToken:
    def test_is_found_by_a_cursor_that_goes_back(self, app, clock, plant):
        plant("telling without the token")

        assert rows_done_once_a_former_owner_has_told(app, clock) == 1

    def test_would_not_be_found_without_the_fault(self, app, clock):
        assert rows_done_once_a_former_owner_has_told(app, clock) == 3


def runs_once_cancelled(app):
    """Return which jobs run of one that is handed back when somebody has just cancelled it."""
    job = remember_one.delay("cancelled")
    held = reserve(app.store)
    app.cancel(job.id, running=True)
    app.store.release(held, started=True)
    return reserve(app.store)


class TestAJobHandedBackThoughCancelled:
    def test_is_found_to_run_again(self, app, plant):
        plant("handed back though cancelled")

        assert len(runs_once_cancelled(app)) == 1

    def test_would_not_be_found_without_the_fault(self, app):
        assert runs_once_cancelled(app) == []


class TestAStreamThatIsDeafToCancelling:
    @pytest.fixture
    def app(self, connection):
        """An app whose workers hear of cancelling by the stream alone."""
        recorder.clear()
        gate.clear()
        app = mongojobs.configure(lease=4 * LONG, heartbeat=LONG, sleep_delay=LONG)
        app.create_indexes()
        yield app
        mongojobs.configure()

    def test_is_found_by_a_job_that_goes_on(self, app, plant, monkeypatch):
        plant("deaf to cancelling")
        turns, following = [], CancelStream.next
        monkeypatch.setattr(CancelStream, "next", lambda stream: turns.append(stream) or following(stream))
        job = goes_on.delay()

        with working():
            eventually(lambda: turns)
            app.cancel(job.id, running=True)
            eventually(lambda: len(turns) > 1)
            state = app.get(job.id).state
            gate.set()

        assert (state, recorder.deeds) == ("running", ["began", "ended", "cleaned up"])

    def test_would_not_be_found_without_the_fault(self, app):
        job = goes_on.delay()

        with working():
            eventually(lambda: recorder.deeds)
            app.cancel(job.id, running=True)
            eventually(lambda: app.get(job.id).state == "cancelled")


def living_at_the_second_tick(app, clock, overlap):
    """Return the jobs that have not ended after two ticks, and whether they were asked to."""
    app.schedule("report", remember_one, every="15m", args=("a tick",), overlap=overlap)
    for _ in range(2):
        clock.advance(minutes=15)
        tick(app)
        app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(hours=9))
    return [(job.state, job.cancelling) for job in app.find().jobs]


class TestAnOverlapThatSeesNoJob:
    @pytest.mark.parametrize("overlap", ["skip", "queue", "cancel"])
    def test_is_found_by_two_jobs_that_run_at_once(self, app, clock, plant, overlap):
        plant("overlap that sees no job")

        assert living_at_the_second_tick(app, clock, overlap) == [("running", False)] * 2

    @pytest.mark.parametrize(("overlap", "is_asked"), [("skip", False), ("queue", False), ("cancel", True)])
    def test_would_not_be_found_without_the_fault(self, app, clock, overlap, is_asked):
        assert living_at_the_second_tick(app, clock, overlap) == [("running", is_asked)]


class TestAnOverlapThatCancelsNothing:
    def test_is_found_by_a_job_that_nobody_asks_to_end(self, app, clock, plant):
        plant("overlap that cancels nothing")

        assert living_at_the_second_tick(app, clock, "cancel") == [("running", False)]
