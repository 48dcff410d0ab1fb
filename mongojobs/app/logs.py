"""Reading what jobs have logged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Final

from mongojobs.core.checks import attempts
from mongojobs.core.errors import OptionError
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.job import ENDED, JobId
from mongojobs.enqueuing import current
from mongojobs.store.faults import DatabaseError, plain_errors
from mongojobs.store.jobs import JobStore
from mongojobs.store.logs.log_store import LogStore, logs_of
from mongojobs.store.stream import LogStream

LOOK_SECONDS: Final = 1.0


class LogsOfApp:
    """The part of an app that reads logs; ``MongoJobs`` is the whole."""

    @property
    def store(self) -> JobStore:
        """The life of the jobs in their collection."""
        raise NotImplementedError

    @property
    def log_store(self) -> LogStore:
        """What jobs have logged."""
        return logs_of(self.store.queries)

    @plain_errors()
    def log(self, job_id: JobId, *, attempt: int | None = None) -> list[LoggedRun]:
        """Return what is kept of the log of a job, by run, the first one first; of one *attempt* if it is given.

        It is there for ``log_retention``, whatever becomes of the job, unless that is deleted by hand. A job without
        ``keep_log`` has none. Raises OptionError, StoreUnavailableError.
        """
        wanted = None if attempt is None else _checked(attempt)
        memory = current.memory_of(self)
        runs: list[LoggedRun] = self.log_store.read(job_id) if memory is None else memory.logs(job_id)
        return [run for run in runs if wanted in (None, run.attempt)]

    def follow_log(self, job_id: JobId, *, attempt: int | None = None) -> Iterator[LoggedRun]:
        """Yield what is kept of the log of a job, by run, and then new lines of its runs until the job has ended.

        They come by a change stream where the server has one, and are looked for every second elsewhere. A job that
        waits is waited for. Raises as ``log``.
        """
        wanted = None if attempt is None else _checked(attempt)
        return (run for run in self._followed(job_id, wanted) if run is not None)

    async def afollow_log(self, job_id: JobId, *, attempt: int | None = None) -> AsyncIterator[LoggedRun]:
        """Do what ``follow_log`` does without blocking the event loop; for ``async for``."""
        followed, over = self._followed(job_id, None if attempt is None else _checked(attempt)), object()
        try:
            while (run := await asyncio.to_thread(next, followed, over)) is not over:
                if isinstance(run, LoggedRun):
                    yield run
        finally:
            with suppress(ValueError):  # it is waiting in its thread, and ends when that has looked once more
                followed.close()

    def _followed(self, job_id: JobId, wanted: int | None) -> Generator[LoggedRun | None]:
        """Yield what ``follow_log`` does, and None after each wait; in memory, where no job runs meanwhile, all."""
        if current.memory_of(self) is not None:
            yield from self.log(job_id, attempt=wanted)
            return
        logs = self.log_store
        with closing(_Waiting(lambda: logs.stream(job_id))) as waiting, plain_errors():
            pieces = logs.pieces(job_id)
            while True:
                is_over = self._has_ended(job_id)
                yield from (run for run in pieces.new() if wanted in (None, run.attempt))
                if is_over:
                    return
                waiting.wait()
                yield None

    def _has_ended(self, job_id: JobId) -> bool:
        job = self.store.get(job_id)
        return job is None or job.state in ENDED


class _Waiting:
    """Waits for new lines of a log: by a stream, or for a second where there is none, or it is cut off."""

    def __init__(self, open_stream: Callable[[], LogStream | None]) -> None:
        self._never = threading.Event()
        self._stream: LogStream | None = None
        with suppress(DatabaseError):
            self._stream = open_stream()

    def wait(self) -> None:
        """Wait until there may be something."""
        if self._stream is None:
            self._never.wait(LOOK_SECONDS)
            return
        try:
            self._stream.next()
        except DatabaseError:
            self.close()

    def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _checked(attempt: object) -> int:
    try:
        return attempts(attempt)
    except ValueError as error:
        raise OptionError(f"attempt {error}, got {attempt!r:.100}") from None
