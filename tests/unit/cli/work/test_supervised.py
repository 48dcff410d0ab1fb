import click
import pytest

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.work.options import Pool, PoolType, WorkOptions
from mongojobs.cli.work.own_command import child_commands

TOLD = GlobalOptions(app="shop.jobs", settings={"uri": "mongodb://u:secret@h/db", "database": "other"})


def pool(text: str) -> Pool:
    return PoolType().convert(text, None, None)


class TestPool:
    @pytest.mark.behaviour("S166")
    def test_is_a_queue_list_and_a_count(self):
        assert pool("mail,sms:2") == Pool("mail,sms", 2)

    @pytest.mark.behaviour("S167")
    @pytest.mark.parametrize("text", ["*:4", ":4"])
    def test_with_a_star_or_nothing_is_for_all_queues(self, text):
        assert pool(text) == Pool("", 4)

    @pytest.mark.behaviour("S168")
    @pytest.mark.parametrize(("text", "queues"), [("mail", "mail"), ("*", "")])
    def test_without_a_count_is_of_one_process(self, text, queues):
        assert pool(text) == Pool(queues, 1)

    @pytest.mark.parametrize("text", ["mail:0", "mail:many", "mail:", "mail:-1"])
    def test_with_another_count_is_refused(self, text):
        with pytest.raises(click.BadParameter, match="count of 1 or more"):
            pool(text)


class TestChildCommands:
    @pytest.mark.behaviour("S169")
    def test_are_numbered_across_pools_in_order(self):
        options = WorkOptions("work", flags={}, pools=(Pool("mail", 2), Pool("", 1)))

        commands = child_commands(TOLD, options, processes=7)

        assert [list(command.arguments[-3:]) for command in commands] == [
            ["--processes=1", "--number=0", "--queues=mail"],
            ["--processes=1", "--number=1", "--queues=mail"],
            ["--processes=1", "--number=2", "--queues="],
        ]

    def test_carry_all_flags_but_those_of_the_supervisor(self):
        flags = {"threads": "4", "sleep_delay": "1m", "quiet": False, "processes": "2"}

        [command, _] = child_commands(TOLD, WorkOptions("work", flags=flags), processes=2)

        assert list(command.arguments[2:]) == [
            *("-m", "mongojobs", "--app=shop.jobs", "--database=other", "work"),
            *("--threads=4", "--sleep-delay=1m", "--no-quiet", "--processes=1", "--number=0"),
        ]

    def test_carry_the_uri_in_the_environment_only(self):
        [command] = child_commands(TOLD, WorkOptions("work", flags={}), processes=1)

        assert command.environ["MONGOJOBS_URI"] == "mongodb://u:secret@h/db"
        assert "secret" not in " ".join(command.arguments)
        assert "secret" not in repr(command)

    def test_know_nothing_of_what_the_supervisor_has_done_already(self, monkeypatch):
        monkeypatch.setenv("MONGOJOBS_POOL", "mail:2")
        monkeypatch.setenv("MONGOJOBS_CHDIR", "sub")

        [command] = child_commands(TOLD, WorkOptions("work", flags={}), processes=1)

        assert {"MONGOJOBS_POOL", "MONGOJOBS_CHDIR"}.isdisjoint(command.environ)
