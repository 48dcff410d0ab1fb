"""The thread that reserves: it looks for jobs, and waits if there is no free slot or none is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from mongojobs.core.notices import JobsReserved, NoMoreJobs, ReserveFailed
from mongojobs.store.faults import DatabaseError, reason
from mongojobs.worker.assembly import Parts
from mongojobs.worker.idling import wait_for_jobs
from mongojobs.worker.reserving.wakeup import Wakeup
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.threads.cancel_watch import CancelWatch

CALLBACK_PAUSE_SECONDS: Final = 1.0
LOOK_AGAIN_SECONDS: Final = 0.5
"""How long to wait for a slot before looking again: what forbids a reserve may pass without notice."""

FIRST_RUN_SECONDS: Final = 0.002
"""How long a job that came to an idle worker may run before others are looked for: Python runs one thread at a time."""

RESERVING: Final = "reserving"


class ReserveLoop:
    """Reserves jobs and passes them to the slots until the worker stops.

    With *patience* it gives up on a database that is away for so long.
    """

    def __init__(self, parts: Parts, *, stop: Callable[[], object], patience: timedelta | None) -> None:
        self.given_up_on: DatabaseError | None = None
        self.wakeup: Wakeup = _wakeup_of(parts, self._look_in_place)
        self.cancel_watch: CancelWatch = CancelWatch(
            parts.connections.open_cancelled,
            parts.in_flight,
            parts.context.reporter,
            on_heard=parts.heartbeat.beat_soon,
        )
        self._parts = parts
        self._context = parts.context
        self._stop = stop
        self._patience = patience

    def run(self) -> None:
        """Look for jobs until told to stop.

        The body of a thread of its own, so that a database that hangs can hold it up, and not the stop.
        """
        try:
            while not self._context.stopping.is_set():
                self._context.liveness.beat()
                self._look()
        finally:
            self._stop()

    def _look(self) -> None:
        try:
            self._context.reporter.run_surely("loop", body=self._turn)
        except DatabaseError as error:
            self._context.stopping.wait(self._note_failure(error))
        except Exception:  # noqa: BLE001 - a plugin's callback may raise anything; the worker goes on
            self._context.reporter.report_exception("loop")
            self._context.stopping.wait(CALLBACK_PAUSE_SECONDS)

    def _turn(self) -> None:
        """Look once. Raises DatabaseError."""
        parts, was_in_vain = self._parts, self.wakeup.was_in_vain()
        if parts.rescuer.run_if_due():
            self._context.outage.note_recovered(RESERVING)
        parts.demand.look_for_suspects()
        wanted = self._wanted()
        if wanted == 0:
            self._wait_for_room()
            return
        was_empty = parts.in_flight.is_empty()
        if not was_in_vain and self._serve(wanted, was_empty=was_empty):
            return
        if self._context.settings.exit_on_complete:
            self._complete(was_empty=was_empty)
        else:
            wait_for_jobs(parts, self.wakeup, was_empty=was_empty)

    def _look_in_place(self) -> bool | None:
        """Look for a job in the thread that has heard of it, while this loop waits; None if the loop has to look.

        It has to where a plugin surrounds its turns, and may forbid one.
        """
        is_left = self._context.stopping.is_set() or "loop" in self._context.reporter.lifecycle.watched
        try:
            wanted = 0 if is_left else self._wanted()
            return self._serve(wanted, was_empty=self._parts.in_flight.is_empty()) if wanted else None
        except DatabaseError:
            return None  # the loop's own look meets it too, and minds the outage
        except Exception:  # noqa: BLE001 - a plugin's callback may raise anything; the worker goes on
            self._context.reporter.report_exception("loop")
            return None

    def _serve(self, wanted: int, *, was_empty: bool) -> bool:
        """Reserve jobs and let them begin; return whether there were any. Raises DatabaseError."""
        held = self._reserve(wanted, was_empty=was_empty)
        if held:
            self._begin(held, was_empty=was_empty)
        return bool(held)

    def _wanted(self) -> int:
        return 0 if self._context.quiet.is_set() else self._parts.demand.now()

    def _reserve(self, limit: int, *, was_empty: bool) -> list[InFlightJob]:
        """Reserve up to *limit* jobs, and report it. Raises DatabaseError."""
        began = time.monotonic()
        if was_empty:
            self._parts.finisher.batch.begin()
        try:
            held = self._parts.demand.reserve(limit, was_empty=was_empty)
        except DatabaseError as error:
            self._context.reporter.tell(ReserveFailed, reason(error))
            raise
        self._context.reporter.tell(JobsReserved, len(held), time.monotonic() - began)
        self._context.outage.note_recovered(RESERVING)
        return held

    def _begin(self, held: list[InFlightJob], *, was_empty: bool) -> None:
        """Pass jobs to the slots, the first one before all else, and hand back those that would wait too long."""
        parts = self._parts
        parts.slots.hand_over(held)
        if not (was_empty and parts.in_flight.wait_until(self._has_run, FIRST_RUN_SECONDS)):
            parts.demand.return_overflow()
            parts.heartbeat.look()
            self.cancel_watch.look()
        self.wakeup.busy()

    def _has_run(self) -> bool:
        in_flight = self._parts.in_flight
        return not (in_flight.waiting() or in_flight.running())

    def _wait_for_room(self) -> None:
        def is_over() -> bool:
            return self._context.stopping.is_set() or self._wanted() > 0

        seconds = min(max(self._parts.rescuer.seconds_left(), 0.01), LOOK_AGAIN_SECONDS)
        self._parts.in_flight.wait_until(is_over, seconds, few=self._parts.reserver.ahead() // 2)

    def _complete(self, *, was_empty: bool) -> None:
        """Exit if nothing was due while nothing was held: what is still running may come back at once."""
        if was_empty:
            self._context.reporter.tell(NoMoreJobs)
            self._stop()
            return
        self._parts.in_flight.wait_until(
            lambda: self._parts.in_flight.is_empty() or self._context.stopping.is_set(),
            self._context.settings.sleep_delay.total_seconds(),
        )

    def _note_failure(self, error: DatabaseError) -> float:
        """Return how long to wait before the next look; stop once patience has run out."""
        outage = self._context.outage
        pause = outage.note_failure(RESERVING, error)
        if self._patience is not None and outage.seconds(RESERVING) >= self._patience.total_seconds():
            self.given_up_on = error
            self._stop()
        return pause


def _wakeup_of(parts: Parts, look: Callable[[], bool | None]) -> Wakeup:
    """Return what ends the waits of the worker, as far as its server can, or calls *look* in place of the worker."""
    open_stream, context = parts.connections.open_stream, parts.context
    return Wakeup(
        None if open_stream is None else partial(open_stream, parts.reserver.scope.wanted),
        parts.connections.store.clock,
        context.reporter,
        sleep_delay=context.settings.sleep_delay.total_seconds(),
        look=look,
        is_prompt=not parts.connections.is_routed,
    )
