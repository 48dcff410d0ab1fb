"""Assertions about what is enqueued, with messages that show what is there instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any, Final

from mongojobs.core.clock import truncate
from mongojobs.core.errors import OptionError
from mongojobs.core.job import Job, JobId
from mongojobs.testing.expectation import Expectation, Values, target_of
from mongojobs.testing.modes import Mode, queue_in_force

MOST_NAMES: Final = 10
DELTA: Final = timedelta(seconds=1)


def assert_enqueued(
    target: object,
    *,
    args: Sequence[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
    queue: str | None = None,
    priority: int | None = None,
    run_at: datetime | None = None,
    delta: timedelta = DELTA,
    times: int | None = None,
    unique_key: JobId | None = None,
) -> Job:
    """Return the first ready job that is as expected; raise AssertionError, with the closest one, if there is none.

    *target* is a function or class declared with ``@job``, a job object (an equal one is looked for), a method
    (``group.update_users``: of that document; ``Group.update_users``: of any), or the name of a job. What is left out
    is not looked at; *args* and *kwargs* are compared as they were given at enqueue. *run_at* may be off by *delta*.
    *unique_key* is the key as it was given, or as the job tells it, as ``unique_text`` or ``unique_key``. With *times*
    exactly so many jobs must be as wanted. Jobs scheduled for later count, too.

    Raises NotAJobError for a *target* that is no job, OptionError for *times* below 1, ConfigurationError in inline
    mode.
    """
    if times is not None and times < 1:
        raise OptionError(f"times must be 1 or more, got {times}: use refute_enqueued() for none")
    mode = queue_in_force("assert_enqueued()")
    wanted = {"args": args, "kwargs": kwargs, "queue": queue, "priority": priority, "run_at": run_at, "delta": delta}
    expectation = _expectation(mode, target, wanted | {"unique_key": unique_key})
    jobs = mode.enqueued()
    found = [job for job in jobs if not expectation.differences(job)]
    if found and times in (None, len(found)):
        return found[0]
    raise AssertionError(_missing(expectation, jobs, found, times))


def refute_enqueued(
    target: object,
    *,
    args: Sequence[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
    queue: str | None = None,
    priority: int | None = None,
    run_at: datetime | None = None,
    delta: timedelta = DELTA,
    unique_key: JobId | None = None,
) -> None:
    """Raise AssertionError if there is a ready job that ``assert_enqueued`` would return. Raises as that does."""
    mode = queue_in_force("refute_enqueued()")
    wanted = {"args": args, "kwargs": kwargs, "queue": queue, "priority": priority, "run_at": run_at, "delta": delta}
    expectation = _expectation(mode, target, wanted | {"unique_key": unique_key})
    found = [job for job in mode.enqueued() if not expectation.differences(job)]
    if found:
        raise AssertionError("\n".join([f"{_like_this(found)}: {expectation}", *_listed(found)]))


def _expectation(mode: Mode, target: object, wanted: dict[str, Any]) -> Expectation:
    payloads = mode.app.payloads
    if wanted["run_at"] is not None:
        wanted["run_at"] = truncate(wanted["run_at"])
    return Expectation(target=target_of(target, payloads), values=Values(payloads.codec), **wanted)


def _missing(expectation: Expectation, jobs: list[Job], found: list[Job], times: int | None) -> str:
    """Return the message for the wrong number of jobs."""
    lines = [_like_this(found) + (f", wanted {times}" if times else ""), f"  wanted: {expectation}"]
    others = [job for job in jobs if job not in found]
    if others and len(found) < (times or 1):
        nearest = min(others, key=lambda job: _distance(expectation, job))
        lines.append(f"  nearest: {nearest.name} (id={nearest.id}, queue={nearest.queue})")
        lines += [f"    {difference}" for difference in expectation.differences(nearest)]
    return "\n".join(lines + _listed(jobs))


def _distance(expectation: Expectation, job: Job) -> tuple[bool, float, int]:
    """Sort jobs by how close they are: first the same kind, then similar names, then fewest differences."""
    differences = expectation.differences(job)
    is_other = any(difference.field == "job" for difference in differences)
    likeness = SequenceMatcher(None, expectation.target.label, job.name).ratio() if is_other else 1.0
    return is_other, -likeness, len(differences)


def _like_this(found: list[Job]) -> str:
    jobs = "jobs are" if len(found) > 1 else "job is"
    return f"{len(found) or 'no'} such {jobs} enqueued"


def _listed(jobs: list[Job]) -> list[str]:
    """Return lines that say how many jobs of each name there are."""
    names = Counter(job.name for job in jobs).most_common()
    lines = [f"    {count} x {name}" for name, count in names[:MOST_NAMES]]
    if len(names) > MOST_NAMES:
        lines.append(f"    ... and {len(names) - MOST_NAMES} more names")
    return [f"  enqueued: {len(jobs) or 'nothing'}", *lines]
