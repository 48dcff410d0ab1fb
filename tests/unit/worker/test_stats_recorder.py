"""Counting the outcomes of jobs per minute, hour and day, kept until the database has stored them."""

import threading
from collections import Counter
from datetime import timedelta

import pytest

from mongojobs.core import notices as n
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import CallbackRaised, DatabaseAway, DatabaseBack
from mongojobs.worker.outage import Outage
from mongojobs.worker.stats_recorder import MOST_UNSENT, StatsRecorder
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job
from tests.support.waiting import eventually
from tests.support.worker_parts import AWAY, REFUSED, Told

WORKER = "w1"


class FakeStats:
    """Keeps the last totals that were written for each time; raises `error` instead while there is one."""

    def __init__(self):
        self.clock = HeldClock()
        self.documents = {}
        self.processes = set()
        self.writes = 0
        self.merged = []
        self.error = None

    def write(self, totals, *, worker):
        self.writes += 1
        if self.error is not None:
            raise self.error
        self.processes.update(process for *_, process in totals)
        for period, total in totals.items():
            self.documents[period] = {pair: dict(figures.outcomes) for pair, figures in total.pairs.items()}

    def merge(self, process):
        if self.error is not None:
            raise self.error
        self.merged.append(process)

    def runs(self, step):
        """Return how many runs are stored for each minute, hour or day."""
        runs = Counter()
        for (of, at, _), pairs in self.documents.items():
            if of == step:
                runs[at] += sum(sum(outcomes.values()) for outcomes in pairs.values())
        return dict(runs)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def stats():
    return FakeStats()


@pytest.fixture
def statistics(told, stats):
    statistics = StatsRecorder(Reporter(told, WORKER), Outage(Reporter(told, WORKER)))
    statistics.begin(stats, stats.clock.now())
    yield statistics
    statistics.end()


@pytest.fixture
def completes(told):
    """Reports that this many jobs are completed."""

    def completes(count=1):
        for _ in range(count):
            told.notify(n.JobStarted(WORKER, a_job(), 0.5))
            told.notify(n.JobCompleted(WORKER, a_job(), 0.1))

    return completes


class TestEachOutcome:
    @pytest.mark.parametrize(
        ("notices", "outcome"),
        [
            ([n.JobCompleted(WORKER, a_job(), 1)], "completed"),
            ([n.JobErrored(WORKER, a_job(), 1, "E")], "retried"),
            ([n.JobCrashed(WORKER, a_job(), 1, "E")], "retried"),
            ([n.JobCrashed(WORKER, a_job(), 1, "E", given_up=True), n.JobFailed(WORKER, a_job(), "R")], "failed"),
            ([n.JobErrored(WORKER, a_job(), 1, "E", given_up=True), n.JobFailed(WORKER, a_job(), "R")], "failed"),
            ([n.JobFailed(WORKER, a_job(), "30 interrupted runs")], "failed"),
            ([n.JobDiscarded(WORKER, a_job(), 1, "R")], "discarded"),
            ([n.JobCancelled(WORKER, a_job(), 1)], "cancelled"),
            ([n.JobSnoozed(WORKER, a_job(), 1, 60)], "snoozed"),
            ([n.JobDeferred(WORKER, a_job(), 5, "E: no")], "deferred"),
            ([n.JobReleased(WORKER, a_job())], "interrupted"),
        ],
    )
    def test_is_counted_once_under_its_name(self, statistics, stats, told, notices, outcome):
        for notice in notices:
            told.notify(notice)
        statistics.store()

        [pairs] = (document for (step, *_), document in stats.documents.items() if step == "minute")
        [outcomes] = pairs.values()
        assert {name: count for name, count in outcomes.items() if count} == {outcome: 1}

    @pytest.mark.parametrize(
        "notice",
        [n.JobLost(WORKER, a_job(), "its result"), n.JobEnqueued(a_job()), n.JobCompleted("another", a_job(), 1)],
    )
    def test_that_is_none_of_ours_is_not_counted(self, statistics, stats, told, notice):
        told.notify(notice)
        statistics.store()

        assert stats.documents == {}


class TestStoring:
    def test_writes_the_totals_of_the_minute_the_hour_and_the_day(self, statistics, stats, completes):
        completes(3)
        statistics.store()
        stats.clock.advance(minutes=1)
        statistics.store()
        completes(2)
        statistics.store()

        assert stats.runs("minute") == {START: 3, stats.clock.now(): 2}
        assert stats.runs("hour") == {START: 5}
        assert stats.runs("day") == {START.replace(hour=0): 5}
        assert len(stats.processes) == 1

    def test_writes_what_few_notices_have_told_that_waited_to_be_counted(self, statistics, stats, completes):
        completes(3)
        statistics.count(few=6)
        completes(1)
        statistics.count(few=6)
        completes(1)
        statistics.store()

        assert stats.runs("minute") == {START: 5}

    def test_again_within_a_minute_writes_all_of_that_minute(self, statistics, stats, completes):
        completes(3)
        statistics.store()
        stats.clock.advance(seconds=20)
        completes(2)
        statistics.store()

        assert stats.runs("minute") == {START: 5}

    def test_writes_nothing_when_nothing_was_done(self, statistics, stats):
        statistics.store()

        assert stats.writes == 0

    def test_counts_what_came_before_the_turn_of_a_minute_in_the_old_one(self, statistics, stats, completes):
        completes(3)
        stats.clock.advance(seconds=61)
        statistics.store()

        assert stats.runs("minute") == {START: 3}

    def test_keeps_what_is_stored_of_a_day_when_the_clock_goes_back_behind_its_end(self, statistics, stats, completes):
        midnight = START.replace(hour=0, minute=0) + timedelta(days=1)
        completes(1000)
        for minutes in (0, 1, -3, -2):
            stats.clock.advance(seconds=(midnight + timedelta(minutes=minutes) - stats.clock.now()).total_seconds())
            statistics.store()
            completes()

        assert stats.runs("day") == {midnight - timedelta(days=1): 1001, midnight: 2}
        assert len(stats.processes) == 2

    def test_after_an_outage_makes_up_for_all_of_it(self, statistics, stats, completes):
        stats.error = AWAY
        for _ in range(3):
            completes(2)
            stats.clock.advance(minutes=1)
            statistics.try_to_store()
        stats.error = None
        statistics.store()

        assert list(stats.runs("minute").values()) == [2, 2, 2]
        assert stats.runs("hour") == {START: 6}

    def test_of_a_very_long_outage_keeps_days_and_hours_and_the_last_minutes(self, statistics, stats, completes):
        stats.error = AWAY
        for _ in range(200):
            completes()
            statistics.try_to_store()
            stats.clock.advance(minutes=1)
        stats.error = None
        statistics.store()

        assert len(stats.documents) <= MOST_UNSENT + 3
        assert sum(stats.runs("hour").values()) == sum(stats.runs("day").values()) == 200
        assert min(stats.runs("minute")) >= stats.clock.now() - timedelta(minutes=MOST_UNSENT)

    def test_keeps_nothing_of_what_is_stored_and_past(self, statistics, stats, completes):
        for _ in range(200):
            completes()
            statistics.store()
            stats.clock.advance(minutes=1)

        assert len(statistics._totals) <= 4


class TestAnOutage:
    def test_is_reported_once_and_tried_again_soon(self, statistics, stats, completes, told):
        completes()
        stats.error = AWAY

        waits = [statistics.try_to_store() for _ in range(3)]
        stats.error = None
        statistics.try_to_store()

        assert max(waits) <= 1
        assert [one.doing for one in told.of(DatabaseAway)] == ["storing statistics"]
        assert len(told.of(DatabaseBack)) == 1

    def test_of_a_missing_right_is_reported_once_and_repeated_a_minute_later(self, statistics, stats, completes, told):
        completes()
        stats.error = REFUSED

        waits = [statistics.try_to_store() for _ in range(3)]

        assert waits == [60, 60, 60]
        assert len(told.of(DatabaseAway)) == 1

    def test_of_another_kind_is_reported_and_does_not_end_the_thread(self, statistics, stats, completes, told):
        completes()
        stats.error = RuntimeError("odd")

        wait = statistics.try_to_store()

        assert wait == 60
        assert [one.what for one in told.of(CallbackRaised)] == ["storing statistics"]


class TestMerging:
    def test_is_done_under_the_name_that_is_stored(self, statistics, stats, completes):
        completes()
        statistics.store()
        statistics.try_to_merge()

        assert stats.merged == list(stats.processes)

    def test_is_not_done_just_after_an_outage(self, statistics, stats, completes):
        completes()
        stats.error = AWAY
        statistics.try_to_store()
        stats.error = None
        statistics.try_to_store()
        statistics.try_to_merge()

        assert stats.merged == []

    def test_without_the_right_to_is_reported_once(self, statistics, stats, told):
        stats.error = REFUSED
        for _ in range(3):
            statistics.try_to_merge()

        assert [one.doing for one in told.of(DatabaseAway)] == ["merging statistics"]

    def test_that_goes_wrong_is_reported_and_does_not_end_the_thread(self, statistics, stats, told):
        stats.error = RuntimeError("odd")
        statistics.try_to_merge()

        assert [one.what for one in told.of(CallbackRaised)] == ["merging statistics"]


class TestTheThread:
    @pytest.fixture
    def stats(self):
        stats = FakeStats()
        stats.clock.advance(seconds=59.99)
        return stats

    def test_merges_after_it_has_stored_something(self, statistics, stats, completes):
        completes()
        thread = threading.Thread(target=statistics.run)
        thread.start()

        eventually(lambda: stats.merged == list(stats.processes) != [])
        statistics.end()
        thread.join(30)

        assert not thread.is_alive()

    def test_stores_at_the_end_of_the_minute_and_ends_when_told(self, statistics, stats, completes):
        completes()
        thread = threading.Thread(target=statistics.run)
        thread.start()

        eventually(lambda: stats.runs("minute") == {START: 1})
        stats.clock.advance(seconds=1)
        statistics.end()
        thread.join(30)

        assert not thread.is_alive()

    def test_hears_nothing_more_after_the_end(self, statistics, stats, completes):
        statistics.end()
        completes()
        statistics.store()

        assert stats.writes == 0
