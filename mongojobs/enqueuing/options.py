"""The options of an enqueue: one list, the same for every way to enqueue."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypedDict

from bson import ObjectId

from mongojobs.core.clock import truncate
from mongojobs.core.errors import OptionError
from mongojobs.core.job import JobId
from mongojobs.core.limits import HIGHEST_PRIORITY, LONGEST_NAME, LOWEST_PRIORITY
from mongojobs.core.settings import plain_text, queue_name
from mongojobs.core.words.durations import parse_duration

if TYPE_CHECKING:
    from mongojobs.store.clients import Session

MOST_TAGS = 100


class EnqueueOptions(TypedDict, total=False):
    """The options as keyword arguments, for the type checker. ``Options`` explains them."""

    queue: str
    priority: int
    run_at: datetime
    run_in: timedelta | float | str
    max_attempts: int
    max_run_time: timedelta | float | str
    tags: Sequence[str]
    meta: Mapping[str, Any]
    session: Session
    job_id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How, when and where a job is to run; None leaves it to the declaration, the payload and the settings.

    *run_at* must be aware; *run_in* and *max_run_time* are durations: ``timedelta``, seconds, or a text such as ``5m``.
    *job_id* chosen by the caller makes the enqueue repeatable. *session* takes part in the caller's transaction. Raises
    OptionError.
    """

    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    run_in: timedelta | None = None
    max_attempts: int | None = None
    max_run_time: timedelta | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] | None = None
    session: Session | None = None
    job_id: JobId | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options *given* as keyword arguments, checked."""
        return NO_OPTIONS.with_changes(given)

    def with_changes(self, given: Mapping[str, Any]) -> Options:
        """Return these options overlaid with those *given*."""
        for name in given:
            if name not in _CHECKS:
                raise OptionError(unknown_option(name))
        values: dict[str, Any] = {name: _checked(name, value) for name, value in given.items() if value is not None}
        changed = dataclasses.replace(self, **values)
        if changed.run_at is not None and changed.run_in is not None:
            raise OptionError("give run_at or run_in, not both")
        return changed

    def shown(self) -> list[str]:
        """Return those that were given, as they are written."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return [f"{name}={value!r}" for name, value in given.items() if value not in (None, ())]


def unknown_option(name: str, more: Iterable[str] = ()) -> str:
    """Return what to say of an option that is none of an enqueue and none of *more*."""
    known = [*_CHECKS, *more]
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return f"unknown option {name!r}{hint} The options are {', '.join(known)}"


def _checked(name: str, value: object) -> object:
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise OptionError(f"{name} {error}, got {value!r:.200}") from None


def _priority(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise ValueError(f"must be a whole number between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}")
    return int(value)


def _run_at(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise ValueError("must be a datetime with a time zone")
    if value.utcoffset() is None:
        raise ValueError("must have a time zone, as datetime.now(UTC) has")
    return truncate(value)


def _run_in(value: object) -> timedelta:
    delay = parse_duration(value)
    if delay < timedelta(0):
        raise ValueError("must be 0 or more")
    return delay


def _max_attempts(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= HIGHEST_PRIORITY:
        raise ValueError("must be a whole number, 1 or more")
    return int(value)


def _max_run_time(value: object) -> timedelta:
    limit = parse_duration(value)
    if limit <= timedelta(0):
        raise ValueError("must be more than 0")
    return limit


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError("must be a list of texts")
    if len(value) > MOST_TAGS:
        raise ValueError(f"must be at most {MOST_TAGS} texts")
    if not all(isinstance(tag, str) and 0 < len(tag) <= LONGEST_NAME for tag in value):
        raise ValueError(f"must be texts of 1 to {LONGEST_NAME} characters")
    return tuple(map(plain_text, value))


def _meta(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a dict")
    return value


def _session(value: object) -> object:
    if not hasattr(value, "in_transaction"):
        raise ValueError("must be a PyMongo ClientSession")
    return value


def _job_id(value: object) -> JobId:
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return plain_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise ValueError(f"must be an ObjectId, a 64-bit int or a printable text of 1 to {LONGEST_NAME} characters")


_CHECKS = {
    "queue": queue_name,
    "priority": _priority,
    "run_at": _run_at,
    "run_in": _run_in,
    "max_attempts": _max_attempts,
    "max_run_time": _max_run_time,
    "tags": _tags,
    "meta": _meta,
    "session": _session,
    "job_id": _job_id,
}
NO_OPTIONS = Options()
