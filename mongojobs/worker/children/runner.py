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
from mongojobs.core.job import Document, ErrorText, Job
from mongojobs.core.notices import CallbackRaised, ChildReplaced, Warned
from mongojobs.core.transitions import Crashed, Errored, GivenUp, HandedBack, Outcome
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import counted
from mongojobs.process.memory import recycle_reason
from mongojobs.process.supervisor import LONGEST_BOOT, ChildCommand
from mongojobs.worker.children import messages
from mongojobs.worker.children.process import Child, ExitReport
from mongojobs.worker.inflight import InFlightJob, Key
from mongojobs.worker.run.runner import RunContext, Runner

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 10.0
"""How long to wait before another child is started when the one before has not even begun."""


class ChildRunner(Runner):
    """Runs jobs in children that *command* starts: each thread that calls has one of its own.

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

    def _is_async(self, job: Job) -> bool:  # noqa: ARG002 - a child runs one job at a time, of whatever kind
        return False

    def make_ready(self) -> bool:
        """Wait until the child of the calling thread is ready; false once this is closed."""
        return self._ready_child() is not None

    def can_run(self) -> bool:
        """Whether any child is ready."""
        with self._guard:
            return any(child.is_ready for child in self._children)

    def abort(self, held: InFlightJob) -> bool:
        """Kill the child that runs *held*; false where none does."""
        with self._guard:
            child = self._running.get(held.key)
            if child is not None:
                child.abort()
        return child is not None

    def close(self, timeout: float) -> None:
        """Let the children end, and kill those that have not in time."""
        deadline = time.monotonic() + timeout
        with self._guard:
            self._closing.set()
            children = list(self._children)
        for child in children:
            child.shut_down()
        for child in children:
            self._reap(child, max(deadline - time.monotonic(), 0.0))

    def _perform(self, held: InFlightJob) -> Outcome:
        self._tell_start(held)
        while (child := self._ready_child()) is not None:
            try:
                message = self._run_in(child, held)
            except OSError:  # it had ended before it had read of the job
                self._tell_death(child, "while it was idle")
                continue
            if message is None:
                return self._after_death(child, held)
            child.runs += 1
            child.memory = message["memory"]
            outcome = messages.outcome_of(message)
            self._repeat_events(message["events"], outcome, held.job)
            return outcome
        return HandedBack()

    def _ready_child(self) -> Child | None:
        pause, boot_limit = 0.0, self._settings.boot_timeout
        while not self._closing.is_set():
            self._replace_if_worn()
            if self._own.child is None:
                self._own.child = self._start()
            if (child := self._own.child) is not None and self._becomes_ready(child, boot_limit):
                return child
            boot_limit = max(min(boot_limit * 2, LONGEST_BOOT), self._settings.boot_timeout)
            pause = min(pause * 2 or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._closing.wait(pause)
        return None

    def _run_in(self, child: Child, held: InFlightJob) -> Document | None:
        """Let *child* run the job, and return how it says that went; None when it ended meanwhile.

        Raises OSError when it had ended before.
        """
        held.started = monotonic_seconds()  # a child that was still to be started takes nothing from the job's time
        self._limit(held)
        with self._guard:
            self._running[held.key] = child
        try:
            child.send(messages.run(held.job, self._clock.now(), held.interruption.raised))
            held.interruption.relay_to(lambda exception: child.tell(messages.interrupt(exception)))
            return self._listen(child, held)
        finally:
            held.interruption.close()
            with self._guard:
                del self._running[held.key]

    def _listen(self, child: Child, held: InFlightJob) -> Document | None:
        """Wait for the end of the run, and tell the child meanwhile what its job may want to know."""
        untold = {"stopping": messages.STOPPING, "lost": messages.LOST}
        while True:
            try:
                message = child.receive()
            except TimeoutError:
                for name in [name for name in untold if getattr(held, name)]:
                    child.tell(untold.pop(name))
                continue
            if message is None or message["kind"] == "outcome":
                return message
            self._note(message, held)

    def _note(self, message: Document, held: InFlightJob) -> None:
        """Take up what a child tells during a run."""
        if message["kind"] == "limit":
            limit, max_attempts = messages.limit_of(message)
            held.job = dataclasses.replace(held.job, max_attempts=max_attempts or held.job.max_attempts)
            held.limit_to(limit)
            self._watch(held)
        else:
            what, trace = messages.complaint_of(message)
            self._reporter.tell(CallbackRaised, held.job, what, trace)

    def _repeat_events(self, events: list[str], outcome: Outcome, job: Job) -> None:
        """Let the events come up here that came up in the child."""
        if not isinstance(outcome, Errored | GivenUp):
            return
        failed = dataclasses.replace(job, attempts=job.attempts + 1, last_error=outcome.error.full)
        if "error" in events:
            self._tell_error(failed, None, for_good="failure" in events)
        elif "failure" in events:
            self._tell_failure(failed, None)

    def _after_death(self, child: Child, held: InFlightJob) -> Outcome:
        """Return what becomes of a job whose child has ended: what we have killed it for, or a crash."""
        death = self._reap(child)
        if child.was_aborted:
            return self.overdue(held, f": its process was killed; {death.peak}") if held.is_timed_out else HandedBack()
        losses = held.job.losses + 1
        reason = counted(losses, "lost process") if losses >= self._settings.max_losses else None
        return Crashed(ErrorText(error=f"the process that ran this job {death.how}; {death.peak}"), reason)

    def _start(self) -> Child | None:
        """Start a child; None where that cannot be done now, or any more."""
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
        """Wait until *child* says that it is ready; false when it ends instead, or hangs, or this is closed."""
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
                self._tell_death(child, "before it was ready")
                return False
        return child.is_ready

    def _replace_if_worn(self) -> None:
        """Start another child while one that has done enough leaves."""
        child = self._own.child
        reason = child and recycle_reason(self._settings, runs=child.runs, memory=child.memory)
        if child is not None and reason:
            self._reporter.tell(ChildReplaced, child.pid, reason)
            self._own.child = self._start()
            child.shut_down()
            self._forget(child)

    def _tell_death(self, child: Child, when: str) -> None:
        """Take note of a child that ended while it ran nothing, which is no job's fault."""
        death = self._reap(child)
        if not self._closing.is_set():
            self._reporter.tell(ChildReplaced, child.pid, f"it {death.how} {when}")

    def _reap(self, child: Child, patience: float | None = None) -> ExitReport:
        if self._own.child is child:
            self._own.child = None
        return self._forget(child, patience)

    def _forget(self, child: Child, patience: float | None = None) -> ExitReport:
        death = child.reap() if patience is None else child.reap(patience)
        with self._guard:
            self._children.discard(child)
        return death

    def _warn(self, message: str) -> None:
        self._reporter.tell(Warned, message)


class _Own(threading.local):
    """The child of the thread that asks."""

    child: Child | None = None


def _no_loop() -> asyncio.AbstractEventLoop:
    raise AssertionError("coroutines run in the children")
