"""Faults planted on purpose into the library of one process, to see that the judge finds each of them."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Final

from mongojobs.core.change import DELETED
from mongojobs.core.clock import ServerClock, SystemClock, TimeSource, truncate
from mongojobs.core.job import Job
from mongojobs.core.transitions import Succeeded
from mongojobs.schedules.schedule import Schedule
from mongojobs.schedules.ticks import Ticks
from mongojobs.store.jobs import JobStore, Rescued
from mongojobs.store.lifecycle import reserve
from mongojobs.store.unique.insert import UniqueInserting
from mongojobs.worker.finish import finisher
from mongojobs.worker.rescue import Rescuer
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.threads import heartbeat
from mongojobs.worker.threads.cancel_watch import CancelWatch


def plant(fault: str) -> None:
    """Let the library have the *fault* of this name from now on."""
    FAULTS[fault]()


def _finish_by_id_alone() -> None:
    """Let the lock token mean nothing, and a worker believe in its locks forever: each alone would be noticed."""

    def finish(self: JobStore, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        self.collection.delete_many({"_id": {"$in": [job.id for job in jobs]}})
        return []

    _replace(JobStore, "finish", finish)
    _replace(InFlightJob, "lost", property(lambda _held: False))
    _replace(finisher, "_lost_among", lambda _results: set())


def _finish_across_tokens() -> None:
    """Let ids and tokens of one write be combined freely.

    What lost a worker is reserved alone, which hides this fault: so losses are not counted either. So does a renewal of
    the locks, by which a stale run learns that it is one: so none is hurried by listening for cancellations.
    """

    def finish(self: JobStore, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        ids, tokens = [job.id for job in jobs], [job.lock_token for job in jobs]
        self.collection.delete_many({"_id": {"$in": ids}, "state": "running", "lock_token": {"$in": tokens}})
        return []

    _replace(JobStore, "finish", finish)
    _replace(CancelWatch, "look", lambda _watch: None)
    _losses_not_counted()


def _losses_not_counted() -> None:
    rescue = JobStore.rescue

    def rescue_without_a_trace(self: JobStore, *, by: str, limit: int = 50) -> list[Rescued]:
        rescued = rescue(self, by=by, limit=limit)
        for one in rescued:
            change = {"$set": {"state": "ready", "losses": 0, "run_at": self.clock.now()}}
            self.collection.update_one({"_id": one.job_id}, change)
        return rescued

    _replace(JobStore, "rescue", rescue_without_a_trace)


def _no_rescue() -> None:
    def rescue(self: JobStore, *, by: str, limit: int = 50) -> list[Rescued]:
        return []

    _replace(JobStore, "rescue", rescue)


def _rescue_during_an_outage() -> None:
    def run_if_due(self: Rescuer) -> bool:
        self.rescue()
        return True

    _replace(Rescuer, "run_if_due", run_if_due)


def _clock_that_jumps() -> None:
    """Let the wall clock of the machine be an hour ahead, and be set back by two hours again and again.

    Not a fault of the library: it must not mind.
    """
    made = ServerClock.__init__

    def wall() -> float:
        return time.time() + (3600 if time.monotonic() % 2 < 1 else -3600)

    def init(self: ServerClock, source: TimeSource) -> None:
        made(self, source, wall=wall)

    _replace(ServerClock, "__init__", init)
    _replace(SystemClock, "now", lambda _clock: truncate(datetime.fromtimestamp(wall(), UTC)))


def _short_transactions() -> None:
    """Let the lock of a job in a transaction of its own last less long: a test need not wait for a dead one's.

    Not a fault of the library: it must not mind.
    """
    _replace(heartbeat, "LONGEST", timedelta(seconds=2))


def _advance_before_insert() -> None:
    """Let a schedule be moved on before the jobs of its ticks are there."""

    def move_on(self: Ticks, schedule: Schedule, _read_at: datetime) -> bool:
        self.store.advance(schedule, {"next_run_at": schedule.said.after(self.store.clock.now())}, ())
        return False

    _replace(Ticks, "_has_moved_on", move_on)


def _delete_when_done() -> None:
    """Let no job be kept after its end, though it may be enqueued again under its id."""
    _replace(Succeeded, "change", lambda _ending, _job, _now, _settings: DELETED)


def _duplicates_without_index() -> None:
    """Let unique jobs be stored though no index keeps them unique."""
    _replace(UniqueInserting, "_require_index", lambda _inserting: None)


def _reserve_that_does_not_unset() -> None:
    """Let a job that holds its key until it starts hold it on."""
    _replace(reserve, "started", lambda _queries, jobs, _starting: jobs)


def _replace(owner: type | ModuleType, name: str, value: object) -> None:
    setattr(owner, name, value)


FAULTS: Final[dict[str, Callable[[], None]]] = {
    "finish by _id alone": _finish_by_id_alone,
    "finish across tokens": _finish_across_tokens,
    "losses not counted": _losses_not_counted,
    "no rescue": _no_rescue,
    "rescue during an outage": _rescue_during_an_outage,
    "advance before insert": _advance_before_insert,
    "delete when done": _delete_when_done,
    "duplicates without index": _duplicates_without_index,
    "reserve that does not unset": _reserve_that_does_not_unset,
    "clock that jumps": _clock_that_jumps,
    "short transactions": _short_transactions,
}
