from datetime import UTC, datetime, timedelta

import pytest

from mongojobs import ScheduleError
from mongojobs.schedules.times.explain import in_words
from mongojobs.schedules.times.expression import next_times, parse_times
from mongojobs.schedules.times.notes import notes
from mongojobs.schedules.times.zones import zone_called

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
WINTER = zone_called("UTC")
ATHENS = zone_called("Europe/Athens")


def written(text):
    return parse_times(text).text


class TestWords:
    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            ("every 15 minutes", "15m"),
            ("2 hours", "2h"),
            ("every minute", "* * * * *"),
            ("hour", "0 * * * *"),
            ("every hour at :15", "15 * * * *"),
            ("day at 9:00", "0 9 * * *"),
            ("Every Weekday at 09:05 and 17:05", "5 9,17 * * mon-fri"),
            ("weekend at noon", "0 12 * * sat,sun"),
            ("mondays, wednesdays and fridays at midnight", "0 0 * * mon,wed,fri"),
            ("1st and 15th of the month at 6:30", "30 6 1,15 * *"),
            ("the last day of the month at 2:00", "0 2 L * *"),
            ("first monday of the month at 9:00", "0 9 * * mon#1"),
            ("last friday of every month at 17:00", "0 17 * * 5L"),
            ("last sunday of the month at 17:00", "0 17 * * 0L"),
        ],
    )
    def test_mean_one_expression(self, words, meant):
        assert written(words) == meant

    def test_that_would_take_two_are_refused_with_both(self):
        with pytest.raises(ScheduleError, match=r"take 2 cron expressions, '0 9 \* \* mon' and '30 17 \* \* mon'"):
            parse_times("monday at 9:00 and 17:30")

    @pytest.mark.parametrize(
        "text", ["day and monday at 9:00", "someday at 9:00", "monday at 25:00", "monday", "soon", ""]
    )
    def test_that_are_none_are_told_what_can_be_written(self, text):
        with pytest.raises(ScheduleError, match="is not a schedule: write cron such as '0 9"):
            parse_times(text)


class TestAnExpression:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("61 * * * *", "not a cron expression: bad minute"),
            ("0 0 * * * *", "five fields .* for seconds, write an interval such as 30s"),
            ("0 0 30 2 *", "not a cron expression: bad day-of-month"),
            ("0 0 31 4 mon#6", "bad day-of-week"),
            ("@reboot", "@reboot is not a time: call the job where the program starts"),
            ("@dayly", "unknown nickname '@dayly': use one of @yearly"),
            ("0.5s", "whole seconds, at least 1s"),
            ("400d", "at most 366d, got 400d"),
            (15, "must be a text such as '0 9"),
        ],
    )
    def test_that_cannot_be_is_refused_with_the_remedy(self, text, told):
        with pytest.raises(ScheduleError, match=told):
            parse_times(text)

    def test_may_be_a_duration(self):
        assert written(timedelta(minutes=90)) == "90m"

    def test_of_a_day_that_few_months_have_is_due_when_one_has_it(self):
        due = next_times(parse_times("0 0 29 2 *"), NEW_YEAR, WINTER, number=2)

        assert [one.date().isoformat() for one in due] == ["2028-02-29", "2032-02-29"]

    def test_of_the_end_of_the_month_is_due_at_its_last_day(self):
        due = next_times(parse_times("0 2 L * *"), NEW_YEAR, WINTER, number=3)

        assert [one.date().isoformat() for one in due] == ["2027-01-31", "2027-02-28", "2027-03-31"]

    def test_with_date_and_weekday_is_due_on_either(self):
        due = next_times(parse_times("0 0 13 * fri"), datetime(2027, 1, 7, tzinfo=UTC), WINTER, number=3)

        assert [one.day for one in due] == [8, 13, 15]

    def test_is_due_once_in_a_gap_for_all_times_in_it(self):
        due = next_times(parse_times("15,30,45 3 * * *"), datetime(2027, 3, 28, tzinfo=UTC), ATHENS, number=2)

        assert [f"{one.astimezone(ATHENS):%d %H:%M}" for one in due] == ["28 04:00", "29 03:15"]


class TestAnInterval:
    def test_is_counted_from_the_epoch_whenever_one_looks(self):
        looks = [
            NEW_YEAR + timedelta(minutes=minutes, seconds=seconds) for minutes, seconds in [(0, 1), (7, 0), (14, 59)]
        ]

        assert {parse_times("15m").after(look, ATHENS) for look in looks} == {NEW_YEAR + timedelta(minutes=15)}

    def test_is_not_due_at_the_moment_itself(self):
        assert parse_times("15m").after(NEW_YEAR, WINTER) == NEW_YEAR + timedelta(minutes=15)


class TestAZone:
    def test_may_be_given_as_such(self):
        assert zone_called(ATHENS).key == "Europe/Athens"

    @pytest.mark.parametrize("name", ["Europe/Athen", "europe/../athens", "/etc/passwd"])
    def test_that_is_none_is_named(self, name):
        with pytest.raises(ScheduleError, match="tz must be the name of a time zone, got"):
            zone_called(name)

    @pytest.mark.parametrize("value", [5, ["Europe/Athens"], {}])
    def test_must_be_a_name(self, value):
        with pytest.raises(ScheduleError, match="tz must be the name of a time zone, such as Europe/Athens, got"):
            zone_called(value)

    def test_that_is_misspelled_is_suggested(self):
        with pytest.raises(ScheduleError, match=r"did you mean Europe/Athens\?"):
            zone_called("Europe/Athen")


class TestExplaining:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("0 9 * * mon-fri", "At 09:00 on Monday through Friday"),
            ("0 9 1 * mon", "At 09:00 on the first day of month or on Monday"),
            ("0 0 31 * *", "At 00:00 on the 31st day of every month"),
            ("0 0 11 * *", "At 00:00 on the 11th day of every month"),
            ("0 0 22 * *", "At 00:00 on the 22nd day of every month"),
            ("@daily", "At 00:00 every day"),
            ("15m", "Every 15 minutes"),
            ("1h", "Every hour"),
            ("90m", "Every 90 minutes"),
            ("36h", "Every 36 hours"),
        ],
    )
    def test_says_when(self, text, words):
        assert in_words(parse_times(text)) == words


class TestNotes:
    def test_name_the_day_that_is_left_out_as_clocks_are_set(self):
        [note] = notes(parse_times("*/30 3 * * *"), ATHENS, now=NEW_YEAR)

        assert note.startswith("it is not due on 2027-03-28, when the clocks of Europe/Athens are set forward")

    @pytest.mark.parametrize("text", ["30 3 * * *", "0,30 3 * * *", "0 * * * *", "*/30 3 * * mon-sat", "1h"])
    def test_are_not_made_of_what_is_due_or_was_not_to_be(self, text):
        assert notes(parse_times(text), ATHENS, now=NEW_YEAR) == []

    def test_count_the_months_without_such_a_day(self):
        [note] = notes(parse_times("0 0 31 * *"), WINTER, now=NEW_YEAR)

        assert note.startswith("it is not due in the 5 months of the year without such a day")
