"""Running one worker in this process, from its log to its exit status."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from mongojobs.cli.shared.failures import NO, NO_APP, Failure, failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import HOW_TO_NAME_JOBS, Opened, open_app
from mongojobs.cli.shared.output import say
from mongojobs.cli.work.exit import ExitResult
from mongojobs.cli.work.options import WorkOptions
from mongojobs.cli.work.own_command import child_command, restart
from mongojobs.cli.work.probes import probes_of
from mongojobs.cli.work.worker_log import set_up_worker_logging
from mongojobs.core.words.wording import counted
from mongojobs.process.signals import SUPERVISED, WorkerSignals, supervisor_of

if TYPE_CHECKING:
    from mongojobs.app import Worker
    from mongojobs.core.lifecycle import Lifecycle
    from mongojobs.core.notices import Notice
    from mongojobs.core.settings import Settings

logger: logging.Logger = logging.getLogger("mongojobs")

_NOT_LOGGED: Final = ("uri", "collection", "database", "processes")
_FOR_THE_SUPERVISOR: Final = ("shutdown_timeout", "exit_on_complete")


def work_here(options: GlobalOptions, work: WorkOptions) -> ExitResult:
    """Work until told to stop. Raises Failure, ConfigurationError."""
    supervisor = supervisor_of(os.environ)
    os.environ.pop(SUPERVISED, None)
    with WorkerSignals(supervisor=supervisor) as signals:
        try:
            end = _work(options, work, signals, supervisor)
        except Exception:
            from mongojobs.process.green_threads import green_threads

            if not (why := green_threads()):
                raise
            say(f"Error: {why}", err=True)
            end = ExitResult(NO_APP, leaves_threads=True)  # what has become of them would end with tracebacks
        signals.stay()
    return end


def _work(options: GlobalOptions, work: WorkOptions, signals: WorkerSignals, supervisor: int | None) -> ExitResult:
    from mongojobs.app import Worker
    from mongojobs.cli.work.readiness import Boot, ReadinessNotifier
    from mongojobs.core.notices import DatabaseAway, DatabaseBack, WorkerStarted, WorkerStopping
    from mongojobs.process.interpreter import prepare_to_work
    from mongojobs.process.supervisor import DISMISSED_STATUS

    boot = Boot.taken_from(os.environ)
    opened = open_app(options, work.flags)
    boot.done()
    if opened.settings.processes > 1:
        restart(options, work, processes=opened.settings.processes, supervisor=supervisor)
    set_up_worker_logging(opened.settings, work.log_dir)
    if opened.advice:
        logger.warning("%s", opened.advice)
    _log_origins(opened, is_supervised=supervisor is not None)
    _tell_declared(opened, allow_none=work.allow_none)
    failed = _FailedRuns(opened.app.lifecycle)
    notifier = ReadinessNotifier.taken_from(
        os.environ
    )  # before the command of the children is made, who are not to tell
    worker = Worker(app=opened.app, child=child_command(options, work), **_labelled(opened.settings, work))
    opened.app.lifecycle.on_notice(notifier.hear, WorkerStarted, WorkerStopping, DatabaseAway, DatabaseBack)
    worker.liveness.on_beat(notifier.beat)
    with probes_of(worker, opened, work.probes, number=work.number), _heartbeat_of(worker, work):
        try:
            prepare_to_work()
            signals.hand_to(worker)
            status = worker.start()
        except Exception as error:
            raise _fatal(error) from error
    if work.fail_on_error and failed.count and status == 0:
        status = NO
    if worker.is_dismissed and supervisor is not None and status == 0:
        status = DISMISSED_STATUS
    return ExitResult(status, worker.has_stuck_threads)


def _heartbeat_of(worker: Worker, work: WorkOptions) -> AbstractContextManager[object]:
    """Let the worker write its heartbeat file in the block if it was told to."""
    from mongojobs.plugins.heartbeat_file import HeartbeatFile, part_of

    if work.heartbeat_file is None:
        return nullcontext()
    number, path = work.number, work.heartbeat_file
    heartbeat = HeartbeatFile(path if number is None else part_of(path, number))
    worker.liveness.on_beat(heartbeat.beat)
    return heartbeat


class _FailedRuns:
    """Counts failed runs."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        from mongojobs.core.notices import JobCrashed, JobErrored, JobFailed

        self.count = 0
        lifecycle.on_notice(self._hear, JobErrored, JobCrashed, JobFailed)

    def _hear(self, _notice: Notice) -> None:
        self.count += 1


def _log_origins(opened: Opened, *, is_supervised: bool) -> None:
    """Log which settings come from outside the app, and from where, so that no variable comes as a surprise."""
    from mongojobs.app.dashboard import shown_setting

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
    """Log how many jobs the app declares. Raises Failure if there are none, unless that is intended."""
    from mongojobs.app.declarations import declared_jobs

    declared = declared_jobs()
    documents = sum(job.kind == "document" for job in declared)
    if not declared and not allow_none:
        raise Failure(f"{opened.named} declares no jobs, so a worker could run none. {HOW_TO_NAME_JOBS}", NO_APP)
    more = f", and all methods of {counted(documents, 'document class')}" if documents else ""
    logger.info("Declared: %s%s", counted(len(declared) - documents, "job"), more)


def _labelled(settings: Settings, work: WorkOptions) -> dict[str, Any]:
    """Return the name of this worker among others. Source: delayed_job, ``delayed_job.0``, ``delayed_job.mail``."""
    parts = [str(part) for part in (work.identifier, work.number) if part is not None]
    if not parts:
        return {}
    if settings.name is not None:
        return {"name": ".".join([settings.name, *parts])}
    return {"prefix": f"{settings.prefix}{'.'.join(['mongojobs', *parts])} "}


def _fatal(error: Exception) -> Failure:
    """Log the error that killed the worker, and return it for standard error."""
    plain = failure(error) or Failure(f"the worker died of {type(error).__name__}: {error}", NO)
    logger.critical("%s", plain.message, exc_info=None if failure(error) else error)
    return plain
