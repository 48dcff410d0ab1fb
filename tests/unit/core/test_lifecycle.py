import pytest

from mongojobs.core.errors import CallbackError, NotRunError
from mongojobs.core.lifecycle import EVENTS, Lifecycle, Reporter
from mongojobs.core.notices import CallbackRaised, JobReleased, RunEnded, Warned, WorkerStopped
from tests.support.jobs import a_job

JOB = a_job()


@pytest.fixture
def lifecycle():
    return Lifecycle()


@pytest.fixture
def log():
    return []


def around(log, name):
    def callback(proceed, *arguments):
        log.append(f"{name} in")
        result = proceed()
        log.append(f"{name} out")
        return result

    return callback


class Unwanted(WorkerStopped):
    is_made = False

    def __init__(self, _worker):
        type(self).is_made = True


def _raise(_notice):
    raise ValueError("deaf")


async def async_callback(*_arguments):
    pass


def yielding_callback(*_arguments):
    yield


class AsyncCallback:
    async def __call__(self, *_arguments):
        pass


class TestListeners:
    @pytest.mark.parametrize("listener", [async_callback, yielding_callback, AsyncCallback(), "print"])
    def test_must_be_plain_functions(self, lifecycle, listener):
        with pytest.raises(CallbackError, match="a callback for notices must be"):
            lifecycle.on_notice(listener)

    def test_that_return_a_coroutine_are_reported(self, lifecycle, log):
        lifecycle.on_notice(lambda _notice: async_callback())
        lifecycle.on_notice(log.append)

        lifecycle.notify(Warned("w", "careful"))

        assert "a listener to notices returned a coroutine" in log[0].trace

    def test_of_some_kinds_are_told_of_no_others(self, lifecycle, log):
        lifecycle.on_notice(log.append, Warned, RunEnded)

        lifecycle.notify(WorkerStopped("w", 0))
        lifecycle.notify(Warned("w", "careful"))
        lifecycle.notify(JobReleased("w", JOB))

        assert log == [Warned("w", "careful"), JobReleased("w", JOB)]

    def test_that_come_later_are_told_of_kinds_that_were_told_before(self, lifecycle, log):
        lifecycle.notify(Warned("w", "first"))
        lifecycle.on_notice(log.append, Warned)
        lifecycle.notify(Warned("w", "second"))

        assert log == [Warned("w", "second")]

    def test_of_other_kinds_need_not_be_told_that_one_of_them_raises(self, lifecycle, log):
        lifecycle.on_notice(_raise)
        lifecycle.on_notice(log.append, WorkerStopped)
        lifecycle.on_notice(log.append, CallbackRaised)

        lifecycle.notify(Warned("w", "careful"))

        assert [type(notice) for notice in log] == [CallbackRaised]

    def test_of_an_app_that_is_configured_anew_keep_their_kinds(self, lifecycle, log):
        lifecycle.on_notice(log.append, Warned)
        other = Lifecycle()

        other.take_over(lifecycle)
        other.notify(WorkerStopped("w", 0))
        other.notify(Warned("w", "careful"))

        assert log == [Warned("w", "careful")]

    def test_have_no_notice_made_that_none_of_them_hears(self, lifecycle):
        lifecycle.on_notice(print, RunEnded)

        Reporter(lifecycle, "w").tell(Unwanted)

        assert not Unwanted.is_made

    def test_may_say_what_they_do_not_want_as_things_stand(self, lifecycle, log):
        lifecycle.on_notice_in_order(log.append, wants=lambda kind: kind is not Warned)

        Reporter(lifecycle, "w").tell(Warned, "careful")
        Reporter(lifecycle, "w").tell(WorkerStopped, 0)

        assert log == [WorkerStopped("w", 0)]

    def test_are_told_until_they_are_forgotten(self, lifecycle, log):
        lifecycle.on_notice(log.append)
        lifecycle.notify(Warned("w", "first"))

        lifecycle.forget(log.append)
        lifecycle.notify(Warned("w", "second"))

        assert [notice.message for notice in log] == ["first"]


class TestLifecycle:
    @pytest.mark.behaviour("S108")
    def test_before_runs_before_the_body_with_the_arguments(self, lifecycle, log):
        lifecycle.before("perform", lambda *arguments: log.append(arguments))

        lifecycle.run("perform", "worker", "job", body=lambda: log.append("body"))

        assert log == [("worker", "job"), "body"]

    @pytest.mark.behaviour("S109")
    def test_after_runs_after_the_body(self, lifecycle, log):
        lifecycle.after("loop", log.append)

        lifecycle.run("loop", "worker", body=lambda: log.append("body"))

        assert log == ["body", "worker"]

    @pytest.mark.behaviour("S110", "S111")
    def test_arounds_surround_the_body_and_the_first_is_the_outermost(self, lifecycle, log):
        lifecycle.around("loop", around(log, "first"))
        lifecycle.around("loop", around(log, "second"))

        lifecycle.run("loop", "worker", body=lambda: log.append("body"))

        assert log == ["first in", "second in", "body", "second out", "first out"]

    def test_an_around_may_change_the_value(self, lifecycle):
        lifecycle.around("loop", lambda proceed, _worker: proceed() + 1)

        assert lifecycle.run("loop", "worker", body=lambda: 41) == 42

    def test_an_around_that_does_not_proceed_suppresses_the_body(self, lifecycle, log):
        lifecycle.around("loop", lambda _proceed, _worker: "instead")

        assert lifecycle.run("loop", "worker", body=lambda: log.append("body")) == "instead"
        assert log == []

    def test_after_is_skipped_when_the_body_raises(self, lifecycle, log):
        lifecycle.after("loop", log.append)

        with pytest.raises(ZeroDivisionError):
            lifecycle.run("loop", "worker", body=lambda: 1 / 0)

        assert log == []

    @pytest.mark.behaviour("S112")
    def test_a_wrong_number_of_arguments_is_reported_with_the_right_one(self, lifecycle):
        with pytest.raises(CallbackError, match=r"perform takes the arguments \(worker, job\), got 1"):
            lifecycle.run("perform", "worker", body=lambda: None)

    @pytest.mark.parametrize("register", [Lifecycle.before, Lifecycle.after, Lifecycle.around])
    def test_an_unknown_event_is_refused_with_the_known_ones(self, lifecycle, register):
        with pytest.raises(CallbackError, match="unknown lifecycle event 'perfrom': use one of enqueue, execute"):
            register(lifecycle, "perfrom", print)

    def test_a_callback_must_be_callable(self, lifecycle):
        with pytest.raises(CallbackError, match="must be callable, got 'print'"):
            lifecycle.before("loop", "print")

    @pytest.mark.parametrize("register", [Lifecycle.before, Lifecycle.after, Lifecycle.around])
    @pytest.mark.parametrize("callback", [async_callback, yielding_callback, AsyncCallback()])
    def test_a_callback_that_nobody_could_await_is_refused(self, lifecycle, register, callback):
        with pytest.raises(
            CallbackError, match=r"perform must be a plain function, since nothing awaits .*: write `def`"
        ):
            register(lifecycle, "perform", callback)

    @pytest.mark.parametrize("register", [Lifecycle.before, Lifecycle.after, Lifecycle.around])
    def test_a_callback_that_returns_a_coroutine_is_reported(self, lifecycle, register):
        register(lifecycle, "loop", lambda *_arguments: async_callback())

        with pytest.raises(
            NotRunError, match=r"a callback (before|after|around) loop returned a coroutine, which nothing"
        ):
            lifecycle.run("loop", "worker", body=lambda: None)

    def test_has_the_seven_events_of_delayed_job_and_one_for_cancelling(self):
        of_delayed_job = ["enqueue", "execute", "loop", "perform", "invoke_job", "error", "failure"]

        assert list(EVENTS) == [*of_delayed_job, "cancelled"]

    def test_notices_reach_every_listener(self, lifecycle, log):
        lifecycle.on_notice(log.append)
        lifecycle.on_notice(log.append)

        lifecycle.notify(Warned("w", "careful"))

        assert log == [Warned("w", "careful")] * 2
