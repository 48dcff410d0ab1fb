"""The run of a job without a worker: in inline mode, and in tests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from mongojobs.core.calling import label, ran
from mongojobs.core.inside.log import Lines, LoggedRun, logged_at_once, most_kept
from mongojobs.core.inside.record import Means, Record, Telling

T = TypeVar("T")


def run_alone(function: Callable[[None], T]) -> T:
    """Call *function* where a transaction would. Raises NotRunError as that does."""
    return ran(label(function), function(None))


class Alone:
    """A run that nobody stops, and that is over when its caller goes on."""

    stopping = lost = False
    seconds: float | None = None

    def __init__(self, job: Telling, means: Callable[[], Means]) -> None:
        self.record: Record | None = None
        self._job = job
        self._means = means
        self._lines: Lines | None = None

    def wait(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Run *coroutine* to its end, where ``async def`` jobs run."""
        return self._means().wait(coroutine)

    def transaction(self) -> AbstractContextManager[None]:
        """Return nothing to commit: what a worker's death could tear apart is in one piece here."""
        return nullcontext()

    def in_transaction(self, function: Callable[[None], T]) -> T:
        """Call *function*, as ``run_alone`` does."""
        return run_alone(function)

    def recording(self) -> Record:
        """Return the record, made now if it is not there."""
        self.record = self.record or Record(self._job, replace(self._means(), lines=self._open))
        return self.record

    def logged(self) -> tuple[LoggedRun, ...]:
        """Return what is kept of what the job has logged."""
        if self._lines is None:
            return ()
        return logged_at_once(self._lines, self._means().clean, most_kept(self._job))

    def _open(self) -> Lines | None:
        if self._job.keep_log is not None:
            self._lines = Lines(2 * most_kept(self._job))
        return self._lines
