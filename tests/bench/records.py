"""What became of workers, as their logs tell it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a worker: moments, in seconds, as its log tells them; marks of its jobs, and commands."""

    started: list[float]
    completed: list[float]
    ended: float
    """When the last result was stored."""
    marks: list[Any] = field(default_factory=list)
    commands: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0


def record(log: str, **known: Any) -> Record:
    """Return what the *log* of a worker tells, with what is *known* otherwise."""
    lines = log.splitlines()
    started = [_moment(line) for line in lines if line.endswith(" RUNNING")]
    completed = [_moment(line) for line in lines if " COMPLETED after " in line]
    # A run may be told of a moment before its result is stored, a batch only when all are.
    stored = [_moment(line) for line in lines if " processed at " in line]
    return Record(started, completed, max([*completed, *stored], default=0.0), **known)


def rate(records: Sequence[Record]) -> float:
    """Return the jobs a second of all workers together, from the first start to the last result stored."""
    worked = [one for one in records if one.completed]
    jobs = sum(len(one.completed) for one in worked)
    return jobs / (max(one.ended for one in worked) - min(one.started[0] for one in worked))


def _moment(line: str) -> float:
    return datetime.fromisoformat(line.partition(": ")[0]).timestamp()
