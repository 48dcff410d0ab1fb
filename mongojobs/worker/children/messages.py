"""What a worker and its children tell each other, as documents.

The worker sends ``run`` with a job and the server's time, ``interrupt`` with the name of an exception, ``stopping``,
``lost`` and ``saved``. The child sends ``ready`` once, ``limit``, ``complaint``, ``told``, ``lines`` and ``aside``
during a run, and ``outcome`` at its end. Around a transaction of the job it sends ``pause``, which is answered by
``paused``, and then ``resume`` or ``committed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from mongojobs.core.errors import Cancelled, Interrupted, JobTimeout
from mongojobs.core.inside.log import Entry, LogLine
from mongojobs.core.inside.record import Told
from mongojobs.core.job import Document, ErrorText, Job
from mongojobs.core.notices import CallbackRaised
from mongojobs.core.transitions import Crashed, Outcome
from mongojobs.store.documents import read_fields, to_document, to_fields

READY: Final[Document] = {"kind": "ready"}
STOPPING: Final[Document] = {"kind": "stopping"}
LOST: Final[Document] = {"kind": "lost"}
PAUSE: Final[Document] = {"kind": "pause"}
RESUME: Final[Document] = {"kind": "resume"}
COMMITTED: Final[Document] = {"kind": "committed"}

INTERRUPTIONS: Final[dict[str, type[BaseException]]] = {
    one.__name__: one for one in (JobTimeout, Cancelled, Interrupted)
}

REPEATED: Final = frozenset({"error", "failure", "cancelled"})
"""The events of a run that come up in the worker once they have in the child; all others are the worker's own."""

_OUTCOMES: Final = {one.__name__: one for one in get_args(Outcome) if one is not Crashed}
"""How a run can end in a child, which cannot report its own crash."""

_MICROSECOND: Final = timedelta(microseconds=1)


def run(job: Job, now: datetime, interrupted: type[BaseException] | None) -> Document:
    """Tell the child to run *job*, or judge it if it was *interrupted* already; *now* is the server's time."""
    exception = interrupted and interrupted.__name__
    return {"kind": "run", "job": to_document(job), "now": now, "exception": exception}


def interrupt(exception: type[BaseException], job: Job) -> Document:
    """Tell the child to raise *exception* in the code that it is running; and who, if anybody, has cancelled *job*."""
    return {"kind": "interrupt", "exception": exception.__name__, "cancellation": job.cancellation}


def paused(*, is_ours: bool) -> Document:
    """Tell the child whether the lock of its job has been renewed, and is left alone from now on."""
    return {"kind": "paused", "is_ours": is_ours}


def limit(run_time: timedelta, max_attempts: int | None) -> Document:
    """Report the limits that the job object sets, which only the child has loaded."""
    return {"kind": "limit", "run_time": run_time // _MICROSECOND, "max_attempts": max_attempts}


def limit_of(message: Document) -> tuple[timedelta, int | None]:
    """Return the contents of a ``limit``."""
    return message["run_time"] * _MICROSECOND, message["max_attempts"]


def complaint(notice: CallbackRaised) -> Document:
    """Report a callback that raised."""
    return {"kind": "complaint", "what": _plain(notice.what), "trace": _plain(notice.trace)}


def complaint_of(message: Document) -> tuple[str, str]:
    """Return the contents of a ``complaint``."""
    return message["what"], message["trace"]


def told(record: Told, number: int = 0) -> Document:
    """Report what the job has told of itself; with a *number*, it waits until that is stored."""
    return {"kind": "told", "fields": to_fields(record.fields()), "number": number}


def told_of(message: Document) -> Document:
    """Return the contents of a ``told``, as fields of the job."""
    return read_fields(message["fields"])


def aside(rows: str, row: str, deaths: int) -> Document:
    """Report a *row* that is left out."""
    return {"kind": "aside", "rows": rows, "row": row, "deaths": deaths}


def lines(entries: Sequence[LogLine], dropped: int) -> Document:
    """Report what the job has logged, and how many more were *dropped* before."""
    written = [{"at": one.at.timestamp(), "level": one.level, "text": one.text} for one in entries]
    return {"kind": "lines", "lines": written, "dropped": dropped}


def lines_of(message: Document) -> tuple[list[Entry], int]:
    """Return the contents of ``lines``."""
    return [Entry(one["at"], one["level"], one["text"]) for one in message["lines"]], message["dropped"]


def saved(number: int, *, is_ours: bool) -> Document:
    """Tell the child that what it told with this *number* is stored, unless the job is lost."""
    return {"kind": "saved", "number": number, "is_ours": is_ours}


def outcome(ended: Outcome, events: Sequence[str]) -> Document:
    """Report how the run ended, and which lifecycle *events* came up with that."""
    facts = {fact.name: _told(getattr(ended, fact.name)) for fact in fields(ended)}
    return {"kind": "outcome", "name": type(ended).__name__, "facts": facts, "events": list(events)}


def outcome_of(message: Document) -> Outcome:
    """Return the contents of an ``outcome``. Raises ValueError if it is not one."""
    name = message["name"]
    if name not in _OUTCOMES:
        raise ValueError(f"a child ends no run as {name!r}")
    ended: Outcome = _OUTCOMES[name](**{fact: _understood(value) for fact, value in message["facts"].items()})
    return ended


def _told(fact: object) -> object:
    match fact:
        case ErrorText(error=error, trace=trace):
            return {"error": error, "trace": trace}
        case timedelta():
            return {"microseconds": fact // _MICROSECOND}
        case _:
            return fact


def _understood(fact: Any) -> Any:
    match fact:
        case {"error": _}:
            return ErrorText(**fact)
        case {"microseconds": _}:
            return timedelta(**fact)
        case _:
            return fact


def _plain(text: str) -> str:
    """Return *text* without what UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode()
