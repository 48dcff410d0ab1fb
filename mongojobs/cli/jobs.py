"""``mongojobs jobs list``, ``show``, ``retry``, ``cancel`` and ``delete``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.clear import yes_option
from mongojobs.cli.failures import NO, Failure
from mongojobs.cli.opening import open_database
from mongojobs.cli.options import Command, GlobalOptions, own_option, with_options
from mongojobs.cli.output import (
    NONE,
    Column,
    ago,
    confirm,
    counted,
    in_words,
    iso,
    json_option,
    plain,
    print_json,
    print_table,
    printable,
    printable_lines,
    shortened,
)

if TYPE_CHECKING:
    from mongojobs.core.job import Job, JobId
    from mongojobs.store.jobs import JobStore

SHOWN_STATES: Final = ("ready", "running", "failed", "cancelled", "completed")

_COLUMNS: Final = (
    Column("ID"),
    Column("STATE"),
    Column("NAME"),
    Column("QUEUE"),
    Column("WHEN"),
    Column("FAILURES", is_number=True),
    Column("LAST ERROR"),
)
_LEAST_ERROR_WIDTH: Final = 30
_LISTED: Final = (
    *("id", "name", "queue", "priority", "state", "run_at", "attempts", "max_attempts", "max_run_time", "losses"),
    *("releases", "snoozes", "fence", "locked_at", "locked_by", "locked_until", "created_at", "failed_at"),
    *("finished_at", "expire_at", "tags", "last_error"),
)


@click.group()
def jobs() -> None:
    """List, show, retry, cancel and delete jobs."""


@with_options(
    own_option("--state", text="only jobs in this state", type=click.Choice(SHOWN_STATES)),
    own_option("-q", "--queue", text="only jobs of this queue", metavar="NAME"),
    own_option("--name", text="only jobs of exactly this name", metavar="NAME"),
    own_option(
        "--limit", text="most jobs to show", type=click.IntRange(min=1), default=50, show_default=True, metavar="N"
    ),
    json_option(),
)
@jobs.command("list", cls=Command)
@click.pass_obj
def list_jobs(
    told: GlobalOptions, /, *, state: Any, queue: str | None, name: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, the newest first."""
    with open_database(told) as database:
        found = database.store.find(state=state, queue=queue, name=name, limit=limit + 1)
        now = database.store.clock.now()
    shown = found[:limit]
    if as_json:
        print_json({"jobs": [_document(job) for job in shown], "more": len(found) > limit})
        return
    if not shown:
        click.echo("There are no such jobs.")
        return
    _print_list(shown, now)
    if len(found) > limit:
        click.echo(f"These are the newest {limit}; there are more: --limit N", err=True)


@with_options(json_option())
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def show(told: GlobalOptions, /, *, job_id: str, as_json: bool) -> None:
    """Show all about one job: its arguments too, and its errors with their traces."""
    with open_database(told) as database:
        job = _look_up(database.store, job_id)
        now = database.store.clock.now()
    if as_json:
        print_json({**_document(job), "handler": job.handler, "errors": job.errors, "meta": job.meta})
        return
    _print_job(job, now)


@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1, required=True)
@click.pass_obj
def retry(told: GlobalOptions, /, *, job_ids: Sequence[str]) -> None:
    """Let failed or cancelled jobs run again, with all their attempts before them."""
    with open_database(told) as database:
        _each(database.store, job_ids, database.store.retry, "Ready again")


@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1, required=True)
@click.pass_obj
def cancel(told: GlobalOptions, /, *, job_ids: Sequence[str]) -> None:
    """Cancel jobs that have not begun."""
    with open_database(told) as database:
        _each(database.store, job_ids, database.store.cancel, "Cancelled")


@with_options(yes_option())
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1, required=True)
@click.pass_obj
def delete(told: GlobalOptions, /, *, job_ids: Sequence[str], yes: bool) -> None:
    """Delete jobs that are not running."""
    with open_database(told) as database:
        for job in [_look_up(database.store, job_id) for job_id in job_ids]:
            click.echo(f"{job.id} {printable(job.name)}, {job.state}", err=True)
        confirm(f"Delete {counted(len(job_ids), 'job')} for good?", yes=yes)
        _each(database.store, job_ids, database.store.delete, "Deleted")


def _each(store: JobStore, job_ids: Sequence[str], act: Callable[[JobId], Job], done: str) -> None:
    """Do *act* with each job, and go on after one that refuses. Raises Failure at the end if one did."""
    from mongojobs.core.errors import StateError

    refused = 0
    for job_id in job_ids:
        try:
            job = act(_look_up(store, job_id).id)
        except (StateError, Failure) as error:
            refused += 1
            click.echo(f"Error: {error}", err=True)
        else:
            click.echo(f"{done}: {job.id} {printable(job.name)}")
    if refused:
        raise click.exceptions.Exit(NO)


def _look_up(store: JobStore, text: str) -> Job:
    """Return the job whose id *text* is: as ObjectId, as text or as number. Raises Failure."""
    for job_id in _possible_ids(text):
        job = store.get(job_id)
        if job is not None:
            return job
    raise Failure(f"no job {text}: it never was, or it has completed or been deleted", NO)


def _possible_ids(text: str) -> list[JobId]:
    from bson import ObjectId

    ids: list[JobId] = [ObjectId(text)] if ObjectId.is_valid(text) else []
    ids.append(text)
    if text.removeprefix("-").isdecimal() and len(text) < 20:
        ids.append(int(text))
    return ids


def _print_list(found: Sequence[Job], now: datetime) -> None:
    rows = [
        (str(job.id), _state(job, now), job.name, job.queue, _when(job, now), str(job.attempts), _error(job))
        for job in found
    ]
    others = sum(max(len(column.title), *(len(row[at]) for row in rows)) for at, column in enumerate(_COLUMNS[:-1]))
    width = max(shutil.get_terminal_size().columns - others - 2 * len(_COLUMNS[:-1]), _LEAST_ERROR_WIDTH)
    print_table(_COLUMNS, [(*row[:-1], shortened(row[-1], width)) for row in rows])


def _print_job(job: Job, now: datetime) -> None:
    click.echo(click.style(f"Job {job.id}", bold=True))
    facts = {
        "name": job.name,
        "state": f"{_state(job, now)}, {_when(job, now)}",
        "queue": job.queue,
        "priority": job.priority,
        "failures": job.attempts if job.max_attempts is None else f"{job.attempts} of at most {job.max_attempts}",
        "losses": job.losses,
        "releases": job.releases,
        "snoozes": job.snoozes,
        "time limit": None if job.max_run_time is None else in_words(job.max_run_time),
        "created": _moment(job.created_at, now),
        "due": _moment(job.run_at, now),
        "locked": _moment(job.locked_at, now),
        "locked by": job.locked_by,
        "locked until": _moment(job.locked_until, now),
        "ended": _moment(job.finished_at, now),
        "kept until": _moment(job.expire_at, now),
        "tags": ", ".join(job.tags),
    }
    for name, value in facts.items():
        if value not in (None, 0, "") or name in ("priority", "failures"):
            click.echo(f"  {name:<13}{printable(str(value))}")
    _print_values("Handler", job.handler)
    if job.meta:
        _print_values("Meta", job.meta)
    _print_errors(job, now)


def _print_values(title: str, values: Any) -> None:
    click.echo(click.style(f"\n{title}", bold=True))
    for line in json.dumps(plain(values), indent=2, ensure_ascii=False).splitlines():
        click.echo(f"  {printable(line)}")


def _print_errors(job: Job, now: datetime) -> None:
    if not job.errors:
        return
    click.echo(click.style("\nErrors, the last one at the end", bold=True))
    for error in job.errors:
        by = f", by {error['worker']}" if error.get("worker") else ""
        click.echo(printable(f"  Attempt {error.get('attempt')}, {_moment(error.get('at'), now)}{by}"))
        for line in [*printable_lines(str(error.get("error"))), *printable_lines(str(error.get("trace") or ""))]:
            click.echo(f"    {line}")


def _document(job: Job) -> dict[str, object]:
    document = {name: getattr(job, name) for name in _LISTED}
    document["max_run_time_seconds"] = document.pop("max_run_time")
    return document


def _state(job: Job, now: datetime) -> str:
    return "scheduled" if job.state == "ready" and job.run_at > now else job.state


def _when(job: Job, now: datetime) -> str:
    """Return the time that matters most in the job's state."""
    moments = {"ready": job.run_at, "running": job.locked_at, "failed": job.failed_at or job.finished_at}
    return ago(moments.get(job.state, job.finished_at), now)


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{iso(moment)} ({ago(moment, now)})"


def _error(job: Job) -> str:
    lines = (job.last_error or "").splitlines()
    return lines[0] if lines else NONE
