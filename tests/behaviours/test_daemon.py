"""Workers in the background, started and stopped as by delayed_job's script, on a real server."""

import os
import re
import socket
import stat
import subprocess
from pathlib import Path
from signal import Signals

import pytest

import mongojobs
from mongojobs.cli.work.pidfile import PidFile
from tests.support import sample_app
from tests.support.command_line import run
from tests.support.waiting import eventually


@pytest.fixture
def app(connection):
    """The default app, with its indexes."""
    app = mongojobs.configure()
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def daemon(environ, tmp_path):
    """Runs `mongojobs daemon`; what it has started ends with the test."""

    def daemon(*arguments, **more):
        return run("daemon", *arguments, environ=environ | more, cwd=tmp_path)

    yield daemon
    for path in tmp_path.glob("tmp/pids/*.pid"):
        end(PidFile(path).look())


JOBLESS = "import os, mongoengine\nmongoengine.connect(host=os.environ['SAMPLE_URI'], uuidRepresentation='standard')\n"
"""An app that connects, and declares no job."""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log" / "mongojobs.log"


def end(seen):
    """Kill a daemon with its children, if it still holds its pid file: the number of a dead one may be a stranger's."""
    if seen.state == "running" and os.getpgid(seen.process.pid) == seen.process.pid:
        os.killpg(seen.process.pid, Signals.SIGKILL)


def pids(folder):
    """Return the processes that the pid files in *folder* name."""
    return [int(path.read_text().split()[0]) for path in folder.glob("tmp/pids/*.pid")]


def children(pid):
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in found.stdout.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def of_process(pid, *names):
    wanted = ",".join(f"{name}=" for name in names)
    found = subprocess.run(["ps", "-o", wanted, "-p", str(pid)], capture_output=True, text=True, check=True)
    return found.stdout.split()


class TestStart:
    def test_returns_once_the_worker_works(self, app, daemon, tmp_path, log):
        answer = daemon("start")

        [pid] = pids(tmp_path)
        assert answer.returncode == 0
        assert answer.stdout == f"mongojobs is running (pid {pid}); its log: log/mongojobs.log\n"
        assert "Starting job worker" in log.read_text()

    def test_runs_jobs_whose_prints_are_in_the_log(self, app, daemon, log, tmp_path):
        sample_app.log_a_line.delay("a line of a job")
        sample_app.say_folder.delay(str(tmp_path / "ledger"))

        daemon("start")

        eventually(lambda: "a line of a job" in log.read_text())
        eventually((tmp_path / "ledger").exists)
        assert (tmp_path / "ledger").read_text() == f"{tmp_path}\n"

    def test_says_why_an_app_cannot_be_imported(self, daemon, tmp_path):
        answer = daemon("start", MONGOJOBS_APP="no_such_app")

        assert answer.returncode == 3
        assert "cannot import the app" in answer.stderr
        assert not pids(tmp_path)

    def test_says_why_one_of_several_processes_cannot_start(self, daemon, tmp_path):
        answer = daemon("start", "-n", "2", MONGOJOBS_APP="no_such_app")

        assert answer.returncode == 3
        assert "cannot import the app" in answer.stderr
        assert not pids(tmp_path)

    def test_refuses_an_app_without_jobs_unless_that_is_meant(self, app, daemon, tmp_path):
        (tmp_path / "jobless.py").write_text(JOBLESS)

        refused = daemon("start", MONGOJOBS_APP="jobless")
        meant = daemon("start", "--allow-none", MONGOJOBS_APP="jobless")

        assert (refused.returncode, meant.returncode) == (3, 0)
        assert "the app (jobless) declares no jobs" in refused.stderr

    def test_imports_what_is_named_beside_the_app(self, app, daemon, tmp_path):
        (tmp_path / "jobless.py").write_text(JOBLESS)
        sample_app.say_folder.delay(str(tmp_path / "ledger"))

        daemon("start", "-I", "tests.support.sample_app", MONGOJOBS_APP="jobless")

        eventually((tmp_path / "ledger").exists)

    def test_needs_no_database_yet_but_says_that_it_waits_for_one(self, daemon):
        answer = daemon("start", SAMPLE_URI="mongodb://localhost:1/none?serverSelectionTimeoutMS=200")

        assert answer.returncode == 0
        assert "is waiting for the database: the database is not available" in answer.stderr

    def test_says_when_it_takes_too_long_and_lets_it_go_on(self, daemon, environ, tmp_path):
        (tmp_path / "slow_app.py").write_text("import time\ntime.sleep(600)\n")

        answer = daemon("start", "--start-timeout=1", MONGOJOBS_APP="slow_app")

        assert answer.returncode == 1
        assert "is not up after 1 s, but is still trying" in answer.stderr
        eventually(lambda: daemon("status").returncode == 0)

    def test_refuses_a_second_one(self, app, daemon, tmp_path):
        daemon("start")
        [pid] = pids(tmp_path)

        answer = daemon("start")

        assert answer.returncode == 6
        assert f"mongojobs is running (pid {pid})" in answer.stderr
        assert pids(tmp_path) == [pid]

    def test_needs_an_app(self, daemon):
        assert daemon("start", MONGOJOBS_APP="").returncode == 2

    def test_leaves_the_terminal_and_reads_nothing(self, app, daemon, tmp_path):
        daemon("start")

        [pid] = pids(tmp_path)
        session, terminal = of_process(pid, "sess", "tty")
        assert (int(session), terminal) == (pid, "?")
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path(os.devnull)

    def test_makes_no_file_that_others_can_write_to(self, app, daemon, tmp_path, log):
        before = os.umask(0)
        try:
            sample_app.append.delay(str(tmp_path / "ledger"), "a line")
            daemon("start")
        finally:
            os.umask(before)

        eventually((tmp_path / "ledger").exists)
        made = [log, log.parent, tmp_path / "tmp" / "pids", tmp_path / "ledger"]
        assert [path for path in made if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []

    def test_shows_the_uri_to_nobody(self, app, daemon, mongo_uri, tmp_path):
        daemon("start", "--uri", mongo_uri, "-n", "2")

        [pid] = pids(tmp_path)
        shown = [of_process(process, "args") for process in [pid, *children(pid)]]
        assert len(shown) == 3
        assert "mongodb://" not in str(shown)

    def test_leaves_by_itself_when_nothing_is_due_if_told_to(self, app, daemon, tmp_path):
        answer = daemon("start", "--exit-on-complete")

        assert answer.returncode == 0
        eventually(lambda: not pids(tmp_path))
        assert daemon("status").returncode == 3


class TestSeveral:
    @pytest.mark.behaviour("S169")
    def test_processes_have_one_pid_file_and_running_numbers(self, app, daemon, tmp_path, log):
        answer = daemon("start", "--pool=mail:2", "--pool=*:1")

        [pid] = pids(tmp_path)
        assert answer.returncode == 0
        assert len(children(pid)) == 3
        assert set(re.findall(r"Worker\((mongojobs\.\d)", log.read_text())) == {f"mongojobs.{at}" for at in range(3)}

    def test_processes_are_stopped_without_knowing_how_many_there_are(self, app, daemon, tmp_path):
        daemon("start", "--number-of-workers=2")
        [pid] = pids(tmp_path)
        workers = children(pid)

        answer = daemon("stop")

        assert answer.returncode == 0
        assert len(workers) == 2
        assert [worker for worker in workers if Path(f"/proc/{worker}").exists()] == []

    def test_daemons_have_names_of_their_own(self, app, daemon, tmp_path):
        daemon("start", "-i", "mail", "--queues=mail")
        daemon("start", "-i", "slow", "--queues=slow")

        assert sorted(path.name for path in tmp_path.glob("tmp/pids/*")) == ["mongojobs.mail.pid", "mongojobs.slow.pid"]
        assert "Worker(mongojobs.mail host:" in (tmp_path / "log" / "mongojobs.mail.log").read_text()
        assert daemon("stop", "-i", "mail").returncode == 0
        assert daemon("status", "-i", "mail").returncode == 3
        assert daemon("status", "-i", "slow").returncode == 0

    def test_a_monitor_starts_a_worker_again_that_died(self, app, daemon, tmp_path):
        daemon("start", "--monitor")
        [pid] = pids(tmp_path)
        [worker] = children(pid)

        os.kill(worker, Signals.SIGKILL)

        eventually(lambda: children(pid) not in ([], [worker]))


class TestStop:
    def test_lets_the_running_job_end(self, app, daemon, tmp_path):
        ledger = tmp_path / "ledger"
        sample_app.append_after.delay(str(ledger), "job", 1)
        daemon("start")
        eventually(ledger.exists)

        answer = daemon("stop")

        assert answer.returncode == 0
        assert answer.stdout == "mongojobs is stopped\n"
        assert ledger.read_text() == "job began\njob ended\n"

    def test_kills_a_worker_that_does_not_stop(self, app, daemon, tmp_path):
        daemon("start")
        [pid] = pids(tmp_path)
        os.kill(pid, Signals.SIGSTOP)

        answer = daemon("stop", "--timeout=0.5")

        assert answer.returncode == 0
        assert "did not stop within 500ms: killing it" in answer.stderr
        assert daemon("status").returncode == 3

    def test_during_the_import_of_the_app_leaves_nothing_behind(self, daemon, tmp_path):
        (tmp_path / "slow_app.py").write_text("import time\ntime.sleep(600)\n")
        daemon("start", "--start-timeout=1", MONGOJOBS_APP="slow_app")
        eventually(lambda: pids(tmp_path))

        assert daemon("stop").returncode == 0
        assert not pids(tmp_path)

    def test_is_content_when_nothing_runs(self, daemon):
        answer = daemon("stop")

        assert (answer.returncode, answer.stdout) == (0, "mongojobs is not running\n")


class TestRestart:
    def test_starts_another_one_with_the_options_given_now(self, app, daemon, tmp_path, log):
        daemon("start", "--queues=mail")
        [before] = pids(tmp_path)

        answer = daemon("restart", "--queues=slow")

        [after] = pids(tmp_path)
        assert answer.returncode == 0
        assert after != before
        assert "queues=slow" in log.read_text()

    def test_starts_one_where_none_runs(self, app, daemon, tmp_path):
        assert daemon("restart").returncode == 0
        assert len(pids(tmp_path)) == 1

    def test_stops_nothing_when_the_options_are_wrong(self, app, daemon):
        daemon("start")

        assert daemon("restart", "--lease=1", "--heartbeat=1").returncode == 2
        assert daemon("status").returncode == 0


class TestStatus:
    def test_is_that_of_init_scripts(self, app, daemon, tmp_path):
        stopped = daemon("status")
        daemon("start")
        [pid] = pids(tmp_path)
        running = daemon("status")
        os.kill(pid, Signals.SIGKILL)
        eventually(lambda: daemon("status").returncode != 0)
        dead = daemon("status")

        assert (stopped.returncode, stopped.stdout) == (3, "mongojobs is stopped\n")
        assert (running.returncode, running.stdout) == (0, f"mongojobs is running (pid {pid})\n")
        assert dead.returncode == 1
        assert dead.stdout.startswith("mongojobs is dead, and left the pid file tmp/pids/mongojobs.pid")

    def test_is_good_again_after_a_start_over_a_stale_file(self, app, daemon, tmp_path):
        daemon("start")
        [pid] = pids(tmp_path)
        os.kill(pid, Signals.SIGKILL)
        eventually(lambda: daemon("status").returncode == 1)

        assert daemon("start").returncode == 0
        assert daemon("status").returncode == 0


class TestRun:
    def test_works_in_the_foreground_and_excludes_the_daemon(self, app, daemon, start, tmp_path):
        process = start("daemon", "run", cwd=tmp_path)
        process.says("Starting job worker")

        assert daemon("start").returncode == 6
        assert daemon("stop").returncode == 0
        assert process.wait() == 0

    def test_runs_all_of_several_workers(self, app, start, tmp_path):
        process = start("daemon", "run", "-n", "2", cwd=tmp_path)

        process.says("Starting job worker", times=2)


class TestPidFileOfWork:
    @pytest.mark.parametrize("processes", ["--processes=1", "--processes=2"])
    def test_is_there_while_it_works(self, app, start, tmp_path, processes):
        path = tmp_path / "worker.pid"
        process = start("work", processes, f"--pidfile={path}")
        process.says("Starting job worker")
        number = int(path.read_text().split()[0])

        process.send(Signals.SIGTERM)

        assert number == process.pid
        assert process.wait() == 0
        assert not path.exists()

    def test_stays_when_the_app_wants_several_processes(self, start, tmp_path, connection):
        (tmp_path / "two.py").write_text(
            "import mongojobs\nfrom tests.support.sample_app import *\nmongojobs.configure(processes=2)\n"
        )
        path = tmp_path / "worker.pid"

        process = start("work", f"--pidfile={path}", cwd=tmp_path, MONGOJOBS_APP="two")

        process.says("Starting job worker", times=2)
        assert int(path.read_text().split()[0]) == process.pid

    def test_keeps_a_second_worker_away(self, app, start, environ, tmp_path):
        path = tmp_path / "worker.pid"
        start("work", f"--pidfile={path}").says("Starting job worker")

        answer = run("work", f"--pidfile={path}", environ=environ)

        assert answer.returncode == 6
        assert "it is already running" in answer.stderr

    @pytest.mark.usefixtures("unmeasured")
    def test_is_gone_although_a_job_does_not_return(self, app, start, tmp_path):
        path = tmp_path / "worker.pid"
        process = start("work", "--shutdown-timeout=0.2", f"--pidfile={path}")
        sample_app.never_returns.delay()
        process.says("RUNNING")

        process.send(Signals.SIGTERM)

        assert process.wait() == 0
        assert not path.exists()


class TestSystemd:
    @pytest.fixture
    def manager(self, tmp_path):
        """The socket at which systemd listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(20)
            yield manager

    def test_is_told_that_the_worker_works_lives_and_stops(self, app, start, manager):
        process = start("work", NOTIFY_SOCKET=manager.getsockname())

        alive = manager.recv(1000)
        ready = manager.recv(1000)
        process.send(Signals.SIGTERM)
        stopping = [manager.recv(1000)]
        while stopping[-1] == b"WATCHDOG=1":
            stopping.append(manager.recv(1000))

        assert (alive, ready) == (b"WATCHDOG=1", b"READY=1\nSTATUS=Working")
        assert stopping[-1] == b"STOPPING=1"

    def test_is_told_by_the_supervisor_and_by_nobody_else(self, app, start, manager):
        process = start("work", "--processes=2", NOTIFY_SOCKET=manager.getsockname())
        process.says("Starting job worker", times=2)

        assert manager.recv(1000) == b"READY=1\nSTATUS=Supervising"
        assert manager.recv(1000) == b"WATCHDOG=1"

    def test_is_told_that_the_worker_waits_for_the_database(self, start, manager):
        start(
            "work",
            NOTIFY_SOCKET=manager.getsockname(),
            SAMPLE_URI="mongodb://localhost:1/none?serverSelectionTimeoutMS=200",
        )

        assert manager.recv(1000) == b"WATCHDOG=1"
        assert manager.recv(1000).startswith(b"READY=1\nSTATUS=Waiting for the database: the database is not available")
