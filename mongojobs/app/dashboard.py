"""What the dashboard shows beside jobs, queues and workers: what is waiting, and where and by what jobs are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Self, TypeVar

from mongojobs.app.mongojobs import MongoJobs
from mongojobs.app.operations import plain_errors
from mongojobs.core.errors import StoreUnavailableError
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.job import JobId
from mongojobs.core.job_filter import SHOWN_STATES, JobFilter, ShownState
from mongojobs.core.settings import Settings, explanation
from mongojobs.core.stats import Stats, Step
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import NONE
from mongojobs.payload.masking import Clean
from mongojobs.store import clients
from mongojobs.store.reader.counts import Count
from mongojobs.store.reader.failures import FailureGroup
from mongojobs.store.reader.pages import JobPage
from mongojobs.store.reader.queues import QueueStatus
from mongojobs.store.reader.server import Server
from mongojobs.store.reader.waiting import DeferredName, Waiting
from mongojobs.store.time_limits import time_limit
from mongojobs.store.workers import WorkerStatus

__all__ = [
    "Count",
    "Counts",
    "DeferredName",
    "FailureGroup",
    "JobPage",
    "Known",
    "QueueStatus",
    "Server",
    "ShownLog",
    "ShownSetting",
    "SideBySide",
    "Waiting",
    "WorkerStatus",
    "last_lines",
    "listed",
    "now",
    "place",
    "safe_setting",
    "settings_shown",
    "shown_setting",
    "what_is_deferred",
    "what_is_known",
    "what_waits",
    "what_was_done",
    "where_kept",
    "within",
]


T = TypeVar("T")
Counts = Mapping[ShownState, Count]

_MOST_LOOKED_AT: Final = 1000
MOST_LINES: Final = 200
LARGEST_TAIL: Final = 64 * 1024
"""How much of a log is shown: so many lines, and bytes."""


def now(app: MongoJobs) -> datetime:
    """Return the database's time."""
    return app.store.clock.now()


@contextmanager
def within(limit: timedelta) -> Iterator[None]:
    """Limit all database calls in the block to *limit* in total."""
    with time_limit(limit.total_seconds()):
        yield


class SideBySide:
    """Questions to the database of *app* that do not depend on each other, asked two at a time while in the block.

    A page waits for the server most of the time; more at a time would only take cores from workers. The time limit of
    the caller holds for them too.
    """

    def __init__(self, app: MongoJobs) -> None:
        at_once = 2 if app.store.queries.is_real else 1
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="mongojobs-page")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def ask(self, question: Callable[[], T]) -> Callable[[], T]:
        """Begin to ask *question*, and return what waits for the answer, or raises what went wrong."""
        return self._threads.submit(copy_context().run, question).result


def listed(app: MongoJobs, job_filter: JobFilter, *, limit: int, after: str | None) -> tuple[JobPage, Counts]:
    """Return a page of jobs, and how many match in each state. Raises FilterError, StoreUnavailableError.

    That of the state that the filter names comes from the search for the page, where that begins at the beginning.
    """
    searched = job_filter.state if after is None else None
    with plain_errors(), SideBySide(app) as side_by_side:
        listed = side_by_side.ask(partial(_page, app, job_filter, limit=limit, after=after))
        counted = [
            side_by_side.ask(partial(app.reader.counts, job_filter, states=[state]))
            for state in SHOWN_STATES
            if state != searched
        ]
        page, counts = listed()
        for other in counted:
            counts |= other()
    return page, counts


def _page(
    app: MongoJobs, job_filter: JobFilter, *, limit: int, after: str | None
) -> tuple[JobPage, dict[ShownState, Count]]:
    """Return a page, and the number of jobs in its state where the search for it tells that too."""
    if job_filter.state is None or after is not None:
        return app.find(job_filter, limit=limit, after=after), {}
    page, count = app.reader.first_page(job_filter, limit=limit)
    for job in page.jobs:
        job.stay(app.home)
    return page, {job_filter.state: count}


def place(app: MongoJobs) -> str:
    """Return where the jobs are, for people: collection, database and hosts, never the credentials."""
    link = app.link
    hosts = link.shown_address.partition("://")[2].partition("/")[0]
    return f"{app.settings.collection} in {link.database}{f' on {hosts}' if hosts else ''}"


def what_waits(app: MongoJobs, *, limit: int) -> Waiting:
    """Return the *limit* jobs that have been due longest, grouped by name. Raises StoreUnavailableError."""
    with plain_errors():
        return app.reader.waiting(limit=limit)


def what_is_deferred(app: MongoJobs, *, limit: int) -> list[DeferredName]:
    """Return the jobs that no worker could load, by name, among *limit* looked at. Raises StoreUnavailableError."""
    with plain_errors():
        return app.reader.deferred(limit=limit)


def what_was_done(app: MongoJobs, *, by: Step, since: datetime, until: datetime) -> Stats:
    """Return what workers did in the whole of this time, for each name and queue. Raises StoreUnavailableError."""
    with plain_errors():
        return app.stats_store.read(by=by, since=since, until=until, apart=True, as_one=True)


@dataclass(frozen=True, slots=True)
class Known:
    """Names of jobs and queues to offer in a search."""

    names: tuple[str, ...]
    queues: tuple[str, ...]


def what_is_known(app: MongoJobs, *, limit: int) -> Known:
    """Return the names declared here, those of waiting jobs, and the queues with jobs, *limit* of each.

    Raises StoreUnavailableError.
    """
    with plain_errors():
        waiting = {one.name for one in what_waits(app, limit=_MOST_LOOKED_AT).names}
        queues = app.store.ready_queues()
    declared = {declaration.name for declaration in app.payloads.codec.registry.functions()}
    return Known(tuple(sorted(waiting | declared)[:limit]), tuple(sorted(queues)[:limit]))


@dataclass(frozen=True, slots=True)
class ShownLog:
    """The last lines of a log, by run, and whether these are all; or why they cannot be read."""

    runs: tuple[LoggedRun, ...] = ()
    is_all: bool = True
    wrong: str = ""


def last_lines(app: MongoJobs, job_id: JobId, clean: Clean) -> ShownLog:
    """Return the last lines that a job has logged, without what *clean* takes out. Raises StoreUnavailableError.

    Where the right to read them is missing it says so, as the rest of the job can be read.
    """
    try:
        with plain_errors():
            tail = app.log_store.tail(job_id, lines=MOST_LINES, size=LARGEST_TAIL)
    except StoreUnavailableError as error:
        if not error.refused:
            raise
        return ShownLog(wrong=str(error))
    return ShownLog(tuple(_cleaned(run, clean) for run in tail.runs), tail.is_all)


def _cleaned(run: LoggedRun, clean: Clean) -> LoggedRun:
    return replace(run, lines=tuple(replace(line, text=clean(line.text)) for line in run.lines))


def where_kept(app: MongoJobs) -> Server:
    """Return the server and the collections that hold the jobs. Raises StoreUnavailableError."""
    with plain_errors():
        return app.reader.server()


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting for people: its *value* without credentials, and whether it is the *default*."""

    name: str
    value: str
    explanation: str
    is_default: bool


def settings_shown(app: MongoJobs) -> list[ShownSetting]:
    """Return the settings in force."""
    return [
        ShownSetting(
            name=field.name,
            value=shown_setting(app.settings, field.name),
            explanation=explanation(field.name),
            is_default=getattr(app.settings, field.name) == field.metadata["default"],
        )
        for field in fields(app.settings)
    ]


def shown_setting(settings: Settings, name: str) -> str:
    """Return the value of a setting for people; a URI without its credentials."""
    value = safe_setting(settings, name)
    match value:
        case None | () | "":
            return NONE
        case timedelta():
            return format_duration(value)
        case tuple():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
        case Mapping():
            return ", ".join(f"{key}: {_inner(inner)}" for key, inner in value.items()) or NONE
        case _:
            return str(value)


def safe_setting(settings: Settings, name: str) -> Any:
    """Return the value of a setting, but a URI without credentials, and a function by name."""
    value = getattr(settings, name)
    if name == "uri" and value is not None:
        return clients.safe_uri(value)
    return getattr(value, "__qualname__", repr(value)) if callable(value) else value


def _inner(attributes: Mapping[str, object]) -> str:
    return " ".join(f"{key} {value}" for key, value in attributes.items())
