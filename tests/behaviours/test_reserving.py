"""Which jobs a worker takes, in which order, and from whom."""

import random
import time
from datetime import timedelta

import pytest

from tests.support.clock import START
from tests.support.sample_jobs import fails_once_and_for_all, remember_one
from tests.support.stores import reserve
from tests.support.working import work_off, working


@pytest.fixture
def new_york(monkeypatch):
    """The process lives in New York."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestAWorker:
    @pytest.mark.behaviour("S36")
    def test_takes_a_job_that_nobody_holds(self, app, recorder):
        remember_one.delay("free")

        assert work_off() == (1, 0)

        assert recorder.facts("remembered") == ["free"]

    @pytest.mark.behaviour("S31")
    def test_takes_no_failed_job(self, app, recorder):
        fails_once_and_for_all.delay()
        work_off()

        assert work_off() == (0, 0)

        assert recorder.deeds == ["tried"]

    @pytest.mark.behaviour("S32")
    def test_takes_no_job_that_is_not_due(self, app):
        remember_one.options(run_in=0.001).delay("future")

        assert work_off() == (0, 0)

    @pytest.mark.behaviour("S33")
    def test_takes_a_job_that_was_due_before(self, app):
        remember_one.options(run_at=START - timedelta(days=1)).delay("past")

        assert work_off() == (1, 0)

    def test_takes_a_scheduled_job_once_it_is_due(self, app, clock):
        remember_one.options(run_in=60).delay("scheduled")
        clock.advance(seconds=60)

        assert work_off() == (1, 0)

    @pytest.mark.behaviour("S34")
    def test_takes_a_job_that_was_due_before_in_another_zone_too(self, new_york, configure):
        app = configure(clock=None)
        now = app.store.clock.now()
        remember_one.options(run_at=now - timedelta(seconds=1)).delay("past")
        remember_one.options(run_at=now + timedelta(hours=1)).delay("future")

        assert work_off() == (1, 0)

    @pytest.mark.behaviour("S35")
    def test_takes_no_job_that_another_one_holds(self, app):
        remember_one.delay("held")
        reserve(app.store, by="another")

        assert work_off() == (0, 0)

    @pytest.mark.behaviour("S38")
    def test_takes_no_job_that_another_one_of_its_own_name_holds(self, app):
        remember_one.delay("held")
        reserve(app.store, by="twin")

        assert work_off(name="twin") == (0, 0)

    @pytest.mark.behaviour("S37")
    @pytest.mark.parametrize("holder", ["another", "twin"])
    def test_takes_a_job_whose_lock_has_expired_whoever_held_it(self, app, clock, recorder, holder):
        remember_one.delay("lost")
        reserve(app.store, by=holder)
        clock.advance(minutes=1, seconds=1)

        assert work_off(name="twin") == (1, 0)

        assert recorder.facts("remembered") == ["lost"]

    @pytest.mark.behaviour("X3")
    def test_takes_a_job_that_it_lost_before_only_when_it_is_due(self, app, clock):
        job = remember_one.delay("lost twice")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"losses": 1}})
        reserve(app.store, by="twin")
        clock.advance(minutes=1, seconds=1)

        assert work_off(name="twin") == (0, 0)
        clock.advance(seconds=6)
        assert work_off(name="twin") == (1, 0)


class TestALock:
    @pytest.mark.behaviour("S48")
    def test_is_not_touched_by_a_worker_of_the_same_name_that_stops(self, app):
        job = remember_one.delay("held")
        [held] = reserve(app.store, by="twin")
        with working(name="twin"):
            pass

        stored = app.get(job.id)

        assert (stored.state, stored.lock_token) == ("running", held.lock_token)

    @pytest.mark.behaviour("S49")
    def test_is_cleared_by_a_worker_of_any_name_once_it_has_run_out(self, app, clock):
        job = remember_one.delay("lost")
        reserve(app.store, by="another")
        clock.advance(minutes=1, seconds=1)

        work_off(name="neither", queues="no such queue")

        stored = app.get(job.id)
        assert (stored.state, stored.locked_by, stored.lock_token) == ("ready", None, None)

    @pytest.mark.behaviour("S50")
    def test_that_is_released_leaves_no_trace(self, app):
        job = remember_one.delay("held")
        held = reserve(app.store)

        app.store.release(held, started=True)

        stored = app.get(job.id)
        assert (stored.locked_at, stored.locked_by, stored.locked_until, stored.lock_token) == (None,) * 4

    @pytest.mark.behaviour("X4")
    def test_changes_nothing_of_the_job_but_its_lock(self, app):
        job = remember_one.delay("held")
        before = app.store.collection.find_one({"_id": job.id})

        reserve(app.store, by="w1")

        after = app.store.collection.find_one({"_id": job.id})
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert changed == {"state", "locked_at", "locked_by", "locked_until", "lock_token", "fence"}

    @pytest.mark.behaviour("X4")
    def test_that_runs_out_counts_as_a_loss_and_not_as_an_attempt(self, app, clock):
        job = remember_one.delay("lost")
        reserve(app.store)
        clock.advance(minutes=1, seconds=1)

        work_off(queues="no such queue")

        stored = app.get(job.id)
        assert (stored.losses, stored.attempts) == (1, 0)

    def test_that_runs_out_five_times_fails_the_job(self, app, clock):
        job = remember_one.delay("a killer")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"losses": 4}})
        reserve(app.store)
        clock.advance(minutes=1, seconds=1)

        assert work_off() == (0, 0)

        stored = app.get(job.id)
        assert (stored.state, stored.losses) == ("failed", 5)
        assert "5 workers were lost while they held this job" in stored.last_error


class TestOrder:
    @pytest.mark.behaviour("S43")
    def test_is_that_of_the_priorities(self, app, recorder):
        priorities = random.Random(7).sample(range(-100, 100), 10)

        [remember_one.options(priority=priority).delay(priority) for priority in priorities]
        work_off()

        assert recorder.facts("remembered") == sorted(priorities)

    @pytest.mark.behaviour("X29")
    def test_is_that_of_the_enqueues_within_a_priority(self, app, recorder):
        [remember_one.delay(number) for number in range(10)]

        work_off()

        assert recorder.facts("remembered") == list(range(10))

    def test_is_that_of_the_times_within_a_priority(self, app, recorder):
        remember_one.options(run_at=START).delay("later")
        remember_one.options(run_at=START - timedelta(seconds=1)).delay("earlier")

        work_off()

        assert recorder.facts("remembered") == ["earlier", "later"]

    @pytest.mark.behaviour("X2")
    def test_is_that_of_the_priorities_also_with_jobs_of_lost_workers(self, app, clock, recorder):
        remember_one.options(priority=5).delay("lost, and not urgent")
        reserve(app.store, by="zzz")
        clock.advance(minutes=1, seconds=1)
        remember_one.options(priority=1).delay("urgent")

        work_off()

        assert recorder.facts("remembered") == ["urgent", "lost, and not urgent"]

    def test_is_kept_by_a_worker_that_goes_on(self, app, recorder):
        [remember_one.options(priority=-number).delay(number) for number in range(50)]

        with working(exit_on_complete=True, read_ahead=0) as shift:
            shift.join(30)

        assert recorder.facts("remembered") == list(range(49, -1, -1))


class TestPriorityLimits:
    @pytest.mark.behaviour("S44")
    def test_the_lowest_is_included(self, app, recorder):
        [remember_one.options(priority=priority).delay(priority) for priority in (4, 5, 6)]

        assert work_off(min_priority=5) == (2, 0)

        assert recorder.facts("remembered") == [5, 6]

    @pytest.mark.behaviour("S45")
    def test_the_highest_is_included(self, app, recorder):
        [remember_one.options(priority=priority).delay(priority) for priority in (4, 5, 6)]

        assert work_off(max_priority=5) == (2, 0)

        assert recorder.facts("remembered") == [4, 5]


class TestQueues:
    @pytest.fixture(autouse=True)
    def _jobs(self, app):
        remember_one.options(queue="one").delay("one")
        remember_one.options(queue="two").delay("two")
        remember_one.options(queue="three").delay("three")
        remember_one.delay("of no queue")

    @pytest.mark.behaviour("S52")
    def test_of_a_worker_may_be_one(self, recorder):
        assert work_off(queues="one") == (1, 0)

        assert recorder.facts("remembered") == ["one"]

    @pytest.mark.behaviour("S53")
    def test_of_a_worker_may_be_two(self, recorder):
        assert work_off(queues=["one", "two"]) == (2, 0)

        assert recorder.facts("remembered") == ["one", "two"]

    @pytest.mark.behaviour("S54")
    def test_of_a_worker_are_all_if_it_names_none(self, recorder):
        assert work_off() == (4, 0)

        assert recorder.facts("remembered") == ["one", "two", "three", "of no queue"]

    def test_of_a_worker_may_have_no_jobs(self, recorder):
        assert work_off(queues="four") == (0, 0)


@pytest.mark.behaviour("X28")
class TestThePlanOfAReserve:
    @pytest.fixture
    def database(self, app, connection):
        """A database that writes down how it finds what it is asked for."""
        app.create_indexes()
        [remember_one.options(priority=number % 3, queue="mail").delay(number) for number in range(30)]
        fails_once_and_for_all.delay()
        work_off(queues="default")
        database = connection.get_default_database()
        database.command("profile", 2)
        yield database
        database.command("profile", 0)

    @pytest.mark.parametrize("settings", [{}, {"queues": "mail"}, {"queues": "mail,bulk"}, {"min_priority": 0}])
    def test_examines_one_document_and_sorts_nothing(self, database, settings):
        work_off(5, **settings)

        reserves = list(database.system.profile.find({"command.findAndModify": "delayed_jobs"}))
        assert len(reserves) == 5
        assert {reserve["planSummary"].split()[0] for reserve in reserves} == {"IXSCAN"}
        assert {reserve["docsExamined"] for reserve in reserves} == {1}
        assert not any(reserve.get("hasSortStage") for reserve in reserves)
