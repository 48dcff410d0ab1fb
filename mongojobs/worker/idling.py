"""What a worker does while it has no due job: it waits for one, and meanwhile rescues jobs of others."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from mongojobs.store.jobs import QueueSelector
from mongojobs.worker.assembly import Parts
from mongojobs.worker.liveness import LONGEST_STILLNESS_SECONDS
from mongojobs.worker.reserving.wakeup import Wakeup

LISTENING_FACTOR: Final = 6
"""How many times ``sleep_delay`` may pass between two looks while a change stream announces new jobs."""
LOOK_AGAIN: Final = timedelta(seconds=0.5)
"""How soon to look again for a job that may start only when nothing else is running here."""


def wait_for_jobs(parts: Parts, wakeup: Wakeup, *, was_empty: bool) -> None:
    """Wait for the next job to arrive or fall due; *was_empty* says that nothing was running at the last look.

    Raises DatabaseError.
    """
    wakeup.note_empty()
    wanted = parts.reserver.scope.now(is_idle=True)
    longest = _longest_wait(parts, wanted, was_empty=was_empty, rarely=wakeup.is_listening)
    due = _next_due(parts, wanted, within=longest)
    until = time.monotonic() + longest.total_seconds()
    while not parts.context.stopping.is_set() and (left := until - time.monotonic()) > 0:
        to_rescue = max(parts.rescuer.seconds_left(), 0.01)
        if wakeup.wait(due=due, most=min(left, to_rescue, LONGEST_STILLNESS_SECONDS)):
            return
        parts.context.liveness.beat()
        parts.rescuer.run_if_due()
        if not wakeup.is_listening and wanted and parts.connections.store.has_due(wanted):
            return


def _longest_wait(parts: Parts, wanted: QueueSelector | None, *, was_empty: bool, rarely: bool) -> timedelta:
    """Return how long to wait before looking again: longer (*rarely*) if a stream announces new jobs.

    But a pause that ends makes no job ready, so that no stream tells of it. A job that only
    an empty process may take is waited for only until this process is empty.
    """
    factor = LISTENING_FACTOR if rarely and not parts.reserver.scope.paused else 1
    longest = parts.context.settings.sleep_delay * factor
    if not was_empty and wanted and parts.connections.store.is_suspect_next(wanted):
        return min(longest, LOOK_AGAIN)
    return longest


def _next_due(parts: Parts, wanted: QueueSelector | None, *, within: timedelta) -> datetime | None:
    if wanted is None:
        return None
    return parts.connections.store.earliest_run_at(wanted, after=parts.reserver.looked_at, within=within)
