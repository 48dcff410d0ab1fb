"""The rig: starts workers, does harm to them and to their database, keeps a record of it, and has it judged."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from signal import Signals
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from mongojobs import JobFilter, MongoJobs, Settings, StateError
from mongojobs.enqueuing.functions import JobFunction
from tests.support.command_line import Process
from tests.support.mongod import with_database
from tests.support.rig.checker import Asked, Departure, Disturbance, Evidence, Harm, Limits, Verdict, judge
from tests.support.rig.ledger import Ledger
from tests.support.rig.load import Enqueue, Load, Register
from tests.support.rig.proxy import Proxy
from tests.support.rig.pulse import Pulse
from tests.support.waiting import eventually

APP = "tests.support.rig.app"


class Rig:
    """Workers on the database of *uri*, with short leases, and everything that is known about their jobs."""

    def __init__(
        self,
        uri: str,
        folder: Path,
        *,
        lease: float = 3,
        heartbeat: float = 0.5,
        grace: float = 2,
        seconds_to_leave: float = 3,
        **settings: Any,
    ) -> None:
        self.app = MongoJobs(Settings().changed(uri=uri, lease=lease, heartbeat=heartbeat, retry_jitter=0, **settings))
        self.register = Register(self.app)
        self.ledger = Ledger(folder / "ledger")
        self.workers: list[Process] = []
        self.verdict: Verdict | None = None
        self.asked: dict[str, Asked] = {}
        self._uri = uri
        self._folder = folder
        self._grace = grace
        self._seconds_to_leave = seconds_to_leave
        self._lease = lease
        self._heartbeat = heartbeat
        self._disturbances: list[Disturbance] = []
        self._departures: list[Departure] = []
        self._gone: set[int] = set()
        self._pulse = Pulse(lambda last: self._note("stalled", None, last), longest=lease / 4)
        self._pulse.start()
        self.app.create_indexes()

    @property
    def limits(self) -> Limits:
        settings = self.app.settings
        return Limits(
            lease=self._lease,
            heartbeat=self._heartbeat,
            max_attempts=settings.max_attempts,
            max_losses=settings.max_losses,
            max_releases=settings.max_releases,
        )

    def work(self, *options: str, uri: str | None = None, fault: str | None = None, **settings: object) -> Process:
        """Start a worker and wait until it works; with a planted *fault*, or on another way to the database."""
        folder = self._folder / f"worker{len(self.workers)}"
        folder.mkdir()
        worker = Process("work", *options, folder=folder, environ=self._environ(uri, fault, settings))
        self.workers.append(worker)
        worker.says("Starting job worker")
        return worker

    @contextmanager
    def cancelling(self, *, pause_seconds: float = 0.05) -> Iterator[None]:
        """Cancel jobs that run, at random, as long as the block lasts."""
        over = threading.Event()
        thread = threading.Thread(target=self._cancel_until, args=(over, pause_seconds), name="cancelling", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)

    def _cancel_until(self, over: threading.Event, pause_seconds: float) -> None:
        while not over.wait(pause_seconds):
            running = self.app.find(JobFilter(state="running"), limit=50).jobs
            job = random.choice([one for one in running if not one.cancelling] or [None])
            if job is not None:
                with suppress(StateError):
                    asked = self.app.cancel(job.id, running=True)
                    self.asked[str(job.id)] = Asked(asked.fence, time.monotonic())

    def enqueue(self, call: Enqueue, times: int = 1) -> list[int]:
        """Enqueue *times* jobs and return their numbers."""
        return [self.register.enqueue(call) for _ in range(times)]

    def enqueue_many(self, function: JobFunction[Any, Any], count: int) -> None:
        """Enqueue *count* jobs of *function* in one call."""
        self.register.enqueue_many(function, count)

    def through(self, proxy: Proxy) -> str:
        """Return the URI of the jobs by way of *proxy*."""
        return with_database(f"mongodb://{proxy.address}/?directConnection=true", self.app.link.database)

    def load(self, *calls: Enqueue, threads: int = 2, pause_seconds: float = 0.01) -> Load:
        """Return a load for a ``with`` block: enqueuers which call *calls* in turn."""
        return Load(self.register, *calls, threads=threads, pause_seconds=pause_seconds)

    def kill(self, worker: Process) -> int:
        """End all processes of *worker* as a power cut would; return how many jobs it had in flight.

        Those are the jobs that it had begun and whose end, if they had one, it had not written.
        """
        pids = self._pids(worker)
        self._gone.add(worker.pid)
        worker.end()
        self._note("killed", pids, time.monotonic())
        texts = [run.job_id for run in self.ledger.runs() if run.pid in pids and run.outcome != "failed"]
        begun = [ObjectId(text) if ObjectId.is_valid(text) else text for text in texts]
        return self.app.store.collection.count_documents({"_id": {"$in": begun}})

    @contextmanager
    def frozen(self, worker: Process) -> Iterator[None]:
        """Stop *worker* where it stands during the block."""
        pids, begun = self._pids(worker), time.monotonic()
        worker.send_to_all(Signals.SIGSTOP)
        try:
            yield
        finally:
            worker.send_to_all(Signals.SIGCONT)
            self._note("frozen", pids, begun)

    def stop(self, worker: Process, *, times: int = 1, to_all: bool = False, cuts_jobs: bool = False) -> None:
        """Tell *worker* to stop and wait until it has; note as harm only what *cuts_jobs*."""
        pids, begun = self._pids(worker), time.monotonic()
        self._gone.add(worker.pid)
        for _ in range(times):
            (worker.send_to_all if to_all else worker.send)(Signals.SIGTERM)
            time.sleep(0.1)
        status = worker.wait(self._grace + 30)
        took = time.monotonic() - begun
        self._departures.append(Departure(worker.pid, status, took, self._grace + self._seconds_to_leave))
        if cuts_jobs:
            self._note("stopped", pids, begun)

    def expect_to_leave(self, worker: Process) -> None:
        """Do not hold it against *worker* that it ends."""
        self._gone.add(worker.pid)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Note that the database is away during the block."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._note("outage", None, begun)

    def wait_for_runs(self, number: int, times: int = 1, seconds: float = 20) -> None:
        """Wait until the job of this *number* has started this many *times*."""
        eventually(lambda: self.ledger.starts(number) >= times, seconds=seconds)

    def wait_for_ends(self, more: int, seconds: float = 30) -> None:
        """Wait until this many *more* runs have ended well than so far."""
        wanted = self.ledger.ends() + more
        eventually(lambda: self.ledger.ends() >= wanted, seconds=seconds)

    def wait_for_renewal(self, number: int) -> None:
        """Wait until the lock of the running job of this *number* is renewed."""
        first = self.document(number)["locked_until"]
        eventually(lambda: self.document(number)["locked_until"] > first)

    def take_back(self, number: int, *, run_at: datetime) -> None:
        """Make the running job of this *number* ready from *run_at* on, as a rescue does that leaves no trace."""
        unlock = dict.fromkeys(("locked_at", "locked_by", "locked_until", "lock_token"), "")
        change = {"$set": {"state": "ready", "run_at": run_at}, "$unset": unlock}
        self.app.store.collection.update_one({"_id": self.document(number)["_id"]}, change)
        self._note("taken back", None, time.monotonic())

    def document(self, number: int) -> dict[str, Any]:
        """Return what the store has of the job of this *number*."""
        document = self.app.store.collection.find_one({"handler.args.0": number})
        assert document is not None
        return document

    def hurry(self, number: int) -> None:
        """Make the ready job of this *number* due now, whatever delay it has after a loss."""
        change = {"$set": {"run_at": self.app.store.clock.now()}}
        self.app.store.collection.update_one({"handler.args.0": number, "state": "ready"}, change)

    def settle(self, seconds: float = 60) -> None:
        """Wait until no job is ready or running; what then still is, the judge will name."""
        with MongoClient[dict[str, Any]](self._uri) as client:
            jobs = client.get_default_database()[self.app.settings.collection]
            deadline = time.monotonic() + seconds
            while jobs.count_documents({"state": {"$in": ["ready", "running"]}}) and time.monotonic() < deadline:
                time.sleep(0.05)

    def judge(self) -> Verdict:
        """Return what is wrong so far."""
        self.verdict = judge(self._evidence())
        return self.verdict

    def check(self, seconds: float = 60) -> Verdict:
        """Let all jobs end, and raise AssertionError with everything that is wrong."""
        self.settle(seconds)
        verdict = self.judge()
        if verdict.violations:
            raise AssertionError("\n".join([*verdict.violations[:20], "", *map(_last_words, self.workers)]))
        return verdict

    def end(self) -> None:
        """Leave nothing behind, nor a transaction of a killed worker, which holds its database for a minute."""
        self._pulse.stop()
        for worker in self.workers:
            worker.end()
        with suppress(AutoReconnect):  # where no server is left
            self.app.store.collection.database.client.admin.command("killAllSessions", [])
        self.app.close()

    def _evidence(self) -> Evidence:
        with MongoClient[dict[str, Any]](self._uri) as client:
            stored = list(client.get_default_database()[self.app.settings.collection].find({}, {"handler": 0}))
        ended = [one for one in self.workers if one.pid not in self._gone and one.process.poll() is not None]
        return Evidence(
            limits=self.limits,
            enqueued=dict(self.register.enqueued),
            runs=self.ledger.runs(),
            documents={str(document["_id"]): document for document in stored},
            disturbances=self._disturbances,
            departures=[*self._departures, *(Departure(one.pid, one.process.wait()) for one in ended)],
            refused=frozenset(self.register.refused),
            asked=dict(self.asked),
        )

    def _note(self, kind: Harm, pids: frozenset[int] | None, begun: float) -> None:
        self._disturbances.append(Disturbance(kind, pids, begun, time.monotonic()))

    def _pids(self, worker: Process) -> frozenset[int]:
        return frozenset({*worker.group(), *worker.descendants()})

    def _environ(self, uri: str | None, fault: str | None, settings: dict[str, object]) -> dict[str, str]:
        mine = self.app.settings
        told: dict[str, object] = {
            "lease": self._lease,
            "heartbeat": self._heartbeat,
            "shutdown_timeout": self._grace,
            "max_losses": mine.max_losses,
            "write_concern": mine.write_concern,
            **settings,
        }
        environ = {f"MONGOJOBS_{name.upper()}": str(value) for name, value in told.items()}
        environ |= {"SAMPLE_URI": uri or self._uri, "MONGOJOBS_APP": APP, "RIG_LEDGER": str(self.ledger.path)}
        return environ if fault is None else environ | {"RIG_FAULT": fault}


def _last_words(worker: Process) -> str:
    lines = worker.output.splitlines()[-15:] + worker.errors.splitlines()[-15:]
    return "\n".join([f"--- the worker {worker.pid} said at last:", *lines])
