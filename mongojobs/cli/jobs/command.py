"""``mongojobs jobs``: the group, and the commands that show jobs or run one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from mongojobs.cli.jobs import actions
from mongojobs.cli.jobs.declared import declared
from mongojobs.cli.jobs.log import log
from mongojobs.cli.jobs.printing import job_document, print_job, print_jobs
from mongojobs.cli.jobs.result import result
from mongojobs.cli.shared.choosing import filter_options, job_filter_of, look_up
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, Group, own_option, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.core.words.wording import printable


@click.group(cls=Group)
def jobs() -> None:
    """Look at jobs and change them, one or many."""


for _command in (declared, result, log, *actions.COMMANDS):
    jobs.add_command(_command)


@with_options(
    *filter_options(),
    own_option(
        "--limit",
        text="maximum number of jobs to show",
        type=click.IntRange(1, 1000),
        default=50,
        show_default=True,
        metavar="N",
    ),
    own_option("--after", text="continue after a page, with its `next` from --json", metavar="MARK"),
    json_option(),
)
@jobs.command("list", cls=Command)
@click.pass_obj
def list_jobs(options: GlobalOptions, /, *, limit: int, after: str | None, as_json: bool, **values: Any) -> None:
    """List jobs, newest first; scheduled ones, soonest first.

    Ready jobs are due, scheduled ones are due later.
    """
    with open_database(options) as database:
        now = database.store.clock.now()
        page = database.operator.find(job_filter_of(values, now), limit=limit, after=after)
    if as_json:
        shown = [job_document(job) for job in page.jobs]
        print_json({"jobs": shown, "more": page.next is not None, "next": page.next})
        return
    if page.jobs:
        print_jobs(page.jobs, now)
    elif page.next is None:
        say("There are no such jobs.")
    if page.next is not None:
        first = "soonest" if values["state"] == "scheduled" else "newest"
        if len(page) == limit:
            say(f"These are the {first} {limit}; there are more: --limit N, or --after {page.next}", err=True)
        else:  # as rare ones are looked for in parts
            say(f"{len(page) or 'None'} found among the {first} jobs; to look further: --after {page.next}", err=True)


@with_options(json_option())
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def show(options: GlobalOptions, /, *, job_id: str, as_json: bool) -> None:
    """Show everything about one job, including its arguments and its errors with their tracebacks."""
    with open_database(options) as database:
        job = look_up(database.store, job_id)
        now = database.store.clock.now()
    if as_json:
        print_json(job_document(job, in_detail=True))
        return
    print_job(job, now)


@with_options(json_option())
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def why(options: GlobalOptions, /, *, job_id: str, as_json: bool) -> None:
    """Say why a job has not run, the most important reason first, and what to do about it.

    Give --app as well, so that the declared jobs are known.
    """
    with open_database(options) as database:
        found = database.operator.why(look_up(database.store, job_id).id)
    if as_json:
        print_json({"id": job_id, "reasons": [asdict(reason) for reason in found]})
        return
    for reason in found:
        say(printable(f"{reason.text[0].upper()}{reason.text[1:]}."))
        click.echo(click.style(printable(f"  -> {reason.remedy}"), bold=True))


@with_options(
    own_option("--pdb", text="open Python's debugger where the job raises", is_flag=True),
)
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def run(options: GlobalOptions, /, *, job_id: str, pdb: bool) -> None:
    """Run one job here and now, due or not, even if its queue is paused.

    No worker takes it meanwhile. Its result counts: it completes, or is retried later. A failed or cancelled one is
    retried with a fresh set of attempts. TERM and Ctrl-C hand it back, as they do in a worker.
    """
    from mongojobs.cli.work.run_here import run_here

    run_here(options, job_id, debug=pdb)
