"""The ledger: a file outside the database to which jobs append a line when they start and when they end.

Each line is one write of a file opened for appending, so lines of several processes never mix, and what a process
wrote before it was killed is there.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mongojobs import Cancelled, Interrupted, Job

End = Literal["ended", "failed", "interrupted", "cancelled", "died"]
"""Returned; raised; was interrupted by a worker that stops; was cancelled; killed its own worker."""


@dataclass(slots=True)
class Run:
    """One run of a job, as the job itself reported it; times are of ``time.monotonic``, one for the whole machine."""

    job_id: str
    fence: int
    pid: int
    losses: int
    number: int
    started: float
    outcome: End | None = None
    """None: no end was reported."""
    ended: float | None = None


class Ledger:
    """The ledger in *path*, for writing in workers and for reading in tests."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def noting(self, job: Job, number: int) -> Iterator[None]:
        """Note the start and the end of a run of *job*, which was called with *number*."""
        self.note("started", job, losses=job.losses, number=number)
        try:
            yield
        except Interrupted:
            self.note("interrupted", job)
            raise
        except Cancelled:
            self.note("cancelled", job)
            raise
        except BaseException:
            self.note("failed", job)
            raise
        self.note("ended", job)

    def note(self, what: str, job: Job, **more: int) -> None:
        """Append a line in one write."""
        line = {"what": what, "job": str(job.id), "fence": job.fence, "pid": os.getpid(), "at": time.monotonic()}
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{json.dumps(line | more)}\n".encode())
        os.close(descriptor)

    def runs(self) -> list[Run]:
        """Return all runs so far, in the order of their starts."""
        runs: dict[tuple[str, int], Run] = {}
        for line in self._lines():
            key = (line["job"], line["fence"])
            if line["what"] == "started":
                runs[key] = Run(*key, line["pid"], line["losses"], line["number"], line["at"])
            else:
                runs[key].outcome, runs[key].ended = line["what"], line["at"]
        return list(runs.values())

    def starts(self, number: int) -> int:
        """Return how often the job that was called with *number* has started."""
        return sum(run.number == number for run in self.runs())

    def ends(self) -> int:
        """Return how many runs have ended well."""
        return self.path.read_bytes().count(b'"ended"') if self.path.exists() else 0

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        return map(json.loads, text.splitlines())
