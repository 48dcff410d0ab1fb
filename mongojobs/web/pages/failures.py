"""The failed jobs, grouped: which job failed by which error at which place, how often, and since when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mongojobs.payload.showing import show_call
from mongojobs.web.filtering import term
from mongojobs.web.ids import key_of
from mongojobs.web.visit import Page, Visit

if TYPE_CHECKING:
    from mongojobs.app.looking import FailureGroup

LATEST: Final = 1000
MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A group: its latest job, its message without secrets, and what finds its jobs."""

    group: FailureGroup
    key: str
    message: str
    search: str = field(default="")


def show(visit: Visit) -> Page:
    """Show the groups of the latest failed jobs, the largest first."""
    queue = visit.text("queue") or None
    groups = visit.app.failures(latest=LATEST, queue=queue)
    return Page(
        "failures.html",
        {
            "rows": [_row(group, visit) for group in groups[:MOST_SHOWN]],
            "groups": len(groups),
            "queue": queue,
            "looked_at": sum(group.count for group in groups),
            "latest": LATEST,
            "total": visit.app.counts()["failed"],
        },
    )


def _row(group: FailureGroup, visit: Visit) -> Row:
    terms = [term("name", group.name)]
    if mark := _mark(group):
        terms.append(term("error", mark))
    return Row(group, key_of(group.last_id), _cleaner(group, visit)(group.message), " ".join(terms))


def _mark(group: FailureGroup) -> str:
    """Return what stands in the errors of this group, and hardly in others: the place, as tracebacks have it."""
    file, _, rest = group.place.rpartition(":")
    line, _, function = rest.partition(" in ")
    if file and len(mark := f'File "{file}", line {line}, in {function}') <= 200:
        return mark
    return group.message[:200]


def _cleaner(group: FailureGroup, visit: Visit) -> Callable[[str], str]:
    """Return what takes the secrets of its latest job out of a text; out of that of a vanished job, everything."""
    job = visit.app.get(group.last_id)
    return show_call(job.handler, visit.app.payloads).clean if job is not None else lambda _text: ""
