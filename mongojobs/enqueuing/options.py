"""The options of an enqueue: one list, the same for every way to enqueue.

Those that are kept with the job are declared with the fields of ``Job``, the others here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from mongojobs.core import checks
from mongojobs.core.errors import OptionError
from mongojobs.core.fields import Option, option
from mongojobs.core.job import FIELDS, JOB_OPTIONS, Bytes, JobId
from mongojobs.unique import checks as unique_checks
from mongojobs.unique.checks import Unique, UniqueOptions
from mongojobs.unique.terms import NAMES as UNIQUE_OPTIONS

if TYPE_CHECKING:
    from mongojobs.store.clients import Session


class EnqueueOptions(UniqueOptions, total=False):
    """The options as keyword arguments, for the type checker. ``Options`` explains them."""

    queue: str | None
    priority: int | None
    run_at: datetime | None
    run_in: timedelta | float | str | None
    max_attempts: int | None
    max_run_time: timedelta | float | str | None
    expires_at: datetime | None
    expires_in: timedelta | float | str | None
    keep_result: timedelta | float | str | None
    keep_log: int | str | None
    tags: Sequence[str] | None
    meta: Mapping[str, Any] | None
    session: Session | None
    job_id: JobId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How, when and where a job should run; None leaves it to the declaration, the payload and the settings.

    *run_at* and *expires_at* must be aware; *run_in*, *expires_in*, *max_run_time* and *keep_result* are durations:
    ``timedelta``, seconds, or a text such as ``5m``. *keep_log* is a size: bytes, or a text such as ``64k``.
    *job_id* chosen by the caller makes the enqueue repeatable. *session* takes part in the caller's transaction. Raises
    OptionError.
    """

    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    run_in: timedelta | None = field(
        default=None, metadata=option(checks.delay, "how long it waits before it is due", flags=("--in",))
    )
    max_attempts: int | None = None
    max_run_time: timedelta | None = None
    expires_at: datetime | None = None
    expires_in: timedelta | None = field(
        default=None,
        metadata=option(
            checks.time_limit, "how long until it is cancelled unless it has begun", flags=("--expires-in",)
        ),
    )
    keep_result: timedelta | None = None
    keep_log: Bytes | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] | None = None
    session: Session | None = field(
        default=None, metadata=option(checks.session, "a PyMongo session whose transaction it takes part in")
    )
    job_id: JobId | None = field(
        default=None,
        metadata=option(checks.job_id, "an id of your choice: a second enqueue with it changes nothing", metavar="ID"),
    )
    unique: Unique | None = field(
        default=None,
        metadata=option(unique_checks.unique, "the arguments that make two calls the same", is_declared=True),
    )
    unique_key: JobId | None = field(
        default=None,
        metadata=option(
            checks.job_id,
            "a key that no other job of its name may hold meanwhile",
            metavar="KEY",
            of_object="unique_key",
            is_declared=True,
        ),
    )
    across: str | None = field(
        default=None,
        metadata=option(unique_checks.word, "a word: the key is one among all jobs that say it", is_declared=True),
    )
    on_duplicate: str | None = field(
        default=None,
        metadata=option(
            unique_checks.on_duplicate,
            "what to do when the key is held: return, raise, replace or rerun",
            is_declared=True,
        ),
    )
    keep: str | None = field(
        default=None,
        metadata=option(
            unique_checks.keep, "which time a replaced call leaves: earlier, later or last", is_declared=True
        ),
    )
    unique_until: str | None = field(
        default=None,
        metadata=option(unique_checks.until, "how long it holds its key: until its end or start", is_declared=True),
    )
    unique_for: timedelta | None = field(
        default=None,
        metadata=option(checks.time_limit, "how long it holds its key, even if it ends before", is_declared=True),
    )
    debounce: timedelta | None = field(
        default=None,
        metadata=option(checks.time_limit, "how long after the last call it is due", is_declared=True),
    )
    max_wait: timedelta | None = field(
        default=None,
        metadata=option(checks.time_limit, "how long after the first call at the latest", is_declared=True),
    )
    throttle: str | None = field(
        default=None,
        metadata=option(
            unique_checks.throttle, "a rate such as 1/10m: further calls are dropped", metavar="RATE", is_declared=True
        ),
    )

    @property
    def kept(self) -> Mapping[str, Any]:
        """The options stored with the job as given."""
        if self is NO_OPTIONS:
            return {}
        return {name: value for name in _KEPT if (value := getattr(self, name)) not in (None, ())}

    @property
    def uniqueness(self) -> Mapping[str, Any]:
        """Those that were given of what makes a job unique."""
        if self is NO_OPTIONS:
            return {}
        return {name: value for name in UNIQUE_OPTIONS if (value := getattr(self, name)) is not None}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options *given* as keyword arguments, checked."""
        return NO_OPTIONS.with_changes(given)

    def with_changes(self, given: Mapping[str, Any]) -> Options:
        """Return these options overlaid with those *given*."""
        if not given:
            return self
        for name in given:
            if name not in OPTIONS:
                raise OptionError(unknown_option(name))
        values: dict[str, Any] = {name: checked(name, value) for name, value in given.items() if value is not None}
        changed = dataclasses.replace(self, **values)
        if changed.run_at is not None and changed.run_in is not None:
            raise OptionError("give run_at or run_in, not both")
        if changed.expires_at is not None and changed.expires_in is not None:
            raise OptionError("give expires_at or expires_in, not both")
        return changed

    def shown(self) -> list[str]:
        """Return the options that were given, as they are written."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return [f"{name}={value!r}" for name, value in given.items() if value not in (None, ())]


def unknown_option(name: str, more: Iterable[str] = ()) -> str:
    """Return the message for an option that is neither one of an enqueue nor one of *more*."""
    known = [*OPTIONS, *more]
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]}?" if near else "."
    return f"unknown option {name!r}{hint} The options are {', '.join(known)}"


def checked(name: str, value: object, *, label: str = "") -> Any:
    """Return *value* as the option *name* keeps it. Raises OptionError, which calls it by its *label*."""
    try:
        return OPTIONS[name].check(value)
    except ValueError as error:
        raise OptionError(f"{label or name} {error}, got {value!r:.200}", option=name) from None


OPTIONS: Final[Mapping[str, Option]] = {
    one.name: one.metadata.get("option") or JOB_OPTIONS[one.name] for one in dataclasses.fields(Options)
}
_KEPT: Final = tuple(one.name for one in FIELDS if one.name in JOB_OPTIONS and one.default is not dataclasses.MISSING)
NO_OPTIONS = Options()
