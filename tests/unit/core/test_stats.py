"""Figures about runs: histograms, their percentiles, and sums over names, queues and times."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from mongojobs.core.stats import (
    BUCKETS,
    MOST_PAIRS,
    OTHER,
    Durations,
    RunStats,
    Stats,
    StatsByJob,
    StatsRow,
    begin_of,
    coarsest,
)
from tests.support.clock import START

MINUTE = timedelta(minutes=1)


def moment(text):
    """Return a day and a time of some month."""
    return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def durations(*seconds):
    made = Durations()
    for one in seconds:
        made.add(one)
    return made


def figures(**outcomes):
    made = RunStats()
    made.outcomes.update(outcomes)
    return made


class TestDurations:
    @pytest.mark.parametrize("percent", [50, 95, 99])
    @pytest.mark.parametrize("scale", [0.05, 1, 60, 3600])
    def test_tell_percentiles_within_an_eighth(self, percent, scale):
        dice = random.Random(7)
        seconds = sorted(dice.expovariate(1 / scale) for _ in range(5000))

        told = durations(*seconds).percentile(percent)

        assert told == pytest.approx(seconds[int(len(seconds) * percent / 100)], rel=0.125)

    def test_know_their_number_sum_mean_and_maximum(self):
        some = durations(1, 2, 6)

        assert (some.count, some.seconds, some.mean, some.longest) == (3, 9, 3, 6)

    def test_never_tell_more_than_the_longest(self):
        assert durations(1.01, 1.01).percentile(99) == 1.01

    def test_of_nothing_have_no_mean_and_no_percentile(self):
        assert (durations().mean, durations().percentile(50)) == (None, None)

    def test_of_any_length_fit_into_few_buckets(self):
        some = durations(*(2.0**power / 1000 for power in range(-5, 60)), 0)

        assert len(some.counts) == BUCKETS
        assert some.count == 66

    def test_added_up_are_as_if_counted_together(self):
        one, other = durations(0.1, 5), durations(0.2, 0.1)

        one.include(other)

        together = durations(0.1, 5, 0.2, 0.1)
        assert (one.counts, one.longest) == (together.counts, together.longest)
        assert one.seconds == pytest.approx(together.seconds)


class TestATally:
    def test_counts_each_name_in_each_queue(self):
        tally = StatsByJob()

        for name, queue in [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")]:
            tally.of(name, queue).outcomes["completed"] += 1

        assert {pair: one.runs for pair, one in tally.pairs.items()} == {("a", "x"): 2, ("a", "y"): 1, ("b", "x"): 1}

    def test_counts_all_others_together_once_there_are_many(self):
        tally = StatsByJob()

        for number in range(MOST_PAIRS + 50):
            tally.of(f"job{number}", "mail").outcomes["completed"] += 1

        assert len(tally.pairs) == MOST_PAIRS + 1
        assert tally.pairs[OTHER, OTHER].runs == 50

    def test_that_includes_another_stays_as_small(self):
        one, other = StatsByJob(), StatsByJob()
        for number in range(MOST_PAIRS):
            one.of(f"job{number}", "mail").outcomes["failed"] += 1
            other.of(f"other{number}", "mail").outcomes["failed"] += 1

        one.include(other)

        assert len(one.pairs) == MOST_PAIRS + 1
        assert sum(figures.errors for figures in one.pairs.values()) == 2 * MOST_PAIRS


class TestStats:
    @pytest.fixture
    def stats(self):
        rows = (
            StatsRow(at=START, name="a", queue="mail", figures=figures(completed=2)),
            StatsRow(at=START, name="b", queue="mail", figures=figures(retried=1, failed=1)),
            StatsRow(at=START + 2 * MINUTE, name="a", queue="bulk", figures=figures(completed=3)),
        )
        return Stats(since=START, until=START + 3 * MINUTE, by="minute", rows=rows)

    def test_are_summed_up_for_all(self, stats):
        assert (stats.total().runs, stats.total().errors) == (7, 2)

    def test_are_summed_up_by_name_and_by_queue(self, stats):
        assert {name: one.runs for name, one in stats.by_name().items()} == {"a": 5, "b": 2}
        assert {queue: one.runs for queue, one in stats.by_queue().items()} == {"bulk": 3, "mail": 4}

    def test_have_minutes_without_runs_too(self, stats):
        runs = {at: one.runs for at, one in stats.by_time().items()}

        assert runs == {START: 4, START + MINUTE: 0, START + 2 * MINUTE: 3}


@pytest.mark.parametrize(
    ("step", "begin"), [("minute", START + 7 * MINUTE), ("hour", START), ("day", START.replace(hour=0))]
)
def test_a_moment_belongs_to_the_minute_the_hour_and_the_day_it_is_in(step, begin):
    assert begin_of(step, START + 7 * MINUTE + timedelta(seconds=59, milliseconds=999)) == begin


class TestTheCoarsestTimes:
    @pytest.mark.parametrize(
        ("since", "now", "finest", "expected"),
        [
            ("20 22:58", "21 03:30", "minute", ["minute 20 22:58", "hour 20 23:00", "day 21 00:00"]),
            ("20 14:20", "20 15:20", "minute", ["minute 20 14:20", "hour 20 15:00"]),
            ("20 14:00", "20 15:00", "minute", ["hour 20 14:00"]),
            ("20 14:20", "20 14:50", "minute", ["minute 20 14:20"]),
            ("19 23:10", "20 00:10", "minute", ["minute 19 23:10", "day 20 00:00"]),
            ("13 14:20", "20 14:20", "hour", ["hour 13 14:00", "day 14 00:00"]),
            ("13 00:00", "20 00:00", "hour", ["day 13 00:00"]),
        ],
    )
    def test_are_as_long_as_they_can_be(self, since, now, finest, expected):
        made = list(coarsest(moment(since), moment(now), finest=finest))

        assert [f"{step} {begin:%d %H:%M}" for step, begin, _ in made] == expected
        assert [end for _, _, end in made] == [*(begin for _, begin, _ in made[1:]), moment(now)]
