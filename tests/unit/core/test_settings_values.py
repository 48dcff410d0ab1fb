"""Values of settings in each form they may have: from code, from environment variables, from a file."""

import logging
import math
import re
from datetime import timedelta

import pytest

from mongojobs.core.errors import SettingsError
from mongojobs.core.settings import Settings, explanation
from tests.support.command_line import ROOT

PACKAGE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mongojobs").rglob("*.py"))


class TestAGoodValue:
    @pytest.mark.parametrize(
        ("name", "given", "kept"),
        [
            ("max_attempts", "3", 3),
            ("min_priority", "-5", -5),
            ("min_priority", None, None),
            ("max_run_time", "90", timedelta(seconds=90)),
            ("max_run_time", "1.5h", timedelta(minutes=90)),
            ("shutdown_timeout", 0, timedelta(0)),
            ("retry_jitter", "0.25", 0.25),
            ("destroy_failed_jobs", "yes", True),
            ("destroy_failed_jobs", "OFF", False),
            ("quiet", "1", True),
            ("quiet", "false", False),
            ("delay_jobs", "false", False),
            ("queues", "mail, bulk,", ("mail", "bulk")),
            ("queues", ["mail", "bulk"], ("mail", "bulk")),
            ("queues", "", ()),
            ("queue_attributes", {"mail": {"priority": "10"}}, {"mail": {"priority": 10}}),
            ("queue_attributes", {"mail": {"max_size": "10"}}, {"mail": {"max_size": 10}}),
            ("switched_databases", "one, two", ("one", "two")),
            ("switched_collections", ["one"], ("one",)),
            ("write_concern", "majority", "majority"),
            ("write_concern", "2", 2),
            ("log_level", "DEBUG", "debug"),
            ("log_level", "Warn", "warning"),
            ("log_level", "fatal", "critical"),
            ("log_level", logging.ERROR, "error"),
            ("log_level", "20", "info"),
            ("log_format", "json", "json"),
            ("keep_completed", "7d", timedelta(days=7)),
            ("keep_completed", None, None),
            ("prefix", "billing ", "billing "),
            ("executor", "Process", "process"),
            ("max_jobs", "1000", 1000),
            ("max_memory", "400M", 400 * 2**20),
            ("max_memory", "1.5 GiB", 1536 * 2**20),
            ("max_memory", "524288kb", 512 * 2**20),
            ("max_memory", 2**20, 2**20),
            ("max_memory", None, None),
        ],
    )
    def test_is_kept_in_one_form(self, name, given, kept):
        assert getattr(Settings(**{name: given}), name) == kept

    @pytest.mark.behaviour("S105")
    def test_of_the_log_level_may_be_the_number_of_a_severity(self):
        levels = [Settings(log_level=number).log_level for number in range(6)]

        assert levels == ["debug", "info", "warning", "error", "critical", "critical"]

    @pytest.mark.parametrize("name", ["delay_jobs", "switched_databases", "switched_collections"])
    def test_may_be_a_function_that_decides(self, name):
        assert getattr(Settings(**{name: len}), name) is len


class TestABadValue:
    @pytest.mark.parametrize(
        ("name", "given", "message"),
        [
            ("retry_jitter", "much", "retry_jitter must be a number between 0 and 1, got 'much'"),
            ("retry_jitter", -0.1, "retry_jitter must be a number between 0 and 1, got -0.1"),
            ("delay_jobs", "sometimes", "delay_jobs must be true or false"),
            ("queues", 5, "queues must be names separated by commas, got 5"),
            ("queues", [5], "queues must be a printable text"),
            ("queues", [None], "queues must be a printable text of 1 to 256 characters"),
            ("queues", [""], "queues must be a printable text of 1 to 256 characters"),
            ("queues", [0], "queues must be a printable text"),
            ("queues", ["mail", ""], "queues must be a printable text"),
            ("queues", [b"mail"], "queues must be a printable text"),
            ("queues", {"mail"}, "queues must be names separated by commas"),
            ("queues", b"mail", "queues must be a printable text"),
            ("queues", ",", "queues must be names separated by commas, got ','"),
            ("queues", " , ", "queues must be names separated by commas"),
            ("imports", [""], "imports must not contain an empty module name"),
            ("imports", [None], "imports must be a list of module names"),
            ("switched_databases", [""], "switched_databases must be a list of non-empty names"),
            ("switched_databases", ",", "switched_databases must be a list of non-empty names"),
            ("switched_databases", None, "switched_databases must be a list of names"),
            ("switched_collections", [None], "switched_collections must be a list of names"),
            ("switched_collections", "a,,b", "switched_collections must be a list of non-empty names"),
            ("queue_attributes", {"": {"priority": 1}}, "queue_attributes must be a printable text"),
            ("queue_attributes", {None: {"priority": 1}}, "queue_attributes must be a printable text"),
            ("queue_attributes", {"mail": {None: 1}}, "queue_attributes knows only the attributes"),
            (
                "queue_attributes",
                {"mail": {"priority": True}},
                "queue_attributes must be a whole number, as it does not for 'mail'",
            ),
            ("switched_databases", 5, "switched_databases must be a list of names, or a function that says whether"),
            ("switched_collections", [5], "switched_collections must be a list of names"),
            ("queue_attributes", "mail", "queue_attributes must be a table such as"),
            (
                "queue_attributes",
                {"mail": 10},
                "queue_attributes knows only the attributes priority and max_size, got 10",
            ),
            ("queue_attributes", {"a,b": {"priority": 1}}, "queue_attributes must not begin with"),
            ("queue_attributes", {"mail": {"priority": "high"}}, "queue_attributes must be a whole number"),
            ("queue_attributes", {"mail": {"max_size": 0}}, "queue_attributes must be between 1 and"),
            ("max_payload_bytes", 2**24, "max_payload_bytes must be between 1 and 6291456"),
            ("max_result_bytes", 2**24, "max_result_bytes must be between 1 and 4194304"),
            ("write_concern", None, 'write_concern must be "majority" or a number of nodes'),
            ("write_concern", math.inf, 'write_concern must be "majority" or a number of nodes'),
            ("write_concern", 1.5, 'write_concern must be "majority" or a number of nodes'),
            ("write_concern", True, 'write_concern must be "majority" or a number of nodes'),
            ("write_concern", -1, "write_concern must be 1 or more"),
            ("log_level", "loud", "log_level must be one of debug, info, warning, error, critical, or its number"),
            ("log_level", 25, "log_level must be one of debug, info, warning, error, critical, or its number"),
            ("log_level", -1, "10 to 50, or 0 to 5 as in delayed_job, got -1"),
            ("log_level", True, "log_level must be one of"),
            ("keep_completed", 0, "keep_completed must be more than 0"),
            ("name", "", "name must be a non-empty text"),
            ("db_alias", None, "db_alias must be a non-empty text, got None"),
            ("max_attempts", None, "max_attempts must be a whole number, got None"),
            ("max_attempts", 2.5, "max_attempts must be a whole number, got 2.5"),
        ],
    )
    def test_is_refused_by_name_and_with_what_is_allowed(self, name, given, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**{name: given})

        assert caught.value.setting == name


class TestEverySetting:
    @pytest.mark.parametrize("name", Settings.__dataclass_fields__)
    def test_is_explained_in_a_line(self, name):
        text = explanation(name)

        assert 5 < len(text) < 120
        assert not text.endswith(".")

    @pytest.mark.parametrize("name", Settings.__dataclass_fields__)
    def test_is_asked_for_somewhere(self, name):
        assert re.search(rf"settings\.{name}\b|setting=\"{name}\"", PACKAGE)

    def test_cannot_be_changed_in_place(self):
        with pytest.raises(AttributeError):
            Settings().threads = 2


async def _awaited(*_arguments):
    return True


class TestAFunction:
    @pytest.mark.parametrize(
        "name", ["delay_jobs", "on_failure", "redact", "switched_databases", "switched_collections"]
    )
    def test_that_nobody_would_await_is_refused(self, name):
        with pytest.raises(SettingsError, match=rf"{name} must be a plain function, since nothing awaits it"):
            Settings(**{name: _awaited})
