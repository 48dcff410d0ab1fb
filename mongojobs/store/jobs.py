"""The store of jobs: every transition of a job's life is one method, one guarded write, atomic for each document."""

from __future__ import annotations

from mongojobs.core.clock import Clock, ServerClock
from mongojobs.core.settings import Settings
from mongojobs.store.actions.many import Sweeping
from mongojobs.store.actions.one import Tending
from mongojobs.store.base import Quarantined
from mongojobs.store.clients import Client, ClientTime, jobs_collection
from mongojobs.store.filters import EPOCH, QueueSelector
from mongojobs.store.lifecycle.insert import Inserting
from mongojobs.store.lifecycle.rescue import Rescued, Rescuing
from mongojobs.store.lifecycle.reserve import WIDEST_SPREAD
from mongojobs.store.reader.explain import Explaining
from mongojobs.store.reader.pages import Looking

__all__ = ["EPOCH", "WIDEST_SPREAD", "JobStore", "Quarantined", "QueueSelector", "Rescued", "open_store"]


class JobStore(Inserting, Looking, Rescuing, Tending, Sweeping, Explaining):
    """The jobs in their collection; threads may share it.

    The filter of each write names the state that the job leaves and, when that is ``running``, the lock token;
    ``rescue`` alone names an expired ``locked_until`` instead. What does not match is not ours any more: the methods
    say so by what they return. ``DatabaseError`` passes through all of them but those that enqueue.

    The table in ``core.transitions`` says which transitions there are, and what each writes; ``end`` and ``end_all``
    are for those of a run.

    ``adopt`` belongs to ``reserve``: it finds what a call without an answer has locked. What people do with one job
    they can do with many: ``cancel_all``, ``retry_all``, ``hasten_all``, ``move_all``, ``delete_all``.
    """


def open_store(client: Client, database: str, settings: Settings, clock: Clock | None = None) -> JobStore:
    """Return the store of the jobs in *database*, by the server's own clock unless another is given."""
    return JobStore(jobs_collection(client, settings, database), clock or ServerClock(ClientTime(client)), settings)
