"""Results on their way to a real server: few writes for many, not too many on the way, and none lost at a stop."""

import threading
from collections import Counter

import pytest
from pymongo import monitoring

import mongojobs
from tests.support import worker_jobs
from tests.support.failpoints import failing
from tests.support.spy import Spy
from tests.support.waiting import eventually
from tests.support.worker_jobs import runs
from tests.support.working import working

MANY = 600
ENDINGS = [
    ("succeeds", {}),
    ("fails", {"max_attempts": 1}),
    ("fails", {"max_attempts": 2}),
    ("snoozes", {}),
    ("discards", {}),
]
"""How a job is to end, with its options."""


@pytest.fixture
def sent(monkeypatch):
    """What all clients send that are opened from now on; those of workers among them."""
    spy = Spy()
    monkeypatch.setattr(monitoring, "_LISTENERS", monitoring._Listeners([spy], [], [], [], []))
    return spy


@pytest.fixture
def app(sent, connection, indexes):
    """The default app, which deletes what has failed for good."""
    app = mongojobs.configure(retry_jitter=0, sleep_delay=1, destroy_failed_jobs=True)
    runs.clear()
    yield app
    mongojobs.configure()


def enqueue(count, how, **options):
    worker_jobs.ends_as_told.options(**options).delay_many([(number, how) for number in range(count)])


def enqueue_all(count):
    """Enqueue this many jobs of each kind of end."""
    for how, options in ENDINGS:
        enqueue(count, how, **options)


def states(app):
    return Counter(found["state"] for found in app.store.collection.find())


@pytest.mark.usefixtures("full_pace")
class TestManyResults:
    def test_of_jobs_to_be_deleted_since_they_failed_for_good_are_few_writes(self, app, sent):
        enqueue(MANY, "fails", max_attempts=1)
        sent.sent.clear()

        mongojobs.Worker(exit_on_complete=True).start()

        assert states(app) == {}
        assert sent.names.count("delete") <= MANY / 3

    def test_of_all_kinds_are_few_writes_even_when_it_is_not_known_whether_they_are_written(
        self, app, sent, administrator
    ):
        enqueue_all(100)
        sent.sent.clear()

        lost_answers = {"times": 4, "appname": "mongojobs", "closeConnection": True}
        with failing(administrator, "update", "delete", **lost_answers):
            mongojobs.Worker(exit_on_complete=True).start()

        assert states(app) == {"ready": 200, "cancelled": 100}
        assert sent.names.count("delete") + sent.names.count("update") <= 200, Counter(sent.names)

    def test_are_few_writes_even_where_one_of_them_is_refused(self, app, sent, administrator):
        enqueue_all(100)
        sent.sent.clear()

        refused = {"times": 1, "appname": "mongojobs", "errorCode": 8000}
        with failing(administrator, "delete", **refused):
            mongojobs.Worker(exit_on_complete=True).start()

        assert states(app) == {"ready": 200, "cancelled": 100}
        assert sent.names.count("delete") + sent.names.count("update") <= 200, Counter(sent.names)


class TestResultsThatAreNotWritten:
    @pytest.mark.parametrize(("how", "options"), ENDINGS)
    def test_let_the_reserving_wait(self, app, sent, how, options):
        go_on, turns = threading.Event(), []
        enqueue(MANY, how, **options)
        app.lifecycle.before("loop", turns.append)

        def hold_up(event):
            name = threading.current_thread().name
            return name != "mongojobs-finisher" or go_on.wait(20)

        sent.look = hold_up
        with working(read_ahead=20, threads=2):
            eventually(lambda: len(runs) >= 20)
            so_far = len(turns)
            eventually(lambda: len(turns) >= so_far + 3)
            begun = len(runs)
            go_on.set()
            eventually(lambda: len(runs) == MANY)

        assert begun <= 20 * 5 / 2 + 2


class TestAStop:
    @pytest.fixture(autouse=True)
    def _slow_database(self, administrator):
        slow = {"times": 10_000, "appname": "mongojobs", "blockConnection": True, "blockTimeMS": 100}
        with failing(administrator, "update", "delete", **slow):
            yield

    @pytest.mark.parametrize("now", [False, True])
    @pytest.mark.parametrize("settings", [{}, {"threads": 4}])
    def test_loses_no_result(self, app, settings, now):
        enqueue(300, "fails", max_attempts=1)
        enqueue_all(20)
        worker_jobs.counts_async.delay_many([(number,) for number in range(20)])

        with working(shutdown_timeout=10, **settings) as shift:
            eventually(lambda: len(runs) == 420)
            status = shift.end(now=now)

        assert status == 0
        assert states(app) == {"ready": 40, "cancelled": 20}

    def test_of_a_worker_that_has_run_enough_loses_no_result(self, app):
        enqueue(400, "fails", max_attempts=1)

        status = mongojobs.Worker(max_jobs=300, shutdown_timeout=10).start()

        assert status == 0
        assert states(app) == {"ready": 400 - len(runs)}

    def test_without_a_grace_reports_results_that_the_database_did_not_take(self, app, administrator, caplog):
        worker_jobs.counts.delay(1)

        slow = {"times": 10_000, "appname": "mongojobs", "blockConnection": True, "blockTimeMS": 5000}
        with failing(administrator, "delete", **slow), working(shutdown_timeout=0) as shift:
            eventually(lambda: runs)
            status = shift.end()

        assert status == 0
        assert "1 result could not be written before the stop" in caplog.text
        assert "Cannot use MongoClient after close" not in caplog.text


class TestTheLog:
    @pytest.mark.parametrize("how", ["succeeds", "fails"])
    def test_tells_the_end_of_a_run_before_its_thread_begins_the_next(self, app, caplog, how):
        caplog.set_level("INFO", logger="mongojobs")
        enqueue(300, how)

        mongojobs.Worker(exit_on_complete=True).start()

        told = [(one.event, one.job_id) for one in caplog.records if one.event.startswith("job.")]
        ends, begins = told[1::2], told[0::2]
        assert {event for event, _ in begins} == {"job.started"}
        assert [job_id for _, job_id in ends] == [job_id for _, job_id in begins]
        assert len(begins) == 300

    def test_then_reports_a_result_that_came_too_late(self, app, sent, caplog):
        caplog.set_level("INFO", logger="mongojobs")
        worker_jobs.counts.delay_many([(1,), (2,)])
        both_have_run = threading.Event()

        def take_away(event):
            if event.command_name == "delete" and both_have_run.wait(20):
                sent.look = lambda event: None
                app.store.collection.delete_many({})

        sent.look = take_away
        app.lifecycle.after("perform", lambda _worker, _job: len(runs) < 2 or both_have_run.set())
        mongojobs.Worker(exit_on_complete=True).start()

        told = [one.event for one in caplog.records if one.event.startswith("job.")]
        assert told == ["job.started", "job.completed", "job.started", "job.lost", "job.lost"]
