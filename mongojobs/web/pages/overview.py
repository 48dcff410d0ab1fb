"""The overview: how things are, what needs attention, what was done, what is waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from mongojobs.app.dashboard import SideBySide, what_is_deferred, what_waits
from mongojobs.app.doctor.database_checks import TOLD_BY_QUEUES
from mongojobs.app.operations import Report
from mongojobs.app.why import first_line
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.stats import FAILED, RunStats
from mongojobs.core.words.wording import in_words
from mongojobs.web.charts import RANGES, ChartColumn, Range
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.pages.jobs import row_of
from mongojobs.web.search import term

if TYPE_CHECKING:
    from mongojobs.app.dashboard import Count, Counts, DeferredName, JobPage, QueueStatus, Waiting, WorkerStatus
    from mongojobs.app.doctor.findings import Finding

MOST_WAITING: Final = 5_000
QUEUE_MOST_COUNTED: Final = 1_000
LATE: Final = timedelta(minutes=5)
_LEVELS: Final = ("bad", "warn", "info")
RECENT_COLUMNS: Final = 10
"""How many minutes of the last hour are searched for a high share of errors."""
FEWEST_RUNS: Final = 10
MANY_ERRORS: Final = 0.1
SILENT: Final = 0.6
"""The part of a lease without a heartbeat after which a worker is reported; idle ones send four in a lease."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs attention: how bad, what, and the page that helps."""

    level: str
    what: str
    text: str
    endpoint: str
    values: Mapping[str, str] = field(default_factory=dict)


def show(visit: RequestContext) -> Page:
    """Show it."""
    app, time_range = visit.app, RANGES[visit.choice("range", tuple(RANGES))]
    with SideBySide(app) as side_by_side:
        asked = _Asked(
            findings=side_by_side.ask(partial(visit.findings, but=TOLD_BY_QUEUES)),
            queues=side_by_side.ask(partial(app.queues, limit=QUEUE_MOST_COUNTED)),
            counts=side_by_side.ask(app.counts),
            deferred=side_by_side.ask(partial(what_is_deferred, app, limit=MOST_WAITING)),
            waiting=side_by_side.ask(partial(what_waits, app, limit=MOST_WAITING)),
            retrying=side_by_side.ask(visit.retrying),
            workers=side_by_side.ask(app.workers),
            failed=side_by_side.ask(partial(app.find, JobFilter(state="failed"), limit=5)),
            columns=side_by_side.ask(partial(visit.columns, time_range)),
            last_hour=side_by_side.ask(partial(visit.columns, RANGES["1h"])),
        )
        return Page("overview.html", {**_shown(visit, asked), **_charted(visit, asked, time_range)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked for the page, side by side: each is called for its answer."""

    findings: Callable[[], Sequence[Finding]]
    queues: Callable[[], Sequence[QueueStatus]]
    counts: Callable[[], Counts]
    deferred: Callable[[], Sequence[DeferredName]]
    waiting: Callable[[], Waiting]
    retrying: Callable[[], Count]
    workers: Callable[[], Sequence[WorkerStatus]]
    failed: Callable[[], JobPage]
    columns: Callable[[], Sequence[ChartColumn]]
    last_hour: Callable[[], Sequence[ChartColumn]]


def _shown(visit: RequestContext, asked: _Asked) -> dict[str, object]:
    queues, workers = asked.queues(), asked.workers()
    counts = Report(queues=queues, counts=asked.counts(), at=visit.now).by_state()
    late = sorted((queue for queue in queues if queue.latency), key=lambda queue: -queue.latency)
    concerns = [
        *_about_workers(workers, late, visit.now, visit.app.settings.lease * SILENT),
        *_about_deferred(asked.deferred()),
        *_about_failures(asked.last_hour(), visit.app.settings.stats_retention),
        *_about_queues(late, queues),
        *_by_the_doctor(asked.findings()),
    ]
    return {
        "counts": counts,
        "retrying": asked.retrying(),
        "workers": workers,
        "threads": sum(worker.threads for worker in workers),
        "busy": sum(worker.busy for worker in workers),
        "is_new": not (workers or any(count.number for count in counts.values())),
        "worst": late[0] if late else None,
        "late": LATE,
        "concerns": sorted(concerns, key=lambda concern: _LEVELS.index(concern.level)),
        "waiting": asked.waiting(),
        "failed": [row_of(job, visit) for job in asked.failed().jobs],
    }


def _charted(visit: RequestContext, asked: _Asked, time_range: Range) -> dict[str, object]:
    columns = asked.columns()
    return {
        "ranges": RANGES,
        "range": visit.text("range") or next(iter(RANGES)),
        "columns": columns,
        "width": time_range.column,
        "keeps_completed": visit.app.settings.keep_completed is not None,
        "total": RunStats.sum(column.figures for column in columns),
    }


def _about_workers(
    workers: Sequence[WorkerStatus], late: Sequence[QueueStatus], now: datetime, longest_silence: timedelta
) -> Iterator[Concern]:
    if not workers and late:
        yield Concern("bad", "No worker is alive", "and jobs are due: start one with mongojobs work", "workers")
    takers = [worker for worker in workers if worker.state == "working"]
    for queue in late if workers else ():
        if not any(not worker.queues or queue.queue in worker.queues for worker in takers):
            yield _about_queue("bad", queue, "has due jobs, but no worker takes them")
    for worker in workers:
        if worker.heartbeat_at is not None and (silence := now - worker.heartbeat_at) > longest_silence:
            yield Concern("warn", f"Worker {worker.name}", f"has been silent for {in_words(silence)}", "workers")


def _about_deferred(deferred: Sequence[DeferredName]) -> Iterator[Concern]:
    for one in deferred:
        text = f"could not be loaded by any worker so far: {first_line(one.reason)}"
        values = {"q": term("name", one.name)}
        yield Concern("bad", f"{one.jobs:,} job{'' if one.jobs == 1 else 's'} of {one.name}", text, "jobs", values)


def _about_failures(columns: Sequence[ChartColumn], retention: timedelta) -> Iterator[Concern]:
    """Report the share of failed runs in the last minutes, and the jobs given up on in the last hour."""
    if not retention:
        return
    recent = RunStats.sum(column.figures for column in columns[-RECENT_COLUMNS:])
    if recent.runs >= FEWEST_RUNS and recent.errors >= recent.runs * MANY_ERRORS:
        share = f"{100 * recent.errors / recent.runs:.0f}% of the runs"
        text = f"of the last {RECENT_COLUMNS} minutes failed: {recent.errors:,} of {recent.runs:,}"
        yield Concern("bad", share, text, "performance", {"sort": "errors"})
    given_up = sum(column.figures.outcomes[FAILED] for column in columns)
    if given_up:
        jobs = f"{given_up:,} job{'' if given_up == 1 else 's'}"
        yield Concern(
            "warn", jobs, f"{'was' if given_up == 1 else 'were'} given up on within the last hour", "failures"
        )


def _by_the_doctor(findings: Sequence[Finding]) -> Iterator[Concern]:
    """Report faults that nothing else here reports."""
    for finding in findings:
        if finding.severity == "fault":
            yield Concern("bad", "The doctor found:", finding.text, "system")


def _about_queues(late: Sequence[QueueStatus], queues: Sequence[QueueStatus]) -> Iterator[Concern]:
    for queue in late:
        if queue.latency > LATE:
            yield _about_queue("warn", queue, f"is late: its oldest job has been due for {in_words(queue.latency)}")
    for queue in queues:
        if (pause := queue.pause) is not None:
            until = f"until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else "until it is resumed"
            why = f": {pause.reason}" if pause.reason else ""
            yield Concern("info", f"Queue {queue.queue}", f"is paused {until}{why}", "queues")


def _about_queue(level: str, queue: QueueStatus, text: str) -> Concern:
    values = {"state": "ready", "q": term("queue", queue.queue)}
    return Concern(level, f"Queue {queue.queue}", text, "jobs", values)
