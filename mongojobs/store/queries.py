"""How the jobs' collection is queried: with the right index, and on mongomock as on a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from bson import MinKey
from pymongo import ReturnDocument
from pymongo.cursor import Cursor
from pymongo.errors import OperationFailure

from mongojobs.core.clock import Clock, ServerClock
from mongojobs.core.job import Document, Job, JobId
from mongojobs.core.searching.matching import MatchArgument, by_place
from mongojobs.core.settings import Settings
from mongojobs.store import clients, faults

T = TypeVar("T")

_LOOK_FOR_INDEX_AFTER_SECONDS: Final = 60.0
_WHOLE_ANSWER: Final = 10_000
"""How many documents the server may send at once: its own 101 would make a second question of most batches."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged job that was set aside as failed, and what was wrong with it."""

    job_id: JobId
    reason: str


class Queries:
    """The collection of jobs, its clock and its settings: shared by ``JobStore``, ``JobActions``, ``JobReader``.

    Without a *clock* it is the server's own.

    ``on_warning`` is called with a sentence about what still works, but badly; ``on_damaged`` with each job that
    ``reserve`` or ``adopt`` set aside because it cannot be read; ``on_merged``, if it is set, with each job whose life
    ends, and how many calls were merged into it. They may be called from any thread. ``match_argument`` turns a
    filter's argument into a query; the one set here knows no more of arguments than their place.
    """

    def __init__(self, collection: clients.Jobs, clock: Clock | None, settings: Settings) -> None:
        self.collection = collection
        self.settings = settings
        self.on_warning: Callable[[str], None] = _ignore
        self.on_damaged: Callable[[Quarantined], None] = _ignore
        self.on_merged: Callable[[Job, int], None] | None = None
        self.match_argument: MatchArgument = by_place
        self.client: clients.Client = collection.database.client
        self.is_real: bool = clients.is_real(self.client)
        self.clock: Clock = clock or ServerClock(clients.ClientTime(self.client))
        self.by_id: Final = "_id_" if self.is_real else None
        """The hint for a query whose ids are few: other conditions must not tempt the planner."""
        self.anything: Final[Document] = {"$gte": MinKey()} if self.is_real else {"$exists": True}
        """Matches every value, damaged or missing, by a bound, without which the server uses no further keys.

        mongomock knows no such bound, and needs none.
        """
        self._without_index: dict[str, float] = {}
        self._warned: set[str] = set()

    def through(self, client: clients.Client) -> Queries:
        """Return the same for the same collection, seen through another *client* of the same kind."""
        jobs = clients.jobs_collection(client, self.settings, self.collection.database.name)
        return Queries(jobs, self.clock, self.settings)

    def ping(self) -> None:
        """Make the database answer. Raises DatabaseError."""
        self.client.admin.command("ping")

    def find(
        self, query: Document, fields: Document | None = None, *, index: str | None = None, **options: Any
    ) -> list[Document]:
        """Return the documents that match *query*; without an *index* the server chooses one."""
        options["batch_size"] = _WHOLE_ANSWER
        return self.hinted(index, lambda hint: _all_of(self.collection.find(query, fields, hint=hint, **options)))

    def first(self, query: Document, fields: Document, *, index: str, sort: list[tuple[str, int]]) -> Document | None:
        """Return the first document that matches *query*; None if none does."""
        return self.hinted(index, lambda hint: self.collection.find_one(query, fields, sort=sort, hint=hint))

    def change_first(
        self, query: Document, update: Document | list[Document], sort: list[tuple[str, int]], *, index: str
    ) -> list[Document]:
        """Change the first document that matches *query*, in one step, and return it as it is then, if there is one."""
        options: dict[str, Any] = {"sort": sort, "return_document": ReturnDocument.AFTER}
        change = partial(self.collection.find_one_and_update, query, update, **options)
        found = self.hinted(index, lambda hint: change(hint=hint))
        return [] if found is None else [found]

    def count(self, query: Document, *, index: str, **options: Any) -> int:
        """Return how many documents match *query*."""
        return self.hinted(index, lambda hint: self.collection.count_documents(query, **options, **_hint(hint)))

    def aggregate(self, pipeline: list[Document], *, index: str, **options: Any) -> list[Document]:
        """Return the result of *pipeline*."""
        return self.hinted(index, lambda hint: list(self.collection.aggregate(pipeline, **options, **_hint(hint))))

    def hinted(self, index: str | None, query: Callable[[str | None], T]) -> T:
        """Run *query* with the name of this index as its hint, or with None while the index is missing.

        The planner would mostly choose it too, but not when it was misled by a trial on an odd moment's documents.
        """
        if index is None or not self.is_real or self._without_index.get(index, 0.0) > time.monotonic():
            return query(None)
        try:
            found = query(index)
        except OperationFailure as error:
            if not faults.is_missing_index(error):
                raise
        else:
            self._without_index.pop(index, None)
            return found
        self._without_index[index] = time.monotonic() + _LOOK_FOR_INDEX_AFTER_SECONDS
        self._warn(
            f"the index {index} of the collection {self.collection.name} is missing, and everything is slow without it:"
            " run `mongojobs create-indexes`"
        )
        return query(None)

    def missing_indexes(self) -> list[str]:
        """Return the indexes that their last queries did not find."""
        return sorted(self._without_index)

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self.on_warning(message)


def _hint(index: str | None) -> dict[str, Any]:
    return {} if index is None else {"hint": index}


def _all_of(cursor: Cursor[Document]) -> list[Document]:
    """Return everything a query finds, in the driver's quickest way, which mongomock lacks."""
    to_list: Callable[[], list[Document]] | None = getattr(cursor, "to_list", None)
    return list(cursor) if to_list is None else to_list()


def _ignore(_told: object) -> None:
    """Ignore the argument."""
