"""The end of a run whose job was called again meanwhile: the job is made ready again, with the last call, in one write.

Two actors: a worker writes that its job succeeded; a call that comes at this moment finds it running, and leaves itself
in ``again``. So each write that ends a run is guarded by the absence of ``again``, and ``again`` is only set while the
job is running: one of the two finds out about the other. ``merged`` counts the calls, and tells which one was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from mongojobs.core.change import Change
from mongojobs.core.errors import DamagedPayloadError
from mongojobs.core.job import ENDED, READY, Document, Job
from mongojobs.core.transitions import LOCK_AND_DEFERRAL
from mongojobs.store.clients import Jobs, Session
from mongojobs.store.documents import to_job, to_shown_job, to_update
from mongojobs.store.filters import NOT_CANCELLED, held, held_groups
from mongojobs.store.queries import Queries
from mongojobs.store.unique.answers import replaced
from mongojobs.store.unique.merges import tell_of

_COUNTERS: Final = ("attempts", "losses", "releases", "snoozes")
_NOT_AGAIN: Final[Document] = {"again": {"$exists": False}}


def held_to_end(job: Job, change: Change) -> Document:
    """Match *job* while it is held.

    If *change* ends its run, only if it was not called again meanwhile; if it hands the job back, only if nobody has
    cancelled it.
    """
    guard = held(job) | NOT_CANCELLED if hands_back(change) else held(job)
    return guard if job.unique_key is None or not ends_run(change) else guard | _NOT_AGAIN


def all_held_to_end(jobs: Sequence[Job]) -> Document:
    """Match those of *jobs*, whose runs have ended, that are still held and were not called again."""
    return held_groups(jobs, _NOT_AGAIN)


def ends_run(change: Change) -> bool:
    """Whether *change* ends a run with a result, rather than handing the job back."""
    return ends_life(change) or "attempts" in change.sets


def ends_life(change: Change) -> bool:
    """Whether *change* leaves a job that will not run again by itself, or none."""
    return change.deletes or change.sets.get("state") in ENDED


def hands_back(change: Change) -> bool:
    """Whether *change* makes a running job ready again."""
    return change.sets.get("state") == READY


def rerun(job: Job, now: datetime) -> Change:
    """Make *job* ready again for the call it remembers, like a new job: with all its attempts, and none merged."""
    call = replaced(_remembered(job))
    sets: dict[str, Any] = {**call.sets, "state": READY, **dict.fromkeys(_COUNTERS, 0)}
    return Change(
        sets=sets | {"run_at": max(sets["run_at"], now)},
        unsets=(*call.unsets, *LOCK_AND_DEFERRAL, "cancellation", "merged"),
    )


def honour(queries: Queries, jobs: Iterable[Job]) -> list[Job]:
    """Make held *jobs* that were called again ready for that call; return those that were not ours."""
    return [job for job in jobs if not _honour(queries, job)]


def honour_in(jobs: Jobs, job: Job, now: datetime, session: Session) -> bool:
    """Do as ``honour`` in the transaction of *session*, which nobody can come between; False if it was not ours."""
    found = jobs.find_one(held(job), session=session)
    if found is None:
        return False
    change = rerun(to_shown_job(found), now)
    return jobs.update_one(held(job), to_update(change), session=session).matched_count == 1


def is_honoured(job: Job, found: Document | None) -> bool:
    """Whether the document *found* is as ``honour`` would have left *job* on an earlier try."""
    if found is None or job.unique_key is None or found.get("state") != READY:
        return False
    return found.get("fence") == job.fence and not any(found.get(name) for name in _COUNTERS)


def _honour(queries: Queries, job: Job) -> bool:
    while True:
        found = queries.collection.find_one(held(job))
        if found is None:
            return False
        if _run_again(queries, found, held(job)) is not None:
            return True


def rescue_again(queries: Queries, guard: Document, change: Change) -> Change | None:
    """Write *change*, which gives up on a lost job, or make the job ready if it was called again; None: neither.

    *guard* matches the job as long as nobody else has taken it back.
    """
    found = queries.collection.find_one(guard)
    if found is None:
        return None
    if "again" in found:
        return _run_again(queries, found, guard)
    if not queries.collection.update_one(guard | _NOT_AGAIN, to_update(change), hint=queries.by_id).matched_count:
        return None
    tell_of(queries, to_shown_job(found), found)
    return change


def _run_again(queries: Queries, found: Document, guard: Document) -> Change | None:
    """Make the job *found* ready for the call it remembers, if *guard* matches it and no further call has come."""
    job = to_shown_job(found)
    change = rerun(job, queries.clock.now())
    guard = guard | {"merged": found.get("merged")}
    if not queries.collection.update_one(guard, to_update(change), hint=queries.by_id).matched_count:
        return None
    tell_of(queries, job, found)
    return change


def started(queries: Queries, jobs: list[Job], starting: list[Job]) -> list[Job]:
    """Return *jobs*, just locked, after releasing the keys of those that are *starting*: they hold them until now."""
    queries.collection.update_many(held_groups(starting), {"$unset": {"unique_key": ""}}, hint=queries.by_id)
    return [replace(job, unique_key=None) if job in starting else job for job in jobs]


def _remembered(job: Job) -> Job:
    """Return *job* with the call that it remembers, or its own if that one is damaged."""
    try:
        return to_job({"_id": job.id, "state": READY, **(job.again or {})})
    except DamagedPayloadError:
        return job
