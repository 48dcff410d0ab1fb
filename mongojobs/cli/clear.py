"""``mongojobs clear`` and ``mongojobs purge``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.choosing import progress, report_running, sweep, yes_option
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import confirm, say
from mongojobs.core.words.wording import counted

if TYPE_CHECKING:
    from mongojobs.store.actions.sweep import OnProgress

CLEARABLE: Final = ("ready", "failed", "cancelled", "completed")
ENDED: Final = ("completed", "cancelled", "failed")


@with_options(
    own_option("-q", "--queue", text="only jobs of this queue", metavar="NAME"),
    own_option("--state", text="only jobs in this state", type=click.Choice(CLEARABLE)),
    own_option("--failed-only", text="the same as --state failed", is_flag=True),
    own_option(
        "--older-than",
        text="only jobs that ended, or were due, longer ago than this, such as 7d",
        type=DurationType(),
    ),
    yes_option(),
)
@click.command(cls=Command)
@click.pass_obj
def clear(
    options: GlobalOptions,
    /,
    *,
    queue: str | None,
    state: str | None,
    failed_only: bool,
    older_than: timedelta | None,
    yes: bool,
) -> None:
    """Delete jobs, all or some, but never running ones.

    Shows how many there are, and asks first.
    """
    from mongojobs.core.job_filter import JobFilter

    if failed_only and state not in (None, "failed"):
        raise click.UsageError(f"--failed-only and --state {state} exclude each other")
    with open_database(options) as database:
        actions = database.operator.actions
        criteria: dict[str, Any] = {
            "queue": queue,
            "state": "failed" if failed_only else state,
            "older_than": None if older_than is None else database.store.clock.now() - older_than,
        }
        number = actions.count_clear(**criteria)
        if criteria["state"] is None and older_than is None:
            report_running(database.operator, JobFilter(queue=queue))
        if number == 0:
            say("There are no such jobs to delete.")
            return
        confirm(f"Delete {counted(number, 'job')} for good from {database.place}?", yes=yes)
        with progress(number, "Deleted") as on_progress:
            deleted = actions.clear(**criteria, on_progress=on_progress)
        say(f"Deleted {counted(deleted, 'job')}.")


@with_options(
    own_option(
        "--older-than",
        text="only jobs that ended longer ago than this",
        default="30d",
        show_default=True,
        type=DurationType(),
    ),
    own_option(
        "--state",
        "states",
        text="only jobs in this state; may be repeated",
        type=click.Choice(ENDED),
        multiple=True,
    ),
    own_option("-q", "--queue", text="only jobs of this queue", metavar="NAME"),
    own_option("--dry-run", text="delete nothing; only say how many jobs would be deleted", is_flag=True),
    yes_option(),
)
@click.command(cls=Command)
@click.pass_obj
def purge(
    options: GlobalOptions,
    /,
    *,
    older_than: timedelta,
    states: tuple[Any, ...],
    queue: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete jobs that ended long ago.

    These are completed, cancelled and failed ones. Shows how many there are, and asks first. To keep none of them in
    the first place, see the settings keep_completed and destroy_failed_jobs.
    """
    with open_database(options) as database:
        actions = database.operator.actions
        before = database.store.clock.now() - older_than
        criteria = [{"queue": queue, "state": state, "older_than": before} for state in states or ENDED]

        def delete(on_progress: OnProgress) -> int:
            return sum(actions.clear(**one, on_progress=on_progress) for one in criteria)

        number = sum(actions.count_clear(**one) for one in criteria)
        question = f"Delete {counted(number, 'job')} for good from {database.place}?"
        sweep(number, delete, question=question, done="Deleted", yes=yes, dry_run=dry_run)
