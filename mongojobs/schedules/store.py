"""The collection ``delayed_jobs_schedules``: one document a schedule, there once something uses it.

No worker leads. Each that finds a schedule due inserts the job of the tick under an id made of name and time, of which
there can be but one, and only then moves ``next_run_at`` on, where that still has the value it saw. One that dies in
between leaves it to the next, whose insert finds the job there. Moved on first, that tick would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from mongojobs.core.clock import Clock
from mongojobs.core.errors import ScheduleError
from mongojobs.core.job import READY, RUNNING, Document, Job
from mongojobs.schedules.schedule import MOST_TICKS, Schedule, Tick, to_schedule
from mongojobs.store import reading
from mongojobs.store.clients import Jobs, beside
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import EPOCH
from mongojobs.store.indexes import SCHEDULES_SUFFIX

CANCELLING: Final = "cancelling"
"""The state of a running job that was cancelled."""
_MOST_TRIES: Final = 20
_MOST_LISTED: Final = 10_000
_WITHOUT_HISTORY: Final = {"ticks": 0, "code": 0, "edited": 0}

Edit = Callable[[Schedule | None], Document | None]
"""From a schedule as it is, None for none, to what to set of it; None: nothing."""


class ScheduleStore:
    """The schedules of *jobs*, on the same client. All methods raise DatabaseError."""

    def __init__(self, jobs: Jobs, clock: Clock) -> None:
        self.collection: Jobs = beside(jobs, SCHEDULES_SUFFIX)
        self.clock = clock
        self._jobs = jobs

    def get(self, name: str) -> Schedule | None:
        """Return the schedule called *name*, or None."""
        found = self.collection.find_one({"_id": {"$eq": name}})
        return None if found is None else to_schedule(found)

    def all(self, *, after: str | None = None, limit: int = _MOST_LISTED) -> list[Schedule]:
        """Return all schedules, by name; of those with a name later than *after*, the first *limit*."""
        query = {} if after is None else {"_id": {"$gt": after}}
        return [to_schedule(found) for found in self.collection.find(query).sort("_id", 1).limit(limit)]

    def is_empty(self) -> bool:
        """Whether there is none."""
        return self.collection.find_one({}, {"_id": 1}) is None

    def due(self, declared: Collection[str], *, now: datetime, limit: int, but: Collection[str] = ()) -> list[Schedule]:
        """Return schedules that are due, without their ledgers, the longest first: of those from code, *declared* ones.

        Those in *but* are left out.
        """
        query = {"next_run_at": {"$gte": EPOCH, "$lte": now}, **_tickable(declared)}  # no other time can be read
        if but:
            query["_id"] = {"$nin": sorted(but)}
        found = self.collection.find(query, _WITHOUT_HISTORY).sort("next_run_at", 1).limit(limit)
        return [to_schedule(one) for one in found]

    def next_run_at(self, declared: Collection[str], *, after: datetime) -> datetime | None:
        """Return when the first of them is due that is not due by *after*."""
        query = {"next_run_at": {"$gt": after}, **_tickable(declared)}
        found = self.collection.find_one(query, {"next_run_at": 1}, sort=[("next_run_at", 1)])
        return None if found is None else reading.moment(found["next_run_at"])

    def overdue(self, *, before: datetime) -> list[Schedule]:
        """Return the schedules that were due before *before*, the longest first."""
        query = {"next_run_at": {"$lt": before}}
        return [to_schedule(found) for found in self.collection.find(query).sort("next_run_at", 1).limit(_MOST_LISTED)]

    def living(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the jobs that have not ended, with their states, or ``CANCELLING``."""
        ids = list(job_ids)
        if not ids:
            return {}
        query = {"_id": {"$in": ids}, "state": {"$in": [READY, RUNNING]}}
        living = self._jobs.find(query, {"state": 1, "cancellation": 1})
        return {one["_id"]: CANCELLING if one.get("cancellation") is not None else one["state"] for one in living}

    def jobs(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Return those of the jobs that are there, by id."""
        ids = list(job_ids)
        if not ids:
            return {}
        return {found["_id"]: to_shown_job(found) for found in self._jobs.find({"_id": {"$in": ids}}).limit(len(ids))}

    def advance(self, schedule: Schedule, change: Document, ticks: Sequence[Tick]) -> bool:
        """Set what is in *change*, and add *ticks* to the ledger, if nobody has moved *schedule* on since it was read.

        What is None is unset.
        """
        seen = {"_id": {"$eq": schedule.name}, "next_run_at": schedule.next_run_at, "revision": schedule.revision}
        return self.collection.update_one(seen, _update(change, ticks)).matched_count == 1

    def edit(self, name: str, edit: Edit) -> Schedule | None:
        """Set what *edit* says of the schedule as it is, and return what it is then; None when *edit* says nothing.

        It is asked again when somebody else has changed it meanwhile. Raises ScheduleError after many times.
        """
        for _ in range(_MOST_TRIES):
            document = self.collection.find_one({"_id": {"$eq": name}})
            change = edit(None if document is None else to_schedule(document))
            if change is None:
                return None
            if self._write(name, document, change):
                return self.get(name)
        raise ScheduleError(f"the schedule {name!r} keeps being changed by others: try again")

    def note(self, name: str, ticks: Sequence[Tick], job_ids: Sequence[str]) -> None:
        """Add *ticks* that were made by hand, and their jobs, to the schedule."""
        update = _update({}, ticks)
        update["$push"]["unfinished"] = {"$each": list(job_ids), "$slice": -MOST_TICKS}
        update["$inc"]["revision"] = 1
        self.collection.update_one({"_id": {"$eq": name}}, update)

    def remove(self, name: str) -> bool:
        """Forget the schedule; return whether it was there."""
        return self.collection.delete_one({"_id": {"$eq": name}}).deleted_count == 1

    def _write(self, name: str, document: Document | None, change: Document) -> bool:
        """Set what is in *change*, if nobody has moved on what *document* shows, whatever that holds."""
        if document is None:
            try:
                self.collection.insert_one({"_id": name, "revision": 1, **_update(change)["$set"]})
            except DuplicateKeyError:
                return False
            return True
        seen = {"_id": name} | {field: document.get(field) for field in ("revision", "next_run_at")}
        update = _update({**change, "revision": reading.count(seen["revision"]) + 1})
        guard = {field: {"$eq": value} for field, value in seen.items()}
        return self.collection.update_one(guard, update).matched_count == 1


def _tickable(declared: Collection[str]) -> Document:
    """Match the schedules that a process declaring these may tick: no others that come from code."""
    return {"$or": [{"source": "operator"}, {"_id": {"$in": sorted(declared)}}]}


def _update(change: Document, ticks: Sequence[Tick] = ()) -> dict[str, Any]:
    """Return *change* and *ticks* as an update."""
    totals: dict[str, int] = {}
    for tick in ticks:
        totals[f"totals.{tick.result}"] = totals.get(f"totals.{tick.result}", 0) + tick.number
    entries = {"$each": [tick.stored() for tick in ticks], "$slice": -MOST_TICKS}
    update = {
        "$set": {field: value for field, value in change.items() if value is not None},
        "$unset": {field: "" for field, value in change.items() if value is None},
        "$inc": totals,
        "$push": {"ticks": entries} if ticks else {},
    }
    return {operator: fields for operator, fields in update.items() if fields}
