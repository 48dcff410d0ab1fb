"""The worker itself: its batches, its stops, its name, and how it survives database errors."""

import threading

import pytest

from mongojobs import MongoJobs, Settings, SettingsError, Worker
from mongojobs.worker import outage
from tests.support.failpoints import failing
from tests.support.sample_jobs import (
    always_fails,
    gate,
    goes_on_for,
    remember_one,
    remember_where,
    waits_at_the_gate,
    watches_for_the_stop,
)
from tests.support.waiting import LONG, eventually, promptly
from tests.support.working import work_off, working

OPERATION_FAILED = 96  # which the driver does not try again


@pytest.fixture
def quick_tries(monkeypatch):
    """Shortens the waits after database errors."""
    monkeypatch.setattr(outage, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(outage, "LONGEST_DELAY_SECONDS", 0.01)


class TestABatch:
    @pytest.mark.behaviour("X14")
    def test_has_at_most_100_jobs(self, app):
        remember_one.delay_many([(number,) for number in range(101)])

        assert work_off() == (100, 0)

        assert len(app.reader.find()) == 1

    @pytest.mark.behaviour("X14")
    def test_has_at_most_as_many_jobs_as_is_asked_for(self, app):
        remember_one.delay_many([(number,) for number in range(5)])

        assert work_off(3) == (3, 0)

    @pytest.mark.behaviour("X14")
    def test_ends_between_two_jobs_when_the_worker_is_stopped(self, app, recorder):
        worker = Worker()
        app.lifecycle.after("perform", lambda *_: worker.stop())
        remember_one.delay_many([(1,), (2,)])

        assert worker.work_off() == (1, 0)

        assert recorder.facts("remembered") == [1]

    def test_counts_successes_and_failures(self, app):
        always_fails.delay()
        remember_one.delay_many([(1,), (2,)])

        assert work_off() == (2, 1)

    @pytest.mark.behaviour("X1")
    def test_goes_on_after_a_job_that_cannot_be_loaded_and_counts_it(self, app, recorder):
        job = remember_one.delay("unloadable")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.v": 0}})
        remember_one.delay("the next")

        assert work_off() == (1, 1)

        assert recorder.facts("remembered") == ["the next"]

    def test_goes_on_after_a_damaged_document(self, app, recorder):
        job = remember_one.delay("damaged")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"fence": "many", "handler": "none"}})
        remember_one.delay("the next")

        assert work_off() == (1, 0)

        assert recorder.facts("remembered") == ["the next"]
        assert app.get(job.id).state == "failed"
        assert app.get(job.id).last_error.startswith("damaged: ")

    def test_runs_in_the_thread_of_the_caller(self, app, recorder):
        remember_where.delay()

        work_off()

        assert recorder.facts("thread") == [threading.current_thread().name]

    def test_may_be_worked_off_twice_by_one_worker(self, app):
        worker = Worker()
        remember_one.delay(1)
        worker.work_off()
        remember_one.delay(2)

        assert worker.work_off() == (1, 0)


class TestAWorkerThatStarts:
    def test_runs_jobs_as_they_come(self, app, recorder):
        with working():
            remember_one.delay("first")
            eventually(lambda: recorder.facts("remembered") == ["first"])
            remember_one.delay("second")
            eventually(lambda: recorder.facts("remembered") == ["first", "second"])

    def test_runs_a_job_that_falls_due(self, configure, recorder):
        configure(clock=None)

        with working(sleep_delay=LONG):
            remember_one.options(run_in=0.3).delay("due")
            eventually(lambda: recorder.facts("remembered") == ["due"])

    def test_runs_as_many_jobs_at_once_as_it_has_threads(self, app, recorder):
        waits_at_the_gate.delay_many([("a",), ("b",), ("c",)])

        with working(threads=2):
            eventually(lambda: recorder.deeds.count("arrived") == 2)
            gate.set()
            eventually(lambda: recorder.deeds.count("passed") == 3)

        assert recorder.deeds[:2] == ["arrived", "arrived"]

    @pytest.mark.behaviour("S100")
    def test_leaves_at_once_when_nothing_is_due_and_it_exits_on_complete(self, app):
        with promptly():
            assert Worker(exit_on_complete=True, sleep_delay=LONG).start() == 0

    def test_leaves_future_jobs_when_it_exits_on_complete(self, app, recorder):
        remember_one.options(run_in=60).delay("future")
        remember_one.delay("due")

        assert Worker(exit_on_complete=True).start() == 0

        assert recorder.facts("remembered") == ["due"]
        assert len(app.reader.find()) == 1

    @pytest.mark.behaviour("X17")
    def test_exits_on_complete_only_after_jobs_that_it_could_not_reserve_at_first(
        self, app, administrator, quick_tries, recorder
    ):
        remember_one.delay("after all")

        with failing(administrator, "findAndModify", times=3, appname="mongojobs", errorCode=OPERATION_FAILED):
            assert Worker(exit_on_complete=True).start() == 0

        assert recorder.facts("remembered") == ["after all"]

    @pytest.mark.behaviour("X17")
    def test_exits_on_complete_only_after_the_jobs_behind_one_that_cannot_be_loaded(self, app, recorder):
        job = remember_one.delay("unloadable")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.target": "renamed"}})
        remember_one.delay("the next")

        assert Worker(exit_on_complete=True, read_ahead=0).start() == 0

        assert recorder.facts("remembered") == ["the next"]

    def test_is_listed_while_it_works(self, app):
        workers = app.store.collection.database["delayed_jobs_workers"]

        with working(name="w1", threads=3):
            eventually(lambda: workers.find_one({"_id": "w1"}))
            seen = workers.find_one({"_id": "w1"})

        assert seen["threads"] == 3
        assert workers.find_one({"_id": "w1"}) is None


class TestAWorkerThatStops:
    def test_lets_the_running_job_end(self, app, recorder):
        waits_at_the_gate.delay()

        with working() as shift:
            eventually(lambda: recorder.deeds == ["arrived"])
            shift.worker.stop()
            gate.set()

        assert shift.status == 0
        assert recorder.deeds == ["arrived", "passed"]
        assert app.reader.find() == []

    @pytest.mark.behaviour("X15")
    def test_does_so_at_once_while_it_is_idle(self, app):
        with working(sleep_delay=LONG) as shift:
            job = remember_one.delay("the last before it is idle")
            eventually(lambda: app.get(job.id) is None)

            assert shift.end() == 0

    def test_takes_no_further_job(self, app, recorder):
        waits_at_the_gate.delay("running")

        with working() as shift:
            eventually(lambda: recorder.deeds == ["arrived"])
            shift.worker.stop()
            remember_one.delay("later")
            gate.set()

        assert recorder.deeds == ["arrived", "passed"]
        assert [job.state for job in app.reader.find()] == ["ready"]

    def test_tells_its_jobs(self, app, recorder):
        watches_for_the_stop.delay()

        with working():
            eventually(lambda: recorder.deeds == ["began"])

        assert recorder.deeds == ["began", "stopped"]
        assert app.reader.find() == []

    def test_hands_back_what_does_not_end_in_time_without_counting_an_attempt(self, app, recorder):
        job = goes_on_for.delay(60)

        with working(shutdown_timeout=0.1) as shift:
            eventually(lambda: recorder.deeds == ["began"])
            status = shift.end()

        stored = app.get(job.id)
        assert status == 0
        assert (stored.state, stored.attempts, stored.releases, stored.locked_by) == ("ready", 0, 1, None)

    def test_now_hands_back_at_once(self, app, recorder):
        job = goes_on_for.delay(60)

        with working(shutdown_timeout=60) as shift:
            eventually(lambda: recorder.deeds == ["began"])
            shift.end(now=True)

        assert app.get(job.id).state == "ready"

    @pytest.mark.behaviour("X19")
    def test_clears_exactly_the_locks_that_it_holds(self, app, recorder):
        mine = goes_on_for.delay(60)
        with working(name="twin", shutdown_timeout=0) as shift:
            eventually(lambda: recorder.deeds == ["began"])
            other = remember_one.options(queue="other").delay(1)
            app.store.collection.update_one(
                {"_id": other.id}, {"$set": {"state": "running", "locked_by": "twin", "lock_token": "of a twin"}}
            )
            shift.end()

        assert app.get(mine.id).state == "ready"
        assert app.get(other.id).state == "running"

    def test_before_it_has_started_never_starts(self, app):
        worker = Worker()
        worker.stop()
        remember_one.delay(1)

        assert worker.start() == 0

        assert len(app.reader.find()) == 1


class TestAWorkerWithoutADatabase:
    @pytest.mark.behaviour("S101")
    def test_ends_a_batch_without_an_exception_when_it_cannot_reserve(self, app, administrator):
        remember_one.delay(1)

        with failing(administrator, "findAndModify", appname="mongojobs", errorCode=OPERATION_FAILED):
            assert work_off() == (0, 0)

        assert work_off() == (1, 0)

    @pytest.mark.behaviour("S102", "X18")
    def test_goes_on_after_ten_and_more_errors_in_a_row(self, app, administrator, quick_tries, recorder, caplog):
        remember_one.delay("after all")

        with (
            failing(administrator, "findAndModify", times=12, appname="mongojobs", errorCode=OPERATION_FAILED),
            working(),
        ):
            eventually(lambda: recorder.facts("remembered") == ["after all"])

        told = [record.getMessage() for record in caplog.records if "Error while reserving" in record.getMessage()]
        assert len(told) == 1

    def test_finishes_jobs_whose_results_it_could_not_write_at_first(self, app, administrator, quick_tries, recorder):
        job = remember_one.delay(1)

        with failing(administrator, "delete", times=5, errorCode=OPERATION_FAILED), working():
            eventually(lambda: app.get(job.id) is None)

        assert recorder.facts("remembered") == [1]


class TestAName:
    @pytest.mark.behaviour("X20")
    def test_is_another_one_for_each_worker(self, app):
        assert Worker().name != Worker().name

    @pytest.mark.behaviour("X20")
    def test_tells_host_and_process(self, app):
        assert Worker().name.startswith("host:")
        assert " pid:" in Worker().name

    @pytest.mark.behaviour("X20")
    def test_may_be_given(self, app):
        assert Worker(name="w1", prefix="billing ").name == "billing w1"

    def test_is_what_the_worker_is_called(self, app):
        assert str(Worker(name="w1")) == "w1"


class TestSettings:
    def test_of_one_worker_are_its_own(self, app):
        worker = Worker(queues="mail", threads=3)

        assert (worker.settings.queues, worker.settings.threads) == (("mail",), 3)
        assert (app.settings.queues, app.settings.threads) == ((), 1)
        assert Worker().settings == app.settings

    def test_that_are_none_are_refused(self, app):
        with pytest.raises(SettingsError, match="unknown setting 'thread'"):
            Worker(thread=3)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"processes": 2}, "processes is for the command, .* one process: start `mongojobs work --processes N`"),
            ({"queues": "mail", "log_level": "debug"}, "log_level is for the command, .* use Python's logging module"),
            ({"default_priority": 3}, r"for the whole app, .* `mongojobs.configure\(default_priority=...\)`, got 3"),
            ({"uri": "mongodb://me:secret@db/shop"}, r"^uri is for the whole app, .* got a URI\n"),
        ],
    )
    def test_that_a_worker_cannot_have_for_itself_are_refused(self, app, given, message):
        with pytest.raises(SettingsError, match=message) as refused:
            Worker(**given)

        assert "secret" not in str(refused.value)

    def test_that_are_in_force_for_the_command_do_not_stop_a_worker_made_in_python(self):
        shop = MongoJobs(Settings(processes=4, log_level="debug", default_priority=3))

        assert Worker(app=shop, processes=1, default_priority=3).settings.threads == 1
        assert Worker(app=shop).settings == shop.settings

    @pytest.mark.parametrize("queues", [[None], [""], [0], ",", ["mail", None]])
    def test_of_queues_that_are_none_are_refused(self, app, queues):
        with pytest.raises(SettingsError, match=r"^queues must be"):
            Worker(queues=queues)

    def test_that_are_bad_are_refused(self, app):
        with pytest.raises(SettingsError, match="threads must be between 1 and 1000, got 0"):
            Worker(threads=0)
