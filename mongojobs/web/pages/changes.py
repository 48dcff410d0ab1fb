"""Changing many jobs, selected one by one or all that match, after a question."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import reduce
from time import monotonic
from typing import Any, Final

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.app import MongoJobs
from mongojobs.app.cancelling import filters_of
from mongojobs.core.actions import ACTIONS, CANCEL, CANCEL_RUNNING, Action
from mongojobs.core.errors import KeyHeldError, StateError
from mongojobs.core.job import Job, JobId
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import read_key
from mongojobs.web.pages.jobs import STATES, state_named
from mongojobs.web.search import Search, read_search

_MOST_SELECTED: Final = 500
_MOST_ROUNDS: Final = 9
_PATIENCE: Final = timedelta(seconds=8)
"""After this time the browser is told how far a change has come; platforms cut off responses after 30 s."""


class _LongEnoughError(Exception):
    """Breaks off a change of many jobs between two batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do: the *action*, with which jobs, and with which arguments, such as another queue."""

    action: Action
    state: str
    text: str
    keys: tuple[str, ...] = ()
    everything: bool = False
    done_before: int = 0
    rounds: int = 0
    """How often time ran out before all was done."""
    given: Mapping[str, Any] = field(default_factory=dict)


def change(visit: RequestContext) -> Page | Response:
    """Apply the form's action to the selected jobs, or to all that match."""
    order = _read_order(visit)
    if order.everything:
        return _change_matching(visit, order) if visit.text("confirmed") else _confirm(visit, order)
    if not order.keys:
        raise BadRequest("No job was selected.")
    if order.action.warning and not visit.text("confirmed"):
        return _confirm(visit, order)
    return _change_selected(visit, order)


def _read_order(visit: RequestContext) -> Order:
    action = read_action(visit)
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
        given=read_given(visit, action),
    )


def read_action(visit: RequestContext) -> Action:
    """Return the action that the form names. Raises BadRequest."""
    verb = visit.text("action")
    action = next((action for action in ACTIONS.values() if action.verb == verb), None)
    if action is None:
        raise BadRequest(f"action must be one of: {', '.join(ACTIONS)}.")
    return CANCEL_RUNNING if action is CANCEL and visit.text("running") else action


def name_of(action: Action) -> str:
    """Return the name by which a page says that *action* was done."""
    return "cancel-running" if action is CANCEL_RUNNING else action.verb


def read_given(visit: RequestContext, action: Action) -> dict[str, Any]:
    """Return the arguments that the form gives for *action*. Raises BadRequest if it needs one and there are none."""
    read = {name: _READERS[name](visit) for name in (*action.asks_for, *action.takes)}
    given = {name: value for name, value in read.items() if value is not None}
    if action.asks_for and not given:
        raise BadRequest(f"Give the {' or the '.join(action.asks_for)} that the jobs should get.")
    return given


def _queue(visit: RequestContext) -> str | None:
    return visit.text("queue") or None


def _priority(visit: RequestContext) -> int | None:
    if not visit.text("priority"):
        return None
    return visit.number("priority", default=0, least=LOWEST_PRIORITY, most=HIGHEST_PRIORITY)


_READERS: Final[Mapping[str, Callable[[RequestContext], Any]]] = {
    "queue": _queue,
    "priority": _priority,
    "running": lambda visit: bool(visit.text("running")) or None,
    "from_start": lambda visit: bool(visit.text("from_start")) or None,
    "why": lambda visit: visit.text("why").strip() or None,
}


def _confirm(visit: RequestContext, order: Order) -> Page:
    app, search = visit.app, _search(visit, order)
    count = _counted(app, order, search.job_filter) if order.everything else f"{len(order.keys):,}"
    return Page("confirm.html", {"order": order, "count": count, "is_going_on": False})


def _counted(app: MongoJobs, order: Order, job_filter: JobFilter) -> str:
    """Return how many matching jobs *order* applies to, as far as they are counted."""
    parts = filters_of(order.action.verb, job_filter, running=order.given.get("running", False))
    return str(reduce(operator.add, map(app.count, parts)))


def _change_matching(visit: RequestContext, order: Order) -> Page | Response:
    """Change all jobs that match, or as many as time allows, then show a page that goes on with the rest.

    Each round begins with the oldest job again, so each has more time than the one before it.
    """
    search, changed, held = _search(visit, order), 0, 0
    until = monotonic() + _PATIENCE.total_seconds() * 2**order.rounds

    def watch(so_far: int, _looked_at: int) -> None:
        nonlocal changed
        changed = so_far
        if monotonic() > until:
            raise _LongEnoughError

    is_done = False
    try:
        act = getattr(visit.app, order.action.for_many)
        done = act(search.job_filter, on_progress=watch, **order.given, **_signature(visit, order.action))
        held, is_done = getattr(done, "held", 0), True
    except _LongEnoughError:
        pass
    finally:  # what was changed is told, whatever became of the rest
        visit.done(order.action.verb, count=changed, target=_target(order, held))
    total = order.done_before + changed
    if is_done:
        return visit.go("jobs", state=order.state, q=order.text, did=name_of(order.action), n=total, held=held or None)
    further = replace(order, done_before=total, rounds=order.rounds + 1)
    return Page("confirm.html", {"order": further, "count": f"{total:,}", "is_going_on": True})


def _change_selected(visit: RequestContext, order: Order) -> Response:
    changed: list[str] = []
    left = held = 0
    try:
        for key in order.keys:
            try:
                changed.append(str(change_one(visit, order.action, read_key(key), order.given).id))
            except KeyHeldError:
                held += 1
            except StateError:
                left += 1
    finally:
        visit.done(order.action.verb, count=len(changed), target=_target(order, held) | {"ids": changed})
    told = {"n": len(changed), "left": left or None, "held": held or None}
    return visit.go("jobs", state=order.state, q=order.text, did=name_of(order.action), **told)


def change_one(visit: RequestContext, action: Action, job_id: JobId, given: Mapping[str, Any]) -> Job:
    """Do *action* with one job and return it. Raises StateError, OptionError."""
    job: Job = getattr(visit.app, action.verb)(job_id, **given, **_signature(visit, action))
    return job


def _signature(visit: RequestContext, action: Action) -> dict[str, str]:
    return {"by": visit.user.name} if action.signed else {}


def _search(visit: RequestContext, order: Order) -> Search:
    search = read_search(order.text, state=state_named(order.state), now=visit.now, has_arguments=visit.show_arguments)
    if search.problem:
        raise BadRequest(search.problem)
    return search


def _target(order: Order, held: int) -> dict[str, object]:
    """Return what *order* was about, and of how many of its jobs others hold the unique keys, for the log."""
    of_keys = {"keys held by others": held} if held else {}
    return {"filter": order.text, "state": order.state or "any", **order.given, **of_keys}
