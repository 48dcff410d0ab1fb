"""Figures about runs, as kept in the database."""

from datetime import timedelta

import bson
import pytest

from mongojobs.core.settings import Settings
from mongojobs.core.stats import ALL, LANE, MOST_PAIRS, OTHER, STEPS, StatsByJob
from mongojobs.store.indexes import create_indexes
from mongojobs.store.stats import stats_store as stats_module
from mongojobs.store.stats.stats_store import StatsStore
from tests.support.clock import START
from tests.support.plans import explain
from tests.support.waiting import eventually

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(database_store):
    return database_store


@pytest.fixture
def stats(store, clock):
    return StatsStore(store.collection, clock, Settings())


@pytest.fixture
def server_stats(server_store, clock):
    return StatsStore(server_store.collection, clock, Settings())


def a_tally(name="send", queue="mail", *, seconds=(0.1,), wait=1.0):
    tally = StatsByJob()
    figures = tally.of(name, queue)
    for one in seconds:
        figures.outcomes["completed"] += 1
        figures.run.add(one)
        figures.wait.add(wait)
    return tally


def write(stats, at, tally=None, *, step="minute", process="p1"):
    stats.write({(step, at, process): tally or a_tally()}, worker="w")


def read(stats, **span):
    return stats.read(**{"by": "minute", "since": START, "until": START + HOUR} | span)


class TestReading:
    def test_gives_what_was_written(self, stats):
        tally = a_tally(seconds=(0.1, 0.2, 5.0))
        tally.of("send", "mail").outcomes["retried"] += 1
        write(stats, START, tally)

        [row] = read(stats).rows

        assert (row.at, row.name, row.queue) == (START, "send", "mail")
        assert (row.figures.outcomes["completed"], row.figures.errors, row.figures.runs) == (3, 1, 4)
        assert (row.figures.run.count, row.figures.run.longest) == (3, 5.0)
        assert row.figures.run.percentile(50) == pytest.approx(0.2, rel=0.125)
        assert row.figures.wait.percentile(99) == 1.0

    def test_counts_a_document_once_that_is_written_twice(self, stats):
        write(stats, START, a_tally(seconds=(1,)))
        write(stats, START, a_tally(seconds=(1, 1)))

        assert read(stats).total().runs == 2

    def test_adds_up_all_processes(self, stats):
        write(stats, START, process="p1")
        write(stats, START, process="p2")

        [row] = read(stats).rows

        assert row.figures.runs == 2

    def test_is_of_the_minutes_from_the_first_until_the_last_time(self, stats):
        for minute in range(5):
            write(stats, START + minute * MINUTE)

        span = read(stats, since=START + MINUTE, until=START + 2.5 * MINUTE)

        assert [row.at for row in span.rows] == [START + MINUTE, START + 2 * MINUTE]
        assert list(span.by_time()) == [START + MINUTE, START + 2 * MINUTE]

    def test_is_not_of_the_minute_that_begins_at_the_last_time(self, stats):
        for minute in range(3):
            write(stats, START + minute * MINUTE)

        span = read(stats, until=START + 2 * MINUTE)

        assert [row.at for row in span.rows] == list(span.by_time()) == [START, START + MINUTE]

    def test_by_hour_reads_the_documents_of_hours(self, stats):
        write(stats, START)
        write(stats, START, a_tally(seconds=(1, 2)), step="hour")

        assert read(stats, by="hour").total().runs == 2

    def test_by_day_reads_the_documents_of_days(self, stats):
        midnight = START.replace(hour=0)
        write(stats, START)
        write(stats, midnight, a_tally(seconds=(1, 2)), step="day")

        span = read(stats, by="day", until=START + HOUR)

        assert (span.total().runs, list(span.by_time())) == (2, [midnight])

    def test_of_one_name_is_of_no_other(self, stats):
        tally = a_tally("send", "mail")
        tally.include(a_tally("send", "bulk", seconds=(1, 1)))
        tally.include(a_tally("$send", "bulk"))
        write(stats, START, tally)

        assert read(stats, name="send").by_queue()["bulk"].runs == 2
        assert [row.name for row in read(stats, name="$send").rows] == ["$send"]
        assert read(stats, name="$name").rows == ()

    def test_of_all_together_has_a_row_for_each_time(self, stats):
        tally = a_tally("send", "mail", seconds=(1, 3))
        tally.include(a_tally("pack", "bulk", seconds=(2,)))
        for process in ("p1", "p2"):
            write(stats, START, tally, process=process)

        [row] = read(stats, apart=False).rows

        assert (row.at, row.name, row.queue, row.figures.runs) == (START, ALL, ALL, 6)
        assert (row.figures.run.counts, row.figures.wait.count) == (read(stats).total().run.counts, 6)

    def test_without_times_is_of_the_last_hour(self, stats, clock):
        clock.advance(hours=3)

        span = stats.read(by="minute", since=None, until=None)

        assert (span.since, span.until) == (START + 2 * HOUR, START + 3 * HOUR)

    def test_of_too_many_documents_begins_later_and_says_so(self, stats, monkeypatch):
        monkeypatch.setattr(stats_module, "MOST_READ", 5)
        for minute in range(4):
            for process in ("p1", "p2"):
                write(stats, START + minute * MINUTE, process=process)

        span = read(stats)

        assert span.since == START + 2 * MINUTE
        assert [(row.at, row.figures.runs) for row in span.rows] == [(START + n * MINUTE, 2) for n in (2, 3)]

    def test_as_one_has_a_row_for_each_name_and_queue(self, stats):
        for minute in range(3):
            for process in ("p1", "p2"):
                write(stats, START + minute * MINUTE, a_tally("send", seconds=(1, 3)), process=process)
        write(stats, START + MINUTE, a_tally("pack"), process="p3")

        span, apart = read(stats, as_one=True), read(stats)

        assert [(row.at, row.name, row.figures.runs) for row in span.rows] == [(START, "pack", 1), (START, "send", 12)]
        assert (span.since, span.until) == (apart.since, apart.until)
        assert span.total().run.counts == apart.total().run.counts

    def test_as_one_leaves_out_what_may_not_be_complete(self, stats, monkeypatch):
        monkeypatch.setattr(stats_module, "MOST_READ", 5)
        for minute in range(4):
            for process in ("p1", "p2"):
                write(stats, START + minute * MINUTE, process=process)

        span = read(stats, as_one=True)

        assert (span.since, span.total().runs) == (START + 2 * MINUTE, 4)

    def test_tells_no_more_names_apart_than_a_document_does(self, stats):
        for process in range(2):
            tally = StatsByJob()
            for number in range(MOST_PAIRS):
                tally.of(f"{process} {number}", "mail").outcomes["completed"] += 1
            write(stats, START, tally, process=f"p{process}")

        rows = read(stats).rows

        assert len(rows) == MOST_PAIRS + 1
        assert [row.figures.runs for row in rows if row.name == OTHER] == [MOST_PAIRS]

    def test_adds_lists_that_former_versions_wrote_to_what_this_one_writes(self, stats):
        write(stats, START, a_tally(seconds=(0.001, 0.003)), process="p1")
        write(stats, START, a_tally(seconds=(0.001,)), process="p2")
        stats.collection.update_one({"_id": {"$regex": "p2$"}}, {"$set": {"jobs.0.run.counts": [0, 5, 0, 0, 2]}})

        [row] = read(stats).rows

        assert row.figures.run.counts[:6] == [0, 6, 0, 1, 2, 0]

    @pytest.mark.parametrize("count", [1, 255, 256, 70_000, 2**31])
    def test_gives_counts_of_any_size(self, stats, count):
        tally = a_tally(seconds=(0.001, 0.002))
        tally.of("send", "mail").run.include_lanes((count - 1) << 8 * LANE, seconds=0, longest=0)
        write(stats, START, tally, process="p1")
        write(stats, START, tally, process="p2")

        assert read(stats).total().run.counts[:4] == [0, 2 * count, 2, 0]

    @pytest.mark.parametrize("count", [1, 256])
    def test_gives_counts_of_the_shortest_bucket_alone(self, stats, count):
        tally = a_tally(seconds=(0,))
        tally.of("send", "mail").run.include_lanes(count - 1, seconds=0, longest=0)
        write(stats, START, tally)

        assert read(stats).total().run.counts[:2] == [count, 0]

    @pytest.mark.parametrize(
        "odd", [b"", b"\x00", b"\x02\x01", b"\x02\x01\x01\x01", b"\xff" * 256, b"\x01" * 9, [2**60]]
    )
    def test_passes_over_histograms_that_are_none(self, stats, odd):
        write(stats, START, process="p1")
        write(stats, START, process="p2")
        stats.collection.update_one({"_id": {"$regex": "p2$"}}, {"$set": {"jobs.0.run.counts": odd}})

        assert read(stats).total().run.count == 1

    def test_of_two_hundred_names_is_a_small_document(self, stats):
        tally = StatsByJob()
        for number in range(MOST_PAIRS):
            tally.include(a_tally(f"shop.jobs.number_{number}", seconds=[n / 25 for n in range(50)]))
        write(stats, START, tally)

        assert len(bson.encode(stats.collection.find_one())) < 60_000

    def test_reads_what_another_version_wrote(self, stats):
        write(stats, START)
        stats.collection.update_one(
            {}, {"$set": {"new": 1, "jobs.0.exploded": 7}, "$unset": {"jobs.0.wait": "", "all": ""}}
        )

        assert read(stats).total().runs == 1
        assert read(stats, apart=False).total().runs == 0


class TestTheServer:
    def test_finds_a_span_of_time_by_the_index_of_ids(self, server_stats, spy, administrator):
        for minute in range(100):
            write(server_stats, START + minute * MINUTE)

        read(server_stats, since=START + 90 * MINUTE, until=START + 95 * MINUTE)

        asked = spy.sent[-1]
        assert explain(administrator, asked).keys <= 7
        assert asked.command["maxTimeMS"] == stats_module.READ_MILLISECONDS

    def test_takes_any_name(self, server_stats):
        write(server_stats, START, a_tally("$where.a\x7f ü", "a.b$c"))

        [row] = read(server_stats).rows

        assert (row.name, row.queue) == ("$where.a\x7f ü", "a.b$c")

    def test_keeps_minutes_for_a_day_and_others_for_as_long_as_is_set(self, server_stats):
        for step in STEPS:
            write(server_stats, START, step=step)

        kept = sorted(found["expire_at"] - START for found in server_stats.collection.find())

        assert kept == [timedelta(days=1, minutes=1), timedelta(days=14, hours=1), timedelta(days=15)]

    def test_keeps_minutes_no_longer_than_hours(self, server_store, clock):
        stats = StatsStore(server_store.collection, clock, Settings(stats_retention="2h"))
        write(stats, START)

        [found] = stats.collection.find()

        assert found["expire_at"] == START + MINUTE + 2 * HOUR


class TestExpiry:
    @pytest.fixture
    def eager(self, administrator):
        """Lets the server look each second for what has expired."""
        administrator.admin.command("setParameter", 1, ttlMonitorEnabled=True, ttlMonitorSleepSecs=1)
        yield
        administrator.admin.command("setParameter", 1, ttlMonitorEnabled=False, ttlMonitorSleepSecs=60)

    def test_removes_old_figures_and_completed_jobs_and_no_others(self, server_store, server_stats, eager):
        past = START.replace(year=2020)
        write(server_stats, past)
        write(server_stats, START)
        jobs = server_store.collection
        jobs.insert_many(
            [
                {"_id": "kept long enough", "state": "completed", "expire_at": past},
                {"_id": "kept", "state": "completed", "expire_at": START},
                {"_id": "failed", "state": "failed"},
                {"_id": "ready", "state": "ready", "expire_at": past},
            ]
        )
        create_indexes(jobs)

        eventually(lambda: {found["_id"] for found in jobs.find()} == {"kept", "failed", "ready"}, seconds=75)
        eventually(lambda: [found["at"] for found in server_stats.collection.find()] == [START], seconds=75)
