"""How little a worker asks of a real server, counted in commands and not in seconds; and what paused queues cost."""

import gc
import threading
from collections import Counter
from datetime import timedelta

import pytest
from pymongo import monitoring

import mongojobs
from mongojobs.core.notices import JobsReserved
from mongojobs.worker import loop
from mongojobs.worker.reserving import reserve
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.threads import heartbeat
from tests.support import counting_app, worker_jobs
from tests.support.command_line import run
from tests.support.spy import Spy
from tests.support.waiting import eventually
from tests.support.worker_jobs import runs
from tests.support.worker_parts import Told
from tests.support.working import working

MANY = 10_000
LONG = 600
SHORT = 0.2
CALLS_A_JOB = 101
"""How many Python functions a worker's threads call for a job that does nothing, apart from those of the driver.

Nor are those counted with which the log's thread makes its lines, which no job waits for. To be lowered with what is
reached: 92; on a busy machine it is up to nine more, as threads wait for one another.
"""


@pytest.fixture
def sent(monkeypatch):
    """What all clients send that are opened from now on; those of workers among them."""
    spy = Spy()
    listeners = monitoring._Listeners([spy], [], [], [], [])
    monkeypatch.setattr(monitoring, "_LISTENERS", listeners)
    return spy


@pytest.fixture
def app(sent, connection, indexes):
    app = mongojobs.configure(retry_jitter=0, sleep_delay=1)
    runs.clear()
    yield app
    mongojobs.configure()


def is_empty(app):
    return app.store.collection.estimated_document_count() == 0


def held_objects():
    """Return those that are in memory, possibly with some that other tests left behind."""
    return [one for one in gc.get_objects() if type(one) is InFlightJob]


def is_quiet(sent):
    """Whether nothing is sent for half a second."""
    before = len(sent.sent)
    threading.Event().wait(0.5)
    return len(sent.sent) == before


@pytest.mark.usefixtures("full_pace")
class TestADrain:
    def test_of_ten_thousand_jobs_takes_three_hundred_commands_at_most(self, app, sent):
        worker_jobs.counts.delay_many([(number,) for number in range(MANY)])
        sent.sent.clear()

        mongojobs.Worker(exit_on_complete=True).start()

        assert sorted(runs) == list(range(MANY))
        assert len(sent.sent) <= 300, Counter(sent.names)

    def test_calls_few_functions_for_a_job_that_does_nothing(self, app, mongo_uri, tmp_path):
        counting_app.nothing.delay_many([(number,) for number in range(4000)])
        told = {"SAMPLE_URI": mongo_uri, counting_app.CALLS_FILE: str(tmp_path / "calls")}

        ended = run("-A", counting_app.__name__, "work", "--exit-on-complete", environ=told)
        calls, spared, turn = (float(number) for number in (tmp_path / "calls").read_text().split())

        assert ended.returncode == 0, ended.stderr
        assert is_empty(app)
        assert calls <= 4000 * CALLS_A_JOB
        assert spared > 10_000, "what an app is made of is not looked at again for garbage"
        assert turn < 0.002, "whoever fetches jobs waits no longer than that for those that run"

    def test_of_a_thousand_failures_takes_few_commands(self, app, sent):
        worker_jobs.fails.delay_many([(number,) for number in range(1000)])
        sent.sent.clear()

        mongojobs.Worker(exit_on_complete=True).start()

        assert app.store.collection.count_documents({"attempts": 1}) == 1000
        assert len(sent.sent) <= 300, Counter(sent.names)

    def test_leaves_nothing_in_memory_that_python_has_to_look_for(self, app):
        worker_jobs.counts.delay_many([(number,) for number in range(1000)])
        gc.collect()
        of_others = {id(one): one for one in held_objects()}

        gc.disable()
        try:
            mongojobs.Worker(exit_on_complete=True).start()
            left = [one for one in held_objects() if id(one) not in of_others]
        finally:
            gc.enable()

        assert left == []

    def test_by_one_worker_goes_by_priority_then_by_age(self, app, monkeypatch):
        monkeypatch.setattr(
            heartbeat, "LONG_RUN_SECONDS", LONG
        )  # what waited for so long would go back, and come later
        worker_jobs.counts.options(priority=1).delay_many([(number,) for number in range(1000, 2000)])
        worker_jobs.counts.options(priority=0).delay_many([(number,) for number in range(1000)])

        mongojobs.Worker(exit_on_complete=True).start()

        assert runs == list(range(2000))


class TestAnIdleWorker:
    def test_that_listens_hardly_asks(self, app, sent):
        with working():
            eventually(lambda: "aggregate" in sent.names)
            eventually(lambda: is_quiet(sent))  # it looks once more when it has begun to listen
            sent.sent.clear()
            threading.Event().wait(3)
            asked = list(sent.names)

        assert len(asked) <= 3

    def test_that_is_woken_by_many_jobs_looks_no_more_often_than_it_must(self, app, sent):
        with working():
            eventually(lambda: "aggregate" in sent.names)
            worker_jobs.counts.delay_many([(number,) for number in range(500)])
            eventually(lambda: is_empty(app))
            eventually(lambda: is_quiet(sent))
            sent.sent.clear()
            threading.Event().wait(2)
            asked = list(sent.names)

        assert len(asked) <= 4

    @pytest.mark.parametrize(
        ("surrounded", "thread"), [((), "mongojobs-wakeup"), (("loop",), "mongojobs-worker")], ids=["", "plugin"]
    )
    def test_reserves_in_the_thread_that_hears_of_a_job_unless_a_plugin_surrounds_its_turns(
        self, app, sent, surrounded, thread
    ):
        reserved = []
        app.lifecycle.on_notice(
            lambda notice: reserved.append((threading.current_thread().name, notice.jobs)), JobsReserved
        )
        [app.lifecycle.around(event, lambda proceed, *_: proceed()) for event in surrounded]
        with working():
            eventually(lambda: "aggregate" in sent.names)
            eventually(lambda: is_quiet(sent))
            reserved.clear()
            worker_jobs.counts.delay(1)

            eventually(lambda: is_empty(app))

        assert [one for one in reserved if one[1]] == [(thread, 1)]  # a look of its own may have found nothing before

    def test_that_gets_a_job_looks_for_more_once_it_has_run(self, app, monkeypatch):
        monkeypatch.setattr(loop, "FIRST_RUN_SECONDS", LONG)
        app.lifecycle.on_notice((told := Told()).notify)
        worker_jobs.crowd.clear()
        go_on = worker_jobs.gates["go on"] = threading.Event()
        worker_jobs.stays_until.delay("first", "go on")
        with working(threads=2):
            eventually(lambda: worker_jobs.crowd.names == ["first"])
            threading.Event().wait(SHORT)
            looks = told.of(JobsReserved)
            go_on.set()

            eventually(lambda: len(told.of(JobsReserved)) > 1)

        assert [look.jobs for look in looks] == [1]


class TestAPausedQueue:
    def test_is_left_alone_while_others_are_worked_off(self, app):
        worker_jobs.counts.options(queue="asleep", priority=-1).delay_many([(number,) for number in range(20)])
        worker_jobs.counts.options(queue="busy").delay_many([(number,) for number in range(100, 200)])
        app.pause("asleep")

        with working():
            eventually(lambda: len(runs) == 100)
            threading.Event().wait(0.5)

        assert sorted(runs) == list(range(100, 200))

    @pytest.mark.parametrize("queues", [(), ("asleep",), ("asleep", "busy")])
    def test_is_noticed_and_its_end_too(self, app, queues, monkeypatch):
        monkeypatch.setattr(reserve, "PAUSES_SECONDS", 0.1)
        monkeypatch.setattr(reserve, "IDLE_PAUSES_SECONDS", 0.1)

        with working(queues=queues):
            worker_jobs.counts.options(queue="asleep").delay(1)
            eventually(lambda: runs == [1])
            app.pause("asleep")
            threading.Event().wait(0.2)
            worker_jobs.counts.options(queue="asleep").delay(2)
            threading.Event().wait(0.5)
            before = list(runs)
            app.resume("asleep")
            eventually(lambda: runs == [1, 2])

        assert before == [1]

    def test_is_noticed_within_five_seconds_and_so_is_its_end(self):
        assert reserve.PAUSES_SECONDS < 5
        assert mongojobs.Settings().sleep_delay <= timedelta(seconds=5)

    def test_does_not_hide_a_new_queue(self, app):
        app.pause("asleep")

        with working():
            threading.Event().wait(1)
            worker_jobs.counts.options(queue="brand new").delay(1)
            eventually(lambda: runs == [1])

    def test_that_is_the_only_one_leaves_the_worker_idle(self, app):
        worker_jobs.counts.options(queue="asleep").delay(1)
        app.pause("asleep")

        assert mongojobs.Worker(exit_on_complete=True).start() == 0
        assert runs == []

    def test_cannot_be_named_by_what_is_not_a_name(self, app):
        with pytest.raises(mongojobs.OptionError, match="cannot pause 'a,b'"):
            app.pause("a,b")
