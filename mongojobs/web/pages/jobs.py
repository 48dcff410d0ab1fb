"""The list of jobs."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, reduce
from typing import Final, get_args

from werkzeug.wrappers import Response

from mongojobs.core.actions import offered_in
from mongojobs.core.job import Job
from mongojobs.core.job_filter import ShownState
from mongojobs.payload.precedence import applying
from mongojobs.payload.show import show_briefly, show_error
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of, read_key
from mongojobs.web.search import and_also, read_search, term

PAGE_SIZE: Final = 50
JSON: Final = "application/json"
STATES: Final[tuple[str, ...]] = ("", "ready", "scheduled", "running", "failed", "cancelled", "completed")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in a list: its address, its first arguments, unique key and last error without secrets, and its limits."""

    job: Job
    key: str
    state: str
    arguments: str
    unique: str
    error: str
    most_attempts: int
    longest: timedelta


def show(visit: RequestContext) -> Page | Response:
    """Show the matching jobs, newest first, and how many there are; scheduled ones, soonest first."""
    state, text = visit.choice("state", STATES), visit.text("q")
    search = read_search(text, state=state_named(state), now=visit.now, has_arguments=visit.show_arguments)
    if search.job_id is not None and (job := visit.app.get(read_key(search.job_id))) is not None:
        return visit.go("job", id=key_of(job.id))
    values: dict[str, object] = {
        "state": state,
        "states": STATES,
        "search": search,
        "counts": {},
        "count": None,
        "actions": offered_in(state),
        "add": partial(and_also, text),
        "after": visit.text("after"),
    }
    if search.problem:
        return Page("jobs.html", {**values, "rows": [], "next": None}, status=400)
    page, counts = visit.listed(search.job_filter, limit=PAGE_SIZE, after=visit.text("after") or None)
    only = search.job_filter.state
    values |= {"counts": counts, "count": counts[only] if only else reduce(operator.add, counts.values())}
    rows = [row_of(job, visit) for job in page.jobs]
    return Page("jobs.html", {**values, "rows": rows, "next": page.next})


def known(visit: RequestContext) -> Response:
    """Return what to offer in a search, for the page's script: each name of a job or queue with its condition."""
    found = visit.known()
    terms = [(name, term("name", name)) for name in found.names] + [
        (name, term("queue", name)) for name in found.queues
    ]
    return Response(json.dumps([{"text": text, "term": condition} for text, condition in terms]), mimetype=JSON)


def row_of(job: Job, visit: RequestContext) -> JobRow:
    """Return the row for *job* in a list."""
    payloads = visit.app.payloads
    why = job.deferred_reason or job.last_error
    error = show_error(why, job.handler, payloads) if why else ""
    most_attempts, longest = limits(job, visit)
    return JobRow(
        job=job,
        key=key_of(job.id),
        state=shown_state(job, visit),
        arguments=show_briefly(job.handler, payloads) if visit.show_arguments else "",
        unique=(job.unique_text or "") if visit.show_arguments else "",
        error=error,
        most_attempts=most_attempts,
        longest=longest,
    )


def limits(job: Job, visit: RequestContext) -> tuple[int, timedelta]:
    """Return how often *job* may fail and how long it may run, as far as known without its job object."""
    declaration, settings = visit.app.payloads.peek(dict(job.handler)).declaration, visit.app.settings
    return (
        applying("max_attempts", job.max_attempts or None, declaration=declaration, settings=settings),
        applying("max_run_time", job.max_run_time or None, declaration=declaration, settings=settings),
    )


def shown_state(job: Job, visit: RequestContext) -> str:
    """Return the state of *job* as people see it."""
    return "scheduled" if job.state == "ready" and job.run_at > visit.now else job.state


def state_named(name: str) -> ShownState | None:
    """Return the state called *name*; None for any."""
    return next((state for state in get_args(ShownState) if state == name), None)
