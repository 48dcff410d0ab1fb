"""The store of jobs: every transition in a job's life is one method, one guarded write, atomic for each document."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial

from mongojobs.core.clock import Clock
from mongojobs.core.job import ENDED, READY, Job, JobId
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Ending
from mongojobs.store import indexes
from mongojobs.store.clients import Client, Jobs, Session, jobs_collection, session_in_force, topology
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import EPOCH, QueueSelector, one
from mongojobs.store.lifecycle.end import Holding
from mongojobs.store.lifecycle.insert import Inserting
from mongojobs.store.lifecycle.rescue import Rescued, Rescuing
from mongojobs.store.lifecycle.reserve import Reserving, Spread, ready_queues
from mongojobs.store.lifecycle.transaction import EndingTransaction
from mongojobs.store.queries import Quarantined, Queries
from mongojobs.store.stream import EndStream
from mongojobs.store.unique.insert import UniqueInserting
from mongojobs.unique.terms import Terms

__all__ = ["EPOCH", "JobStore", "Quarantined", "QueueSelector", "Rescued", "Spread", "open_store"]


class JobStore:
    """The life of the jobs in their collection, for enqueuers and workers; threads may share it.

    The filter of each write names the state that the job leaves and, when that is ``running``, the lock token;
    ``rescue`` alone names an expired ``locked_until`` instead. What does not match is no longer ours: the methods
    say so by what they return. ``DatabaseError`` passes through all of them but those that enqueue.

    The table in ``core.transitions`` says which transitions there are, and what each writes; ``end`` and ``end_all``
    are for those of a run.

    ``adopt`` belongs to ``reserve``: it finds what a call without an answer has locked. What people do, from ``cancel``
    to ``clear``, are methods of ``JobActions``. Its parts are made when they are first used: few need them all.
    """

    def __init__(self, queries: Queries) -> None:
        self.queries = queries
        self.collection: Jobs = queries.collection
        self.clock: Clock = queries.clock
        self.settings: Settings = queries.settings
        self._in_force: Callable[[Session | None], Session | None] = partial(session_in_force, queries.client)

    def join(self, current: Callable[[], Session | None]) -> None:
        """Let enqueues without a session take part in the transaction of the *current* one, if there is one."""
        self._in_force = lambda session: session_in_force(self.queries.client, session or current())

    @cached_property
    def _inserting(self) -> Inserting:
        return Inserting(self.queries)

    @cached_property
    def _unique(self) -> UniqueInserting:
        return UniqueInserting(self.queries, self._inserting)

    @cached_property
    def holding(self) -> Holding:
        """What is done with jobs that one holds."""
        return Holding(self.queries)

    @cached_property
    def ending(self) -> EndingTransaction:
        """What is done with a job that ends in a transaction of its own."""
        return EndingTransaction(self.queries)

    @cached_property
    def _reserving(self) -> Reserving:
        return Reserving(self.queries)

    @cached_property
    def _rescuing(self) -> Rescuing:
        return Rescuing(self.queries)

    def insert(self, job: Job, *, session: Session | None = None) -> bool:
        """Store a new job; return False, and change nothing, if its id already exists in any state.

        Tries for up to ``enqueue_timeout``. In a transaction, of the *session* given or bound, everything is left to
        the transaction: errors of the driver pass through, since their labels tell it whether to start again.

        Raises EnqueueUnknownError when the job may or may not be stored, EnqueueRefusedError when the database refused
        to store it, StoreUnavailableError when it is not stored otherwise.
        """
        return self._inserting.insert(job, session=self._in_force(session))

    def insert_many(self, jobs: Sequence[Job], *, session: Session | None = None) -> None:
        """Store new jobs in one round trip and in no order; chosen ids that already exist count as stored.

        Raises PartialEnqueueError with the ids stored and not stored, EnqueueUnknownError whose ``job_id`` is the list
        of those that may be stored, StoreUnavailableError when none is. In a transaction as ``insert``.
        """
        self._inserting.insert_many(jobs, session=self._in_force(session))

    def insert_unique(self, job: Job, terms: Terms, *, session: Session | None = None) -> Job:
        """Store *job*, which has a unique key, and return it; or return the job that holds the key, as *duplicate*.

        Raises DuplicateJobError where the *terms* say so, and as ``insert``.
        """
        return self._unique.insert(job, terms, session=self._in_force(session))

    def insert_many_unique(
        self, jobs: Sequence[Job], terms: Terms, *, session: Session | None = None
    ) -> dict[JobId, Job]:
        """Store *jobs*, which have unique keys; return of each duplicate, by its id, the job it is of.

        Raises PartialEnqueueError, also where one is refused as a duplicate, and as ``insert_many``.
        """
        return self._unique.insert_many(jobs, terms, session=self._in_force(session))

    def held_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of these unique *keys* that jobs hold. Raises DatabaseError."""
        return self._unique.held_keys(keys)

    def reserve(
        self,
        wanted: QueueSelector,
        *,
        token: str,
        by: str,
        lease: timedelta,
        now: datetime | None = None,
        limit: int = 1,
        beside: bool = False,
        spread: Spread | None = None,
    ) -> list[Job]:
        """Lock up to *limit* due jobs under *token*, most urgent first, and return them; none if none is due.

        *token* must be fresh and random, *by* is a label. The lease is counted from *now*, before the write. A job
        that lost a worker before comes alone; with *beside*, the process holds other jobs, and one that lost two is
        left out.
        With *spread*, which learns from it, workers that reserve at the same time keep out of each other's way. When
        others were quicker with all that was found, others are looked for.
        Jobs that cannot be read are set aside as failed and told to ``queries.on_damaged``, and others are looked for.

        Raises DatabaseError; then some jobs may be locked all the same, and ``adopt`` finds them.
        """
        now, spread = now or self.clock.now(), spread or Spread()
        return self._reserving.reserve(
            wanted, token=token, by=by, lease=lease, now=now, limit=limit, beside=beside, spread=spread
        )

    def adopt(self, token: str, *, lease: timedelta) -> list[Job]:
        """Return the jobs locked under *token* by a ``reserve`` whose answer was lost, after renewing their locks.

        They are read from the primary and renewed with a confirmed write; what that does not match is left out, since
        a reserve that no majority has seen may be taken back by a failover. Raises DatabaseError.
        """
        return self._reserving.adopt(token, lease=lease)

    def is_suspect_next(self, wanted: QueueSelector) -> bool:
        """Whether a job that lost two workers, and needs an empty process, is among the next. Raises DatabaseError."""
        return self._reserving.is_suspect_next(wanted)

    def has_due(self, wanted: QueueSelector) -> bool:
        """Return whether a wanted job is due, as cheaply as possible: it reads one key. Raises DatabaseError."""
        return self._reserving.has_due(wanted)

    def earliest_run_at(
        self, wanted: QueueSelector, *, after: datetime, within: timedelta | None = None
    ) -> datetime | None:
        """Return when the first wanted job that is due later than *after* will be due; None if there is none.

        After a ``reserve`` in vain, *after* is a time before it: a job that fell due since is not passed over. With
        *within*, only jobs due so soon count. Jobs of other queues that are due before cost one index key each, so a
        caller that will ask again anyway should say when.
        """
        return self._reserving.earliest_run_at(wanted, after=after, within=within)

    def renew(self, jobs: Sequence[Job], *, lease: timedelta, telling: Sequence[Job] = ()) -> list[Job]:
        """Extend the locks of *jobs* and of those *telling* by another *lease* from now; return those no longer ours.

        The latter store what they have told of themselves, as by ``tell``.
        """
        return self.holding.renew(jobs, lease=lease, telling=telling)

    def tell(self, jobs: Sequence[Job]) -> list[Job]:
        """Store what *jobs* have told of themselves while they run; return those that are no longer ours."""
        return self.holding.tell(jobs)

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """End the runs of *jobs*, which succeeded; return those that were no longer ours.

        When a job that is gone was deleted by us or by another owner cannot be told apart within one call, those with
        the oldest locks are named.
        """
        return self.holding.finish(jobs, repeated=repeated)

    def end(self, job: Job, ending: Ending, *, repeated: bool = False) -> bool:
        """Write how the run of *job* ended; return False if it was no longer ours."""
        return self.holding.end(job, ending, repeated=repeated)

    def end_all(self, endings: Sequence[tuple[Job, Ending]], *, repeated: bool = False) -> list[Job]:
        """Write how the runs of many jobs ended, in one round trip; return the jobs that were no longer ours.

        Those that are deleted take another one. Raises DatabaseError; then some may be written, and all are to be
        written again as *repeated*.
        """
        return self.holding.end_all(endings, repeated=repeated)

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs* that did not end, to be run at once; return those that were no longer ours.

        For *started* ones it is counted, and a job is given up on the ``max_releases``-th time. May be repeated.
        """
        return self.holding.release(jobs, started=started)

    def rescue(self, *, by: str, limit: int = 50) -> list[Rescued]:
        """Take back up to *limit* jobs whose lease has expired, each with one more loss.

        They are ready at once after a first loss, later with a delay, and failed on the ``max_losses``-th. *by* is
        named in the error that is kept with the job. Raises DatabaseError.
        """
        return self._rescuing.rescue(by=by, limit=limit)

    def quarantine(self, *, limit: int = 50) -> list[Quarantined]:
        """Set aside up to *limit* damaged ready or running jobs that no query finds. Raises DatabaseError."""
        return self._rescuing.quarantine(limit=limit)

    def get(self, job_id: JobId) -> Job | None:
        """Return the job with this id, or None; damaged fields are shown as well as possible. Raises DatabaseError."""
        found = self.collection.find_one(one(job_id))
        return None if found is None else to_shown_job(found)

    def unfinished(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Return those of *job_ids* whose jobs are there and have yet to end. Raises DatabaseError."""
        query = {"_id": {"$in": list(job_ids)}, "state": {"$nin": list(ENDED)}}
        return {found["_id"] for found in self.queries.find(query, {"_id": 1}, index=self.queries.by_id)}

    def ends(self) -> EndStream | None:
        """Open a stream of the ends of jobs; None where the server has none. Raises DatabaseError."""
        has_streams = topology(self.queries.client) in ("replica set", "sharded")
        return EndStream(self.collection) if has_streams else None

    def ready_queues(self) -> list[str]:
        """Return the names of the queues with ready jobs, due or not, by one key per queue. Raises DatabaseError."""
        return ready_queues(self.queries)

    def count_queued(self, queue: str, *, limit: int) -> int:
        """Return how many jobs of *queue* are ready, including future ones; at most *limit*. Raises DatabaseError."""
        query = {"state": READY, "queue": {"$eq": queue}}
        return self.queries.count(query, index=indexes.READY_BY_QUEUE, limit=limit)


def open_store(client: Client, database: str, settings: Settings, clock: Clock | None = None) -> JobStore:
    """Return the store of the jobs in *database*, on the server's own clock unless another is given."""
    return JobStore(Queries(jobs_collection(client, settings, database), clock, settings))
