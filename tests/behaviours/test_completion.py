"""What shell completion offers: commands, flags, and the queues in which jobs are ready."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

import mongojobs
from mongojobs.cli.main import mongojobs as command_line
from mongojobs.store import clients
from tests.support import sample_app
from tests.support.command_here import run_here
from tests.support.command_line import ROOT, clean_environ
from tests.support.jobs import a_job
from tests.support.waiting import LONG, promptly


@pytest.fixture
def app(connection, indexes):
    """The default app, with jobs in three queues."""
    app = mongojobs.configure()
    for queue in ("mail", "maps", "slow"):
        sample_app.append.options(queue=queue).delay("path", "line")
    yield app
    mongojobs.configure()


def offered(words, **environ):
    """Return what is offered at the Tab key after *words*, and what else is said."""
    asked = {"_MONGOJOBS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ended = subprocess.run(
        [sys.executable, "-m", "mongojobs"],
        cwd=ROOT,
        env=clean_environ(asked | environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return [line.partition(",")[2] for line in ended.stdout.splitlines() if line], ended.stderr


class TestQueues:
    @pytest.mark.parametrize(
        ("words", "names"),
        [
            ("mongojobs work --queues ma", ["mail", "maps"]),
            ("mongojobs work -q sl", ["slow"]),
            ("mongojobs work --queues mail,s", ["mail,slow"]),
            ("mongojobs jobs list --queue s", ["slow"]),
            ("mongojobs daemon start --queues ", ["mail", "maps", "slow"]),
        ],
    )
    def test_are_offered_by_their_beginning(self, app, mongo_uri, words, names):
        assert offered(words, MONGODB_URI=mongo_uri) == (names, "")

    def test_are_not_offered_where_their_names_would_command_the_shell(self, app, mongo_uri):
        app.store.insert(a_job(queue="maps\x1b[2J\nevil"))

        assert offered("mongojobs work --queues ma", MONGODB_URI=mongo_uri) == (["mail", "maps"], "")

    def test_of_the_database_that_is_named_before_the_command(self, app, mongo_uri):
        assert offered(f"mongojobs --uri {mongo_uri} work --queues sl") == (["slow"], "")

    def test_are_not_waited_for_when_the_database_does_not_answer(self, silent_server, monkeypatch):
        monkeypatch.setattr(clients, "PATIENCE", timedelta(seconds=LONG))
        monkeypatch.setenv("MONGODB_URI", silent_server)
        here = ShellComplete(command_line, {}, "mongojobs", "_MONGOJOBS_COMPLETE")

        with promptly():
            assert here.get_completions(["work", "--queues"], "m") == []

    def test_are_not_offered_at_the_price_of_an_error(self):
        assert offered("mongojobs work --queues m") == ([], "")
        assert offered("mongojobs work --queues m", MONGOJOBS_THREADS="many") == ([], "")


class TestCompletion:
    def test_offers_commands(self):
        assert offered("mongojobs daem") == (["daemon"], "")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_prints_a_script_for_each_shell(self, shell):
        answer = run_here("completion", shell)

        assert answer.exit_code == 0
        assert "_MONGOJOBS_COMPLETE" in answer.output

    def test_prints_a_script_that_completes_in_bash(self, tmp_path):
        script = tmp_path / "script"
        script.write_text(run_here("completion", "bash").stdout)
        typed = (
            f"source {script}; COMP_WORDS=(mongojobs heal); COMP_CWORD=1;"
            ' _mongojobs_completion mongojobs heal mongojobs; echo "${COMPREPLY[@]}"'
        )
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"

        said = subprocess.run(
            ["bash", "-c", typed], env=clean_environ({"PATH": path}), capture_output=True, text=True, check=True
        )

        assert said.stdout == "health\n"

    def test_knows_no_other_shell(self):
        assert run_here("completion", "csh").exit_code == 2
