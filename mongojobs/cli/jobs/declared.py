"""``mongojobs jobs declared``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import HOW_TO_NAME_JOBS, open_app
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say
from mongojobs.cli.shared.settings import refuse_without_app
from mongojobs.core.words.wording import NONE, in_words

if TYPE_CHECKING:
    from mongojobs.app.declarations import DeclaredJob
    from mongojobs.core.settings import Settings

_COLUMNS: Final = (
    TableColumn("NAME"),
    TableColumn("KIND"),
    TableColumn("MODULE"),
    TableColumn("QUEUE"),
    TableColumn("OPTIONS"),
)


@with_options(json_option())
@click.command(cls=Command)
@click.pass_obj
def declared(options: GlobalOptions, /, *, as_json: bool) -> None:
    """List the jobs that the app declares: those that a worker started like this can run.

    Does not need the database. A document class stands for all of its methods.
    """
    from mongojobs.app.declarations import declared_jobs

    refuse_without_app(options)
    opened = open_app(options)
    found = declared_jobs()
    if as_json:
        print_json({"jobs": [_declaration(one, opened.settings) for one in found]})
    elif found:
        rows = [(one.name, one.kind, one.module, _queue(one, opened.settings) or NONE, _options(one)) for one in found]
        print_table(_COLUMNS, rows)
    else:
        say(f"{opened.named[0].upper()}{opened.named[1:]} declares no jobs. {HOW_TO_NAME_JOBS}.")


def _declaration(job: DeclaredJob, settings: Settings) -> dict[str, Any]:
    return {
        "name": job.name,
        "kind": job.kind,
        "module": job.module,
        "queue": _queue(job, settings),
        "options": {
            f"{name}_seconds" if isinstance(value, timedelta) else name: value for name, value in job.options.items()
        },
    }


def _queue(job: DeclaredJob, settings: Settings) -> str | None:
    """Return the queue of *job*, None where it is decided at each enqueue."""
    if job.kind == "document" or "queue" in job.options:
        return job.queue
    return job.queue or settings.default_queue_name


def _options(job: DeclaredJob) -> str:
    return " ".join(f"{name}={_option(value)}" for name, value in job.options.items()) or NONE


def _option(value: object) -> str:
    if isinstance(value, timedelta):
        return in_words(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
