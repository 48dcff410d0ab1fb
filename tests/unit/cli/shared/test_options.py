import click
import pytest
from click.testing import CliRunner

from mongojobs.cli.main import COMMANDS, mongojobs
from mongojobs.cli.shared.global_options import GLOBAL_SETTINGS, GlobalOptions
from mongojobs.cli.shared.options import global_options
from mongojobs.cli.work.options import WORK_SETTINGS
from mongojobs.core.settings import Settings, environment_names, explanation

WITHOUT_FLAG = {
    *("db_alias", "write_concern", "enqueue_timeout", "imports", "delay_jobs", "default_queue_name"),
    *("default_priority", "queue_attributes", "max_payload_bytes", "switched_databases", "switched_collections"),
    *("max_losses", "max_releases", "undeclared_for", "retry_jitter", "destroy_failed_jobs", "keep_completed"),
    *("job_id_retention", "stats_retention", "log_retention", "boot_timeout", "timeout_grace", "redact"),
    "on_failure",
}
"""Settings that all programs of an app should share, or that no flag can say."""


def help_of(*command: str) -> str:
    """Return the help in one line, so that it does not matter where it was broken."""
    shown = CliRunner().invoke(mongojobs, [*command, "--help"])
    assert shown.exit_code == 0
    return " ".join(shown.output.split())


class TestHelp:
    @pytest.mark.parametrize("name", GLOBAL_SETTINGS)
    def test_says_of_settings_what_the_settings_say(self, name):
        assert GLOBAL_SETTINGS[name][1] == explanation(name)

    @pytest.mark.parametrize("option", [option for option in global_options() if option.name != "help"], ids=str)
    def test_names_the_variable_of_each_option_of_all_commands(self, option):
        variable = f"MONGOJOBS_{option.name.upper()}"

        assert f"[{variable}]" in help_of()

    @pytest.mark.parametrize("name", WORK_SETTINGS)
    def test_names_the_variables_of_each_setting(self, name):
        assert ", ".join(environment_names(name)) in help_of("work")

    def test_of_a_worker_has_a_flag_for_every_setting_but_those_of_the_app(self):
        flags = {*WORK_SETTINGS, *GLOBAL_SETTINGS, "exit_on_complete"}

        assert set(Settings.__dataclass_fields__) - flags == WITHOUT_FLAG

    @pytest.mark.parametrize("flag", ["POOL", "LOG_DIR", "FAIL_ON_ERROR"])
    def test_names_the_variables_of_flags_that_are_no_settings(self, flag):
        assert f"[MONGOJOBS_{flag}]" in help_of("workoff")

    @pytest.mark.parametrize("group", [(), ("jobs",), ("queues",), ("workers",), ("daemon",)])
    def test_lists_commands_with_whole_sentences(self, group):
        assert "..." not in help_of(*group).partition("Commands:")[2]

    def test_shows_all_commands_and_no_alias(self):
        shown = help_of()

        assert all(name in shown for name in COMMANDS)
        assert "jobs:work" not in shown
        assert "child" not in shown

    def test_names_what_a_size_and_an_executor_may_be(self):
        shown = help_of("work")

        assert "--max-memory SIZE" in shown
        assert "--executor thread|process" in shown

    @pytest.mark.parametrize("alias", ["jobs:work", "jobs:workoff", "jobs:check", "jobs:clear"])
    def test_exists_for_the_names_of_the_rake_tasks(self, alias):
        assert help_of(alias) == help_of(alias.removeprefix("jobs:")).replace("mongojobs ", "mongojobs jobs:", 1)

    @pytest.mark.skipif(not hasattr(click.exceptions, "NoSuchCommand"), reason="this click suggests nothing")
    def test_suggests_the_command_that_was_meant(self):
        shown = CliRunner().invoke(mongojobs, ["statsu"])

        assert shown.exit_code == 2
        assert "status" in shown.output


class TestGlobalOptions:
    def test_after_the_command_win(self):
        before = GlobalOptions(app="a", settings={"database": "x", "collection": "c"})
        nothing = {option.name: None for option in global_options()}

        told = before.but(nothing | {"app": "b", "database": "y", "imports": ()})

        assert (told.app, told.settings) == ("b", {"database": "y", "collection": "c"})

    @pytest.mark.parametrize(("color", "colors"), [("always", True), ("never", False), ("auto", None)])
    def test_decide_about_colours(self, monkeypatch, color, colors):
        monkeypatch.delenv("NO_COLOR", raising=False)

        assert GlobalOptions(color=color, settings={}).colors is colors

    def test_honour_no_color(self, monkeypatch):
        monkeypatch.setenv("NO_COLOR", "1")

        assert GlobalOptions(settings={}).colors is False
        assert GlobalOptions(color="always", settings={}).colors is True


def test_each_command_is_a_command():
    context = click.Context(mongojobs)

    assert all(isinstance(mongojobs.get_command(context, name), click.Command) for name in COMMANDS)
