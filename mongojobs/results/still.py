"""For jobs that nobody runs while one waits, as in tests: any wait is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mongojobs.core.errors import ResultTimeoutError
from mongojobs.core.job import READY
from mongojobs.results.waiting import W, Waiting


class Still:
    """Refuses to wait, and says *why*."""

    trouble = None

    def __init__(self, why: str) -> None:
        self._why = why

    @contextmanager
    def waiting(self, waiter: W) -> Iterator[W]:
        """Let *waiter* look, but not wait. Raises ResultTimeoutError once it does."""
        waiter.listen = partial(self._refuse, waiter)
        yield waiter

    def _refuse(self, waiter: Waiting) -> None:
        job_id = waiter.job_id
        raise ResultTimeoutError(f"the job {job_id} has not ended: {self._why}", job_id=job_id, state=READY)
