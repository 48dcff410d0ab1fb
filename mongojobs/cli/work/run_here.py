"""Running one job in the foreground, with a debugger where it raises."""

from __future__ import annotations

import pdb  # noqa: T100 - what --pdb asks for
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mongojobs.cli.shared.choosing import current_user, look_up
from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import log_to, open_app
from mongojobs.cli.shared.output import say
from mongojobs.cli.shared.settings import refuse_without_app
from mongojobs.cli.work.exit import ExitResult
from mongojobs.core.words.wording import printable, printable_lines

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.core.job import Job
    from mongojobs.core.notices import RunEnded

HEAD_START: Final = timedelta(minutes=1)
"""How long other workers leave a job alone that is retried to run here."""
DEBUGGING: Final = timedelta(days=30)
"""The time limit of a job that somebody is debugging."""


def run_here(options: GlobalOptions, text: str, *, debug: bool) -> None:
    """Run the job with the id *text*. Raises Failure, with status 1, if it did not succeed."""
    from mongojobs.app import Worker
    from mongojobs.process.signals import WorkerSignals
    from mongojobs.store.clients import SHORT_PATIENCE, find_server

    refuse_without_app(options)
    opened = open_app(options)
    log_to(sys.stderr, opened.settings)
    find_server(opened.app.link.client, SHORT_PATIENCE)
    job = _made_ready(opened.app, look_up(opened.app.store, text))
    if debug:
        opened.app.lifecycle.around("invoke_job", _into_debugger)
    limit: dict[str, Any] = {"max_run_time": DEBUGGING} if debug else {}
    worker = Worker(app=opened.app, threads=1, executor="thread", exit_on_complete=True, **limit)
    with WorkerSignals(worker) as signals:
        ended = worker.run_one(job.id)
        signals.stay()
    try:
        _report(opened.app, job, ended)
    except Failure as failure:
        if not worker.has_stuck_threads:
            raise
        failure.show()
        ExitResult(failure.exit_code, leaves_threads=True).leave()


def _made_ready(app: MongoJobs, job: Job) -> Job:
    """Return *job* as a ready one that no worker takes before us. Raises Failure if it is running, StateError."""
    from mongojobs.core.actions import RETRY

    if job.state == "running":
        raise Failure(f"the job {job.id} is being run by {job.locked_by}: see `mongojobs jobs why {job.id}`", NO)
    if job.state == "ready":
        return job
    return app.actions.act(RETRY, job.id, by=current_user(), after=HEAD_START)


def _into_debugger(proceed: Callable[[], Any], _job: Job) -> Any:
    """Let a person inspect where the job raised; afterwards the error counts as usual."""
    try:
        return proceed()
    except Exception as error:
        say(printable(f"The job raised {type(error).__name__}: {error}. q leaves the debugger."), err=True)
        pdb.post_mortem(error.__traceback__)
        raise


def _report(app: MongoJobs, job: Job, ended: RunEnded | None) -> None:
    """Say how it went. Raises Failure unless it went well."""
    from mongojobs.core import notices

    if isinstance(ended, notices.JobCompleted):
        say(f"The job {job.id} has completed.")
        return
    found = app.get(job.id)
    state = "gone" if found is None else found.state
    match ended:
        case None if state == "ready":
            raise Failure(f"the job {job.id} was not begun, as this command was told to stop: it is ready", NO)
        case None:
            raise Failure(f"the job {job.id} could not be taken, it is {state}: another worker may have it", NO)
        case notices.JobReleased():
            raise Failure(
                f"the job {job.id} was handed back, as this command was told to stop: it is {state}, as before", NO
            )
        case notices.JobConflicted(reason=reason):
            raise Failure(f"the job {job.id} was undone, it is {state}: {printable(reason)}", NO)
        case notices.JobDeferred(reason=reason):
            raise Failure(f"the job {job.id} cannot be loaded here, it is {state}: {printable(reason)}", NO)
        case _:
            pass
    for line in printable_lines("" if found is None else found.last_error or ""):
        say(line, err=True)
    raise Failure(f"the job {job.id} did not complete, it is {state}", NO)
