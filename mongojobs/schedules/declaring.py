"""Storing what code declares: an operator's edits stay until the code itself says something else."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions

from mongojobs.core.job import Document
from mongojobs.schedules.schedule import Schedule, to_schedule
from mongojobs.schedules.store import ScheduleStore
from mongojobs.store.reading import DAMAGED

_AS_READ: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)
_ABOUT_TIME: Final = frozenset({"due", "tz", "starts", "ends", "times"})
"""What makes a schedule due at other times."""
_DUE_BY: Final = frozenset({"spec", "next_run_at", "paused"})
"""The fields of its document by which it is due; damaged, they do not say when."""


def declare(store: ScheduleStore, name: str, spec: Document) -> str:
    """Store the schedule *name* as code says it, to be called at the start of a worker: the last one wins.

    A damaged one is repaired; return what was wrong with it. Raises DatabaseError.
    """
    problem = ""
    said = bson.decode(bson.encode(spec), _AS_READ)

    def edit(found: Schedule | None) -> Document | None:
        nonlocal problem
        if found is None:
            return new(name, said, source="code", now=store.clock.now()) | {"code": said}
        problem, is_lost = found.problem, "spec" in found.damaged
        changed = {field: value for field, value in said.items() if is_lost or found.code.get(field) != value}
        if not (changed or found.damaged) and found.source == "code":
            return None
        edited = {field: entry for field, entry in found.edited.items() if field not in changed}
        return (
            _readable(found)
            | changes(found, changed, now=store.clock.now())
            | {
                "source": "code",
                "code": said,
                "edited": edited or None,
            }
        )

    store.edit(name, edit)
    return problem


def _readable(found: Schedule) -> Document:
    """Return what can be read of the damaged fields of a schedule's history, to be stored in their place."""
    readable: Document = {
        "unfinished": [job_id for job_id in found.unfinished if job_id != DAMAGED],
        "ticks": [tick.stored() for tick in found.ticks],
        "totals": dict(found.totals),
        "paused": None,
    }
    return {field: value for field, value in readable.items() if field in found.damaged}


def new(name: str, spec: Document, *, source: str, now: datetime) -> Document:
    """Return the document of a new schedule, without its name."""
    schedule = to_schedule({"_id": name, "spec": spec})
    return {"source": source, "spec": spec, "created_at": now, "next_run_at": schedule.next_after(now)}


def changes(found: Schedule, changed: Document, *, now: datetime) -> Document:
    """Return what to set where the fields *changed* of what was said of a schedule."""
    spec = {**found.spec, **changed}
    if _ABOUT_TIME.isdisjoint(changed) and _DUE_BY.isdisjoint(found.damaged):
        return {"spec": spec}
    schedule = to_schedule({"_id": found.name, "spec": spec, "totals": dict(found.totals)})
    return {"spec": spec, "next_run_at": next_of(schedule, found, now)}


def next_of(schedule: Schedule, found: Schedule, now: datetime) -> datetime | None:
    """Return when *schedule* is due next, if it is paused as *found* is."""
    if found.pause is None or not found.is_paused(now):
        return schedule.next_after(now)
    return None if found.pause.until is None else schedule.next_after(found.pause.until)
