import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson import ObjectId

from mongojobs.core.errors import OptionError
from mongojobs.enqueuing.options import NO_OPTIONS, OPTIONS, EnqueueOptions, Options

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
YEARS = 366 * 86400
BAD_VALUES = [
    ("expires_at", "tomorrow", "expires_at must be a datetime with a time zone, got 'tomorrow'"),
    ("expires_in", 0, "expires_in must be more than 0, got 0"),
    ("keep_result", 0, "keep_result must be more than 0, got 0"),
    ("keep_log", 100, "keep_log must be between 4k and 16m, got 100"),
    ("keep_log", "much", "keep_log must be a size such as 64k, 400M or 1G, got 'much'"),
    ("keep_log", True, "keep_log must be a size such as 64k, 400M or 1G, got True"),
    ("queue", "", "queue must be a printable text of 1 to 256 characters, got ''"),
    ("queue", 5, "queue must be a printable text of 1 to 256 characters, got 5"),
    ("queue", "a\nb", "queue must be a printable text"),
    ("queue", "x" * 257, "queue must be a printable text"),
    ("queue", "a,b", "queue must not begin with \\$, contain a comma, or begin or end with a space"),
    ("queue", "$where", "queue must not begin with"),
    ("queue", " mail", "queue must not begin with"),
    ("priority", "5", "priority must be a whole number between -2147483648 and 2147483647, got '5'"),
    ("priority", 1.0, "priority must be a whole number"),
    ("priority", True, "priority must be a whole number"),
    ("priority", 2**31, "priority must be a whole number"),
    ("priority", -(2**31) - 1, "priority must be a whole number"),
    ("run_at", "tomorrow", "run_at must be a datetime with a time zone, got 'tomorrow'"),
    ("run_at", MOMENT.date(), "run_at must be a datetime with a time zone"),
    ("run_at", datetime(2030, 1, 1), "run_at must have a time zone, as datetime.now\\(UTC\\) has, got"),  # noqa: DTZ001 - what it is about
    ("run_in", -1, "run_in must be 0 or more, got -1"),
    ("run_in", timedelta(days=-1), "run_in must be 0 or more"),
    ("run_in", 101 * YEARS, "run_in must be a duration of at most 100 years"),
    ("run_in", 1e300, "run_in must be a duration of at most 100 years"),
    ("run_in", math.nan, "run_in must be a duration of at most 100 years, got nan"),
    ("run_in", math.inf, "run_in must be a duration of at most 100 years, got inf"),
    ("max_run_time", math.inf, "max_run_time must be a duration of at most 100 years, got inf"),
    ("max_run_time", math.nan, "max_run_time must be a duration of at most 100 years, got nan"),
    ("max_run_time", "999999999999d", "max_run_time must be a duration of at most 100 years"),
    ("run_in", "-60", "run_in must be a duration such as 90, 90s, 15m, 2h or 7d"),
    ("run_in", True, "run_in must be a duration such as 90, 90s, 15m, 2h or 7d"),
    ("max_attempts", 0, "max_attempts must be a whole number of 1 or more, got 0"),
    ("max_attempts", True, "max_attempts must be a whole number of 1 or more"),
    ("max_attempts", 2.0, "max_attempts must be a whole number of 1 or more"),
    ("max_run_time", 0, "max_run_time must be more than 0, got 0"),
    ("max_run_time", -1, "max_run_time must be more than 0"),
    ("max_run_time", "soon", "max_run_time must be a duration such as 90, 90s, 15m, 2h or 7d"),
    ("tags", "a", "tags must be a list of texts, got 'a'"),
    ("tags", {"a"}, "tags must be a list of texts"),
    ("tags", [1], "tags must be texts of 1 to 256 characters"),
    ("tags", [""], "tags must be texts of 1 to 256 characters"),
    ("meta", [("a", 1)], "meta must be a dict"),
    ("session", object(), "session must be a PyMongo ClientSession"),
    ("job_id", 1.5, "job_id must be an ObjectId, a 64-bit int or a printable text of 1 to 256 characters"),
    ("job_id", "", "job_id must be an ObjectId"),
    ("job_id", True, "job_id must be an ObjectId"),
    ("job_id", 2**63, "job_id must be an ObjectId"),
    ("unique", "", "unique must be True, False, the name of an argument, a tuple of names, or a function of them"),
    ("unique", 1, "unique must be True, False,"),
    ("unique", (), "unique must be True, False,"),
    ("unique", ("a", 1), "unique must be True, False,"),
    ("unique", dict, "unique must be True, False,"),
    ("unique_key", 1.5, "unique_key must be an ObjectId, a 64-bit int or a printable text of 1 to 256 characters"),
    ("across", "", "across must be a printable text of 1 to 256 characters, got ''"),
    ("across", 5, "across must be a printable text"),
    ("on_duplicate", "drop", "on_duplicate must be return, raise, replace or rerun, got 'drop'"),
    ("keep", "first", "keep must be earlier, later or last, got 'first'"),
    ("unique_until", "success", "unique_until must be end or start, got 'success'"),
    ("unique_for", 0, "unique_for must be more than 0, got 0"),
    ("debounce", -1, "debounce must be more than 0"),
    ("max_wait", "soon", "max_wait must be a duration such as"),
    ("throttle", "10m", "throttle must be a rate such as 1/10m, got '10m'"),
    ("throttle", 600, "throttle must be a rate such as 1/10m"),
    ("throttle", "5/10m", "throttle must be 1 per period, such as 1/10m: a key cannot count more than one"),
    ("throttle", "1/soon", "throttle must be a duration such as"),
    ("throttle", "1/0", "throttle must be more than 0"),
]


class TestAnUnknownOption:
    def test_is_refused_with_the_nearest_and_with_all(self):
        with pytest.raises(OptionError, match=r"unknown option 'queu', did you mean queue\? The options are queue,"):
            Options.of({"queu": "mail"})

    def test_like_no_other_is_refused_with_all(self):
        with pytest.raises(OptionError, match=r"unknown option 'zzz'\. The options are queue,"):
            Options.of({"zzz": 1})

    @pytest.mark.parametrize("name", ["attempts", "locked_by", "failed_at", "unique_digest", "zzz", ""])
    def test_is_every_other_field_of_a_job(self, name):
        with pytest.raises(OptionError, match=f"unknown option '{name}'"):
            Options.of({name: 1})


class TestABadValue:
    @pytest.mark.parametrize(("option", "value", "message"), BAD_VALUES)
    def test_is_refused_with_what_is_allowed(self, option, value, message):
        with pytest.raises(OptionError, match=message):
            Options.of({option: value})

    def test_is_cut_in_the_message(self):
        with pytest.raises(OptionError) as caught:
            Options.of({"queue": "x" * 100_000})

        assert len(str(caught.value)) < 400

    def test_is_two_times_of_expiry_for_one_job(self):
        with pytest.raises(OptionError, match="give expires_at or expires_in, not both"):
            Options.of({"expires_at": datetime(2030, 1, 1, tzinfo=UTC), "expires_in": 5})

    def test_is_two_times_for_one_job(self):
        with pytest.raises(OptionError, match="give run_at or run_in, not both"):
            Options.of({"run_at": MOMENT, "run_in": 60})

    def test_is_two_times_for_one_job_one_after_the_other(self):
        with pytest.raises(OptionError, match="give run_at or run_in, not both"):
            Options.of({"run_at": MOMENT}).with_changes({"run_in": 60})


class TestAGoodValue:
    @pytest.mark.parametrize(
        ("option", "value", "kept"),
        [
            ("queue", "mail.high priority", "mail.high priority"),
            ("priority", -5, -5),
            ("priority", 0, 0),
            ("run_at", MOMENT, MOMENT),
            ("run_at", datetime(2030, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))), MOMENT),
            ("run_at", MOMENT.replace(microsecond=1999), MOMENT.replace(microsecond=1000)),
            ("run_in", 0, timedelta(0)),
            ("run_in", 1.5, timedelta(seconds=1.5)),
            ("run_in", "5m", timedelta(minutes=5)),
            ("run_in", timedelta(days=1), timedelta(days=1)),
            ("max_attempts", 1, 1),
            ("max_run_time", 90, timedelta(seconds=90)),
            ("max_run_time", timedelta(days=2), timedelta(days=2)),
            ("tags", ["a", "b"], ("a", "b")),
            ("tags", (), ()),
            ("meta", {"a": 1}, {"a": 1}),
            ("job_id", "order-17", "order-17"),
            ("job_id", 0, 0),
            ("unique", True, True),
            ("unique", False, False),
            ("unique", "a", ("a",)),
            ("unique", ["a", "b"], ("a", "b")),
            ("unique", len, len),
            ("unique_key", 7, 7),
            ("throttle", "1/10m", "1/10m"),
            ("throttle", " 1 / 90", " 1 / 90"),
            ("debounce", "5s", timedelta(seconds=5)),
            ("job_id", ObjectId("6b04226956421155392d5492"), ObjectId("6b04226956421155392d5492")),
        ],
    )
    def test_is_kept(self, option, value, kept):
        options = Options.of({option: value})

        assert getattr(options, option) == kept

    @pytest.mark.parametrize("option", list(EnqueueOptions.__annotations__))
    def test_of_none_leaves_the_option_alone(self, option):
        assert Options.of({option: None}) == NO_OPTIONS


class TestChanges:
    def test_are_laid_over_what_was_given_before(self):
        options = Options.of({"queue": "mail", "priority": 1}).with_changes({"priority": 2, "tags": ["a"]})

        assert (options.queue, options.priority, options.tags) == ("mail", 2, ("a",))

    def test_leave_the_options_before_as_they_were(self):
        before = Options.of({"queue": "mail"})

        before.with_changes({"queue": "bulk"})

        assert before.queue == "mail"


def test_the_type_for_the_checker_has_the_same_options():
    assert set(EnqueueOptions.__annotations__) == set(Options.__dataclass_fields__)


@pytest.mark.parametrize("option", list(OPTIONS))
def test_every_option_refuses_something(option):
    assert option in {name for name, _, _ in BAD_VALUES}
