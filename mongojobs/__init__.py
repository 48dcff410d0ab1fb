"""Background jobs for Python apps, kept in the MongoDB they already have.

``group.delay.update_users()`` or ``send_receipt.delay(order.id)`` stores a call as a job; ``mongojobs work`` runs it.
The names below are loaded at first use, so that importing the package is cheap.

The rooms, from the bottom up; each imports only from those above it in this list:

- ``version``: its number
- ``core``: what every other room uses: jobs, settings, errors, notices
- ``unique``: which calls are the same job, and what becomes of them
- ``process``: signals, children, memory: what belongs to the process
- ``store``: every call to MongoDB
- ``payload``: from a call in Python to a stored value, and back
- ``results``: what jobs returned, for those who wait for it
- ``enqueuing``: from ``delay`` to a stored job
- ``schedules``: recurring jobs
- ``worker``: reserves jobs, runs them and stores how they ended
- ``plugins``: log, metrics, tracing and probes, which listen to events
- ``app``: joins the parts, and what people do with jobs
- ``cli``: the command line
- ``web``: the dashboard
- ``testing``: for the tests of apps
- ``django``: for projects of Django
- ``flask``: for Flask
- ``beanie``: for documents of Beanie
- ``asgi``: for FastAPI and other sites on ASGI
- ``autoscaling``: for services that scale workers
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs, Worker, configure, default_app
    from mongojobs.core.errors import (
        ArgumentsError,
        CallbackError,
        Cancelled,
        ConfigurationError,
        ConnectionMissingError,
        DamagedPayloadError,
        DeserializationError,
        Discard,
        DocumentGoneError,
        DuplicateJobError,
        EnqueueError,
        EnqueueRefusedError,
        EnqueueUnknownError,
        ExtraMissingError,
        FilterError,
        Interrupted,
        JobCancelled,
        JobFailed,
        JobTimeout,
        KeyHeldError,
        MongoJobsError,
        NewerPayloadError,
        NoSuchJobError,
        NotAJobError,
        NotRunError,
        OptionError,
        PartialEnqueueError,
        PayloadTooLargeError,
        ProgressError,
        QueueFullError,
        ReadOnlyError,
        RegistrationError,
        ResultError,
        ResultNotKeptError,
        ResultTimeoutError,
        ResultTooLargeError,
        ScheduleError,
        ServerTooOldError,
        SettingsError,
        Snooze,
        StateError,
        StoreUnavailableError,
        TransactionConflictError,
        TransactionError,
        UndeclaredError,
        UnknownJobError,
        UnsavedDocumentError,
        UnstorableResultError,
        UnstorableValueError,
    )
    from mongojobs.core.inside.progress import Progress
    from mongojobs.core.job import Job, current_job
    from mongojobs.core.job_filter import JobFilter
    from mongojobs.core.lifecycle import Lifecycle, Plugin
    from mongojobs.core.settings import Settings
    from mongojobs.enqueuing.asynchronous import handle_asynchronously
    from mongojobs.enqueuing.documents import Delayable, DelayedJob
    from mongojobs.enqueuing.functions import aenqueue, enqueue, job, register
    from mongojobs.enqueuing.proxy import adelay, delay
    from mongojobs.payload.documents.references import UnsavedChangesWarning
    from mongojobs.payload.documents.registered import register_reference
    from mongojobs.plugins.failures import Failure
    from mongojobs.schedules.declared import every
    from mongojobs.version import __version__

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # Enqueue
    "Delayable",
    "adelay",
    "aenqueue",
    "delay",
    "enqueue",
    "every",
    "handle_asynchronously",
    "job",
    "register",
    "register_reference",
    # Inside a job
    "Cancelled",
    "Discard",
    "Interrupted",
    "Job",
    "JobTimeout",
    "Progress",
    "Snooze",
    "current_job",
    # Set up and run
    "MongoJobs",
    "Settings",
    "Worker",
    "default_app",
    "configure",
    # Look and operate
    "DelayedJob",
    "JobFilter",
    # Extend
    "Lifecycle",
    "Plugin",
    # Errors
    "ArgumentsError",
    "CallbackError",
    "ConfigurationError",
    "ConnectionMissingError",
    "DamagedPayloadError",
    "DeserializationError",
    "DocumentGoneError",
    "EnqueueError",
    "EnqueueRefusedError",
    "EnqueueUnknownError",
    "ExtraMissingError",
    "Failure",
    "FilterError",
    "JobCancelled",
    "JobFailed",
    "KeyHeldError",
    "MongoJobsError",
    "NewerPayloadError",
    "NoSuchJobError",
    "NotAJobError",
    "NotRunError",
    "OptionError",
    "PartialEnqueueError",
    "PayloadTooLargeError",
    "ProgressError",
    "DuplicateJobError",
    "QueueFullError",
    "ReadOnlyError",
    "RegistrationError",
    "ResultError",
    "ResultNotKeptError",
    "ResultTimeoutError",
    "ResultTooLargeError",
    "ScheduleError",
    "ServerTooOldError",
    "SettingsError",
    "StateError",
    "StoreUnavailableError",
    "TransactionConflictError",
    "TransactionError",
    "UndeclaredError",
    "UnknownJobError",
    "UnsavedChangesWarning",
    "UnsavedDocumentError",
    "UnstorableResultError",
    "UnstorableValueError",
    "__version__",
]

_HOMES = {
    "mongojobs.app": ("MongoJobs", "Worker", "configure", "default_app"),
    "mongojobs.core.inside.progress": ("Progress",),
    "mongojobs.core.job": ("Job", "current_job"),
    "mongojobs.core.job_filter": ("JobFilter",),
    "mongojobs.core.lifecycle": ("Lifecycle", "Plugin"),
    "mongojobs.core.settings": ("Settings",),
    "mongojobs.enqueuing.asynchronous": ("handle_asynchronously",),
    "mongojobs.enqueuing.documents": ("Delayable", "DelayedJob"),
    "mongojobs.enqueuing.functions": ("aenqueue", "enqueue", "job", "register"),
    "mongojobs.enqueuing.proxy": ("adelay", "delay"),
    "mongojobs.payload.documents.references": ("UnsavedChangesWarning",),
    "mongojobs.payload.documents.registered": ("register_reference",),
    "mongojobs.plugins.failures": ("Failure",),
    "mongojobs.schedules.declared": ("every",),
    "mongojobs.version": ("__version__",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name, "mongojobs.core.errors")
    if home.startswith("mongojobs.enqueuing"):
        importlib.import_module("mongojobs.app")  # it fills the slot of the default app
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
