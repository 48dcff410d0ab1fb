"""What ``mongojobs work`` and ``workoff`` can be told: their flags, and the values of these."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import click

from mongojobs.cli.health import heartbeat_option
from mongojobs.cli.shared.global_options import flag_words
from mongojobs.cli.shared.options import ParamType, own_option
from mongojobs.cli.work.probes import ProbeOptions, probe_options

WORK_SETTINGS: Final = (
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
    "schedules",
    "read_ahead",
    "max_attempts",
    "max_run_time",
    "max_result_bytes",
    "lease",
    "heartbeat",
    "shutdown_timeout",
    "name",
    "prefix",
    "log_tracebacks",
    "quiet",
)


@dataclass(frozen=True, slots=True)
class Pool:
    """So many *processes* for the same *queues*: names with commas, "" for all, None for what the settings say."""

    queues: str | None
    processes: int


class PoolType(ParamType):
    """``mail,sms:2``; ``*`` or nothing means all queues, and a missing count one. Source: delayed_job, ``--pool``."""

    name = "pool"
    envvar_list_splitter: ClassVar[str] = ";"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pool:
        """Return it as a pool."""
        queues, colon, count = str(value).strip().rpartition(":")
        if not colon:
            queues, count = count, "1"
        if not count.isdecimal() or int(count) < 1:
            self.fail(f"a pool is QUEUES:COUNT with a count of 1 or more, got {value!r}", param, ctx)
        return Pool("" if queues == "*" else queues, int(count))


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """What ``work`` and ``workoff`` were told, and in which *folder*; all paths are absolute.

    *identifier* tells this daemon from others, *number* this process from the others of its supervisor.
    """

    command: str
    flags: dict[str, object]
    pools: tuple[Pool, ...] = ()
    log_dir: Path | None = None
    heartbeat_file: Path | None = None
    pidfile: Path | None = None
    monitor: bool = False
    allow_none: bool = False
    identifier: str | None = None
    probes: ProbeOptions = field(default_factory=ProbeOptions)
    number: int | None = None
    fail_on_error: bool = False
    folder: Path = field(default_factory=Path.cwd)

    def words(self) -> list[str]:
        """Return the words of a command that say the same, but for what a supervisor does itself."""
        implied = ("processes", *(["exit_on_complete"] if self.command == "workoff" else []))
        return [
            self.command,
            *flag_words({name: value for name, value in self.flags.items() if name not in implied}),
            *([f"--log-dir={self.log_dir}"] if self.log_dir else []),
            *([f"--heartbeat-file={self.heartbeat_file}"] if self.heartbeat_file else []),
            *([f"--identifier={self.identifier}"] if self.identifier else []),
            *self.probes.words(),
            *(["--allow-none"] if self.allow_none else []),
            *(["--fail-on-error"] if self.fail_on_error else []),
        ]

    def supervisor_words(self) -> list[str]:
        """Return the words that say what a supervisor does itself."""
        return [
            *([f"--processes={self.flags['processes']}"] if "processes" in self.flags else []),
            *(f"--pool={pool.queues}:{pool.processes}" for pool in self.pools),
            *(["--monitor"] if self.monitor else []),
            *([f"--pidfile={self.pidfile}"] if self.pidfile else []),
        ]


class IdentifierType(ParamType):
    """A name that can be a part of the name of a file."""

    name = "identifier"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", value):
            self.fail(f"an identifier is made of letters, digits, _, - and ., got {value!r}", param, ctx)
        return str(value)


def identifier_option() -> click.Option:
    """Return the flag that distinguishes several daemons of the same app."""
    text = "name of this daemon, if there are several: used in its pid file, its log file and its workers' labels"
    variable = "MONGOJOBS_IDENTIFIER"
    return own_option("-i", "--identifier", text=text, variable=variable, type=IdentifierType(), metavar="NAME")


def pidfile_option() -> click.Option:
    """Return the flag that names the pid file."""
    text = "file to hold while working, with the process id in it"
    file = click.Path(dir_okay=False, path_type=Path)
    return own_option("--pidfile", text=text, variable="MONGOJOBS_PIDFILE", type=file)


def work_options() -> list[click.Option]:
    """Return the flags of ``work`` that are no settings."""
    return [
        own_option(
            *("--pool", "pools"),
            text="processes for these queues, such as mail,sms:2; may be repeated; * or nothing: all queues",
            variable="MONGOJOBS_POOL",
            multiple=True,
            type=PoolType(),
            metavar="A,B:COUNT",
        ),
        own_option(
            "--log-dir",
            text="folder for the log file mongojobs.log; default: log to standard output",
            variable="MONGOJOBS_LOG_DIR",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
        ),
        own_option(
            *("-m", "--monitor"),
            text="supervise even a single process, and start it again when it dies",
            variable="MONGOJOBS_MONITOR",
            is_flag=True,
        ),
        identifier_option(),
        own_option(
            "--allow-none",
            text="work even if the app declares no jobs, as when they are methods of plain documents",
            variable="MONGOJOBS_ALLOW_NONE",
            is_flag=True,
        ),
        heartbeat_option("file to record this worker's heartbeat in, for `mongojobs health`"),
        *probe_options(),
        click.Option(["--number"], type=int, hidden=True),
    ]


def work_options_of(command: str, values: dict[str, Any]) -> WorkOptions:
    """Return what *command* was told, from what click parsed; paths as they are before anybody changes folders."""
    for name in ("log_dir", "heartbeat_file", "pidfile"):
        if values.get(name) is not None:
            values[name] = values[name].absolute()
    probes = ProbeOptions(**{name: values.pop(name) for name in ("probe_port", "probe_host", "probe_max_age")})
    return WorkOptions(command, probes=probes, **values)
