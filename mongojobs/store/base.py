"""What the parts of the store share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from pymongo.cursor import Cursor
from pymongo.errors import OperationFailure

from mongojobs.core.change import Change
from mongojobs.core.clock import Clock
from mongojobs.core.job import RUNNING, Document, Job, JobId
from mongojobs.core.searching.matching import MatchArgument, by_place
from mongojobs.core.settings import Settings
from mongojobs.store import clients, faults

T = TypeVar("T")

_COUNTERS: Final = ("attempts", "fence", "losses", "releases", "snoozes")
_LOOK_FOR_INDEX_AFTER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged job that was set aside as failed, and what was wrong with it."""

    job_id: JobId
    reason: str


class StoreBase:
    """The collection of the jobs, the clock and the settings; what goes wrong on the side is told to callbacks.

    ``on_warning`` hears in a sentence of what still works, but badly; ``on_damaged`` of each job that ``reserve`` and
    ``adopt`` set aside because it cannot be read. Both may be called from any thread that uses the store.
    ``match_argument`` is for who knows more of arguments than their place: it turns a filter's into a query.
    """

    def __init__(self, collection: clients.Jobs, clock: Clock, settings: Settings) -> None:
        self.collection = collection
        self.clock = clock
        self.settings = settings
        self.on_warning: Callable[[str], None] = _ignore
        self.on_damaged: Callable[[Quarantined], None] = _ignore
        self.match_argument: MatchArgument = by_place
        self._client: clients.Client = collection.database.client
        self._is_real = clients.is_real(self._client)
        self._without_index: dict[str, float] = {}
        self._warned: set[str] = set()

    def ping(self) -> None:
        """Have the database answer. Raises DatabaseError."""
        self._client.admin.command("ping")

    def check_access(self) -> None:
        """Have the database show that the jobs may be read. Raises DatabaseError."""
        self.collection.find_one({"_id": {"$eq": None}}, {"_id": 1})

    def missing_indexes(self) -> list[str]:
        """Return the indexes that the last query which asked for them did not find."""
        return sorted(self._without_index)

    def _using(self, index: str, query: Callable[[str | None], T]) -> T:
        """Run *query* with the index of this name as hint; without a hint while the index is missing.

        The planner would mostly choose it too, but not when it was misled by a trial on an odd moment's documents.
        """
        if not self._is_real or self._without_index.get(index, 0.0) > time.monotonic():
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

    def _by_id(self) -> str | None:
        """Return the hint for a query whose ids are few: other conditions must not tempt the planner."""
        return "_id_" if self._is_real else None

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self.on_warning(message)

    def _look(self, jobs: Iterable[Job]) -> dict[JobId, Document]:
        """Read who holds *jobs* now; absent ones are absent."""
        ids = [job.id for job in jobs]
        fields = dict.fromkeys(("state", "lock_token", *_COUNTERS), 1)
        return {found["_id"]: found for found in self.collection.find({"_id": {"$in": ids}}, fields)}


def is_held(job: Job, found: Document | None) -> bool:
    """Whether the document *found* still carries the lock that *job* was reserved with."""
    return found is not None and found.get("state") == RUNNING and found.get("lock_token") == job.lock_token


def is_left_as(job: Job, change: Change, found: Document | None) -> bool:
    """Whether the document *found* is as our own *change*, which ended the run of *job*, would leave it.

    A rescue leaves the same state and fence behind, but a loss more.
    """
    if found is None:
        return False
    expected = {name: change.sets.get(name, getattr(job, name)) for name in _COUNTERS}
    return found.get("state") == change.sets["state"] and all(
        found.get(name, 0) == value for name, value in expected.items()
    )


def all_of(cursor: Cursor[Document]) -> list[Document]:
    """Return all that a query finds: in the driver's quickest way, which mongomock has not."""
    to_list: Callable[[], list[Document]] | None = getattr(cursor, "to_list", None)
    return list(cursor) if to_list is None else to_list()


def wait(seconds: float) -> None:
    """Let *seconds* pass in a thread that is not ours to stop."""
    threading.Event().wait(seconds)


def _ignore(_told: object) -> None:
    """Do nothing with what is told."""
