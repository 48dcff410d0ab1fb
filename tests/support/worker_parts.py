"""Parts of a worker on their own: jobs that are held, a store without a database, and what was told."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from pymongo.errors import AutoReconnect, OperationFailure

from mongojobs.core.clock import Clock, elapsed_seconds
from mongojobs.core.inside.record import Means
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import Notice
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Ending
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob
from tests.support.clock import HeldClock
from tests.support.jobs import a_job

N = TypeVar("N", bound=Notice)

AWAY = AutoReconnect("connection closed")
REFUSED = OperationFailure("over the quota", 8000)
UNSTORABLE = OperationFailure("Document failed validation", 121)


class Told(Lifecycle):
    """A lifecycle that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[Notice] = []
        self.on_notice(self.notices.append)

    def of(self, kind: type[N]) -> list[N]:
        return [notice for notice in self.notices if isinstance(notice, kind)]


def a_held(*, expires_in: float = 60, is_async: bool = False, **changes: Any) -> InFlightJob:
    """Return a job as a worker holds it, under its own token."""
    job = a_job(**{"lock_token": uuid4().hex, "state": "running", "fence": 1} | changes)
    return InFlightJob(job, expires=elapsed_seconds() + expires_in, is_async=is_async, stopping=threading.Event())


def held_of(job: Job, *, clock: Clock) -> InFlightJob:
    """Return a reserved *job* as a worker holds it, and its record on this *clock*."""
    held = InFlightJob(job, expires=elapsed_seconds() + 60, stopping=threading.Event())
    held.means = lambda _held: Means(clock)
    return held


def some_held(count: int, **changes: Any) -> list[InFlightJob]:
    return [a_held(**changes) for _ in range(count)]


def in_flight_of(*held: InFlightJob, threads: int = 1, async_concurrency: int = 10) -> InFlight:
    """Return what is in flight where *held* wait."""
    in_flight = InFlight(threads=threads, async_concurrency=async_concurrency)
    in_flight.add(held)
    return in_flight


class HitWhileCleared(threading.Event):
    """An event, set at first, a step before whose first clearing *what* happens."""

    def __init__(self, what: Callable[[], object]) -> None:
        super().__init__()
        self._to_happen = [what]
        self.set()

    def clear(self) -> None:
        while self._to_happen:
            self._to_happen.pop()()
        super().clear()


class FakeStore:
    """Answers each call as it is told: ``store.on("renew", AWAY, [])`` fails once and succeeds then.

    What nothing is said of succeeds. `calls` holds the name of each call with what it was called with.
    """

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.settings = Settings()
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self._answers: dict[str, list[Any]] = {}

    def on(self, name: str, *answers: Any) -> None:
        self._answers.setdefault(name, []).extend(answers)

    def called(self, name: str) -> list[Any]:
        """Return what was given to each call of *name*: its first argument."""
        return [first for called, first, _ in self.calls if called == name]

    def options(self, name: str) -> list[dict[str, Any]]:
        return [options for called, _, options in self.calls if called == name]

    def reserve(self, wanted: object, **options: Any) -> list[Job]:
        jobs: list[Job] = self._answer("reserve", wanted, options, [])
        return jobs[: options["limit"]]

    def adopt(self, token: str, **options: Any) -> list[Job]:
        jobs: list[Job] = self._answer("adopt", token, options, [])
        return jobs

    def renew(self, jobs: list[Job], **options: Any) -> list[Job]:
        lost: list[Job] = self._answer("renew", jobs, options, [])
        return lost

    def tell(self, jobs: list[Job]) -> list[Job]:
        lost: list[Job] = self._answer("tell", jobs, {}, [])
        return lost

    def finish(self, jobs: list[Job], **options: Any) -> list[Job]:
        lost: list[Job] = self._answer("finish", jobs, options, [])
        return lost

    def release(self, jobs: list[Job], **options: Any) -> list[Job]:
        lost: list[Job] = self._answer("release", jobs, options, [])
        return lost

    def end(self, job: Job, ending: Ending, **options: Any) -> bool:
        return bool(self._answer("end", (job, ending), options, True))

    def end_all(self, endings: list[tuple[Job, Ending]], **options: Any) -> list[Job]:
        lost: list[Job] = self._answer("end_all", [job for job, _ in endings], options, [])
        return lost

    def _answer(self, name: str, first: Any, options: dict[str, Any], default: Any) -> Any:
        self.calls.append((name, first, options))
        answers = self._answers.get(name)
        answer = answers.pop(0) if answers else default
        if isinstance(answer, BaseException):
            raise answer
        return answer() if isinstance(answer, Callable) else answer  # type: ignore[arg-type]  # any callable


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
