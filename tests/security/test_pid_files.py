"""S15 and S16: a pid file cannot be used to harm another file or to stop another process."""

import fcntl
import os
import stat
import subprocess
import sys
from signal import Signals

import pytest

from mongojobs.cli.shared.failures import CONFLICT, Failure
from mongojobs.cli.work.pidfile import PidFile
from mongojobs.process.identity import ProcessIdentity
from tests.support.command_here import run_here
from tests.support.command_line import ROOT, clean_environ

HOLDER = """
import sys
from pathlib import Path
from mongojobs.cli.shared.failures import Failure
from mongojobs.cli.work.pidfile import PidFile
sys.stdin.readline()
try:
    with PidFile(Path(sys.argv[1])).held(patience_seconds=5):
        print("held", flush=True)
        sys.stdin.readline()
except Failure as failure:
    print(failure.exit_code, flush=True)
"""

FORKS_AND_DIES = """
import os, sys
from pathlib import Path
from mongojobs.cli.work.pidfile import PidFile
with PidFile(Path(sys.argv[1])).held(patience_seconds=5):
    if os.fork() == 0:
        print("forked", flush=True)
        sys.stdin.readline()
        os._exit(0)
    os._exit(0)
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def path(folder):
    return folder / "mongojobs.pid"


@pytest.fixture
def precious(tmp_path):
    """Another file of the same user, which must never change."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    return precious


@pytest.fixture
def spawn():
    """Starts Python code as a process that reads from us and prints to us, and ends it with the test."""
    started = []

    def spawn(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            env=clean_environ({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def stranger(spawn):
    """A process that has nothing to do with us."""
    return spawn("import sys; sys.stdin.readline()")


def hold(path):
    """Take the pid file, and let go of it again."""
    with PidFile(path).held(patience_seconds=5):
        return path.read_text()


def a_pid_file(path, process, *, started):
    path.write_text(f"{process.pid}\nstarted {started}\npatience 1\n")
    path.chmod(0o600)


def stop(folder, *arguments):
    return run_here("daemon", "stop", f"--pid-dir={folder}", *arguments)


class TestWhatLiesInThePlaceOfThePidFile:
    """S15: each of these is refused, and left as it is."""

    def refused(self, path, how):
        with pytest.raises(Failure, match=how) as raised:
            hold(path)
        assert raised.value.exit_code == CONFLICT
        with pytest.raises(Failure, match=how):
            PidFile(path).look()
        with pytest.raises(Failure, match=how):
            PidFile(path).clear()

    def test_a_link_to_another_file(self, path, precious):
        path.symlink_to(precious)

        self.refused(path, "symbolic link")

        assert precious.read_text() == "precious"
        assert path.is_symlink()

    def test_a_link_to_nothing(self, path, tmp_path):
        path.symlink_to(tmp_path / "nothing")

        self.refused(path, "symbolic link")

        assert not (tmp_path / "nothing").exists()

    def test_a_pipe_at_whose_end_nobody_is(self, path):
        os.mkfifo(path, 0o600)

        self.refused(path, "not a regular file")

        assert stat.S_ISFIFO(path.stat().st_mode)

    def test_a_folder(self, path):
        path.mkdir()

        self.refused(path, "directory|not a regular file")

        assert path.is_dir()

    def test_a_second_name_of_another_file(self, path, precious):
        os.link(precious, path)

        self.refused(path, "hard-linked")

        assert precious.read_text() == "precious"

    def test_a_file_that_others_can_write_to(self, path):
        path.write_text("1")
        path.chmod(0o666)

        self.refused(path, "others can write")

    def test_a_file_of_another_user(self, path, monkeypatch):
        path.write_text("1")
        path.chmod(0o600)
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
        monkeypatch.setattr(os, "fstat", as_of_root_if_it_is_a_folder(os.fstat))

        self.refused(path, "another user")


def as_of_root_if_it_is_a_folder(fstat):
    """Return *fstat*, for which each folder belongs to root."""

    def seen(descriptor):
        found = fstat(descriptor)
        return os.stat_result([*found[:4], 0, *found[5:]]) if stat.S_ISDIR(found.st_mode) else found

    return seen


class TestTheFolder:
    @pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
    def test_that_others_can_write_to_is_refused(self, folder, path, mode):
        folder.chmod(mode)

        with pytest.raises(Failure, match="others can write") as raised:
            hold(path)

        assert raised.value.exit_code == CONFLICT
        assert not path.exists()

    def test_that_is_missing_is_made_so_that_nobody_else_can_write_to_it(self, tmp_path):
        before = os.umask(0)
        try:
            hold(tmp_path / "made" / "mongojobs.pid")
        finally:
            os.umask(before)

        assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755

    def test_that_is_no_folder_is_refused(self, precious):
        with pytest.raises(Failure, match="precious"):
            hold(precious / "mongojobs.pid")


class TestThePidFile:
    def test_can_be_read_by_its_owner_only(self, path):
        with PidFile(path).held(patience_seconds=5):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_begins_with_the_number_of_the_process_and_is_gone_after_it(self, path):
        assert hold(path).splitlines()[0] == str(os.getpid())
        assert not path.exists()

    def test_is_held_by_one_of_many_that_start_at_once(self, path, spawn):
        starters = [spawn(HOLDER, path) for _ in range(6)]
        for starter in starters:
            starter.stdin.write("go\n")
            starter.stdin.flush()

        answers = sorted(starter.stdout.readline().strip() for starter in starters)

        assert answers == [str(CONFLICT)] * 5 + ["held"]

    def test_of_one_that_was_killed_is_stale_and_taken_over(self, path, spawn):
        dead = spawn(HOLDER, path)
        dead.stdin.write("go\n")
        dead.stdin.flush()
        assert dead.stdout.readline() == "held\n"
        dead.kill()
        dead.wait()
        assert PidFile(path).look().state == "dead"

        assert hold(path).splitlines()[0] == str(os.getpid())

    def test_is_not_held_by_a_child_that_outlives_the_process(self, path, spawn):
        parent = spawn(FORKS_AND_DIES, path)
        assert parent.stdout.readline() == "forked\n"
        parent.wait()

        assert PidFile(path).look().state == "dead"

    def test_is_not_removed_by_whoever_does_not_hold_it(self, path):
        with PidFile(path).held(patience_seconds=5):
            assert not PidFile(path).clear()
            assert path.exists()

    def test_of_another_that_has_come_in_its_place_is_left(self, path):
        with PidFile(path).held(patience_seconds=5):
            path.unlink()
            path.write_text("of another")

        assert path.read_text() == "of another"


class TestStop:
    """S16: no signal for a process that is not ours."""

    def test_leaves_a_process_alone_that_has_the_number_of_the_dead(self, folder, path, stranger):
        a_pid_file(path, stranger, started="1")

        answer = stop(folder)

        assert answer.exit_code == 0
        assert "is not running" in answer.output
        assert not path.exists()
        assert stranger.poll() is None

    def test_leaves_a_process_alone_that_is_younger_than_the_one_that_is_named(self, folder, path, stranger):
        a_pid_file(path, stranger, started="1")
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)

            answer = stop(folder)

        assert answer.exit_code == CONFLICT
        assert stranger.poll() is None

    @pytest.mark.parametrize(
        "text", ["", "-1\nstarted 1\npatience 1\n", "0\nstarted 1\npatience 1\n", "1; ls\n", "\xff" * 2000]
    )
    def test_makes_nothing_of_what_is_no_process(self, folder, path, text):
        path.write_text(text)
        path.chmod(0o600)
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)

            assert stop(folder).exit_code == CONFLICT

    def test_stops_the_process_that_holds_the_file(self, folder, path, spawn):
        ours = spawn(HOLDER, path)
        ours.stdin.write("go\n")
        ours.stdin.flush()
        assert ours.stdout.readline() == "held\n"

        answer = stop(folder)

        assert answer.exit_code == 0
        assert ours.wait() == -Signals.SIGTERM

    def test_refuses_a_link_in_the_place_of_the_file(self, folder, path, precious):
        path.symlink_to(precious)

        assert stop(folder).exit_code == CONFLICT
        assert run_here("daemon", "status", f"--pid-dir={folder}").exit_code == CONFLICT

    def test_refuses_a_name_that_leads_out_of_the_folder(self, folder):
        assert stop(folder, "--identifier=../../etc/x").exit_code == 2


class TestIdentity:
    def test_is_that_of_a_process_and_of_no_other_with_its_number(self, stranger):
        own = ProcessIdentity.own()

        assert own.is_there
        assert not ProcessIdentity(own.pid, f"{own.started}0").is_there
        assert not ProcessIdentity(stranger.pid, own.started).send(Signals.SIGKILL)
        assert stranger.poll() is None

    def test_of_the_dead_gets_no_signal(self, spawn):
        process = spawn("")
        process.wait()

        assert not ProcessIdentity(process.pid, "1").send(Signals.SIGTERM)

    def test_is_known_by_ps_where_there_is_no_proc(self, monkeypatch):
        monkeypatch.setattr("mongojobs.process.identity._PROC", False)
        own = ProcessIdentity.own()

        assert own.is_there
        assert not ProcessIdentity(own.pid, "long-ago").is_there
