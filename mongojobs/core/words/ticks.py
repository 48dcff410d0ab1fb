"""The ids of jobs that schedules enqueue, which are made of the schedule's name and the time of the tick."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

_TICK: Final = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?)"
_TICK_ID: Final = re.compile(f"schedule:(.+):{_TICK}Z", re.DOTALL)


def ticks_of(schedule: str) -> dict[str, Any]:
    """Match the ids of the jobs of *schedule*: in a range for the index, and none of a schedule whose name goes on."""
    begin = f"schedule:{schedule}:"
    return {"$gte": begin, "$lt": f"{begin[:-1]};", "$regex": f"^{re.escape(begin)}{_TICK}Z$"}


def tick_of(job_id: object) -> datetime | None:
    """Return the time of the tick whose job has this id, which is made of it; None for the id of any other job."""
    found = _TICK_ID.fullmatch(job_id) if isinstance(job_id, str) else None
    try:
        return None if found is None else datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
    except ValueError:
        return None


def schedule_of(job_id: object) -> str | None:
    """Return the name of the schedule whose tick has this id; None for the id of any other job."""
    found = _TICK_ID.fullmatch(job_id) if isinstance(job_id, str) else None
    return None if found is None else found[1]
