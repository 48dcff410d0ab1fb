"""Paused queues, in a collection beside the jobs: one document per paused queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mongojobs.core.checks import queue_name
from mongojobs.core.clock import Clock
from mongojobs.core.job import Document
from mongojobs.store import reading
from mongojobs.store.clients import Jobs, beside
from mongojobs.store.filters import EPOCH

QUEUES_SUFFIX: Final = "_queues"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue from which no worker reserves: since when, until when (None: until it is resumed), and why."""

    queue: str
    since: datetime
    until: datetime | None = None
    reason: str = ""


class PauseStore:
    """The collection ``delayed_jobs_queues``: named after that of the *jobs*, on the same client."""

    def __init__(self, jobs: Jobs, clock: Clock) -> None:
        self.collection: Jobs = beside(jobs, QUEUES_SUFFIX)
        self._clock = clock

    def pause(self, queue: str, *, until: datetime | None = None, reason: str = "") -> Pause:
        """Keep workers from reserving from *queue*; replaces an existing pause.

        Workers notice within five seconds. What they hold goes on. Raises ValueError for what cannot be a queue's name,
        and DatabaseError.
        """
        pause = Pause(queue=queue_name(queue), since=self._clock.now(), until=until, reason=reason)
        document = {"paused": True, "since": pause.since, "until": until, "reason": reason}
        self.collection.replace_one({"_id": pause.queue}, document, upsert=True)
        return pause

    def resume(self, queue: str) -> bool:
        """End the pause of *queue*; return whether there was one. Raises DatabaseError."""
        return self.collection.delete_one({"_id": {"$eq": queue}}).deleted_count == 1

    def all(self) -> list[Pause]:
        """Return the pauses in force, by queue. Raises DatabaseError."""
        found = [_to_pause(document) for document in self.collection.find({"paused": True})]
        if not found:
            return []
        now = self._clock.now()
        return sorted(
            (pause for pause in found if pause.until is None or pause.until > now), key=lambda pause: pause.queue
        )

    def paused(self) -> frozenset[str]:
        """Return the names of the queues whose pauses are in force. Raises DatabaseError."""
        return frozenset([pause.queue for pause in self.all()])


def _to_pause(document: Document) -> Pause:
    return Pause(
        queue=str(document["_id"]),
        since=reading.moment(document.get("since")) or EPOCH,
        until=reading.moment(document.get("until")),
        reason=reading.text(document.get("reason")),
    )
