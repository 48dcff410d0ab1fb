"""The list of jobs, and what can be done with many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any, Final, get_args

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.app import MongoJobs
from mongojobs.core.errors import StateError
from mongojobs.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY, Job, JobId
from mongojobs.core.jobfilter import STARTS_FROM, JobFilter, ShownState
from mongojobs.payload.showing import show_call
from mongojobs.web.filtering import and_also, read_search
from mongojobs.web.ids import key_of, read_key
from mongojobs.web.visit import Page, Visit

PAGE_SIZE: Final = 50
STATES: Final[tuple[str, ...]] = ("", "ready", "scheduled", "running", "failed", "cancelled", "completed")
_PATIENCE: Final = timedelta(seconds=8)
"""After so long the browser is told how far a change of many jobs has come; platforms cut off answers after 30 s."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job in a list: how it is addressed, and its last error without secrets."""

    job: Job
    key: str
    state: str
    error: str


class _LongEnoughError(Exception):
    """Breaks a sweep off between two batches."""


def show(visit: Visit) -> Page | Response:
    """Show the jobs that match, the newest first."""
    state, text = visit.choice("state", STATES), visit.text("q")
    search = read_search(text, state=_state(state), now=visit.now)
    app = visit.app
    if search.job_id is not None and (job := app.get(read_key(search.job_id))) is not None:
        return visit.go("job", id=key_of(job.id))
    values: dict[str, object] = {
        "state": state,
        "states": STATES,
        "search": search,
        "counts": app.counts(),
        "actions": [action for action, states in STARTS_FROM.items() if not state or state in states],
        "add": partial(and_also, text),
        "after": visit.text("after"),
    }
    if search.problem:
        return Page("jobs.html", {**values, "rows": [], "next": None}, status=400)
    page = app.find(search.chosen, limit=PAGE_SIZE, after=visit.text("after") or None)
    rows = [row_of(job, visit) for job in page.jobs]
    return Page("jobs.html", {**values, "rows": rows, "next": page.next})


def change(visit: Visit) -> Page | Response:
    """Do what the form says with the jobs that were selected, or with all that match."""
    order = _read_order(visit)
    if order.everything:
        return _change_matching(visit, order) if visit.text("confirmed") else _confirm(visit, order)
    if not order.keys:
        raise BadRequest("No job was selected.")
    if order.action == "delete" and not visit.text("confirmed"):
        return _confirm(visit, order)
    return _change_selected(visit, order)


def row_of(job: Job, visit: Visit) -> Row:
    """Return how a list shows *job*."""
    error = job.last_error or ""
    if error:
        error = show_call(job.handler, visit.app.payloads).clean(error)
    return Row(job, key_of(job.id), shown_state(job, visit), error)


def shown_state(job: Job, visit: Visit) -> str:
    """Return the state of *job* as people see it."""
    return "scheduled" if job.state == "ready" and job.run_at > visit.now else job.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done: the *action*, with which jobs, and for a move, where to."""

    action: str
    state: str
    text: str
    keys: tuple[str, ...] = ()
    everything: bool = False
    done_before: int = 0
    destination: Mapping[str, Any] = field(default_factory=dict)


def _read_order(visit: Visit) -> Order:
    action = visit.text("action")
    if action not in STARTS_FROM:
        raise BadRequest(f"action must be one of: {', '.join(STARTS_FROM)}.")
    keys = tuple(visit.request.form.getlist("id"))
    if len(keys) > 10 * PAGE_SIZE:
        raise BadRequest("Too many jobs were selected one by one: use a filter.")
    return Order(
        action=action,
        state=visit.choice("state", STATES),
        text=visit.text("q"),
        keys=keys,
        everything=bool(visit.text("all")),
        done_before=visit.number("done", default=0, least=0, most=10**10),
        destination=read_destination(visit) if action == "move" else {},
    )


def read_destination(visit: Visit) -> dict[str, Any]:
    """Return the queue and the priority that a form names. Raises BadRequest if it names none."""
    given: dict[str, Any] = {}
    if queue := visit.text("queue"):
        given["queue"] = queue
    if visit.text("priority"):
        given["priority"] = visit.number("priority", default=0, least=LOWEST_PRIORITY, most=HIGHEST_PRIORITY)
    if not given:
        raise BadRequest("Name the queue or the priority that the jobs should get.")
    return given


def _confirm(visit: Visit, order: Order) -> Page:
    app, search = visit.app, _search(visit, order)
    count = _counted(app, order.action, search.chosen) if order.everything else f"{len(order.keys):,}"
    return Page("confirm.html", {"order": order, "count": count, "search": search, "is_going_on": False})


def _counted(app: MongoJobs, action: str, chosen: JobFilter) -> str:
    """Return how many of the *chosen* jobs *action* can be done with, as far as they are counted."""
    counts = [app.count(part) for part in chosen.within(action)]
    return f"{sum(count.number for count in counts):,}{'' if all(count.is_exact for count in counts) else '+'}"


def _change_matching(visit: Visit, order: Order) -> Page | Response:
    chosen, seen = _search(visit, order).chosen, 0
    until = monotonic() + _PATIENCE.total_seconds()

    def watch(changed: int, _looked_at: int) -> None:
        nonlocal seen
        seen = changed
        if monotonic() > until and order.action != "move":  # what was moved still matches, so it cannot be gone on with
            raise _LongEnoughError

    is_done = True
    try:
        seen = _sweep(visit, order)(chosen, on_progress=watch)
    except _LongEnoughError:
        is_done = False
    visit.done(order.action, count=seen, target=_target(order))
    total = order.done_before + seen
    if is_done:
        return visit.go("jobs", state=order.state, q=order.text, did=order.action, n=total)
    values = {
        "order": order,
        "count": f"{total:,}",
        "search": _search(visit, order),
        "is_going_on": True,
        "total": total,
    }
    return Page("confirm.html", values)


def _sweep(visit: Visit, order: Order) -> Callable[..., int]:
    app = visit.app
    match order.action:
        case "retry":
            return app.retry_all
        case "hasten":
            return app.run_all_now
        case "cancel":
            return app.cancel_all
        case "move":
            return partial(app.move_all, **order.destination)
        case _:
            return app.delete_all


def _change_selected(visit: Visit, order: Order) -> Response:
    changed = []
    for key in order.keys:
        try:
            changed.append(change_one(visit, order.action, read_key(key), order.destination).id)
        except StateError:
            continue
    visit.done(order.action, count=len(changed), target=_target(order) | {"ids": [str(job_id) for job_id in changed]})
    refused = len(order.keys) - len(changed)
    return visit.go("jobs", state=order.state, q=order.text, did=order.action, n=len(changed), left=refused or None)


def change_one(visit: Visit, action: str, job_id: JobId, destination: Mapping[str, Any]) -> Job:
    """Do *action* with one job and return it. Raises StateError, OptionError."""
    app = visit.app
    match action:
        case "retry":
            return app.retry(job_id)
        case "hasten":
            return app.run_now(job_id)
        case "cancel":
            return app.cancel(job_id)
        case "move":
            return app.move(job_id, **destination)
        case _:
            return app.delete(job_id)


def _search(visit: Visit, order: Order) -> Any:
    search = read_search(order.text, state=_state(order.state), now=visit.now)
    if search.problem:
        raise BadRequest(search.problem)
    return search


def _target(order: Order) -> dict[str, object]:
    return {"filter": order.text, "state": order.state or "any", **order.destination}


def _state(name: str) -> ShownState | None:
    return next((state for state in get_args(ShownState) if state == name), None)
