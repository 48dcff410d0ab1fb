"""Workers for tests: `work_off` runs what is due, `working` works alongside the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mongojobs import MongoJobs, Worker

_LONGEST_STOP_SECONDS = 30


def work_off(limit: int = 100, *, app: MongoJobs | None = None, **settings: Any) -> tuple[int, int]:
    """Run up to *limit* jobs that are due, here, and return successes and failures."""
    return Worker(app=app, **settings).work_off(limit)


class Shift(threading.Thread):
    """A worker at work in its own thread."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(name=f"test-{worker.name}")
        self.worker = worker
        self.status: int | None = None

    def run(self) -> None:
        self.status = self.worker.start()

    def end(self, *, now: bool = False) -> int | None:
        """Stop the worker, wait until it has stopped, and return its exit status."""
        self.worker.stop(now=now)
        self.join(_LONGEST_STOP_SECONDS)
        if self.is_alive():
            raise AssertionError(f"{self.name} does not stop")
        return self.status


@contextmanager
def working(*, app: MongoJobs | None = None, **settings: Any) -> Iterator[Shift]:
    """Let a worker run during the block, and stop it at the end."""
    shift = Shift(Worker(app=app, **settings))
    shift.start()
    try:
        yield shift
    finally:
        shift.end()
