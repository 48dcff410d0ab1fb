"""When schedules are due: as the clocks of a zone show it minute by minute, and as workers enqueue their jobs."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mongojobs
from mongojobs import every
from mongojobs.schedules.times.cron import Cron
from mongojobs.schedules.times.expression import next_times, parse_times, times_after
from mongojobs.schedules.times.zones import clock_changes
from mongojobs.testing import mode
from tests.support.sample_jobs import remember_one
from tests.support.schedules import code

MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=365)
DAYS = 3
TICKS = 5
ZONES = [
    "UTC",
    "Europe/Athens",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/St_Johns",
]
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LOOKED_FROM = {
    name: [FIRST, *(datetime(*change.day.timetuple()[:3], tzinfo=UTC) - timedelta(days=1) for change in changes)]
    for name in ZONES
    for changes in [list(clock_changes(ZoneInfo(name), since=FIRST, days=800))]
}


def part(least, most):
    number = st.integers(least, most)
    pair = st.tuples(number, number).map(sorted)
    return st.one_of(
        st.just("*"),
        number.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.integers(1, most).map(lambda step: f"*/{step}"),
        st.lists(number, min_size=2, max_size=4).map(lambda some: ",".join(map(str, some))),
    )


# Rare days would need long looks; hours and minutes are what clocks change.
EXPRESSIONS = st.tuples(part(0, 59), part(0, 23), st.just("*"), st.just("*"), part(0, 6)).map(" ".join)


def shown(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None)


def looked_up(cron, begin, zone):
    """Look at the clocks every minute, as the page on schedules says it."""
    fits = {(time.hour, time.minute) for time in cron.times_of_day}
    minutes = [begin + number * MINUTE for number in range(1, DAYS * 24 * 60 + 1)]
    if not cron.is_fixed:
        return [one for one in minutes if fitting(shown(one, zone), cron, fits)]
    due, latest = [], shown(begin - timedelta(days=2), zone)
    for number in range(-2 * 24 * 60, 1):
        latest = max(latest, shown(begin + number * MINUTE, zone))
    for one in minutes:
        new = [latest + step * MINUTE for step in range(1, (shown(one, zone) - latest) // MINUTE + 1)]
        if any(fitting(wall, cron, fits) for wall in new):
            due.append(one)
        latest = max([latest, *new])
    return due


def fitting(wall, cron, fits):
    return (wall.hour, wall.minute) in fits and cron.is_on(wall.date())


@settings(max_examples=100, deadline=None)
@given(text=EXPRESSIONS, name=st.sampled_from(ZONES), data=st.data())
def test_times_are_those_that_clocks_show(text, name, data):
    cron, zone = Cron(text), ZoneInfo(name)
    begin = data.draw(st.sampled_from(LOOKED_FROM[name]))

    due = list(takewhile(lambda one: one <= begin + timedelta(days=DAYS), times_after(cron, begin, zone)))

    assert due == looked_up(cron, begin, zone)


INTERVALS = st.tuples(st.integers(1, 30), st.sampled_from(["m", "h", "d"])).map(lambda parts: f"{parts[0]}{parts[1]}")
CASES = st.lists(st.tuples(EXPRESSIONS | INTERVALS, st.sampled_from(ZONES)), min_size=8, max_size=8)
BEGINNINGS = st.sampled_from(sorted({begin for begins in LOOKED_FROM.values() for begin in begins})).map(
    lambda begin: begin.replace(year=begin.year + 4)
)


@pytest.mark.parametrize(
    ("kind", "examples"),
    [("fake", 40), *(pytest.param("real", 125, id=half, marks=pytest.mark.slow) for half in ("real", "real too"))],
)
def test_workers_enqueue_the_jobs_of_the_times_that_are_shown_as_next(connection, kind, examples):
    """Of 320 schedules, or 2,000 on a server, eight at a time, the clock goes from tick to tick of the first five."""
    jobs_stored = mongojobs.default_app().store.collection
    stored = [jobs_stored, jobs_stored.database.delayed_jobs_schedules]

    @settings(max_examples=examples, deadline=None)
    @given(cases=CASES, begin=BEGINNINGS)
    def check(cases, begin):
        told = [{"tz": zone, "starts": begin, "times": TICKS, "overlap": "allow"} for _, zone in cases]
        declared = [every(text, name=f"s{n}", args=(n,), **told[n]) for n, (text, _) in enumerate(cases)]
        with code(*((remember_one, one) for one in declared)), mode(kind) as jobs:
            [collection.delete_many({}) for collection in stored]
            jobs.tick(until=begin + YEAR)
            made = jobs.enqueued()
            due = [[job.scheduled_for for job in made if job.schedule == f"s{n}"] for n in range(len(cases))]

        before = begin - MINUTE / 60_000
        shown_as_next = [next_times(parse_times(text), before, ZoneInfo(zone), number=TICKS) for text, zone in cases]
        assert due == shown_as_next

    check()
