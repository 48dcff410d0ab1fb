"""The nominal times of a schedule are those that one finds by looking at the clocks of a zone minute by minute."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from mongojobs.schedules.times.cron import Cron
from mongojobs.schedules.times.expression import times_after
from mongojobs.schedules.times.zones import clock_changes

MINUTE = timedelta(minutes=1)
DAYS = 3
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


@settings(max_examples=250, deadline=None)
@given(text=EXPRESSIONS, name=st.sampled_from(ZONES), data=st.data())
def test_times_are_those_that_clocks_show(text, name, data):
    cron, zone = Cron(text), ZoneInfo(name)
    begin = data.draw(st.sampled_from(LOOKED_FROM[name]))

    due = list(takewhile(lambda one: one <= begin + timedelta(days=DAYS), times_after(cron, begin, zone)))

    assert due == looked_up(cron, begin, zone)
