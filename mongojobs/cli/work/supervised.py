"""Several worker processes: what a pool is, and how the command of each child is made from our own."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.options import ENVIRONMENT_PREFIX, GlobalOptions
from mongojobs.cli.work.probes import ProbeOptions
from mongojobs.process.signals import hold_back

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings
    from mongojobs.process.supervisor import ChildCommand

_OURS_ALONE: Final = (
    *("MONGOJOBS_POOL", "MONGOJOBS_CHDIR", "MONGOJOBS_MONITOR", "MONGOJOBS_PIDFILE", "MONGOJOBS_LOG_DIR"),
    "MONGOJOBS_HEARTBEAT_FILE",
)
"""Variables that the supervisor has acted on, and the children must not."""


@dataclass(frozen=True, slots=True)
class Pool:
    """So many *processes* for the same *queues*: names with commas, "" for all, None for what the settings say."""

    queues: str | None
    processes: int


class PoolType(click.ParamType):  # type: ignore[type-arg]  # older ones take no argument
    """``mail,sms:2``; ``*`` or nothing means all queues, and a missing count one. Source: delayed_job, ``--pool``."""

    name = "pool"
    envvar_list_splitter = ";"

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


def supervise(told: GlobalOptions, options: WorkOptions, settings: Settings) -> int:
    """Run the children until told to stop; return the exit status. Never imports the app."""
    from mongojobs.cli.work.readiness import ReadinessNotifier
    from mongojobs.cli.work.worker import set_up_worker_logging
    from mongojobs.process.supervisor import Supervisor

    set_up_worker_logging(settings, options.log_dir)
    announcer = ReadinessNotifier.taken_from(os.environ)
    commands = child_commands(told, options, processes=settings.processes)
    supervisor = Supervisor(
        announcer.share(commands),
        shutdown_timeout=settings.shutdown_timeout,
        boot_timeout=settings.boot_timeout,
        final_statuses=_final_statuses(settings, options),
        beat=announcer.beat,
    )
    with _heartbeat_of(len(commands), options):
        return supervisor.run()


def _heartbeat_of(processes: int, options: WorkOptions) -> AbstractContextManager[object]:
    """Let the heartbeat file, if there is one, name those of the children meanwhile."""
    from mongojobs.plugins.heartbeat_file import HeartbeatFile

    if options.heartbeat_file is None:
        return nullcontext()
    heartbeat = HeartbeatFile(options.heartbeat_file)
    heartbeat.refer_to(processes)
    return heartbeat


def child_commands(told: GlobalOptions, options: WorkOptions, *, processes: int) -> list[ChildCommand]:
    """Return the command of each child: of as many as the pools say, or of *processes*."""
    from mongojobs.process.supervisor import ChildCommand

    pools = options.pools or (Pool(None, processes),)
    queue_lists = [pool.queues for pool in pools for _ in range(pool.processes)]
    return [
        ChildCommand(
            [*own_command(told, options), *_part(number, queues)], own_environment(told), folder=options.folder
        )
        for number, queues in enumerate(queue_lists)
    ]


def child_command(told: GlobalOptions, options: WorkOptions) -> ChildCommand:
    """Return the command that starts a child of this worker, for jobs to run in."""
    from mongojobs.process.supervisor import ChildCommand

    as_child = WorkOptions("child", options.flags, log_dir=options.log_dir)
    return ChildCommand(own_command(told, as_child), own_environment(told), folder=options.folder)


def restart(told: GlobalOptions, options: WorkOptions, *, processes: int) -> NoReturn:
    """Begin again as a supervisor: that the app wants *processes* is known only now that it is imported."""
    environ = {**own_environment(told), f"{ENVIRONMENT_PREFIX}PROCESSES": str(processes)}
    pidfile = [f"--pidfile={options.pidfile}"] if options.pidfile else []
    os.chdir(options.folder)
    hold_back()  # also while the next program begins: they reach it, once it is ready for them
    os.execve(sys.executable, [*own_command(told, options), *pidfile], environ)  # noqa: S606 - this very program


def own_command(told: GlobalOptions, options: WorkOptions) -> list[str]:
    """Return our own command once more, but for what is each child's own.

    With ``-P`` a module in the current folder that is called mongojobs does not take our place.
    """
    settings = {name: value for name, value in told.settings.items() if name != "uri"}
    flags = {name: value for name, value in options.flags.items() if name != "processes"}
    if options.command == "workoff":
        del flags["exit_on_complete"]
    return [
        *(sys.executable, "-P", "-m", "mongojobs"),
        *([f"--app={told.app}"] if told.app else []),
        *(f"--import={module}" for module in told.imports),
        *([f"--config={told.config}"] if told.config else []),
        *map(argument, settings.items()),
        options.command,
        *map(argument, flags.items()),
        *([f"--log-dir={options.log_dir}"] if options.log_dir else []),
        *([f"--heartbeat-file={options.heartbeat_file}"] if options.heartbeat_file else []),
        *([f"--identifier={options.identifier}"] if options.identifier else []),
        *options.probes.arguments(),
        *(["--allow-none"] if options.allow_none else []),
        *(["--fail-on-error"] if options.fail_on_error else []),
    ]


def _part(number: int, queues: str | None) -> list[str]:
    """Return what is the child's own; *queues* None: as the settings say."""
    return ["--processes=1", f"--number={number}", *([] if queues is None else [f"--queues={queues}"])]


def argument(flag: tuple[str, object]) -> str:
    """Return a flag as one word of a command."""
    name, value = flag[0].replace("_", "-"), flag[1]
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def own_environment(told: GlobalOptions) -> dict[str, str]:
    """Return the environment of the children; the URI is in it, where others cannot see it."""
    environ = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    if "uri" in told.settings:
        environ[f"{ENVIRONMENT_PREFIX}URI"] = str(told.settings["uri"])
    return environ


def _final_statuses(settings: Settings, options: WorkOptions) -> frozenset[int]:
    if not settings.exit_on_complete:
        return frozenset()
    return frozenset({0, NO} if options.fail_on_error else {0})
