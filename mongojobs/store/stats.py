"""What workers did, in a collection beside the jobs: one document per minute, hour and day of each worker process.

A document holds totals, not increments, under an ``_id`` that is made once. So it may be written again, after an answer
that was lost or because more has been counted, and nothing is counted twice. The ``_id`` begins with the time, so that
its own index finds the documents of a span of time. Histograms of many jobs take long to read: those of all jobs
together stand apart, and the server passes on no others than were asked for.

A histogram is stored as its number of buckets, then the lowest byte of each bucket's count, then the next byte of
each, up to the largest count's last: a fifth of a list. In memory it is one whole number with eight bytes per bucket,
so that many are added without looking at their buckets; no sum of sound ones runs over into the next.
"""

from __future__ import annotations

import struct
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

_LANE: Final = 8
_MOST_PLANES: Final = 6


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
        self._figures: dict[tuple[datetime, str, str], _Sum] = {}

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
                figures = self._figures[key] = _Sum()
            figures.include(entry)

    def since(self, begin: datetime) -> tuple[StatsRow, ...]:
        """Return the rows from *begin* on, by time, name and queue."""
        return tuple(
            StatsRow(at=at, name=name, queue=queue, figures=figures.total())
            for (at, name, queue), figures in sorted(self._figures.items(), key=lambda item: item[0])
            if at >= begin
        )

    def _known(self, name: str, queue: str) -> tuple[str, str]:
        if (name, queue) not in self._pairs and len(self._pairs) >= MOST_PAIRS:
            return OTHER, OTHER
        self._pairs.add((name, queue))
        return name, queue


class _Sum:
    """What entries of one name and queue add up to; their histograms are added as whole numbers."""

    __slots__ = ("_figures", "_runs", "_waits")

    def __init__(self) -> None:
        self._figures = RunStats()
        self._runs = self._waits = 0

    def include(self, entry: Mapping[str, Any]) -> None:
        """Add a sound *entry*."""
        outcomes = self._figures.outcomes
        for outcome in OUTCOMES:
            if outcome in entry:
                outcomes[outcome] += entry[outcome]
        if run := entry.get("run"):
            self._runs += _as_number(run["counts"])
            self._figures.run.include_counts((), seconds=run["seconds"], longest=run["longest"])
        if wait := entry.get("wait"):
            self._waits += _as_number(wait["counts"])
            self._figures.wait.include_counts((), seconds=wait["seconds"], longest=wait["longest"])

    def total(self) -> RunStats:
        """Return the figures."""
        for durations, number in ((self._figures.run, self._runs), (self._figures.wait, self._waits)):
            durations.counts = _as_counts(number)
        return self._figures


def _begin_of_id(step: Step, at: datetime) -> str:
    return f"{step} {at:%Y-%m-%dT%H:%MZ}"


def _called(name: str) -> Document:
    """Return the expression for the entries of jobs called *name*."""
    return {"$filter": {"input": "$jobs", "as": "job", "cond": {"$eq": ["$$job.name", {"$literal": name}]}}}


def _entry(name: str, queue: str, figures: RunStats) -> Document:
    outcomes = {outcome: count for outcome, count in figures.outcomes.items() if count}
    durations = {"run": figures.run, "wait": figures.wait}
    return {"name": name, "queue": queue, **outcomes} | {
        of: {"counts": _packed(those.counts), "seconds": those.seconds, "longest": those.longest}
        for of, those in durations.items()
        if any(those.counts)
    }


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
        and _are_packed(stored.get("counts"))
        and reading.is_amount(stored.get("seconds"))
        and reading.is_amount(stored.get("longest"))
    )


def _packed(counts: Sequence[int]) -> bytes:
    """Return *counts*, of which one is not 0, without trailing zeros."""
    buckets = max(bucket for bucket, count in enumerate(counts) if count) + 1
    lanes = struct.pack(f"<{buckets}Q", *counts[:buckets])
    planes = (max(counts).bit_length() + 7) // 8
    return bytes([buckets]) + b"".join(lanes[plane::_LANE] for plane in range(planes))


def _are_packed(stored: Any) -> bool:
    """Whether *stored* is a histogram that can be added to others, packed or, as before, a list."""
    if type(stored) is bytes:
        return bool(stored) and 0 < stored[0] <= BUCKETS and len(stored) - 1 in _sizes(stored[0])
    return reading.are_counts(stored) and len(stored) <= BUCKETS and max(stored, default=0) < 1 << 8 * _MOST_PLANES


def _as_number(stored: bytes | Sequence[int]) -> int:
    """Return the number for a histogram as ``_are_packed`` accepts it."""
    if not isinstance(stored, bytes):
        return int.from_bytes(struct.pack(f"<{len(stored)}Q", *stored), "little")
    buckets = stored[0]
    lanes = bytearray(_LANE * buckets)
    for plane, begin in enumerate(range(1, len(stored), buckets)):
        lanes[plane::_LANE] = stored[begin : begin + buckets]
    return int.from_bytes(lanes, "little")


def _as_counts(number: int) -> list[int]:
    """Return the count of each bucket."""
    return list(struct.unpack(f"<{BUCKETS}Q", number.to_bytes(_LANE * BUCKETS, "little")))


def _sizes(buckets: int) -> range:
    return range(buckets, _MOST_PLANES * buckets + 1, buckets)
