"""Keeping the locks alive, from a thread and a client of its own, so that nothing else can hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import JobLost
from mongojobs.core.settings import Settings
from mongojobs.store.faults import DatabaseError
from mongojobs.store.jobs import JobStore
from mongojobs.worker.inflight import InFlight, InFlightJob
from mongojobs.worker.outage import Outage

RENEWING: Final = "renewing locks"
PAUSE_SECONDS: Final = 1.0
LONG_RUN_SECONDS: Final = 0.5
"""When all slots have been busy for so long, what waits for them is released: others may have a free one."""


class Heartbeat:
    """Renews the locks of everything that the process holds, and shows that the process lives.

    What cannot be renewed for a whole lease is given up: another worker may have it by then.
    """

    def __init__(
        self,
        store: JobStore,
        in_flight: InFlight,
        lifecycle: Lifecycle,
        settings: Settings,
        outage: Outage,
        *,
        worker: str,
        beat: Callable[[], None],
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._lifecycle = lifecycle
        self._worker = worker
        self._lease = settings.lease
        self._interval = settings.heartbeat.total_seconds()
        self._idle_interval = max(self._interval, settings.lease.total_seconds() / 4)
        self._beat = beat
        self._outage = outage
        self._stopped = False
        self._wake = threading.Event()
        self._is_news = False
        self._next = elapsed_seconds()

    def run(self) -> None:
        """Beat until ``stop``: the body of the heartbeat's thread."""
        while not self._stopped:
            self._wake.wait(self._turn())
            self._wake.clear()

    def look(self) -> None:
        """Look again how long to wait: jobs have begun to wait for a slot."""
        self._wake.set()

    def beat_soon(self) -> None:
        """Beat now, as there is something to tell."""
        self._is_news = True
        self._wake.set()

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopped = True
        self._wake.set()

    def renew(self) -> None:
        """Renew every lock once. Raises DatabaseError."""
        held = self._in_flight.all()
        if not held:
            return
        expires = elapsed_seconds() + self._lease.total_seconds()
        not_ours = self._store.renew([one.job for one in held], lease=self._lease)
        lost = {(job.id, job.lock_token) for job in not_ours}
        for one in held:
            if one.key in lost:
                self._lose(one)
            else:
                one.expires = expires

    def _turn(self) -> float:
        """Do what is due, and return how many seconds to wait."""
        begun = elapsed_seconds()
        try:
            is_due = begun >= self._next or self._is_news
            self._is_news = False
            if is_due:
                self.renew()
            self._in_flight.return_stalled(LONG_RUN_SECONDS)
            self._release_returning()
            if is_due:
                self._beat()
                interval = self._idle_interval if self._in_flight.is_empty() else self._interval
                self._next = begun + interval  # a late answer has used up as much of the lease
            self._outage.over(RENEWING)
            return self._seconds_to_next()
        except DatabaseError as error:
            return min(self._outage.failed(RENEWING, error), self._interval)
        except Exception:  # noqa: BLE001 - without this thread every lock would run out
            self._lifecycle.report_exception(self._worker, RENEWING)
            return min(PAUSE_SECONDS, self._interval)
        finally:
            self._give_up_expired()

    def _release_returning(self) -> None:
        """Release what was reserved and not started; until an answer comes, since an unanswered release may be done."""
        returning = self._in_flight.returning()
        if returning:
            self._store.release([one.job for one in returning], started=False)
            self._in_flight.released(returning)

    def _seconds_to_next(self) -> float:
        """Return how long to wait: less while jobs wait for a slot, as they may have to be handed back."""
        to_beat = max(self._next - elapsed_seconds(), 0.0)
        return min(to_beat, LONG_RUN_SECONDS / 2) if self._in_flight.waiting() else to_beat

    def _give_up_expired(self) -> None:
        for one in self._in_flight.all():
            if one.lost:
                self._lose(one)

    def _lose(self, held: InFlightJob) -> None:
        if self._in_flight.lose(held) and held.started is not None and not self._stopped:
            self._lifecycle.notify(JobLost(self._worker, held.job, "its lock"))
