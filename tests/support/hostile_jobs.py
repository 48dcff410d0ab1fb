"""Job code at its worst, for the runner: what it raises, and what is asked of it afterwards."""

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
def does_nothing() -> None:
    pass


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
