"""Running one job in the foreground, with a debugger where it raises."""

from __future__ import annotations

import logging
import os
import pdb  # noqa: T100 - what --pdb asks for
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mongojobs.cli.choosing import whoever_this_is
from mongojobs.cli.failures import NO, Failure
from mongojobs.cli.jobs import look_up
from mongojobs.cli.opening import log_level, open_app, refuse_without_app
from mongojobs.cli.options import GlobalOptions
from mongojobs.cli.output import printable, printable_lines, say

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.core.job import Job
    from mongojobs.worker.outcome import Outcome

DEBUGGING: Final = timedelta(days=30)
"""The time limit of a job that somebody looks into."""


def run_here(told: GlobalOptions, text: str, *, debug: bool) -> None:
    """Run the job whose id *text* is. Raises Failure, with status 1 if it did not succeed."""
    from mongojobs.app import Worker
    from mongojobs.plugins.formats import set_up_logging

    refuse_without_app(told)
    opened = open_app(told)
    handler = logging.StreamHandler(sys.stderr)
    settings = opened.settings
    set_up_logging(handler, level=log_level(settings), form=settings.log_format, environ=os.environ)
    job = _made_due(opened.app, look_up(opened.app.store, text))
    if debug:
        opened.app.lifecycle.around("invoke_job", _into_debugger)
    limit: dict[str, Any] = {"max_run_time": DEBUGGING} if debug else {}
    outcome = Worker(app=opened.app, threads=1, executor="thread", **limit).run_one(job.id)
    _report(opened.app, job, outcome)


def _made_due(app: MongoJobs, job: Job) -> Job:
    """Return *job* as one that is due. Raises Failure for one that runs or is done, StateError."""
    if job.state == "running":
        raise Failure(f"the job {job.id} is being run by {job.locked_by}: see `mongojobs jobs why {job.id}`", NO)
    if job.state == "ready":
        return app.run_now(job.id)
    return app.retry(job.id, by=whoever_this_is())


def _into_debugger(proceed: Callable[[], Any], _job: Job) -> Any:
    """Let a person look at where the job raised; what it raised counts as ever after that."""
    try:
        return proceed()
    except Exception as error:
        say(printable(f"The job raised {type(error).__name__}: {error}. q leaves the debugger."), err=True)
        pdb.post_mortem(error.__traceback__)
        raise


def _report(app: MongoJobs, job: Job, outcome: Outcome | None) -> None:
    from mongojobs.worker.outcome import Succeeded

    if isinstance(outcome, Succeeded):
        say(f"The job {job.id} has completed.")
        return
    found = app.get(job.id)
    if outcome is None:
        state = "gone" if found is None else found.state
        raise Failure(f"the job {job.id} was not to be had, it is {state}: another worker may have taken it", NO)
    for line in printable_lines("" if found is None else found.last_error or ""):
        say(line, err=True)
    raise Failure(f"the job {job.id} did not complete, it is {'gone' if found is None else found.state}", NO)
