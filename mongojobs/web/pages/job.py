"""One job: what happened to it, with which arguments, and why it has not run yet."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from mongojobs.app.dashboard import last_lines
from mongojobs.app.why import Reason
from mongojobs.core.actions import CANCEL_RUNNING, DELETE, Action, offered_in
from mongojobs.core.inside.cursor import rows_aside
from mongojobs.core.inside.progress import pace
from mongojobs.core.inside.steps import steps_of
from mongojobs.core.job import Job
from mongojobs.core.words.wording import by_whom
from mongojobs.payload.show import ShownCall, show_call, show_result, show_value
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of, read_key
from mongojobs.web.pages.changes import change_one, name_of, read_action, read_given
from mongojobs.web.pages.jobs import limits, shown_state

NO_TIME: Final = timedelta(0)
_NONE: Final = "There is no such job: it never existed, or it has completed or been deleted."


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a job, or will: the *state* that follows, when, and what it was."""

    state: str
    at: datetime
    what: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A failed run."""

    number: object
    at: datetime | None
    error: str
    trace: str
    worker: str


def show(visit: RequestContext) -> Page:
    """Show it, or, where it is gone, what it has logged. Raises NotFound."""
    job = visit.app.get(read_key(visit.text("id")))
    return _gone(visit) if job is None else _shown(visit, job)


def _gone(visit: RequestContext) -> Page:
    """Show what is kept of the log of a job that is not. Raises NotFound where that is nothing."""
    job_id = read_key(visit.text("id"))
    log = last_lines(visit.app, job_id, show_call({}, visit.app.payloads).clean)
    if not log.runs:
        raise NotFound(_NONE)
    return Page("gone.html", {"job_id": job_id, "log": log})


def _shown(visit: RequestContext, job: Job) -> Page:
    call, state = show_call(job.handler, visit.app.payloads), shown_state(job, visit)
    actions = [] if job.cancelling else offered_in(state)
    most_attempts, longest = limits(job, visit)
    return Page(
        "job.html",
        {
            "job": job,
            "key": key_of(job.id),
            "state": state,
            "call": call if visit.show_arguments else replace(call, arguments=(), document=None),
            "show_arguments": visit.show_arguments,
            "meta": show_value(dict(job.meta)) if job.meta and visit.show_arguments else "",
            "moments": sorted(_moments(job, visit), key=lambda moment: moment.at),
            "log": last_lines(visit.app, job.id, call.clean) if job.keep_log is not None else None,
            "attempts": list(_attempts(job, call)),
            "result": show_result(job.returned, call) if job.returned and visit.show_arguments else "",
            "last_error": call.clean(job.last_error or ""),
            "cancelled": call.clean(by_whom(job.cancellation)),
            "pace": pace(job.progress.rate) if state == "running" and job.progress and job.progress.rate else "",
            "steps": steps_of(job.steps),
            "aside": rows_aside(job.cursors),
            "note": call.clean(job.progress.note) if job.progress else "",
            "why": _why(job, call, visit),
            "actions": actions,
            "commands": list(_commands(job, actions)),
            "limit": most_attempts,
            "longest": longest,
            "attempts_ever": _attempts_ever(job),
            "waited": max(_started(job) - job.run_at, NO_TIME) if job.took is not None else None,
        },
    )


def job_of(visit: RequestContext) -> Job:
    """Return the job that the address or the form names. Raises NotFound."""
    job = visit.app.get(read_key(visit.text("id")))
    if job is None:
        raise NotFound(_NONE)
    return job


def change(visit: RequestContext) -> Page | Response:
    """Apply the form's action to this job."""
    action, key = read_action(visit), visit.text("id")
    given = read_given(visit, action)
    if action.warning and not visit.text("confirmed"):
        return Page("confirm_job.html", {"action": action, "key": key, "job": visit.app.get(read_key(key))})
    job = change_one(visit, action, read_key(key), given)
    visit.done(action.verb, target={"ids": [str(job.id)], **given})
    if action is DELETE:
        return visit.go("jobs", did=action.verb, n=1)
    return visit.go("job", id=key, did=name_of(action), n=1)


def _why(job: Job, call: ShownCall, visit: RequestContext) -> list[Reason]:
    """Return why *job* has not run, or what it is doing; if it has ended, its state says enough."""
    if job.state not in ("ready", "running"):
        return []
    return [replace(reason, text=call.clean(reason.text)) for reason in visit.app.why(job.id)]


def _moments(job: Job, visit: RequestContext) -> Iterator[Moment]:
    """Yield what happened to it and what will, in no order."""
    yield from _runs(job)
    if job.created_at is not None:
        yield Moment("", job.created_at, f"Enqueued in {job.queue}")
    if job.state == "ready":
        is_due = job.run_at <= visit.now
        yield Moment("ready" if is_due else "scheduled", job.run_at, "Due" if is_due else "Will be due")
    if job.expires_at is not None:
        yield Moment("", job.expires_at, "Expires, unless it has begun")
    if job.locked_at is not None:
        yield Moment("running", job.locked_at, "Running", job.locked_by or "")
    if job.locked_until is not None:
        yield Moment("running", job.locked_until, "Its lock runs out, unless it is renewed")
    yield from _end(job)
    if job.expire_at is not None:
        yield Moment("", job.expire_at, "Will be removed")


def _end(job: Job) -> Iterator[Moment]:
    """Yield its end, and who has asked for that while it ran."""
    cancellation = job.cancellation or {}
    by, why = str(cancellation.get("by") or ""), by_whom({"why": cancellation.get("why")})
    asked_at = cancellation.get("at")
    if isinstance(asked_at, datetime) and asked_at != job.finished_at:
        yield Moment("cancelled", asked_at, f"Asked to end{why}", by)
        by = why = ""
    if job.finished_at is not None:
        words = {"failed": "Given up", "cancelled": "Cancelled", "completed": "Completed"}
        is_cancelled = job.state == "cancelled"
        what = words.get(job.state, "Ended") + (why if is_cancelled else "")
        yield Moment(job.state, job.finished_at, what, by if is_cancelled else "")


def _runs(job: Job) -> Iterator[Moment]:
    """Yield those of its runs that are recorded, and who asked for them."""
    for attempt in job.errors:
        if isinstance(at := attempt.get("at"), datetime):
            yield Moment(
                "retried", at, f"Attempt {attempt.get('attempt', '?')} failed", str(attempt.get("worker") or "")
            )
    for retry in job.retries:
        if isinstance(at := retry.get("at"), datetime):
            yield Moment("ready", at, "Retried", str(retry.get("by") or ""))
    if job.took is not None and job.finished_at is not None:
        yield Moment("running", _started(job), "Last run began", job.ran_by or "")


def _started(job: Job) -> datetime:
    """Return when the last run of an ended job began, as far as known."""
    return (job.finished_at or job.run_at) - (job.took or NO_TIME)


def _attempts_ever(job: Job) -> int:
    """Return the number of the last failed attempt, counted across retries."""
    numbers = [error.get("attempt") for error in job.errors]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def _attempts(job: Job, call: ShownCall) -> Iterator[Attempt]:
    """Yield the failed runs, latest first."""
    for error in reversed(job.errors):
        at = error.get("at")
        yield Attempt(
            number=error.get("attempt", "?"),
            at=at if isinstance(at, datetime) else None,
            error=call.clean(str(error.get("error") or "")),
            trace=call.clean(str(error.get("trace") or "")),
            worker=str(error.get("worker") or ""),
        )


def _commands(job: Job, actions: Sequence[Action]) -> Iterator[str]:
    """Yield the equivalent commands of the command line."""
    names = ["show", *(["why"] if job.state in ("ready", "running") else [])]
    names += ["log"] if job.keep_log is not None else []
    names += ["result"] if job.returned is not None else []
    names += [
        f"{action.command}{' --running' * (action is CANCEL_RUNNING)}" for action in actions if not action.asks_for
    ]
    for name in names:
        yield f"mongojobs jobs {name} {shlex.quote(str(job.id))}"
