"""Storing log lines while the database is away, refuses or hangs: no job waits or fails, and memory has a bound."""

import threading

import pytest

from mongojobs.core.inside.log import Entry
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import DatabaseAway, DatabaseBack, Warned
from mongojobs.worker.outage import Outage
from mongojobs.worker.threads import log_writer as module
from mongojobs.worker.threads.background import start_threads
from mongojobs.worker.threads.log_writer import LogWriter
from tests.support.clock import START, HeldClock
from tests.support.waiting import eventually
from tests.support.worker_parts import AWAY, REFUSED, Told, a_held


class Store:
    """Keeps chunks, unless it raises what it is told to, or is held up."""

    def __init__(self):
        self.clock = HeldClock()
        self.chunks = []
        self.trouble = None
        self.may_write = threading.Event()
        self.may_write.set()
        self.tries = 0

    def write(self, chunks, outdated):
        self.tries += 1
        self.may_write.wait()
        if self.trouble is not None:
            raise self.trouble
        self.chunks += chunks

    @property
    def texts(self):
        return [line["text"] for chunk in self.chunks for line in chunk["lines"]]


@pytest.fixture
def store():
    store = Store()
    yield store
    store.may_write.set()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def writer(store, told):
    reporter = Reporter(told, "w")
    writer = LogWriter(lambda: store, reporter, Outage(reporter))
    [thread] = start_threads({"test-logs": writer.run})
    writer.end = lambda: (writer.stop(), thread.join(30))
    yield writer
    store.trouble = None
    store.may_write.set()
    writer.end()
    assert not thread.is_alive()


def a_run(**changes):
    return a_held(**{"keep_log": 4096, "locked_at": START, "locked_by": "w"} | changes)


def say(lines, *texts):
    for text in texts:
        lines.add(Entry(START.timestamp(), "INFO", text))


class TestAWriter:
    def test_has_stored_the_last_lines_when_a_run_has_ended(self, writer, store):
        held = a_run()
        say(writer.open(held, str), "one", "two")

        writer.close(held)

        assert store.texts == ["one", "two"]

    def test_stores_twenty_lines_at_once(self, writer, store):
        say(writer.open(a_run(keep_log=64 * 1024), str), *map(str, range(20)))

        eventually(lambda: len(store.texts) == 20)

        assert len(store.chunks) == 1

    def test_stores_a_single_line_after_a_moment(self, writer, store):
        say(writer.open(a_run(), str), "one")

        eventually(lambda: store.texts == ["one"])

    def test_stores_what_is_left_when_it_stops(self, writer, store):
        say(writer.open(a_run(), str), "one")

        writer.end()

        assert store.texts == ["one"]

    def test_forgets_a_run_that_has_ended(self, writer):
        held = a_run()
        writer.open(held, str)

        writer.close(held)

        eventually(lambda: not writer._logs)

    def test_stores_nothing_of_a_job_that_is_lost(self, writer, store):
        held = a_run()
        say(writer.open(held, str), "late")
        held.is_given_up = True

        writer.close(held)

        assert store.chunks == []


class TestADatabaseThatIsAway:
    def test_holds_up_no_further_run(self, writer, store, monkeypatch):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
        store.trouble, first, second = AWAY, a_run(), a_run()
        say(writer.open(first, str), "one")
        writer.close(first)
        eventually(lambda: store.tries)
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600)

        say(writer.open(second, str), "two")
        writer.close(second)

        assert store.texts == []

    def test_holds_up_no_run_and_gets_the_lines_when_it_is_back(self, writer, store, told):
        store.trouble, held = AWAY, a_run()
        say(writer.open(held, str), "one")

        writer.close(held)
        eventually(lambda: store.tries > 1)
        store.trouble = None

        eventually(lambda: store.texts == ["one"])
        assert [len(told.of(DatabaseAway)), told.of(Warned)] == [1, []]
        eventually(lambda: told.of(DatabaseBack))

    def test_lets_the_first_lines_be_dropped_and_counted(self, writer, store):
        store.trouble, held = AWAY, a_run()
        lines = writer.open(held, str)
        for number in range(1000):
            say(lines, f"{number:03} {'x' * 100}")
        writer.close(held)

        store.trouble = None

        eventually(lambda: store.texts)
        assert store.texts[-1].startswith("999")
        assert len(store.texts) + store.chunks[-1]["dropped"] == 1000
        assert len(store.texts) < 40

    def test_leaves_only_so_many_ended_runs_waiting(self, writer, store, told, monkeypatch):
        monkeypatch.setattr(module, "MOST_ENDED", 2)
        store.trouble, runs = AWAY, [a_run() for _ in range(5)]
        for number, held in enumerate(runs):
            say(writer.open(held, str), str(number))
            writer.close(held)
        eventually(lambda: len(writer._logs) == 2)

        store.trouble = None

        eventually(lambda: store.texts == ["3", "4"])
        eventually(lambda: told.of(Warned))
        assert told.of(Warned)[0].message == "3 lines that jobs had logged could not be stored, and are lost"


class TestADatabaseThatRefuses:
    def test_does_not_let_ended_runs_pile_up_until_it_is_asked_again(self, writer, store, told, monkeypatch):
        monkeypatch.setattr(module, "MOST_ENDED", 2)
        store.trouble = REFUSED
        for _ in range(9):
            held = a_run()
            say(writer.open(held, str), "one")
            writer.close(held)

        eventually(lambda: len(writer._logs) <= 2)

        assert store.tries <= 2

    def test_is_told_of_once_and_lines_are_dropped_and_counted(self, writer, store, told):
        store.trouble = REFUSED
        for held in [a_run() for _ in range(3)]:
            say(writer.open(held, str), "one")
            writer.close(held)

        writer.end()

        assert [notice.refused for notice in told.of(DatabaseAway)] == [True]
        assert [notice.message for notice in told.of(Warned)] == [
            "3 lines that jobs had logged could not be stored, and are lost"
        ]


class TestADatabaseThatHangs:
    def test_holds_up_the_end_of_one_run_for_a_moment_and_of_others_not_at_all(self, writer, store, monkeypatch):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
        store.may_write.clear()
        first, second = a_run(), a_run()
        say(writer.open(first, str), "one")
        say(writer.open(second, str), "two")
        writer.close(first)
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600)

        writer.close(second)
        store.may_write.set()

        eventually(lambda: sorted(store.texts) == ["one", "two"])
