"""Changing many jobs: those that were selected one by one, or all that match, with a question before it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial, reduce
from time import monotonic
from typing import Any, Final, assert_never

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.app import MongoJobs
from mongojobs.core.errors import StateError
from mongojobs.core.job import Job, JobId
from mongojobs.core.job_filter import STARTS_FROM, JobFilter, Verb
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import read_key
from mongojobs.web.pages.jobs import STATES, state_named
from mongojobs.web.search import Search, read_search

_MOST_SELECTED: Final = 500
_MOST_ROUNDS: Final = 9
_PATIENCE: Final = timedelta(seconds=8)
"""After so long the browser is told how far a change of many jobs has come; platforms cut off answers after 30 s."""


class _LongEnoughError(Exception):
    """Breaks a change of many jobs off between two batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done: the *action*, with which jobs, and for a move, where to."""

    action: Verb
    state: str
    text: str
    keys: tuple[str, ...] = ()
    everything: bool = False
    done_before: int = 0
    rounds: int = 0
    """How often the time was up before all was done."""
    destination: Mapping[str, Any] = field(default_factory=dict)


def change(visit: RequestContext) -> Page | Response:
    """Do what the form says with the jobs that were selected, or with all that match."""
    order = _read_order(visit)
    if order.everything:
        return _change_matching(visit, order) if visit.text("confirmed") else _confirm(visit, order)
    if not order.keys:
        raise BadRequest("No job was selected.")
    if order.action == "delete" and not visit.text("confirmed"):
        return _confirm(visit, order)
    return _change_selected(visit, order)


def _read_order(visit: RequestContext) -> Order:
    action = read_verb(visit)
    keys = tuple(visit.request.form.getlist("id"))
    if len(keys) > _MOST_SELECTED:
        raise BadRequest("Too many jobs were selected one by one: use a filter.")
    return Order(
        action=action,
        state=visit.choice("state", STATES),
        text=visit.text("q"),
        keys=keys,
        everything=bool(visit.text("all")),
        done_before=visit.number("done", default=0, least=0, most=10**10),
        rounds=visit.number("rounds", default=0, least=0, most=_MOST_ROUNDS),
        destination=read_destination(visit) if action == "move" else {},
    )


def read_verb(visit: RequestContext) -> Verb:
    """Return what is to be done. Raises BadRequest."""
    action = visit.text("action")
    verb = next((verb for verb in STARTS_FROM if verb == action), None)
    if verb is None:
        raise BadRequest(f"action must be one of: {', '.join(STARTS_FROM)}.")
    return verb


def read_destination(visit: RequestContext) -> dict[str, Any]:
    """Return the queue and the priority that a form names. Raises BadRequest if it names none."""
    given: dict[str, Any] = {}
    if queue := visit.text("queue"):
        given["queue"] = queue
    if visit.text("priority"):
        given["priority"] = visit.number("priority", default=0, least=LOWEST_PRIORITY, most=HIGHEST_PRIORITY)
    if not given:
        raise BadRequest("Name the queue or the priority that the jobs should get.")
    return given


def _confirm(visit: RequestContext, order: Order) -> Page:
    app, search = visit.app, _search(visit, order)
    count = _counted(app, order.action, search.chosen) if order.everything else f"{len(order.keys):,}"
    return Page("confirm.html", {"order": order, "count": count, "is_going_on": False})


def _counted(app: MongoJobs, action: Verb, chosen: JobFilter) -> str:
    """Return how many of the *chosen* jobs *action* can be done with, as far as they are counted."""
    return str(reduce(operator.add, map(app.count, chosen.within(action))))


def _change_matching(visit: RequestContext, order: Order) -> Page | Response:
    """Change all that match, or as many as there is time for, and then go on with a page that asks for the rest.

    Each round begins with the oldest job again, so each has more time than the one before it.
    """
    search, changed = _search(visit, order), 0
    until = monotonic() + _PATIENCE.total_seconds() * 2**order.rounds

    def watch(so_far: int, _looked_at: int) -> None:
        nonlocal changed
        changed = so_far
        if monotonic() > until:
            raise _LongEnoughError

    is_done = False
    try:
        _sweep(visit, order)(search.chosen, on_progress=watch)
        is_done = True
    except _LongEnoughError:
        pass
    finally:  # what was changed is told, whatever became of the rest
        visit.done(order.action, count=changed, target=_target(order))
    total = order.done_before + changed
    if is_done:
        return visit.go("jobs", state=order.state, q=order.text, did=order.action, n=total)
    further = replace(order, done_before=total, rounds=order.rounds + 1)
    return Page("confirm.html", {"order": further, "count": f"{total:,}", "is_going_on": True})


def _sweep(visit: RequestContext, order: Order) -> Callable[..., int]:
    app = visit.app
    match order.action:
        case "retry":
            return partial(app.retry_all, by=visit.user.name)
        case "hasten":
            return app.run_all_now
        case "cancel":
            return app.cancel_all
        case "move":
            return partial(app.move_all, **order.destination)
        case "delete":
            return app.delete_all
        case _:
            assert_never(order.action)


def _change_selected(visit: RequestContext, order: Order) -> Response:
    changed: list[str] = []
    try:
        for key in order.keys:
            with suppress(StateError):
                changed.append(str(change_one(visit, order.action, read_key(key), order.destination).id))
    finally:
        visit.done(order.action, count=len(changed), target=_target(order) | {"ids": changed})
    refused = len(order.keys) - len(changed)
    return visit.go("jobs", state=order.state, q=order.text, did=order.action, n=len(changed), left=refused or None)


def change_one(visit: RequestContext, action: Verb, job_id: JobId, destination: Mapping[str, Any]) -> Job:
    """Do *action* with one job and return it. Raises StateError, OptionError."""
    app = visit.app
    match action:
        case "retry":
            return app.retry(job_id, by=visit.user.name)
        case "hasten":
            return app.run_now(job_id)
        case "cancel":
            return app.cancel(job_id)
        case "move":
            return app.move(job_id, **destination)
        case "delete":
            return app.delete(job_id)
        case _:
            assert_never(action)


def _search(visit: RequestContext, order: Order) -> Search:
    search = read_search(order.text, state=state_named(order.state), now=visit.now, has_arguments=visit.show_arguments)
    if search.problem:
        raise BadRequest(search.problem)
    return search


def _target(order: Order) -> dict[str, object]:
    return {"filter": order.text, "state": order.state or "any", **order.destination}
