"""The failed jobs, grouped: which job failed with which error at which place, how often, and since when."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from mongojobs.app.dashboard import SideBySide
from mongojobs.core.job_filter import JobFilter
from mongojobs.payload.masking import MASK
from mongojobs.payload.show import show_error
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of
from mongojobs.web.search import term

if TYPE_CHECKING:
    from mongojobs.app.dashboard import FailureGroup

LATEST: Final = 1000
MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A group: its latest job, its message without secrets, and the search that finds its jobs."""

    group: FailureGroup
    key: str
    message: str
    search: str = field(default="")


def show(visit: RequestContext) -> Page:
    """Show the groups of the latest failed jobs, the largest first."""
    queue = visit.text("queue") or None
    with SideBySide(visit.app) as side_by_side:
        total = side_by_side.ask(partial(visit.app.count, JobFilter(state="failed")))
        groups = side_by_side.ask(partial(visit.app.failures, latest=LATEST, queue=queue))()
    return Page(
        "failures.html",
        {
            "rows": [_row(group, visit) for group in groups[:MOST_SHOWN]],
            "groups": len(groups),
            "queue": queue,
            "looked_at": sum(group.count for group in groups),
            "latest": LATEST,
            "total": total(),
        },
    )


def _row(group: FailureGroup, visit: RequestContext) -> FailureRow:
    message = _message(group, visit)
    mark = _mark(group, message)
    terms = [term("name", group.name), *([term("error", mark)] if mark else [])]
    return FailureRow(group, key_of(group.last_id), message, " ".join(terms))


def _mark(group: FailureGroup, message: str) -> str:
    """Return a text found in the errors of this group and hardly in others: the place, as tracebacks write it."""
    file, _, rest = group.place.rpartition(":")
    line, _, function = rest.partition(" in ")
    if file and len(mark := f'File "{file}", line {line}, in {function}') <= 200:
        return mark
    return max(message.split(MASK), key=len)[:200]


def _message(group: FailureGroup, visit: RequestContext) -> str:
    """Return the error without the secrets of its latest job; nothing if that job is gone."""
    job = visit.app.get(group.last_id)
    return "" if job is None else show_error(group.message, job.handler, visit.app.payloads)
