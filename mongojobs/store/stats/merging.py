"""Joining the documents of a minute, hour or day that is over: one instead of one per process.

The merged document says whose totals it holds (``of``). It is written first, and what it holds is deleted afterwards;
readers leave that out meanwhile. Its ``_id`` sorts before those of processes. A reader goes backwards, so one that no
longer finds a process's document finds the merged one after it.

Two who merge the same time: A and B have read p1 and p2; B has also read p3, which came late. B writes first. A is
refused, as the merged document is no longer as A found it, and deletes nothing: else A's totals would replace B's,
and B would delete p3.

What a process counts in a time that was merged already is lost if it had stored a part of that before. So a time is
left alone for a while when it is over (``SETTLED``), and nobody merges just after an outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from mongojobs.core.job import Document
from mongojobs.core.stats import STEPS, RunStats, Step, begin_of
from mongojobs.store import reading
from mongojobs.store.stats.entries import figures_of
from mongojobs.store.stats.stats_store import (
    USUAL_SPAN,
    Rows,
    StatsStore,
    document_id,
    ids_between,
    process_of,
)

MERGED: Final = "*"
"""What stands for the process in the ``_id`` of a merged document."""
SETTLED: Final[Mapping[Step, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(minutes=10),
    "day": timedelta(minutes=10),
}
"""How long after its end a time is merged: minutes are written once, as they end, the others each minute."""
MOST_TIMES: Final = 5
"""How many times are merged at once; each takes some hundredths of a second with twenty processes of 200 names."""
MOST_DOCUMENTS: Final = 100
"""How many documents are merged at once."""
_PRESENT: Final = timedelta(minutes=2)


class MergingStats(StatsStore):
    """The collection as seen by workers, who also merge what is in it."""

    def merge(self, process: str) -> None:
        """Merge some times that are over, the last ones first, if *process* is the one to do it. Raises DatabaseError.

        That is the first by name of those who have stored something in the last two minutes; if two take themselves
        for it, one works in vain.
        """
        now = self.clock.now()
        present = map(process_of, _ids(self, "minute", begin_of("minute", now) - _PRESENT, now + STEPS["minute"]))
        if process == min((one for one in present if one != MERGED), default=None):
            for step, at, ids in islice(_scattered(self, now), MOST_TIMES):
                _merge_time(self, step, at, ids)


def _scattered(stats: StatsStore, now: datetime) -> Iterator[tuple[Step, datetime, Sequence[str]]]:
    """Yield each time that is over and has several documents, with their ids."""
    for step, span in USUAL_SPAN.items():
        end = begin_of(step, now - SETTLED[step])
        times = groupby(_ids(stats, step, end - span, end), lambda an_id: an_id.rpartition(" ")[0])
        for at, found in reversed([(_begin_in(period), list(found)) for period, found in times]):
            if at is not None and len(found) > 1:
                yield step, at, found[:MOST_DOCUMENTS]


def _merge_time(stats: StatsStore, step: Step, at: datetime, ids: Sequence[str]) -> None:
    documents = [
        document
        for document in stats.collection.find({"_id": {"$in": ids}}).sort("_id", ASCENDING)
        if reading.moment(document.get("at")) == at
    ]
    merged = next((document for document in documents if process_of(document["_id"]) == MERGED), None)
    rows = Rows(at, at + STEPS[step])
    rows.add(documents)
    processes = sorted({process_of(document["_id"]) for document in documents} - {MERGED})
    known = reading.texts(merged.get("of")) if merged else ()
    pairs = rows.of(at)
    figures = figures_of(pairs, RunStats.sum(pairs.values()))
    total = {**stats.times(step, at), **figures, "of": sorted({*processes, *known})}
    if not processes or not _replace(stats, document_id(step, at, MERGED), merged, total):
        return
    stats.collection.delete_many({"_id": {"$in": [document_id(step, at, process) for process in processes]}})


def _replace(stats: StatsStore, an_id: str, merged: Document | None, total: Document) -> bool:
    """Store *total* instead of *merged*, if that is still as it was; tell whether."""
    if merged is not None:
        return stats.collection.replace_one({"_id": an_id, "of": merged.get("of")}, total).matched_count == 1
    try:
        stats.collection.insert_one({"_id": an_id, **total})
    except DuplicateKeyError:
        return False
    return True


def _ids(stats: StatsStore, step: Step, begin: datetime, end: datetime) -> Iterator[str]:
    """Return the ids of some times, in order: the index alone answers that."""
    found = stats.collection.find({"_id": ids_between(step, begin, end)}, {"_id": 1}).sort("_id", ASCENDING)
    return (document["_id"] for document in found)


def _begin_in(period: str) -> datetime | None:
    try:
        return datetime.fromisoformat(period.partition(" ")[2])
    except ValueError:  # anybody may have written it
        return None
