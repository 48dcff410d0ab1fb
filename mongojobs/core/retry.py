"""When a failed job runs again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import timedelta

from mongojobs.core.calling import ran
from mongojobs.core.job import Job
from mongojobs.core.words.durations import parse_duration

LONGEST_DELAY = timedelta(days=366)

ALONE_FROM_LOSSES = 2
"""A job that lost this many workers starts only when nothing else is running that would be lost with it."""

SHORTEST_DEFERRAL = timedelta(seconds=5)
LONGEST_DEFERRAL = timedelta(minutes=5)

Backoff = timedelta | float | str | Callable[[int], timedelta | float | str]
"""How long to wait: a duration (bare numbers are seconds), or a function of the number of failures so far."""


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after the *attempts*-th failure.

    Grows as ``attempts ** 4 + 5`` seconds: 6 s, 21 s, 86 s, 261 s, 630 s, ... Source: delayed_job, ``reschedule_at``.
    """
    return min(timedelta(seconds=min(attempts**4 + 5, 10**9)), LONGEST_DELAY)


def delay_after(attempts: int, declared: Backoff | None = None) -> timedelta:
    """Return the delay after the *attempts*-th failure as *declared*, or the default.

    Raises ValueError where a function that is declared gives no duration, and NotRunError for a coroutine.
    """
    if declared is None:
        return backoff(attempts)
    given = ran("backoff", declared(attempts)) if callable(declared) else declared
    try:
        wanted = given if isinstance(given, timedelta) else parse_duration(_capped(given))
    except ValueError as error:
        raise ValueError(f"backoff {error}, got {given!r:.200}") from None
    return min(max(wanted, timedelta(0)), LONGEST_DELAY)


def _capped(given: float | str) -> float | str:
    """Return the longest delay in place of a number too large for any: ``2**failures`` exceeds a century."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool) and abs(given) != math.inf
    return min(max(given, 0), LONGEST_DELAY.total_seconds()) if is_number else given


def with_jitter(delay: timedelta, *, share: float, chance: Callable[[], float] = random.random) -> timedelta:
    """Return *delay* lengthened by up to *share* of itself (0.1: a tenth).

    Without it, all jobs that failed in one outage would come back in the same second. It only lengthens, so that
    nothing runs earlier than delayed_job would run it.
    """
    return delay + delay * (share * chance())


def loss_backoff(losses: int) -> timedelta:
    """Return how long a job waits after its *losses*-th lost worker: at first not at all, then as after a failure.

    A first loss is most likely the worker's fault (a restart, a dead machine), a second one perhaps the job's.
    """
    return timedelta(0) if losses <= 1 else backoff(losses - 1)


def releases_after(job: Job) -> int:
    """Return how often *job* was handed back, once more, since it last got on."""
    return 0 if job.has_advanced else job.releases + 1


def losses_after(job: Job, most: int) -> int:
    """Return how many workers were lost with *job*, one more, since it last got on.

    One that gets on is not given up at *most* losses, but it may still be what kills its workers, and then it must not
    take others with it: so it stays a suspect.
    """
    return min(job.losses + 1, ALONE_FROM_LOSSES, most - 1) if job.has_advanced else job.losses + 1


def deferral(waited: timedelta) -> timedelta:
    """Return how long to put off a job that no worker could load, after it has *waited*: as long again.

    Between 5 s and 5 min: soon enough for a worker that is about to come, and seldom enough to cost nothing.
    """
    return min(max(waited, SHORTEST_DEFERRAL), LONGEST_DEFERRAL)
