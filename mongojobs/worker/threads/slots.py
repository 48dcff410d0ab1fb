"""The threads that run jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import attrgetter
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.transitions import HandedBack
from mongojobs.worker.finish.finisher import Finisher
from mongojobs.worker.finish.result import Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.runner import Runner

_is_async: Final = attrgetter("is_async")


class Slots:
    """Threads that take jobs in flight, run them, and pass the results to the finisher.

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
        on_end: Callable[[], object] | None = None,
    ) -> None:
        self._reporter = reporter
        self._on_end = on_end
        self._in_flight = in_flight
        self._runner = runner
        self._finisher = finisher
        self.threads: dict[bool, list[threading.Thread]] = {False: [], True: []}
        """Those that run jobs of each kind; they end once what is in flight is closed."""

    def hand_over(self, held: list[InFlightJob]) -> None:
        """Queue jobs, and make sure that there are threads for the ``async def`` ones."""
        self._in_flight.add(held)
        if True in map(_is_async, held):
            self.grow(self._in_flight.wanted_threads(is_async=True), is_async=True)

    def grow(self, count: int, *, is_async: bool) -> None:
        """Make sure that there are at least *count* threads for jobs of the kind."""
        threads = self.threads[is_async]
        while len(threads) < count:
            name = f"mongojobs-{'async-' if is_async else ''}slot-{len(threads) + 1}"
            thread = threading.Thread(target=self._work, kwargs={"is_async": is_async}, name=name, daemon=True)
            thread.start()
            threads.append(thread)

    def perform(self, held: InFlightJob) -> Result | None:
        """Run one job and pass on its result; None if it was interrupted and so has none."""
        started = monotonic_seconds()
        outcome = self._runner.run(held) if held.job.expires_at is None else self._runner.run_in_time(held)
        seconds = monotonic_seconds() - started
        if held.record is not None:  # before the end is: whoever sees that finds all lines
            self._runner.close_log(held)
        self._in_flight.ended(held, interrupted=isinstance(outcome, HandedBack))
        if isinstance(outcome, HandedBack):
            return None
        result = Result(held, outcome, seconds)
        self._finisher.submit(result)
        if self._on_end is not None:
            self._on_end()
        return result

    def _work(self, *, is_async: bool) -> None:
        last: Result | None = None
        while self._runner.make_ready() and (held := self._in_flight.take(is_async=is_async)) is not None:
            try:
                if last is not None:
                    last.foretell(self._reporter)  # before the line of the next one
                last = self.perform(held)
            except Exception:  # noqa: BLE001 - a slot that ends is missed until the process does
                self._reporter.report_exception("its slot", held.job)
