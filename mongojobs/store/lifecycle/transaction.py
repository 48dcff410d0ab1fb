"""Ending a job in a transaction of its own, together with what the job itself has written there.

The danger is a commit whose answer is lost: it may have happened. The server knows a commit by its number, so it is
asked for again as long as nobody else can have the job; and then the job tells, which is gone, or not ours any more,
if and only if the transaction was committed: nobody else takes it meanwhile.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from pymongo import ReadPreference, WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from mongojobs.core.job import Job
from mongojobs.core.transitions import Ending
from mongojobs.store import clients
from mongojobs.store.documents import to_update
from mongojobs.store.lifecycle.end import is_held
from mongojobs.store.queries import Queries
from mongojobs.store.unique.again import held_to_end, honour_in

_PAUSE_SECONDS: Final = 0.1


class EndingTransaction:
    """The part of the store for a job that ends in a transaction of its own."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def is_possible(self) -> bool:
        """Whether the server has transactions: one that stands alone has none. Raises DatabaseError."""
        return clients.topology(self._queries.client) in ("replica set", "sharded")

    @contextmanager
    def open(self) -> Iterator[clients.Session]:
        """Begin a transaction for the block; what is not committed in it is undone.

        Where the driver can (PyMongo 4.17), every operation of this client in the block takes part in it, MongoEngine's
        too. Elsewhere those that are given the session do.
        """
        with self._queries.client.start_session() as session:
            session.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            )
            with clients.joined_by_default(session):
                yield session

    def end(self, job: Job, ending: Ending, session: clients.Session) -> bool:
        """Write in the transaction of *session* how the run of *job* ended; False if it was no longer ours."""
        queries = self._queries
        change = ending.change(job, queries.clock.now(), queries.settings)
        jobs, guard = clients.transaction_handle(queries.collection), held_to_end(job, change)
        if change.deletes:
            done = jobs.delete_one(guard, session=session).deleted_count
        else:
            done = jobs.update_one(guard, to_update(change), session=session).matched_count
        return bool(done) or (job.unique_key is not None and honour_in(jobs, job, queries.clock.now(), session))

    def commit(self, job: Job, session: clients.Session, *, may_go_on: Callable[[], bool]) -> bool:
        """Commit the transaction of *session*, which ends *job*; return False if it turns out to be undone.

        An unknown answer is asked for again as long as it *may_go_on*. Raises DatabaseError.
        """
        while True:
            try:
                contextvars.Context().run(session.commit_transaction)  # beyond any time limit of the caller
                return True
            except PyMongoError as error:
                if not error.has_error_label("UnknownTransactionCommitResult"):
                    raise
                if not may_go_on():
                    return not self._is_there(job)
            threading.Event().wait(_PAUSE_SECONDS)

    def _is_there(self, job: Job) -> bool:
        """Whether *job* is still held as before, as a majority of the nodes knows. Raises DatabaseError."""
        jobs = clients.confirmed_handle(self._queries.collection)
        return is_held(job, contextvars.Context().run(jobs.find_one, {"_id": {"$eq": job.id}}))
