"""What people do with many jobs: the methods whose names end in ``_all``, and ``clear``.

A sweep walks through the jobs in the order of an index, some thousand at a time. Each batch is one write, whose filter
is all of the selection besides the ids: a job that has begun to run meanwhile, or was changed, is left alone. What
comes while the sweep goes on is none of its business. It may be broken off between any two batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from bson import MinKey

from mongojobs.core.actions import ACTIONS, Verb
from mongojobs.core.job import READY, RUNNING, STATES, Document, JobId, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store import indexes
from mongojobs.store.actions import changes
from mongojobs.store.base import StoreBase
from mongojobs.store.reader.selecting import (
    BY_END,
    BY_TIME,
    Position,
    Selection,
    by_state,
    merged,
    not_after,
    ranges,
    stretches,
)

SWEPT_AT_ONCE: Final = 1000
SWEEP_MILLISECONDS: Final = 60_000

OnProgress = Callable[[int, int], object]
"""Is told, after each batch, how many jobs have been changed so far, and how many looked at."""


class Sweeping(StoreBase):
    """The part of the store that changes many jobs at once; each sweep returns how many it changed.

    All raise FilterError where the filter asks for a state that the change does not start from, and DatabaseError, with
    some of the jobs changed.
    """

    def retry_all(self, chosen: JobFilter, *, by: str | None = None, on_progress: OnProgress | None = None) -> int:
        """Make failed and cancelled jobs ready at once, with all their attempts before them."""
        change = partial(changes.retried, by=by, is_real=self._is_real)
        return self._alter_all(chosen, change, "retry", on_progress)

    def cancel_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Cancel jobs that have not begun."""
        return self._alter_all(chosen, changes.cancelled, "cancel", on_progress)

    def hasten_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Let scheduled jobs be due now."""
        return self._alter_all(chosen, changes.hastened, "run_now", on_progress)

    def move_all(
        self,
        chosen: JobFilter,
        *,
        queue: str | None = None,
        priority: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Give jobs that have not begun another *queue* or *priority*. Raises ValueError for what can be neither."""
        change = changes.moved(queue=queue, priority=priority)
        return self._alter_all(chosen, lambda _now: change, "move", on_progress)

    def delete_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Delete jobs that are not running."""
        selections = self._selections(chosen, "delete")
        return self._sweep(selections, self._delete_batch, on_progress)

    def clear(
        self,
        *,
        queue: str | None = None,
        state: State | None = None,
        older_than: datetime | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Delete all jobs that match, due or not, but never running ones.

        The age counts from when a job ended, or from when it was due.
        """
        return self._sweep(self._clearable(queue, state, older_than), self._delete_batch, on_progress)

    def count_clear(
        self, *, queue: str | None = None, state: State | None = None, older_than: datetime | None = None
    ) -> int:
        """Return how many jobs ``clear`` would delete. Raises DatabaseError."""
        return sum(self._count_all(one) for one in self._clearable(queue, state, older_than))

    def anything(self) -> Document:
        """Match all there is, damaged or missing, by a bound, without which the server uses no further keys.

        mongomock knows no such bound, and needs none.
        """
        return {"$gte": MinKey()} if self._is_real else {"$exists": True}

    def _alter_all(
        self,
        chosen: JobFilter,
        change: Callable[[datetime], changes.Change],
        verb: Verb,
        on_progress: OnProgress | None,
    ) -> int:
        update = change(self.clock.now())

        def act(guard: Document) -> int:
            return self.collection.update_many(guard, update, hint=self._by_id()).modified_count

        return self._sweep(self._selections(chosen, verb), act, on_progress)

    def _delete_batch(self, guard: Document) -> int:
        return self.collection.delete_many(guard, hint=self._by_id()).deleted_count

    def _selections(self, chosen: JobFilter, verb: Verb) -> Iterator[Selection]:
        """Yield what is chosen among the jobs that *verb* can be done with. Raises FilterError when that is nothing."""
        now = self.clock.now()
        for part in ACTIONS[verb].among(chosen):
            yield from by_state(part, now=now, everything=self.anything(), match=self.match_argument)

    def _clearable(self, queue: str | None, state: State | None, older_than: datetime | None) -> Iterator[Selection]:
        aged = self.anything() if older_than is None else {"$lt": older_than}
        keys: Document = {} if queue is None else {"queue": {"$eq": queue}}
        for one_state in STATES if state is None else (state,):
            if one_state == READY:
                base: Document = {"state": READY, "run_at": aged}
                yield Selection(index=indexes.READY_BY_TIME, order=BY_TIME, base=base, keys=keys, rest={})
            elif one_state != RUNNING:
                base = {"state": one_state, "finished_at": aged}
                yield Selection(index=indexes.ENDED, order=BY_END, base=base, keys=keys, rest={})

    def _sweep(
        self, selections: Iterable[Selection], act: Callable[[Document], int], on_progress: OnProgress | None
    ) -> int:
        """Let *act* change the jobs of all *selections*, a batch at a time, each once."""
        begun, changed, looked_at = self.clock.now(), 0, 0
        parts = (part for one in selections for part in stretches(one, everything=self.anything()))
        for selection in parts:
            for ids in self._batches(selection):
                guard = merged({"_id": {"$in": ids}}, selection.query, not_after(selection, begun))
                changed += act(guard)
                looked_at += len(ids)
                if on_progress is not None:
                    on_progress(changed, looked_at)
        return changed

    def _batches(self, selection: Selection) -> Iterator[list[JobId]]:
        """Yield the ids of the selection as far as the index can tell, the first in its order first.

        Up to the one that is the last now: producers could add others to the end for ever.
        """
        first_field, start = selection.order[0], None
        query = merged(selection.base, selection.keys)
        last = self._read(selection.index, query, {"_id": 0, first_field: 1}, sort=selection.sort(-1), limit=1)
        if last and (end := last[0].get(first_field)) is not None:
            query = merged(query, {first_field: {"$not": {"$gt": end}}})
        while found := self._some(selection, query, start):
            yield [document["_id"] for document in found]
            start = selection.position(found[-1])

    def _some(self, selection: Selection, query: Document, start: Position | None) -> list[Document]:
        """Return the fields of the order of the next jobs that match *query*, after *start*."""
        fields, found = dict.fromkeys(selection.order, 1), list[Document]()
        for part in ranges(selection.order, start, direction=1):
            if len(found) < SWEPT_AT_ONCE:
                options: dict[str, Any] = {"sort": selection.sort(1), "limit": SWEPT_AT_ONCE - len(found)}
                found += self._read(
                    selection.index, merged(query, part), fields, max_time_ms=SWEEP_MILLISECONDS, **options
                )
        return found

    def _read(self, index: str, query: Document, fields: Document | None, **options: Any) -> list[Document]:
        return self._using(index, lambda hint: list(self.collection.find(query, fields, hint=hint, **options)))

    def _count_all(self, selection: Selection) -> int:
        def count(hint: str | None) -> int:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return self.collection.count_documents(selection.query, maxTimeMS=SWEEP_MILLISECONDS, **options)

        return self._using(selection.index, count)
