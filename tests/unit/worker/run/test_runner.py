"""Whatever a job, its object or a plugin does, a run has an outcome."""

import re
import threading
from datetime import timedelta

import pytest

from mongojobs.core.clock import SystemClock, elapsed_seconds
from mongojobs.core.errors import SHORTEST_SNOOZE, Interrupted, JobTimeout
from mongojobs.core.job import current_job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import CallbackRaised
from mongojobs.core.retry import LONGEST_DELAY
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Discarded, Errored, GivenUp, HandedBack, Snoozed, Succeeded
from mongojobs.payload.calls.handler import Payloads, function_call, object_call
from mongojobs.payload.documents.references import DocumentReferences
from mongojobs.payload.registry import registry
from mongojobs.payload.values.codec import Codec
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.threads.event_loop import EventLoop
from tests.support import hostile_jobs
from tests.support.nursery import Nursery
from tests.support.profiled import own_calls
from tests.support.worker_parts import Told, a_held

PAYLOADS = Payloads(Codec(registry, DocumentReferences()))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def event_loop():
    loop = EventLoop()
    yield loop
    assert loop.close(5)


@pytest.fixture
def watched():
    return []


@pytest.fixture(scope="module")
def nursery():
    """The child of all tests that run jobs in one."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(params=["thread", "process"])
def runner(request, told, event_loop, watched, nursery):
    if request.param == "thread":
        return Runner(context_of(told), watch=watched.append, loop=event_loop.get)
    return nursery.runner(context_of(told), watch=watched.append)


def context_of(told):
    return RunContext(PAYLOADS, Settings(), Reporter(told, "worker"), SystemClock())


def held_call(function, *args, **changes):
    return a_held(handler=PAYLOADS.dump(function_call(function.declaration, args)), **changes)


def held_object(job_object, **changes):
    return a_held(handler=PAYLOADS.dump(object_call(job_object)), **changes)


class TestAnOutcome:
    def test_is_success_when_the_job_returns(self, runner):
        assert runner.run(held_call(hostile_jobs.does_nothing)) == Succeeded()

    @pytest.mark.parametrize("name", list(hostile_jobs.ERRORS))
    def test_is_a_failure_whatever_the_job_raises(self, runner, name):
        outcome = runner.run(held_call(hostile_jobs.raises, name))

        assert isinstance(outcome, Errored)
        assert name in outcome.error.error
        assert outcome.run_at.tzinfo is not None

    @pytest.mark.parametrize("name", [name for name in hostile_jobs.ERRORS if name != "StopIteration"])
    def test_is_a_failure_whatever_an_async_job_raises(self, runner, name):
        outcome = runner.run(held_call(hostile_jobs.raises_later, name))

        assert isinstance(outcome, Errored)
        assert name in outcome.error.error

    @pytest.mark.parametrize("name", hostile_jobs.RAISED)
    def test_is_not_a_failure_when_the_job_raises_a_signal(self, runner, name):
        outcome = runner.run(held_object(hostile_jobs.RaisesASignal(name)))

        assert not isinstance(outcome, Errored | GivenUp)

    def test_is_a_failure_for_an_exception_that_cannot_say_what_it_is(self, runner):
        outcome = runner.run(held_call(hostile_jobs.raises_what_cannot_speak))

        assert outcome.error.error == "SpeechlessError: (its message cannot be read)"

    def test_is_a_failure_for_a_group_of_exceptions(self, runner):
        outcome = runner.run(held_call(hostile_jobs.raises_a_group))

        assert "KeyboardInterrupt" in outcome.error.trace

    @pytest.mark.parametrize("handler", [{}, {"v": 1, "kind": "function", "target": "unknown"}, {"v": 2}])
    def test_is_giving_up_for_a_payload_that_cannot_be_loaded(self, runner, handler):
        outcome = runner.run(a_held(handler=handler))

        assert isinstance(outcome, GivenUp)
        assert outcome.reason == "its payload cannot be loaded"

    def test_of_a_snooze_has_bounds(self, runner):
        assert runner.run(held_call(hostile_jobs.snoozes_for_ever)) == Snoozed(LONGEST_DELAY)
        assert runner.run(held_call(hostile_jobs.snoozes_back_in_time)) == Snoozed(SHORTEST_SNOOZE)

    def test_of_a_discard_is_a_text_that_can_be_stored(self, runner):
        outcome = runner.run(held_call(hostile_jobs.discards_for_a_reason_that_is_no_text))

        assert outcome == Discarded("half a pair: \\ud800")


class TestAResultThatIsStillToBeRun:
    @pytest.mark.parametrize("what", list(hostile_jobs.UNRUN))
    @pytest.mark.parametrize("function", [hostile_jobs.returns, hostile_jobs.returns_later])
    def test_is_a_failure_that_says_so(self, runner, function, what):
        outcome = runner.run(held_call(function, what))

        assert isinstance(outcome, Errored)
        assert re.match(
            r"NotRunError: .*returns.* returned an? .*, which nothing (consumes|awaits): ", outcome.error.error
        )

    def test_has_a_trace_without_the_code_of_the_worker(self, runner):
        outcome = runner.run(held_call(hostile_jobs.returns, "a coroutine"))

        assert re.fullmatch(
            r"mongojobs\.NotRunError: returns returned a coroutine, which nothing .*\nCause and remedy: .*",
            outcome.error.trace,
        )

    @pytest.mark.parametrize("what", list(hostile_jobs.UNRUN))
    def test_is_a_failure_of_a_job_object(self, runner, what):
        outcome = runner.run(held_object(hostile_jobs.Returns(what)))

        assert outcome.error.error.startswith("NotRunError: Returns.perform returned ")

    def test_is_a_failure_of_a_generator_in_a_wrapper(self, runner):
        outcome = runner.run(held_call(hostile_jobs.read_by_nobody))

        assert "returned a generator, which nothing consumes" in outcome.error.error

    def test_is_run_where_the_wrapper_is_of_an_async_function(self, runner):
        assert runner.run(held_call(hostile_jobs.awaited_through_a_wrapper)) == Succeeded()


class TestAnAsyncHook:
    @pytest.mark.parametrize(
        ("raises", "error"),
        [
            ("before", "error, as before"),
            ("perform", "error, as perform"),
            ("success", "error, as success"),
            ("after", "after"),
        ],
    )
    def test_is_awaited(self, runner, raises, error):
        outcome = runner.run(held_object(hostile_jobs.HasAsyncHooks(raises)))

        assert outcome.error.error == f"ValueError: {error}"

    def test_may_be_of_an_async_job_that_succeeds(self, runner):
        assert runner.run(held_object(hostile_jobs.HasAsyncHooks())) == Succeeded()

    def test_is_awaited_where_the_job_is_a_plain_function(self, runner):
        outcome = runner.run(held_object(hostile_jobs.HasLateHooks("before")))

        assert outcome.error.error == "ValueError: before"

    def test_that_returns_what_runs_nothing_makes_the_job_fail(self, runner):
        outcome = runner.run(held_object(hostile_jobs.HasLateHooks("success")))

        assert outcome.error.error.startswith("NotRunError: HasLateHooks.success returned a generator")


class TestAnAsyncHookOfAnInterruptedRun:
    def test_is_awaited_all_the_same(self, told, event_loop, watched):
        runner = Runner(context_of(told), watch=watched.append, loop=event_loop.get)
        held, outcomes = held_object(hostile_jobs.RunsTooLong()), []
        thread = threading.Thread(target=lambda: outcomes.append(runner.run(held)))
        thread.start()
        assert hostile_jobs.begun.wait(30)

        held.interruption.interrupt(JobTimeout)
        thread.join(30)

        assert outcomes[0].error.error == "ValueError: after"


class TestAJobThatIsAsked:
    @pytest.mark.parametrize("error", ["ValueError", "SystemExit", "KeyboardInterrupt"])
    @pytest.mark.parametrize(
        ("name", "attempts"),
        [("max_attempts", 24), ("destroy_failed_jobs", 24), ("failure", 24), ("reschedule_at", 0)],
    )
    def test_and_raises_keeps_its_outcome(self, runner, told, name, attempts, error):
        outcome = runner.run(held_object(hostile_jobs.HostileWhenAsked(name, error), attempts=attempts))

        assert isinstance(outcome, Errored | GivenUp)
        assert outcome.error.error == "ValueError: no luck"
        assert told.of(CallbackRaised)

    def test_what_it_overrides_is_asked_although_its_code_does_not_return(self, runner):
        held = a_held(handler=PAYLOADS.dump(object_call(hostile_jobs.HostileWhenAsked("nothing"))), max_attempts=1)
        runner.run(held)

        outcome = runner.overdue(held)

        assert isinstance(outcome, GivenUp)
        assert "the code did not return" in outcome.error.error


class TestAPluginAroundTheRun:
    def test_that_raises_before_it_makes_it_fail(self, runner, told):
        told.before("perform", _raise)

        outcome = runner.run(held_call(hostile_jobs.does_nothing))

        assert outcome.error.error == "ValueError: a bad plugin"

    @pytest.mark.parametrize("error", [ValueError("a bad plugin"), SystemExit()])
    def test_that_raises_after_it_changes_nothing(self, runner, told, error):
        def raise_it(worker, job):
            raise error

        told.after("perform", raise_it)

        outcome = runner.run(held_call(hostile_jobs.does_nothing))

        assert outcome == Succeeded()
        assert len(told.of(CallbackRaised)) == 1

    def test_that_forgets_to_return_the_outcome_changes_nothing(self, runner, told):
        def forgetful(proceed, worker, job):
            proceed()

        told.around("perform", forgetful)

        assert runner.run(held_call(hostile_jobs.does_nothing)) == Succeeded()

    def test_that_does_not_let_it_run_makes_it_fail(self, runner, told):
        told.around("perform", lambda proceed, worker, job: None)

        outcome = runner.run(held_call(hostile_jobs.does_nothing))

        assert isinstance(outcome, Errored)
        assert "did not let the job run" in outcome.error.error


class TestAnInterruptedRun:
    def test_is_handed_back(self, runner):
        held = held_call(hostile_jobs.does_nothing)
        held.interruption.interrupt(Interrupted)

        assert runner.run(held) == HandedBack()

    def test_is_a_failure_when_it_took_too_long(self, runner):
        held = held_call(hostile_jobs.does_nothing, max_run_time=timedelta(seconds=90))
        held.interruption.interrupt(JobTimeout)

        outcome = runner.run(held)

        assert outcome.error.error == "JobTimeout: the job ran longer than its max_run_time of 90s"

    def test_has_a_limit_from_its_beginning_on(self, runner, watched):
        held = held_call(hostile_jobs.does_nothing, max_run_time=timedelta(seconds=90))
        held.started = 1000.0

        runner.run(held)

        assert watched == [held]
        assert held.deadline == held.started + 90


class TestTheCurrentJob:
    def test_is_none_after_a_run(self, runner):
        runner.run(held_call(hostile_jobs.does_nothing))

        assert current_job() is None

    def test_is_known_to_the_failure_callbacks_in_any_thread(self, runner, told):
        found = []
        told.before("failure", lambda worker, job: found.append(current_job().id))
        held = held_call(hostile_jobs.does_nothing, attempts=24)

        thread = threading.Thread(target=runner.overdue, args=(held,))
        thread.start()
        thread.join(30)

        assert found == [held.job.id]


def _raise(worker, job):
    raise ValueError("a bad plugin")


class TestTheCost:
    def test_of_a_job_that_does_nothing_is_thirty_seven_calls_beside_those_of_listeners(self, told, event_loop):
        runner = Runner(context_of(told), watch=lambda _held: None, loop=event_loop.get)
        job = held_call(hostile_jobs.does_nothing).job
        hold_and_run(runner, job)

        calls = own_calls(lambda: hold_and_run(runner, job))

        own = {name: count for name, count in calls.items() if not name.startswith(("Lifecycle.", "Reporter."))}
        assert sum(own.values()) <= 37, own


def hold_and_run(runner, job):
    [held] = runner.hold([job], elapsed_seconds() + 60, stopping=threading.Event())
    runner.run(held)
