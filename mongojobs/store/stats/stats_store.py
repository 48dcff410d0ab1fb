"""What workers did, in a collection beside the jobs: one document per minute, hour and day of each worker process.

A document holds totals, not increments, under an ``_id`` that is made once. So it may be written again, after an answer
that was lost or because more has been counted, and nothing is counted twice. The ``_id`` begins with the time, so that
its own index finds the documents of a span of time. Histograms of many jobs take long to read: those of all jobs
together stand apart, and the server passes on no others than were asked for.

Once a time is over, its documents become one (see ``merging``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final

from pymongo import DESCENDING, WriteConcern

from mongojobs.core.clock import Clock
from mongojobs.core.job import Document
from mongojobs.core.settings import Settings
from mongojobs.core.stats import MOST_PAIRS, OTHER, STEPS, Period, RunStats, Stats, StatsByJob, StatsRow, Step, begin_of
from mongojobs.store import reading
from mongojobs.store.clients import Jobs, beside
from mongojobs.store.stats.entries import figures_of, include, is_sound

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

    def write(self, totals: Mapping[Period, StatsByJob], *, worker: str) -> None:
        """Store *totals*; may be repeated with newer ones. Raises DatabaseError."""
        heads = [{"_id": document_id(*period)} | self.times(*period[:2]) for period in totals]
        by_job = [total.pairs for total in totals.values()]
        together = [RunStats.sum(pairs.values()) for pairs in by_job]
        figures = list(map(figures_of, by_job, together))
        for head, those in zip(heads, figures, strict=True):
            self.collection.replace_one({"_id": head["_id"]}, {**head, **those, "worker": worker}, upsert=True)

    def times(self, step: Step, at: datetime) -> Document:
        """Return what a document says of the minute, hour or day that begins *at*."""
        retention = min(self._retention, MINUTES_KEPT) if step == "minute" else self._retention
        return {"at": at, "expire_at": at + STEPS[step] + retention}

    def read(
        self,
        *,
        by: Step,
        since: datetime | None,
        until: datetime | None,
        name: str | None = None,
        apart: bool = True,
        as_one: bool = False,
    ) -> Stats:
        """Return what was done from *since* (an hour, a day or a week ago) until *until* (now). Raises DatabaseError.

        It is of the jobs called *name*, or of all jobs; not *apart*: of all together. *as_one* it has a single row for
        each name and queue, as if all had been done at the beginning. Of more than ``MOST_READ`` documents the last
        ones are read.
        """
        until = until or self.clock.now()
        since = begin_of(by, since or until - USUAL_SPAN[by])
        end = begin_of(by, until - timedelta(milliseconds=1)) + STEPS[by]
        entries = _called(name) if name is not None else "$jobs" if apart else "$all"
        last_first = self._last_first(ids_between(by, since, end), entries)
        rows = Rows(since, end, as_one=as_one)
        last: list[Document] = []
        for _, documents in groupby(islice(last_first, MOST_READ), lambda document: _period_of(document["_id"])):
            rows.add(last)
            last = list(documents)
        if next(last_first, None) is None:
            rows.add(last)
        else:  # what has been read last may not be complete
            since = min(rows.earliest(last) + STEPS[by], until)
        return Stats(since=since, until=until, by=by, rows=rows.all())

    def _last_first(self, ids: Document, entries: str | Document) -> Iterator[Document]:
        """Return the documents with *ids*, with these *entries* alone, and no more than one too many."""
        pipeline: list[Document] = [
            {"$match": {"_id": ids}},
            {"$sort": {"_id": DESCENDING}},
            {"$limit": MOST_READ + 1},
            {"$project": {"at": 1, "of": 1, "jobs": entries}},
        ]
        return self.collection.aggregate(pipeline, maxTimeMS=READ_MILLISECONDS)


class Rows:
    """The documents of several processes added up, for no more pairs of name and queue than one document holds."""

    def __init__(self, begin: datetime, end: datetime, *, as_one: bool = False) -> None:
        self._begin = begin
        self._end = end
        self._as_one = as_one
        self._first = end
        self._pairs: set[tuple[str, str]] = set()
        self._figures: dict[datetime, dict[tuple[str, str], RunStats]] = {}

    def add(self, documents: Iterable[Document]) -> None:
        """Add all that is stored of one time, perhaps by another version of this library.

        Damaged entries are skipped, and so is what was merged but not yet deleted.
        """
        for document in each_once(documents):
            at = self._time_of(document)
            if at is None:
                continue
            self._first = min(self._first, at)
            figures = self._figures.setdefault(self._begin if self._as_one else at, {})
            for entry in filter(is_sound, reading.documents(document.get("jobs"))):
                pair = self._known((entry["name"], entry["queue"]))
                found = figures.get(pair)
                if found is None:
                    found = figures[pair] = RunStats()
                include(found, entry)

    def earliest(self, documents: Iterable[Document]) -> datetime:
        """Return the earliest time of *documents*, else of those that were added."""
        return min(filter(None, map(self._time_of, documents)), default=self._first)

    def of(self, at: datetime) -> Mapping[tuple[str, str], RunStats]:
        """Return the figures of one time for each pair of name and queue."""
        return self._figures.get(at, {})

    def all(self) -> tuple[StatsRow, ...]:
        """Return the rows by time, name and queue."""
        return tuple(
            StatsRow(at=at, name=name, queue=queue, figures=figures)
            for at, pairs in sorted(self._figures.items())
            for (name, queue), figures in sorted(pairs.items(), key=lambda item: item[0])
        )

    def _time_of(self, document: Document) -> datetime | None:
        at = reading.moment(document.get("at"))
        return at if at is not None and self._begin <= at < self._end else None

    def _known(self, pair: tuple[str, str]) -> tuple[str, str]:
        if pair not in self._pairs:
            if len(self._pairs) >= MOST_PAIRS:
                return OTHER, OTHER
            self._pairs.add(pair)
        return pair


def document_id(step: Step, at: datetime, process: str) -> str:
    """Return the ``_id`` of what *process* did in the minute, hour or day that begins *at*."""
    return f"{_begin_of_id(step, at)} {process}"


def process_of(an_id: str) -> str:
    """Return the process in an ``_id``."""
    return an_id.rpartition(" ")[2]


def ids_between(step: Step, begin: datetime, end: datetime) -> Document:
    """Return the condition for ids of all processes, of times that begin from *begin* until before *end*."""
    return {"$gte": _begin_of_id(step, begin), "$lt": _begin_of_id(step, end)}


def each_once(documents: Iterable[Document]) -> Iterator[Document]:
    """Leave out what is in a merged document too: that is written before the others are deleted."""
    documents = list(documents)
    merged = {process for document in documents for process in reading.texts(document.get("of"))}
    return (document for document in documents if process_of(document["_id"]) not in merged)


def _period_of(an_id: str) -> str:
    return an_id.rpartition(" ")[0]


def _begin_of_id(step: Step, at: datetime) -> str:
    return f"{step} {at:%Y-%m-%dT%H:%MZ}"


def _called(name: str) -> Document:
    """Return the expression for the entries of jobs called *name*."""
    return {"$filter": {"input": "$jobs", "as": "job", "cond": {"$eq": ["$$job.name", {"$literal": name}]}}}
