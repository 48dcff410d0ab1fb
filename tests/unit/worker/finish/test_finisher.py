"""Results on their way to the store: written together, repeated until stored, dropped when the job is not ours."""

import threading
from typing import get_args

import pytest

from mongojobs.core.job import ErrorText
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import (
    BatchDone,
    CallbackRaised,
    DatabaseAway,
    DatabaseBack,
    JobCompleted,
    JobCrashed,
    JobFailed,
    JobLost,
    RunEnded,
)
from mongojobs.core.transitions import Crashed, Deferred, Discarded, Errored, GivenUp, Snoozed, Succeeded
from mongojobs.worker import outage as outage_module
from mongojobs.worker.finish import finisher as finisher_module
from mongojobs.worker.finish.finisher import Finisher
from mongojobs.worker.finish.result import Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import Outage
from tests.support.clock import START
from tests.support.endings import ENDINGS
from tests.support.waiting import eventually
from tests.support.worker_parts import AWAY, REFUSED, UNSTORABLE, FakeStore, Told, a_held, seconds

FAILED = Errored(ErrorText(error="NoLuckError"), START)
DESTROYED = GivenUp(ErrorText(error="NoLuckError"), "1 consecutive failures", destroy=True)
CRASHED = Crashed(ErrorText(error="killed by signal 11"), None)


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def in_flight():
    return InFlight(threads=1, async_concurrency=1)


@pytest.fixture
def finisher(store, in_flight, told):
    reporter = Reporter(told, "worker")
    return Finisher(store, in_flight, reporter, Outage(reporter))


@pytest.fixture
def writer(finisher):
    """The writer thread, at work."""
    thread = threading.Thread(target=finisher.run, daemon=True)
    thread.start()
    yield thread
    finisher.close()
    thread.join(30)


@pytest.fixture(autouse=True)
def _quick_tries(monkeypatch):
    monkeypatch.setattr(finisher_module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(outage_module, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(outage_module, "LONGEST_DELAY_SECONDS", 0.002)


def a_result(in_flight, outcome=None, **changes):
    """Return the result of a job that was held, run and ended."""
    held = a_held(**changes)
    in_flight.add([held])
    in_flight.take(is_async=False)
    in_flight.ended(held)
    return Result(held, outcome or Succeeded(), 0.1)


def submit(finisher, in_flight, *outcomes):
    results = [a_result(in_flight, outcome) for outcome in outcomes]
    for result in results:
        finisher.submit(result)
    return results


def jobs_of(results):
    return [result.held.job for result in results]


class TestAGroup:
    def test_is_whatever_waits(self, finisher, in_flight, store):
        results = submit(finisher, in_flight, Succeeded(), Succeeded(), Succeeded())

        finisher.flush()

        assert store.called("finish") == [jobs_of(results)]
        assert in_flight.is_empty()

    def test_grows_while_the_write_before_goes_on(self, finisher, in_flight, store, writer):
        begun, go_on = threading.Event(), threading.Event()

        def slowly():
            begun.set()
            go_on.wait(30)
            return []

        store.on("finish", slowly)
        submit(finisher, in_flight, Succeeded())
        begun.wait(30)
        submit(finisher, in_flight, *[Succeeded()] * 50)
        go_on.set()

        eventually(in_flight.is_empty)

        assert [len(jobs) for jobs in store.called("finish")] == [1, 50]

    def test_is_gathered_after_each_write_as_before_the_first_while_jobs_wait(
        self, finisher, in_flight, store, monkeypatch
    ):
        writes_at = []
        monkeypatch.setattr(finisher._closing, "wait", lambda _seconds: writes_at.append(len(store.called("finish"))))
        first, second, third = (a_result(in_flight) for _ in range(3))
        in_flight.add([a_held()])
        store.on("finish", lambda: finisher.submit(second) or [], lambda: finisher.submit(third) or [])
        store.on("finish", lambda: finisher.close() or [])
        finisher.submit(first)

        finisher.run()

        assert writes_at == [0, 1, 2]

    def test_is_no_larger_than_a_thousand(self, finisher, in_flight, store):
        submit(finisher, in_flight, *[Succeeded()] * 1500)

        finisher.flush()

        assert [len(jobs) for jobs in store.called("finish")] == [1000, 500]

    def test_writes_each_kind_of_outcome_in_its_own_way(self, finisher, in_flight, store):
        ends = [FAILED, CRASHED, Snoozed(seconds(1)), Deferred("why", seconds(1)), Discarded("why")]
        for outcome in (Succeeded(), *ends):
            submit(finisher, in_flight, outcome)
            finisher.flush()

        assert len(store.called("finish")) == 1
        assert [ending for _, ending in store.called("end")] == ends
        assert in_flight.is_empty()

    @pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
    def test_is_reported_however_the_run_ended(self, finisher, in_flight, told, ending):
        [result] = submit(finisher, in_flight, ending)

        finisher.flush()

        assert {notice.job.id for notice in told.notices} == {result.held.job.id}
        assert {*map(type, told.notices)} <= {*get_args(RunEnded)}

    def test_writes_all_that_did_not_succeed_in_one_go(self, finisher, in_flight, store, told):
        ends = (FAILED, Snoozed(seconds(1)), Discarded("why"), DESTROYED, CRASHED)
        *others, _ = submit(finisher, in_flight, *ends, Succeeded())
        store.on("end_all", [others[1].held.job])

        finisher.flush()

        assert store.called("end_all") == [jobs_of(others)]
        assert {name for name, _, _ in store.calls} == {"finish", "end_all"}
        assert [notice.job for notice in told.of(JobLost)] == [others[1].held.job]
        assert in_flight.is_empty()

    def test_is_told_when_the_process_holds_nothing_more(self, finisher, in_flight, told, writer):
        finisher.batch.begin()

        submit(finisher, in_flight, Succeeded(), FAILED)

        eventually(lambda: sum(done.jobs for done in told.of(BatchDone)) == 2)
        assert sum(done.failures for done in told.of(BatchDone)) == 1


class TestACrash:
    def test_is_reported_with_what_became_of_the_process(self, finisher, in_flight, told):
        [crash] = submit(finisher, in_flight, CRASHED)

        finisher.flush()

        assert [(notice.job, notice.error) for notice in told.of(JobCrashed)] == [
            (crash.held.job, "killed by signal 11")
        ]
        assert told.of(JobFailed) == []

    def test_too_many_is_reported_as_the_end_of_the_job(self, finisher, in_flight, told):
        submit(finisher, in_flight, Crashed(ErrorText(error="killed"), "5 lost processes"))

        finisher.flush()

        assert [notice.reason for notice in told.of(JobFailed)] == ["5 lost processes"]


class TestAnOutage:
    def test_keeps_the_results_in_their_order(self, finisher, in_flight, store):
        results = submit(finisher, in_flight, Succeeded(), Succeeded())
        store.on("finish", AWAY)
        with pytest.raises(type(AWAY)):
            finisher.flush()

        finisher.flush()

        assert store.called("finish")[-1] == jobs_of(results)
        assert in_flight.is_empty()

    def test_keeps_the_jobs_locked(self, finisher, in_flight, store):
        results = submit(finisher, in_flight, Succeeded())
        store.on("finish", AWAY)

        with pytest.raises(type(AWAY)):
            finisher.flush()

        assert in_flight.all() == [results[0].held]

    def test_makes_what_was_sent_doubtful_and_nothing_else(self, finisher, in_flight, store):
        first = submit(finisher, in_flight, Succeeded())
        store.on("finish", AWAY)
        with pytest.raises(type(AWAY)):
            finisher.flush()
        second = submit(finisher, in_flight, Succeeded())

        finisher.flush()

        assert store.called("finish")[1:] == [jobs_of(second), jobs_of(first)]
        assert store.options("finish") == [{"repeated": False}, {"repeated": False}, {"repeated": True}]

    def test_lets_failures_that_may_be_written_be_written_again_in_one_go(self, finisher, in_flight, store):
        results = submit(finisher, in_flight, FAILED, DESTROYED, CRASHED)
        store.on("end_all", AWAY)
        with pytest.raises(type(AWAY)):
            finisher.flush()

        finisher.flush()

        assert store.called("end_all") == [jobs_of(results)] * 2
        assert store.options("end_all") == [{"repeated": False}, {"repeated": True}]

    def test_leaves_unsent_failures_beyond_doubt(self, finisher, in_flight, store):
        first = submit(finisher, in_flight, FAILED, FAILED)
        store.on("end_all", AWAY)
        with pytest.raises(type(AWAY)):
            finisher.flush()
        second = submit(finisher, in_flight, FAILED, FAILED)

        finisher.flush()

        assert store.called("end_all")[1:] == [jobs_of(second), jobs_of(first)]
        assert store.options("end_all")[1:] == [{"repeated": False}, {"repeated": True}]

    def test_is_reported_once_and_lived_through(self, finisher, in_flight, store, told, writer):
        store.on("finish", *[AWAY] * 20)

        submit(finisher, in_flight, Succeeded())
        eventually(in_flight.is_empty)

        eventually(lambda: len(told.of(DatabaseBack)) == 1)
        assert len(told.of(DatabaseAway)) == 1
        assert len(told.of(JobCompleted)) == 1

    def test_is_not_over_when_it_outlasts_the_locks_of_what_there_was_to_write(
        self, finisher, in_flight, store, told, writer
    ):
        result = a_result(in_flight)

        def runs_out():
            result.held.expires = 0
            raise AWAY

        store.on("finish", runs_out)
        finisher.submit(result)
        eventually(in_flight.is_empty)
        finisher.close()
        writer.join(30)

        assert len(told.of(JobLost)) == len(told.of(DatabaseAway)) == 1
        assert told.of(DatabaseBack) == []

    def test_ends_the_patience_when_the_writer_is_closed(self, finisher, in_flight, store, writer):
        store.on("finish", *[AWAY] * 100_000)
        submit(finisher, in_flight, Succeeded())
        eventually(lambda: store.called("finish"))

        finisher.close()
        writer.join(30)

        assert not writer.is_alive()
        assert not in_flight.is_empty()


class TestResultsThatAreGivenUp:
    def test_do_not_keep_the_writer(self, finisher, in_flight, store, writer, monkeypatch):
        is_writing, go_on = threading.Event(), threading.Event()

        def finish(jobs, **options):
            is_writing.set()
            go_on.wait(20)
            return []

        monkeypatch.setattr(store, "finish", finish)
        submit(finisher, in_flight, Succeeded())
        is_writing.wait(20)
        submit(finisher, in_flight, Succeeded())

        finisher.close()
        left = finisher.give_up()
        go_on.set()
        writer.join(30)

        assert left == 2
        assert not writer.is_alive()


class TestALostJob:
    def test_is_reported_and_its_result_dropped(self, finisher, in_flight, store, told):
        lost, kept = submit(finisher, in_flight, Succeeded(), Succeeded())
        store.on("finish", [lost.held.job])

        finisher.flush()

        assert [notice.job for notice in told.of(JobLost)] == [lost.held.job]
        assert [notice.job for notice in told.of(JobCompleted)] == [kept.held.job]
        assert in_flight.is_empty()

    @pytest.mark.behaviour("X5")
    def test_that_failed_is_not_told_as_failed(self, finisher, in_flight, store, told):
        submit(finisher, in_flight, FAILED)
        store.on("end", False)

        finisher.flush()

        assert len(told.of(JobLost)) == len([n for n in told.notices if type(n).__name__ != "JobErrored"]) == 1

    def test_writes_nothing_when_its_lock_was_not_renewed_for_a_lease(self, finisher, in_flight, store, told):
        result = a_result(in_flight)
        result.held.expires = 0
        finisher.submit(result)

        finisher.flush()

        assert store.calls == []
        assert len(told.of(JobLost)) == 1
        assert in_flight.is_empty()


class TestAResultThatIsRefused:
    def test_does_not_hold_up_the_others(self, finisher, in_flight, store, told):
        refused, *_ = submit(finisher, in_flight, FAILED, FAILED, FAILED)
        store.on("end_all", REFUSED)
        store.on("end", REFUSED)

        with pytest.raises(type(REFUSED)):
            finisher.flush()

        assert in_flight.all() == [refused.held]

    def test_is_found_in_a_few_writes_among_many(self, finisher, in_flight, store, told):
        *_, refused = submit(finisher, in_flight, *[FAILED] * 512)
        store.on("end_all", *[REFUSED, []] * 8, REFUSED)
        store.on("end", True, REFUSED)

        with pytest.raises(type(REFUSED)):
            finisher.flush()

        assert in_flight.all() == [refused.held]
        assert len(store.calls) <= 20

    def test_is_not_looked_for_any_further_once_there_are_many(self, finisher, in_flight, store, told):
        submit(finisher, in_flight, *[FAILED] * 100)
        store.on("end_all", *[REFUSED] * 1000)
        store.on("end", *[REFUSED] * 1000)

        with pytest.raises(type(REFUSED)):
            finisher.flush()

        assert len(store.calls) <= 40

    def test_is_tried_again(self, finisher, in_flight, store, told, writer):
        store.on("finish", *[REFUSED] * 9)

        submit(finisher, in_flight, Succeeded())
        eventually(in_flight.is_empty)

        assert len(told.of(JobCompleted)) == 1
        assert told.of(JobLost) == []

    def test_is_dropped_when_it_can_never_be_stored(self, finisher, in_flight, store, told):
        bad, _ = submit(finisher, in_flight, FAILED, FAILED)
        store.on("end_all", UNSTORABLE)
        store.on("end", UNSTORABLE)

        finisher.flush()

        assert [notice.job for notice in told.of(JobLost)] == [bad.held.job]
        assert "cannot be stored" in told.of(JobLost)[0].what
        assert in_flight.is_empty()

    def test_is_dropped_when_it_cannot_even_be_sent(self, finisher, in_flight, store, told):
        submit(finisher, in_flight, FAILED, Succeeded())
        store.on("end", OverflowError("8-byte ints"))

        finisher.flush()

        assert len(told.of(JobLost)) == len(told.of(JobCompleted)) == 1

    def test_is_found_among_successes(self, finisher, in_flight, store, told):
        submit(finisher, in_flight, Succeeded(), Succeeded())
        store.on("finish", UNSTORABLE, UNSTORABLE)

        finisher.flush()

        assert len(told.of(JobLost)) == len(told.of(JobCompleted)) == 1


class TestTheWriterThread:
    def test_lives_through_anything(self, finisher, in_flight, told, writer):
        in_flight.written = _raising_once(in_flight.written)

        submit(finisher, in_flight, Succeeded())
        eventually(lambda: told.of(CallbackRaised))
        submit(finisher, in_flight, Succeeded())

        eventually(lambda: len(told.of(JobCompleted)) == 2)
        assert writer.is_alive()

    def test_lives_through_a_listener_that_raises(self, finisher, in_flight, told, writer):
        told.on_notice(_raise)

        submit(finisher, in_flight, Succeeded())
        eventually(in_flight.is_empty)
        submit(finisher, in_flight, Succeeded())

        eventually(in_flight.is_empty)
        assert len(told.of(JobCompleted)) == 2
        assert told.of(CallbackRaised)[0].what == "a listener to notices"


def _raise(notice):
    raise ValueError("a bad listener")


def _raising_once(function):
    errors = [ValueError("a bug")]

    def raising(*arguments):
        if errors:
            raise errors.pop()
        return function(*arguments)

    return raising
