"""What becomes of due ticks: computed from a schedule, the time and its jobs, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from mongojobs.schedules.definition import Definition
from mongojobs.schedules.schedule import Schedule, Tick

LATE: Final = timedelta(seconds=60)
"""A tick later than this is missed where none is to be caught up."""
MOST_CAUGHT_UP: Final = 100
_MOST_COUNTED: Final = 100_000
_MILLISECOND: Final = timedelta(milliseconds=1)

Living = Mapping[str, str]
"""The jobs of a schedule that have not ended, by id, with their states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ticks to *enqueue*, the *entries* for those that are not, and when the next one is, if it is not over then.

    Nothing at all is done about a schedule that *waits* for its job to end, after that was cancelled if *ends_earlier*.
    """

    enqueue: tuple[datetime, ...] = ()
    entries: tuple[Tick, ...] = ()
    next_run_at: datetime | None = None
    waits: bool = False
    ends_earlier: bool = False


def plan(schedule: Schedule, *, now: datetime, living: Living) -> Plan:
    """Return what to do about *schedule*, which is due. Raises ScheduleError for a damaged one."""
    said, due = schedule.said, schedule.next_run_at or now
    if said.overlap == "queue" and living:
        return Plan(waits=True)
    early, recent = _due(said, due, now)
    chosen = _caught_up(said, recent, now)
    entries: list[Tick | None] = [_missed(said, early, recent[: len(recent) - len(chosen)])]
    if said.overlap == "queue" and said.catch_up == "all" and len(chosen) > 1:
        return Plan(enqueue=tuple(chosen[:1]), entries=_some(entries), next_run_at=chosen[1])
    if said.overlap in ("skip", "cancel") and chosen:
        chosen, skipped = _one_at_a_time(chosen, living if said.overlap == "skip" else {})
        entries += skipped
    if said.times is not None:
        chosen = chosen[: max(said.times - schedule.enqueued, 0)]
    if said.overlap == "cancel" and chosen and living:
        return Plan(waits=True, ends_earlier=True)
    return Plan(enqueue=tuple(chosen), entries=_some(entries), next_run_at=said.after(now))


def _due(said: Definition, due: datetime, now: datetime) -> tuple[list[datetime], list[datetime]]:
    """Return the ticks from *due* to *now*: those before the window, and those in it."""
    begin = max(due, now - said.window)
    early = list(islice(said.between(due, begin), _MOST_COUNTED))
    return early, list(said.between(begin, now + _MILLISECOND))


def _caught_up(said: Definition, due: list[datetime], now: datetime) -> list[datetime]:
    """Return those of the ticks *due* that are not too late: always the last ones."""
    match said.catch_up:
        case "latest":
            return due[-1:]
        case "none":
            return [at for at in due if now - at <= LATE]
        case "all":
            return due[-MOST_CAUGHT_UP:]


def _missed(said: Definition, early: list[datetime], late: list[datetime]) -> Tick | None:
    """Return the entry for ticks that are not caught up; one for all of them."""
    missed = [*early, *late]
    if not missed:
        return None
    why = {
        "latest": "late, and a later tick took its place" if late else "too late: outside the window",
        "none": f"more than {LATE.seconds} s late, and catch_up is none",
        "all": f"only the last {MOST_CAUGHT_UP} ticks in the window are caught up",
    }[said.catch_up]
    return Tick(at=missed[0], result="missed", why=why, number=len(missed), until=missed[-1] if missed[1:] else None)


def _one_at_a_time(chosen: list[datetime], living: Living) -> tuple[list[datetime], list[Tick]]:
    """Return the last of the ticks *chosen*, unless an earlier job lives, and the entries of the others."""
    if living:
        job_id, state = next(iter(living.items()))
        why = f"the job {job_id} is still {state}"
        return [], [Tick(at=at, result="skipped", why=why) for at in chosen]
    return chosen[-1:], [Tick(at=at, result="skipped", why="a later tick took its place") for at in chosen[:-1]]


def _some(entries: list[Tick | None]) -> tuple[Tick, ...]:
    return tuple(entry for entry in entries if entry is not None)
