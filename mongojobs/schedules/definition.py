"""The options of a schedule, given in code or by an operator: checked when given, and in their stored form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypedDict, get_args
from zoneinfo import ZoneInfo

from mongojobs.core import checks
from mongojobs.core.errors import OptionError, ScheduleError
from mongojobs.core.job import Document
from mongojobs.schedules.times.expression import Times, parse_times
from mongojobs.schedules.times.zones import zone_called

Overlap = Literal["skip", "allow", "queue", "cancel"]
CatchUp = Literal["latest", "none", "all"]

LONGEST_NAME: Final = 200
LONGEST_TEXT: Final = 1000
_DAY: Final = timedelta(days=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_BEGIN: Final = datetime.min.replace(tzinfo=UTC)


class Said(TypedDict, total=False):
    """The options of a schedule, other than those of the enqueue.

    *tz* is the zone of a cron expression. *overlap*: what becomes of a tick while the job of an earlier one waits or
    runs. *catch_up*: which of the ticks are enqueued that fell due within *window* while no worker was there. *jitter*:
    up to how long a job waits beyond its tick, the same on all workers. *starts*, *ends*: the first and the last moment
    at which it can be due. *times*: after how many jobs it is over. *expires*: ``"interval"`` lets a job that has not
    begun by the next tick expire.
    """

    tz: str | ZoneInfo
    overlap: Overlap
    catch_up: CatchUp
    window: timedelta | float | str
    jitter: timedelta | float | str
    starts: datetime | None
    ends: datetime | None
    times: int | None
    expires: Literal["interval"] | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """When a schedule is due, and what becomes of its ticks. Raises ScheduleError for what does not go together."""

    due: Times
    tz: ZoneInfo
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    window: timedelta = _DAY
    jitter: timedelta = timedelta(0)
    starts: datetime | None = None
    ends: datetime | None = None
    times: int | None = None
    expires: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if self.overlap == "queue" and self.catch_up == "none":
            raise ScheduleError(
                'overlap="queue" makes a tick wait, but catch_up="none" drops late ticks: leave one of them out',
                option="catch_up",
            )
        if self.starts and self.ends and self.ends <= self.starts:
            raise ScheduleError(
                f"ends must be later than starts, got ends={self.ends} and starts={self.starts}", option="ends"
            )

    @classmethod
    def of(cls, due: object, said: Mapping[str, Any]) -> Definition:
        """Return the definition that is due when *due* says, with what else was *said*, checked.

        All ticks that were missed are caught up beside each other, unless *overlap* is said.
        """
        values = {name: _checked(name, value) for name, value in said.items() if value is not None}
        if values.get("catch_up") == "all":
            values.setdefault("overlap", "allow")
        return cls(due=_checked("when", due), tz=values.pop("tz", None) or zone_called("UTC"), **values)

    def changed(self, due: object, said: Mapping[str, Any]) -> Definition:
        """Return it with another *due*, if that is not None, and what else was *said*, checked; None takes it back."""
        values = {name: _DEFAULTS[name] if value is None else _checked(name, value) for name, value in said.items()}
        return replace(self, **values, due=self.due if due is None else _checked("when", due))

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than *moment*, within *starts* and *ends*; None if there is none."""
        if self.starts is not None and moment < self.starts:
            moment = _just_before(self.starts)
        try:
            due = self.due.after(moment, self.tz)
        except OverflowError:  # the end of the calendar
            return None
        return None if due is None or (self.ends is not None and due > self.ends) else due

    def between(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the ticks from *begin* on, before *end*."""
        due = self.after(_just_before(begin))
        while due is not None and due < end:
            yield due
            due = self.after(due)

    def stored(self) -> Document:
        """Return it as it is stored: fields without a value are None, so that two versions can be compared."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "due": self.due.text,
            "tz": self.tz.key,
            "window": self.window // _MILLISECOND,
            "jitter": self.jitter // _MILLISECOND,
        }


def read_definition(stored: Mapping[str, Any]) -> Definition:
    """Return what was stored. Raises ScheduleError for values that cannot have been given."""
    durations = {name: _stored_duration(name, stored.get(name)) for name in ("window", "jitter")}
    said = {name: stored.get(name) for name in Said.__annotations__} | durations
    return Definition.of(stored.get("due"), said)


def _just_before(moment: datetime) -> datetime:
    """Return the time before *moment*; at the beginning of the calendar there is none."""
    return max(moment, _BEGIN + _MILLISECOND) - _MILLISECOND


def schedule_name(name: object) -> str:
    """Return *name* if a schedule can have it. Raises ScheduleError."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ScheduleError(
            f"the name of a schedule must be a printable text of 1 to {LONGEST_NAME} characters without spaces around"
            f" it, got {name!r:.300}",
            option="name",
        )
    return checks.plain_text(name)


def one_expression(cron: object, every: object) -> object:
    """Return the one of *cron* and *every* that is given. Raises ScheduleError."""
    if (cron is None) == (every is None):
        raise ScheduleError(
            f"give either cron, such as '0 9 * * *', or every, such as '15m', got cron={cron!r:.100} and"
            f" every={every!r:.100}"
        )
    return every if cron is None else cron


def _checked(name: str, value: Any) -> Any:
    try:
        return _CHECKS[name](value)
    except KeyError:
        raise OptionError(f"unknown option {name!r} of a schedule: the options are {', '.join(_CHECKS)}") from None
    except ScheduleError as error:
        error.option = name
        raise
    except ValueError as error:
        raise ScheduleError(f"{name} {error}, got {value!r:.200}", option=name) from None


def _overlap(value: object) -> object:
    return _one_of(get_args(Overlap), value)


def _catch_up(value: object) -> object:
    return _one_of(get_args(CatchUp), value)


def _one_of(allowed: tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value


def _expires(value: object) -> str:
    if value != "interval":
        raise ValueError('must be "interval"; for a duration, give expires_in')
    return "interval"


def _description(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError(f"must be a text of at most {LONGEST_TEXT} characters")
    return checks.plain_text(value)


def _stored_duration(name: str, value: object) -> timedelta | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**42:
        raise ScheduleError(f"the stored {name} must be a whole number of milliseconds, got {value!r:.100}")
    return int(value) * _MILLISECOND


_CHECKS: Final[Mapping[str, checks.Check]] = {
    "when": parse_times,
    "tz": zone_called,
    "overlap": _overlap,
    "catch_up": _catch_up,
    "window": checks.time_limit,
    "jitter": checks.delay,
    "starts": checks.moment,
    "ends": checks.moment,
    "times": checks.attempts,
    "expires": _expires,
    "description": _description,
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "tz": zone_called("UTC"),
    **{field.name: field.default for field in fields(Definition) if field.default is not MISSING},
}
"""What applies where an option is not said."""
