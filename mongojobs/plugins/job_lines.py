"""The two lines of a job that completes, written without a log record while nobody but the worker's own log listens.

Nobody else does while there is but the worker's handler on the way of its records, with its own filter and form, and
while nothing of the logging module is replaced. That is looked at for each line at its time, since a job may change it;
the line itself is made later, with those of other jobs. Else, and for what is unusually long, a record says the same,
as of every other notice.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import FunctionType
from typing import Final

from mongojobs.core.job import Job
from mongojobs.core.notices import JobCompleted, JobStarted
from mongojobs.core.words.wording import iso, printable
from mongojobs.plugins import log
from mongojobs.plugins.formats import FORMS, SURELY_SHORT, Form
from mongojobs.plugins.output import Heard, LogHandler

_Logger, _Handler, _Record = logging.Logger, logging.Handler, logging.LogRecord
_PASSED: Final = 10
"""How many methods of the logging module a record passes through; ``_seen`` ends with them."""
_LEVEL: Final = logging.INFO
_METHODS: Final = frozenset(
    name
    for kind in (logging.Logger, logging.Handler, logging.Formatter)
    for name in dir(kind)
    if callable(getattr(kind, name))
)
"""The names under which a logger, a handler or a form could get a method of its own."""


class JobLines:
    """Writes the lines to *handler*."""

    def __init__(self, handler: LogHandler) -> None:
        self._handler = handler
        self._known: tuple[tuple[object, ...], _Writing | None] = ((), None)

    def write(self, notice: JobStarted | JobCompleted) -> bool:
        """Write the line of *notice*; false if that takes a record."""
        seen, (known, writing) = _seen(self._handler), self._known
        if seen != known:
            form = self._handler.formatter
            writing = _Writing(form) if isinstance(form, Form) and _is_alone(self._handler, seen) else None
            self._known = seen, writing
        if writing is None or not notice.worker:
            return False
        if not _Logger.isEnabledFor(log.logger, _LEVEL):  # what ``Heard`` adds to it is about warnings
            return True
        self._handler.write_later(writing.line, notice)
        return True


class _Writing:
    """How lines are written as things stand; what two lines of one job have in common is made once."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._platform = log.platform_fields()
        self._time = (-1, "")
        self._subject = _NOBODY

    def line(self, notice: JobStarted | JobCompleted, milliseconds: int) -> str:
        """Return the line of *notice*, which came so many *milliseconds* after 1970."""
        line = self._short(notice, self._time_text(milliseconds))
        if len(line) < SURELY_SHORT:
            return line
        record = log.record_of(notice, _LEVEL)
        record.created = milliseconds / 1000  # the time it tells of, not that of its making
        return self._form.format(record)

    def _short(self, notice: JobStarted | JobCompleted, moment: str) -> str:
        job, words, facts = self._subject
        if job is not notice.job:
            job, words, facts = self._subject = self._about(notice.worker, notice.job)
        message = f"{words} {log.about_job(notice)}"
        if not self._form.has_facts:
            return self._form.line(moment, "", message, "")
        key, seconds = ("wait_ms", notice.waited) if isinstance(notice, JobStarted) else ("run_ms", notice.seconds)
        event = self._form.pair("event", log.EVENTS[type(notice)])
        fact = self._form.pair(key, round(seconds * 1000))
        level = logging.getLevelName(_LEVEL).lower()
        return self._form.line(moment, level, message, f"{event}{facts}{fact}")

    def _about(self, worker: str, job: Job) -> tuple[Job, str, str]:
        words = printable(f"[Worker({worker})] {job}")
        if not self._form.has_facts:
            return job, words, ""
        facts = {"worker": worker, **self._platform, **log.job_fields(job)}
        return job, words, "".join(self._form.pair(*fact) for fact in facts.items())

    def _time_text(self, milliseconds: int) -> str:
        """Return the time in a text, which is made once a millisecond."""
        known, text = self._time
        if known != milliseconds:
            text = iso(datetime.fromtimestamp(milliseconds / 1000, UTC))
            self._time = milliseconds, text
        return text


_NOBODY: Final[tuple[Job | None, str, str]] = (None, "", "")


def _seen(handler: LogHandler) -> tuple[object, ...]:
    """Return all that decides who sees a line: as long as it is the same, the answer is."""
    logger, root, form = log.logger, logging.root, handler.formatter
    return (
        logger.__class__,
        logger.parent,
        logger.propagate,
        len(vars(logger)),
        (*logger.handlers,),
        (*logger.filters,),
        (*root.handlers,),
        handler.level,
        (*handler.filters,),
        len(vars(handler)),
        form,
        form and len(vars(form)),
        logging.getLogRecordFactory(),
        _Logger.makeRecord,
        _Logger.handle,
        _Logger.filter,
        _Logger.callHandlers,
        _Logger.isEnabledFor,
        _Handler.handle,
        _Handler.filter,
        _Handler.format,
        _Record.__init__,
        _Record.getMessage,
    )


def _is_alone(handler: LogHandler, seen: tuple[object, ...]) -> bool:
    """Whether lines go nowhere but to *handler*, and there as they are, where this was *seen*."""
    logger = log.logger
    return (
        type(logger) is Heard
        and (logger.propagate, logger.parent, logger.handlers, logger.filters) == (True, logging.root, [], [])
        and logging.root.handlers == [handler]
        and handler.level <= _LEVEL
        and [type(one) for one in handler.filters] == [log.JobContext]
        and type(handler.formatter) in FORMS
        and logging.getLogRecordFactory() is logging.LogRecord
        and all(type(one) is FunctionType and one.__globals__ is vars(logging) for one in seen[-_PASSED:])
        and all(_METHODS.isdisjoint(vars(one)) for one in (logger, handler, handler.formatter))
    )
