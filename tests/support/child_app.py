"""What a child of tests imports: jobs that note in a file what happens to them."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mongojobs
from mongojobs import Discard, Job, Lifecycle, Plugin, Snooze, current_job, job
from tests.support import hostile_jobs, process_app

MODULES = hostile_jobs, process_app
"""Whose jobs the child knows too."""

NOTES = "CHILD_NOTES"
"""The file that a child's plugin writes to."""
LATER = datetime(2040, 1, 1, tzinfo=UTC)


def note(path: str, *words: object) -> None:
    """Append a line."""
    with Path(path).open("a", encoding="utf-8") as file:
        print(*words, file=file)


class Surrounds(Plugin):
    """Notes which events come up in the child."""

    def register(self, lifecycle: Lifecycle) -> None:
        """Take part in all events."""
        for event in ("perform", "invoke_job", "error", "failure"):
            lifecycle.before(event, lambda *_, event=event: note(os.environ[NOTES], event))
        lifecycle.around("invoke_job", _leave_out)


def _leave_out(proceed: Callable[[], object], job: Job) -> object:
    """Forget to let a job run that is tagged so."""
    return None if "left out" in job.tags else proceed()


if NOTES in os.environ:
    mongojobs.configure(plugins=[Surrounds()])


@job
@dataclass
class Hooked:
    """Notes its hooks, and has overrides."""

    path: str
    fails: bool = False
    max_attempts: int = 3
    destroy_failed_jobs: bool = False
    max_run_time: float = 60

    def before(self, job: Job) -> None:
        note(self.path, "before", job.id)

    def perform(self) -> str:
        this = current_job()
        assert this is not None
        note(self.path, "perform", this.id)
        if self.fails:
            raise ValueError("no luck")
        return "done"

    def success(self) -> None:
        note(self.path, "success")

    def error(self, job: Job, error: BaseException) -> None:
        note(self.path, "error", error)

    def after(self) -> None:
        note(self.path, "after")

    def failure(self, job: Job) -> None:
        note(self.path, "failure", job.attempts)

    def reschedule_at(self, now: datetime, attempts: int) -> datetime:
        note(self.path, "reschedule_at", now.isoformat(), attempts)
        return LATER


@job(retry_on=(OSError,), discard_on=(KeyError,))
def is_judged(name: str) -> None:
    raise {"OSError": OSError, "KeyError": KeyError, "ValueError": ValueError}[name]("judged")


@job
def does_nothing() -> None:
    pass


@job
def snoozes() -> None:
    raise Snooze(timedelta(seconds=1.5))


@job
def discards() -> None:
    raise Discard("not wanted any more")


@job
def rings(path: str) -> None:
    """Take a signal, which Python lets only the main thread of a process do."""
    signal.signal(signal.SIGALRM, lambda *_: note(path, "rang"))
    signal.raise_signal(signal.SIGALRM)


@job
async def awaits(path: str) -> None:
    await asyncio.sleep(0.01)
    note(path, "awaited")


@job
def forks(path: str) -> None:
    """Leave another process behind, as multiprocessing does; it knows nothing of the worker."""
    this = current_job()
    assert this is not None
    pid = os.fork()
    if pid == 0:
        os.execlp("sleep", "sleep", "60") if path == "exec" else _sleep()
    os._exit(5)


def _sleep() -> None:
    time.sleep(60)
    os._exit(0)


@job
def looks(path: str) -> None:
    """Note what the job looks like from inside."""
    this = current_job()
    assert this is not None
    note(path, this.id, this.queue, this.state, this.attempts, this.run_at.isoformat(), this.tags, this.stopping)
