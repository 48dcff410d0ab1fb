"""A job's own transaction: what it writes there and its end are stored together, or neither is.

The heartbeat is its enemy. A renewal of the lock during the transaction makes it fail; one that comes while it has
written the end waits for it, and all renewals of other jobs in the same command with it. So the lock is renewed once,
for longer than the server lets any transaction live, and then left alone.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from mongojobs.core.calling import label, ran
from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.errors import SIGNALS, TransactionConflictError, TransactionError
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import SUCCEEDED, Committed, Succeeded
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.results import stored_result, why_not_kept
from mongojobs.store.clients import Session
from mongojobs.store.faults import DatabaseError, describe, is_conflict, is_write_concern
from mongojobs.store.jobs import JobStore
from mongojobs.store.lifecycle.transaction import EndingTransaction
from mongojobs.worker.run.inflight_job import InFlightJob

T = TypeVar("T")

LONGEST: Final = timedelta(seconds=60)
"""How long the server lets a transaction live. Source: MongoDB, ``transactionLifetimeLimitSeconds``."""
MOST_TRIES: Final = 5
"""How often a function is called before its job goes back to the queue."""
_FIRST_PAUSE_SECONDS: Final = 0.05


class Renewals(Protocol):
    """Whoever keeps the locks of running jobs."""

    def pause(self, held: InFlightJob) -> bool:
        """Renew the lock of *held* for a whole transaction, and then leave it alone; False if that is not possible."""
        ...

    def resume(self, held: InFlightJob) -> object:
        """Renew the lock of *held* again: its transaction is undone."""
        ...

    def note_committed(self, held: InFlightJob) -> object:
        """Forget the lock of *held*, which is gone: its end is stored."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Transactions:
    """The transactions of the jobs of one process: through *store*, which uses the client of the app."""

    store: Callable[[], JobStore]
    renewals: Renewals
    payloads: Payloads
    settings: Settings

    @contextmanager
    def block(self, held: InFlightJob) -> Iterator[Session]:
        """Begin a transaction for the block, and commit it with the end of the job at the end of the block.

        Raises TransactionError, TransactionConflictError.
        """
        if held.job.keep_result is not None:
            raise TransactionError(f"{held.job} keeps its result, which is not known yet: use in_transaction(function)")
        with self._begun(held) as (ending, session):
            yield session
            self._commit(held, SUCCEEDED, ending, session)

    def run(self, held: InFlightJob, function: Callable[[Session], T]) -> T:
        """Call *function* in such a transaction, again after a conflict, and return what it returns."""
        for tries in range(1, MOST_TRIES):
            try:
                return self._run(held, function)
            except TransactionConflictError:
                if held.lost:
                    raise
                threading.Event().wait(_FIRST_PAUSE_SECONDS * 2**tries * random.uniform(0.5, 1.0))
        return self._run(held, function)

    def _run(self, held: InFlightJob, function: Callable[[Session], T]) -> T:
        with self._begun(held) as (ending, session):
            value = ran(label(function), function(session))  # before the commit: what has not run is not done
            self._commit(held, self._success(held, value), ending, session)
        return value

    @contextmanager
    def _begun(self, held: InFlightJob) -> Iterator[tuple[EndingTransaction, Session]]:
        """Begin a transaction for the block; without a commit it is undone at its end."""
        if held.is_committed:
            raise TransactionError(f"{held.job} has committed its transaction: a run has one, and it ends the job")
        ending = self._ending()
        with self._left_alone(held), _as_conflict(), ending.open() as session:
            yield ending, session

    def _ending(self) -> EndingTransaction:
        ending = self.store().ending
        try:
            is_possible = ending.is_possible()
        except DatabaseError as error:
            raise TransactionConflictError(f"the transaction has not begun: {describe(error)}") from error
        if not is_possible:
            raise TransactionError(_STANDALONE)
        return ending

    @contextmanager
    def _left_alone(self, held: InFlightJob) -> Iterator[None]:
        """Keep the heartbeat away from *held* during the block."""
        if held.is_in_transaction:
            raise TransactionError(f"{held.job} is in a transaction already: there is one at a time")
        if not self.renewals.pause(held):
            raise TransactionConflictError("the transaction has not begun, as the job's lock could not be renewed")
        try:
            yield
        finally:
            if not held.is_committed:
                self.renewals.resume(held)

    def _success(self, held: InFlightJob, value: object) -> Succeeded:
        if held.job.keep_result is None:
            return SUCCEEDED
        return Succeeded(stored_result(value, self.payloads.codec, self.settings.max_result_bytes))

    def _commit(self, held: InFlightJob, success: Succeeded, ending: EndingTransaction, session: Session) -> None:
        if held.interruption.is_over:
            raise TransactionError(f"the run of {held.job} is over, so its transaction is undone")
        held.seconds = monotonic_seconds() - (held.started or monotonic_seconds())
        with held.interruption.held_off():  # nothing may come between the commit and knowing of it
            if not ending.end(held.job, success, session):
                raise TransactionConflictError("the transaction is undone, as the job's lock was lost meanwhile")
            if not ending.commit(held.job, session, may_go_on=lambda: not held.lost):
                raise TransactionConflictError("the transaction is undone, as the database was away at its end")
            is_dropped = success.returned is not None and why_not_kept(success.returned) is not None
            held.committed = Committed(success.returned if is_dropped else None)  # for those who are told of it
            self.renewals.note_committed(held)


_STANDALONE: Final = (
    "this MongoDB server has no transactions, as it stands alone: make it a replica set, of one node if you like"
    " (mongod --replSet rs0, then rs.initiate() in mongosh)"
)

_WRITE_CONCERN: Final = (
    "the server refuses a write concern inside a transaction, and this write has one from the app's connection (w,"
    " journal or wTimeoutMS in its URI or beside it) or of its own: leave it out there (w=majority is the server's"
    " default, and what the transaction is committed with), or give the operation the session"
)


@contextmanager
def _as_conflict() -> Iterator[None]:
    """Turn an error of a transaction into ours: one that was undone for a passing reason, or a write concern in it."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, SIGNALS) and is_write_concern(error):
            raise TransactionError(_WRITE_CONCERN) from error
        if isinstance(error, SIGNALS) or not is_conflict(error):
            raise
        raise TransactionConflictError(f"the transaction is undone: {describe(error)}") from error
