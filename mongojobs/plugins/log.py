"""What the log says: all wording of the library's log lines, in delayed_job's words where it has any.

Each line is one event, with its facts as fields of the log record for machines: ``event``, ``job_id``, ``job``,
``queue``, ``attempts``, ``worker`` ... The arguments of jobs are never logged.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from textwrap import indent
from typing import Any, Final, assert_never

from mongojobs.core import notices as n
from mongojobs.core.job import Job, current_job
from mongojobs.core.lifecycle import Lifecycle, Plugin
from mongojobs.core.words.wording import by_whom, counted, in_seconds, iso, printable, printable_lines

logger: logging.Logger = logging.getLogger("mongojobs")

_BRIEF = (n.JobStarted, n.JobCompleted)
"""Of these there are too many for a record each; the logger of a worker may have a ``shortcut`` for them."""
_SOMETIMES_WARNINGS = (n.JobDeferred, n.TicksDropped)
_MESSAGE_BYTES = 8000
_NAMED_JOBS = 3
_MOST_DEFERRED_NAMES = 1000
"""Anyone who can plant jobs can name them at will."""


class LogPlugin(Plugin):
    """Writes each notice to the logger ``mongojobs``, the warning that a job cannot be loaded only once per name.

    Tracebacks are written as long as *has_traces* says so.
    """

    def __init__(self, has_traces: Callable[[], bool] = lambda: True) -> None:
        self._has_traces = has_traces
        self._deferred: set[str] = set()

    def register(self, lifecycle: Lifecycle) -> None:
        """Listen to all notices, so that each thread's lines are in the order of its actions."""
        lifecycle.on_notice_in_order(self._hear, wants=_may_be_logged)

    def _hear(self, notice: n.Notice) -> None:
        if isinstance(notice, _BRIEF) and (shortcut := getattr(logger, "shortcut", None)) and shortcut(notice):
            return
        is_news = isinstance(notice, n.JobDeferred) and self._is_news(notice)
        has_trace = bool(getattr(notice, "trace", "")) and self._has_traces()
        log(notice, logging.WARNING if is_news else None, has_trace=has_trace)

    def _is_news(self, notice: n.JobDeferred) -> bool:
        name = notice.job.name
        if name in self._deferred or len(self._deferred) >= _MOST_DEFERRED_NAMES:
            return False
        self._deferred.add(name)
        return True


class JobContext(logging.Filter):
    """Adds ``job_id`` and ``job`` to the records that a job's own code logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        job = current_job()
        if job is not None and not hasattr(record, "job_id"):
            record.job_id = str(job.id)
            if not hasattr(record, "job"):
                record.job = job.name
        return True


def log(notice: n.Notice, level: int | None = None, *, has_trace: bool = True) -> None:
    """Write one line about *notice*, at another *level* than its own if one is given.

    Its traceback, if it has one and *has_trace*, stands behind it.
    """
    level = _level(notice) if level is None else level
    if logger.isEnabledFor(level):
        logger.handle(record_of(notice, level, has_trace=has_trace))


def record_of(notice: n.Notice, level: int, *, has_trace: bool = True) -> logging.LogRecord:
    """Return the record of the line about *notice*."""
    text = _text(notice)
    worker = getattr(notice, "worker", None)
    line = printable(f"[Worker({worker})] {text}" if worker else text)
    fields = _fields(notice)
    if trace := _trace(notice) if has_trace else "":
        fields["trace"] = trace
    # Not by logger.log: to find out which line of ours has called takes a third of the time.
    record = logger.makeRecord(logger.name, level, __file__, 0, "%s", (line,), None, extra=fields)
    if trace:
        record.exc_text = indent(trace, "  ")  # what every formatter writes behind the line
    return record


def _trace(notice: n.Notice) -> str:
    trace = getattr(notice, "trace", "").strip("\n")
    return "\n".join(printable_lines(trace)) if trace else ""


def _may_be_logged(kind: Callable[..., n.Notice]) -> bool:
    """Whether a notice of that *kind* may be written now."""
    return logger.isEnabledFor(logging.WARNING if kind in _SOMETIMES_WARNINGS else _LEVELS.get(kind, logging.INFO))


def _level(notice: n.Notice) -> int:
    match notice:
        case n.JobRescued(failed=False) | n.CallbackRaised(job=None) | n.TicksDropped(result="missed"):
            return logging.WARNING
        case _:
            return _LEVELS.get(type(notice), logging.INFO)


def _text(notice: n.Notice) -> str:
    if isinstance(notice, n.AboutJob):
        return f"{notice.job} {about_job(notice)}"
    if isinstance(notice, n.AboutSchedule):
        return f"Schedule {notice.schedule}: {_about_schedule(notice)}"
    return _about_worker(notice) if isinstance(notice, n.AboutWorker) else _about_others(notice)


def _about_schedule(notice: n.AboutSchedule) -> str:
    match notice:
        case n.ScheduleTicked(at=at, late=late):
            return f"enqueued the job of {iso(at)}, {in_seconds(late)} after it"
        case n.TicksDropped(at=at, result=result, number=number, why=why):
            ticks = f"the tick of {iso(at)}" if number == 1 else f"{counted(number, 'tick')} from {iso(at)} on"
            return f"{result} {ticks}: {why}"
        case _:
            assert_never(notice)


def _about_worker(notice: n.AboutWorker) -> str:  # noqa: C901 - a table, not a decision
    match notice:
        case n.WorkerStarted(settings=settings):
            return f"Starting job worker: {settings}"
        case n.WorkerStopping(running=running, seconds=seconds):
            return f"Exiting...{_waiting_for(running, seconds)}"
        case n.WorkerTold(order=order):
            return f"Told to by `mongojobs workers {order}`: reserving no more jobs"
        case n.WorkerStopped(released=released):
            return f"Stopped, {counted(released, 'running job')} handed back" if released else "Stopped"
        case n.WorkerRecycling(reason=reason):
            return f"Exiting once the running jobs have ended: {reason}"
        case n.ChildReplaced(pid=pid, reason=reason):
            return f"Replacing the child process {pid}: {reason}"
        case n.NoMoreJobs():
            return "No more jobs available. Exiting"
        case n.BatchDone(jobs=jobs, failures=failures, seconds=seconds):
            rate = jobs / max(seconds, 1e-4)
            shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
            return f"{counted(jobs, 'job')} processed at {shown} jobs/s, {failures} failed"
        case n.JobsReserved(jobs=jobs, seconds=seconds):
            return f"Reserved {counted(jobs, 'job')} in {in_seconds(seconds)}"
        case n.ReserveFailed(reason=reason):
            return f"Could not reserve: {reason}"
        case _:
            assert_never(notice)


def _about_others(notice: n.AboutOthers) -> str:
    match notice:
        case n.Warned(message=message):
            return message
        case n.DatabaseAway(doing=doing, error=error, refused=True):
            return f"Refused by the database while {doing}: {error}. Trying again, but only a change there will help"
        case n.DatabaseAway(doing=doing, error=error):
            return f"Error while {doing}: {error}. Trying again until the database answers"
        case n.DatabaseBack(seconds=seconds):
            return f"The database answers again after {in_seconds(seconds)}"
        case n.JobRescued(job_id=job_id, locked_by=locked_by, losses=losses, failed=failed, cancelled=cancelled):
            end = "has FAILED permanently because its worker was lost once too often" if failed else "is ready again"
            end = "is CANCELLED, as was asked for" if cancelled else end
            return f"Job (id={job_id}) was lost by Worker({locked_by}), loss {losses}: it {end}"
        case n.JobQuarantined(job_id=job_id, reason=reason):
            return f"Job (id={job_id}) FAILED permanently: {reason}"
        case n.ActionTaken(user=user, action=action, count=count, target=target):
            about = ", ".join(f"{key} {value!r:.500}" for key, value in target.items() if value)
            return f"User {user!r} on the dashboard: {action}, {count} ({about})"
        case n.CallbackRaised(job=job, what=what, trace=trace):
            about = f"{job}: " if job else ""
            return f"{about}Error when running {what}: {_last_word(trace)}"
        case _:
            assert_never(notice)


def _waiting_for(running: tuple[str, ...], seconds: float) -> str:
    if not running:
        return ""
    count = f"{len(running)} running {'job' if len(running) == 1 else 'jobs'}"
    more = f" and {len(running) - _NAMED_JOBS} more" if len(running) > _NAMED_JOBS else ""
    return f" Waiting at most {seconds:g} s for {count}: {', '.join(running[:_NAMED_JOBS])}{more}"


def about_job(notice: n.AboutJob) -> str:  # noqa: C901, PLR0912 - a table, not a decision
    """Return what has become of the job, in words that follow its name."""
    match notice:
        case n.JobEnqueued():
            return "ENQUEUED"
        case n.CallMerged(into=into, answer=answer):
            return f"was {answer.upper()}, as the job {into} holds its unique key"
        case n.JobStarted():
            return "RUNNING"
        case n.JobCompleted(seconds=seconds):
            return f"COMPLETED after {in_seconds(seconds)}"
        case n.JobErrored(job=job, error=error, run_at=run_at):
            again = f"; it will run again at {iso(run_at)}" if run_at is not None else ""
            return f"FAILED ({counted(job.attempts, 'prior attempt')}) with {error[:_MESSAGE_BYTES]}{again}"
        case n.JobFailed(reason=reason):
            return f"FAILED permanently: {reason}"
        case n.JobCrashed(job=job, error=error, given_up=given_up):
            again = "" if given_up else "; it will run again"
            return f"CRASHED, loss {job.losses + 1}: {error[:_MESSAGE_BYTES]}{again}"
        case n.JobSnoozed(delay=delay):
            return f"SNOOZED for {in_seconds(delay)}"
        case n.JobDeferred(reason=reason, delay=delay):
            return f"DEFERRED for {in_seconds(delay)}, as it cannot be loaded here: {reason[:_MESSAGE_BYTES]}"
        case n.JobConflicted(reason=reason, delay=delay):
            return f"is UNDONE and will run again in {in_seconds(delay)}: {reason[:_MESSAGE_BYTES]}"
        case n.JobDiscarded(reason=reason):
            return f"DISCARDED: {reason[:_MESSAGE_BYTES]}"
        case n.JobCancelling(job=job):
            return f"is being CANCELLED{by_whom(job.cancellation)}"
        case n.JobCancelled(job=job, seconds=seconds, fault=fault):
            return f"CANCELLED after {in_seconds(seconds)}{by_whom(job.cancellation)}{f' ({fault})' if fault else ''}"
        case n.JobReleased():
            return "HANDED BACK because the worker is stopping"
        case n.JobLost() | n.JobTimedOut() | n.JobBlocks() | n.JobStuck() | n.ResultDropped() | n.RowSetAside():
            return _trouble(notice)
        case _:
            assert_never(notice)


def _trouble(
    notice: n.JobLost | n.JobTimedOut | n.JobBlocks | n.JobStuck | n.ResultDropped | n.RowSetAside,
) -> str:
    match notice:
        case n.JobLost(what=what):
            return f"is no longer ours: {what} was dropped"
        case n.JobTimedOut(limit=limit):
            return f"TIMED OUT after its limit of {in_seconds(limit)}"
        case n.JobBlocks(seconds=seconds):
            return f"has BLOCKED the event loop for {seconds:.1f} s: no other async job makes progress. Make it await"
        case n.JobStuck(job=job):
            after = "its timeout" if job.cancellation is None else "it was cancelled"
            return f"did not return after {after}: its process ends because of it"
        case n.RowSetAside(rows=rows, row=row, deaths=deaths):
            return f"LEAVES OUT the row {row} of {rows}: {counted(deaths, 'worker')} died at it"
        case n.ResultDropped(why=why):
            return f"has LOST its result: {why[:_MESSAGE_BYTES]}"
        case _:
            assert_never(notice)


_LEVELS: dict[Callable[..., n.Notice], int] = {
    **dict.fromkeys(
        (n.JobEnqueued, n.CallMerged, n.JobSnoozed, n.JobsReserved, n.ReserveFailed, n.ScheduleTicked), logging.DEBUG
    ),
    **dict.fromkeys(
        (
            *(n.JobErrored, n.JobLost, n.JobTimedOut, n.JobBlocks, n.JobReleased, n.JobDiscarded, n.ResultDropped),
            n.Warned,
        ),
        logging.WARNING,
    ),
    **dict.fromkeys(
        (n.JobFailed, n.JobCrashed, n.JobStuck, n.JobRescued, n.JobQuarantined, n.CallbackRaised, n.RowSetAside),
        logging.ERROR,
    ),
    n.DatabaseAway: logging.ERROR,
}
"""The levels other than INFO."""

EVENTS: Final[dict[type, str]] = {
    n.WorkerStarted: "worker.started",
    n.WorkerStopping: "worker.stopping",
    n.WorkerTold: "worker.told",
    n.WorkerStopped: "worker.stopped",
    n.WorkerRecycling: "worker.worn",
    n.ChildReplaced: "child.replaced",
    n.NoMoreJobs: "worker.complete",
    n.BatchDone: "worker.batch",
    n.JobsReserved: "worker.reserved",
    n.ReserveFailed: "worker.reserve_error",
    n.JobEnqueued: "job.enqueued",
    n.CallMerged: "job.merged",
    n.JobStarted: "job.started",
    n.JobCompleted: "job.completed",
    n.ResultDropped: "job.result_dropped",
    n.JobErrored: "job.errored",
    n.JobFailed: "job.failed",
    n.JobCrashed: "job.crashed",
    n.JobSnoozed: "job.snoozed",
    n.JobDeferred: "job.deferred",
    n.JobConflicted: "job.conflicted",
    n.JobDiscarded: "job.discarded",
    n.JobCancelling: "job.cancelling",
    n.JobCancelled: "job.cancelled",
    n.JobReleased: "job.interrupted",
    n.JobLost: "job.lost",
    n.JobTimedOut: "job.timed_out",
    n.JobBlocks: "job.blocks_loop",
    n.JobStuck: "job.stuck",
    n.RowSetAside: "job.row_set_aside",
    n.JobRescued: "job.rescued",
    n.JobQuarantined: "job.quarantined",
    n.ScheduleTicked: "schedule.ticked",
    n.TicksDropped: "schedule.dropped",
    n.CallbackRaised: "callback.raised",
    n.DatabaseAway: "database.away",
    n.DatabaseBack: "database.back",
    n.Warned: "warning",
    n.ActionTaken: "dashboard.action",
}
"""The field ``event`` of each notice."""


def _last_word(trace: str) -> str:
    """Return the exception at the end of a traceback."""
    ends = [line for line in trace.split("\n") if line and not line.startswith((" ", "+"))]
    return ends[-1] if ends else trace


def _fields(notice: n.Notice) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": EVENTS[type(notice)]}
    fields |= {name: value for name in ("worker", "schedule") if (value := getattr(notice, name, None)) is not None}
    fields |= platform_fields()
    if isinstance(job := getattr(notice, "job", None), Job):
        fields |= job_fields(job)
    if isinstance(notice, n.JobStarted):
        fields["wait_ms"] = round(notice.waited * 1000)
    if isinstance(notice, n.JobCompleted | n.JobErrored | n.JobCancelled):
        fields["run_ms"] = round(notice.seconds * 1000)
    if isinstance(notice, n.JobCancelling | n.JobCancelled):
        said = notice.job.cancellation or {}
        fields |= {name: str(said[key]) for name, key in (("cancelled_by", "by"), ("why", "why")) if said.get(key)}
    if (run_at := getattr(notice, "run_at", None)) is not None:
        fields["run_at"] = iso(run_at)
    if (error := getattr(notice, "error", None)) is not None:
        fields["error"] = error[:_MESSAGE_BYTES]
    if isinstance(notice, n.ActionTaken):
        fields |= {"user": notice.user, "action": notice.action, "count": notice.count}
    if (job_id := getattr(notice, "job_id", None)) is not None:
        fields["job_id"] = str(job_id)
    return fields


def platform_fields() -> dict[str, str]:
    """Return the facts of each line about where it comes from."""
    dyno = os.environ.get("DYNO")
    return {} if dyno is None else {"dyno": dyno}


def job_fields(job: Job) -> dict[str, str | int]:
    """Return the facts of each line about *job*."""
    return {
        "job_id": str(job.id),
        "job": job.name,
        "queue": job.queue,
        "priority": job.priority,
        "attempts": job.attempts,
    }
