"""Many users of unique jobs, at once or at random, and what must hold whatever they did."""

import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from mongojobs import Job, JobFilter, MongoJobs, StateError
from mongojobs.core.job import COMPLETED, ErrorText
from mongojobs.core.transitions import Crashed, Discarded, Errored, GivenUp, Snoozed, Succeeded
from mongojobs.store.filters import QueueSelector
from tests.support.clock import HeldClock
from tests.support.unique_jobs import sync
from tests.support.waiting import eventually
from tests.support.working import work_off

KEYS = 8
_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"on_duplicate": "replace"},
    {"on_duplicate": "rerun"},
    {"unique_until": "start"},
    {"unique_for": "10m"},
    {"debounce": "5s", "max_wait": "30s"},
    {"throttle": "1/2m"},
    {"run_in": "1m"},
)


def at_once(threads: int, do: Callable[[int], object]) -> list[object]:
    """Call *do* with its number in each of this many threads, which start together; return what it returned."""
    barrier = threading.Barrier(threads)

    def begin(number: int) -> object:
        barrier.wait()
        return do(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


def enqueue_often(times: int, keys: int) -> Callable[[int], object]:
    """Return a function that enqueues this many calls over this many keys, and returns how many were new."""
    return lambda seed: sum(
        not sync.delay(random.Random(seed * times + n).randrange(keys)).duplicate for n in range(times)
    )


def call_until(call: Callable[[], Job], happened: Callable[[], object]) -> list[Job]:
    """Call again and again until *happened* holds; return what the calls returned."""
    answers: list[Job] = []

    def once_more() -> object:
        answers.append(call())
        return happened()

    eventually(once_more)
    return answers


def call_all_the_time(app: MongoJobs, job: Any, *, every: float, calls: int) -> list[tuple[float, bool]]:
    """Call *job* every few seconds by the app's clock, and run it when it is due.

    Return of each run how many seconds after its first call it was, and whether it had the newest call.
    """
    clock: Any = app.store.clock
    runs: list[tuple[float, bool]] = []
    for number in range(calls):
        job.delay(1, str(number))
        clock.advance(seconds=every)
        for due in (found for found in app.reader.find(state="ready") if found.run_at <= clock.now()):
            assert due.created_at is not None
            is_newest = due.handler["args"] == [1, str(number)]
            runs.append(((clock.now() - due.created_at).total_seconds(), is_newest))
            work_off()
    return runs


class Chance:
    """Does everything that can be done with unique jobs, in an order drawn from a *seed*."""

    def __init__(self, app: MongoJobs, clock: HeldClock, seed: int) -> None:
        self._app, self._clock, self._random = app, clock, random.Random(seed)
        self._deeds = (
            self._enqueue,
            self._enqueue,
            self._enqueue_many,
            self._run,
            self._run,
            self._act,
            self._wait,
            self._sweep,
        )

    def do(self, times: int) -> None:
        for _ in range(times):
            self._random.choice(self._deeds)()

    def end_all(self) -> None:
        """Let all leases and windows end, and cancel whatever is left."""
        self._clock.advance(days=2)
        self._app.rescue_all()
        self._app.cancel_all(JobFilter())
        self._expire()

    def _call(self) -> Any:
        return sync.options(**self._random.choice(_OPTIONS))

    def _enqueue(self) -> None:
        self._call().delay(self._random.randrange(KEYS), uuid4().hex)

    def _enqueue_many(self) -> None:
        self._call().delay_many([(self._random.randrange(KEYS), uuid4().hex) for _ in range(5)])

    def _run(self) -> None:
        """Reserve some jobs, and end some of them, in all ways there are; the others are lost."""
        lease, limit = timedelta(minutes=1), self._random.choice((1, 5))
        held = self._app.store.reserve(QueueSelector(), token=uuid4().hex, by="w", lease=lease, limit=limit)
        self._random.choice((self._enqueue, self._wait))()
        for job in held:
            self._random.choice((self._end, self._end, self._release, lambda _job: None))(job)

    def _end(self, job: Any) -> None:
        now, error = self._clock.now(), ErrorText(error="no luck")
        endings = (
            Succeeded(),
            Succeeded(),
            Errored(error, now),
            GivenUp(error, "enough"),
            GivenUp(error, "enough", destroy=True),
            Discarded("no need"),
            Snoozed(timedelta(seconds=5)),
            Crashed(error, None),
        )
        self._app.store.end_all([(job, self._random.choice(endings))])

    def _release(self, job: Any) -> None:
        self._app.store.release([job], started=self._random.choice((True, False)))

    def _act(self) -> None:
        jobs = self._app.reader.find(limit=0)
        end = partial(self._app.cancel, running=True)
        act = self._random.choice((self._app.cancel, end, self._app.delete, self._app.retry, self._app.run_now))
        with suppress(StateError, IndexError):  # it may be in another state, or there may be none
            act(self._random.choice(jobs).id)

    def _wait(self) -> None:
        self._clock.advance(seconds=self._random.choice((1, 10, 90)))

    def _sweep(self) -> None:
        self._random.choice((self._app.rescue_all, self._expire, self._retry_all, self._clear))()

    def _retry_all(self) -> None:
        self._app.retry_all(JobFilter(), merge=self._random.choice((True, False)))

    def _clear(self) -> None:
        self._app.actions.clear(state="failed")

    def _expire(self) -> None:
        """Do what the server's TTL thread does."""
        self._app.store.collection.delete_many({"state": COMPLETED, "expire_at": {"$lte": self._clock.now()}})


def wrong(app: MongoJobs) -> Iterable[tuple[Any, ...]]:
    """Return the jobs whose keys are not as their state says."""
    found = app.store.collection.find({})
    return [
        (job["state"], job.get("unique_key"), job.get("unique_until"), job.get("key_until"), job.get("again"))
        for job in found
        if not _is_right(job, app.store.clock.now())
    ]


def _is_right(job: dict[str, Any], now: Any) -> bool:
    holds = "unique_key" in job
    match job["state"]:
        case "ready":
            return holds or job.get("unique_until") == "start"
        case "running":
            return holds != (job.get("unique_until") == "start")
        case "completed":
            return not holds or job.get("key_until") is not None
        case "cancelled" if was_waiting(job):
            return not holds
        case _:
            return not holds and "again" not in job


def was_waiting(job: dict[str, Any]) -> bool:
    """Whether a person cancelled *job* while it waited, and the call that it remembered with it: a retry runs both."""
    return "ran_by" not in job and job["finished_at"] == job.get("cancellation", {}).get("at")
