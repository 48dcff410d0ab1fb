"""How jobs are printed: many in a table, and one in full."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.output import TableColumn, plain, print_table, say, shortened
from mongojobs.core.fields import DETAILED, LISTED, kind_of
from mongojobs.core.inside.cursor import ShownRow, rows_aside
from mongojobs.core.inside.progress import in_a_line
from mongojobs.core.inside.steps import steps_of
from mongojobs.core.job import ENDED, FIELDS
from mongojobs.core.words.sizes import format_size
from mongojobs.core.words.wording import NONE, ago, by_whom, counted, in_words, iso, printable, printable_lines, to_json

if TYPE_CHECKING:
    from mongojobs.core.job import Job

_COLUMNS: Final = (
    TableColumn("ID"),
    TableColumn("STATE"),
    TableColumn("NAME"),
    TableColumn("QUEUE"),
    TableColumn("WHEN"),
    TableColumn("FAILURES", is_number=True),
    TableColumn("LAST ERROR"),
)
_LEAST_ERROR_WIDTH: Final = 30


def print_jobs(found: Sequence[Job], now: datetime) -> None:
    """Print a line for each job; of its last error, as much as fits the terminal."""
    rows = [
        (str(job.id), _state(job, now), job.name, job.queue, _when(job, now), str(job.attempts), _error(job))
        for job in found
    ]
    others = sum(max(len(column.title), *(len(row[at]) for row in rows)) for at, column in enumerate(_COLUMNS[:-1]))
    width = max(shutil.get_terminal_size().columns - others - 2 * len(_COLUMNS[:-1]), _LEAST_ERROR_WIDTH)
    print_table(_COLUMNS, [(*row[:-1], shortened(row[-1], width)) for row in rows])


def print_job(job: Job, now: datetime) -> None:
    """Print everything about one job, leaving out what does not apply."""
    click.echo(click.style(printable(f"Job {job.id}"), bold=True))
    for name, value in _facts(job, now).items():
        if value not in (None, 0, "") or name in ("priority", "failures"):
            say(f"  {name:<13}{printable(str(value))}")
    if job.steps:
        _print_steps(job, now)
    if aside := rows_aside(job.cursors):
        _print_rows_aside(aside, now)
    _print_values("Handler", job.handler)
    if job.meta:
        _print_values("Meta", job.meta)
    if job.returned is not None:
        _print_result(job.returned)
    _print_errors(job, now)


def _facts(job: Job, now: datetime) -> dict[str, object]:
    return {
        "name": job.name,
        "state": f"{_state(job, now)}, {_when(job, now)}",
        "queue": job.queue,
        "priority": job.priority,
        "schedule": job.scheduled_for and f"{job.schedule}, for {iso(job.scheduled_for)}",
        "failures": job.attempts if job.max_attempts is None else f"{job.attempts} of at most {job.max_attempts}",
        "losses": job.losses,
        "releases": job.releases,
        "snoozes": job.snoozes,
        "deferred": _moment(job.deferred_since, now),
        "because": job.deferred_reason,
        "time limit": None if job.max_run_time is None else in_words(job.max_run_time),
        "created": _moment(job.created_at, now),
        "due": _moment(job.run_at, now),
        "expires": _moment(job.expires_at, now),
        "keeps result": None if job.keep_result is None else f"for {in_words(job.keep_result)}",
        "keeps log": None if job.keep_log is None else f"{format_size(job.keep_log)}: mongojobs jobs log {job.id}",
        "locked": _moment(job.locked_at, now),
        "locked by": job.locked_by,
        "locked until": _moment(job.locked_until, now),
        "ended": _moment(job.finished_at, now),
        "cancelled": _cancellation(job, now),
        "ran by": job.ran_by,
        "took": None if job.took is None else in_words(job.took),
        "kept until": _moment(job.expire_at, now),
        "unique": _unique(job),
        "merged": None if not job.merged else counted(job.merged, "further call"),
        "again": None if job.again is None else f"{_after(job)} it runs once more, with the last call",
        "progress": job.progress and in_a_line(job.progress, is_running=job.is_locked),
        "tags": ", ".join(job.tags),
    }


def _after(job: Job) -> str:
    """Return when a job that was called again meanwhile runs for that call."""
    return "after a retry" if job.state in ENDED else "when it has ended"


def _print_steps(job: Job, now: datetime) -> None:
    click.echo(click.style("\nSteps that are done", bold=True))
    for step in steps_of(job.steps):
        took = "" if step.took is None else f", took {in_words(step.took)}"
        say(printable(f"  {step.name}, {_moment(step.at, now)}{took}"))


def _print_rows_aside(aside: Sequence[ShownRow], now: datetime) -> None:
    click.echo(click.style("\nRows left out, since workers died at them", bold=True))
    for one in aside:
        say(printable(f"  {one.row} of {one.rows}, {_moment(one.at, now)}, after {counted(one.deaths, 'death')}"))


def _print_values(title: str, values: Any) -> None:
    click.echo(click.style(f"\n{title}", bold=True))
    for line in to_json(plain(values), indent=2).split("\n"):
        say(f"  {printable(line)}")


def _print_result(returned: Mapping[str, Any]) -> None:
    from mongojobs.payload.show import show_result

    click.echo(click.style("\nResult", bold=True))
    for line in show_result(returned).split("\n"):
        say(f"  {printable(line)}")


def print_value(value: object) -> None:
    """Print a stored *value*: a text as it is, all else as Python would write it, secrets masked."""
    from mongojobs.payload.show import show_value

    say(value if isinstance(value, str) else show_value(value))


def _print_errors(job: Job, now: datetime) -> None:
    if not job.errors:
        return
    click.echo(click.style("\nErrors, the last one at the end", bold=True))
    for error in job.errors:
        by = f", by {error['worker']}" if error.get("worker") else ""
        say(printable(f"  Attempt {error.get('attempt')}, {_moment(error.get('at'), now)}{by}"))
        for line in [*printable_lines(str(error.get("error"))), *printable_lines(str(error.get("trace") or ""))]:
            say(f"    {line}")


def job_document(job: Job, *, in_detail: bool = False) -> dict[str, object]:
    """Return a job for ``--json``, durations in seconds; *in_detail* includes what lists leave out."""
    told = (LISTED, DETAILED) if in_detail else (LISTED,)
    fields = [field for field in FIELDS if field.metadata.get("json", LISTED) in told]
    return {
        f"{field.name}_seconds" if kind_of(field) == "timedelta" else field.name: getattr(job, field.name)
        for field in fields
    }


def _state(job: Job, now: datetime) -> str:
    if job.cancelling:
        return "cancelling"
    return "scheduled" if job.state == "ready" and job.run_at > now else job.state


def _when(job: Job, now: datetime) -> str:
    """Return the time that matters most in the job's state."""
    if job.state == "running" and job.progress is not None:
        return f"{ago(job.locked_at, now)}, {job.progress.brief}"
    moments = {"ready": job.run_at, "running": job.locked_at, "failed": job.failed_at or job.finished_at}
    return ago(moments.get(job.state, job.finished_at), now)


def _unique(job: Job) -> str | None:
    """Return what the key of *job* is made of, and whether it holds it."""
    if job.unique_text is None:
        return None
    until = f" until {iso(job.key_until)}" if job.key_until is not None else ""
    return f"{job.unique_text} ({f'holds its key{until}' if job.unique_key else 'no longer holds its key'})"


def _cancellation(job: Job, now: datetime) -> str | None:
    """Return who has cancelled *job*, when and why."""
    if job.cancellation is None:
        return None
    at = job.cancellation.get("at")
    moment = _moment(at, now) if isinstance(at, datetime) else "(unknown)"
    return f"{moment}{by_whom(job.cancellation)}"


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{iso(moment)} ({ago(moment, now)})"


def _error(job: Job) -> str:
    lines = (job.deferred_reason or job.last_error or "").splitlines()
    return lines[0] if lines else NONE
