"""What happens to a call whose key another job holds, as pure functions of the two jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, assert_never

import bson

from mongojobs.core.change import Change
from mongojobs.core.errors import DuplicateJobError
from mongojobs.core.inside.record import TOLD
from mongojobs.core.job import COMPLETED, ENDED, READY, RUNNING, Document, Job
from mongojobs.store.documents import to_document
from mongojobs.unique.checks import Keep
from mongojobs.unique.terms import Terms

CALL: Final = (
    "name",
    "handler",
    "queue",
    "priority",
    "run_at",
    "max_attempts",
    "max_run_time",
    "expires_at",
    "keep_result",
    "keep_log",
    "tags",
    "meta",
)
"""The fields of a job that a call sets, and a later one replaces."""

_ONE_MORE: Final = {"merged": 1}
MERGED: Final = Change(adds=_ONE_MORE)
"""The later call is counted and dropped."""


def is_over(holder: Job, now: datetime) -> bool:
    """Whether *holder* no longer has a right to its key: a job that needs the key may take it.

    A job that gives up its key at the start does so in a write of its own, just after it was locked; and the time for
    which a completed one holds it ends without a write, as does the time by which a job had to start.
    """
    if holder.state == READY:
        return holder.is_expired(now)
    if holder.state == RUNNING:
        return holder.unique_until == "start"
    is_kept = holder.state == COMPLETED and holder.key_until is not None and holder.key_until > now
    return holder.state in ENDED and not is_kept


def answer(holder: Job, job: Job, terms: Terms) -> Change:
    """Return what the call of *job* changes in *holder*. Raises DuplicateJobError if the call asked for that."""
    match terms.on_duplicate:
        case "raise":
            raise duplicate(holder, job)
        case "return":
            return MERGED
        case "replace" | "rerun":
            if holder.state in ENDED:
                return MERGED
            if holder.state == RUNNING:
                return Change(sets={"again": _call_of(job)}, adds=_ONE_MORE)
            start_by = _start_by(holder, job)
            run_at = _run_at(holder, job, terms.keep)
            return (
                replaced(job, run_at=run_at)
                if start_by is None
                else replaced(job, run_at=min(run_at, start_by), start_by=start_by)
            )
        case _:
            assert_never(terms.on_duplicate)


def may_be_left_out(change: Change, holder: Job, now: datetime) -> bool:
    """Whether *holder* can do without *change*: one more call that is dropped, or the very call it remembers already.

    Both are still written where they harm nothing, for the count of calls.
    """
    if change is MERGED:
        return True
    call, known = change.sets.get("again"), holder.again
    if call is None or known is None or max(call["run_at"], known["run_at"]) > now:
        return False
    return bson.encode({**call, "run_at": now}) == bson.encode({**known, "run_at": now})


def name_of_answer(merged: Job, terms: Terms) -> str:
    """Return what became of a call that was *merged* into a job, in the words of ``CallMerged``."""
    if terms.on_duplicate not in ("replace", "rerun") or merged.state in ENDED:
        return "dropped"
    return "rerun" if merged.state == RUNNING else "replaced"


def replaced(job: Job, **more: Any) -> Change:
    """Return the change that gives another job the call of *job*, plus *more* fields."""
    call = {name: getattr(job, name) for name in CALL} | more
    absent = tuple(name for name, value in call.items() if value in (None, ()))
    sets = {name: value for name, value in call.items() if name not in absent}
    return Change(sets=sets, unsets=(*absent, "again", *TOLD), adds=_ONE_MORE)


def duplicate(holder: Job, job: Job) -> DuplicateJobError:
    """Return the error that *holder* holds the key of *job*."""
    return DuplicateJobError(
        f"the job {holder.id}, which is {holder.state}, holds the key {holder.unique_text!r} of {job.name}: leave out"
        ' on_duplicate="raise" to get that job, or wait until it ends',
        job_id=holder.id,
    )


def as_seen(holder: Job) -> Document:
    """Match *holder* as it was seen: in the same run, or due at the same time."""
    if holder.state == RUNNING:
        return {"state": RUNNING, "lock_token": holder.lock_token}
    return {"state": holder.state, "run_at": holder.run_at}


def damage_of_holder(holder: Job, found: Document) -> str | None:
    """Return why no write would match *holder*, *found* in a state in which it is not what it looks like, and a remedy.

    Without a word about it, a call would look again and again. None for a sound one.
    """
    for name, value in {"_id": holder.id, **as_seen(holder)}.items():
        if found.get(name) != value:
            damage = f"that one is damaged: the {name} of the job {holder.id} is {found.get(name)!r:.100}"
            return f"{damage}; {_remedy(name, holder)}"
    return None


def _remedy(damaged: str, holder: Job) -> str:
    if damaged == "_id":
        return f"delete the document whose unique_key is {holder.unique_key!r}"
    if holder.state == RUNNING:
        return "a worker sets it aside when its lock has expired"
    return f"delete it with `mongojobs jobs delete {holder.id}`"


def _call_of(job: Job) -> Document:
    document = to_document(job)
    return {name: document[name] for name in CALL if name in document}


def _run_at(holder: Job, job: Job, keep: Keep) -> datetime:
    """Return when the replaced call is due, as far as nothing bounds it."""
    return {
        "earlier": min(holder.run_at, job.run_at),
        "later": max(holder.run_at, job.run_at),
        "last": job.run_at,
    }[keep]


def _start_by(holder: Job, job: Job) -> datetime | None:
    """Return the latest time to which calls may put *holder* off: counted from the first, whichever of them bounds it.

    A call that allows less makes it earlier; none makes it later.
    """
    if job.start_by is None or job.created_at is None:
        return holder.start_by
    own = (holder.created_at or job.created_at) + (job.start_by - job.created_at)
    return own if holder.start_by is None else min(own, holder.start_by)
