"""How the server would run a reserve on the collection as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.job import Document
from mongojobs.store import filters, indexes
from mongojobs.store.filters import RESERVE_ORDER, QueueSelector
from mongojobs.store.queries import Queries

EXPLAIN_MILLISECONDS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservePlan:
    """What the server reads to reserve one job; *index* is None if it scans all jobs.

    *wanted_index* is the one that it should use, and *is_there* says whether it exists. *found* tells whether a job is
    due.
    """

    wanted_index: str
    is_there: bool
    index: str | None
    stages: tuple[str, ...]
    keys: int
    documents: int
    milliseconds: int
    found: bool

    @property
    def is_good(self) -> bool:
        """Whether the right index does all the work: one key per more urgent priority, and one document."""
        return self.index == self.wanted_index and "SORT" not in self.stages and self.documents <= 1


def explain_reserve(queries: Queries, wanted: QueueSelector) -> ReservePlan:
    """Return the plan for reserving one *wanted* job; reserves nothing."""
    jobs, index = queries.collection, indexes.READY_BY_QUEUE if wanted.queues else indexes.READY
    query = filters.reservable(wanted, now=queries.clock.now(), beside=False)
    used: list[str | None] = []

    def ask(hint: str | None) -> Document:
        used.append(hint)
        command: Document = {"find": jobs.name, "filter": query, "sort": dict(RESERVE_ORDER), "limit": 1}
        if hint is not None:
            command["hint"] = hint
        return jobs.database.command("explain", command, verbosity="executionStats", maxTimeMS=EXPLAIN_MILLISECONDS)

    answer = queries.hinted(index, ask)
    execution: dict[str, Any] = answer["executionStats"]
    stages = list(_stages(execution["executionStages"]))
    found = [stage["indexName"] for stage in stages if "indexName" in stage]
    return ReservePlan(
        wanted_index=index,
        is_there=used[-1] is not None,
        index=found[0] if found else None,
        stages=tuple(stage["stage"] for stage in stages),
        keys=execution["totalKeysExamined"],
        documents=execution["totalDocsExamined"],
        milliseconds=execution["executionTimeMillis"],
        found=execution["nReturned"] > 0,
    )


def _stages(stage: Document) -> Iterator[Document]:
    """Yield *stage* and the stages that feed it; on a sharded collection, those of each shard."""
    if "stage" in stage:
        yield stage
    for value in stage.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _stages(inner)
