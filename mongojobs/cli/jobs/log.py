"""``mongojobs jobs log``: what a job has logged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from mongojobs.cli.shared.choosing import look_up, possible_ids
from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.cli.shared.output import json_option, json_text, print_json, say
from mongojobs.core.words.wording import counted, iso, printable, printable_lines

if TYPE_CHECKING:
    from mongojobs.core.inside.log import LoggedRun, LogLine
    from mongojobs.core.job import JobId


@with_options(
    own_option("-f", "--follow", text="go on with new lines until the job has ended", is_flag=True),
    own_option("--attempt", text="only of this attempt; the first one is 1", type=click.IntRange(1), metavar="N"),
    json_option(),
)
@click.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def log(options: GlobalOptions, /, *, job_id: str, follow: bool, attempt: int | None, as_json: bool) -> None:
    """Print what a job has logged with current_job().log, if it was enqueued with keep_log.

    It is there for log_retention (7 days), even if the job is gone. The exit status is 1 if there is nothing to print.
    With --follow, --json prints one document a line.
    """
    with open_database(options) as database:
        found = _logged_id(database, job_id, follow=follow)
        if follow:
            _follow(found, database.operator.follow_log(found, attempt=attempt), as_json=as_json)
            return
        runs = database.operator.log(found, attempt=attempt)
    if as_json:
        print_json({"id": found, "runs": [_document(run) for run in runs]})
        return
    if not runs:
        raise Failure(f"the job {job_id} has logged nothing in attempt {attempt} that is kept", NO)
    for run in runs:
        _print(run, with_head=True)


def _logged_id(database: Database, text: str, *, follow: bool) -> JobId:
    """Return the id *text* of a job that has logged something, or may do so for those who *follow*. Raises Failure."""
    for job_id in possible_ids(text):
        if database.operator.log(job_id):
            return job_id
    job = look_up(database.store, text)
    if job.keep_log is None:
        how = "declare it with @job(keep_log='64k'), or enqueue it with .options(keep_log='64k')"
        raise Failure(f"{job} does not keep its log: {how}", NO)
    if not follow:
        raise Failure(f"{job} has logged nothing yet, or its log is older than log_retention", NO)
    return job.id


def _follow(job_id: JobId, runs: Iterable[LoggedRun], *, as_json: bool) -> None:
    fence: int | None = None
    for run in runs:
        if as_json:
            click.echo(json_text({"id": job_id, **_document(run)}))
        else:
            _print(run, with_head=run.fence != fence)
        fence = run.fence


def _print(run: LoggedRun, *, with_head: bool) -> None:
    if with_head:
        head = f"Attempt {run.attempt}, run {run.fence}, begun {iso(run.began)} by {run.worker}"
        click.echo(click.style(printable(head), bold=True))
    if run.dropped:
        say(f"  ({counted(run.dropped, 'earlier line')} dropped)")
    for line in run.lines:
        _print_line(line)


def _print_line(line: LogLine) -> None:
    first, *others = printable_lines(line.text)
    say(f"  {iso(line.at)} {printable(line.level):<8} {first}")
    for other in others:
        say(f"    {other}")


def _document(run: LoggedRun) -> dict[str, object]:
    facts = {"attempt": run.attempt, "run": run.fence, "worker": run.worker, "began": run.began, "dropped": run.dropped}
    return {**facts, "lines": [{"at": line.at, "level": line.level, "text": line.text} for line in run.lines]}
