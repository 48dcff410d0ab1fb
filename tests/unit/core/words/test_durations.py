import math
from datetime import timedelta

import pytest

from mongojobs.core.words.durations import LONGEST_DURATION, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800), ("250ms", 0.25), (" 1.5 h ", 5400), (3, 3)],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-3", "1y", "1h30m", None, True, []])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(ValueError, match="must be a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [(timedelta(hours=4), "4h"), (timedelta(seconds=90), "90s"), (timedelta(days=7), "7d"), (timedelta(0), "0s")],
)
def test_durations_are_shown_in_their_largest_whole_unit(duration, text):
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, math.nan, 1e20, -1e20, 10**400, "999999999999d", "9" * 400, timedelta.max, timedelta.min],
    ids=repr,
)
def test_what_leads_out_of_the_calendar_is_refused(value):
    with pytest.raises(ValueError, match="must be a duration of at most 100 years"):
        parse_duration(value)


def test_a_hundred_years_are_a_duration():
    assert parse_duration(LONGEST_DURATION) == parse_duration("36600d") == LONGEST_DURATION
