"""How `mongojobs config` shows the values of settings."""

import json

import pytest

import mongojobs
from mongojobs.app.dashboard import shown_setting
from mongojobs.cli.main import mongojobs as command_line
from mongojobs.core.settings import Settings
from tests.support.command_line import runner


def decides(name):
    return True


class TestAShownSetting:
    @pytest.mark.parametrize(
        ("name", "value", "shown"),
        [
            ("uri", "mongodb://user:secret@host/jobs?tls=true", "mongodb://host/jobs"),
            ("uri", None, "-"),
            ("lease", 120, "2m"),
            ("queues", "mail, bulk", "mail,bulk"),
            ("queues", (), "-"),
            ("quiet", True, "true"),
            ("max_attempts", 3, "3"),
            (
                "queue_attributes",
                {"mail": {"priority": 5}, "bulk": {"priority": 9}},
                "mail: priority 5, bulk: priority 9",
            ),
            ("queue_attributes", {}, "-"),
            ("switched_databases", decides, "decides"),
        ],
    )
    def test_is_what_a_person_would_write(self, name, value, shown):
        assert shown_setting(Settings(**{name: value}), name) == shown


class TestConfig:
    ENVIRON = {"MONGOJOBS_URI": "mongodb://user:secret@127.0.0.1:1/jobs", "MONGOJOBS_APP": "", "MONGOJOBS_LEASE": "120"}

    @pytest.fixture(autouse=True)
    def _default_app_afterwards(self):
        yield
        mongojobs.default_app().close()
        mongojobs.configure()

    def test_shows_each_value_and_where_it_comes_from(self):
        shown = runner().invoke(command_line, ["config", "--collection", "others"], env=self.ENVIRON)

        lines = [line.split() for line in shown.stdout.splitlines()]
        assert ["collection", "others", "flag"] in lines
        assert ["lease", "2m", "MONGOJOBS_LEASE"] in lines
        assert ["threads", "1", "default"] in lines
        assert ["Jobs:", "others", "in", "mongodb://127.0.0.1:1/jobs", "(from", "MONGOJOBS_URI)"] in lines
        assert "secret" not in shown.output

    def test_shows_them_to_machines(self):
        shown = runner().invoke(command_line, ["config", "--json"], env=self.ENVIRON)

        settings = json.loads(shown.stdout)["settings"]
        assert settings["threads"] == {"value": 1, "from": "default"}
        assert settings["uri"] == {"value": "mongodb://127.0.0.1:1/jobs", "from": "MONGOJOBS_URI"}
