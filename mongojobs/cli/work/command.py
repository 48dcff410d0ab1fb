"""``mongojobs work`` and ``mongojobs workoff``."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.health import heartbeat_option
from mongojobs.cli.shared.opening import app_named, modules_named, resolve_settings
from mongojobs.cli.shared.options import Command, GlobalOptions, own_option, with_options
from mongojobs.cli.work.probes import ProbeOptions, probe_options
from mongojobs.cli.work.supervised import Pool, PoolType, WorkOptions, supervise
from mongojobs.cli.work.worker import ExitResult, work_here

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings

LEAVING_SECONDS: Final = 10.0
"""How much longer than its ``shutdown_timeout`` a worker may take to leave, with its supervisor."""

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
    "log_tracebacks",
    "quiet",
)


class IdentifierType(click.ParamType):  # type: ignore[type-arg]  # older ones take no argument
    """A name that can be a part of the name of a file."""

    name = "identifier"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value):
            self.fail(f"an identifier is made of letters, digits, _, - and ., got {value!r}", param, ctx)
        return str(value)


def identifier_option() -> click.Option:
    """Return the flag that tells one daemon from others of the same app."""
    return own_option(
        *("-i", "--identifier"),
        text="name of this daemon, if there are several: in its pid file, its log file and its workers' labels",
        variable="MONGOJOBS_IDENTIFIER",
        envvar="MONGOJOBS_IDENTIFIER",
        type=IdentifierType(),
        metavar="NAME",
    )


def pidfile_option() -> click.Option:
    """Return the flag that names the pid file."""
    return own_option(
        "--pidfile",
        text="file to hold while working, with the process id in it",
        variable="MONGOJOBS_PIDFILE",
        envvar="MONGOJOBS_PIDFILE",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
    )


def work_options() -> list[click.Option]:
    """Return the flags of ``work`` that are no settings."""
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
        own_option(
            *("-m", "--monitor"),
            text="a supervisor even for one process, which starts it again when it dies",
            variable="MONGOJOBS_MONITOR",
            envvar="MONGOJOBS_MONITOR",
            is_flag=True,
        ),
        identifier_option(),
        own_option(
            "--allow-none",
            text="work though the app declares no jobs, as they are methods of plain documents",
            variable="MONGOJOBS_ALLOW_NONE",
            envvar="MONGOJOBS_ALLOW_NONE",
            is_flag=True,
        ),
        heartbeat_option("file to say in that this worker lives, for `mongojobs health`"),
        *probe_options(),
        click.Option(["--number"], type=int, hidden=True),
    ]


@with_options(*work_options(), pidfile_option())
@click.command(cls=Command, settings=(*SETTINGS, "exit_on_complete"), takes_signals=True)
@click.pass_context
def work(context: click.Context, /, **options: Any) -> None:
    """Work off jobs until told to stop.

    TERM and Ctrl-C stop it: running jobs may end within the shutdown timeout, and are handed back after it. A second
    Ctrl-C, and QUIT, hand them back at once. TSTP and USR1 make it reserve nothing more; USR2 prints the stacks of all
    threads.
    """
    work_with(context.obj, options_of("work", options)).leave()


@with_options(
    *work_options(),
    pidfile_option(),
    own_option(
        "--fail-on-error",
        text="exit status 1 if any job failed",
        variable="MONGOJOBS_FAIL_ON_ERROR",
        envvar="MONGOJOBS_FAIL_ON_ERROR",
        is_flag=True,
    ),
)
@click.command(cls=Command, settings=SETTINGS, takes_signals=True)
@click.pass_context
def workoff(context: click.Context, /, *, flags: dict[str, object], **options: Any) -> None:
    """Work off the jobs that are due, and leave."""
    flags["exit_on_complete"] = True
    work_with(context.obj, options_of("workoff", options | {"flags": flags})).leave()


def options_of(command: str, values: dict[str, Any]) -> WorkOptions:
    """Return what *command* was told, from what click parsed; paths as they are before anybody changes folders."""
    for name in ("log_dir", "heartbeat_file", "pidfile"):
        if values.get(name) is not None:
            values[name] = values[name].absolute()
    probes = ProbeOptions(**{name: values.pop(name) for name in ("probe_port", "probe_host", "probe_max_age")})
    return WorkOptions(command, probes=probes, **values)


def work_with(told: GlobalOptions, options: WorkOptions) -> ExitResult:
    """Work in this process, or in several under a supervisor. Raises Failure."""
    settings = settings_outside(told, options)
    with _pid_file(options.pidfile, settings.shutdown_timeout):
        if options.monitor or options.pools or settings.processes > 1:
            return ExitResult(supervise(told, options, settings))
        return work_here(told, options)


def settings_outside(told: GlobalOptions, options: WorkOptions) -> Settings:
    """Return the settings as far as they are known without the app. Raises Failure when it cannot be found by them."""
    from mongojobs.core.settings import Settings

    if not app_named(told) and not modules_named(told):
        raise click.UsageError(
            "which app? Name the module that defines the jobs, as in `mongojobs --app myapp.jobs work`, or by"
            " MONGOJOBS_APP, or as app in [tool.mongojobs] of pyproject.toml"
        )
    _refuse_contradictions(options.pools, options.flags)
    return resolve_settings(told, options.flags, Settings()).settings


def _pid_file(path: Path | None, shutdown_timeout: timedelta) -> AbstractContextManager[None]:
    from mongojobs.cli.work.pidfile import PidFile

    if path is None:
        return nullcontext()
    return PidFile(path).held(patience_seconds=shutdown_timeout.total_seconds() + LEAVING_SECONDS)


def _refuse_contradictions(pools: tuple[Pool, ...], flags: dict[str, object]) -> None:
    for name in ("queues", "processes"):
        if pools and name in flags:
            raise click.UsageError(f"--{name} and --pool exclude each other: a pool names its queues and its processes")
