"""A request to the dashboard, and what a page may ask of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from werkzeug.exceptions import BadRequest
from werkzeug.routing import MapAdapter
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from mongojobs.app import MongoJobs
from mongojobs.app.dashboard import Count, Counts, JobPage, Known, listed, place, what_is_known, what_was_done
from mongojobs.app.doctor.database_checks import Check
from mongojobs.app.doctor.examine import look_from_here
from mongojobs.app.doctor.findings import Finding
from mongojobs.core.job_filter import JobFilter
from mongojobs.core.notices import ActionTaken
from mongojobs.core.stats import OTHER, coarsest
from mongojobs.core.words.wording import iso
from mongojobs.web.auth import User
from mongojobs.web.cache import Memory
from mongojobs.web.charts import RANGES, ChartColumn, Range, Summary, columns

T = TypeVar("T")

LONGEST_PARAMETER: Final = 1024
"""In characters; nobody types more."""

_LONGEST_MEMORY_SECONDS: Final = 60.0
_SHORT_MEMORY_SECONDS: Final = 5.0
_MOST_KNOWN: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """A request of *user* to the dashboard of *app*; *now* is the database's time."""

    request: Request
    user: User
    app: MongoJobs
    endpoint: str
    urls: MapAdapter
    now: datetime
    values: Mapping[str, Any] = field(default_factory=dict)
    """The values in the address itself."""
    memory: Memory
    show_arguments: bool = True
    on_action: Callable[[ActionTaken], object] | None = None

    @property
    def here(self) -> str:
        """The address of this page, wherever the dashboard is mounted."""
        parts = urlsplit(self.request.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def place(self) -> str:
        """Where the jobs are, without credentials."""
        return place(self.app)

    @property
    def stamp(self) -> str:
        """The database's time, for the page's script."""
        return iso(self.now)

    @property
    def is_fragment(self) -> bool:
        """Whether only the changing part of the page is wanted."""
        return self.request.headers.get("HX-Request") == "true"

    def columns(self, time_range: Range, name: str | None = None) -> tuple[ChartColumn, ...]:
        """Return what became of all jobs, or of those called *name*, in each part of the range.

        As for ``summary``: workers report once a minute, so what has been read is kept for as long at most.
        """

        def make() -> tuple[ChartColumn, ...]:
            stats = self.app.stats(by=time_range.step, since=self._begin(time_range), name=name, apart=name is not None)
            return columns(stats.by_time(), time_range.column)

        return self._recall(("columns", name), time_range, make)

    def summary(self, time_range: Range) -> Summary:
        """Return what became of the jobs of each name and queue within the range.

        Where there is too much to read of some part, it is what the chart shows: the last of it, step by step.
        """

        def make() -> Summary:
            begin, step = self._begin(time_range), time_range.step
            times = list(coarsest(begin, self.now, finest=step))
            parts = tuple(what_was_done(self.app, by=by, since=since, until=until) for by, since, until in times)
            if all(part.since == since for part, (_, since, _) in zip(parts, times, strict=True)):
                return Summary(parts)
            return Summary((what_was_done(self.app, by=step, since=begin, until=self.now),))

        return self._recall(("summary",), time_range, make)

    def findings(self, *, but: frozenset[Check] = frozenset()) -> tuple[Finding, ...]:
        """Return the doctor's findings *but* those of some checks, at most a minute old: no page should wait for it."""
        look = partial(look_from_here, self.app, os.environ, but=but)
        return self.memory.recall(("findings", but), _LONGEST_MEMORY_SECONDS, look)

    def listed(self, job_filter: JobFilter, *, limit: int, after: str | None) -> tuple[JobPage, Counts]:
        """Return a page of jobs, and how many match in each state; for a page that refreshes itself, some seconds old.

        Only the numbers are, never the jobs.
        """
        is_narrow = job_filter != JobFilter(state=job_filter.state)
        seconds = _SHORT_MEMORY_SECONDS * 2 if self.is_fragment and is_narrow else -1.0
        pages: list[JobPage] = []

        def make() -> Counts:
            page, counts = listed(self.app, job_filter, limit=limit, after=after)
            pages.append(page)
            return counts

        counts = self.memory.recall(("counts", job_filter), seconds, make)
        return pages[0] if pages else self.app.find(job_filter, limit=limit, after=after), counts

    def known(self) -> Known:
        """Return what to offer in a search: names declared here, of waiting jobs, and of what ran in the last hour."""

        def make() -> Known:
            found, ran = what_is_known(self.app, limit=_MOST_KNOWN), self.summary(RANGES["1h"])
            names, queues = {*found.names, *ran.by_name} - {OTHER}, {*found.queues, *ran.by_queue} - {OTHER}
            return Known(tuple(sorted(names)[:_MOST_KNOWN]), tuple(sorted(queues)[:_MOST_KNOWN]))

        return self.memory.recall(("known",), _LONGEST_MEMORY_SECONDS, make)

    def retrying(self) -> Count:
        """Return how many jobs have failed and wait for another attempt, as their list says it, some seconds old."""

        def make() -> Count:
            return sum(self.app.counts(JobFilter(retrying=True)).values(), Count(0))

        return self.memory.recall(("retrying",), _SHORT_MEMORY_SECONDS, make)

    def _begin(self, time_range: Range) -> datetime:
        """Return when the chart begins: never before figures are kept, as those of days stay longer than others."""
        kept = self.app.settings.stats_retention
        return self.now - min(time_range.span, kept or time_range.span)

    def _recall(self, what: tuple[str | None, ...], time_range: Range, make: Callable[[], T]) -> T:
        seconds = min(time_range.column.total_seconds() / 6, _LONGEST_MEMORY_SECONDS)
        return self.memory.recall((time_range, *what), seconds, make)

    def text(self, name: str) -> str:
        """Return a parameter of the address or the form. Raises BadRequest if it is too long."""
        value = self.request.values.get(name, "").strip()
        if len(value) > LONGEST_PARAMETER:
            raise BadRequest(f"{name} is longer than {LONGEST_PARAMETER} characters.")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return a parameter that must be one of *allowed*; the first of them if it is missing. Raises BadRequest."""
        value = self.text(name) or allowed[0]
        if value not in allowed:
            raise BadRequest(f"{name} must be one of: {', '.join(filter(None, allowed))}.")
        return value

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """Return a parameter that must be a whole number. Raises BadRequest."""
        value = self.text(name)
        if not value:
            return default
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 12 and least <= int(value) <= most):
            raise BadRequest(f"{name} must be a whole number between {least} and {most}.")
        return int(value)

    def url(self, endpoint: str, **values: Any) -> str:
        """Return the address of a page, wherever the dashboard is mounted."""
        return self.urls.build(endpoint, {name: value for name, value in values.items() if value not in (None, "")})

    def done(self, action: str, *, count: int = 1, target: Mapping[str, object]) -> None:
        """Tell the log and ``on_action`` that the user has changed something."""
        notice = ActionTaken(user=self.user.name, action=action, count=count, target=dict(target))
        self.app.lifecycle.notify(notice)
        if self.on_action is not None:
            self.on_action(notice)

    def go(self, endpoint: str, **values: Any) -> Response:
        """Redirect the browser to another page, after a form."""
        return redirect(self.url(endpoint, **values), 303, Response)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and its values."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


View = Callable[[RequestContext], Page | Response]
