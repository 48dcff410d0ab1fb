"""The workers: which are alive, what they are doing, and since when."""

from __future__ import annotations

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.core.inside.progress import pace
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of


def show(visit: RequestContext) -> Page:
    """Show them, and those that died without signing off."""
    workers, dead = visit.app.workers(), visit.app.dead_workers()
    return Page("workers.html", {"workers": workers, "dead": dead, "key_of": key_of, "pace": pace})


def change(visit: RequestContext) -> Response:
    """Tell workers to be quiet or to stop, or forget the dead ones."""
    action, names = visit.text("action"), visit.request.form.getlist("name")
    named = None if visit.text("all") else names
    if named == [] and action != "prune":
        raise BadRequest("No worker was named.")
    if action == "quiet":
        count = len(visit.app.quiet_workers(named))
    elif action == "stop":
        count = len(visit.app.stop_workers(named))
    elif action == "prune":
        count = visit.app.prune_workers()
    else:
        raise BadRequest("action must be quiet, stop or prune.")
    visit.done(f"{action} workers", count=count, target={"workers": "all" if named is None else names})
    return visit.go("workers", did=f"{action}-workers", n=count)
