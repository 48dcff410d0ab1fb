"""Health checks of a worker without a port: a file says that its loop is running."""

import json
from signal import Signals

import pytest

import mongojobs
from tests.support.command_here import run_here
from tests.support.waiting import eventually


@pytest.fixture
def file(tmp_path):
    return tmp_path / "alive"


@pytest.fixture
def health(file):
    def health(*arguments):
        return run_here("health", f"--heartbeat-file={file}", *arguments)

    return health


@pytest.fixture
def app(connection):
    """The default app, with its indexes."""
    app = mongojobs.configure()
    app.create_indexes()
    yield app
    mongojobs.configure()


class TestHealth:
    def test_is_good_while_the_loop_turns(self, app, start, file, health):
        start("work", f"--heartbeat-file={file}")
        eventually(file.exists)

        answer = health()

        assert answer.exit_code == 0
        assert answer.output.startswith("The worker's loop turned ")

    def test_is_bad_once_the_loop_stands_still(self, app, start, file, health):
        worker = start("work", f"--heartbeat-file={file}")
        eventually(file.exists)
        worker.send(Signals.SIGSTOP)

        eventually(lambda: health("--max-age=2").exit_code == 1)

        assert "last turned 2." in health("--max-age=2").output

    def test_is_that_of_each_process_of_a_supervisor(self, app, start, file, health):
        worker = start("work", "--processes=2", f"--heartbeat-file={file}")
        eventually(lambda: health().exit_code == 0)
        assert json.loads(health("--json").stdout)["processes"] == 2

        worker.send_to_group(Signals.SIGSTOP)

        eventually(lambda: "2 of 2 processes stalled" in health("--max-age=1").output)

    def test_is_good_while_the_database_is_away(self, start, file, health):
        start("work", f"--heartbeat-file={file}", SAMPLE_URI="mongodb://localhost:1/none?serverSelectionTimeoutMS=200")

        eventually(file.exists)

        assert health("--max-age=15").exit_code == 0

    def test_is_bad_without_a_worker(self, health, file):
        answer = health()

        assert answer.exit_code == 1
        assert answer.output == f"No worker has recorded a heartbeat in {file}\n"

    @pytest.mark.parametrize("processes", ["--processes=1", "--processes=2"])
    def test_is_bad_after_the_worker_has_ended(self, app, start, file, health, processes):
        worker = start("work", processes, f"--heartbeat-file={file}")
        eventually(lambda: health().exit_code == 0)

        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert health().exit_code == 1
        assert not list(file.parent.glob("alive*"))

    def test_must_be_told_the_file(self):
        assert run_here("health").exit_code == 2
