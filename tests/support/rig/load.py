"""Enqueuers that run alongside a test, and record which jobs were acknowledged."""

import itertools
import threading
from collections.abc import Callable
from typing import Any, Self

from mongojobs import EnqueueUnknownError, Job, MongoJobs, StoreUnavailableError
from mongojobs.enqueuing.functions import JobFunction
from tests.support.rig.checker import Enqueued

Enqueue = Callable[[int], Job]


class Register:
    """What became of each enqueue; each job gets a unique number, which is its argument."""

    def __init__(self, app: MongoJobs) -> None:
        self._app = app
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self.enqueued: dict[str, Enqueued] = {}
        self.refused: set[int] = set()

    def enqueue(self, call: Enqueue) -> int:
        """Let *call* enqueue a job with the next number, note what was answered, and return the number."""
        with self._guard:
            number = next(self._numbers)
        try:
            with self._app.active():
                job = call(number)
        except EnqueueUnknownError as error:
            self.note(error.job_id, Enqueued(number, is_known=False))
        except StoreUnavailableError:
            self.refused.add(number)
        else:
            self.note(job.id, Enqueued(number))
        return number

    def enqueue_many(self, function: JobFunction[Any, Any], count: int) -> None:
        """Enqueue *count* jobs of *function* in one call."""
        with self._guard:
            numbers = [next(self._numbers) for _ in range(count)]
        with self._app.active():
            made = function.delay_many([(number,) for number in numbers])
        for job, number in zip(made, numbers, strict=True):
            self.note(job.id, Enqueued(number))

    def note(self, job_id: object, enqueued: Enqueued) -> None:
        """Keep what was answered."""
        with self._guard:
            self.enqueued[str(job_id)] = enqueued


class Load:
    """Threads that enqueue, one job after the other, while the block lasts."""

    def __init__(self, register: Register, *calls: Enqueue, threads: int = 2, pause_seconds: float = 0.01) -> None:
        self._register = register
        self._calls = itertools.cycle(calls)
        self._pause = pause_seconds
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name="load", daemon=True) for _ in range(threads)]
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            while not self._over.wait(self._pause):
                with self._guard:
                    call = next(self._calls)
                self._register.enqueue(call)
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            self.error = error
