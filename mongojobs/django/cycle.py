"""What Django does around a request, done around a job: no connection stays open for long, no state is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import close_old_connections, reset_queries
from django.utils import timezone, translation

from mongojobs.app import default_app
from mongojobs.core.inside.alone import Alone
from mongojobs.core.job import Job, current_job


def as_a_request(proceed: Callable[[], Any], job: Job) -> Any:
    """Run a job of a worker as Django runs a request; one that runs inside of a request, inline, has that one's.

    As after ``request_finished``, connections that are too old or broken are closed; ``DEBUG`` keeps the queries of one
    job. The language and time zone are those of the settings, whatever an earlier job has activated.
    """
    if not is_in_worker():
        return proceed()
    tidy = _tidy_for_async if default_app().payloads.peek(job.handler).is_async else _tidy
    tidy()
    translation.deactivate()
    timezone.deactivate()
    try:
        return proceed()
    finally:
        tidy()


def is_in_worker() -> bool:
    """Whether this code runs in a job of a worker: not outside of jobs, nor in one that runs where it was enqueued."""
    job = current_job()
    return job is not None and not isinstance(job.run, Alone)


def _tidy() -> None:
    """Forget the queries of the calling thread, and close its connections that Django would close."""
    reset_queries()
    close_old_connections()


def _tidy_for_async() -> None:
    """Do so here, where arguments are loaded, and where ``sync_to_async`` runs queries, before any that follow."""
    _tidy()
    SyncToAsync.single_thread_executor.submit(_tidy)
