"""What a running job may ask about its own run, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from mongojobs.core.inside.record import Record, Told

T = TypeVar("T")


class Run(Protocol):
    """What a running job may ask about its own run."""

    @property
    def stopping(self) -> bool:
        """Whether the worker has been told to stop."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the lock could not be renewed for a whole lease, so that another worker may run the job."""
        ...

    @property
    def seconds(self) -> float | None:
        """How long the run took, once it has ended."""
        ...

    @property
    def record(self) -> Told | None:
        """What the job has told of itself in this run; None if nothing."""
        ...

    def recording(self) -> Record:
        """Return the record, made now if it is not there."""
        ...

    def wait(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Run *coroutine* where ``async def`` jobs run, and wait for it here; return or raise whatever that does."""
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a transaction that ends the job, for a ``with`` block."""
        ...

    def in_transaction(self, function: Callable[[Any], T]) -> T:
        """Call *function* in such a transaction, again after a conflict, and return what it returns."""
        ...
