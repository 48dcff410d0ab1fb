"""The worker: it reserves jobs, has them run, and stops so that nothing is lost."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from mongojobs.core.clock import monotonic_seconds, truncate
from mongojobs.core.job import JobId
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.limits import LONGEST_NAME
from mongojobs.core.notices import (
    JobsReserved,
    NoMoreJobs,
    Notice,
    ReserveFailed,
    RunEnded,
    WorkerRecycling,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
    WorkerTold,
)
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Crashed, Errored, GivenUp, Outcome, Succeeded
from mongojobs.payload.calls.handler import Payloads
from mongojobs.process.green_threads import refuse_green_threads
from mongojobs.process.memory import peak_bytes
from mongojobs.process.supervisor import ChildCommand
from mongojobs.store.faults import DatabaseError, reason, unavailable
from mongojobs.store.jobs import QueueSelector
from mongojobs.store.workers import MOST_RUNS_SHOWN, RunningJob, WorkerOrder, WorkerStatus
from mongojobs.version import __version__
from mongojobs.worker.connecting import Connecting
from mongojobs.worker.crew import Connections, Crew
from mongojobs.worker.inflight import InFlightJob
from mongojobs.worker.liveness import LONGEST_STILLNESS_SECONDS, Liveness
from mongojobs.worker.outage import Outage
from mongojobs.worker.recycle import measured, recycle_reason
from mongojobs.worker.shutdown import Shutdown
from mongojobs.worker.stats_recorder import Statistics
from mongojobs.worker.threads.background import background_thread

STUCK_EXIT_STATUS = 70
CALLBACK_PAUSE_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.5
"""How long to wait for a slot before looking again: what forbids a reserve may pass without a word."""
LOOK_AGAIN = timedelta(seconds=LOOK_AGAIN_SECONDS)
JOIN_SECONDS = 5.0

RESERVING: Final = "reserving"


class Worker:
    """Works off the jobs of one collection, in one process.

    ``start`` works until ``stop``; ``work_off`` runs what is due and returns. *connect* opens the connections and
    raises StoreUnavailableError where that fails. With *child*, the command that starts one, jobs run in children.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Connections],
        payloads: Payloads,
        lifecycle: Lifecycle,
        settings: Settings,
        child: ChildCommand | None = None,
    ) -> None:
        self.settings = settings
        self._child = child
        self._runs = itertools.count(1)
        self._is_worn = False
        self.name = (settings.prefix + (settings.name or _unique_name()))[:LONGEST_NAME]
        self.pulse = Liveness()
        self._connect = connect
        self._payloads = payloads
        self._lifecycle = lifecycle
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._quiet = threading.Event()
        self._outage = Outage(lifecycle, self.name)
        self._statistics = Statistics(lifecycle, self._outage, worker=self.name)
        self._patience = settings.enqueue_timeout if settings.exit_on_complete else None
        self._connecting = Connecting(self._try_to_connect, self._outage, self._stopping, patience=self._patience)
        self._given_up_on: DatabaseError | None = None
        self._only: JobId | None = None
        self._crew: Crew | None = None
        self._connections: Connections | None = None
        self._is_stuck = False
        self._obeyed: set[WorkerOrder] = set()
        self.has_stuck_threads = False
        """Whether code of jobs, or a call to a database that hangs, still goes on after ``start`` has returned.

        Leave the process by ``os._exit`` then.
        """

    def __str__(self) -> str:
        return self.name

    @property
    def is_dismissed(self) -> bool:
        """Whether people have told this very worker to stop, by its document: so it is not to be started again."""
        return "stop" in self._obeyed

    @property
    def is_stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._stopping.is_set()

    @property
    def connections(self) -> Connections | None:
        """Its ways to the database, once that has answered."""
        return self._connections

    def start(self) -> int:
        """Work until told to stop, and return the exit status of the process: 0, or 70 when a job would not return.

        Waits for a database that is away; with ``exit_on_complete`` no longer than an enqueue would. Raises
        StoreUnavailableError after that, and when the database refuses at the start, ServerTooOldError, and NotRunError
        when a plugin around ``execute`` does not proceed.
        """
        return self._lifecycle.run_surely("execute", self, body=self._execute)

    def stop(self, *, now: bool = False) -> None:
        """Reserve nothing more, let the running jobs end in time, and let ``start`` return; from any thread.

        With *now* the running jobs are interrupted and handed back at once.
        """
        if now:
            self._hurry.set()
        is_first = not self._stopping.is_set()
        self._stopping.set()
        self._connecting.give_up()
        if self._crew is not None:
            self._crew.in_flight.close()
            self._crew.wakeup.wake()
        if is_first:
            running = (
                () if self._crew is None or now else tuple(str(held.job) for held in self._crew.in_flight.running())
            )
            self._lifecycle.notify(WorkerStopping(self.name, running, self.settings.shutdown_timeout.total_seconds()))

    def quiet(self) -> None:
        """Reserve nothing more, but stay and end what runs."""
        self._quiet.set()

    def work_off(self, limit: int = 100) -> tuple[int, int]:
        """Run up to *limit* jobs that are due, one after the other, here; return successes and failures.

        An unreachable database ends it with what was done so far. Source: delayed_job.
        """
        outcomes = self._run_here(limit)
        successes = sum(isinstance(outcome, Succeeded) for outcome in outcomes)
        return successes, sum(isinstance(outcome, Errored | GivenUp | Crashed) for outcome in outcomes)

    def run_one(self, job_id: JobId) -> RunEnded | None:
        """Run this job here once, due or not, though its queue be paused; return how that ended.

        None if it was not to be had, as another worker has it. A stop goes as that of ``start``, and so do the errors.
        """
        ends: list[RunEnded] = []

        def hear(notice: Notice) -> None:
            if isinstance(notice, RunEnded) and notice.worker == self.name:
                ends.append(notice)

        self._lifecycle.on_notice(hear)
        self._only = job_id
        self.quiet()
        try:
            self.start()
        finally:
            self._lifecycle.forget(hear)
        return ends[-1] if ends else None

    def _run_here(self, limit: int) -> list[Outcome]:
        def abort(held: InFlightJob) -> None:
            crew.runner.abort(held)

        refuse_green_threads()
        outcomes: list[Outcome] = []
        connections = self._connect()
        crew = self._assemble(connections, on_stuck=abort)
        try:
            crew.start_minding()
            crew.rescuer.rescue()
            while len(outcomes) < limit and not self._stopping.is_set() and (held := self._take_one(crew)):
                result = crew.slots.perform(held)
                crew.finisher.write_patiently()
                if result is not None:
                    outcomes.append(result.outcome)
            crew.statistics.try_to_store()
        except DatabaseError as error:
            crew.outage.failed("working off", error)
        finally:
            crew.stop_minding()
            crew.runner.close(JOIN_SECONDS)
            crew.join(JOIN_SECONDS)
            crew.event_loop.close(JOIN_SECONDS)
            connections.close()
        return outcomes

    def _try_to_connect(self) -> Connections:
        self.pulse.beat()
        return self._connect()

    def _take_one(self, crew: Crew) -> InFlightJob | None:
        """Reserve one job and mark it as running here. Raises DatabaseError."""
        crew.in_flight.add(crew.reserve(1))
        return crew.in_flight.take_now()

    def _execute(self) -> int:
        refuse_green_threads()
        connections = self._connecting.run()
        if connections is None:
            self.has_stuck_threads = self._connecting.hangs
            return 0
        self._connections = connections
        self._crew = crew = self._assemble(connections, on_stuck=self._on_stuck)
        if self._only is None:
            self._lifecycle.notify(WorkerStarted(self.name, _worth_reading(self.settings)))
        looking = background_thread(lambda: self._work(crew), "mongojobs-worker")
        shutdown = Shutdown(crew, self._lifecycle, self.settings, worker=self.name, hurry=self._hurry)
        released = 0
        try:
            crew.start_minding()
            crew.start_working(self.settings.threads)
            looking.start()
            self._stopping.wait()
        finally:
            self.stop()
            released = shutdown.run(looking, lambda: self._leave(connections))
            self.has_stuck_threads = shutdown.has_left_threads
        self._lifecycle.notify(WorkerStopped(self.name, released))
        if self._given_up_on is not None:
            raise unavailable(self._given_up_on) from self._given_up_on
        return STUCK_EXIT_STATUS if self._is_stuck else 0

    def _assemble(self, connections: Connections, *, on_stuck: Callable[[InFlightJob], None]) -> Crew:
        return Crew(
            connections,
            self._payloads,
            self._lifecycle,
            self.settings,
            worker=self,
            outage=self._outage,
            statistics=self._statistics,
            stopping=self._stopping,
            beat=self._beat,
            on_stuck=on_stuck,
            on_end=self._look_at_wear,
            child=self._child,
        )

    def _work(self, crew: Crew) -> None:
        """Look for jobs until told to stop.

        The body of a thread of its own, so that a database that hangs can hold it up, and not the stop.
        """
        try:
            while not self._stopping.is_set():
                self.pulse.beat()
                self._look(crew)
        finally:
            self.stop()

    def _look(self, crew: Crew) -> None:
        try:
            self._lifecycle.run_surely(
                "loop", self, body=lambda: self._turn(crew) if self._only is None else self._turn_to(crew, self._only)
            )
        except DatabaseError as error:
            pause = crew.outage.failed(RESERVING, error)
            if self._patience is not None and crew.outage.seconds(RESERVING) >= self._patience.total_seconds():
                self._given_up_on = error
                self.stop()
            self._stopping.wait(pause)
        except Exception:  # noqa: BLE001 - a plugin's callback may raise anything; the worker goes on
            self._lifecycle.report_exception(self.name, "loop")
            self._stopping.wait(CALLBACK_PAUSE_SECONDS)

    def _turn(self, crew: Crew) -> None:
        """Look once for jobs, and wait where there is no slot for them or none is due. Raises DatabaseError."""
        if crew.rescuer.run_if_due():
            crew.outage.over(RESERVING)
        crew.look_for_suspects()
        wanted = 0 if self._quiet.is_set() else crew.wants()
        if wanted == 0:
            self._wait_for_room(crew)
            return
        was_empty = crew.in_flight.is_empty()
        held = self._reserve(crew, wanted)
        crew.outage.over(RESERVING)
        if held:
            crew.hand_over(held)
            crew.wakeup.busy()
        elif self.settings.exit_on_complete:
            self._complete(crew, was_empty=was_empty)
        else:
            crew.wakeup.note_empty()
            self._idle(crew, was_empty=was_empty)

    def _turn_to(self, crew: Crew, job_id: JobId) -> None:
        """Run one job, and stop. Raises DatabaseError."""
        crew.choice.wanted = QueueSelector(only=job_id)
        held = self._reserve(crew, 1)
        crew.outage.over(RESERVING)
        crew.hand_over(held)
        while not crew.in_flight.wait_until(
            lambda: self._stopping.is_set() or crew.in_flight.is_empty(), LOOK_AGAIN_SECONDS
        ):
            self.pulse.beat()
        self.stop()

    def _reserve(self, crew: Crew, wanted: int) -> list[InFlightJob]:
        """Reserve up to so many jobs, and tell of it. Raises DatabaseError."""
        began = time.monotonic()
        try:
            held = crew.reserve(wanted)
        except DatabaseError as error:
            self._lifecycle.notify(ReserveFailed(self.name, reason(error)))
            raise
        self._lifecycle.notify(JobsReserved(self.name, len(held), time.monotonic() - began))
        return held

    def _wait_for_room(self, crew: Crew) -> None:
        def is_over() -> bool:
            return self._stopping.is_set() or (not self._quiet.is_set() and crew.wants() > 0)

        seconds = min(max(crew.rescuer.seconds_left(), 0.01), LOOK_AGAIN_SECONDS)
        crew.in_flight.wait_until(is_over, seconds, few=crew.reserver.ahead() // 2)

    def _idle(self, crew: Crew, *, was_empty: bool) -> None:
        """Wait for the next job that comes or falls due, and rescue jobs of others meanwhile.

        A job that only an empty process may take is no longer waited for than until this one is.
        """
        longest, wanted = crew.longest_wait(), crew.choice.now()
        if not was_empty and wanted and crew.store.is_suspect_next(wanted):
            longest = min(longest, LOOK_AGAIN)
        due = crew.store.earliest_run_at(wanted, after=crew.looked_at, within=longest) if wanted else None
        until = time.monotonic() + longest.total_seconds()
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            to_rescue = max(crew.rescuer.seconds_left(), 0.01)
            if crew.wakeup.wait(due=due, most=min(left, to_rescue, LONGEST_STILLNESS_SECONDS)):
                return
            self.pulse.beat()
            crew.rescuer.run_if_due()
            if not crew.wakeup.is_listening and wanted and crew.store.has_due(wanted):
                return

    def _complete(self, crew: Crew, *, was_empty: bool) -> None:
        """Leave if nothing was due while nothing was held: what still runs may come back at once."""
        if was_empty:
            self._lifecycle.notify(NoMoreJobs(self.name))
            self.stop()
            return
        crew.in_flight.wait_until(
            lambda: crew.in_flight.is_empty() or self._stopping.is_set(),
            self.settings.sleep_delay.total_seconds(),
        )

    def _on_stuck(self, held: InFlightJob) -> None:
        if self._crew is not None and self._crew.runner.abort(held):
            return
        if not self._stopping.is_set():
            self._is_stuck = True
        self.stop()

    def _look_at_wear(self) -> None:
        """Leave when this process has run or occupies as much as it may, once all that runs has ended."""
        if self._child is not None:
            return
        runs, memory = next(self._runs), measured(self.settings)
        reason = recycle_reason(self.settings, runs=runs, memory=memory)
        if reason and not self._is_worn and not self._stopping.is_set():
            self._is_worn = True
            self._lifecycle.notify(WorkerRecycling(self.name, reason))
            self.quiet()
            self._drain()
        if self._is_worn and (self._crew is None or not self._crew.in_flight.running()):
            self.stop()

    def _drain(self) -> None:
        """Begin nothing more, and hand back what waits."""
        if self._crew is not None:
            self._crew.in_flight.close()
            self._crew.in_flight.return_waiting()
            self._crew.heartbeat.look()

    def _beat(self) -> None:
        """Show that this worker lives, and do what people have told it since. Raises DatabaseError."""
        if self._connections is None or self._crew is None:
            return
        order = self._connections.workers.beat(self._status(self._connections, self._crew))
        if order is not None and order not in self._obeyed:
            self._obeyed.add(order)
            self._lifecycle.notify(WorkerTold(self.name, order))
            self.stop() if order == "stop" else self.quiet()

    def _status(self, connections: Connections, crew: Crew) -> WorkerStatus:
        settings, now, running = self.settings, connections.heartbeat_store.clock.now(), crew.in_flight.running()
        return WorkerStatus(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=connections.opened_at,
            queues=settings.queues,
            min_priority=settings.min_priority,
            max_priority=settings.max_priority,
            threads=settings.threads,
            busy=len(running),
            alone=crew.is_alone,
            state="stopping" if self._stopping.is_set() else "quiet" if self._quiet.is_set() else "working",
            running=tuple(_shown(held, now) for held in running[:MOST_RUNS_SHOWN]),
            memory_bytes=peak_bytes(),
            version=__version__,
        )

    def _leave(self, connections: Connections) -> None:
        try:
            connections.workers.remove(self.name)
        except DatabaseError:
            pass  # the document of this worker expires by itself
        finally:
            connections.close()


def _unique_name() -> str:
    """Return a label that no other worker has: containers share host names and process ids. Source: delayed_job#866."""
    return f"host:{socket.gethostname()} pid:{os.getpid()} id:{secrets.token_hex(3)}"


def _shown(held: InFlightJob, now: datetime) -> RunningJob:
    """Return what the list of workers shows of a job that runs *now*."""
    job, elapsed = held.job, monotonic_seconds() - (held.started or monotonic_seconds())
    return RunningJob(id=job.id, name=job.name, queue=job.queue, since=truncate(now - timedelta(seconds=elapsed)))


def _worth_reading(settings: Settings) -> str:
    queues = ",".join(settings.queues) or "all"
    executor = "" if settings.executor == "thread" else f" executor={settings.executor}"
    return f"queues={queues} threads={settings.threads}{executor}"
