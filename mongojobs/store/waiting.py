"""Due jobs by name: which of them wait, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mongojobs.core.job import READY, Document
from mongojobs.store import indexes
from mongojobs.store.base import StoreBase
from mongojobs.store.documents import aware
from mongojobs.store.filters import EPOCH

_MILLISECONDS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingName:
    """How many due jobs of a *name* there are, and since when the *oldest* has been due."""

    name: str
    jobs: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Due jobs by name, those with the most jobs first; *is_all* if none was left out."""

    names: tuple[WaitingName, ...]
    looked_at: int
    is_all: bool


class WaitingJobs(StoreBase):
    """The due jobs, as people ask for them."""

    def by_name(self, *, most: int) -> Waiting:
        """Return the *most* jobs that have been due for the longest time, by name. Raises DatabaseError."""
        pipeline: list[Document] = [
            {"$match": {"state": READY, "run_at": {"$gte": EPOCH, "$lte": self.clock.now()}}},
            {"$sort": {"run_at": 1}},
            {"$limit": most},
            {"$group": {"_id": "$name", "jobs": {"$sum": 1}, "oldest": {"$min": "$run_at"}}},
        ]

        def run(hint: str | None) -> list[Document]:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return list(self.collection.aggregate(pipeline, maxTimeMS=_MILLISECONDS, **options))

        names = [
            WaitingName(name=str(one["_id"]), jobs=one["jobs"], oldest=aware(one["oldest"]))
            for one in self._using(indexes.READY_BY_TIME, run)
        ]
        looked_at = sum(name.jobs for name in names)
        return Waiting(tuple(sorted(names, key=lambda name: (-name.jobs, name.name))), looked_at, looked_at < most)
