"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mongojobs.core.job import ErrorText


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The job's work is done."""


@dataclass(frozen=True, slots=True)
class Errored:
    """The run failed, and the job is to run again at *run_at*."""

    error: ErrorText
    run_at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The run failed, and the job is given up on for *reason*; deleted if *destroy*."""

    error: ErrorText
    reason: str
    destroy: bool


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process that ran the job has ended, and the worker lives: a loss, no attempt.

    The *reason* is there if the job is given up on.
    """

    error: ErrorText
    reason: str | None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The job asked to be run again after *delay*."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class Deferred:
    """The job cannot be loaded here and now, for *reason*; after *delay* it may be, or another worker may know it."""

    reason: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Discarded:
    """The job gave itself up."""

    reason: str


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The run was interrupted because the worker stops; the release write follows when all have ended."""


Ending = Succeeded | Errored | GivenUp | Crashed | Snoozed | Deferred | Discarded
"""How a run came to an end of its own: each has a write of its own."""

Outcome = Ending | HandedBack
