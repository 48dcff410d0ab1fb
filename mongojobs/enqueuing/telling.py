"""Telling plugins what became of calls: jobs, or a part of jobs that were there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mongojobs.core.errors import DuplicateJobError
from mongojobs.core.job import Job, JobId
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import CallMerged, JobEnqueued
from mongojobs.store.unique.answers import name_of_answer
from mongojobs.unique.terms import Terms


class Telling:
    """Makes the notices of an enqueuer, as far as anybody listens."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def enqueued(self, jobs: Iterable[Job]) -> None:
        """Tell that *jobs* were stored."""
        if self._lifecycle.hears(JobEnqueued):
            for job in jobs:
                self._lifecycle.notify(JobEnqueued(job))

    def merged(self, jobs: Iterable[Job], others: Mapping[JobId, Job], terms: Terms) -> None:
        """Tell which of *jobs* were merged into *others*, by their ids; one with that very id was there already."""
        if self._lifecycle.hears(CallMerged):
            for job in jobs:
                into = others.get(job.id)
                if into is not None and into.id != job.id:
                    self._lifecycle.notify(CallMerged(job, into.id, name_of_answer(into, terms)))

    def refused(self, job: Job, error: DuplicateJobError) -> None:
        """Tell that *job* was not stored, as the caller wanted no duplicate."""
        if self._lifecycle.hears(CallMerged):
            self._lifecycle.notify(CallMerged(job, error.job_id, "refused"))
