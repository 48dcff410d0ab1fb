"""What a worker and its children tell each other, as documents.

The worker sends ``run`` with a job and the server's time, ``interrupt`` with the name of an exception, ``stopping`` and
``lost``. The child sends ``ready`` once, ``limit`` and ``complaint`` during a run, and ``outcome`` at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from mongojobs.core.errors import Interrupted, JobTimeout
from mongojobs.core.job import Document, ErrorText, Job
from mongojobs.core.notices import CallbackRaised
from mongojobs.store.documents import to_document
from mongojobs.worker.run.outcome import (
    Crashed,
    Deferred,
    Discarded,
    Errored,
    GivenUp,
    HandedBack,
    Outcome,
    Snoozed,
    Succeeded,
)

READY: Final[Document] = {"kind": "ready"}
STOPPING: Final[Document] = {"kind": "stopping"}
LOST: Final[Document] = {"kind": "lost"}

INTERRUPTIONS: Final[dict[str, type[BaseException]]] = {one.__name__: one for one in (JobTimeout, Interrupted)}

_MICROSECOND: Final = timedelta(microseconds=1)


def run(job: Job, now: datetime, interrupted: type[BaseException] | None) -> Document:
    """Let the child run *job*, or judge it where it was *interrupted* already; it is *now* by the server's clock."""
    exception = interrupted and interrupted.__name__
    return {"kind": "run", "job": to_document(job), "now": now, "exception": exception}


def interrupt(exception: type[BaseException]) -> Document:
    """Let the child raise *exception* in the code that it runs."""
    return {"kind": "interrupt", "exception": exception.__name__}


def limit(run_time: timedelta, max_attempts: int | None) -> Document:
    """Tell what the job object says of itself, which only the child has loaded."""
    return {"kind": "limit", "run_time": run_time // _MICROSECOND, "max_attempts": max_attempts}


def limit_of(message: Document) -> tuple[timedelta, int | None]:
    """Return what ``limit`` tells."""
    return message["run_time"] * _MICROSECOND, message["max_attempts"]


def complaint(notice: CallbackRaised) -> Document:
    """Tell of a callback that raised."""
    return {"kind": "complaint", "what": _plain(notice.what), "trace": _plain(notice.trace)}


def complaint_of(message: Document) -> tuple[str, str]:
    """Return what ``complaint`` tells."""
    return message["what"], message["trace"]


def outcome(ended: Outcome, events: Sequence[str]) -> Document:
    """Tell how the run ended, and which lifecycle *events* came up at that."""
    return {"kind": "outcome", "name": type(ended).__name__, "events": list(events), **_fields(ended)}


def outcome_of(message: Document) -> Outcome:
    """Return what ``outcome`` tells."""
    match message["name"]:
        case "Succeeded":
            return Succeeded()
        case "Errored":
            return Errored(_error(message), message["run_at"])
        case "GivenUp":
            return GivenUp(_error(message), message["reason"], message["destroy"])
        case "Snoozed":
            return Snoozed(message["delay"] * _MICROSECOND)
        case "Deferred":
            return Deferred(message["reason"], message["delay"] * _MICROSECOND)
        case "Discarded":
            return Discarded(message["reason"])
        case "HandedBack":
            return HandedBack()
        case name:
            raise ValueError(f"a child ends no run as {name!r}")


def _fields(ended: Outcome) -> dict[str, Any]:
    match ended:
        case Succeeded() | HandedBack():
            return {}
        case Errored(error, run_at):
            return {"error": error.error, "trace": error.trace, "run_at": run_at}
        case GivenUp(error, reason, destroy):
            return {"error": error.error, "trace": error.trace, "reason": reason, "destroy": destroy}
        case Snoozed(delay):
            return {"delay": delay // _MICROSECOND}
        case Deferred(reason, delay):
            return {"reason": reason, "delay": delay // _MICROSECOND}
        case Discarded(reason):
            return {"reason": reason}
        case Crashed():
            raise ValueError("a child cannot tell of its own crash")
        case _:
            assert_never(ended)


def _error(message: Document) -> ErrorText:
    return ErrorText(error=message["error"], trace=message["trace"])


def _plain(text: str) -> str:
    """Return *text* without what UTF-8 cannot write."""
    return text.encode("utf-8", "backslashreplace").decode()
