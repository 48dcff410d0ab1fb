"""Chunks of log lines: whose they are, how long they are there, and how they are found."""

from datetime import timedelta

import bson
import pytest

from mongojobs.core.inside.log import Entry
from mongojobs.core.job import JobId
from mongojobs.core.settings import Settings
from mongojobs.store.indexes import create_indexes
from mongojobs.store.logs.log_store import LogStore
from mongojobs.worker.run.run_log import RunLog
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.plans import explain
from tests.support.stores import reserve, reserved
from tests.support.worker_parts import a_held, held_of


@pytest.fixture
def store(database_store):
    return database_store


@pytest.fixture
def logs(store, clock):
    return LogStore(store.collection, clock, Settings())


def a_log(held):
    return RunLog(held, str, lambda: None)


def say(log, *texts):
    """Let a run log something, and return the chunks to be stored."""
    for number, text in enumerate(texts):
        log.lines.add(entry(text, number))
    return log.gather(0.0)


def entry(text, number=0):
    return Entry(START.timestamp() + number, "INFO", text)


def texts(logs, job_id: JobId):
    return [[line.text for line in run.lines] for run in logs.read(job_id)]


class TestTwoOwners:
    def test_the_former_ones_lines_never_come_into_the_new_ones_log(self, store, logs, clock):
        job = reserved(store, a_job(keep_log=4096), by="former")
        former = a_log(held_of(job, clock=clock))
        logs.write(say(former, "former"))
        clock.advance(minutes=2)
        store.rescue(by="rescuer")
        [again] = reserve(store, by="new")
        new = a_log(held_of(again, clock=clock))
        logs.write(say(new, "new"))

        logs.write(say(former, "late"))  # it has not noticed yet

        first, second = logs.read(job.id)
        assert [line.text for line in second.lines] == ["new"]
        assert (first.worker, first.fence, second.worker, second.fence) == ("former", 1, "new", 2)

    def test_the_former_one_stores_nothing_once_it_knows(self, clock):
        held = a_held(keep_log=4096, locked_at=START, locked_by="former")
        log = a_log(held)
        held.is_given_up = True

        assert say(log, "late") == []
        assert log.is_idle

    def test_a_job_with_the_same_id_does_not_go_on_with_an_earlier_ones_log(self, store, logs, clock):
        first = reserved(store, a_job(id="same", keep_log=4096))
        logs.write(say(a_log(held_of(first, clock=clock)), "first"))
        store.finish([first])
        clock.advance(minutes=2)
        second = reserved(store, a_job(id="same", keep_log=4096))

        logs.write(say(a_log(held_of(second, clock=clock)), "second"))

        assert texts(logs, "same") == [["first"], ["second"]]


class TestWriting:
    def test_may_be_repeated(self, logs):
        chunks = say(a_log(a_held(id="it", keep_log=4096, locked_at=START)), "one", "two")

        logs.write(chunks)
        logs.write(chunks)

        assert texts(logs, "it") == [["one", "two"]]

    def test_says_until_when_it_is_kept(self, store, clock):
        logs = LogStore(store.collection, clock, Settings(log_retention="2h"))

        logs.write(say(a_log(a_held(id="it", keep_log=4096, locked_at=START)), "one"))

        [found] = logs.collection.find()
        assert found["expire_at"].replace(tzinfo=START.tzinfo) == START + timedelta(hours=2)

    def test_counts_what_is_given_up(self):
        log = a_log(a_held(id="it", keep_log=4096, locked_at=START))
        say(log, "one", "two")

        assert log.give_up() == 2

        [chunk] = say(log, "three")
        assert (chunk["dropped"], [line["text"] for line in chunk["lines"]]) == (2, ["three"])

    def test_makes_room_for_the_last_lines(self, logs):
        log = a_log(a_held(id="it", keep_log=4096, locked_at=START))

        for number in range(60):
            chunks = say(log, f"{number} {'x' * 200}")
            logs.write(chunks, [log.outdated])
            log.note_stored()

        [run] = logs.read("it")
        assert run.lines[-1].text.startswith("59 ")
        assert len(run.lines) + run.dropped == 60
        assert logs.collection.count_documents({}) == len(run.lines) < 20


class TestReadingPieceByPiece:
    def test_gives_each_line_once(self, logs):
        log = a_log(a_held(id="it", keep_log=4096, locked_at=START))
        pieces = logs.pieces("it")
        logs.write(say(log, "one"))
        log.note_stored()
        first = pieces.new()
        logs.write(say(log, "two"))
        log.note_stored()
        logs.write(say(a_log(a_held(id="it", keep_log=4096, locked_at=START + timedelta(seconds=9), fence=2)), "new"))

        second = pieces.new()

        assert [[line.text for line in run.lines] for run in first] == [["one"]]
        assert [[line.text for line in run.lines] for run in second] == [["two"], ["new"]]
        assert pieces.new() == []


class TestOdd:
    @pytest.mark.parametrize(("planted", "most"), [(1, 4096), (-7, 4096), (2**50, 16 * 1024 * 1024)])
    def test_caps_are_none(self, planted, most):
        log = a_log(a_held(keep_log=planted, locked_at=START))

        chunks = say(log, *(["x" * 5_000] * 20_000))

        assert most / 4 < sum(len(bson.encode(chunk)) for chunk in chunks) <= most

    def test_chunks_are_shown_as_well_as_possible(self, logs):
        logs.collection.insert_one({"job_id": "it", "lines": [7, {"text": 8, "level": "\x00"}], "fence": "x"})

        [run] = logs.read("it")

        assert [(line.level, line.text) for line in run.lines] == [("\x00", "(damaged)")]


def test_a_log_is_found_by_an_index(server_store, clock, spy, administrator):
    create_indexes(server_store.collection)
    logs = LogStore(server_store.collection, clock, Settings())
    for name in ("it", "other"):
        logs.write(say(a_log(a_held(id=name, keep_log=4096, locked_at=START)), "one"))
    spy.sent.clear()

    logs.read("it")

    assert explain(administrator, spy.sent[0]).is_served
