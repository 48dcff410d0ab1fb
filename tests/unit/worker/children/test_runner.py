"""Runs in children: what surrounds a job is the same as with threads, and the cause of a child's death is reported."""

import os
import re
import signal
import threading
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import Worker
from mongojobs.core.clock import SystemClock
from mongojobs.core.errors import Interrupted, JobTimeout, SettingsError
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import ChildReplaced, Warned
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Crashed, Discarded, Errored, GivenUp, HandedBack, Snoozed, Succeeded
from mongojobs.payload.calls.handler import Payloads, function_call, object_call
from mongojobs.payload.documents.references import DocumentReferences
from mongojobs.payload.registry import registry
from mongojobs.payload.values.codec import Codec
from mongojobs.process.memory import peak_bytes
from mongojobs.process.supervisor import ChildCommand
from mongojobs.worker.children.runner import ChildRunner
from mongojobs.worker.run.judgement import RunContext
from tests.support import child_app, process_app
from tests.support.child_app import LATER, Hooked
from tests.support.nursery import Nursery, child_command
from tests.support.profiled import own_calls
from tests.support.waiting import eventually, promptly
from tests.support.worker_parts import Told, a_held

PAYLOADS = Payloads(Codec(registry, DocumentReferences()))


@pytest.fixture(scope="module")
def plugin_notes(tmp_path_factory):
    """What the plugin of the child's app notes."""
    return tmp_path_factory.mktemp("child") / "events"


@pytest.fixture(scope="module")
def nursery(plugin_notes):
    nursery = Nursery(CHILD_NOTES=str(plugin_notes))
    yield nursery
    nursery.close()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def watched():
    return []


@pytest.fixture
def make(nursery, told, watched):
    def make(**settings):
        context = RunContext(PAYLOADS, Settings().changed(**settings), Reporter(told, "worker"), SystemClock())
        return nursery.runner(context, watch=watched.append)

    return make


@pytest.fixture
def runner(make):
    return make()


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes"
    path.touch()
    return path


def held_call(function, *args, **changes):
    return a_held(handler=PAYLOADS.dump(function_call(function.declaration, args)), **changes)


def held_object(job_object, **changes):
    return a_held(handler=PAYLOADS.dump(object_call(job_object)), **changes)


def words(path):
    return [line.split()[0] for line in path.read_text().splitlines()]


class InAThread(threading.Thread):
    """Runs a job alongside the test."""

    def __init__(self, runner, held):
        super().__init__()
        self.runner, self.held, self.outcome = runner, held, None
        self.start()

    def run(self):
        self.outcome = self.runner.run(self.held)

    def end(self):
        self.join(20)
        return self.outcome


class TestTheHooks:
    def test_of_a_job_that_succeeds_run_in_the_child(self, runner, notes):
        held = held_object(Hooked(str(notes)))

        outcome = runner.run(held)

        assert outcome == Succeeded()
        assert words(notes) == ["before", "perform", "success", "after"]
        assert f"perform {held.job.id}" in notes.read_text()

    def test_are_followed_by_the_result_of_a_job_that_keeps_it(self, runner, notes):
        held = held_object(Hooked(str(notes)), keep_result=timedelta(days=1))

        outcome = runner.run(held)

        assert outcome == Succeeded({"value": "done"})

    def test_of_a_job_that_fails_run_in_the_child(self, runner, notes):
        outcome = runner.run(held_object(Hooked(str(notes), fails=True)))

        assert words(notes) == ["before", "perform", "error", "after", "reschedule_at"]
        assert isinstance(outcome, Errored)
        assert outcome.run_at == LATER
        assert outcome.error.error == "ValueError: no luck"
        assert "in perform" in outcome.error.trace

    def test_of_a_job_that_is_given_up_run_in_the_child(self, runner, notes):
        outcome = runner.run(held_object(Hooked(str(notes), fails=True, destroy_failed_jobs=True), attempts=2))

        assert words(notes) == ["before", "perform", "error", "after", "failure"]
        assert "failure 3" in notes.read_text()
        assert isinstance(outcome, GivenUp)
        assert (outcome.reason, outcome.destroy) == ("3 consecutive failures", True)


class TestAJobThatDoesNothing:
    def test_costs_the_worker_few_calls_and_no_question_to_the_system(self, runner, monkeypatch):
        runner.run(held_call(child_app.does_nothing))  # in a child that may have to start first
        held = held_call(child_app.does_nothing)
        asked = []
        monkeypatch.setattr(os, "waitid", lambda *about: asked.append(about), raising=False)

        calls = own_calls(lambda: runner.run(held))

        assert calls.total() <= 70, calls
        assert asked == []


class TestTheEvents:
    def test_of_a_failure_come_up_here_with_the_job_as_it_is_then(self, runner, told, notes):
        seen = []
        told.around("perform", lambda proceed, worker, job: (seen.append("perform"), proceed())[1])
        told.before("invoke_job", lambda job: seen.append("invoke_job"))
        for event in ("error", "failure"):
            told.before(event, lambda worker, job, event=event: seen.append((event, job.attempts, job.last_error[:19])))

        runner.run(held_object(Hooked(str(notes), fails=True), attempts=2))

        assert seen == ["perform", ("error", 3, "ValueError: no luck"), ("failure", 3, "ValueError: no luck")]

    def test_around_the_code_alone_come_up_in_the_child(self, runner, plugin_notes, notes):
        plugin_notes.write_text("")

        runner.run(held_object(Hooked(str(notes), fails=True), attempts=2))

        assert plugin_notes.read_text().splitlines() == ["invoke_job"]

    def test_must_let_the_job_run_in_the_child_too(self, runner):
        outcome = runner.run(held_call(child_app.does_nothing, tags=("left out",)))

        assert isinstance(outcome, Errored)
        assert outcome.error.error.startswith("NotRunError: a plugin around invoke_job did not let it happen")


class TestAnOutcome:
    @pytest.mark.parametrize(
        ("name", "kind", "text"),
        [
            ("OSError", Errored, "OSError: judged"),
            ("KeyError", Discarded, "KeyError: 'judged'"),
            ("ValueError", GivenUp, "ValueError is none of the errors to retry on"),
        ],
    )
    def test_is_as_declared(self, runner, name, kind, text):
        outcome = runner.run(held_call(child_app.is_judged, name))

        assert isinstance(outcome, kind)
        assert text in str(outcome)

    def test_may_be_a_snooze_or_a_discard(self, runner):
        assert runner.run(held_call(child_app.snoozes)) == Snoozed(timedelta(seconds=1.5))
        assert runner.run(held_call(child_app.discards)) == Discarded("not wanted any more")

    def test_may_be_that_of_a_job_that_sets_signals(self, runner, notes):
        assert runner.run(held_call(child_app.rings, str(notes))) == Succeeded()
        assert words(notes) == ["rang"]

    def test_may_be_that_of_a_coroutine(self, runner, notes):
        assert runner.run(held_call(child_app.awaits, str(notes))) == Succeeded()
        assert words(notes) == ["awaited"]


class TestTheCurrentJob:
    def test_is_all_there(self, runner, notes):
        held = held_call(child_app.looks, str(notes), queue="mail", attempts=2, tags=("a", "b"))
        job = held.job

        runner.run(held)

        seen = f"{job.id} mail running 2 {job.run_at.isoformat()} ('a', 'b') False\n"
        assert notes.read_text() == seen


class TestALimit:
    def test_of_the_job_object_counts_here(self, runner, watched, notes):
        held = held_object(Hooked(str(notes), max_run_time=30))

        runner.run(held)

        assert held.limit == timedelta(seconds=30)
        assert watched == [held, held]

    def test_of_attempts_counts_although_nobody_can_ask_any_more(self, runner, notes):
        held = held_object(Hooked(str(notes), max_attempts=1))
        runner.run(held)

        assert isinstance(runner.overdue(held), GivenUp)


class TestAnInterruption:
    @pytest.mark.parametrize(("exception", "kind"), [(Interrupted, HandedBack), (JobTimeout, Errored)])
    def test_reaches_the_job(self, runner, notes, exception, kind):
        held = held_call(process_app.catches, str(notes))
        run = InAThread(runner, held)
        eventually(lambda: words(notes) == ["waits"])

        held.interruption.interrupt(exception)

        assert isinstance(run.end(), kind)
        assert words(notes) == ["waits", "caught"]


class TestADeath:
    def test_is_a_crash_with_what_happened(self, runner, notes):
        outcome = runner.run(held_call(process_app.dies, str(notes), "segfault"))

        assert isinstance(outcome, Crashed)
        assert outcome.error.error.startswith(
            "the process that ran this job was killed by signal 11 (SIGSEGV); its peak memory was"
        )
        assert outcome.reason is None

    def test_too_many_is_a_reason_to_give_up(self, runner, notes):
        outcome = runner.run(held_call(process_app.dies, str(notes), "exit", 99, losses=4))

        assert outcome.reason == "5 lost processes"
        assert "ended with exit status 3" in outcome.error.error

    def test_tells_the_peak_of_a_process_that_used_more_than_its_worker(self, runner, notes):
        more = peak_bytes() // 2**20 + 100

        outcome = runner.run(held_call(process_app.dies_of_hunger, str(notes), more))

        told = re.search(r"\(SIGKILL, as when memory runs out\); its peak memory was (\d+) MiB", outcome.error.error)
        assert more <= int(told[1]) < more + 100

    @pytest.mark.parametrize("how", ["exec", "fork"])
    def test_is_seen_although_a_process_that_the_job_has_started_lives(self, runner, notes, how):
        with promptly():
            outcome = runner.run(held_call(child_app.forks, how))

        assert isinstance(outcome, Crashed)

    def test_of_a_child_that_had_not_read_all_is_a_crash_all_the_same(self, runner, notes):
        held = held_call(process_app.holds_the_interpreter, str(notes))
        run = InAThread(runner, held)
        eventually(lambda: words(notes) == ["held"])
        pid = int(notes.read_text().split()[-1])
        for _ in range(3):
            held.interruption.interrupt(JobTimeout)
            threading.Event().wait(0.02)

        os.kill(pid, signal.SIGKILL)

        assert isinstance(run.end(), Crashed)
        assert words(notes) == ["held"]

    def test_on_our_demand_hands_the_job_back(self, runner, notes):
        held = held_call(process_app.holds_the_interpreter, str(notes))
        run = InAThread(runner, held)
        eventually(lambda: words(notes) == ["held"])

        was_killed = runner.abort(held)

        assert was_killed
        assert run.end() == HandedBack()

    def test_on_our_demand_after_the_time_limit_is_a_failure(self, runner, notes):
        held = held_call(process_app.holds_the_interpreter, str(notes))
        held.is_cut_short = True
        run = InAThread(runner, held)
        eventually(lambda: words(notes) == ["held"])

        runner.abort(held)

        outcome = run.end()
        assert isinstance(outcome, GivenUp)
        assert "the code did not return: its process was killed; its peak memory" in outcome.error.error

    def test_while_idle_costs_the_next_job_nothing(self, runner, told, notes):
        runner.run(held_object(Hooked(str(notes))))
        os.kill(runner._own.child.pid, signal.SIGKILL)

        assert runner.run(held_object(Hooked(str(notes)))) == Succeeded()
        assert "was killed by signal 9" in told.of(ChildReplaced)[0].reason

    def test_of_a_job_that_does_not_run_is_not_demanded(self, runner, notes):
        assert not runner.abort(held_object(Hooked(str(notes))))


class TestWear:
    def test_of_a_child_lets_another_take_its_place(self, make, told, notes):
        runner = make(max_jobs=2)
        runner.make_ready()
        first = runner._own.child
        first.runs = 0

        for _ in range(3):
            runner.run(held_object(Hooked(str(notes))))

        assert runner._own.child.pid != first.pid
        assert [notice.reason for notice in told.of(ChildReplaced)] == ["it has run 2 jobs (max_jobs is 2)"]


@pytest.fixture
def unborn(told):
    """Makes runners whose children never become ready."""
    made = []

    def unborn(command):
        context = RunContext(PAYLOADS, Settings(), Reporter(told, "worker"), SystemClock())
        made.append(ChildRunner(context, watch=lambda _held: None, command=command))
        return made[-1]

    yield unborn
    for runner in made:
        runner.close(5)


class TestAChildThatDoesNotStart:
    @pytest.fixture(autouse=True)
    def _short_pauses(self, monkeypatch):
        monkeypatch.setattr("mongojobs.worker.children.runner.FIRST_PAUSE_SECONDS", 0.01)

    @pytest.mark.parametrize(
        ("command", "notice", "text"),
        [
            (ChildCommand(["/bin/false"], {}), ChildReplaced, "ended with exit status 1 before it was ready"),
            (ChildCommand(["/no/such/program"], {}), Warned, "no child process can be started: [Errno 2]"),
        ],
    )
    def test_is_tried_again_until_the_stop(self, unborn, told, command, notice, text):
        runner = unborn(command)
        run = InAThread(runner, held_call(child_app.snoozes))
        eventually(lambda: len(told.of(notice)) > 2)

        could_run = runner.can_run()
        runner.close(5)

        assert not could_run
        assert run.end() == HandedBack()
        assert text in str(told.of(notice)[0])

    def test_in_time_is_killed_at_the_stop(self, unborn):
        runner = unborn(ChildCommand(["/bin/sh", "-c", "exec sleep 60"], {}))  # and not asks what --channel means
        run = InAThread(runner, held_call(child_app.snoozes))
        eventually(lambda: runner._children)
        [child] = runner._children

        runner.close(0.1)

        assert run.end() == HandedBack()
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)


class TestAWorkerMadeInPython:
    def test_does_not_know_what_its_children_import(self):
        with pytest.raises(SettingsError, match="start it with `mongojobs --app MODULE work --executor process`"):
            Worker(executor="process")

    def test_may_be_told(self):
        worker = Worker(app=mongojobs.MongoJobs(), executor="process", child=child_command())

        assert worker.settings.executor == "process"
