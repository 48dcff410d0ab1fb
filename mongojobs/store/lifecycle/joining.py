"""Joining the changes of many jobs, each its own, into few writes: a quarter of what as many writes cost the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import bson

from mongojobs.core.change import Change
from mongojobs.core.job import Job, JobId

OwnChange = tuple[Job, Change]

MOST_JOINED: Final = 100
LARGEST_JOINED: Final = 10 * 1024
"""How many changes are written at once, and how large what one of them keeps may be, in bytes."""

_OF_ANY_SIZE: Final = ("returned", "steps", "cursors")


def joined(changes: Iterable[OwnChange]) -> tuple[list[list[OwnChange]], list[OwnChange]]:
    """Return *changes* in groups that one write can make, and those that are too large for that.

    All of a group set the same fields, and are of different jobs: a write finds each job's own by its id. So two runs
    of a job, of which one has lost it, do not come together.
    """
    groups: dict[tuple[str, ...], list[dict[JobId, OwnChange]]] = {}
    large: list[OwnChange] = []
    for job, change in changes:
        if not _is_small(change):
            large.append((job, change))
            continue
        alike = groups.setdefault(tuple(change.sets), [{}])
        if len(alike[-1]) == MOST_JOINED or job.id in alike[-1]:
            alike.append({})
        alike[-1][job.id] = job, change
    return [[*group.values()] for alike in groups.values() for group in alike], large


def _is_small(change: Change) -> bool:
    kept = [change.sets[field] for field in _OF_ANY_SIZE if field in change.sets]
    return not kept or len(bson.encode({"": kept})) <= LARGEST_JOINED
