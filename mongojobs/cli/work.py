"""``mongojobs work`` and ``mongojobs workoff``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from mongojobs.cli.opening import app_named, modules_named, resolve_settings
from mongojobs.cli.options import Command, GlobalOptions, own_option, with_options
from mongojobs.cli.processes import Pool, PoolType, WorkOptions, supervise
from mongojobs.cli.working import work_here

SETTINGS: Final = (
    "queues",
    "min_priority",
    "max_priority",
    "threads",
    "processes",
    "executor",
    "max_jobs",
    "max_memory",
    "async_concurrency",
    "sleep_delay",
    "read_ahead",
    "max_attempts",
    "max_run_time",
    "lease",
    "heartbeat",
    "shutdown_timeout",
    "name",
    "prefix",
    "quiet",
)


def _options() -> list[click.Option]:
    return [
        own_option(
            *("--pool", "pools"),
            text="processes for these queues, such as mail,sms:2; may be repeated; * or nothing: all queues",
            variable="MONGOJOBS_POOL",
            envvar="MONGOJOBS_POOL",
            multiple=True,
            type=PoolType(),
            metavar="A,B:COUNT",
        ),
        own_option(
            "--log-dir",
            text="folder for the log file mongojobs.log; default: log to standard output",
            variable="MONGOJOBS_LOG_DIR",
            envvar="MONGOJOBS_LOG_DIR",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
        ),
        click.Option(["--number"], type=int, hidden=True),
    ]


@with_options(*_options())
@click.command(cls=Command, settings=(*SETTINGS, "exit_on_complete"))
@click.pass_context
def work(context: click.Context, /, **options: Any) -> None:
    """Work off jobs until told to stop.

    TERM and Ctrl-C stop it: running jobs may end within the shutdown timeout, and are handed back after it. A second
    Ctrl-C, and QUIT, hand them back at once. TSTP and USR1 make it reserve nothing more; USR2 prints the stacks of all
    threads.
    """
    context.exit(_work(context.obj, WorkOptions("work", **options)))


@with_options(
    *_options(),
    own_option(
        "--fail-on-error",
        text="exit status 1 if any job failed",
        variable="MONGOJOBS_FAIL_ON_ERROR",
        envvar="MONGOJOBS_FAIL_ON_ERROR",
        is_flag=True,
    ),
)
@click.command(cls=Command, settings=SETTINGS)
@click.pass_context
def workoff(context: click.Context, /, *, flags: dict[str, object], **options: Any) -> None:
    """Work off the jobs that are due, and leave."""
    flags["exit_on_complete"] = True
    context.exit(_work(context.obj, WorkOptions("workoff", flags=flags, **options)))


def _work(told: GlobalOptions, options: WorkOptions) -> int:
    """Work in this process, or in several under a supervisor, and return the exit status. Raises Failure."""
    from mongojobs.core.settings import Settings

    if not app_named(told) and not modules_named(told):
        raise click.UsageError(
            "which app? Name the module that defines the jobs, as in `mongojobs --app myapp.jobs work`, or by"
            " MONGOJOBS_APP, or as app in [tool.mongojobs] of pyproject.toml"
        )
    _refuse_contradictions(options.pools, options.flags)
    outside = resolve_settings(told, options.flags, Settings())
    if options.pools or outside.settings.processes > 1:
        return supervise(told, options, outside.settings)
    return work_here(told, options)


def _refuse_contradictions(pools: tuple[Pool, ...], flags: dict[str, object]) -> None:
    for name in ("queues", "processes"):
        if pools and name in flags:
            raise click.UsageError(f"--{name} and --pool exclude each other: a pool names its queues and its processes")
