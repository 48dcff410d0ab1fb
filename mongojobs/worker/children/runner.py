"""Running jobs in child processes, so that what a job does to its process harms no other job."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.inside.log import Entry, Lines
from mongojobs.core.inside.record import Told
from mongojobs.core.job import Document, ErrorText, Job, isolated
from mongojobs.core.notices import CallbackRaised, ChildReplaced, RowSetAside, Warned
from mongojobs.core.retry import losses_after
from mongojobs.core.transitions import Crashed, Errored, GivenUp, HandedBack, Outcome
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import counted
from mongojobs.process.memory import recycle_reason
from mongojobs.process.supervisor import LONGEST_BOOT, ChildCommand
from mongojobs.worker.children import messages
from mongojobs.worker.children.process import Child, ExitReport
from mongojobs.worker.run.inflight_job import InFlightJob, Key
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.runner import Run, Runner
from mongojobs.worker.run.transaction import Renewals

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 10.0
"""How long to wait before starting another child if the last one never became ready."""


class ChildRunner(Runner):
    """Runs jobs in children started by *command*: each calling thread has its own.

    Here are the ``perform``, ``error`` and ``failure`` events, the notices, and the judgement of what has died; in the
    child the job with its hooks and overrides.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        watch: Callable[[InFlightJob], None],
        command: ChildCommand,
    ) -> None:
        super().__init__(context, watch=watch, loop=_no_loop)
        self._command = command
        self._own = _Own()
        self._guard = threading.Lock()
        self._children: set[Child] = set()
        self._running: dict[Key, Child] = {}
        self._closing = threading.Event()

    def _hold(self, job: Job, expires: float, stopping: threading.Event) -> InFlightJob:
        """Return a reserved job ready to run here; a child runs one at a time, whatever its kind."""
        return InFlightJob(job, expires=expires, stopping=stopping)

    def run(self, held: InFlightJob) -> Outcome:
        """Run the job in this thread's child, and return how it ended; never raises."""
        return isolated(held.job, ChildRun(held, self).perform)

    def make_ready(self) -> bool:
        """Wait until the calling thread's child is ready; False once this is closed."""
        return self.ready_child() is not None

    def can_run(self) -> bool:
        """Whether any child is ready."""
        with self._guard:
            return any(child.is_ready for child in self._children)

    def abort(self, held: InFlightJob) -> bool:
        """Kill the child that is running *held*; False if there is none."""
        with self._guard:
            child = self._running.get(held.key)
            if child is not None:
                child.abort()
        return child is not None

    def close(self, timeout: float) -> None:
        """Let the children end, and kill those that do not end in time."""
        deadline = time.monotonic() + timeout
        with self._guard:
            self._closing.set()
            children = list(self._children)
        for child in children:
            child.shut_down()
        for child in children:
            self.reap(child, max(deadline - time.monotonic(), 0.0))

    def note_busy(self, child: Child, held: InFlightJob) -> None:
        """Record that *child* is running *held*, so that it can be aborted."""
        with self._guard:
            self._running[held.key] = child

    def note_idle(self, held: InFlightJob) -> None:
        """Note that *held* has ended: its child must not be aborted for it."""
        with self._guard:
            del self._running[held.key]

    def ready_child(self) -> Child | None:
        """Wait for the calling thread's child, starting one if needed; None once this is closed."""
        pause, boot_limit = 0.0, self.context.settings.boot_timeout
        while not self._closing.is_set():
            self._recycle()
            if self._own.child is None:
                self._own.child = self._start()
            if (child := self._own.child) is not None and self._becomes_ready(child, boot_limit):
                return child
            boot_limit = max(min(boot_limit * 2, LONGEST_BOOT), self.context.settings.boot_timeout)
            pause = min(pause * 2 or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._closing.wait(pause)
        return None

    def _start(self) -> Child | None:
        """Start a child; None if that is not possible now, or not any more."""
        try:
            with self._guard:
                if self._closing.is_set():
                    return None
                child = Child(self._command)
                self._children.add(child)
        except OSError as error:
            self._warn(f"no child process can be started: {error}; trying again")
            return None
        return child

    def _becomes_ready(self, child: Child, limit: timedelta) -> bool:
        """Wait until *child* reports that it is ready; False if it ends instead, or hangs, or this is closed."""
        deadline = time.monotonic() + limit.total_seconds()
        while not (child.is_ready or self._closing.is_set()):
            try:
                child.is_ready = child.receive() is not None
            except TimeoutError:
                if time.monotonic() >= deadline:
                    child.end_boot(f"had not imported the app within {format_duration(limit)}, and was killed")
                continue
            except OSError:
                pass
            if not child.is_ready:
                self.tell_death(child, "before it was ready")
                return False
        return child.is_ready

    def _recycle(self) -> None:
        """Start another child while the one it replaces is exiting."""
        child = self._own.child
        reason = child and recycle_reason(self.context.settings, runs=child.runs, memory=child.memory)
        if child is not None and reason:
            self.context.reporter.tell(ChildReplaced, child.pid, reason)
            self._own.child = self._start()
            child.shut_down()
            self._forget(child)

    def tell_death(self, child: Child, when: str) -> None:
        """Report a child that ended while it was running nothing, which is no job's fault."""
        death = self.reap(child)
        if not self._closing.is_set():
            self.context.reporter.tell(ChildReplaced, child.pid, f"it {death.how} {when}")

    def reap(self, child: Child, patience: float | None = None) -> ExitReport:
        """Wait for the end of *child*, which gets no more jobs, and return how it ended."""
        if self._own.child is child:
            self._own.child = None
        return self._forget(child, patience)

    def _forget(self, child: Child, patience: float | None = None) -> ExitReport:
        death = child.reap() if patience is None else child.reap(patience)
        with self._guard:
            self._children.discard(child)
        return death

    def _warn(self, message: str) -> None:
        self.context.reporter.tell(Warned, message)


class ChildRun(Run):
    """One run of a job in a child."""

    def __init__(self, held: InFlightJob, runner: ChildRunner) -> None:
        super().__init__(held, runner)
        self._children = runner
        self._lines: Lines | None = None

    def execute(self) -> Outcome:
        """Run the job in this thread's child, and return how it ended."""
        while (child := self._children.ready_child()) is not None:
            try:
                message = self._run_in(child)
            except OSError:  # it had ended before it had read of the job
                self._children.tell_death(child, "while it was idle")
                continue
            if message is None:
                return self._after_death(child)
            child.runs += 1
            child.memory = message["memory"]
            outcome = messages.outcome_of(message)
            if message["told"] is not None:
                self._take_told(messages.told_of(message["told"]))
            self._repeat_events(message["events"], outcome)
            return outcome
        return HandedBack()

    def _run_in(self, child: Child) -> Document | None:
        """Run the job in *child*, and return the message that says how it ended; None if the child ended first.

        Raises OSError when it had ended before.
        """
        held = self.held
        held.started = monotonic_seconds()  # a child that was still to be started takes nothing from the job's time
        self.limit()
        self._children.note_busy(child, held)
        try:
            child.send(messages.run(held.job, self.context.clock.now(), held.interruption.raised))
            held.interruption.relay_to(lambda exception: child.tell(messages.interrupt(exception, held.job)))
            return self._listen(child)
        finally:
            held.interruption.close()
            self._children.note_idle(held)

    def _listen(self, child: Child) -> Document | None:
        """Wait for the end of the run, and meanwhile tell the child what its job may want to know."""
        untold = {"stopping": messages.STOPPING, "lost": messages.LOST}
        while True:
            try:
                message = child.receive()
            except TimeoutError:
                self._tell_news(child, untold)
                continue
            if message is None or message["kind"] == "outcome":
                return message
            self._note(child, message)
            self._tell_news(child, untold)

    def _tell_news(self, child: Child, untold: dict[str, Document]) -> None:
        """Tell the child what has come true of the things *untold*."""
        for name in [name for name in untold if getattr(self.held, name)]:
            child.tell(untold.pop(name))

    def _note(self, child: Child, message: Document) -> None:
        """Process a child's report during a run."""
        held = self.held
        match message["kind"]:
            case "limit":
                limit, max_attempts = messages.limit_of(message)
                held.job = dataclasses.replace(held.job, max_attempts=max_attempts or held.job.max_attempts)
                held.limit_to(limit)
                self._children.watch(held)
            case "complaint":
                what, trace = messages.complaint_of(message)
                self.context.reporter.tell(CallbackRaised, held.job, what, trace)
            case "told":
                self._take_told(messages.told_of(message))
                if number := message["number"]:
                    child.tell(messages.saved(number, is_ours=self.context.save(held)))
            case "lines":
                self._take_lines(*messages.lines_of(message))
            case "aside":
                self.context.reporter.tell(RowSetAside, held.job, message["rows"], message["row"], message["deaths"])
            case of_transaction if self.context.transactions is not None:
                self._mind_transaction(child, of_transaction, self.context.transactions.renewals)
            case _:
                pass

    def _mind_transaction(self, child: Child, step: str, renewals: Renewals) -> None:
        """Keep the heartbeat away from the lock of the job while it is in a transaction of its own."""
        match step:
            case "pause":
                child.tell(messages.paused(is_ours=renewals.pause(self.held)))
            case "resume":
                renewals.resume(self.held)
            case "committed":
                renewals.note_committed(self.held)
            case _:
                pass

    def _take_told(self, fields: Document) -> None:
        """Keep what the job has told of itself, to be stored from here."""
        held = self.held
        held.record = held.record or Told()
        held.record.take(fields)
        held.job.note(**fields)

    def _take_lines(self, entries: list[Entry], dropped: int) -> None:
        """Keep what the job has logged, without its secrets, to be stored from here."""
        held, logs = self.held, self.context.logs
        if logs is None:
            return
        held.record = held.record or Told()
        self._lines = self._lines or logs.open(held, str)
        self._lines.dropped += dropped
        for entry in entries:
            self._lines.add(entry)

    def _repeat_events(self, events: list[str], outcome: Outcome) -> None:
        """Repeat here the events that came up in the child."""
        job = self.held.job
        if "cancelled" in events:
            self.judgement.tell_cancelled(job)
        if not isinstance(outcome, Errored | GivenUp):
            return
        failed = dataclasses.replace(job, attempts=job.attempts + 1, last_error=outcome.error.full)
        if "error" in events:
            self.judgement.tell_error(failed, for_good="failure" in events)
        elif "failure" in events:
            self.judgement.tell_failure(failed)

    def _after_death(self, child: Child) -> Outcome:
        """Return the outcome of a job whose child has ended: the reason we killed it, or a crash."""
        held, death = self.held, self._children.reap(child)
        if held.committed is not None:
            return held.committed
        if child.was_aborted:
            more = f": its process was killed; {death.peak}"
            return self._children.overdue(held, more) if held.is_cut_short else HandedBack()
        most = self.context.settings.max_losses
        losses = losses_after(held.job, most)
        reason = counted(losses, "lost process") if losses >= most else None
        return Crashed(ErrorText(error=f"the process that ran this job {death.how}; {death.peak}"), reason)


class _Own(threading.local):
    """The child of the current thread."""

    child: Child | None = None


def _no_loop() -> asyncio.AbstractEventLoop:
    raise AssertionError("coroutines run in the children")
