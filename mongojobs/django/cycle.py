"""What Django does around a request, done around a job: no connection stays open for long, no state is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import close_old_connections, reset_queries
from django.utils import timezone, translation

from mongojobs.app import default_app
from mongojobs.core.inside.alone import Alone
from mongojobs.core.job import Job


def as_a_request(proceed: Callable[[], Any], job: Job) -> Any:
    """Run a job of a worker as Django runs a request; one that runs inside of a request, inline, has that one's.

    As after ``request_finished``, connections that are too old or broken are closed; ``DEBUG`` keeps the queries of one
    job. The language and time zone are those of the settings, whatever an earlier job has activated.
    """
    if isinstance(job.run, Alone):
        return proceed()
    tidy = _tidy_for_async if default_app().payloads.peek(job.handler).is_async else _tidy
    tidy()
    translation.deactivate()
    timezone.deactivate()
    try:
        return proceed()
    finally:
        tidy()


def _tidy() -> None:
    """Forget the queries of the calling thread, and close its connections that Django would close."""
    reset_queries()
    close_old_connections()


def _tidy_for_async() -> None:
    """Do so in the thread in which ``sync_to_async`` runs the queries of ``async def`` jobs, before any that follow."""
    SyncToAsync.single_thread_executor.submit(_tidy)
