"""The jobs of schedules as check-ins of Sentry's monitors, one monitor a schedule."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from sentry_sdk.crons import capture_checkin

from mongojobs.core import notices as n
from mongojobs.core.job import Job

Due = Callable[[str], tuple[str | timedelta, str] | None]
"""Says when the schedule of a name is due, by a cron expression or a duration, and in what time zone."""

LONGEST_SLUG: Final = 50
KNOWN_SECONDS: Final = 300.0
"""How long it may take until a monitor hears of a schedule that was edited."""
_UNITS: Final = ((timedelta(days=7), "week"), (timedelta(days=1), "day"), (timedelta(hours=1), "hour"))
_MINUTE: Final = timedelta(minutes=1)
_NAMESPACE: Final = uuid.UUID("6f5c3b0e-6f0d-4c56-8a55-5c1f0b8f2a77")


class CheckIns:
    """Tells of the jobs of schedules whose monitors are known; *due* says when those are due."""

    def __init__(self, due: Due) -> None:
        self._due = due
        self._monitors: dict[str, tuple[float, dict[str, Any] | None]] = {}
        self._running: set[str] = set()

    def begin(self, job: Job) -> None:
        """Tell that a run of *job* has begun, if it is one of a schedule."""
        if job.schedule is not None:
            self._running.add(str(job.id))
            self._tell(job, "in_progress")

    def hear(self, notice: n.Notice) -> None:
        """Tell how the job of a schedule has ended; a job that never began has checked in nowhere."""
        job = getattr(notice, "job", None)
        if not isinstance(job, Job) or str(job.id) not in self._running:
            return
        self._running.discard(str(job.id))
        match notice:
            case n.JobCompleted(seconds=seconds) | n.JobDiscarded(seconds=seconds):
                self._tell(job, "ok", seconds)
            case n.JobFailed() | n.JobCancelled():
                self._tell(job, "error")
            case _:
                pass  # it runs again, and then begins anew

    def fail(self, job: Job) -> None:
        """Tell that *job* is given up on, whose worker was lost."""
        if job.schedule is not None:
            self._tell(job, "error")

    def _tell(self, job: Job, status: str, seconds: float | None = None) -> None:
        monitor = self._monitor(str(job.schedule))
        if monitor is not None:
            # Of the job and not of the run: another worker may end what this one has begun.
            check_in = uuid.uuid5(_NAMESPACE, str(job.id)).hex
            capture_checkin(slug_of(str(job.schedule)), check_in, status, seconds, monitor)

    def _monitor(self, schedule: str) -> Any:
        until, monitor = self._monitors.get(schedule, (0.0, None))
        if time.monotonic() >= until:
            due = self._due(schedule)
            monitor = None if due is None else monitor_of(*due)
            self._monitors[schedule] = time.monotonic() + KNOWN_SECONDS, monitor
        return monitor


def monitor_of(due: str | timedelta, zone: str) -> dict[str, Any] | None:
    """Return the monitor of a schedule; None for one that Sentry has no words for, as it knows no seconds."""
    if isinstance(due, str):
        fields = due.split()
        return {"schedule": {"type": "crontab", "value": due}, "timezone": zone} if len(fields) in (1, 5) else None
    for length, unit in (*_UNITS, (_MINUTE, "minute")):
        if not due % length:
            return {"schedule": {"type": "interval", "value": due // length, "unit": unit}, "timezone": zone}
    return None


def slug_of(schedule: str) -> str:
    """Return the slug of the monitor: the name in lower case, with ``-`` for all that is no letter or digit."""
    slug = re.sub(r"[^a-z0-9_]+", "-", schedule.lower()).strip("-_")
    if 0 < len(slug) <= LONGEST_SLUG:
        return slug
    digest = hashlib.sha256(schedule.encode()).hexdigest()[:8]
    return f"{slug[: LONGEST_SLUG - 9]}-{digest}".strip("-")
