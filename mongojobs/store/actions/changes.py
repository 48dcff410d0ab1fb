"""What people's transitions write, for one job as for many."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mongojobs.core.checks import queue_name
from mongojobs.core.job import CANCELLED, READY, Document
from mongojobs.core.limits import HIGHEST_PRIORITY, KEPT_ENTRIES, LOWEST_PRIORITY

Change = Document | list[Document]
"""An update, or the stages of one."""

_UNDONE: Final = ("failed_at", "finished_at", "expire_at", "ran_by", "took", "deferred_since", "deferred_reason")
_COUNTERS: Final = ("attempts", "losses", "releases", "snoozes")


def cancelled(now: datetime) -> Document:
    """Return the change of a ready job that is cancelled."""
    return {"$set": {"state": CANCELLED, "finished_at": now}}


def retried(now: datetime, *, by: str | None, is_real: bool, run_at: datetime | None = None) -> Change:
    """Return the change of a failed or cancelled job that is to run again, now or at *run_at*, with all attempts left.

    Who wants it, *by*, is noted. That works on a document damaged in any way, else one such would keep many others from
    being retried. For that, it has stages, which mongomock does not know.
    """
    fields: Document = {"state": READY, "run_at": run_at or now, **dict.fromkeys(_COUNTERS, 0)}
    retry = {"at": now, "by": by}
    if by is None or not is_real:
        noted = {} if by is None else {"retries": [retry]}
        return {"$set": {**fields, **noted}, "$unset": dict.fromkeys(_UNDONE, "")}
    before = {"$cond": [{"$isArray": "$retries"}, "$retries", []]}
    retries = {"$slice": [{"$concatArrays": [before, [{"$literal": retry}]]}, -KEPT_ENTRIES]}
    return [{"$set": {**fields, "retries": retries}}, {"$unset": list(_UNDONE)}]


def hastened(now: datetime) -> Document:
    """Return the change of a scheduled job that is to run now."""
    return {"$set": {"run_at": now}}


def moved(*, queue: str | None, priority: int | None) -> Document:
    """Return the change of a ready job that gets another queue or priority. Raises ValueError for what is none."""
    fields: Document = {}
    if queue is not None:
        fields["queue"] = queue_name(queue)
    if priority is not None:
        if type(priority) is not int or not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
            raise ValueError(
                f"priority must be between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}, got {priority!r:.100}"
            )
        fields["priority"] = priority
    if not fields:
        raise ValueError("name another queue or priority")
    return {"$set": fields}
