"""What the body of each job does, in a worker of any library, and what follows from it."""

import json
import os
import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path

NOTES = "PEER_NOTES"
"""The file that a worker's moments go to; it ends by itself when nothing has come for a while."""
IDLE_SECONDS = 1.5
_LOOK_SECONDS = 0.1
_LONGEST_START_SECONDS = 15.0

Moment = tuple[float, float, float]
"""When a body ran, what processor time its process had used by then, and when it was enqueued, if that is known."""

_moments: list[Moment] = []


def note(sent: float) -> None:
    """Be the body of a job."""
    _moments.append((time.monotonic(), time.process_time(), sent))


def rate(workers: Sequence[Sequence[Moment]]) -> float:
    """Return the jobs a second while all *workers* worked: none is to wait for another one's start or end.

    One that came too late for all jobs does not count.
    """
    worked = [one for one in workers if len(one) > 1]
    begin, end = max(one[0][0] for one in worked), min(one[-1][0] for one in worked)
    count = sum(begin < at <= end for one in worked for at, _, _ in one)
    return count / (end - begin)


def cpu_microseconds(worker: Sequence[Moment]) -> float:
    """Return the processor time of a job, from the first body to the last."""
    return (worker[-1][1] - worker[0][1]) / (len(worker) - 1) * 1e6


def latencies(worker: Sequence[Moment]) -> tuple[float, float]:
    """Return the milliseconds from enqueue to body, p50 and p95."""
    waits = [(at - sent) * 1000 for at, _, sent in worker if sent]
    percentiles = statistics.quantiles(waits, n=100, method="inclusive")
    return percentiles[49], percentiles[94]


def _end_when_idle(file: Path) -> None:
    """Write the moments and end the process once nothing more comes: the body of a thread."""
    begun = time.monotonic()
    while time.monotonic() - (_moments[-1][0] if _moments else begun + _LONGEST_START_SECONDS) < IDLE_SECONDS:
        time.sleep(_LOOK_SECONDS)
    file.write_text(json.dumps(_moments), encoding="utf-8")
    os._exit(0)


if NOTES in os.environ:
    threading.Thread(target=_end_when_idle, args=(Path(os.environ[NOTES]),), name="moments", daemon=True).start()
