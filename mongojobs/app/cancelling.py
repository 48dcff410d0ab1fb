"""Cancelling jobs: those that wait end at once; of those that run, the end is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from mongojobs.core.actions import ACTIONS, CANCEL, CANCEL_RUNNING, Action, Verb
from mongojobs.core.errors import StateError
from mongojobs.core.job import Job, JobId
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.actions.sweep import OnProgress


class Acting(Protocol):
    """What does what people do with one job: ``JobActions``, or the memory of tests."""

    def act(self, action: Action, job_id: JobId, **given: Any) -> Job:
        """Do *action* with one job and return it. Raises StateError."""
        ...


def cancel_one(actions: Acting, job_id: JobId, *, running: bool, given: Mapping[str, Any]) -> Job:
    """Cancel one job, even a *running* one. Raises StateError, OptionError, DatabaseError."""
    for action in (CANCEL_RUNNING, CANCEL, CANCEL_RUNNING) if running else ():  # it may begin, or go back, meanwhile
        with suppress(StateError):
            return actions.act(action, job_id, **given)
    return actions.act(CANCEL, job_id, **given)


def cancel_many(
    actions: JobActions,
    job_filter: JobFilter,
    *,
    running: bool,
    given: Mapping[str, Any],
    on_progress: OnProgress | None = None,
) -> int:
    """Cancel those that match, the *running* ones last; return how many. Raises as ``cancel_one``, and FilterError."""
    number = 0
    for action in actions_on("cancel", job_filter, running=running):
        number += actions.act_on_all(action, job_filter, on_progress=_beyond(number, on_progress), **given)
    return number


def filters_of(verb: Verb, job_filter: JobFilter, *, running: bool = False) -> Iterator[JobFilter]:
    """Yield filters for the jobs that *verb* applies to, those that run among them if *running*. Raises FilterError."""
    for action in actions_on(verb, job_filter, running=running):
        yield from action.among(job_filter)


def actions_on(verb: Verb, job_filter: JobFilter, *, running: bool) -> list[Action]:
    """Return what is done with the jobs that match: one action for those that wait, another for *running* ones."""
    if not running:
        return [ACTIONS[verb]]
    if job_filter.state is None:
        return [CANCEL, CANCEL_RUNNING]
    return [CANCEL_RUNNING if job_filter.state == "running" else CANCEL]


def _beyond(number: int, on_progress: OnProgress | None) -> OnProgress | None:
    """Return what to call instead of *on_progress* after so many jobs were changed before."""
    if on_progress is None or not number:
        return on_progress
    return lambda changed, looked_at: on_progress(number + changed, number + looked_at)
