"""What the worker promises on a real server: when it starts jobs, how many at once, and alongside which others."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import Worker
from mongojobs.core.job import current_job
from mongojobs.core.notices import DatabaseAway, JobQuarantined, JobReleased, JobRescued, Warned
from mongojobs.store.jobs import JobStore
from mongojobs.store.stream import JobStream
from mongojobs.worker import connecting
from mongojobs.worker.reserving import suspects
from tests.support import worker_jobs
from tests.support.failpoints import WRITE_CONCERN_ERROR, failing
from tests.support.mongod import Server, with_database
from tests.support.sample_jobs import always_fails, gate, goes_on_for, remember_one, watches_for_the_stop
from tests.support.sample_jobs import recorder as recorded
from tests.support.waiting import eventually
from tests.support.worker_jobs import async_crowd, crowd, gates, runs
from tests.support.worker_parts import Told
from tests.support.working import working

LONG = 600
OPERATION_FAILED = 96  # which the driver does not try again


@pytest.fixture
def app(connection: MongoClient, indexes: None):
    """The default app, with short leases, on a server with its indexes; its notices are kept in ``app.told``."""
    app = mongojobs.configure(retry_jitter=0, lease=3, heartbeat=0.5, sleep_delay=LONG)
    app.told = Told()
    app.lifecycle.on_notice(app.told.notify)
    yield app
    mongojobs.configure()


@pytest.fixture(autouse=True)
def _clean_slate():
    recorded.clear()
    gate.clear()
    crowd.clear()
    async_crowd.clear()
    runs.clear()
    gates.clear()


def a_gate(name):
    """Close a gate, for a job that waits there until the test opens it or the worker stops."""
    gates[name] = threading.Event()


def all_jobs(app):
    return list(app.store.collection.find())


def is_idle(app):
    """Whether nothing is left to run."""
    return app.store.collection.count_documents({"state": {"$in": ["ready", "running"]}}) == 0


def wait_for_a_listener(app):
    """Wait until the worker idles and listens for new jobs."""
    eventually(lambda: app.store.collection.database["delayed_jobs_workers"].count_documents({}))
    threading.Event().wait(0.5)


class TestAnIdleWorker:
    def test_starts_a_new_job_long_before_it_would_look_by_itself(self, app):
        with working():
            wait_for_a_listener(app)
            worker_jobs.counts.delay(1)
            eventually(lambda: runs)

    def test_starts_a_job_of_the_future_on_time(self, app):
        due = datetime.now(UTC) + timedelta(seconds=1)

        with working():
            worker_jobs.tells_when.options(run_at=due).delay()
            eventually(lambda: runs)

        assert runs[0] >= due.timestamp() - 0.001

    def test_starts_a_job_that_falls_due_between_two_of_its_questions(self, app, monkeypatch):
        ask = JobStore.earliest_run_at

        def ask_late(store, *arguments, **options):
            threading.Event().wait(0.3)
            return ask(store, *arguments, **options)

        with working():
            wait_for_a_listener(app)
            monkeypatch.setattr(JobStore, "earliest_run_at", ask_late)
            worker_jobs.counts.options(run_in=0.1).delay(1)

            eventually(lambda: runs)

    def test_starts_a_job_that_was_retried_by_a_person(self, app):
        always_fails.options(max_attempts=1).delay()

        with working():
            eventually(lambda: len(app.reader.find(state="failed")) == 1)
            app.retry(app.reader.find()[0].id)
            eventually(lambda: len(recorded.deeds) == 2)

    def test_polls_where_the_server_has_no_change_streams(self):
        with Server(replica_set=0, own=True, quick=True) as standalone:
            app = mongojobs.MongoJobs(mongojobs.Settings(uri=with_database(standalone.uri, "jobs"), sleep_delay=0.5))
            with app.active(), working(app=app):
                jobs = worker_jobs.counts.delay_many([(number,) for number in range(20)])
                eventually(lambda: len(runs) == 20)
                threading.Event().wait(0.6)  # it is idle
                worker_jobs.counts.delay(99)
                eventually(lambda: runs[-1] == 99)
            app.close()

        assert len(jobs) == 20

    @pytest.mark.behaviour("X15")
    def test_stops_at_once(self, app):
        with working() as shift:
            eventually(lambda: app.store.collection.database["delayed_jobs_workers"].count_documents({}))
            status = shift.end()

        assert status == 0


class TestReadingAhead:
    def test_ends_with_a_long_job_and_others_get_what_was_read(self, app):
        a_gate("long")
        worker_jobs.counts.delay_many([(number,) for number in range(200)])
        worker_jobs.passes.delay("long")
        behind = worker_jobs.counts.delay_many([(number,) for number in range(1000, 1050)])

        with working():
            eventually(lambda: "long" in runs)
            with working():
                eventually(lambda: len(runs) == 251)

        assert all(app.get(job.id) is None for job in behind)

    def test_is_not_tried_over_and_over_beside_a_long_job(self, app):
        a_gate("long")
        worker_jobs.counts.delay_many([(number,) for number in range(200)])
        worker_jobs.passes.delay("long")
        behind = worker_jobs.counts.options(priority=9).delay_many([(number,) for number in range(1000, 1050)])

        with working():
            eventually(lambda: "long" in runs)
            eventually(lambda: all(app.get(job.id).state == "ready" for job in behind))
            threading.Event().wait(1.5)
            fences = [app.get(job.id).fence for job in behind]

        assert max(fences) <= 2

    def test_is_strictly_one_at_a_time_when_so_set(self, app):
        a_gate("first")
        worker_jobs.passes.delay("first")
        second = worker_jobs.counts.delay(2)

        with working(read_ahead=0):
            eventually(lambda: "first" in runs)
            threading.Event().wait(0.3)
            fence = app.get(second.id).fence

        assert fence == 0

    def test_costs_nothing_when_the_worker_stops(self, app):
        a_gate("long")
        worker_jobs.counts.delay_many([(number,) for number in range(200)])
        worker_jobs.passes.delay("long")
        behind = worker_jobs.counts.delay_many([(number,) for number in range(1000, 1100)])

        with working(shutdown_timeout=0) as shift:
            eventually(lambda: "long" in runs)
            shift.worker.stop()
            eventually(lambda: all(app.get(job.id).state == "ready" for job in behind))
            gates["long"].set()

        assert all((app.get(job.id).releases, app.get(job.id).attempts) == (0, 0) for job in behind)


class TestRunningAtOnce:
    def test_is_limited_by_the_threads(self, app):
        worker_jobs.stays.delay_many([(str(number), 0.05) for number in range(30)])

        with working(threads=4):
            eventually(lambda: crowd.ended == 30)

        assert crowd.most == 4

    def test_is_limited_by_the_async_concurrency_for_async_jobs(self, app):
        worker_jobs.stays_async.delay_many([(str(number), 0.1) for number in range(30)])

        with working(async_concurrency=5):
            eventually(lambda: async_crowd.ended == 30)

        assert async_crowd.most == 5

    def test_goes_for_both_kinds_beside_each_other(self, app):
        calls = [(str(number), 0.05) for number in range(40)]
        worker_jobs.stays.delay_many(calls)
        worker_jobs.stays_async.delay_many(calls)

        with working(threads=2, async_concurrency=4):
            eventually(lambda: crowd.ended == async_crowd.ended == 40)

        assert crowd.most == 2
        assert async_crowd.most <= 4
        assert is_idle(app)

    def test_of_async_jobs_is_not_held_up_by_busy_threads(self, app):
        a_gate("long")
        worker_jobs.counts_async.delay(0)
        worker_jobs.passes.delay("long")

        with working():
            eventually(lambda: set(runs) == {0, "long"})
            worker_jobs.counts_async.delay_many([(number,) for number in range(1, 20)])
            eventually(lambda: len(runs) == 21)

    def test_of_long_async_jobs_does_not_make_the_worker_reserve_over_and_over(self, app):
        worker_jobs.stays_async.delay_many([(str(number), 2.5) for number in range(3)])
        behind = worker_jobs.stays_async.delay_many([(f"behind {number}", 0) for number in range(5)])

        with working(async_concurrency=3):
            eventually(lambda: len(async_crowd.names) == 3)
            threading.Event().wait(1.5)
            fences = [app.get(job.id).fence for job in behind]
            eventually(lambda: async_crowd.ended == 8)

        assert max(fences) <= 4

    def test_runs_hooks_of_async_jobs_in_threads_as_their_job(self, app):
        job = mongojobs.enqueue(worker_jobs.AwaitedWithHooks())

        with working():
            eventually(lambda: len(runs) == 4)

        assert [where for where, _, _ in runs] == ["before", "perform", "success", "after"]
        assert {job_id for _, _, job_id in runs} == {job.id}
        threads = {where: thread for where, thread, _ in runs}
        assert threads["before"] == threads["success"] == threads["after"] == "mongojobs-async-slot-1"
        assert threads["perform"] == "mongojobs-event-loop"
        assert current_job() is None

    @pytest.mark.behaviour("S69", "X22")
    def test_cancels_an_async_job_that_takes_too_long(self, app):
        job = worker_jobs.overstays_async.delay()

        with working():
            eventually(lambda: app.get(job.id).attempts == 1)

        assert runs == ["cleaned up"]
        assert "max_run_time of 0.2s" in app.get(job.id).last_error


class TestASuspect:
    """A job that lost workers before, and may have killed them."""

    def suspect(self, app, name, seconds, *, losses, priority=0):
        job = worker_jobs.stays.options(priority=priority, run_in=LONG).delay(name, seconds)
        due = {"losses": losses, "run_at": job.created_at}
        app.store.collection.update_one({"_id": job.id}, {"$set": due})

    def suspects(self, app, count, seconds):
        made = worker_jobs.stays.options(priority=-1).delay_many([("suspect", seconds)] * count)
        app.store.collection.update_many({"_id": {"$in": [job.id for job in made]}}, {"$set": {"losses": 2}})

    @pytest.fixture
    def always_alone(self, monkeypatch):
        """Nothing starts alongside a suspect while it runs, however slow the machine is."""
        monkeypatch.setattr(suspects, "LEAST_ALONE_SECONDS", LONG)

    def test_has_nothing_begun_beside_it_from_the_second_loss_on(self, app, always_alone):
        a_gate("others")
        self.suspect(app, "suspect", 0.5, losses=2)
        worker_jobs.stays_until.delay_many([(str(number), "others") for number in range(20)])

        with working(threads=4):
            eventually(lambda: len(crowd.names) == 4)
            gates["others"].set()
            eventually(lambda: crowd.ended == 21)

        assert "suspect" not in crowd.beside

    def test_gets_its_turn_on_a_worker_that_is_always_busy(self, app, always_alone):
        over = threading.Event()

        def keep_busy():
            while not over.wait(0.05):
                if app.store.collection.count_documents({"state": "ready"}) < 200:
                    worker_jobs.stays.options(priority=5).delay_many([("filler", 0.01)] * 100)

        feeder = threading.Thread(target=keep_busy)
        feeder.start()
        try:
            with working(threads=4):
                eventually(lambda: crowd.ended > 50)
                self.suspect(app, "suspect", 0.1, losses=3)
                eventually(lambda: app.store.collection.count_documents({"losses": 3}) == 0)
        finally:
            over.set()
            feeder.join()

        assert "suspect" not in crowd.beside

    def test_does_not_stop_the_world_for_longer_than_a_lease(self, app):
        a_gate("suspect")
        job = worker_jobs.passes.delay("suspect")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"losses": 2}})
        worker_jobs.counts.delay_many([(number,) for number in range(20)])

        with working(threads=2):
            eventually(lambda: "suspect" in runs)
            eventually(lambda: len(runs) == 21)

        assert runs[0] == "suspect"

    def test_takes_no_more_time_from_the_others_than_they_get_before_the_next(self, app, monkeypatch):
        monkeypatch.setattr(suspects, "LEAST_PATIENCE_SECONDS", LONG)  # so that twenty jobs fit in on any machine
        self.suspects(app, 5, 0.4)
        worker_jobs.counts.delay_many([(number,) for number in range(20)])

        with working(threads=2):
            eventually(lambda: len(runs) == 20)
            ended_before = crowd.ended
            eventually(lambda: crowd.ended == 5)

        assert ended_before == 1

    def test_follows_another_one_without_a_wait(self, app, always_alone):
        self.suspects(app, 10, 0.05)

        with working(threads=2):
            eventually(lambda: crowd.ended == 10)

        assert crowd.beside == {}

    def test_is_seen_in_the_list_of_workers_while_nothing_is_begun_beside_it(self, app):
        a_gate("suspect")
        job = worker_jobs.passes.delay("suspect")
        app.store.collection.update_one({"_id": job.id}, {"$set": {"losses": 2}})

        with working(threads=2):
            eventually(lambda: [worker.alone for worker in app.workers()] == [True])
            eventually(lambda: [worker.alone for worker in app.workers()] == [False])

    def test_that_cannot_have_its_process_for_itself_keeps_no_slot_idle_for_long(self, app):
        a_gate("long")
        worker_jobs.passes.options(priority=-2).delay("long")
        self.suspect(app, "suspect", 0.1, losses=2, priority=-1)

        with working(threads=2):
            eventually(lambda: runs == ["long"])
            worker_jobs.counts.delay_many([(number,) for number in range(20)])
            eventually(lambda: len(set(runs)) == 21)

    def test_with_one_loss_is_run_beside_running_jobs(self, app):
        a_gate("long")
        worker_jobs.passes.delay("long")
        self.suspect(app, "suspect", 0.01, losses=1)

        with working(threads=2):
            eventually(lambda: crowd.ended == 1)


class TestLostAnswers:
    """An answer that never comes says nothing about what was done."""

    @pytest.mark.parametrize("how", [{"closeConnection": True}, {"writeConcernError": WRITE_CONCERN_ERROR}])
    @pytest.mark.parametrize("command", ["findAndModify", "update", "delete", "find"])
    def test_lose_no_job_and_run_none_twice(self, app, administrator, command, how):
        jobs = worker_jobs.counts.delay_many([(number,) for number in range(300)])

        with failing(administrator, command, times=4, appname="mongojobs", **how), working():
            eventually(lambda: is_idle(app))

        assert sorted(runs) == list(range(300))
        assert len(jobs) == 300

    @pytest.mark.parametrize("how", [{"closeConnection": True}, {"writeConcernError": WRITE_CONCERN_ERROR}])
    def test_of_the_heartbeat_lose_no_lock(self, app, administrator, how):
        goes_on_for.delay(3.5)

        with failing(administrator, "update", times=4, appname="mongojobs-heartbeat", **how), working():
            eventually(lambda: is_idle(app))

        assert recorded.deeds == ["began", "ended"]

    def test_of_a_failure_are_no_second_failure(self, app, administrator):
        job = always_fails.delay()

        how = {"times": 2, "appname": "mongojobs", "writeConcernError": WRITE_CONCERN_ERROR}
        with failing(administrator, "update", **how), working():
            eventually(lambda: app.get(job.id).attempts)

        assert (app.get(job.id).attempts, len(app.get(job.id).errors)) == (1, 1)


class TestExitOnComplete:
    @pytest.mark.behaviour("X17")
    def test_is_not_fooled_by_an_error_of_a_reserve(self, app, administrator):
        remember_one.delay(1)

        with failing(administrator, "findAndModify", times=2, appname="mongojobs", errorCode=OPERATION_FAILED):
            status = Worker(exit_on_complete=True).start()

        assert status == 0
        assert recorded.facts("remembered") == [1]

    @pytest.mark.behaviour("X17", "X1")
    def test_is_not_fooled_by_a_job_that_cannot_be_loaded(self, app):
        lost = remember_one.delay("nowhere")
        app.store.collection.update_one({"_id": lost.id}, {"$set": {"handler.target": "nowhere"}})
        remember_one.delay(1)

        Worker(exit_on_complete=True).start()

        assert recorded.facts("remembered") == [1]
        assert app.get(lost.id).deferred_reason.startswith("UnknownJobError: ")

    @pytest.mark.behaviour("S100")
    def test_waits_for_what_still_runs(self, app):
        worker_jobs.stays.delay("one", 0.5)

        Worker(exit_on_complete=True, threads=4).start()

        assert crowd.ended == 1


class TestAStop:
    def test_during_a_reserve_hands_back_what_it_brings(self, app, administrator):
        job = worker_jobs.counts.delay(1)

        slow = {"appname": "mongojobs", "blockConnection": True, "blockTimeMS": 400}
        with failing(administrator, "findAndModify", **slow), working() as shift:
            threading.Event().wait(0.2)
            status = shift.end()

        assert status == 0
        assert runs == []
        assert app.get(job.id).state == "ready"
        assert (app.get(job.id).releases, app.get(job.id).attempts) == (0, 0)

    def test_lets_the_running_job_know(self, app):
        watches_for_the_stop.delay()

        with working() as shift:
            eventually(lambda: recorded.deeds == ["began"])
            shift.end()

        assert recorded.deeds == ["began", "stopped"]
        assert is_idle(app)

    def test_hands_back_an_async_job_that_takes_longer(self, app):
        job = worker_jobs.stays_async.delay("one", 60)

        with working(shutdown_timeout=0.1) as shift:
            eventually(lambda: async_crowd.names)
            status = shift.end()

        assert status == 0
        handed_back = app.get(job.id)
        assert (handed_back.state, handed_back.releases, handed_back.attempts) == ("ready", 1, 0)
        assert len(app.told.of(JobReleased)) == 1

    def test_leaves_no_thread_behind(self, app):
        others = {*threading.enumerate()}
        worker_jobs.counts.delay(1)
        worker_jobs.counts_async.delay(2)

        with working() as shift:
            eventually(lambda: len(runs) == 2)
            shift.end()

        left = {*threading.enumerate()} - others
        assert [thread.name for thread in left if thread.name.startswith("mongojobs-")] == []
        assert not shift.worker.has_stuck_threads

    def test_waits_for_its_change_stream_to_close(self, app, monkeypatch):
        opened = threading.Event()

        class SlowStream(JobStream):
            def next(self):
                opened.set()
                return super().next()

            def close(self):
                threading.Event().wait(0.2)
                super().close()

        monkeypatch.setattr(connecting, "JobStream", SlowStream)

        with working() as shift:
            opened.wait(10)
            shift.end()

        assert not shift.worker.has_stuck_threads


class TestDamage:
    def test_is_set_aside_while_the_loop_goes_on(self, app):
        jobs = remember_one.delay_many([(number,) for number in range(len(DAMAGE) + 10)])
        for job, damage in zip(jobs, DAMAGE, strict=False):
            app.store.collection.update_one({"_id": job.id}, damage)

        with working():
            eventually(lambda: is_idle(app))

        assert sorted(recorded.facts("remembered")) == list(range(len(DAMAGE), len(DAMAGE) + 10))
        assert {job["state"] for job in all_jobs(app)} == {"failed"}
        assert len(all_jobs(app)) == len(DAMAGE)
        assert app.told.of(JobQuarantined)

    def test_of_a_running_job_is_set_aside_too(self, app):
        job = remember_one.delay(1)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"state": "running"}})

        with working():
            eventually(lambda: app.get(job.id).state == "failed")


DAMAGE = [
    {"$set": {"run_at": None}},
    {"$set": {"run_at": "tomorrow"}},
    {"$unset": {"run_at": ""}},
    {"$set": {"priority": "high"}},
    {"$set": {"priority": 2**40}},
    {"$set": {"handler": None}},
    {"$set": {"handler": {}}},
    {"$set": {"handler": {"v": 1, "kind": "function", "target": {"$x": 1}, "args": [], "kwargs": {}}}},
    {"$set": {"handler.args": "none"}},
    {"$set": {"handler.v": 99}},
    {"$set": {"fence": "many"}},
    {"$set": {"attempts": "many"}},
    {"$set": {"max_run_time": 2**62}},
    {"$set": {"fence": 2**63 - 1}},
    {"$set": {"errors": "none"}},
    {"$set": {"name": 5}},
    {"$unset": {"handler": ""}},
]


class TestMissingIndexes:
    def test_are_warned_of_once_and_all_works(self, app):
        app.store.collection.drop_indexes()
        worker_jobs.counts.delay_many([(number,) for number in range(50)])

        with working():
            eventually(lambda: len(runs) == 50)
            worker_jobs.counts.delay(50)
            eventually(lambda: len(runs) == 51)

        told = [warned.message for warned in app.told.of(Warned)]
        assert told
        assert len(told) == len(set(told))
        assert all("mongojobs create-indexes" in message for message in told)

    def test_that_are_dropped_while_it_works_are_warned_of_and_all_works(self, app):
        with working():
            worker_jobs.counts.delay(0)
            eventually(lambda: runs == [0])
            app.store.collection.drop_indexes()
            worker_jobs.counts.delay_many([(number,) for number in range(1, 51)])
            eventually(lambda: len(runs) == 51)

        assert any("mongojobs create-indexes" in warned.message for warned in app.told.of(Warned))


class TestARescue:
    def test_brings_back_a_job_of_a_worker_that_is_gone_and_counts_a_loss(self, app):
        job = remember_one.delay(1)
        app.store.collection.update_one(
            {"_id": job.id},
            {
                "$set": {
                    "state": "running",
                    "lock_token": "of the dead",
                    "locked_by": "the dead",
                    "locked_until": datetime.now(UTC) + timedelta(seconds=1),
                    "locked_at": datetime.now(UTC),
                }
            },
        )

        with working():
            eventually(lambda: recorded.facts("remembered") == [1])

        assert [(rescued.job_id, rescued.losses) for rescued in app.told.of(JobRescued)] == [(job.id, 1)]

    def test_waits_for_a_lease_after_an_outage(self, app, administrator):
        job = remember_one.delay(1)

        with failing(administrator, "find", times=1, appname="mongojobs", errorCode=OPERATION_FAILED), working():
            eventually(lambda: app.told.of(DatabaseAway))
            away = time.monotonic()
            app.store.collection.update_one(
                {"_id": job.id},
                {"$set": {"state": "running", "lock_token": "x", "locked_until": datetime.now(UTC)}},
            )
            eventually(lambda: app.told.of(JobRescued))

        assert time.monotonic() - away >= 2.5
