import math
import re
from datetime import timedelta
from pathlib import Path

import pytest

import mongojobs
from mongojobs.core.errors import SettingsError
from mongojobs.core.settings import Settings, environment_names, resolve, unknown_variables


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"max_attempts": 0}, "max_attempts must be 1 or more, got 0"),
            ({"max_attempts": True}, "max_attempts must be a whole number, got True"),
            ({"threads": "many"}, "threads must be a whole number, got 'many'"),
            ({"read_ahead": -1}, "read_ahead must be between 0 and 10000, got -1"),
            ({"min_priority": 2**31}, "min_priority must be between -2147483648 and 2147483647, got 2147483648"),
            ({"lease": math.inf}, "lease must be a duration of at most 100 years, got inf"),
            ({"max_run_time": math.nan}, "max_run_time must be a duration of at most 100 years, got nan"),
            ({"keep_completed": 1e20}, "keep_completed must be a duration of at most 100 years, got 1e\\+20"),
            ({"shutdown_timeout": "999999999999d"}, "shutdown_timeout must be a duration of at most 100 years"),
            ({"sleep_delay": "soon"}, "sleep_delay must be a duration such as 90, 90s, 15m, 2h or 7d, got 'soon'"),
            ({"sleep_delay": 0}, "sleep_delay must be more than 0, got 0"),
            ({"shutdown_timeout": -1}, "shutdown_timeout must be 0 or more, got -1"),
            ({"destroy_failed_jobs": "perhaps"}, "destroy_failed_jobs must be true or false, got 'perhaps'"),
            ({"retry_jitter": 2}, "retry_jitter must be a number between 0 and 1, got 2"),
            ({"log_format": "xml"}, "log_format must be one of auto, text, logfmt, json, got 'xml'"),
            ({"collection": " "}, "collection must be a non-empty text, got ' '"),
            ({"write_concern": 0}, "write_concern must be 1 or more: with 0 the database would not even say"),
            ({"write_concern": "all"}, 'write_concern must be "majority" or a number of nodes'),
            ({"queues": ["$where"]}, "queues must not begin with \\$"),
            ({"queues": ["a,b"]}, "queues must not begin with \\$, contain a comma"),
            ({"default_queue_name": ""}, "default_queue_name must be a printable text of 1 to 256 characters"),
            (
                {"queue_attributes": {"mail": {"limit": 1}}},
                "queue_attributes knows only the attributes priority and max_size",
            ),
            ({"heartbeat": 31}, "heartbeat must be at most half the lease"),
            ({"min_priority": 5, "max_priority": 4}, "min_priority must not be above max_priority"),
            ({"max_attemps": 3}, "unknown setting 'max_attemps'"),
        ],
    )
    def test_refuse_a_bad_value_by_name(self, values, message):
        with pytest.raises(SettingsError, match=message):
            Settings().changed(**values)

    def test_take_durations_as_people_write_them(self):
        settings = Settings().changed(max_run_time="15m", sleep_delay=0.5, lease=timedelta(minutes=2))

        assert settings.max_run_time == timedelta(minutes=15)
        assert settings.sleep_delay == timedelta(seconds=0.5)
        assert settings.lease == timedelta(seconds=120)

    def test_never_show_the_uri(self):
        settings = Settings(uri="mongodb://ada:secret@host/app")

        assert "secret" not in repr(settings)

    def test_do_not_show_a_bad_uri_in_the_error(self):
        with pytest.raises(SettingsError, match="got a URI") as caught:
            Settings(uri=b"mongodb://ada:secret@host")

        assert "secret" not in str(caught.value)


class TestResolve:
    def test_lets_flags_win_over_the_environment_over_the_file_over_the_code(self):
        resolved = resolve(
            configured=Settings(threads=2, max_attempts=2, read_ahead=2, lease="2m"),
            file={"threads": 3, "max-attempts": 3, "read_ahead": 3},
            environ={"MONGOJOBS_THREADS": "4", "MONGOJOBS_MAX_ATTEMPTS": "4"},
            flags={"threads": 5},
        )

        settings, origins = resolved.settings, resolved.origins
        assert (settings.threads, origins["threads"]) == (5, "flag")
        assert (settings.max_attempts, origins["max_attempts"]) == (4, "MONGOJOBS_MAX_ATTEMPTS")
        assert (settings.read_ahead, origins["read_ahead"]) == (3, "pyproject.toml")
        assert (settings.lease, origins["lease"]) == (timedelta(minutes=2), "configure()")
        assert origins["heartbeat"] == "default"

    @pytest.mark.behaviour("X24")
    def test_leaves_alone_what_a_silent_environment_does_not_name(self):
        resolved = resolve(configured=Settings(queues=("mail",), min_priority=3), environ={"QUEUES": ""})

        assert resolved.settings.queues == ("mail",)
        assert resolved.settings.min_priority == 3

    @pytest.mark.parametrize(
        ("variable", "text", "name", "value"),
        [
            ("QUEUES", "high, low", "queues", ("high", "low")),
            ("QUEUE", "mail", "queues", ("mail",)),
            ("MIN_PRIORITY", "-3", "min_priority", -3),
            ("MAX_PRIORITY", "7", "max_priority", 7),
            ("SLEEP_DELAY", "2", "sleep_delay", timedelta(seconds=2)),
            ("READ_AHEAD", "9", "read_ahead", 9),
            ("QUIET", "1", "quiet", True),
        ],
    )
    def test_honours_the_bare_variables_of_delayed_job(self, variable, text, name, value):
        resolved = resolve(configured=Settings(), environ={variable: text})

        assert getattr(resolved.settings, name) == value
        assert resolved.origins[name] == variable

    def test_prefers_our_variable_to_the_bare_ones_and_queues_to_queue(self):
        assert environment_names("queues") == ("MONGOJOBS_QUEUES", "QUEUES", "QUEUE")

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ({"file": {"thrads": 3}}, "unknown setting 'thrads': did you mean threads\\? The settings are uri"),
            ({"file": {"max-attempt": 3}}, "unknown setting 'max_attempt': did you mean max_attempts"),
            ({"flags": {"zzz": 3}}, "unknown setting 'zzz': the settings are uri"),
        ],
    )
    def test_refuses_unknown_names_with_the_nearest_one(self, source, message):
        with pytest.raises(SettingsError, match=message):
            resolve(configured=Settings(), **source)

    @pytest.mark.parametrize(
        ("variable", "message"),
        [
            ("MONGOJOBS_THRADS", "MONGOJOBS_THRADS is unknown and has no effect: did you mean MONGOJOBS_THREADS\\?"),
            ("MONGOJOBS_QUEUE", "did you mean MONGOJOBS_QUEUES\\?"),
            ("MONGOJOBS_WEB_PASWORD", "did you mean MONGOJOBS_WEB_PASSWORD\\?"),
            ("MONGOJOBS_XYZ", r"MONGOJOBS_XYZ is unknown and has no effect\.$"),
        ],
    )
    def test_warns_of_unknown_variables_with_the_nearest_one(self, variable, message):
        with pytest.warns(UserWarning, match=message):
            resolve(configured=Settings(), environ={variable: "3"})

    def test_leaves_the_variables_of_others_alone(self):
        resolve(configured=Settings(), environ={"QUEUE_NAMES": "3", "MONGODB_POOL": "3", "MONGOJOBS_TEST_URI": "x"})

    def test_knows_all_variables_that_the_package_names(self):
        files = Path(mongojobs.__file__).parent.rglob("*.py")
        named = {name for file in files for name in re.findall(r"\bMONGOJOBS_[A-Z_]*[A-Z]\b", file.read_text())}

        assert unknown_variables(dict.fromkeys(named, "")) == []
        assert "MONGOJOBS_WEB_HOST" in named

    def test_names_the_origin_of_a_bad_value(self):
        with pytest.raises(SettingsError, match=r"threads must be a whole number, got 'x' \(from MONGOJOBS_THREADS\)"):
            resolve(configured=Settings(), environ={"MONGOJOBS_THREADS": "x"})

    def test_looks_at_settings_that_belong_together_only_when_all_are_known(self):
        resolved = resolve(configured=Settings(), environ={"MONGOJOBS_LEASE": "3s", "MONGOJOBS_HEARTBEAT": "1s"})

        assert resolved.settings.lease == timedelta(seconds=3)
