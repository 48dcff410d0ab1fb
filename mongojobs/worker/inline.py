"""Running jobs without the loop: the due ones one after another, or a single one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from mongojobs.core.job import JobId
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import Notice, RunEnded
from mongojobs.core.transitions import Succeeded
from mongojobs.store.faults import DatabaseError
from mongojobs.store.jobs import QueueSelector
from mongojobs.worker.assembly import Parts
from mongojobs.worker.loop import LOOK_AGAIN_SECONDS, ReserveLoop
from mongojobs.worker.threads.background import join_all

JOIN_SECONDS: Final = 5.0


def work_off(parts: Parts, limit: int) -> tuple[int, int]:
    """Run up to *limit* due jobs in this thread, and close the connections; return successes and failures.

    An unreachable database ends it with what was done so far.
    """
    successes = failures = 0
    try:
        parts.start_minding()
        parts.rescuer.rescue()
        for _ in range(limit):
            if parts.context.stopping.is_set():
                break
            parts.in_flight.add(parts.demand.reserve(1, was_empty=True))  # it holds none that has not ended
            if (held := parts.in_flight.take_now()) is None:
                break
            result = parts.slots.perform(held)
            parts.finisher.write_patiently()
            if result is not None:
                successes += isinstance(result.outcome, Succeeded)
                failures += result.has_failed
        parts.context.stats.try_to_store()
    except DatabaseError as error:
        parts.context.outage.note_failure("working off", error)
    finally:
        parts.stop_minding()
        parts.runner.close(JOIN_SECONDS)
        join_all(parts.threads, JOIN_SECONDS)
        parts.loop_watch.close(JOIN_SECONDS)
        parts.connections.close()
    return successes, failures


class OneJobLoop(ReserveLoop):
    """Runs a single job, due or not and even if its queue is paused, and stops."""

    def __init__(self, parts: Parts, job_id: JobId, *, stop: Callable[[], object], patience: timedelta | None) -> None:
        super().__init__(parts, stop=stop, patience=patience)
        parts.reserver.scope.wanted = QueueSelector(only=job_id)

    def _turn(self) -> None:
        """Run the job. Raises DatabaseError."""
        parts, stopping = self._parts, self._context.stopping
        self._begin(self._reserve(1, was_empty=True), was_empty=True)
        while not parts.in_flight.wait_until(
            lambda: stopping.is_set() or parts.in_flight.is_empty(), LOOK_AGAIN_SECONDS
        ):
            self._context.liveness.beat()
        self._stop()


@contextmanager
def ends_of_runs(reporter: Reporter) -> Iterator[list[RunEnded]]:
    """Yield a list to which each run of the worker that ends in the block is added."""
    ends: list[RunEnded] = []

    def hear(notice: Notice) -> None:
        if isinstance(notice, RunEnded) and notice.worker == reporter.name:
            ends.append(notice)

    reporter.lifecycle.on_notice(hear, RunEnded)
    try:
        yield ends
    finally:
        reporter.lifecycle.forget(hear)
