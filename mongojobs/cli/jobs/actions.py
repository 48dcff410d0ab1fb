"""What ``mongojobs jobs`` does with jobs named by id or chosen by flags: a command for each verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.choosing import (
    current_user,
    filter_options,
    is_any_given,
    job_filter_of,
    look_up,
    report_running,
    sweep,
    yes_option,
)
from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, own_option
from mongojobs.cli.shared.output import confirm, say
from mongojobs.core.words.wording import counted, printable

if TYPE_CHECKING:
    from mongojobs.core.actions import Action, Verb
    from mongojobs.core.job import Job


def _command(*options: click.Option) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function the command of its name, with its own *options* and the flags that choose jobs.

    A flag of its own stands in place of the one of the same name that chooses.
    """
    own = {option.name for option in options}
    choosing = [
        *filter_options(),
        own_option("--all", "everything", text="all jobs that this applies to", is_flag=True),
        own_option("--dry-run", text="change nothing; only say how many jobs would be changed", is_flag=True),
        yes_option(),
    ]
    params = [*options, *(option for option in choosing if option.name not in own)]

    def make(function: Callable[..., None]) -> click.Command:
        return Command(
            function.__name__.replace("_", "-"),
            callback=click.pass_obj(function),
            params=[*params, click.Argument(["job_ids"], nargs=-1)],
            help=f"{function.__doc__}\n\nName them by their ids, or choose them with flags.",
        )

    return make


@_command(
    own_option("--merge", text="drop a unique job whose key another one holds by now", is_flag=True),
    own_option("--from-start", text="let them do again what their earlier runs have done", is_flag=True),
)
def retry(options: GlobalOptions, /, *, merge: bool, from_start: bool, **values: Any) -> None:
    """Retry failed or cancelled jobs, with a fresh set of attempts."""
    _act("retry", options, values, merge=merge, from_start=from_start)


@_command()
def run_now(options: GlobalOptions, /, **values: Any) -> None:
    """Make scheduled jobs due now."""
    _act("run_now", options, values)


@_command(
    own_option("--to-queue", text="queue to move them to", metavar="NAME"),
    own_option("--priority", text="priority to give them", type=int, metavar="N"),
)
def move(options: GlobalOptions, /, *, to_queue: str | None, priority: int | None, **values: Any) -> None:
    """Move jobs that have not begun to another queue or priority."""
    if to_queue is None and priority is None:
        raise click.UsageError("where to? Give --to-queue or --priority")
    _act("move", options, values, queue=to_queue, priority=priority)


@_command(
    own_option("--running", text="running jobs too: their code is interrupted", is_flag=True),
    own_option("--why", text="the reason, which is kept with them", metavar="TEXT"),
)
def cancel(options: GlobalOptions, /, *, running: bool, why: str | None, **values: Any) -> None:
    """Cancel jobs that have not begun, and with --running those that have."""
    _act("cancel", options, values, running=running, why=why)


@_command()
def delete(options: GlobalOptions, /, **values: Any) -> None:
    """Delete jobs that are not running."""
    _act("delete", options, values)


COMMANDS: Final = (retry, run_now, move, cancel, delete)


def _act(verb: Verb, options: GlobalOptions, values: dict[str, Any], **given: Any) -> None:
    """Do *verb* with the jobs that are named or chosen. Raises UsageError, Failure."""
    from mongojobs.core.actions import ACTIONS

    job_ids, everything, dry_run, yes = (values.pop(name) for name in ("job_ids", "everything", "dry_run", "yes"))
    if bool(job_ids) + everything + is_any_given(values) != 1:
        raise click.UsageError(
            "which jobs? Name them by their ids, choose them with --state, --queue, --name, --tag and the like,"
            " or give --all"
        )
    action = ACTIONS[verb]
    if action.signed:
        given["by"] = current_user()
    with open_database(options) as database:
        if job_ids:
            _act_on_each(database, action, job_ids, given, yes=yes)
        else:
            _act_on_all(database, action, values, given, yes=yes, dry_run=dry_run)


def _act_on_all(
    database: Database,
    action: Action,
    values: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    """Do it with all jobs that the flags choose, after a question. Raises Failure."""
    operator, job_filter = database.operator, job_filter_of(values, database.store.clock.now())
    running = given.get("running", False)
    number, act = operator.count_for(action.verb, job_filter, running=running), getattr(operator, action.for_many)
    sweep(
        number,
        lambda on_progress: act(job_filter, on_progress=on_progress, **given),
        question=f"{action.question(counted(number, 'job'))} in {database.place}?",
        done=action.done,
        yes=yes,
        dry_run=dry_run,
    )
    if (
        job_filter.state is None and "ready" in action.starts_from and not running
    ):  # who wants it of these may want it of all
        report_running(operator, job_filter)


def _act_on_each(
    database: Database, action: Action, job_ids: Sequence[str], given: Mapping[str, Any], *, yes: bool
) -> None:
    """Do it with one job after the other, going on after a refusal. Raises Exit at the end if there was one."""
    from mongojobs.core.errors import StateError

    if action.warning:
        for job in [look_up(database.store, job_id) for job_id in job_ids]:
            say(printable(f"{job.id} {job.name}, {job.state}"), err=True)
        confirm(f"{action.question(counted(len(job_ids), 'job'))} for good?", yes=yes)
    act, refused = getattr(database.operator, action.verb), 0
    for job_id in job_ids:
        try:
            job = act(look_up(database.store, job_id).id, **given)
        except (StateError, Failure) as error:
            refused += 1
            say(printable(f"Error: {error}"), err=True)
        else:
            say(printable(f"{_done(action, job, job_id)}: {job.id} {job.name}"))
    if refused:
        raise click.exceptions.Exit(NO)


def _done(action: Action, job: Job, job_id: str) -> str:
    """Return what became of the job that was named by *job_id*, in words that go before it."""
    if job.cancelling:
        return "Asked to end"
    return f"Dropped {job_id}, as its key is held by" if job.duplicate else action.done.rstrip(":")
