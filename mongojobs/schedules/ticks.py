"""Enqueueing the ticks that are due: any worker does it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Protocol

from mongojobs.core.errors import EnqueueUnknownError, ScheduleError, StateError, StoreUnavailableError, UndeclaredError
from mongojobs.core.job import Document, JobId
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import ScheduleTicked, TicksDropped, Warned
from mongojobs.core.words.ticks import tick_of
from mongojobs.enqueuing.enqueuer import Enqueuer
from mongojobs.enqueuing.options import Options
from mongojobs.payload.calls.handler import Payloads
from mongojobs.schedules.declaring import declare
from mongojobs.schedules.definition import Definition
from mongojobs.schedules.planning import Living, Plan, plan
from mongojobs.schedules.schedule import Result, Schedule, Tick, tick_id
from mongojobs.schedules.store import CANCELLING, ScheduleStore
from mongojobs.store.faults import DatabaseError, describe, is_about_document

MOST_READ: Final = 100
AT_ONCE: Final = 10
"""Of so many schedules that are due, so many are taken at random before it is looked again: workers that do the same at
the same time keep out of each other's way."""
STALE: Final = timedelta(seconds=60)
"""A schedule that was read longer ago is read again before a job is enqueued."""
SETTLED: Final = timedelta(minutes=2)
"""So long after a tick, no worker can still be about to enqueue its job."""
MOST_UNFINISHED: Final = 200
_SHORTEST_RETENTION: Final = timedelta(minutes=10)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class TickOptions(Options):
    """The options of the enqueue of a tick, whose job is kept after its end for as long as it may come again."""

    kept_for: timedelta | None = None

    @property
    def kept(self) -> Mapping[str, Any]:
        """Those that are kept with the job."""
        return {**super().kept, "kept_for": self.kept_for}


class TickEnqueuer:
    """Enqueues the job of a tick as the code of this process makes it."""

    def __init__(self, enqueuer: Enqueuer, payloads: Payloads) -> None:
        self._enqueuer = enqueuer
        self._payloads = payloads

    def enqueue(self, schedule: Schedule, at: datetime, result: Result = "enqueued", *, by: str = "") -> Tick:
        """Enqueue the job of the tick *at*, unless it is there, and return the entry that says so, or why it cannot be.

        Raises UndeclaredError where this process does not know the job; StoreUnavailableError, EnqueueUnknownError.
        """
        try:
            call = self._payloads.load(schedule.handler)
            wait = delay(schedule, at) if result == "enqueued" else timedelta(0)
            options = self._options(schedule, at, run_at=at + wait)
            if schedule.said.expires and result == "enqueued":
                options = dataclasses.replace(options, expires_at=schedule.said.after(at), expires_in=None)
            job = self._enqueuer.enqueue(call, options)
        except (UndeclaredError, StoreUnavailableError, EnqueueUnknownError, DatabaseError):
            raise
        except Exception as error:  # noqa: BLE001 - the app's code may raise anything, and the next tick is to come
            return Tick(at=at, result="missed", why=f"not enqueued: {type(error).__name__}: {error}", by=by)
        if job.id != tick_id(schedule.name, at):
            return Tick(at=at, result="skipped", why=f"its unique key is held by the job {job.id}", by=by)
        return Tick(at=at, result=result, by=by)

    def _options(self, schedule: Schedule, at: datetime, *, run_at: datetime) -> TickOptions:
        given: Any = self._payloads.codec.decode(schedule.options)
        options = {field.name: getattr(Options.of(given), field.name) for field in dataclasses.fields(Options)}
        options |= {"job_id": tick_id(schedule.name, at), "run_at": run_at}
        return TickOptions(**options, kept_for=retention(schedule.said, at))


class CancelJob(Protocol):
    """Cancels a job, even a running one. Raises StateError if it has ended."""

    def __call__(self, job_id: JobId, /, *, by: str, why: str) -> object:
        """Do it, and record *by* and *why*."""
        ...


class Ticks:
    """Enqueues the ticks of all schedules that are due and that this process can tick, in the name of *worker*.

    *cancel* ends the job of an earlier tick; *declared* is what its code says of schedules, by name, as it is stored.
    """

    def __init__(
        self,
        store: ScheduleStore,
        enqueuer: TickEnqueuer,
        lifecycle: Lifecycle,
        *,
        cancel: CancelJob,
        declared: Mapping[str, Document],
        worker: str,
    ) -> None:
        self.store = store
        self.declared = declared
        self._enqueuer = enqueuer
        self._cancel = cancel
        self._lifecycle = lifecycle
        self._worker = worker
        self._warned: set[tuple[str, str]] = set()

    def declare(self) -> None:
        """Store what the code says of schedules, and tell of those that were damaged. Raises DatabaseError."""
        for name, spec in self.declared.items():
            if problem := declare(self.store, name, spec):
                repaired = f"the schedule {name} was damaged ({problem}), and is repaired from the code"
                self._lifecycle.notify(Warned(self._worker, repaired))

    def tick(self, is_over: Callable[[], bool] = lambda: False) -> datetime | None:
        """Enqueue all ticks that are due, until *is_over*; return when the next one will be.

        Raises DatabaseError and StoreUnavailableError.
        """
        left: set[str] = set()
        while not is_over():
            now = self.store.clock.now()
            due = self.store.due(self.declared, now=now, limit=MOST_READ, but=left)
            if not due:
                break
            for schedule in random.sample(due, min(len(due), AT_ONCE)):
                if not is_over() and not self._tick_one(schedule, now):
                    left.add(schedule.name)
        return self.store.next_run_at(self.declared, after=self.store.clock.now())

    def _tick_one(self, schedule: Schedule, now: datetime) -> bool:
        """Enqueue the ticks of *schedule*, read *now*; return False if it stays due: it waits, or is not known here."""
        try:
            planned, living = self._plan(schedule, now)
            if planned.waits:
                return False
            ticks = [*planned.entries]
            for at in planned.enqueue:
                if self.store.clock.now() - now > STALE and self._has_moved_on(schedule):
                    return True  # the job may be over, and forgotten
                ticks.append(self._enqueuer.enqueue(schedule, at))
        except (UndeclaredError, ScheduleError) as error:
            self._warn_once(schedule.name, str(error))
            return False
        try:
            is_ours = self.store.advance(schedule, _advanced(schedule, planned, ticks, living, now), ticks)
        except DatabaseError as error:
            if not is_about_document(error):
                raise
            self._warn_once(schedule.name, f"it is damaged: {describe(error)}")
            return False
        if is_ours:
            self._tell(schedule, ticks, now)
        elif not self._has_moved_on(schedule):
            self._warn_once(schedule.name, "it is damaged: nothing matches it as it was read")
            return False
        return True

    def _plan(self, schedule: Schedule, now: datetime) -> tuple[Plan, Living]:
        """Return what to do about *schedule*, and its jobs that have not ended, cancelled if it says so."""
        living = self.store.living(schedule.unfinished)
        planned = plan(schedule, now=now, living=living)
        if not planned.ends_earlier:
            return planned, living
        for job_id in (job_id for job_id, state in living.items() if state != CANCELLING):
            with suppress(StateError):  # it has just ended
                self._cancel(job_id, by=f"the schedule {schedule.name}", why="its next tick is due")
        living = self.store.living(living)
        return plan(schedule, now=now, living=living), living

    def _has_moved_on(self, schedule: Schedule) -> bool:
        """Return whether *schedule* was ticked or edited since it was read."""
        found = self.store.get(schedule.name)
        seen = schedule.next_run_at, schedule.revision
        return found is None or (found.next_run_at, found.revision) != seen

    def _tell(self, schedule: Schedule, ticks: list[Tick], now: datetime) -> None:
        for tick in ticks:
            if tick.result == "enqueued":
                late = max((now - tick.at).total_seconds(), 0.0)
                self._lifecycle.notify(ScheduleTicked(self._worker, schedule.name, tick.at, late))
            else:
                self._lifecycle.notify(
                    TicksDropped(self._worker, schedule.name, tick.at, tick.result, tick.number, tick.why)
                )

    def _warn_once(self, name: str, problem: str) -> None:
        if (name, problem) not in self._warned:
            self._warned.add((name, problem))
            self._lifecycle.notify(Warned(self._worker, f"cannot tick the schedule {name}: {problem}"))


def _advanced(schedule: Schedule, planned: Plan, ticks: Sequence[Tick], living: Living, now: datetime) -> Document:
    """Return what to set of *schedule* after *ticks*, of which those that could not be enqueued do not count.

    The jobs of ticks that were skipped count as unfinished too: another worker, which looked before, may have decided
    otherwise and be about to enqueue one.
    """
    is_over = schedule.is_over(further=sum(tick.result == "enqueued" for tick in ticks))
    decided = [*planned.enqueue, *(entry.at for entry in planned.entries if entry.result == "skipped")]
    earlier = [one for one in schedule.unfinished if one in living or _is_recent(one, now)]
    unfinished = dict.fromkeys([*earlier, *(tick_id(schedule.name, at) for at in decided)])
    return {
        "next_run_at": None if is_over else planned.next_run_at,
        "unfinished": list(unfinished)[-MOST_UNFINISHED:],
        "paused": None,
    }


def _is_recent(job_id: str, now: datetime) -> bool:
    at = tick_of(job_id)
    return at is not None and now - at <= SETTLED


def delay(schedule: Schedule, at: datetime) -> timedelta:
    """Return how long the job of the tick *at* waits, up to the jitter: the same wherever it is worked out."""
    digest = sha256(tick_id(schedule.name, at).encode()).digest()[:6]
    milliseconds = schedule.said.jitter / timedelta(milliseconds=1) * int.from_bytes(digest) / 2**48
    return timedelta(milliseconds=int(milliseconds))


def retention(said: Definition, at: datetime) -> timedelta:
    """Return for how long the ended job of the tick *at* is kept: as long as the tick may be caught up again.

    So it may by a worker that finds the schedule as it was before, after another died in between.
    """
    following = said.after(at)
    if following is None:
        return max(_DAY, said.window)
    return max(_SHORTEST_RETENTION, min((following - at) * 100, max(_DAY, said.window)))
