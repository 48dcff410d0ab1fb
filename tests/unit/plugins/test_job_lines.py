"""The two lines of each job that completes, which take no log record while nobody else listens."""

import logging
import re

import pytest

from mongojobs.core import notices as n
from mongojobs.plugins.formats import TextFormatter
from mongojobs.plugins.log import logger
from mongojobs.plugins.output import Heard
from tests.support.jobs import a_job
from tests.support.worker_log import calls_made, records_made, worker_log

JOB = a_job(name="app.send", queue="mail", id="7")
STARTED = n.JobStarted("w1", JOB, 0.25)
COMPLETED = n.JobCompleted("w1", JOB, 0.012)
LINES = [r".*Z: \[Worker\(w1\)\] Job app.send \(id=7\) \(queue=mail\) " + end for end in ("RUNNING", "COMPLETED .*")]


def announce(log):
    """Announce that the job starts and completes."""
    log.lifecycle.notify(STARTED)
    log.lifecycle.notify(COMPLETED)


def runs(log):
    """Announce that, and return how many log records that took."""
    return records_made(lambda: announce(log))


class Chatty(Heard):
    """A logger that belongs to the app."""


class Louder(TextFormatter):
    def format(self, record):
        return super().format(record).upper()


def a_record(*arguments):
    return logging.LogRecord(*arguments)


def filters(_record):
    return True


def interferences():
    """How an app may change where records go, or what they say: a change, and the way back."""
    root, null = logging.getLogger(), logging.NullHandler()
    original = logging.Logger.callHandlers

    def patched(self, record):
        original(self, record)

    return {
        "a handler of the root": lambda log, patch: root.addHandler(null) or (lambda: root.removeHandler(null)),
        "a handler of the logger": lambda log, patch: logger.addHandler(null) or (lambda: logger.removeHandler(null)),
        "a handler in place of ours": lambda log, patch: replace_handlers(null),
        "a filter of the logger": lambda log, patch: (
            logger.addFilter(filters) or (lambda: logger.removeFilter(filters))
        ),
        "a filter of the handler": lambda log, patch: (
            log.handler.addFilter(filters) or (lambda: log.handler.removeFilter(filters))
        ),
        "a formatter": lambda log, patch: reformat(log.handler, logging.Formatter("%(message)s")),
        "a formatter made of ours": lambda log, patch: reformat(log.handler, Louder(stamped=True)),
        "no formatter": lambda log, patch: reformat(log.handler, None),
        "a format of the formatter's own": lambda log, patch: patch(log.handler.formatter, "format", lambda _: "?"),
        "an emit of the handler's own": lambda log, patch: patch(log.handler, "emit", lambda _: None),
        "a handle of the logger's own": lambda log, patch: patch(logger, "handle", lambda _: None),
        "a method for all loggers": lambda log, patch: patch(logging.Logger, "callHandlers", patched),
        "a record factory": lambda log, patch: make_records_by(a_record),
        "a logger that passes nothing on": lambda log, patch: patch(logger, "propagate", False),
        "a parent of the logger": lambda log, patch: patch(logger, "parent", logging.getLogger("other")),
        "a class of the logger": lambda log, patch: patch(logger, "__class__", Chatty),
    }


def replace_handlers(handler):
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    return lambda: root.handlers.__setitem__(slice(None), before)


def reformat(handler, formatter):
    before = handler.formatter
    handler.setFormatter(formatter)
    return lambda: handler.setFormatter(before)


def make_records_by(factory):
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(factory)
    return lambda: logging.setLogRecordFactory(before)


class TestWhileNobodyElseListens:
    def test_no_record_is_made(self, tmp_path):
        with worker_log(tmp_path) as log:
            records = runs(log)
            [started, completed] = log.lines()

        assert records == 0
        assert re.fullmatch(LINES[0], started)
        assert re.fullmatch(LINES[1], completed)

    def test_the_thread_of_the_job_makes_no_line(self, tmp_path):
        with worker_log(tmp_path) as log:
            made = calls_made(lambda: announce(log), lambda code: code is TextFormatter.line.__code__)
            lines = log.lines()

        assert (made, len(lines)) == (0, 2)

    def test_nothing_is_written_below_the_level(self, tmp_path):
        with worker_log(tmp_path) as log:
            logging.getLogger().setLevel(logging.WARNING)

            assert (runs(log), log.lines()) == (0, [])

    def test_nothing_is_written_where_logging_is_disabled(self, tmp_path):
        with worker_log(tmp_path) as log:
            logging.disable(logging.INFO)
            try:
                assert (runs(log), log.lines()) == (0, [])
            finally:
                logging.disable(logging.NOTSET)

    def test_a_level_has_the_name_that_the_app_gives_it(self, tmp_path):
        logging.addLevelName(logging.INFO, "Note")
        try:
            with worker_log(tmp_path, "json") as log:
                assert runs(log) == 0
                assert '"level": "note"' in log.lines()[0]
        finally:
            logging.addLevelName(logging.INFO, "INFO")

    def test_warnings_stand_in_their_place_and_are_written_at_once(self, tmp_path):
        with worker_log(tmp_path) as log:
            log.lifecycle.notify(STARTED)
            log.lifecycle.notify(n.Warned("w1", "careful"))

            [started, warning] = log.lines_in_the_file()

        assert (started[-7:], warning[-7:]) == ("RUNNING", "careful")

    def test_what_is_unusually_long_takes_a_record_which_cuts_it(self, tmp_path):
        with worker_log(tmp_path, "json") as log:
            log.lifecycle.notify(n.JobStarted("w1", a_job(name="x" * 9000), 0.1))
            [line] = log.lines()

        assert len(line) < 8000
        assert '"event": "job.started"' in line


class TestWhatSomebodyElseChanges:
    @pytest.mark.parametrize("what", interferences())
    def test_while_jobs_run_is_noticed_from_the_next_line_on(self, tmp_path, what):
        with worker_log(tmp_path) as log, pytest.MonkeyPatch.context() as monkeypatch:

            def patch(owner, name, value):
                monkeypatch.setattr(owner, name, value)
                return monkeypatch.undo

            before = runs(log)
            undo = interferences()[what](log, patch)
            meanwhile = runs(log)
            undo()

            assert (before, meanwhile, runs(log)) == (0, 2, 0)

    def test_does_not_keep_from_another_handler_what_it_is_to_hear(self, tmp_path):
        heard = []
        handler = logging.Handler()
        handler.emit = heard.append
        with worker_log(tmp_path) as log:
            logging.getLogger().addHandler(handler)

            runs(log)

        assert [record.event for record in heard] == ["job.started", "job.completed"]

    def test_to_a_higher_level_of_the_handler_silences_it(self, tmp_path):
        with worker_log(tmp_path) as log:
            runs(log)
            log.lines()
            log.handler.setLevel(logging.ERROR)

            runs(log)

            assert log.lines() == []
