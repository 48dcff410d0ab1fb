"""``mongojobs requeue``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mongojobs.cli.shared.choosing import current_user, filter_options, is_any_given, job_filter_of, sweep, yes_option
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.core.words.wording import counted

if TYPE_CHECKING:
    from mongojobs.core.job_filter import JobFilter


@with_options(
    own_option("--failed", text="failed jobs, with a fresh set of attempts", is_flag=True),
    own_option("--stuck", text="jobs of dead workers, whose locks have run out", is_flag=True),
    *(option for option in filter_options() if option.name != "state"),
    own_option("--dry-run", text="change nothing; only say how many jobs would be changed", is_flag=True),
    yes_option(),
)
@click.command(cls=Command)
@click.pass_obj
def requeue(options: GlobalOptions, /, *, failed: bool, stuck: bool, dry_run: bool, yes: bool, **values: Any) -> None:
    """Make jobs ready that will not run by themselves.

    Any living worker takes back stuck jobs within a minute or so; this does it where there is none. It counts as a loss
    of the job's worker.
    """
    if not (failed or stuck):
        raise click.UsageError("which jobs? Give --failed or --stuck")
    if stuck and is_any_given(values):
        raise click.UsageError("--stuck takes back all stuck jobs: it cannot be combined with flags that choose some")
    with open_database(options) as database:
        if failed:
            job_filter = job_filter_of({**values, "state": "failed"}, database.store.clock.now())
            _retry(database, job_filter, dry_run=dry_run, yes=yes)
        if stuck:
            _take_back(database, dry_run=dry_run, yes=yes)


def _retry(database: Database, job_filter: JobFilter, *, dry_run: bool, yes: bool) -> None:
    number = database.operator.count_for("retry", job_filter)
    sweep(
        number,
        lambda on_progress: database.operator.retry_all(job_filter, by=current_user(), on_progress=on_progress),
        question=f"Requeue {counted(number, 'failed job')} in {database.place}?",
        done="Requeued",
        yes=yes,
        dry_run=dry_run,
    )


def _take_back(database: Database, *, dry_run: bool, yes: bool) -> None:
    number = database.operator.reader.count_stuck()
    sweep(
        number,
        lambda on_progress: database.operator.rescue_all(on_progress=on_progress),
        question=f"Take back {counted(number, 'stuck job')} in {database.place}?",
        done="Took back",
        yes=yes,
        dry_run=dry_run,
    )
