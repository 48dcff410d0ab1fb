"""Joining the figures of many processes once a time is over."""

from datetime import timedelta

import bson
import pytest
from pymongo.errors import AutoReconnect

from mongojobs.core.settings import Settings
from mongojobs.core.stats import MOST_PAIRS, STEPS, StatsByJob, begin_of
from mongojobs.store.stats import merging
from mongojobs.store.stats.merging import MERGED, MergingStats
from mongojobs.store.stats.stats_store import document_id
from tests.support.clock import START

MINUTE = timedelta(minutes=1)
PROCESSES = ("p1", "p2", "p3")


@pytest.fixture
def stats(server_store, clock):
    return MergingStats(server_store.collection, clock, Settings())


def a_tally(*names, runs=1):
    tally = StatsByJob()
    for name in names or ("send",):
        for _ in range(runs):
            tally.of(name, "mail").end("completed", 0.25)
            tally.of(name, "mail").wait.add(1)
    return tally


def write(stats, at, tally=None, *, step="minute", process="p1"):
    stats.write({(step, begin_of(step, at), process): tally or a_tally()}, worker="w")


def be_present(stats, *processes):
    """Store something in the current minute."""
    for process in processes:
        write(stats, stats.clock.now(), process=process)


def stored(stats, step="minute", at=START):
    """Return which processes have documents of a time."""
    ids = stats.collection.distinct("_id", {"_id": {"$regex": f"^{step} {at:%Y-%m-%dT%H:%MZ}"}})
    return [an_id.rpartition(" ")[2] for an_id in ids]


def read(stats, **asked):
    return stats.read(**{"by": "minute", "since": START, "until": START + MINUTE} | asked)


@pytest.fixture
def ended(stats, clock):
    """A minute of three processes that is over, and two of them are still there."""
    for process in PROCESSES:
        write(stats, START, a_tally("send", process, runs=3), process=process)
    clock.advance(minutes=2)
    be_present(stats, "p1", "p2")


def told(found):
    return {
        (row.name, row.queue): (row.figures.outcomes, row.figures.run.counts, row.figures.wait.seconds)
        for row in found.rows
    }


class TestMerging:
    def test_leaves_one_document_that_tells_the_same(self, stats, ended):
        names, one, together = read(stats), read(stats, name="p2"), read(stats, apart=False)

        stats.merge("p1")

        assert stored(stats) == [MERGED]
        assert told(read(stats)) == told(names)
        assert told(read(stats, name="p2")) == told(one)
        assert told(read(stats, apart=False)) == told(together)

    @pytest.mark.parametrize(("step", "minutes"), [("minute", 2), ("hour", 70), ("day", 24 * 60 + 10)])
    def test_waits_until_others_have_stored_the_rest_of_each_time(self, stats, clock, step, minutes):
        begin = begin_of(step, START)
        for process in PROCESSES:
            write(stats, begin, step=step, process=process)

        clock.advance(seconds=(begin - clock.now()).total_seconds() + minutes * 60 - 1)
        be_present(stats, "p1")
        stats.merge("p1")
        before = stored(stats, step, begin)
        clock.advance(seconds=1)
        be_present(stats, "p1")
        stats.merge("p1")

        assert (before, stored(stats, step, begin)) == (list(PROCESSES), [MERGED])

    def test_is_done_by_the_first_of_those_who_are_there(self, stats, ended):
        stats.merge("p2")

        assert stored(stats) == list(PROCESSES)

    def test_of_one_process_changes_nothing(self, stats, clock):
        write(stats, START)
        clock.advance(minutes=2)
        be_present(stats, "p1")

        stats.merge("p1")

        assert stored(stats) == ["p1"]

    def test_adds_what_comes_late(self, stats, ended):
        stats.merge("p1")
        write(stats, START, a_tally(runs=5), process="p9")

        stats.merge("p1")

        assert stored(stats) == [MERGED]
        assert read(stats).total().runs == 18 + 5

    def test_counts_once_what_is_written_again(self, stats, ended):
        stats.merge("p1")
        write(stats, START, a_tally("send", "p3", runs=3), process="p3")

        before = read(stats).total().runs
        stats.merge("p1")

        assert (before, read(stats).total().runs, stored(stats)) == (18, 18, [MERGED])

    def test_that_breaks_off_before_it_deletes_is_made_up_for(self, stats, ended, monkeypatch):
        def break_off(*_args):
            raise AutoReconnect

        with monkeypatch.context() as patched:
            patched.setattr(type(stats.collection), "delete_many", break_off)
            with pytest.raises(AutoReconnect):
                stats.merge("p1")
        before = stored(stats), read(stats).total().runs
        stats.merge("p1")

        assert before == ([MERGED, *PROCESSES], 18)
        assert (stored(stats), read(stats).total().runs) == ([MERGED], 18)

    @pytest.mark.parametrize("is_merged_already", [False, True])
    def test_at_the_same_time_as_another_loses_nothing(self, stats, ended, monkeypatch, is_merged_already):
        late = {False: lambda: None, True: lambda: (stats.merge("p1"), write(stats, START, process="p4"))}
        late[is_merged_already]()
        replace = merging._replace

        def after_another(*asked):
            monkeypatch.setattr(merging, "_replace", replace)
            write(stats, START, a_tally(runs=7), process="p5")
            stats.merge("p1")
            return replace(*asked)

        expected = read(stats).total().runs + 7
        monkeypatch.setattr(merging, "_replace", after_another)
        stats.merge("p1")

        assert stored(stats) == [MERGED]
        assert read(stats).total().runs == expected

    def test_deletes_nothing_that_another_has_not_merged(self, stats, ended, monkeypatch):
        replace = merging._replace

        def after_another_who_missed_one(*asked):
            monkeypatch.setattr(merging, "_replace", replace)
            merging._merge_time(stats, "minute", START, [document_id("minute", START, one) for one in ("p1", "p2")])
            return replace(*asked)

        monkeypatch.setattr(merging, "_replace", after_another_who_missed_one)
        stats.merge("p1")

        assert stored(stats) == [MERGED, "p3"]
        assert read(stats).total().runs == 18

    def test_passes_over_ids_and_documents_that_are_damaged(self, stats, ended, clock):
        stats.collection.insert_many(
            [{"_id": f"minute {START:%Y-%m-%dT%H:%MZ} odd", "at": "x"}]
            + [{"_id": f"minute {START:%Y-%m-%dT%H}:0{odd}"} for odd in ("", "x", "\u00e9 p1", "\u00e9 p2")]
        )
        clock.advance(minutes=20)
        be_present(stats, "p1")

        stats.merge("p1")

        assert stored(stats) == [MERGED, "odd"]
        assert read(stats).total().runs == 18

    def test_keeps_each_document_as_long_as_those_it_replaces(self, stats, ended):
        stats.merge("p1")

        found = stats.collection.find_one({"of": list(PROCESSES)})

        assert found["expire_at"] == START + timedelta(days=1, minutes=1)

    def test_merges_some_times_at_once_and_the_others_later(self, stats, clock):
        for number in range(merging.MOST_TIMES + 2):
            for process in PROCESSES:
                write(stats, START + number * MINUTE, process=process)
        clock.advance(minutes=merging.MOST_TIMES + 4)
        be_present(stats, "p1")

        stats.merge("p1")
        before = stored(stats)
        stats.merge("p1")

        assert (before, stored(stats)) == (list(PROCESSES), [MERGED])


class TestWhatItCosts:
    def test_asks_the_index_alone_who_is_there(self, stats, ended, spy):
        spy.sent.clear()
        stats.merge("p2")

        [asked] = spy.sent

        assert asked.command["projection"] == {"_id": 1}

    def test_a_table_of_an_hour_reads_few_documents_however_many_processes_there_are(self, stats, clock):
        tally = a_tally(*(f"job{number}" for number in range(MOST_PAIRS)))
        processes = [f"p{number:02}" for number in range(20)]
        for _ in range(5):
            for process in processes:
                write(stats, clock.now(), tally, process=process)
            clock.advance(minutes=1)
            stats.merge("p00")

        found = list(stats.collection.find({"_id": {"$regex": "^minute"}}))

        assert len(found) == 4 + len(processes)
        assert max(len(bson.encode(document)) for document in found) < 60_000
        assert read(stats, until=clock.now()).total().runs == 5 * 20 * MOST_PAIRS


def test_every_step_is_merged():
    assert set(merging.SETTLED) == set(STEPS)
