"""``mongojobs jobs``: ``list``, ``show``, ``why``, and what is done with jobs, one by one or many at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.choosing import (
    current_user,
    filter_options,
    is_any_given,
    job_filter_of,
    look_up,
    report_running,
    sweep,
    yes_option,
)
from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import HOW_TO_NAME_JOBS, open_app, open_database
from mongojobs.cli.shared.options import Command, Group, own_option, with_options
from mongojobs.cli.shared.output import (
    NONE,
    TableColumn,
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
    say,
    shortened,
)
from mongojobs.cli.shared.settings import refuse_without_app
from mongojobs.core.words.wording import to_json

if TYPE_CHECKING:
    from mongojobs.app.declarations import DeclaredJob
    from mongojobs.core.job import Job, JobId
    from mongojobs.core.job_filter import Verb
    from mongojobs.core.settings import Settings
    from mongojobs.store.jobs import JobStore

_COLUMNS: Final = (
    TableColumn("ID"),
    TableColumn("STATE"),
    TableColumn("NAME"),
    TableColumn("QUEUE"),
    TableColumn("WHEN"),
    TableColumn("FAILURES", is_number=True),
    TableColumn("LAST ERROR"),
)
_DECLARED_COLUMNS: Final = (
    TableColumn("NAME"),
    TableColumn("KIND"),
    TableColumn("MODULE"),
    TableColumn("QUEUE"),
    TableColumn("OPTIONS"),
)
_LEAST_ERROR_WIDTH: Final = 30
_LISTED: Final = (
    *("id", "name", "queue", "priority", "state", "run_at", "attempts", "max_attempts", "max_run_time", "losses"),
    *("releases", "snoozes", "deferred_since", "deferred_reason", "fence", "locked_at", "locked_by", "locked_until"),
    *("created_at", "failed_at", "finished_at", "expire_at", "tags", "last_error"),
)


@click.group(cls=Group)
def jobs() -> None:
    """Look at jobs and change them, one or many."""


@with_options(
    *filter_options(),
    own_option(
        "--limit", text="most jobs to show", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N"
    ),
    own_option("--after", text="go on after a page: its `next` in --json", metavar="MARK"),
    json_option(),
)
@jobs.command("list", cls=Command)
@click.pass_obj
def list_jobs(options: GlobalOptions, /, *, limit: int, after: str | None, as_json: bool, **values: Any) -> None:
    """List jobs, the newest first, scheduled ones the soonest first.

    Ready jobs are due, scheduled ones are due later.
    """
    with open_database(options) as database:
        now = database.store.clock.now()
        page = database.operator.find(job_filter_of(values, now), limit=limit, after=after)
    if as_json:
        shown = [_document(job) for job in page.jobs]
        print_json({"jobs": shown, "more": page.next is not None, "next": page.next})
        return
    if page.jobs:
        _print_list(page.jobs, now)
    elif page.next is None:
        say("There are no such jobs.")
    if page.next is not None:
        first = "soonest" if values["state"] == "scheduled" else "newest"
        if len(page) == limit:
            say(f"These are the {first} {limit}; there are more: --limit N, or --after {page.next}", err=True)
        else:  # as rare ones are looked for in parts
            say(f"{len(page) or 'None'} found among the {first} jobs; to look further: --after {page.next}", err=True)


@with_options(json_option())
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def show(options: GlobalOptions, /, *, job_id: str, as_json: bool) -> None:
    """Show all about one job: its arguments too, and its errors with their traces."""
    with open_database(options) as database:
        job = look_up(database.store, job_id)
        now = database.store.clock.now()
    if as_json:
        print_json({**_document(job), "handler": job.handler, "errors": job.errors, "meta": job.meta})
        return
    _print_job(job, now)


@with_options(json_option())
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def why(options: GlobalOptions, /, *, job_id: str, as_json: bool) -> None:
    """Say why a job has not run, the most important reason first, and what to do about it.

    Name the app too (--app), so that it is known which jobs there are.
    """
    with open_database(options) as database:
        found = database.operator.why(look_up(database.store, job_id).id)
    if as_json:
        print_json({"id": job_id, "reasons": [asdict(reason) for reason in found]})
        return
    for reason in found:
        say(printable(f"{reason.text[0].upper()}{reason.text[1:]}."))
        click.echo(click.style(printable(f"  -> {reason.remedy}"), bold=True))


@with_options(json_option())
@jobs.command(cls=Command)
@click.pass_obj
def declared(options: GlobalOptions, /, *, as_json: bool) -> None:
    """List the jobs that the app declares: what a worker that is started like this can run.

    Asks no database. A document class stands for all of its methods.
    """
    from mongojobs.app.declarations import declared_jobs

    refuse_without_app(options)
    opened = open_app(options)
    found = declared_jobs()
    if as_json:
        print_json({"jobs": [_declaration(one, opened.settings) for one in found]})
    elif found:
        rows = [(one.name, one.kind, one.module, _queue(one, opened.settings) or NONE, _options(one)) for one in found]
        print_table(_DECLARED_COLUMNS, rows)
    else:
        say(f"{opened.named[0].upper()}{opened.named[1:]} declares no jobs. {HOW_TO_NAME_JOBS}.")


@with_options(
    own_option("--pdb", text="when the job raises, look into it with Python's debugger", is_flag=True),
)
@jobs.command(cls=Command)
@click.argument("job_id")
@click.pass_obj
def run(options: GlobalOptions, /, *, job_id: str, pdb: bool) -> None:
    """Run one job here and now, due or not, though its queue be paused.

    No worker takes it meanwhile. Its result counts: it completes, or is tried again later. A failed or cancelled one is
    retried, with all its attempts before it. TERM and Ctrl-C hand it back, as those of a worker.
    """
    from mongojobs.cli.work.run_here import run_here

    run_here(options, job_id, debug=pdb)


def _many_options() -> list[click.Option]:
    return [
        *filter_options(),
        own_option("--all", "everything", text="all jobs that this can be done with", is_flag=True),
        own_option("--dry-run", text="change nothing; say how many jobs it would be", is_flag=True),
        yes_option(),
    ]


@with_options(*_many_options())
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1)
@click.pass_obj
def retry(options: GlobalOptions, /, **values: Any) -> None:
    """Let failed or cancelled jobs run again, with all their attempts before them.

    Name them by their ids, or choose them by flags.
    """
    _do(options, "retry", "Ready again:", values, by=current_user())


@with_options(*_many_options())
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1)
@click.pass_obj
def cancel(options: GlobalOptions, /, **values: Any) -> None:
    """Cancel jobs that have not begun.

    Name them by their ids, or choose them by flags.
    """
    _do(options, "cancel", "Cancelled", values)


@with_options(*_many_options())
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1)
@click.pass_obj
def delete(options: GlobalOptions, /, **values: Any) -> None:
    """Delete jobs that are not running.

    Name them by their ids, or choose them by flags.
    """
    _do(options, "delete", "Deleted", values)


@with_options(*_many_options())
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1)
@click.pass_obj
def hasten(options: GlobalOptions, /, **values: Any) -> None:
    """Let scheduled jobs be due now.

    Name them by their ids, or choose them by flags.
    """
    _do(options, "hasten", "Due now:", values)


@with_options(
    own_option("--to-queue", text="the queue they go to", metavar="NAME"),
    own_option("--priority", text="the priority they get", type=int, metavar="N"),
    *(option for option in _many_options() if option.name != "priority"),
)
@jobs.command(cls=Command)
@click.argument("job_ids", nargs=-1)
@click.pass_obj
def move(options: GlobalOptions, /, *, to_queue: str | None, priority: int | None, **values: Any) -> None:
    """Give jobs that have not begun another queue or priority.

    Name them by their ids, or choose them by flags.
    """
    if to_queue is None and priority is None:
        raise click.UsageError("where to? Name --to-queue or --priority")
    _do(options, "move", "Moved", values, queue=to_queue, priority=priority)


def _do(options: GlobalOptions, verb: Verb, done: str, values: dict[str, Any], **to: Any) -> None:
    """Do *verb* with the jobs that are named or chosen. Raises UsageError, Failure."""
    job_ids, everything, dry_run, yes = (values.pop(name) for name in ("job_ids", "everything", "dry_run", "yes"))
    if bool(job_ids) + everything + is_any_given(values) != 1:
        raise click.UsageError(
            "which jobs? Name them by their ids, or choose them by --state, --queue, --name, --tag and the like,"
            " or take --all"
        )
    with open_database(options) as database:
        operator = database.operator
        if not job_ids:
            job_filter = job_filter_of(values, database.store.clock.now())
            number = operator.count_for(verb, job_filter)
            question = f"{verb.capitalize()} {counted(number, 'job')} in {database.place}?"
            act = getattr(operator, _MANY[verb])
            sweep(
                number,
                lambda on_progress: act(job_filter, on_progress=on_progress, **to),
                question=question,
                done=done,
                yes=yes,
                dry_run=dry_run,
            )
            if job_filter.state is None and verb in _MISSED_BY_RUNNING:
                report_running(operator, job_filter)
            return
        if verb == "delete":
            for job in [look_up(database.store, job_id) for job_id in job_ids]:
                say(printable(f"{job.id} {job.name}, {job.state}"), err=True)
            confirm(f"Delete {counted(len(job_ids), 'job')} for good?", yes=yes)
        act_on_one = getattr(operator, _ONE.get(verb, verb))
        _each(database.store, job_ids, lambda job_id: act_on_one(job_id, **to), done.rstrip(":"))


_ONE: Final[dict[Verb, str]] = {"hasten": "run_now"}
_MANY: Final[dict[Verb, str]] = {
    "retry": "retry_all",
    "cancel": "cancel_all",
    "delete": "delete_all",
    "hasten": "run_all_now",
    "move": "move_all",
}


_MISSED_BY_RUNNING: Final[tuple[Verb, ...]] = ("cancel", "delete", "move")
"""Somebody who wants this of all jobs of a kind may well want it of those that run."""


def _each(store: JobStore, job_ids: Sequence[str], act: Callable[[JobId], Job], done: str) -> None:
    """Do *act* with each job, and go on after one that refuses. Raises Failure at the end if one did."""
    from mongojobs.core.errors import StateError

    refused = 0
    for job_id in job_ids:
        try:
            job = act(look_up(store, job_id).id)
        except (StateError, Failure) as error:
            refused += 1
            say(printable(f"Error: {error}"), err=True)
        else:
            say(printable(f"{done}: {job.id} {job.name}"))
    if refused:
        raise click.exceptions.Exit(NO)


def _print_list(found: Sequence[Job], now: datetime) -> None:
    rows = [
        (str(job.id), _state(job, now), job.name, job.queue, _when(job, now), str(job.attempts), _error(job))
        for job in found
    ]
    others = sum(max(len(column.title), *(len(row[at]) for row in rows)) for at, column in enumerate(_COLUMNS[:-1]))
    width = max(shutil.get_terminal_size().columns - others - 2 * len(_COLUMNS[:-1]), _LEAST_ERROR_WIDTH)
    print_table(_COLUMNS, [(*row[:-1], shortened(row[-1], width)) for row in rows])


def _print_job(job: Job, now: datetime) -> None:
    click.echo(click.style(printable(f"Job {job.id}"), bold=True))
    facts = {
        "name": job.name,
        "state": f"{_state(job, now)}, {_when(job, now)}",
        "queue": job.queue,
        "priority": job.priority,
        "failures": job.attempts if job.max_attempts is None else f"{job.attempts} of at most {job.max_attempts}",
        "losses": job.losses,
        "releases": job.releases,
        "snoozes": job.snoozes,
        "deferred": _moment(job.deferred_since, now),
        "because": job.deferred_reason,
        "time limit": None if job.max_run_time is None else in_words(job.max_run_time),
        "created": _moment(job.created_at, now),
        "due": _moment(job.run_at, now),
        "locked": _moment(job.locked_at, now),
        "locked by": job.locked_by,
        "locked until": _moment(job.locked_until, now),
        "ended": _moment(job.finished_at, now),
        "ran by": job.ran_by,
        "took": None if job.took is None else in_words(job.took),
        "kept until": _moment(job.expire_at, now),
        "tags": ", ".join(job.tags),
    }
    for name, value in facts.items():
        if value not in (None, 0, "") or name in ("priority", "failures"):
            say(f"  {name:<13}{printable(str(value))}")
    _print_values("Handler", job.handler)
    if job.meta:
        _print_values("Meta", job.meta)
    _print_errors(job, now)


def _print_values(title: str, values: Any) -> None:
    click.echo(click.style(f"\n{title}", bold=True))
    for line in to_json(plain(values), indent=2).split("\n"):
        say(f"  {printable(line)}")


def _print_errors(job: Job, now: datetime) -> None:
    if not job.errors:
        return
    click.echo(click.style("\nErrors, the last one at the end", bold=True))
    for error in job.errors:
        by = f", by {error['worker']}" if error.get("worker") else ""
        say(printable(f"  Attempt {error.get('attempt')}, {_moment(error.get('at'), now)}{by}"))
        for line in [*printable_lines(str(error.get("error"))), *printable_lines(str(error.get("trace") or ""))]:
            say(f"    {line}")


def _document(job: Job) -> dict[str, object]:
    document = {name: getattr(job, name) for name in _LISTED}
    document["max_run_time_seconds"] = document.pop("max_run_time")
    return document


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


def _state(job: Job, now: datetime) -> str:
    return "scheduled" if job.state == "ready" and job.run_at > now else job.state


def _when(job: Job, now: datetime) -> str:
    """Return the time that matters most in the job's state."""
    moments = {"ready": job.run_at, "running": job.locked_at, "failed": job.failed_at or job.finished_at}
    return ago(moments.get(job.state, job.finished_at), now)


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{iso(moment)} ({ago(moment, now)})"


def _error(job: Job) -> str:
    lines = (job.deferred_reason or job.last_error or "").splitlines()
    return lines[0] if lines else NONE
