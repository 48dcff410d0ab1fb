"""A step of a job: done once, and not again when the job runs again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.values import Values

_LONGEST_TOOK: Final = 2**53


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step that is done, for people to look at: when, and how long it took."""

    name: str
    at: datetime | None
    took: timedelta | None


def steps_of(stored: Iterable[Mapping[str, Any]]) -> list[DoneStep]:
    """Return the steps that are *stored*, as far as they are not damaged."""
    return [_shown(entry) for entry in stored]


def _shown(entry: Mapping[str, Any]) -> DoneStep:
    at, took = entry.get("at"), entry.get("took")
    return DoneStep(
        name=str(entry.get("name")),
        at=at if isinstance(at, datetime) else None,
        took=timedelta(milliseconds=took) if isinstance(took, int) and 0 <= took < _LONGEST_TOOK else None,
    )


class Step:
    """One step, for a ``with`` block; made by ``current_job().step(name)``."""

    def __init__(
        self,
        name: str,
        stored: Mapping[str, Any] | None,
        values: Values,
        finish: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self.name = name
        self._stored = stored
        self._values = values
        self._finish = finish
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the step as it is: one that is not ``done`` is to be done again."""

    @property
    def todo(self) -> bool:
        """Whether it is still to be done, by this run."""
        return self._stored is None

    @property
    def value(self) -> Any:
        """The value it was done with, in this run or an earlier one. Raises ProgressError while it is to be done."""
        if self._stored is None:
            raise ProgressError(f"the step {self.name!r} has no value until it is done: call step.done(value)")
        return self._values.decode(self._stored.get("value"), f"the step {self.name!r}")

    def done(self, value: object = None) -> None:
        """Note that it is done, with a *value* that can be an argument; stored when this returns.

        Raises ProgressError if it was done before, or the value is too large, and UnstorableValueError.
        """
        if self._stored is not None:
            raise ProgressError(f"the step {self.name!r} is done already: look at step.todo first")
        stored = self._values.encode(value, f"the value of the step {self.name!r}")
        took = int((time.monotonic() - self._begun) * 1000)
        entry = {"name": self.name, "value": stored, "took": took}
        self._finish(entry)
        self._stored = entry

    async def adone(self, value: object = None) -> None:
        """Do as ``done`` without blocking the event loop."""
        await asyncio.to_thread(self.done, value)
