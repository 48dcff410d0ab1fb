"""The queues: what is in them, how late they are, and pauses."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from mongojobs.app.dashboard import SideBySide
from mongojobs.core.words.durations import parse_duration
from mongojobs.web.charts import RANGES
from mongojobs.web.context import Page, RequestContext

DURATIONS: Final = ("", "10m", "30m", "1h", "4h", "1d")
LONGEST_REASON: Final = 200
_LONGEST_PAUSE: Final = timedelta(days=366)


def show(visit: RequestContext) -> Page:
    """Show them."""
    with SideBySide(visit.app) as side_by_side:
        queues = side_by_side.ask(visit.app.queues)
        summary = side_by_side.ask(partial(visit.summary, RANGES["1h"]))
        workers = side_by_side.ask(visit.app.workers)
        done = summary()
        values = {
            "queues": queues(),
            "workers": workers(),
            "done": done.by_queue,
            "minutes": max(done.span / timedelta(minutes=1), 1),
            "durations": DURATIONS,
        }
    return Page("queues.html", values)


def change(visit: RequestContext) -> Response:
    """Pause a queue, or resume it."""
    action, queue = visit.text("action"), visit.text("queue")
    if action == "resume":
        visit.app.resume(queue)
        visit.done("resume", target={"queue": queue})
    elif action == "pause":
        duration, reason = read_duration(visit.text("for")), visit.text("reason")[:LONGEST_REASON]
        visit.app.pause(queue, until=None if duration is None else visit.now + duration, reason=reason)
        visit.done("pause", target={"queue": queue, "for": visit.text("for"), "reason": reason})
    else:
        raise BadRequest("action must be pause or resume.")
    return visit.go("queues", did=action, n=1)


def read_duration(text: str) -> timedelta | None:
    """Return how long a pause is to last; None: until it is resumed. Raises BadRequest."""
    if not text:
        return None
    try:
        duration = parse_duration(text)
    except ValueError:
        raise BadRequest("for must be a duration such as 10m or 2h.") from None
    if not timedelta(0) < duration <= _LONGEST_PAUSE:
        raise BadRequest("A pause can last a year at most.")
    return duration
