"""Job code at its worst, for the runner: what it raises, and what is asked of it afterwards."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mongojobs import Discard, Interrupted, JobTimeout, Snooze, job

ERRORS: dict[str, Any] = {
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "RecursionError": RecursionError,
    "StopIteration": StopIteration,
    "JobTimeout": JobTimeout,
    "Interrupted": Interrupted,
}
RAISED: dict[str, Exception] = {"Snooze": Snooze(60), "Discard": Discard("no need")}
"""A sample of each signal."""


begun = threading.Event()
"""Set once ``RunsTooLong`` runs."""


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


async def coroutine() -> str:
    return "awaited"


class Promise:
    """Can be awaited, and is no coroutine."""

    def __await__(self) -> Iterator[None]:
        yield


UNRUN: dict[str, Callable[[], object]] = {
    "a generator": generator,
    "an async generator": async_generator,
    "a coroutine": coroutine,
    "a promise": Promise,
    "a context": contextmanager(generator),
}


def passed_through(function: Callable[..., Any]) -> Callable[..., Any]:
    """Be a decorator as people write it, which does not look at what it wraps."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class SpeechlessError(Exception):
    """Cannot say what it is, and ends the program that asks."""

    def __str__(self) -> str:
        raise SystemExit("asked")


@job
def raises(name: str) -> None:
    raise ERRORS[name]


@job
async def raises_later(name: str) -> None:
    raise ERRORS[name]


@job
def raises_what_cannot_speak() -> None:
    raise SpeechlessError


@job
def raises_a_group() -> None:
    raise BaseExceptionGroup("several", [ValueError("one"), KeyboardInterrupt()])


@job
def snoozes_for_ever() -> None:
    raise Snooze(timedelta.max)


@job
def snoozes_back_in_time() -> None:
    raise Snooze(-60)


@job
def discards_for_a_reason_that_is_no_text() -> None:
    raise Discard(ValueError("half a pair: \ud800"))  # type: ignore[arg-type]  # what it is about


@job
@dataclass
class RaisesASignal:
    """Fails only if the signal *name* is mistaken for an error."""

    name: str

    def perform(self) -> None:
        raise RAISED[self.name]

    def error(self) -> None:
        raise ValueError(f"{self.name} is no error")


@job
def does_nothing() -> None:
    pass


@job
def returns(what: str) -> object:
    return UNRUN[what]()


@job
async def returns_later(what: str) -> object:
    return UNRUN[what]()


@job
@dataclass
class Returns:
    what: str

    def perform(self) -> object:
        return UNRUN[self.what]()


@job
@passed_through
async def awaited_through_a_wrapper() -> None:
    await asyncio.sleep(0)


@job
@passed_through
def read_by_nobody() -> Iterator[int]:
    yield 1


@job
@dataclass
class HostileWhenAsked:
    """Fails, and raises *error* as soon as one of its overrides is looked at; or as its hook *name* is called."""

    name: str
    error: str = "SystemExit"

    def perform(self) -> None:
        raise ValueError("no luck")

    @property
    def max_attempts(self) -> Any:
        return self._answer("max_attempts")

    @property
    def reschedule_at(self) -> Any:
        return self._answer("reschedule_at")

    @property
    def destroy_failed_jobs(self) -> Any:
        return self._answer("destroy_failed_jobs")

    def failure(self) -> None:
        self._answer("failure")

    def _answer(self, name: str) -> Any:
        if name == self.name:
            raise ERRORS.get(self.error, ValueError)


@job
@dataclass
class HasAsyncHooks:
    """Raises in the hook, or in ``perform``, that *raises* names, after it has waited a little."""

    raises: str = ""

    async def before(self) -> None:
        await self._answer("before")

    async def perform(self) -> None:
        await self._answer("perform")

    async def success(self) -> None:
        await self._answer("success")

    async def error(self, _job: Any, error: Exception) -> None:
        await self._answer("error")
        raise ValueError(f"error, as {error}")

    async def after(self) -> None:
        await self._answer("after")

    async def _answer(self, name: str) -> None:
        await asyncio.sleep(0)
        if name == self.raises:
            raise ValueError(name)


@job
@dataclass
class HasLateHooks:
    """Is no coroutine itself, and has hooks that are; and one that returns a generator."""

    raises: str = ""

    async def before(self) -> None:
        if self.raises == "before":
            raise ValueError("before")

    def perform(self) -> None:
        pass

    def success(self) -> Any:
        return generator() if self.raises == "success" else None


@job
@dataclass
class RunsTooLong:
    """Waits forever, and raises in its hook ``after``, which is a coroutine."""

    async def perform(self) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def after(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("after")
