"""Why a job has not run: from the facts about it, its queue and the workers to sentences with remedies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from mongojobs.core.inside.cursor import rows_aside
from mongojobs.core.inside.progress import in_a_line
from mongojobs.core.job import Job
from mongojobs.core.retry import ALONE_FROM_LOSSES
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import by_whom, counted
from mongojobs.store.pauses import Pause
from mongojobs.store.reader.counts import Count
from mongojobs.store.workers import WorkerStatus

ReasonKind = Literal[
    "paused",
    "no_worker",
    "quiet_workers",
    "deferred",
    "not_due",
    "unknown_job",
    "behind",
    "losses",
    "expires",
    "alone",
    "indexes_missing",
    "next",
    "running",
    "cancelling",
    "worker_lost",
    "failed",
    "cancelled",
    "completed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason why a job has not run, for people, and what they can do; *kind* is for programs."""

    kind: ReasonKind
    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment that may keep a job from running."""

    now: datetime
    pause: Pause | None
    workers: Sequence[WorkerStatus]
    ahead: Count
    problem: str | None
    """Why the code imported here cannot load the payload, if it cannot."""
    missing_indexes: Sequence[str]
    undeclared_for: timedelta
    """How long a job is put off that no worker can load."""


def reasons(job: Job, facts: Facts) -> list[Reason]:
    """Return why *job* has not run, or not run again, the most important reason first; never empty."""
    match job.state:
        case "ready":
            found = [reason for reason_of in _OF_READY for reason in reason_of(job, facts)]
            return found if any(reason.kind not in _MINOR for reason in found) else [*found, _next(job, facts)]
        case "running":
            return [*_cancelling(job), _running(job, facts)]
        case "failed":
            return [_failed(job), *_unknown(job, facts)]
        case "cancelled":
            why = first_line(job.last_error)
            who = by_whom(job.cancellation)
            text = f"it was cancelled{_at(job.finished_at)}{who}" + (f"{';' if who else ':'} {why}" if why else "")
            return [Reason(kind="cancelled", text=text, remedy=f"mongojobs jobs retry {job.id}")]
        case "completed":
            remedy = "to run it again, enqueue it again"
            if job.returned is not None:
                remedy = f"to see what it returned: mongojobs jobs result {job.id}"
            elif job.keep_log is not None:
                remedy = f"to see what it logged: mongojobs jobs log {job.id}"
            return [Reason(kind="completed", text=f"it has run{_at(job.finished_at)}", remedy=remedy)]
        case _:
            assert_never(job.state)


def _paused(job: Job, facts: Facts) -> Iterator[Reason]:
    pause = facts.pause
    if pause is not None:
        until = "until it is resumed" if pause.until is None else f"until {_moment(pause.until)}"
        why = f": {pause.reason}" if pause.reason else ""
        text = f"the queue {job.queue} has been paused since {_moment(pause.since)}, {until}{why}"
        yield Reason(kind="paused", text=text, remedy=f"mongojobs queues resume {job.queue}")


def _no_worker(job: Job, facts: Facts) -> Iterator[Reason]:
    listening = _listening(job, facts)
    if not facts.workers:
        yield Reason(kind="no_worker", text="no worker is alive", remedy="mongojobs work")
    elif not listening:
        text = f"no living worker takes jobs of the queue {job.queue} with priority {job.priority}"
        remedy = f"mongojobs work --queues {job.queue}, or move the job to a queue that has workers"
        yield Reason(kind="no_worker", text=text, remedy=remedy)
    elif all(worker.state != "working" for worker in listening):
        text = f"all workers that take jobs of the queue {job.queue} are quiet or stopping"
        yield Reason(kind="quiet_workers", text=text, remedy="start one: mongojobs work")


def _deferred(job: Job, facts: Facts) -> Iterator[Reason]:
    if job.deferred_since is not None:
        again = "now" if job.run_at <= facts.now else f"at {_moment(job.run_at)}"
        text = (
            f"no worker that has found it since {_moment(job.deferred_since)} could load it:"
            f" {first_line(job.deferred_reason)}; it is tried again {again}, and given up on after"
            f" {_moment(job.deferred_since + facts.undeclared_for)}"
        )
        remedy = f"start a worker that knows it; to have it tried now: mongojobs jobs run-now {job.id}"
        yield Reason(kind="deferred", text=text, remedy=remedy)


def _not_due(job: Job, facts: Facts) -> Iterator[Reason]:
    if job.run_at > facts.now and job.deferred_since is None:
        text = f"it is not due until {_moment(job.run_at)}"
        if job.attempts:
            text += f", as it has failed {_times(job.attempts)}: {first_line(job.last_error)}"
        elif job.start_by is not None:
            text += f", and further calls put it off until {_moment(job.start_by)} at the latest"
        yield Reason(kind="not_due", text=text, remedy=f"to run it now: mongojobs jobs run-now {job.id}")


def _unknown(_job: Job, facts: Facts) -> Iterator[Reason]:
    if facts.problem is not None:
        remedy = "declare it under that name, or as an alias, in a module that the workers import"
        yield Reason(kind="unknown_job", text=f"the code here cannot run it: {facts.problem}", remedy=remedy)


def _behind(job: Job, facts: Facts) -> Iterator[Reason]:
    if facts.ahead.number and job.run_at <= facts.now:
        text = f"{facts.ahead} due jobs of the queue {job.queue} come before it"
        remedy = f"more workers, or a lower priority number: mongojobs jobs move {job.id} --priority N"
        yield Reason(kind="behind", text=text, remedy=remedy)


def _losses(job: Job, _facts: Facts) -> Iterator[Reason]:
    if job.losses:
        alone = ", so it only starts where nothing else is running" if job.losses >= ALONE_FROM_LOSSES else ""
        text = f"its worker was lost {_times(job.losses)} while it ran{alone}"
        yield Reason(kind="losses", text=text, remedy="check whether it kills its worker or uses too much memory")


def _expires(job: Job, facts: Facts) -> Iterator[Reason]:
    if job.expires_at is None or not job.is_expired(job.expires_at):  # one that has begun once does not
        return
    if job.expires_at <= facts.now:
        text = f"it expired at {_moment(job.expires_at)}: the next worker that takes it cancels it without running it"
    else:
        text = (
            f"it expires at {_moment(job.expires_at)}: unless it has started by then, it is cancelled without running"
        )
    yield Reason(kind="expires", text=text, remedy="start more workers, or enqueue it with a later expires_at")


def _indexes(_job: Job, facts: Facts) -> Iterator[Reason]:
    if facts.missing_indexes:
        text = f"everything is slow without the missing indexes {', '.join(facts.missing_indexes)}"
        yield Reason(kind="indexes_missing", text=text, remedy="mongojobs create-indexes")


_OF_READY: Final[tuple[Callable[[Job, Facts], Iterator[Reason]], ...]] = (
    _paused,
    _no_worker,
    _deferred,
    _not_due,
    _unknown,
    _behind,
    _losses,
    _expires,
    _indexes,
)
_MINOR: Final = ("losses", "expires", "indexes_missing", "unknown_job")


def _next(job: Job, facts: Facts) -> Reason:
    working = [worker for worker in _listening(job, facts) if worker.state == "working"]
    if job.losses >= ALONE_FROM_LOSSES and all(worker.busy or worker.alone for worker in working):
        text = "it is due and next in its queue, and is waiting for an idle worker: each makes room now and then"
        return Reason(kind="alone", text=text, remedy=f"to run it by itself: mongojobs jobs run {job.id}")
    if all(worker.busy >= worker.threads for worker in working):
        text, remedy = "it is due and next in its queue, and all workers are busy", "start more workers"
        return Reason(kind="next", text=text, remedy=remedy)
    if all(worker.busy >= worker.threads or worker.alone for worker in working):
        text = "it is due and next in its queue, but the workers start nothing alongside a job that lost its workers"
        return Reason(kind="next", text=text, remedy="look again in a few seconds, or start more workers")
    text = "it is due and next in its queue: a worker is about to run it"
    return Reason(kind="next", text=text, remedy="look again in a few seconds")


def _listening(job: Job, facts: Facts) -> list[WorkerStatus]:
    return [worker for worker in facts.workers if worker.listens_to(job.queue, job.priority)]


def _cancelling(job: Job) -> Iterator[Reason]:
    if job.cancellation is not None:
        at = job.cancellation.get("at")
        asked = _at(at if isinstance(at, datetime) else None)
        text = f"it was asked to end{asked}{by_whom(job.cancellation)}: its code is interrupted, and may clean up"
        remedy = "wait until it has ended; if its code does not return, its process is ended after timeout_grace"
        yield Reason(kind="cancelling", text=text, remedy=remedy)


def _running(job: Job, facts: Facts) -> Reason:
    by = job.locked_by or "(unknown)"
    if job.locked_until is not None and job.locked_until <= facts.now:
        over = format_duration(timedelta(seconds=int((facts.now - job.locked_until).total_seconds())))
        text = f"its worker {by} was lost: its lock ran out {over} ago, and the next worker that looks takes it back"
        remedy = "nothing, if a worker is alive" if facts.workers else "mongojobs work, or mongojobs requeue --stuck"
        return Reason(kind="worker_lost", text=text, remedy=remedy)
    until = "" if job.locked_until is None else f", whose lock lasts until {_moment(job.locked_until)} unless renewed"
    text = f"it is being run{_since(job.locked_at)} by {by}{until}"
    if job.progress is not None:
        text += f"; it has done {in_a_line(job.progress, is_running=True)}"
    if aside := rows_aside(job.cursors):
        text += f"; it has left out {counted(len(aside), 'row')} at which workers died, such as {aside[-1].row}"
    if job.again is not None:
        text += "; it was enqueued again meanwhile, and runs once more when it has ended"
    return Reason(kind="running", text=text, remedy=f"wait until it ends, or: mongojobs jobs cancel --running {job.id}")


def _failed(job: Job) -> Reason:
    used = f"{_times(job.attempts)}" + (f" of at most {job.max_attempts}" if job.max_attempts else "")
    when = _at(job.failed_at or job.finished_at)
    text = f"it was given up on{when}, after it failed {used}: {first_line(job.last_error)}"
    look = "" if job.keep_log is None else f" (what it logged: mongojobs jobs log {job.id})"
    return Reason(kind="failed", text=text, remedy=f"fix the cause{look}, then: mongojobs jobs retry {job.id}")


def first_line(text: str | None) -> str:
    """Return the beginning of an error's text, for a sentence."""
    lines = (text or "").splitlines()
    return lines[0][:300] if lines else ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f" at {_moment(moment)}"


def _since(moment: datetime | None) -> str:
    return "" if moment is None else f" since {_moment(moment)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
