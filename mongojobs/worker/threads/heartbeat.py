"""Keeping the locks alive, with its own thread and client, so that nothing else can delay it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Sequence
from functools import cached_property
from typing import Final

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.inside.record import Told
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobLost
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Committed
from mongojobs.store.faults import DatabaseError, is_passing
from mongojobs.store.lifecycle.end import Holding
from mongojobs.worker.inflight import LONG_RUN_SECONDS, InFlight
from mongojobs.worker.outage import RENEWING, Outage
from mongojobs.worker.release import Releaser
from mongojobs.worker.run.inflight_job import InFlightJob, Key
from mongojobs.worker.run.transaction import LONGEST

PAUSE_SECONDS: Final = 1.0
STALLED_LOOK_SECONDS: Final = 0.1
"""How often to look whether jobs wait for too long."""
LOOK_SECONDS: Final = 0.25
"""How soon a job that waits until something is stored looks whether it is lost."""


_Moved = tuple[InFlightJob, Told, int]
"""What is in flight, with what it told and how often it had done so before that was read."""


class Heartbeat:
    """Renews the locks of everything the process holds, and shows that the process is alive.

    What cannot be renewed for a whole lease is given up: another worker may have it by then. *connect* gives the store
    of those who hold jobs, and is called once there are some.
    """

    def __init__(
        self,
        connect: Callable[[], Holding],
        in_flight: InFlight,
        reporter: Reporter,
        settings: Settings,
        outage: Outage,
    ) -> None:
        self._connect = connect
        self._in_flight = in_flight
        self._reporter = reporter
        self._lease = settings.lease
        self._interval = settings.heartbeat.total_seconds()
        self._idle_interval = max(self._interval, settings.lease.total_seconds() / 4)
        self._outage = outage
        self._stopped = False
        self._renewing = threading.Lock()
        self._wake = threading.Event()
        self._storing = threading.Condition()
        self._is_asked = False
        self._is_news = False
        self._tells_along = True
        self._next = elapsed_seconds()
        self.beat: Callable[[], object] = lambda: None
        """Shows that the process lives. Raises DatabaseError."""
        self.on_cancelled: Callable[[InFlightJob], object] = lambda _held: None
        """Called with each job that somebody has cancelled."""

    @cached_property
    def _holding(self) -> Holding:
        return self._connect()

    def run(self) -> None:
        """Beat until ``stop``: the body of the heartbeat's thread."""
        while not self._stopped:
            self._wake.wait(self._turn())
            self._wake.clear()

    def look(self) -> None:
        """Check again how long to wait: jobs have begun to wait for a slot."""
        self._wake.set()

    def beat_soon(self) -> None:
        """Beat now, as there is something to report."""
        self._is_news = True
        self._wake.set()

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopped = True
        self._wake.set()

    def renew(self) -> None:
        """Renew every lock once. Raises DatabaseError."""
        with self._renewing:
            self._renew(self._to_write())

    def pause(self, held: InFlightJob) -> bool:
        """Renew the lock of *held* for a whole transaction, and then leave it alone; False if that is not possible."""
        expires = elapsed_seconds() + (LONGEST + self._lease).total_seconds()
        with self._renewing:  # one that is under way would undo the transaction
            try:
                is_ours = self._holding.leave_alone(held.job, longest=LONGEST, lease=self._lease)
            except DatabaseError:
                return False
            held.is_in_transaction = is_ours and held.job.cancellation is None
        if is_ours:
            held.expires = expires
        if held.job.cancellation is not None:
            self.on_cancelled(held)
        return held.is_in_transaction

    def resume(self, held: InFlightJob) -> None:
        """Renew the lock of *held* again: its transaction is undone."""
        held.is_in_transaction = False

    def note_committed(self, held: InFlightJob) -> None:
        """Forget the lock of *held*, which is gone: its end is stored."""
        held.committed, held.expires = held.committed or Committed(), float("inf")

    def _to_write(self) -> list[InFlightJob]:
        """Return what is in flight, but for jobs whose transactions a write would undo."""
        return [one for one in self._in_flight.all() if not one.is_in_transaction]

    def _renew(self, held: list[InFlightJob]) -> None:
        """Renew their locks, and store what they have told: what is brief by the same write. Raises DatabaseError.

        If that fails, all is told apart the next time: whatever jobs say must not cost their locks. So those that say
        nothing or much come first.
        """
        is_along, self._tells_along = self._tells_along, False
        brief = [one for one in _moved(held) if one[1].is_brief] if is_along else []
        along = {one.key for one, _, _ in brief}
        others = [one for one in held if one.key not in along]
        self._extend(others)
        self._extend([one for one, _, _ in brief], brief)
        self._store_told(others)
        self._tells_along = True

    def _extend(self, held: list[InFlightJob], telling: Sequence[_Moved] = ()) -> None:
        """Renew the locks of *held*, all or none of which are *telling*."""
        if not held:
            return
        expires = elapsed_seconds() + self._lease.total_seconds()
        jobs = [one.job for one in held]
        silent, loud = ([], jobs) if telling else (jobs, [])
        lost = self._lose_all(held, self._holding.renew(silent, lease=self._lease, telling=loud))
        for one in held:
            if one.key not in lost:
                one.expires = expires
                if one.job.cancellation is not None:
                    self.on_cancelled(one)
        if telling:
            self._note_stored(telling, lost)

    def store_now(self, held: InFlightJob) -> bool:
        """Let what *held* has told be stored, and wait until it is; False if the job is lost."""
        if (record := held.record) is None:
            return True
        moves = record.moves
        with self._storing:
            while record.stored < moves and not held.lost:
                self._is_asked = True
                self._wake.set()
                self._storing.wait(LOOK_SECONDS)
        return record.stored >= moves

    def _store_told(self, held: list[InFlightJob]) -> None:
        """Store what these jobs have told of themselves since the last time. Raises DatabaseError.

        If something of it cannot be stored, all else is, as by one after another.
        """
        if not (moved := _moved(held)):
            return
        try:
            self._tell(moved)
        except Exception as error:
            if len(moved) == 1 or is_passing(error):
                raise
            self._tell_each(moved)

    def _tell_each(self, moved: Iterable[_Moved]) -> None:
        errors: list[Exception] = []
        for one in moved:
            try:
                self._tell([one])
            except Exception as error:  # noqa: BLE001 - raised below, once the others have been told
                errors.append(error)
        if errors:
            raise errors[0]

    def _tell(self, moved: Sequence[_Moved]) -> None:
        telling = [one for one, _, _ in moved]
        self._note_stored(moved, self._lose_all(telling, self._holding.tell([one.job for one in telling])))

    def _note_stored(self, moved: Iterable[_Moved], lost: Container[Key]) -> None:
        for one, record, moves in moved:
            if one.key not in lost:
                record.stored = moves
        with self._storing:
            self._storing.notify_all()

    def _lose_all(self, held: Iterable[InFlightJob], not_ours: Iterable[Job]) -> set[Key]:
        """Give up those that are not ours, and return their keys."""
        lost = {(job.id, job.lock_token) for job in not_ours}
        for one in held:
            if one.key in lost:
                self._lose(one)
        return lost

    def _turn(self) -> float:
        """Do what is due, and return how many seconds to wait."""
        begun, is_idle = elapsed_seconds(), self._in_flight.is_empty()
        try:
            return self._do_due(begun, is_idle=is_idle)
        except DatabaseError as error:
            self._is_news = True  # what there was to report still is
            return min(self._outage.note_failure(RENEWING, error), self._interval)
        except Exception:  # noqa: BLE001 - without this thread every lock would run out
            self._reporter.report_exception(RENEWING)
            return min(PAUSE_SECONDS, self._interval)
        finally:
            if not is_idle:
                self._give_up_expired()

    def _do_due(self, now: float, *, is_idle: bool) -> float:
        """Renew, release and beat where it is time, and return how many seconds to wait. Raises DatabaseError."""
        if not is_idle:  # what came to an idle process has begun since, and tells of itself
            self._next = min(self._next, now + self._interval)
        is_due, self._is_news = now >= self._next or self._is_news, False
        is_asked, self._is_asked = self._is_asked, False
        if is_due and not is_idle:
            self.renew()
        elif is_asked:
            with self._renewing:
                self._store_told(self._to_write())
        if not is_idle:
            self._in_flight.return_stalled(LONG_RUN_SECONDS)
            if self._in_flight.returning():
                Releaser(self._holding, self._in_flight, self._reporter).release_returning()
        if is_due:
            self.beat()
            if RENEWING in self._outage.failing:
                self._outage.note_recovered(RENEWING)
            # A late answer has used up as much of the lease.
            is_idle = is_idle or self._in_flight.is_empty()
            self._next = now + (self._idle_interval if is_idle else self._interval)
        return self._seconds_to_next(is_idle=is_idle)

    def _seconds_to_next(self, *, is_idle: bool) -> float:
        """Return how long to wait: less while jobs wait for a slot, as they may have to be handed back.

        Whoever brings jobs to an idle process calls ``look``.
        """
        to_beat = max(self._next - elapsed_seconds(), 0.0)
        return min(to_beat, STALLED_LOOK_SECONDS) if not is_idle and self._in_flight.waiting() else to_beat

    def _give_up_expired(self) -> None:
        for one in self._in_flight.all():
            if one.lost:
                self._lose(one)

    def _lose(self, held: InFlightJob) -> None:
        if self._in_flight.lose(held) and held.started is not None and not self._stopped:
            self._reporter.tell(JobLost, held.job, "its lock")


def _moved(held: Iterable[InFlightJob]) -> list[_Moved]:
    """Return those that have told something since it was stored."""
    return [(one, one.record, one.record.moves) for one in held if one.record is not None and one.record.is_moved]
