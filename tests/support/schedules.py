"""Workers of tests as far as they tick: they do it when they are told to."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import mongojobs
from mongojobs import MongoJobs
from mongojobs.app.scheduling import ticks_of
from mongojobs.core.clock import Clock
from mongojobs.core.notices import Notice
from mongojobs.schedules import declared
from mongojobs.schedules.declared import DeclaredSchedules
from mongojobs.schedules.ticks import Ticks
from tests.support.clock import START


def ticks(app: MongoJobs, *, worker: str = "ada") -> Ticks:
    """Return what a worker ticks with that has just started with the code as it is."""
    ticks = ticks_of(app, app.store, worker=worker)
    ticks.declare()
    return ticks


def tick(app: MongoJobs) -> datetime | None:
    """Enqueue what is due, as a worker does, and return when the next tick will be."""
    return ticks(app).tick()


def ids(app: MongoJobs) -> list[str]:
    """Return the ids of all jobs, sorted."""
    return sorted(found["_id"] for found in app.store.collection.find())


def moments(app: MongoJobs) -> list[str]:
    """Return the times of day of the ticks that have become jobs, as ``09:00``."""
    return [f"{at:%H:%M}" for at in sorted(job.scheduled_for or START for job in app.find(limit=1000).jobs)]


def ledger(app: MongoJobs, name: str) -> list[tuple[Any, ...]]:
    """Return what became of the ticks of a schedule: of when, what, and of how many."""
    return [(f"{tick.at:%d %H:%M}", tick.result, tick.number) for tick in app.schedule_of(name).get().ticks]


@contextmanager
def app_without_schedules(clock: Clock) -> Iterator[MongoJobs]:
    """Let the default app go by *clock* during the block, and know no schedules of other tests."""
    app = mongojobs.configure(clock=clock, retry_jitter=0)
    app.create_indexes()
    with code():
        yield app
    mongojobs.configure()


@contextmanager
def code(*schedules: tuple[object, Any]) -> Iterator[DeclaredSchedules]:
    """Let the code inside be that of a program which declares nothing but *schedules*: targets, and ``every(...)``."""
    former = declared.schedules._declared
    declared.schedules._declared = {}
    try:
        for target, every in schedules:
            every(target)
        yield declared.schedules
    finally:
        declared.schedules._declared = former


def heard(app: MongoJobs, kind: type) -> list[Notice]:
    """Return a list of the notices of *kind* from now on."""
    found: list[Notice] = []
    app.lifecycle.on_notice(lambda notice: found.append(notice) if isinstance(notice, kind) else None)
    return found
