"""``mongojobs jobs result``: what a job returned."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import click

from mongojobs.cli.jobs.printing import print_value
from mongojobs.cli.shared.choosing import look_up
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import json_option, print_json

NO_WAIT: Final = timedelta(0)


@with_options(
    own_option("--wait", text="wait until the job has ended", is_flag=True),
    own_option("--timeout", text="wait no longer than this", type=DurationType()),
    json_option(),
)
@click.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def result(options: GlobalOptions, /, *, job_id: str, wait: bool, timeout: timedelta | None, as_json: bool) -> None:
    """Print what a job returned that was enqueued with keep_result.

    The exit status is 1 if there is nothing to print: the job has failed, was cancelled, has not ended, or keeps no
    result. Long values are cut; --json prints all.
    """
    from mongojobs.results.results import Results
    from mongojobs.results.watch import Watch

    longest = timeout if wait or timeout is not None else NO_WAIT
    with open_database(options) as database:
        store = database.store
        job = look_up(store, job_id)
        results = Results(lambda asked: store.get(asked.id), database.operator.payloads.codec, Watch(lambda: store))
        value = results.stored_result(job, longest)
    if as_json:
        print_json({"id": job.id, "result": value})
    else:
        print_value(value)
