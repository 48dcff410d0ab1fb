"""What jobs log in a test, and reading it in each mode."""

from __future__ import annotations

from collections.abc import Callable

from mongojobs.core.inside.log import Lines
from mongojobs.core.job import Job
from mongojobs.testing.modes import Mode, mode_in_force
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.run_log import RunLog
from mongojobs.worker.threads.log_writer import clock_error


def logged(job: Job) -> list[str]:
    """Return the lines that are kept of what *job* has logged with ``current_job().log``, of all its runs, in order.

    As texts, without secrets; the job must have ``keep_log``. In ``inline`` mode give the job that the call returned.
    """
    runs = job.logged or mode_in_force().logs_of(job.id)
    return [line.text for run in runs for line in run.lines]


class DrainedLogs:
    """Keeps what jobs log that a test drains: each log once its run has ended."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._open: dict[InFlightJob, RunLog] = {}

    def open(self, held: InFlightJob, clean: Callable[[str], str]) -> Lines:
        """Return what takes the lines of the run of *held*; *clean* takes the job's secrets out of a text."""
        log = self._open[held] = RunLog(held, clean, lambda: None)
        return log.lines

    def close(self, held: InFlightJob) -> None:
        """Keep what the run has logged."""
        if (log := self._open.pop(held, None)) is not None:
            self._mode.keep_log(log.gather(clock_error(self._mode.clock)))
