"""``mongojobs workers``: ``list``, ``show``, ``quiet``, ``stop``, ``prune``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, Group, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say, table_lines
from mongojobs.core.inside.progress import in_a_line
from mongojobs.core.words.wording import NONE, ago, counted, printable

if TYPE_CHECKING:
    from datetime import datetime

    from mongojobs.app.operations import Operator
    from mongojobs.store.workers import RunningJob, WorkerStatus

WORKER_COLUMNS: Final = (
    TableColumn("WORKER"),
    TableColumn("STATE"),
    TableColumn("QUEUES"),
    TableColumn("THREADS", is_number=True),
    TableColumn("BUSY", is_number=True),
    TableColumn("MEMORY", is_number=True),
    TableColumn("STARTED"),
    TableColumn("LAST SEEN"),
    TableColumn("RUNS"),
)
RUN_COLUMNS: Final = (
    TableColumn("RUNS"),
    TableColumn("STATE"),
    TableColumn("WORKER"),
    TableColumn("BEGUN"),
    TableColumn("PROGRESS"),
)
MOST_RUNS: Final = 10
"""How many jobs that say how far they are, or were asked to end, are listed."""


@click.group(cls=Group)
def workers() -> None:
    """Look at workers, and tell them to be quiet or to stop."""


@with_options(json_option())
@workers.command("list", cls=Command)
@click.pass_obj
def list_workers(options: GlobalOptions, /, *, as_json: bool) -> None:
    """List the workers that are alive, and those that died in the last few minutes."""
    with open_database(options) as database:
        alive, dead = database.operator.workers(), database.operator.dead_workers()
        now = database.store.clock.now()
    if as_json:
        documents = [worker_document(one, is_alive=one in alive) for one in (*alive, *dead)]
        print_json({"at": now, "workers": documents})
    elif alive or dead:
        rows = [worker_row(one, now) for one in alive]
        print_table(
            WORKER_COLUMNS, [*rows, *((row[0], "dead", *row[2:]) for row in (worker_row(one, now) for one in dead))]
        )
    else:
        say("No worker is alive: start one with `mongojobs work`")


@with_options(json_option())
@workers.command(cls=Command)
@click.argument("worker")
@click.pass_obj
def show(options: GlobalOptions, /, *, worker: str, as_json: bool) -> None:
    """Show everything about one worker, and what it is running."""
    with open_database(options) as database:
        alive, dead = database.operator.workers(), database.operator.dead_workers()
        now = database.store.clock.now()
    found = next((one for one in (*alive, *dead) if one.name == worker), None)
    if found is None:
        raise Failure(f"no worker {printable(worker)}: see `mongojobs workers list`", NO)
    if as_json:
        print_json(worker_document(found, is_alive=found in alive))
        return
    _print_worker(found, now, is_alive=found in alive)


def _all_option() -> click.Option:
    return own_option("--all", "everybody", text="all workers that are alive", is_flag=True)


@with_options(_all_option())
@workers.command(cls=Command)
@click.argument("names", metavar="[WORKER]...", nargs=-1)
@click.pass_obj
def quiet(options: GlobalOptions, /, *, names: tuple[str, ...], everybody: bool) -> None:
    """Tell workers to reserve no more jobs, and to finish those they are running.

    They learn of it at their next heartbeat: busy ones within seconds, idle ones within a quarter of their lease (15
    seconds by default).
    """
    with open_database(options) as database:
        _tell(database.operator, database.operator.quiet_workers, names, everybody=everybody)


@with_options(_all_option())
@workers.command(cls=Command)
@click.argument("names", metavar="[WORKER]...", nargs=-1)
@click.pass_obj
def stop(options: GlobalOptions, /, *, names: tuple[str, ...], everybody: bool) -> None:
    """Tell workers to stop, as TERM does.

    They learn of it at their next heartbeat, as with quiet. The supervisor of `mongojobs work --processes` does not
    start them again; a platform may.
    """
    with open_database(options) as database:
        _tell(database.operator, database.operator.stop_workers, names, everybody=everybody)


@workers.command(cls=Command)
@click.pass_obj
def prune(options: GlobalOptions, /) -> None:
    """Forget dead workers now, instead of a few minutes later."""
    with open_database(options) as database:
        number = database.operator.prune_workers()
    say(f"Forgot {counted(number, 'dead worker')}.")


def _tell(
    operator: Operator, tell: Callable[[Iterable[str] | None], list[str]], names: tuple[str, ...], *, everybody: bool
) -> None:
    """Tell the workers, and print which ones. Raises UsageError, Failure."""
    if bool(names) == everybody:
        raise click.UsageError("which workers? Name some, or give --all")
    told = tell(None if everybody else names)
    for name in told:
        say(f"Told {printable(name)}")
    missing = [name for name in names if name not in told]
    if missing or not told:
        alive = ", ".join(printable(one.name) for one in operator.workers()) or "none"
        what = f"no living worker {', '.join(map(printable, missing))}" if missing else "no worker was told"
        raise Failure(f"{what}; alive: {alive}", NO)


def worker_row(worker: WorkerStatus, now: datetime) -> tuple[Any, ...]:
    """Return the cells of a row in the table of workers."""
    return (
        worker.name,
        f"{worker.state}, alone" if worker.alone else worker.state,
        ",".join(worker.queues) or "all",
        worker.threads,
        worker.busy,
        _memory(worker),
        ago(worker.started_at, now),
        ago(worker.heartbeat_at, max(now, worker.heartbeat_at or now)),
        ", ".join(_briefly(one, now) for one in worker.running[:1]) or NONE,
    )


def run_lines(workers: Iterable[WorkerStatus], now: datetime) -> list[str]:
    """Return a table of the jobs that say how far they are, or were asked to end; nothing if there are none."""
    rows = [
        (run.name, _state(run), worker.name, ago(run.since, now), _progress(run) or NONE)
        for worker in workers
        for run in worker.running
        if run.progress is not None or run.cancelling
    ]
    return table_lines(RUN_COLUMNS, rows[:MOST_RUNS])


def worker_document(worker: WorkerStatus, *, is_alive: bool) -> dict[str, object]:
    """Return a worker for ``--json``."""
    return {**said_by(worker), "alive": is_alive}


def said_by(worker: WorkerStatus) -> dict[str, object]:
    """Return what a worker says about itself, as opposed to what it was told."""
    said = asdict(worker)
    del said["told"]
    runs = [{one.name: getattr(run, one.name) for one in fields(run)} for run in worker.running]
    return {**said, "running": runs}


def _print_worker(worker: WorkerStatus, now: datetime, *, is_alive: bool) -> None:
    click.echo(click.style(f"Worker {printable(worker.name)}", bold=True))
    bounds = (worker.min_priority, worker.max_priority)
    facts = {
        "state": worker.state if is_alive else "dead",
        "host": worker.host,
        "process": worker.pid,
        "version": worker.version,
        "queues": ",".join(worker.queues) or "all",
        "priorities": None if bounds == (None, None) else " to ".join("any" if b is None else str(b) for b in bounds),
        "threads": worker.threads,
        "busy": worker.busy,
        "alone": "begins nothing alongside a job that lost its workers" if worker.alone else None,
        "memory": _memory(worker),
        "started": ago(worker.started_at, now),
        "last seen": ago(worker.heartbeat_at, max(now, worker.heartbeat_at or now)),
    }
    for name, value in facts.items():
        if value is not None:
            say(f"  {name:<13}{printable(str(value))}")
    for one in worker.running:
        begun = f"{one.id} {one.name} (queue {one.queue}), begun {ago(one.since, now)}"
        say(printable(f"  {'cancelling' if one.cancelling else 'runs':<13}{begun}"))
        if one.progress is not None:
            say(printable(f"  {'progress':<13}{_progress(one)}"))


def _briefly(run: RunningJob, now: datetime) -> str:
    """Return a job as it fits the table of workers."""
    parts = [f"{run.name} {ago(run.since, now)}"]
    parts += [] if run.progress is None else [run.progress.brief]
    return ", ".join([*parts, "cancelling"] if run.cancelling else parts)


def _state(run: RunningJob) -> str:
    return "cancelling" if run.cancelling else "running"


def _progress(run: RunningJob) -> str:
    """Return how far a job is: a bar, the numbers, and the time left where that is known."""
    if run.progress is None:
        return ""
    return f"{run.progress.bar} {in_a_line(run.progress, is_running=True)}".strip()


def _memory(worker: WorkerStatus) -> str:
    return f"{worker.memory_bytes / 2**20:.0f}M" if worker.memory_bytes else NONE
