"""The lines of jobs are the same, byte for byte, whether a log record is made for them or not."""

import logging
import os
import time
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.notices import JobCompleted, JobStarted
from mongojobs.plugins import log as log_plugin
from mongojobs.plugins.formats import SURELY_SHORT
from mongojobs.plugins.log import record_of
from tests.support.jobs import a_job
from tests.support.worker_log import worker_log

TEXTS = st.text(max_size=40) | st.text('ab "\\=\n\r\t\x1b\u2028\u202eé€😀\ud800', max_size=40)
SECONDS = st.floats(0, 10**7) | st.sampled_from([0.0, 0.0004, 0.0099999, 0.9995, 59.95, 3600.0])
NUMBERS = st.tuples(st.integers(LOWEST_PRIORITY, HIGHEST_PRIORITY), st.integers(0, 10**6))
MOMENTS = st.integers(0, 4 * 10**12)


@contextmanager
def heard_elsewhere():
    """Add another handler, so that records are made."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    yield
    root.removeHandler(handler)


@contextmanager
def held_at(milliseconds):
    """Stop the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: milliseconds / 1000)
        patch.setattr(time, "time_ns", lambda: milliseconds * 1_000_000)
        yield


def takes_a_record(line):
    """Whether *line* is one that might have to be cut."""
    return len(line) >= SURELY_SHORT


class Counted:
    """Makes log records as ever, and counts them, whichever thread they are made in."""

    def __init__(self):
        self.number = 0

    def __call__(self, *of, **how):
        self.number += 1
        return record_of(*of, **how)


def written(log, notices, counted):
    """Return the lines about *notices*, and how many records they took."""
    before = counted.number
    for notice in notices:
        log.lifecycle.notify(notice)
    return log.lines(), counted.number - before


@pytest.mark.parametrize("environ", [{}, {"DYNO": "worker.1"}])
@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_lines_are_the_same_with_and_without_a_record(form, environ, tmp_path, monkeypatch):
    @settings(max_examples=50, deadline=None)
    @example(worker="\u2028" * 40, texts=("\u2028" * 40, "\u2028" * 40), numbers=(0, 0), seconds=0.0, at=0)
    @given(worker=TEXTS.filter(bool), texts=st.tuples(TEXTS, TEXTS), numbers=NUMBERS, seconds=SECONDS, at=MOMENTS)
    def holds(worker, texts, numbers, seconds, at):
        job = a_job(name=texts[0], queue=texts[1], priority=numbers[0], attempts=numbers[1])
        notices = [JobStarted(worker, job, seconds), JobCompleted(worker, job, seconds)]
        with held_at(at):
            brief, no_records = written(log, notices, counted)
            with heard_elsewhere():
                full, records = written(log, notices, counted)

        assert (records, brief) == (2, full)
        assert no_records == sum(takes_a_record(line) for line in full)

    counted = Counted()
    monkeypatch.setattr(log_plugin, "record_of", counted)
    monkeypatch.setattr(os, "environ", os.environ | environ)
    with worker_log(tmp_path, form) as log:
        holds()
