"""Plugins: which events surround which piece of work, end to end."""

from collections.abc import Callable

import pytest

import mongojobs.testing as jobs
from mongojobs import Lifecycle, NotRunError, Plugin, Worker, enqueue
from tests.support.clock import START
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Ceremonious, NoLuckError, always_fails, recorder, remember_one
from tests.support.waiting import eventually
from tests.support.working import Shift, work_off

EVENTS = ("enqueue", "execute", "loop", "perform", "invoke_job", "error", "failure")


class Witness(Plugin):
    """Writes down the beginning and the end of each event."""

    def register(self, lifecycle: Lifecycle) -> None:
        [self._watch(lifecycle, event) for event in EVENTS]

    def _watch(self, lifecycle: Lifecycle, event: str) -> None:
        lifecycle.before(event, lambda *_: recorder.note(f"before {event}"))
        lifecycle.after(event, lambda *_: recorder.note(f"after {event}"))


class Counting(Plugin):
    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.before("perform", lambda *_: recorder.note("counted"))


class Suppressing(Plugin):
    """Forgets to let the enqueue happen."""

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.around("enqueue", lambda _proceed, job: job)


class Forgetful(Plugin):
    """Keeps jobs from running, and tells nobody."""

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.around("invoke_job", lambda _proceed, _job: None)


class Absent(Plugin):
    """Does not let a worker work, or does not say how that ended."""

    def __init__(self, *, proceeds: bool) -> None:
        self._proceeds = proceeds

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.around("execute", self._around)

    def _around(self, proceed: Callable[[], int], _worker: object) -> None:
        _ = self._proceeds and proceed()


class Blind(Plugin):
    """Keeps workers from looking for jobs."""

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.around("loop", lambda _proceed, _worker: None)


class Retired(Plugin):
    """Registers when it is too late."""

    async def register(self, lifecycle: Lifecycle) -> None:  # type: ignore[override]  # what it is about
        lifecycle.before("perform", lambda *_: None)


class Loud(Plugin):
    """Raises in the event that it is made for."""

    def __init__(self, event: str) -> None:
        self._event = event

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.before(self._event, self._raise)

    def _raise(self, *_arguments: object) -> None:
        raise NoLuckError(f"a plugin in {self._event}")


class TestEvents:
    @pytest.fixture(autouse=True)
    def _app(self, configure):
        configure(plugins=[Witness])

    def test_of_an_enqueue_surround_the_hook(self):
        enqueue(Ceremonious())

        assert recorder.deeds == ["before enqueue", "enqueue", "after enqueue"]

    def test_of_many_enqueues_surround_each(self):
        remember_one.delay_many([(1,), (2,)])

        assert recorder.deeds == ["before enqueue", "after enqueue"] * 2

    def test_of_a_success_are_perform_around_invoke_job(self):
        enqueue(Ceremonious())
        recorder.clear()

        work_off()

        assert recorder.deeds == [
            *("before perform", "before invoke_job"),
            *("before", "perform", "success", "after"),
            *("after invoke_job", "after perform"),
        ]

    def test_of_a_failure_have_error_after_invoke_job(self):
        enqueue(Ceremonious(raises="perform"))
        recorder.clear()

        work_off()

        assert recorder.deeds == [
            *("before perform", "before invoke_job"),
            *("before", "perform", "error", "after"),
            *("before error", "after error", "after perform"),
        ]

    def test_of_giving_up_have_failure_inside_error(self):
        enqueue(Ceremonious(raises="perform", max_attempts=1))
        recorder.clear()

        work_off()

        assert recorder.deeds[6:] == [
            *("before error", "before failure", "failure", "after failure", "after error", "after perform"),
        ]

    def test_of_a_payload_that_cannot_be_loaded_have_failure_and_no_error(self):
        band = Band(name="X").save()
        band.delay.play()
        band.delete()
        recorder.clear()

        work_off()

        assert recorder.deeds == ["before perform", "before failure", "after failure", "after perform"]

    def test_of_a_worker_are_execute_around_its_turns(self):
        Worker(exit_on_complete=True).start()

        assert recorder.deeds[:2] == ["before execute", "before loop"]
        assert recorder.deeds[-2:] == ["after loop", "after execute"]


class TestAPlugin:
    @pytest.mark.behaviour("S107")
    def test_is_registered_once_however_many_workers_there_are(self, configure):
        configure(plugins=[Counting])
        Worker()
        Worker()
        remember_one.delay(1)

        work_off()

        assert recorder.deeds == ["counted", "remembered"]

    def test_may_be_given_as_an_instance(self, configure):
        configure(plugins=[Loud("enqueue")])

        with pytest.raises(NoLuckError, match="a plugin in enqueue"):
            remember_one.delay(1)

    def test_that_does_not_let_an_enqueue_happen_stores_nothing(self, configure):
        app = configure(plugins=[Suppressing])

        remember_one.delay(1)

        assert app.reader.find() == []

    def test_that_does_not_let_many_enqueues_happen_stores_nothing(self, configure):
        app = configure(plugins=[Suppressing])

        assert remember_one.delay_many([(1,), (2,)]) == []

        assert app.reader.find() == []

    def test_that_does_not_let_a_job_run_makes_it_fail(self, configure):
        app = configure(plugins=[Forgetful])
        job = remember_one.delay(1)

        assert work_off() == (0, 1)

        assert app.get(job.id).last_error.startswith("NotRunError: a plugin around invoke_job did not let it happen")
        assert recorder.deeds == []

    def test_that_does_not_let_a_job_run_is_reported_inline_and_in_tests(self, configure):
        configure(plugins=[Forgetful], delay_jobs=False)

        with pytest.raises(NotRunError, match=r"it must call proceed\(\) and return its value"):
            remember_one.delay(1)
        with jobs.mode("fake"), pytest.raises(NotRunError, match="did not let it happen"):
            jobs.perform(remember_one.delay(1))

    def test_that_does_not_let_a_worker_work_is_reported(self, configure):
        configure(plugins=[Absent(proceeds=False)])

        with pytest.raises(NotRunError, match="a plugin around execute did not let it happen"):
            Worker(exit_on_complete=True).start()

    def test_that_does_not_say_how_the_work_ended_changes_nothing(self, configure):
        configure(plugins=[Absent(proceeds=True)])

        assert Worker(exit_on_complete=True).start() == 0

    def test_that_does_not_let_a_worker_look_for_jobs_is_reported_at_each_turn(self, configure, caplog):
        configure(plugins=[Blind])
        worker = Worker(exit_on_complete=True)
        shift = Shift(worker)

        shift.start()

        eventually(lambda: "a plugin around loop did not let it happen" in caplog.text)
        assert shift.end() == 0

    def test_that_registers_asynchronously_is_refused(self, configure):
        with pytest.raises(NotRunError, match=r"Retired\.register returned a coroutine"):
            configure(plugins=[Retired])

    @pytest.mark.parametrize("event", ["perform", "invoke_job"])
    def test_that_raises_around_a_job_fails_it(self, configure, event):
        app = configure(plugins=[Loud(event)])
        job = remember_one.delay(1)

        assert work_off() == (0, 1)

        assert app.get(job.id).last_error.startswith(f"NoLuckError: a plugin in {event}")
        assert "remembered" not in recorder.deeds

    @pytest.mark.parametrize("event", ["error", "failure"])
    def test_that_raises_after_a_failure_changes_nothing(self, configure, event):
        app = configure(plugins=[Loud(event)])
        job = always_fails.options(max_attempts=1).delay()

        assert work_off() == (0, 1)

        assert app.get(job.id).last_error.startswith("NoLuckError: no luck")
        assert app.get(job.id).failed_at == START

    def test_must_register_something(self, configure):
        with pytest.raises(NotImplementedError, match="Plugin must override register"):
            configure(plugins=[Plugin])
