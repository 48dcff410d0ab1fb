"""``JobReader``: everything that people and their tools are shown of the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mongojobs.core.job import Document, Job, State
from mongojobs.core.job_filter import SHOWN_STATES, JobFilter, ShownState
from mongojobs.store.filters import QueueSelector
from mongojobs.store.queries import Queries
from mongojobs.store.reader import counts, explain, failures, pages, queues, server, survey, waiting
from mongojobs.store.reader.counts import ALL, MOST_COUNTED, Count
from mongojobs.store.reader.explain import ReservePlan
from mongojobs.store.reader.failures import FailureGroup
from mongojobs.store.reader.pages import JobPage
from mongojobs.store.reader.queues import QueueCounts
from mongojobs.store.reader.server import Server
from mongojobs.store.reader.survey import JobKind, OddState, SurveyedState
from mongojobs.store.reader.waiting import DeferredName, Waiting


class JobReader:
    """What is shown of the jobs, however many there are; damaged ones are shown as well as possible.

    Everything is bounded: a list by its page, a count by a number beyond which nobody needs it exactly, all by time.
    A search for something rare looks through so many jobs, and says if it has not seen them all. All methods raise
    DatabaseError; those with a filter or a bound raise FilterError for an invalid one.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def find(self, *, state: State | None = None, limit: int = 50) -> list[Job]:
        """Return jobs as stored, newest first, without pages and with scheduled jobs among the ready; 0 is no limit."""
        return pages.find(self._queries, state=state, limit=limit)

    def page(self, job_filter: JobFilter, *, limit: int = 50, after: str | None = None) -> JobPage:
        """Return jobs, newest first: by when they ended, are due, or were made (those of all states).

        Of scheduled ones the soonest come first. Running ones come in the order of their locks, the freshest first. For
        the next page pass the *next* of this one as *after*.
        """
        return pages.page(self._queries, job_filter, limit=limit, after=after)

    def first_page(self, job_filter: JobFilter, *, limit: int = 50, most: int = MOST_COUNTED) -> tuple[JobPage, Count]:
        """Return the first ``page`` of the jobs of the state that the filter names, and their ``count`` up to *most*.

        What is rare is searched for once for both.
        """
        return pages.first_page(self._queries, job_filter, limit=limit, most=most)

    def count(self, job_filter: JobFilter, *, limit: int | None = MOST_COUNTED) -> Count:
        """Return how many jobs match, up to *limit*; None: all of them, however long that takes.

        An exact count of more than *limit* is not made, nor one of what is rare among very many.
        """
        return counts.count(self._queries, job_filter, limit=limit)

    def counts(
        self,
        job_filter: JobFilter = ALL,
        *,
        limit: int = MOST_COUNTED,
        states: Iterable[ShownState] = SHOWN_STATES,
    ) -> dict[ShownState, Count]:
        """Return how many jobs that match are in each of *states*, up to *limit*.

        In the state that the filter names, if it does, it searches as far as ``count``; in the others a quarter of it.
        """
        return counts.counts(self._queries, job_filter, limit=limit, states=states)

    def count_late(self, max_age: timedelta, *, queues: Sequence[str] = (), limit: int = MOST_COUNTED) -> Count:
        """Return how many jobs have been due for more than *max_age* and still wait, up to *limit*.

        The age counts from ``run_at``, so that scheduled jobs are never late. Source: delayed_job, ``jobs:check``,
        which counts from when a job was made.
        """
        return counts.count_late(self._queries, max_age, queues=queues, limit=limit)

    def count_stuck(self, *, longer_than: timedelta = timedelta(0), limit: int = 0) -> int:
        """Return how many jobs ``rescue`` would take back whose lease expired *longer_than* ago; 0 is no limit."""
        return counts.count_stuck(self._queries, longer_than=longer_than, limit=limit)

    def ahead_of(self, job: Job, *, limit: int = MOST_COUNTED) -> Count:
        """Return how many due jobs in its queue a worker would take before *job*, up to *limit*."""
        return counts.ahead_of(self._queries, job, limit=limit)

    def held_by_worker(self, *, limit: int = MOST_COUNTED) -> dict[str, int]:
        """Return how many jobs each worker holds, by name, among the *limit* most recently renewed locks."""
        return counts.held_by_worker(self._queries, limit=limit)

    def known_queues(self, *, limit: int = MOST_COUNTED) -> list[str]:
        """Return the names of queues with ready jobs, and those of the latest running and failed jobs, sorted."""
        return queues.known_queues(self._queries, limit=limit)

    def queue_counts(self, also: Iterable[str] = (), *, limit: int = MOST_COUNTED) -> list[QueueCounts]:
        """Return how many jobs are in each of the ``known_queues``, and *also* in these, up to *limit*; by name."""
        return queues.queue_counts(self._queries, also, limit=limit)

    def cancelling_by_queue(self) -> Counter[str]:
        """Return how many of the 1,000 running jobs with the freshest locks were asked to end, by queue."""
        return queues.cancelling_by_queue(self._queries)

    def oldest_due(self, queue: str) -> datetime | None:
        """Return since when the longest-waiting job of *queue* has been due; None if none is due."""
        return queues.oldest_due(self._queries, queue)

    def failures(self, *, latest: int = 1000, queue: str | None = None) -> list[FailureGroup]:
        """Return the *latest* failed jobs, grouped by name, error and place, the largest group first."""
        return failures.failures(self._queries, latest=latest, queue=queue)

    def waiting(self, *, limit: int) -> Waiting:
        """Return the *limit* jobs that have been due longest, grouped by name."""
        return waiting.waiting(self._queries, limit=limit)

    def deferred(self, *, limit: int) -> list[DeferredName]:
        """Return the jobs that no worker could load, grouped by name, among the *limit* looked at."""
        return waiting.deferred(self._queries, limit=limit)

    def kinds(self, state: SurveyedState) -> list[JobKind]:
        """Return the kinds of the first ready jobs, or the last failed ones; call it under a time limit."""
        return survey.kinds(self._queries, state)

    def odd_states(self) -> list[OddState]:
        """Return the unknown states among the oldest and the newest jobs; call it under a time limit."""
        return survey.odd_states(self._queries)

    def collection_type(self) -> str:
        """Return ``collection``, or ``capped``, ``timeseries`` or ``view``."""
        return survey.collection_type(self._queries)

    def foreign_indexes(self) -> list[Document]:
        """Return the indexes on the jobs that are not ours, as the server lists them."""
        return survey.foreign_indexes(self._queries)

    def explain_reserve(self, wanted: QueueSelector) -> ReservePlan:
        """Return how the server would reserve one *wanted* job; reserves nothing."""
        return explain.explain_reserve(self._queries, wanted)

    def server(self) -> Server:
        """Return the server and the collections that hold the jobs."""
        return server.server(self._queries.collection)
