"""A schedule as it is in the database: what was said of it, when it is due next, and what became of its last ticks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from mongojobs.core.errors import ScheduleError
from mongojobs.core.job import Document
from mongojobs.core.limits import cut
from mongojobs.core.words.wording import iso
from mongojobs.schedules.definition import Definition, read_definition
from mongojobs.store import reading
from mongojobs.store.filters import EPOCH

Result = Literal["enqueued", "skipped", "missed", "by hand", "backfilled"]
Source = Literal["code", "operator"]

MOST_TICKS: Final = 50
"""How many entries of the ledger are kept."""
_LONGEST_WHY: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """An entry of the ledger: what became of the tick *at*, or of *number* ticks from *at* to *until*.

    *why* it was skipped or missed; *by* whom it was made, if by hand.
    """

    at: datetime
    result: Result
    why: str = ""
    by: str = ""
    number: int = 1
    until: datetime | None = None

    def stored(self) -> Document:
        """Return it as it is stored."""
        document: Document = {"at": self.at, "result": self.result}
        more = {"why": cut(self.why, _LONGEST_WHY), "by": self.by, "until": self.until}
        document |= {name: value for name, value in more.items() if value}
        return document | ({"number": self.number} if self.number > 1 else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePause:
    """By whom and why a schedule is paused, since when and until when; None: until it is resumed."""

    at: datetime
    until: datetime | None = None
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule; *definition* is None where it cannot be read, *damaged* names the fields that cannot.

    *problem* says what is wrong, if anything is.

    *next_run_at* is None when it is over or paused. *unfinished* are the ids of its jobs that may not have ended.
    *edited* names what operators have changed, with who and when.
    """

    name: str
    source: Source
    definition: Definition | None
    problem: str = ""
    damaged: tuple[str, ...] = ()
    spec: Mapping[str, Any] = field(repr=False)
    """What was said of it, as it is stored."""
    next_run_at: datetime | None
    pause: SchedulePause | None = None
    unfinished: tuple[str, ...] = ()
    ticks: tuple[Tick, ...] = field(default=(), repr=False)
    totals: Mapping[str, int] = field(default_factory=dict)
    edited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict, repr=False)
    revision: int = 0

    @property
    def said(self) -> Definition:
        """What was said of it. Raises ScheduleError where that cannot be read."""
        if self.definition is None:
            raise ScheduleError(f"the schedule {self.name!r} is damaged: {self.problem}")
        return self.definition

    @property
    def job_name(self) -> str:
        """The name of its jobs."""
        return reading.text(self.spec.get("job_name"))

    @property
    def handler(self) -> Document:
        """The stored call of its jobs."""
        return _table(self.spec.get("handler"))

    @property
    def options(self) -> Document:
        """The stored options of the enqueues of its jobs."""
        return _table(self.spec.get("options"))

    @property
    def enqueued(self) -> int:
        """How many of its ticks have become jobs."""
        return self.totals.get("enqueued", 0)

    def is_over(self, *, further: int = 0) -> bool:
        """Whether as many ticks have become jobs as were said, with so many *further* ones."""
        return self.said.times is not None and self.enqueued + further >= self.said.times

    def is_paused(self, now: datetime) -> bool:
        """Whether it is paused *now*."""
        return self.pause is not None and (self.pause.until is None or self.pause.until > now)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than *moment*; None if it is over."""
        return None if self.is_over() else self.said.after(moment)


def tick_id(name: str, at: datetime) -> str:
    """Return the id of a tick's job: the same whichever worker enqueues it, so that there is only one."""
    shown = iso(at)
    return f"schedule:{name}:{shown.replace('.000Z', 'Z')}"


def to_schedule(document: Document) -> Schedule:
    """Return the schedule that *document* holds, which anyone may have written."""
    definition, problem = _definition(document.get("spec"))
    damaged = tuple(name for name, is_sound in _SOUND.items() if not is_sound(document.get(name)))
    if damaged and not problem:
        problem = f"its field {' and '.join(damaged)} cannot be read"
    return Schedule(
        name=reading.text(document.get("_id")),
        source="code" if document.get("source") == "code" else "operator",
        definition=definition,
        problem=problem,
        damaged=damaged if definition is not None or "spec" in damaged else ("spec", *damaged),
        spec=_table(document.get("spec")),
        next_run_at=reading.moment(document.get("next_run_at")),
        pause=_pause(document.get("paused")),
        unfinished=reading.texts(document.get("unfinished")),
        ticks=tuple(map(_tick, reading.documents(document.get("ticks"))))[-MOST_TICKS:],
        totals={str(key): reading.count(value) for key, value in _table(document.get("totals")).items()},
        edited={name: entry for name, entry in _table(document.get("edited")).items() if type(entry) is dict},
        code=_table(document.get("code")),
        revision=reading.count(document.get("revision")),
    )


def _definition(spec: object) -> tuple[Definition | None, str]:
    try:
        return read_definition({name: _aware(value) for name, value in _table(spec).items()}), ""
    except (ScheduleError, TypeError) as error:  # as for values that have no hash
        return None, str(error)


def _aware(value: object) -> object:
    return reading.aware(value) if isinstance(value, datetime) else value


def _pause(found: object) -> SchedulePause | None:
    paused = _table(found)
    at = reading.moment(paused.get("at"))
    if at is None:
        return None
    until = reading.moment(paused.get("until"))
    return SchedulePause(at=at, until=until, why=reading.text(paused.get("why")), by=reading.text(paused.get("by")))


def _tick(entry: Document) -> Tick:
    result: Result = entry["result"] if reading.one_of(entry.get("result"), _RESULTS) else "missed"
    return Tick(
        at=reading.moment(entry.get("at")) or EPOCH,
        result=result,
        why=reading.text(entry.get("why")),
        by=reading.text(entry.get("by")),
        number=reading.count(entry.get("number")) or 1,
        until=reading.moment(entry.get("until")),
    )


def _table(found: object) -> Document:
    return found if type(found) is dict else {}


def _is_call(spec: object) -> bool:
    """Whether the part of *spec* that is no definition can be read."""
    return type(spec) is dict and all(type(spec.get(name, {})) is dict for name in ("handler", "options"))


_RESULTS: Final = get_args(Result)
_SOUND: Final[Mapping[str, Callable[[Any], bool]]] = {
    "spec": _is_call,
    "next_run_at": lambda found: found is None or isinstance(found, datetime),
    "paused": lambda found: found is None or _pause(found) is not None,
    "unfinished": lambda found: reading.DAMAGED not in reading.texts(found),
    "ticks": lambda found: found is None or type(found) is list,
    "totals": lambda found: found is None or (type(found) is dict and all(map(reading.is_count, found.values()))),
    "edited": lambda found: found is None or type(found) is dict,
    "revision": lambda found: found is None or reading.is_count(found),
}
"""What a schedule goes on by, and whether that can be read."""
