"""What people's transitions write, for one job as for many."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mongojobs.core.job import CANCELLED, HIGHEST_PRIORITY, LOWEST_PRIORITY, READY, Document
from mongojobs.core.settings import queue_name

_UNDONE: Final = dict.fromkeys(("failed_at", "finished_at", "expire_at"), "")
_COUNTERS: Final = ("attempts", "losses", "releases", "snoozes")


def cancelled(now: datetime) -> Document:
    """Return the change of a ready job that is cancelled."""
    return {"$set": {"state": CANCELLED, "finished_at": now}}


def retried(now: datetime) -> Document:
    """Return the change of a failed or cancelled job that is to run again, with all its attempts before it."""
    return {"$set": {"state": READY, "run_at": now, **dict.fromkeys(_COUNTERS, 0)}, "$unset": _UNDONE}


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
