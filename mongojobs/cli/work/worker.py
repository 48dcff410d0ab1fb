"""Running one worker in this process, from its log to its exit status."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

from mongojobs.cli.config import shown_setting
from mongojobs.cli.shared.failures import NO, NO_APP, Failure, failure
from mongojobs.cli.shared.opening import HOW_TO_NAME_JOBS, Opened, log_level, open_app
from mongojobs.cli.shared.options import GlobalOptions
from mongojobs.cli.shared.output import counted, say
from mongojobs.cli.shared.standard_files import never_fail
from mongojobs.cli.work.probes import probes_of
from mongojobs.cli.work.supervised import WorkOptions, child_command, restart
from mongojobs.plugins.output import Output
from mongojobs.process.signals import STOP_SIGNALS, SUPERVISED, WorkerSignals, supervisor_of

if TYPE_CHECKING:
    from mongojobs.app import Worker
    from mongojobs.core.lifecycle import Lifecycle
    from mongojobs.core.notices import Notice
    from mongojobs.core.settings import Settings

logger = logging.getLogger("mongojobs")

LEAVING_SECONDS: Final = 2.0
"""How long Python may take to end after the worker has; with all before it, less than Heroku's 30 s."""

LOG_FILE: Final = "mongojobs.log"

_NOT_LOGGED: Final = ("uri", "collection", "database", "processes")
_FOR_THE_SUPERVISOR: Final = ("shutdown_timeout", "exit_on_complete")


@dataclass(frozen=True, slots=True)
class ExitResult:
    """The exit *status* of the process, and whether threads go on that would hold it up."""

    status: int
    leaves_threads: bool = False

    def leave(self) -> NoReturn:
        """Leave the process, after the last lines are written.

        Further signals change nothing: platforms send several, and one that came while Python cleans up would turn
        status 0 into that of a crash.
        """
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.leaves_threads:
            self._leave_at_once()
        threading.Thread(target=self._leave_at_last, name="mongojobs-leaving", daemon=True).start()
        sys.exit(self.status)

    def _leave_at_last(self) -> None:
        """Leave although Python waits at its end for what jobs have left behind, such as a child of multiprocessing."""
        threading.Event().wait(LEAVING_SECONDS)
        logger.warning("Leaving while Python waits for threads or processes that jobs have left behind")
        self._leave_at_once()

    def _leave_at_once(self) -> NoReturn:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.status)


def work_here(told: GlobalOptions, options: WorkOptions) -> ExitResult:
    """Work until told to stop. Raises Failure, ConfigurationError."""
    supervisor = supervisor_of(os.environ)
    os.environ.pop(SUPERVISED, None)
    with WorkerSignals(supervisor=supervisor) as signals:
        try:
            end = _work(told, options, signals, is_supervised=supervisor is not None)
        except Exception:
            from mongojobs.process.green_threads import green_threads

            if not (why := green_threads()):
                raise
            say(f"Error: {why}", err=True)
            end = ExitResult(NO_APP, leaves_threads=True)  # what has become of them would end with tracebacks
        signals.stay()
    return end


def _work(told: GlobalOptions, options: WorkOptions, signals: WorkerSignals, *, is_supervised: bool) -> ExitResult:
    from mongojobs.app import Worker
    from mongojobs.cli.work.readiness import Boot, ReadinessNotifier
    from mongojobs.process.supervisor import DISMISSED_STATUS

    boot = Boot.taken_from(os.environ)
    opened = open_app(told, options.flags)
    boot.done()
    if opened.settings.processes > 1:
        restart(told, options, processes=opened.settings.processes)
    set_up_worker_logging(opened.settings, options.log_dir)
    _log_origins(opened, is_supervised=is_supervised)
    _tell_declared(opened, allow_none=options.allow_none)
    failed = _FailedRuns(opened.app.lifecycle)
    announcer = ReadinessNotifier.taken_from(
        os.environ
    )  # before the command of the children is made, who are not to tell
    worker = Worker(app=opened.app, child=child_command(told, options), **_labelled(opened.settings, options))
    opened.app.lifecycle.on_notice(announcer.hear)
    worker.pulse.on_beat(announcer.beat)
    with probes_of(worker, opened, options.probes, number=options.number), _heartbeat_of(worker, options):
        try:
            signals.hand_to(worker)
            status = worker.start()
        except Exception as error:
            raise _fatal(error) from error
    if options.fail_on_error and failed.count and status == 0:
        status = NO
    if worker.is_dismissed and is_supervised and status == 0:
        status = DISMISSED_STATUS
    return ExitResult(status, worker.has_stuck_threads)


def _heartbeat_of(worker: Worker, options: WorkOptions) -> AbstractContextManager[object]:
    """Let the worker write its heartbeat file meanwhile, if it was told to."""
    from mongojobs.plugins.heartbeat_file import HeartbeatFile, part_of

    if options.heartbeat_file is None:
        return nullcontext()
    number, path = options.number, options.heartbeat_file
    heartbeat = HeartbeatFile(path if number is None else part_of(path, number))
    worker.pulse.on_beat(heartbeat.beat)
    return heartbeat


def set_up_worker_logging(settings: Settings, log_dir: Path | None, *, at_once: bool = False) -> None:
    """Log to standard output, or to the file in *log_dir*; with *at_once* each line by itself. Raises Failure."""
    from mongojobs.plugins.formats import set_up_logging
    from mongojobs.plugins.output import LogHandler, be_heard

    never_fail()
    handler = LogHandler(sys.stdout.buffer if log_dir is None else _open_log(log_dir), at_once=at_once)
    set_up_logging(handler, level=log_level(settings), form=settings.log_format, environ=os.environ)
    be_heard(handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what jobs print stands between the log lines of its time


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
        descriptor = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise Failure(f"cannot write the log in {folder}: {error.strerror}", NO) from None
    return io.BufferedWriter(Output(descriptor))


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


def _tell_declared(opened: Opened, *, allow_none: bool) -> None:
    """Log how many jobs the app declares. Raises Failure if there are none, unless that is meant."""
    from mongojobs.app.declarations import declared_jobs

    declared = declared_jobs()
    documents = sum(job.kind == "document" for job in declared)
    if not declared and not allow_none:
        raise Failure(f"{opened.named} declares no jobs, so that a worker could run none. {HOW_TO_NAME_JOBS}", NO_APP)
    more = f", and all methods of {counted(documents, 'document class')}" if documents else ""
    logger.info("Declared: %s%s", counted(len(declared) - documents, "job"), more)


def _labelled(settings: Settings, options: WorkOptions) -> dict[str, Any]:
    """Return the name of this worker among others. Source: delayed_job, ``delayed_job.0``, ``delayed_job.mail``."""
    parts = [str(part) for part in (options.identifier, options.number) if part is not None]
    if not parts:
        return {}
    if settings.name is not None:
        return {"name": ".".join([settings.name, *parts])}
    return {"prefix": f"{settings.prefix}{'.'.join(['mongojobs', *parts])} "}


def _fatal(error: Exception) -> Failure:
    """Log what the worker died of, and return it for standard error."""
    plain = failure(error) or Failure(f"the worker died of {type(error).__name__}: {error}", NO)
    logger.critical("%s", plain.message, exc_info=None if failure(error) else error)
    return plain
