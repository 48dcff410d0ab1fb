"""What people and their tools do with an app's jobs, queues and workers: look, change, pause, give orders.

All of it raises StoreUnavailableError where the database cannot be reached, refuses, or takes too long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from mongojobs.app.cancelling import cancel_many, cancel_one, filters_of
from mongojobs.app.logs import LogsOfApp
from mongojobs.app.scheduling import SchedulesOfApp
from mongojobs.app.why import Facts, Reason, reasons
from mongojobs.core.actions import DELETE, MOVE, RETRY, RUN_NOW, Changed, Verb, no_job
from mongojobs.core.checks import plain_text
from mongojobs.core.clock import truncate
from mongojobs.core.errors import OptionError
from mongojobs.core.inside.home import Home
from mongojobs.core.job import Job, JobId
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.limits import LONGEST_NAME, cut
from mongojobs.enqueuing import current
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.search import ArgumentSearch
from mongojobs.store import faults
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.actions.sweep import OnProgress
from mongojobs.store.faults import DatabaseError, is_refused
from mongojobs.store.indexes import IndexReport, check_indexes, create_indexes
from mongojobs.store.jobs import JobStore
from mongojobs.store.pauses import Pause, PauseStore
from mongojobs.store.reader.counts import ALL, MOST_COUNTED, Count
from mongojobs.store.reader.failures import FailureGroup
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.store.reader.pages import JobPage
from mongojobs.store.reader.queues import MOST_LOOKED_AT, QueueCounts, QueueState, QueueStatus
from mongojobs.store.stats.stats_store import StatsStore
from mongojobs.store.workers import WorkerStatus, WorkerStore

NO_WAIT = timedelta(0)

plain_errors: Final = faults.plain_errors
"""The same, for rooms that do not know the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The queues that have jobs or are paused, by name; how many jobs are in each state; and when that was."""

    queues: Sequence[QueueStatus]
    counts: Mapping[ShownState, Count]
    at: datetime

    @property
    def latency(self) -> timedelta:
        """The highest latency of all queues."""
        return max((queue.latency for queue in self.queues), default=NO_WAIT)

    def in_queues(self, state: QueueState) -> Count:
        """Return how many jobs in *state* all *queues* hold together."""
        return sum((queue.counts.of(state) for queue in self.queues), Count(0))

    def by_state(self) -> dict[str, Count]:
        """Return the counts as people are shown them: the jobs that were asked to end apart from those that run."""
        shown: dict[str, Count] = {}
        for state, count in self.counts.items():
            shown[state] = count
            if state == "running":
                shown["cancelling"] = asked = self.in_queues("cancelling")
                shown["running"] = replace(count, number=max(count.number - asked.number, 0))
        return shown


class Operating(LogsOfApp, SchedulesOfApp):
    """The part of an app that is for people; ``MongoJobs`` is the whole."""

    @property
    def store(self) -> JobStore:
        """The life of the jobs in their collection."""
        raise NotImplementedError

    @property
    def actions(self) -> JobActions:
        """What people do with jobs."""
        return JobActions(self.store.queries)

    @property
    def _acting(self) -> JobActions:
        """What changes one job: in ``fake`` mode of a test, where the jobs are in memory, their store."""
        memory: JobActions | None = current.memory_of(self)
        return self.actions if memory is None else memory

    @property
    def reader(self) -> JobReader:
        """What people are shown of the jobs."""
        return JobReader(self.store.queries)

    @property
    def payloads(self) -> Payloads:
        """What turns calls into payloads and back."""
        raise NotImplementedError

    @property
    def home(self) -> Home[Job] | None:
        """Where the jobs are asked about that are found here; None: at the app that is active."""
        return None

    @property
    def pauses(self) -> PauseStore:
        """The paused queues."""
        return PauseStore(self.store.collection, self.store.clock)

    @property
    def worker_store(self) -> WorkerStore:
        """The list of workers."""
        return WorkerStore(self.store.collection, self.store.clock, self.store.settings)

    @property
    def stats_store(self) -> StatsStore:
        """The statistics of what workers did."""
        return StatsStore(self.store.collection, self.store.clock, self.store.settings)

    @plain_errors()
    def get(self, job_id: JobId) -> Job | None:
        """Return a job, or None."""
        memory = current.memory_of(self)
        if memory is None:
            found, home = self.store.get(job_id), self.home
        else:
            found, home = memory.get(job_id), current.enqueuer().home
        return None if found is None else found.stay(home)

    @plain_errors()
    def find(self, job_filter: JobFilter = ALL, *, limit: int = 50, after: str | None = None) -> JobPage:
        """Return a page of jobs, newest first, scheduled ones soonest first. Raises FilterError.

        The next one is ``find(..., after=page.next)``.
        """
        page = self.reader.page(job_filter, limit=limit, after=after)
        for job in page.jobs:
            job.stay(self.home)
        return page

    @plain_errors()
    def count(self, job_filter: JobFilter = ALL, *, limit: int | None = MOST_COUNTED) -> Count:
        """Return how many jobs match, counted up to *limit*; None: exactly, however long that takes."""
        return self.reader.count(job_filter, limit=limit)

    @plain_errors()
    def counts(self, job_filter: JobFilter = ALL, *, limit: int = MOST_COUNTED) -> dict[ShownState, Count]:
        """Return how many jobs that match are in each state, counted up to *limit*; furthest in the one it names."""
        return self.reader.counts(job_filter, limit=limit)

    @plain_errors()
    def count_for(self, verb: Verb, job_filter: JobFilter, *, running: bool = False) -> int:
        """Return exactly how many jobs ``retry_all``, or what *verb* names, would find now. Raises FilterError.

        With *running*, the running ones too that it would ask to end.
        """
        parts = filters_of(verb, job_filter, running=running)
        return sum(self.reader.count(part, limit=None).number for part in parts)

    @plain_errors()
    def failures(self, *, latest: int = 1000, queue: str | None = None) -> list[FailureGroup]:
        """Return the *latest* failed jobs in groups of the same name, error and place, the largest group first."""
        return self.reader.failures(latest=latest, queue=queue)

    @plain_errors()
    def why(self, job_id: JobId) -> list[Reason]:
        """Return why a job has not run, the most important reason first. Raises StateError if there is no such job."""
        job = self.store.get(job_id)
        if job is None:
            raise no_job(job_id)
        waits = job.state == "ready"
        pauses = {pause.queue: pause for pause in self.pauses.all()} if waits else {}
        return reasons(
            job,
            Facts(
                now=self.store.clock.now(),
                pause=pauses.get(job.queue),
                workers=self.workers(),
                ahead=self.reader.ahead_of(job) if waits else Count(0),
                problem=None if self.payloads.codec.registry.is_empty else self.payloads.problem(job.handler),
                missing_indexes=self._missing_indexes(),
                undeclared_for=self.store.settings.undeclared_for,
            ),
        )

    @plain_errors()
    def cancel(self, job_id: JobId, *, running: bool = False, by: str | None = None, why: str | None = None) -> Job:
        """Cancel a job that has not started; with *running*, also one that has. Record *by* and *why*.

        The code of a running job gets ``Cancelled`` at the latest when its worker renews its lock, and the job ends
        once that has returned: until then it is returned as ``cancelling``. Raises StateError, OptionError.
        """
        return cancel_one(self._acting, job_id, running=running, given={"by": _person(by), "why": why})

    @plain_errors()
    def retry(self, job_id: JobId, *, by: str | None = None, merge: bool = False, from_start: bool = False) -> Job:
        """Let a failed or cancelled job run again with all its attempts; record *by*, who asked. Raises StateError.

        KeyHeldError for a unique job whose key another one holds by now; with *merge* it is dropped, and that one
        returned. The steps that it has done are not done again, unless it is to begin *from_start*.
        """
        return self._acting.act(RETRY, job_id, by=_person(by), merge=merge, from_start=from_start)

    @plain_errors()
    def delete(self, job_id: JobId) -> Job:
        """Delete a job that is not running. Raises StateError."""
        return self._acting.act(DELETE, job_id)

    @plain_errors()
    def run_now(self, job_id: JobId) -> Job:
        """Make a scheduled job due now. Raises StateError."""
        return self._acting.act(RUN_NOW, job_id)

    @plain_errors()
    def move(self, job_id: JobId, *, queue: str | None = None, priority: int | None = None) -> Job:
        """Move a job that has not started to another queue or priority. Raises OptionError, StateError."""
        return self._acting.act(MOVE, job_id, queue=queue, priority=priority)

    @plain_errors()
    def cancel_all(
        self,
        job_filter: JobFilter,
        *,
        running: bool = False,
        by: str | None = None,
        why: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Cancel the matching jobs that have not started; with *running*, also those that have. Return how many.

        As all changes of many jobs it goes batch by batch, tells *on_progress* after each how many it has changed and
        looked at, and may be broken off there. Waiting jobs come first; those that begin to run meanwhile are left
        alone unless *running*. Raises FilterError, OptionError.
        """
        given = {"by": _person(by), "why": why}
        return cancel_many(self.actions, job_filter, running=running, given=given, on_progress=on_progress)

    @plain_errors()
    def retry_all(
        self,
        job_filter: JobFilter,
        *,
        by: str | None = None,
        merge: bool = False,
        from_start: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Changed:
        """Let the failed and cancelled jobs that match run again; return how many. Raises FilterError.

        Unique jobs whose keys others hold by now are left as they are, and counted as ``.held`` of the number that is
        returned; with *merge* they are dropped, and counted as ``.dropped``. Steps as ``retry``.
        """
        given = {"by": _person(by), "merge": merge, "from_start": from_start}
        return self.actions.act_on_all(RETRY, job_filter, on_progress=on_progress, **given)

    @plain_errors()
    def delete_all(self, job_filter: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Delete the matching jobs that are not running; return how many. Raises FilterError."""
        return self.actions.act_on_all(DELETE, job_filter, on_progress=on_progress)

    @plain_errors()
    def run_all_now(self, job_filter: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Make the scheduled jobs that match due now; return how many. Raises FilterError."""
        return self.actions.act_on_all(RUN_NOW, job_filter, on_progress=on_progress)

    @plain_errors()
    def move_all(
        self,
        job_filter: JobFilter,
        *,
        queue: str | None = None,
        priority: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Move the matching jobs that have not started to another queue or priority; return how many.

        Raises OptionError, FilterError.
        """
        return self.actions.act_on_all(MOVE, job_filter, queue=queue, priority=priority, on_progress=on_progress)

    @plain_errors()
    def rescue_all(self, *, on_progress: OnProgress | None = None) -> int:
        """Take back the jobs of dead workers, as any worker does from time to time; return how many."""
        number = 0
        while rescued := self.store.rescue(by="mongojobs requeue"):
            number += len(rescued)
            if on_progress is not None:
                on_progress(number, number)
        return number

    @plain_errors()
    def pause(self, queue: str, *, until: datetime | None = None, reason: str = "") -> Pause:
        """Let no worker reserve from *queue* until *until*, or until ``resume``; they notice within five seconds.

        Jobs that run go on, and jobs can be enqueued. Raises OptionError for what is no queue's name or a time without
        zone.
        """
        try:
            return self.pauses.pause(queue, until=None if until is None else truncate(until), reason=reason)
        except ValueError as error:
            raise OptionError(f"cannot pause {queue!r:.100}: {error}") from None

    @plain_errors()
    def resume(self, queue: str) -> bool:
        """Let workers reserve from *queue* again; return whether it was paused."""
        return self.pauses.resume(queue)

    @plain_errors()
    def queues(self, *, limit: int = MOST_COUNTED) -> list[QueueStatus]:
        """Return the queues that have jobs or are paused, by name, with at most *limit* counted in each."""
        now, pauses = self.store.clock.now(), {pause.queue: pause for pause in self.pauses.all()}
        counted = self._cancelling_apart(self.reader.queue_counts(pauses, limit=limit))
        return [
            QueueStatus(
                queue=counts.queue,
                counts=counts,
                latency=_latency(counts.oldest_due, now=now, is_paused=counts.queue in pauses),
                pause=pauses.get(counts.queue),
            )
            for counts in counted
        ]

    @plain_errors()
    def report(self, *, limit: int = MOST_COUNTED) -> Report:
        """Return all queues and how many jobs are in each state, counting at most *limit* of each."""
        return Report(
            queues=self.queues(limit=limit), counts=self.reader.counts(limit=limit), at=self.store.clock.now()
        )

    @plain_errors()
    def queue_names(self) -> list[str]:
        """Return the sorted names of queues that have jobs, or that a living worker names."""
        return sorted({*self.reader.known_queues(), *self._worked_on()})

    @plain_errors()
    def latency(self) -> dict[str, timedelta]:
        """Return the latency of each queue that has ready jobs, by name.

        That is how long the job has been due that has waited for the longest time: not before it is due, not while it
        runs, and nothing in a paused queue. What autoscalers ask for.
        """
        now, paused = self.store.clock.now(), {pause.queue for pause in self.pauses.all()}
        return {
            queue: NO_WAIT if queue in paused else _latency(self.reader.oldest_due(queue), now=now, is_paused=False)
            for queue in self.store.ready_queues()
        }

    @plain_errors()
    def workers(self) -> list[WorkerStatus]:
        """Return the living workers, by name, each as busy as the jobs it holds now show."""
        held = self.reader.held_by_worker()
        return [worker.holding(held.get(worker.name, 0)) for worker in self.worker_store.alive()]

    @plain_errors()
    def dead_workers(self) -> list[WorkerStatus]:
        """Return the workers silent for a whole lease that the server has not yet forgotten."""
        return self.worker_store.dead()

    @plain_errors()
    def quiet_workers(self, names: Iterable[str] | None = None) -> list[str]:
        """Tell workers, all or those called *names*, to reserve no more jobs; return the names of those told.

        They hear it at their next heartbeat: within ``heartbeat`` while they are busy, and a quarter of a lease while
        they are idle.
        """
        return self.worker_store.tell("quiet", _listed(names))

    @plain_errors()
    def stop_workers(self, names: Iterable[str] | None = None) -> list[str]:
        """Tell workers, all or those called *names*, to stop as TERM does; return the names of those told.

        They hear it at their next heartbeat. Whoever has started them may start others.
        """
        return self.worker_store.tell("stop", _listed(names))

    @plain_errors()
    def prune_workers(self) -> int:
        """Forget dead workers; return how many."""
        return self.worker_store.prune()

    @plain_errors()
    def create_indexes(self) -> IndexReport:
        """Create the missing indexes; run it at each deploy."""
        return create_indexes(self.store.collection)

    @plain_errors()
    def check_indexes(self) -> IndexReport:
        """Compare the indexes with those required, and change nothing."""
        return check_indexes(self.store.collection)

    def _cancelling_apart(self, counted: list[QueueCounts]) -> list[QueueCounts]:
        """Return these counts with the running jobs that were asked to end apart."""
        running = sum(counts.running.number for counts in counted)
        if not running:
            return counted
        asked = self.reader.cancelling_by_queue()
        is_exact = running < MOST_LOOKED_AT
        return [counts.apart(Count(asked[counts.queue], is_exact=is_exact)) for counts in counted]

    def _worked_on(self) -> Iterator[str]:
        return itertools.chain.from_iterable(worker.queues for worker in self.worker_store.alive())

    def _missing_indexes(self) -> list[str]:
        """Return the names of missing indexes that jobs are found by; none if the user may not list them."""
        try:
            wrong = check_indexes(self.store.collection).with_status("missing", "different")
            return [one.index.name for one in wrong if not one.index.is_unique]
        except DatabaseError as error:
            if not is_refused(error):
                raise
            return []


class Operator(Operating):
    """The same operations on a store that the caller has opened."""

    def __init__(self, store: JobStore, payloads: Payloads, lifecycle: Lifecycle | None = None) -> None:
        self._store = store
        self._payloads = payloads
        self.lifecycle: Lifecycle = lifecycle or Lifecycle()
        store.queries.match_argument = ArgumentSearch(payloads)

    @property
    def store(self) -> JobStore:
        """The life of the jobs in their collection."""
        return self._store

    @property
    def payloads(self) -> Payloads:
        """What turns calls into payloads and back."""
        return self._payloads


def _person(name: object) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise OptionError(f"by must be a name, got {name!r:.100}")
    return cut(plain_text(name), LONGEST_NAME)


def _listed(names: Iterable[str] | None) -> list[str] | None:
    if names is None:
        return None
    listed: list[Any] = [names] if isinstance(names, str) else list(names)
    wrong = [name for name in listed if not isinstance(name, str) or not name]
    if wrong:
        raise OptionError(f"names must be a list of worker names, got {wrong[0]!r:.100}")
    return listed


def _latency(oldest_due: datetime | None, *, now: datetime, is_paused: bool) -> timedelta:
    return NO_WAIT if oldest_due is None or is_paused else max(now - oldest_due, NO_WAIT)
