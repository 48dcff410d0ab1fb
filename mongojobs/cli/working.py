"""Running one worker in this process, from its log to its exit status."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from pathlib import Path
from signal import Signals
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from mongojobs.cli.config import shown_setting
from mongojobs.cli.failures import NO, Failure, failure
from mongojobs.cli.opening import Opened, log_level, open_app
from mongojobs.cli.options import GlobalOptions
from mongojobs.cli.processes import WorkOptions, child_command, restart

if TYPE_CHECKING:
    from mongojobs.core.lifecycle import Lifecycle
    from mongojobs.core.notices import Notice
    from mongojobs.core.settings import Settings

logger = logging.getLogger("mongojobs")

LOG_FILE: Final = "mongojobs.log"

_NOT_LOGGED: Final = ("uri", "collection", "database", "processes")
_FOR_THE_SUPERVISOR: Final = ("shutdown_timeout", "exit_on_complete")


class Departure:
    """What the signals that end a process do while nobody else takes them.

    Until a worker takes them they end the process with status 0, since it holds no job yet; without an exception, which
    the app's code might catch while it is imported. After the worker has ended, more of them change nothing: platforms
    send several, and one that came while Python cleans up would turn status 0 into that of a crash.
    """

    def __init__(self) -> None:
        self.is_under_way = False
        """To be set as soon as somebody else takes the signals."""
        for number in (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT):
            signal.signal(number, self._leave)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        if not self.is_under_way:
            os._exit(0)


def work_here(told: GlobalOptions, options: WorkOptions) -> int:
    """Work until told to stop, and return the exit status. Raises Failure, ConfigurationError."""
    from mongojobs.app import Worker
    from mongojobs.worker.signals import SUPERVISED, WorkerSignals, supervisor_of

    departure = Departure()
    supervisor = supervisor_of(os.environ)
    os.environ.pop(SUPERVISED, None)
    opened = open_app(told, options.flags)
    if opened.settings.processes > 1:
        restart(told, options, processes=opened.settings.processes)
    set_up_worker_logging(opened.settings, options.log_dir)
    _log_origins(opened, is_supervised=supervisor is not None)
    failed = _FailedRuns(opened.app.lifecycle)
    worker = Worker(app=opened.app, child=child_command(told, options), **_numbered(opened.settings, options.number))
    try:
        with WorkerSignals(worker, supervisor=supervisor):
            departure.is_under_way = True
            status = worker.start()
    except Exception as error:
        raise _fatal(error) from error
    if options.fail_on_error and failed.count and status == 0:
        status = NO
    if worker.has_stuck_threads:
        leave_at_once(status)
    return status


def set_up_worker_logging(settings: Settings, log_dir: Path | None, *, at_once: bool = False) -> None:
    """Log to standard output, or to the file in *log_dir*; with *at_once* each line by itself. Raises Failure."""
    from mongojobs.plugins.formats import set_up_logging
    from mongojobs.plugins.output import LogHandler

    handler = LogHandler(sys.stdout.buffer if log_dir is None else _open_log(log_dir), at_once=at_once)
    set_up_logging(handler, level=log_level(settings), form=settings.log_format, environ=os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what jobs print stands between the log lines of its time


def leave_at_once(status: int) -> None:
    """Leave the process although threads of jobs still run: after the last lines are written."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class _FailedRuns:
    """Counts the runs that failed."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.count = 0
        lifecycle.on_notice(self._hear)

    def _hear(self, notice: Notice) -> None:
        from mongojobs.core.notices import JobCrashed, JobErrored, JobFailed

        self.count += isinstance(notice, JobErrored | JobCrashed | JobFailed)


def _open_log(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOG_FILE).open("ab")
    except OSError as error:
        raise Failure(f"cannot write the log in {folder}: {error.strerror}", NO) from None


def _log_origins(opened: Opened, *, is_supervised: bool) -> None:
    """Log which settings come from outside of the app, and from where, so that nobody is surprised by a variable."""
    logger.info("Jobs: %s", opened.place)
    outside = [
        f"{name}={shown_setting(opened.settings, name)} (from {origin})"
        for name, origin in opened.origins.items()
        if origin not in ("default", "configure()") and name not in _NOT_LOGGED
    ]
    if outside:
        logger.info("Settings: %s", ", ".join(outside))
    for name in _FOR_THE_SUPERVISOR:
        if is_supervised and opened.origins[name] == "configure()":
            logger.warning(
                "%s is set by the app, which the supervisor does not import: set MONGOJOBS_%s", name, name.upper()
            )


def _numbered(settings: Settings, number: int | None) -> dict[str, Any]:
    """Return the name of this worker among those of one supervisor. Source: delayed_job, ``delayed_job.0``, ``.1``."""
    if number is None:
        return {}
    if settings.name is not None:
        return {"name": f"{settings.name}.{number}"}
    return {"prefix": f"{settings.prefix}mongojobs.{number} "}


def _fatal(error: Exception) -> Failure:
    """Log what the worker died of, and return it for standard error."""
    plain = failure(error) or Failure(f"the worker died of {type(error).__name__}: {error}", NO)
    logger.critical("%s", plain.message, exc_info=None if failure(error) else error)
    return plain
