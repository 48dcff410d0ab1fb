"""One who waits for the end of a job, in a thread or on an event loop, and until when."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Protocol, TypeVar

from mongojobs.core.checks import delay
from mongojobs.core.errors import OptionError
from mongojobs.core.inside.home import Timeout
from mongojobs.core.job import Job, JobId


class Deadline:
    """When the *timeout* of a call is over, counted from now. Raises OptionError for what is no duration."""

    def __init__(self, timeout: Timeout) -> None:
        try:
            seconds = None if timeout is None else delay(timeout).total_seconds()
        except ValueError as error:
            raise OptionError(f"timeout {error}, got {timeout!r:.100}") from None
        self._ends = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0; None without a limit."""
        return None if self._ends is None else max(self._ends - time.monotonic(), 0.0)


class Waiting:
    """One who waits for the end of *job*.

    ``wake`` may be called from any thread, and for nothing: whoever was woken looks.
    """

    def __init__(self, job: Job) -> None:
        self.job_id: JobId = job.id
        self.is_kept: bool = job.keep_result is not None
        """Whether the end of the job is announced: that of one which is deleted then is not."""
        self.since: float = time.monotonic()
        self.listen: Callable[[], object] = _nothing
        """Makes somebody listen; called before each wait."""

    def wake(self) -> None:
        """End the wait, or the next one."""
        raise NotImplementedError


class Waiter(Waiting):
    """One who waits in a thread."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._woken = threading.Event()

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._woken.set()

    def wait(self, seconds: float | None) -> bool:
        """Wait to be woken, for this long at most; False if that did not happen."""
        if seconds == 0:
            return False
        self.listen()
        is_woken = self._woken.wait(seconds)
        self._woken.clear()
        return is_woken


class AsyncWaiter(Waiting):
    """One who waits on the event loop that is running."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the wait, or the next one."""
        with suppress(RuntimeError):  # the loop has closed, and nobody waits any more
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, seconds: float | None) -> bool:
        """Wait to be woken, for this long at most; False if that did not happen."""
        if seconds == 0:
            return False
        self.listen()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        is_woken = self._woken.is_set()
        self._woken.clear()
        return is_woken


W = TypeVar("W", bound=Waiting)


class Waiters(Protocol):
    """Wakes those who wait, when the job may have ended."""

    @property
    def trouble(self) -> Exception | None:
        """Why the database cannot be asked at the moment, if it cannot."""
        ...

    def waiting(self, waiter: W) -> AbstractContextManager[W]:
        """Wake *waiter* in the block."""
        ...


def _nothing() -> None:
    """Leave it at that: somebody listens."""
