"""What workers did, in a collection beside the jobs: one document per minute, hour and day of each worker process.

A document holds totals, not increments, under an ``_id`` that is made once. So it may be written again, after an answer
that was lost or because more has been counted, and nothing is counted twice. The ``_id`` begins with the time, so that
its own index finds the documents of a span of time. Histograms of many jobs take long to read: those of all jobs
together stand apart, and the server passes on no others than were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import DESCENDING, WriteConcern

from mongojobs.core.clock import Clock
from mongojobs.core.job import Document
from mongojobs.core.settings import Settings
from mongojobs.core.stats import (
    ALL,
    BUCKETS,
    MOST_PAIRS,
    OTHER,
    OUTCOMES,
    STEPS,
    RunStats,
    Stats,
    StatsByJob,
    StatsRow,
    Step,
    begin_of,
)
from mongojobs.store import reading
from mongojobs.store.clients import Jobs, beside

STATS_SUFFIX: Final = "_stats"

MINUTES_KEPT: Final = timedelta(days=1)
"""How long the documents of minutes are kept; those of hours and days are kept longer."""
USUAL_SPAN: Final[Mapping[Step, timedelta]] = {
    "minute": timedelta(hours=1),
    "hour": timedelta(days=1),
    "day": timedelta(days=7),
}
MOST_READ: Final = 10_000
"""The most documents read at once; a hundred processes write more in an hour and a half."""
READ_MILLISECONDS: Final = 5_000


class StatsStore:
    """The collection ``delayed_jobs_stats``: named after that of the *jobs*, on the same client."""

    def __init__(self, jobs: Jobs, clock: Clock, settings: Settings) -> None:
        self.collection: Jobs = beside(jobs, STATS_SUFFIX, write_concern=WriteConcern(w=1))
        self.clock = clock
        self._retention = settings.stats_retention

    def write(self, step: Step, at: datetime, tally: StatsByJob, *, process: str, worker: str) -> None:
        """Store one *process*'s totals for the minute, hour or day that begins *at*; may be repeated with newer totals.

        Raises DatabaseError.
        """
        retention = min(self._retention, MINUTES_KEPT) if step == "minute" else self._retention
        document = {
            "at": at,
            "worker": worker,
            "expire_at": at + STEPS[step] + retention,
            "jobs": [_entry(name, queue, figures) for (name, queue), figures in tally.pairs.items()],
            "all": [_entry(ALL, ALL, RunStats.sum(tally.pairs.values()))],
        }
        document_id = f"{_begin_of_id(step, at)} {process}"
        self.collection.replace_one({"_id": document_id}, document, upsert=True)

    def read(
        self, *, by: Step, since: datetime | None, until: datetime | None, name: str | None = None, apart: bool = True
    ) -> Stats:
        """Return what was done from *since* (an hour, a day or a week ago) until *until* (now). Raises DatabaseError.

        It is of the jobs called *name*, or of all jobs; not *apart*: of all together. Of more than ``MOST_READ``
        documents the last ones are read.
        """
        until = until or self.clock.now()
        since = begin_of(by, since or until - USUAL_SPAN[by])
        last = begin_of(by, until - timedelta(milliseconds=1))
        last_first = self.collection.aggregate(
            [
                {"$match": {"_id": {"$gte": _begin_of_id(by, since), "$lt": _begin_of_id(by, last + STEPS[by])}}},
                {"$sort": {"_id": DESCENDING}},
                {"$limit": MOST_READ + 1},
                {"$project": {"at": 1, "jobs": _called(name) if name is not None else "$jobs" if apart else "$all"}},
            ],
            maxTimeMS=READ_MILLISECONDS,
        )
        rows = _Rows(since, last + STEPS[by])
        for number, document in enumerate(last_first):
            if number == MOST_READ:  # what has been read last may not be complete
                since = min(rows.first + STEPS[by], until)
                break
            rows.add(document)
        return Stats(since=since, until=until, by=by, rows=rows.since(since))


class _Rows:
    """The documents of several processes added up, for no more pairs of name and queue than one document holds."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin = begin
        self._end = end
        self.first: datetime = datetime.max.replace(tzinfo=UTC)
        """The earliest time of all documents."""
        self._pairs: set[tuple[str, str]] = set()
        self._figures: dict[tuple[datetime, str, str], RunStats] = {}

    def add(self, document: Document) -> None:
        """Add what one process wrote, perhaps with another version of this library; damaged entries are skipped."""
        at = reading.moment(document.get("at"))
        if at is None or not self._begin <= at < self._end:
            return
        self.first = min(self.first, at)
        for entry in filter(_is_sound, reading.documents(document.get("jobs"))):
            key = (at, *self._known(entry["name"], entry["queue"]))
            figures = self._figures.get(key)
            if figures is None:
                figures = self._figures[key] = RunStats()
            _include(figures, entry)

    def since(self, begin: datetime) -> tuple[StatsRow, ...]:
        """Return the rows from *begin* on, by time, name and queue."""
        return tuple(
            StatsRow(at=at, name=name, queue=queue, figures=figures)
            for (at, name, queue), figures in sorted(self._figures.items(), key=lambda item: item[0])
            if at >= begin
        )

    def _known(self, name: str, queue: str) -> tuple[str, str]:
        if (name, queue) not in self._pairs and len(self._pairs) >= MOST_PAIRS:
            return OTHER, OTHER
        self._pairs.add((name, queue))
        return name, queue


def _begin_of_id(step: Step, at: datetime) -> str:
    return f"{step} {at:%Y-%m-%dT%H:%MZ}"


def _called(name: str) -> Document:
    """Return the expression for the entries of jobs called *name*."""
    return {"$filter": {"input": "$jobs", "as": "job", "cond": {"$eq": ["$$job.name", {"$literal": name}]}}}


def _entry(name: str, queue: str, figures: RunStats) -> Document:
    outcomes = {outcome: count for outcome, count in figures.outcomes.items() if count}
    durations = {"run": figures.run, "wait": figures.wait}
    return {"name": name, "queue": queue, **outcomes} | {
        of: {"counts": _trimmed(those.counts), "seconds": those.seconds, "longest": those.longest}
        for of, those in durations.items()
        if any(those.counts)
    }


def _trimmed(counts: Sequence[int]) -> list[int]:
    """Return *counts* without trailing zeros."""
    return list(counts[: max(bucket for bucket, count in enumerate(counts) if count) + 1])


def _is_sound(entry: Mapping[str, Any]) -> bool:
    """Whether an entry can be added to others: one that is not a number would spoil every sum."""
    return (
        type(entry.get("name")) is str
        and type(entry.get("queue")) is str
        and all(reading.is_count(entry[outcome]) for outcome in OUTCOMES if outcome in entry)
        and all(_are_durations(entry[of]) for of in ("run", "wait") if entry.get(of) is not None)
    )


def _are_durations(stored: object) -> bool:
    return (
        type(stored) is dict
        and reading.are_counts(stored.get("counts"))
        and len(stored["counts"]) <= BUCKETS
        and reading.is_amount(stored.get("seconds"))
        and reading.is_amount(stored.get("longest"))
    )


def _include(figures: RunStats, entry: Mapping[str, Any]) -> None:
    """Add one entry of a document to *figures*, in place, as there are many."""
    for outcome in OUTCOMES:
        if outcome in entry:
            figures.outcomes[outcome] += entry[outcome]
    for durations, stored in ((figures.run, entry.get("run")), (figures.wait, entry.get("wait"))):
        if stored:
            durations.include_counts(stored["counts"], seconds=stored["seconds"], longest=stored["longest"])
