"""What a log line needs to be written, and those that wait to be made."""

import subprocess
import sys
import time

import pytest

from mongojobs.core.errors import JobTimeout
from mongojobs.plugins import output
from mongojobs.plugins.output import LogHandler, Output, buffered

DIES = """
import logging, os, sys
from mongojobs.plugins.output import LogHandler

logging.getLogger().addHandler(LogHandler(sys.stdout.buffer, at_once=True))
logging.getLogger().setLevel("INFO")
logging.info("its last words")
os._exit(3)
"""


class TestALine:
    def test_is_written_at_once_for_a_process_that_may_end_without_a_word(self):
        died = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False)

        assert (died.returncode, died.stdout) == (3, "its last words\n")


def as_told(told, _milliseconds):
    return told


def as_noted(made):
    return lambda told, _milliseconds: made.append(told) or told


def interrupted_once():
    """Return what makes a line at its second try: at the first one its job is interrupted."""
    tries = iter([JobTimeout("too long"), None])

    def make(told, _milliseconds):
        if error := next(tries):
            raise error
        return told

    return make


class Lines:
    """A file with a buffer, and a handler that writes to it, but nothing by itself."""

    def __init__(self, path, file):
        self._path = path
        self.buffer = buffered(Output(file.fileno()))
        self.handler = LogHandler(self.buffer)

    def in_the_file(self):
        return self._path.read_text().splitlines()

    def written(self):
        self.handler.flush()
        return self.in_the_file()


@pytest.fixture
def lines(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "MOMENT_SECONDS", 3600)
    path = tmp_path / "log"
    with path.open("wb") as file:
        yield Lines(path, file)


class TestALineThatWaits:
    def test_stands_between_what_was_printed_before_and_after(self, lines):
        lines.buffer.write(b"before\n")
        lines.handler.write_later(as_told, "told")
        lines.buffer.write(b"after\n")
        lines.handler.write_later(as_told, "told again")

        assert lines.written() == ["before", "told", "after", "told again"]

    def test_is_there_once_what_is_printed_is_flushed(self, lines):
        lines.handler.write_later(as_told, "told")
        lines.buffer.flush()

        assert lines.in_the_file() == ["told"]

    def test_knows_the_time_at_which_it_was_told(self, lines):
        before = time.time_ns() // 1_000_000
        lines.handler.write_later(lambda _told, milliseconds: str(milliseconds), None)
        after = time.time_ns() // 1_000_000

        [moment] = lines.written()
        assert before <= int(moment) <= after

    def test_is_written_though_a_job_has_closed_the_output(self, lines):
        lines.buffer.close()
        lines.handler.write_later(as_told, "told")

        assert lines.written() == ["told"]

    def test_is_not_lost_where_the_job_that_prints_is_interrupted(self, lines):
        lines.handler.write_later(interrupted_once(), "told")
        with pytest.raises(JobTimeout):
            lines.buffer.write(b"after\n")

        assert lines.written() == ["told"]

    def test_that_cannot_be_made_is_reported_and_keeps_none_from_being_written(self, lines, capsys):
        lines.handler.write_later(lambda _told, _milliseconds: 1 / 0, None)
        lines.handler.flush()
        lines.handler.write_later(as_told, "told")

        assert lines.written() == ["told"]
        assert "ZeroDivisionError" in capsys.readouterr().err

    def test_is_made_before_too_many_wait(self, lines, monkeypatch):
        made = []
        monkeypatch.setattr(output, "_MOST_WAITING", 2)
        lines.handler.write_later(as_noted(made), "first")
        lines.handler.write_later(as_noted(made), "second")

        assert made == ["first", "second"]
