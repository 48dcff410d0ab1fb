"""``mongojobs clear``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import click

from mongojobs.cli.opening import open_database
from mongojobs.cli.options import Command, DurationType, GlobalOptions, own_option, with_options
from mongojobs.cli.output import confirm, counted

CLEARABLE: Final = ("ready", "failed", "cancelled", "completed")


def yes_option() -> click.Option:
    """Return the flag of all commands that destroy."""
    return own_option("-y", "--yes", text="do not ask", is_flag=True)


@with_options(
    own_option("-q", "--queue", text="only jobs of this queue", metavar="NAME"),
    own_option("--state", text="only jobs in this state", type=click.Choice(CLEARABLE)),
    own_option("--failed-only", text="the same as --state failed", is_flag=True),
    own_option(
        "--older-than",
        text="only jobs that ended, or were due, longer ago than this, such as 7d",
        type=DurationType(),
        metavar="DURATION",
    ),
    yes_option(),
)
@click.command(cls=Command)
@click.pass_obj
def clear(
    told: GlobalOptions,
    /,
    *,
    queue: str | None,
    state: str | None,
    failed_only: bool,
    older_than: timedelta | None,
    yes: bool,
) -> None:
    """Delete all jobs, or some, but never running ones.

    Shows how many, and asks.
    """
    if failed_only and state not in (None, "failed"):
        raise click.UsageError(f"--failed-only and --state {state} exclude each other")
    with open_database(told) as database:
        store = database.store
        chosen: dict[str, Any] = {
            "queue": queue,
            "state": "failed" if failed_only else state,
            "older_than": None if older_than is None else store.clock.now() - older_than,
        }
        number = store.count_clear(**chosen)
        if number == 0:
            click.echo("There are no such jobs to delete.")
            return
        confirm(f"Delete {counted(number, 'job')} for good from {database.place}?", yes=yes)
        click.echo(f"Deleted {counted(store.clear(**chosen), 'job')}.")
