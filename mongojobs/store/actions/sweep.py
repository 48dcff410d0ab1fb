"""Changing many jobs: a sweep walks through them in index order, a few thousand at a time.

Each batch is one write, whose filter is all of the selection besides the ids: a job that has begun to run meanwhile, or
was changed, is left alone. Jobs added during the sweep are not its concern. It may be interrupted between any two
batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from mongojobs.core.job import READY, RUNNING, STATES, Document, JobId, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store import indexes
from mongojobs.store.filters import merged
from mongojobs.store.logs.log_store import logs_of
from mongojobs.store.positions import Position, ranges
from mongojobs.store.queries import Queries
from mongojobs.store.selections import BY_END, BY_TIME, SWEEP_MILLISECONDS, Selection, by_state, not_after, stretches
from mongojobs.store.unique.retake import PLAIN

SWEPT_AT_ONCE: Final = 1000

OnProgress = Callable[[int, int], object]
"""Called after each batch with how many jobs have been changed so far, and how many looked at."""


class Sweep:
    """A change of many jobs, each changed once; *on_progress* hears how far it has come."""

    def __init__(self, queries: Queries, on_progress: OnProgress | None = None) -> None:
        self._queries = queries
        self._collection = queries.collection
        self._on_progress = on_progress

    def selections(self, job_filters: Iterable[JobFilter]) -> Iterator[Selection]:
        """Yield selections of what matches any of *job_filters*, each of which names a state."""
        queries, now = self._queries, self._queries.clock.now()
        for job_filter in job_filters:
            yield from by_state(queries, job_filter, now=now)

    def change(
        self,
        selections: Iterable[Selection],
        update: Document | list[Document],
        *,
        apart: Callable[[Document], int] | None = None,
    ) -> int:
        """Apply *update* to all *selections*; return how many jobs it changed.

        *apart* is called with the filter of each batch for the unique jobs in it, and they are left out of the update.
        """

        def act(guard: Document, ids: Sequence[JobId]) -> int:
            plain = guard if apart is None else merged(guard, PLAIN)
            changed = self._collection.update_many(plain, update, hint=self._queries.by_id).modified_count
            return changed if apart is None or changed == len(ids) else changed + apart(guard)

        return self._each_batch(selections, act)

    def delete(self, selections: Iterable[Selection]) -> int:
        """Delete all jobs in *selections*; return how many there were."""
        logs = logs_of(self._queries)

        def act(guard: Document, ids: Sequence[JobId]) -> int:
            deleted = self._collection.delete_many(guard, hint=self._queries.by_id).deleted_count
            if deleted:
                logs.forget_gone(ids, self._collection)
            return deleted

        return self._each_batch(selections, act)

    def count(self, selections: Iterable[Selection]) -> int:
        """Return how many jobs are in *selections*."""
        return sum(self._queries.count(one.query, index=one.index, maxTimeMS=SWEEP_MILLISECONDS) for one in selections)

    def _each_batch(self, selections: Iterable[Selection], act: Callable[[Document, Sequence[JobId]], int]) -> int:
        begun, changed, looked_at = self._queries.clock.now(), 0, 0
        parts = (part for one in selections for part in stretches(one, everything=self._queries.anything))
        for selection in parts:
            for ids in self._batches(selection):
                guard = merged({"_id": {"$in": ids}}, selection.query, not_after(selection, begun))
                changed += act(guard, ids)
                looked_at += len(ids)
                if self._on_progress is not None:
                    self._on_progress(changed, looked_at)
        return changed

    def _batches(self, selection: Selection) -> Iterator[list[JobId]]:
        """Yield the ids in the selection as far as the index can tell, in its order.

        Up to the job that is last now: producers could otherwise keep it going for ever. Running jobs, which are few,
        are all looked up before anything is done with the first ones, as a renewal moves them on in that order.
        """
        first_field, start = selection.order[0], None
        query = merged(selection.base, selection.keys)
        if selection.base.get("state") == RUNNING:
            running = self._queries.find(query, {"_id": 1}, index=selection.index, max_time_ms=SWEEP_MILLISECONDS)
            ids = [document["_id"] for document in running]
            yield from (ids[at : at + SWEPT_AT_ONCE] for at in range(0, len(ids), SWEPT_AT_ONCE))
            return
        last = self._queries.find(
            query, {"_id": 0, first_field: 1}, index=selection.index, sort=selection.sort(-1), limit=1
        )
        if last and (end := last[0].get(first_field)) is not None:
            query = merged(query, {first_field: {"$not": {"$gt": end}}})
        while found := self._some(selection, query, start):
            yield [document["_id"] for document in found]
            start = selection.position(found[-1])

    def _some(self, selection: Selection, query: Document, start: Position | None) -> list[Document]:
        """Return the order's fields for the next jobs after *start* that match *query*."""
        fields, found = dict.fromkeys(selection.order, 1), list[Document]()
        options: dict[str, Any] = {"sort": selection.sort(1), "max_time_ms": SWEEP_MILLISECONDS}
        for part in ranges(selection.order, start, direction=1):
            if len(found) < SWEPT_AT_ONCE:
                found += self._queries.find(
                    merged(query, part), fields, index=selection.index, limit=SWEPT_AT_ONCE - len(found), **options
                )
        return found


def clearable(
    queries: Queries, queue: str | None, state: State | None, older_than: datetime | None
) -> Iterator[Selection]:
    """Yield the jobs of *queue* and *state* that ended, or were due, before *older_than*; never running ones."""
    aged = queries.anything if older_than is None else {"$lt": older_than}
    keys: Document = {} if queue is None else {"queue": {"$eq": queue}}
    for one_state in STATES if state is None else (state,):
        if one_state == READY:
            base: Document = {"state": READY, "run_at": aged}
            yield Selection(index=indexes.READY_BY_TIME, order=BY_TIME, base=base, keys=keys, rest={})
        elif one_state != RUNNING:
            base = {"state": one_state, "finished_at": aged}
            yield Selection(index=indexes.ENDED, order=BY_END, base=base, keys=keys, rest={})
