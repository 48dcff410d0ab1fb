"""``mongojobs status`` and ``mongojobs check``: what the queues look like."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.queues import QUEUE_COLUMNS, QUEUE_STATES, queue_row
from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say
from mongojobs.cli.workers import run_lines, said_by
from mongojobs.core.words.wording import NONE, ago, in_words, printable

if TYPE_CHECKING:
    from mongojobs.app.operations import Report
    from mongojobs.schedules.report import ScheduleCounts
    from mongojobs.store.reader.counts import Count
    from mongojobs.store.workers import WorkerStatus

_WORKERS: Final = (
    TableColumn("WORKER"),
    TableColumn("QUEUES"),
    TableColumn("THREADS", is_number=True),
    TableColumn("BUSY", is_number=True),
    TableColumn("STARTED"),
    TableColumn("LAST SEEN"),
)


@with_options(json_option())
@click.command(cls=Command)
@click.pass_obj
def status(options: GlobalOptions, /, *, as_json: bool) -> None:
    """Show the queues, the living workers and how many schedules there are.

    Ready jobs are due and wait for a worker, scheduled ones are due later. The latency of a queue is how long its
    oldest ready job has been waiting, unless the queue is paused. Jobs are counted up to 10,000 in each; running and
    failed ones among the latest 10,000 of all queues.
    """
    with open_database(options) as database:
        report, workers = database.operator.report(), database.operator.workers()
        schedules = database.operator.schedule_counts()
    if as_json:
        print_json(status_document(report, workers, schedules, database))
        return
    say(f"Jobs: {database.place}\n")
    _print_queues(report)
    _print_workers(workers, report.at)
    if schedules is not None:
        say(f"\n{_in_a_line(schedules, report.at)}")


@with_options(
    own_option(
        "--max-age",
        text="how long a job may wait once it is due",
        default="5m",
        type=DurationType(),
        show_default=True,
    ),
    own_option(
        *("-q", "--queue", "queues"),
        text="only these queues, comma-separated; may be repeated",
        multiple=True,
        metavar="A,B",
    ),
    own_option(
        "--schedules", "with_schedules", text="also fail if a schedule is overdue by more than its window", is_flag=True
    ),
    json_option(),
)
@click.command(cls=Command)
@click.pass_context
def check(
    context: click.Context,
    /,
    *,
    max_age: timedelta,
    queues: tuple[str, ...],
    with_schedules: bool,
    as_json: bool,
) -> None:
    """Exit with status 1 if jobs have been waiting for too long.

    A job starts waiting when it is due, so scheduled jobs are never late; failed and running ones are not counted.
    """
    names = _names(queues)
    with open_database(context.obj) as database:
        late: Count = database.operator.reader.count_late(max_age, queues=names)
        reports = database.operator.schedule_reports() if with_schedules else []
    overdue = [report.schedule.name for report in reports if report.is_overdue]
    if as_json:
        shown = overdue if with_schedules else None
        print_json({"late": late.number, "max_age_seconds": max_age, "queues": names or None, "overdue": shown})
    else:
        _print_late(late, max_age)
        for name in overdue:
            say(f"The schedule {printable(name)} is overdue by more than its window")
    context.exit(NO if late.number or overdue else 0)


def _print_late(late: Count, max_age: timedelta) -> None:
    if late.number:
        say(f"{late} job{'s' if late.number > 1 else ''} waiting for more than {in_words(max_age)}")
    else:
        say(f"No job has been waiting for more than {in_words(max_age)}")


def _names(listed: Iterable[str]) -> list[str]:
    """Return the names of queues that were given with commas. Raises UsageError for what is none."""
    from mongojobs.core.settings.parsing import queue_names

    try:
        return [name for names in listed for name in queue_names(names or ",")]
    except ValueError as error:
        raise click.UsageError(f"--queue {error}") from None


def _print_queues(report: Report) -> None:
    if not report.queues:
        say("No jobs are waiting, running or failed.")
    else:
        rows = [queue_row(queue, report.at) for queue in report.queues]
        if len(rows) > 1:
            sums = [str(report.in_queues(state)) for state in QUEUE_STATES]
            rows.append(("all queues", *sums, in_words(report.latency) if report.latency else NONE, NONE))
        print_table(QUEUE_COLUMNS, rows)
    kept = [f"{report.counts[state]} {state}" for state in ("completed", "cancelled") if report.counts[state].number]
    if kept:
        say(f"Kept: {', '.join(kept)}")


def _print_workers(workers: list[WorkerStatus], now: datetime) -> None:
    if not workers:
        say("\nNo worker is alive: start one with `mongojobs work`")
        return
    say()
    rows = [
        (
            worker.name,
            ",".join(worker.queues) or "all",
            worker.threads,
            worker.busy,
            ago(worker.started_at, now),
            ago(worker.heartbeat_at, max(now, worker.heartbeat_at or now)),
        )
        for worker in workers
    ]
    print_table(_WORKERS, rows)
    if runs := run_lines(workers, now):
        click.echo("\n".join(["", *runs]))


def _in_a_line(schedules: ScheduleCounts, now: datetime) -> str:
    counts = {"late": schedules.late, "paused": schedules.paused, "orphaned": schedules.orphaned}
    parts = [f"Schedules: {schedules.total:,}", *(f"{number:,} {state}" for state, number in counts.items() if number)]
    if schedules.next is not None:
        parts.append(f"next {printable(schedules.next.name)} {ago(schedules.next.next_run_at, now)}")
    return ", ".join(parts)


def status_document(
    report: Report, workers: list[WorkerStatus], schedules: ScheduleCounts | None, database: Database
) -> dict[str, object]:
    """Return it as the document that programs read."""
    counts = {state: count.number for state, count in report.by_state().items()}
    return {
        "at": report.at,
        "database": database.name,
        "collection": database.store.collection.name,
        "latency_seconds": report.latency,
        "queues": [
            {
                "queue": queue.queue,
                **{state: queue.counts.of(state).number for state in QUEUE_STATES},
                "latency_seconds": queue.latency,
            }
            for queue in report.queues
        ],
        "totals": {"ready": counts.pop("scheduled") + counts.pop("ready"), **counts},
        "workers": [said_by(worker) for worker in workers],
        "schedules": None if schedules is None else _schedules_document(schedules),
    }


def _schedules_document(schedules: ScheduleCounts) -> dict[str, object]:
    return {
        "total": schedules.total,
        "late": schedules.late,
        "paused": schedules.paused,
        "orphaned": schedules.orphaned,
        "next": schedules.next and schedules.next.name,
        "next_run_at": schedules.next and schedules.next.next_run_at,
    }
