"""Faults planted on purpose into the library of one process, to see that the judge finds each of them."""

import contextvars
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, Final

from mongojobs.core.change import DELETED
from mongojobs.core.clock import ServerClock, SystemClock, TimeSource, truncate
from mongojobs.core.job import Job
from mongojobs.core.transitions import Ending, Succeeded, told
from mongojobs.schedules import ticks
from mongojobs.schedules.planning import Plan, plan
from mongojobs.schedules.schedule import Schedule
from mongojobs.schedules.store import ScheduleStore
from mongojobs.schedules.ticks import Ticks
from mongojobs.store.documents import to_update
from mongojobs.store.jobs import JobStore, Rescued
from mongojobs.store.lifecycle import end, reserve
from mongojobs.store.lifecycle.end import Holding
from mongojobs.store.lifecycle.transaction import EndingTransaction
from mongojobs.store.stream import CancelStream
from mongojobs.store.unique import again
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

    look = Ticks._plan

    def move_on(self: Ticks, schedule: Schedule, now: datetime) -> tuple[Plan, Any]:
        planned, living = look(self, schedule, now)
        self.store.advance(schedule, {"next_run_at": planned.next_run_at}, ())
        return planned, living

    _replace(Ticks, "_plan", move_on)


def _delete_when_done() -> None:
    """Let no job be kept after its end, though it may be enqueued again under its id."""
    _replace(Succeeded, "change", lambda _ending, _job, _now, _settings: DELETED)


def _duplicates_without_index() -> None:
    """Let unique jobs be stored though no index keeps them unique."""
    _replace(UniqueInserting, "_require_index", lambda _inserting: None)


def _reserve_that_does_not_unset() -> None:
    """Let a job that holds its key until it starts hold it on."""
    _replace(reserve, "started", lambda _queries, jobs, _starting: jobs)


def _end_outside_the_transaction() -> None:
    """Let the end of a job be stored at once, and not with what its transaction writes."""

    def end(self: EndingTransaction, job: Job, ending: Ending, _session: object) -> bool:
        contextvars.Context().run(JobStore(self._queries).end, job, ending)
        return True

    _replace(EndingTransaction, "end", end)


def _telling_without_the_token() -> None:
    """Let whoever once held a job store what it has told, its cursors too."""

    def tell(self: Holding, jobs: Sequence[Job]) -> list[Job]:
        for job in jobs:
            self.collection.update_one({"_id": job.id}, to_update(told(job)))
        return []

    _replace(Holding, "tell", tell)


def _handed_back_though_cancelled() -> None:
    """Let a worker that hands a job back not mind that somebody cancels it."""
    _replace(end, "NOT_CANCELLED", {})
    _replace(again, "NOT_CANCELLED", {})


def _deaf_to_cancelling() -> None:
    """Let the stream of those that are cancelled tell of none."""
    following = CancelStream.next

    def hear_nothing(self: CancelStream) -> None:
        following(self)

    _replace(CancelStream, "next", hear_nothing)


def _overlap_that_sees_no_job() -> None:
    """Let a schedule not know that the job of an earlier tick lives."""
    _replace(ScheduleStore, "living", lambda _store, _job_ids: {})


def _overlap_that_cancels_nothing() -> None:
    """Let the job of an earlier tick go on."""

    def plan_without_ending(*arguments: Any, **options: Any) -> Plan:
        return replace(plan(*arguments, **options), ends_earlier=False)

    _replace(ticks, "plan", plan_without_ending)


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
    "end outside the transaction": _end_outside_the_transaction,
    "telling without the token": _telling_without_the_token,
    "handed back though cancelled": _handed_back_though_cancelled,
    "deaf to cancelling": _deaf_to_cancelling,
    "overlap that sees no job": _overlap_that_sees_no_job,
    "overlap that cancels nothing": _overlap_that_cancels_nothing,
    "clock that jumps": _clock_that_jumps,
    "short transactions": _short_transactions,
}
