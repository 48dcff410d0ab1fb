"""The threads that run jobs, and the event loop for ``async def`` jobs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.job import Job, job_in
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.transitions import HandedBack
from mongojobs.process.copies import CopiesEndHere
from mongojobs.worker.finish import Finisher, Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.threads.background import join_all


class EventLoop:
    """One asyncio loop for a process, turned by a thread of its own from its first use on."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the loop, started if need be."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "mongojobs-event-loop"
                self._thread = threading.Thread(target=self._turn, args=(self._loop,), name=name, daemon=True)
                self._thread.start()
            return self._loop

    def runs(self) -> Job | None:
        """Return the job whose code runs on the loop at this moment, or to which what runs there goes back."""
        thread = self._thread
        frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
        while frame is not None:
            if frame.f_code is asyncio.Handle._run.__code__:
                return job_in(frame.f_locals["self"]._context)
            frame = frame.f_back
        return None

    def close(self, timeout: float) -> bool:
        """End the loop, what jobs have left behind on it, and its thread; false when that has not ended by then."""
        if self._loop is None or self._thread is None:
            return True
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not self._closing:
            # A job may stop the loop, and SystemExit from a task that a job has begun falls through it.
            with contextlib.suppress(SystemExit, KeyboardInterrupt), CopiesEndHere():
                loop.run_forever()
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Slots:
    """Threads that take jobs from those in flight, run them, and hand the results to the finisher.

    There is one thread a slot. Those for ``async def`` jobs wait for the event loop most of the time, and are started
    as such jobs come.
    """

    def __init__(
        self,
        in_flight: InFlight,
        runner: Runner,
        finisher: Finisher,
        reporter: Reporter,
        *,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._reporter = reporter
        self._on_end = on_end
        self._in_flight = in_flight
        self._runner = runner
        self._finisher = finisher
        self._threads: dict[bool, list[threading.Thread]] = {False: [], True: []}

    def hand_over(self, held: list[InFlightJob]) -> None:
        """Queue jobs, and see that there are threads for the ``async def`` ones."""
        self._in_flight.add(held)
        if any(one.is_async for one in held):
            self.grow(self._in_flight.wanted_threads(is_async=True), is_async=True)

    def grow(self, count: int, *, is_async: bool) -> None:
        """See that there are at least *count* threads for jobs of the kind."""
        threads = self._threads[is_async]
        while len(threads) < count:
            name = f"mongojobs-{'async-' if is_async else ''}slot-{len(threads) + 1}"
            thread = threading.Thread(target=self._work, kwargs={"is_async": is_async}, name=name, daemon=True)
            thread.start()
            threads.append(thread)

    def join(self, timeout: float) -> bool:
        """Wait for the threads to end after what is in flight was closed; false when some have not by then."""
        return join_all([*self._threads[False], *self._threads[True]], timeout)

    def perform(self, held: InFlightJob) -> Result | None:
        """Run one job and hand over its result; None when it was interrupted, and so has none."""
        started = monotonic_seconds()
        outcome = self._runner.run(held)
        held.interruption.close()
        self._in_flight.ended(held, interrupted=isinstance(outcome, HandedBack))
        if isinstance(outcome, HandedBack):
            return None
        result = Result(held, outcome, monotonic_seconds() - started)
        self._finisher.submit(result)
        self._on_end()
        return result

    def _work(self, *, is_async: bool) -> None:
        last: Result | None = None
        while self._runner.make_ready() and (held := self._in_flight.take(is_async=is_async)) is not None:
            try:
                if last is not None:
                    self._finisher.foretell(last)
                last = self.perform(held)
            except Exception:  # noqa: BLE001 - a slot that ends is missed until the process does
                self._reporter.report_exception("its slot", held.job)
