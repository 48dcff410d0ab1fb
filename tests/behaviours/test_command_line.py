"""The command line on a real server: what is printed, how it ends, and what the workers it starts do."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import Signals

import pytest
from click.testing import Result
from pymongo import MongoClient

import mongojobs
from mongojobs import Job, MongoJobs
from mongojobs.cli.main import mongojobs as command_line
from tests.support import sample_app
from tests.support.command_here import run_here
from tests.support.command_line import SAMPLE_APP, Process, clean_environ, run, run_without_reader, runner
from tests.support.failpoints import failing
from tests.support.waiting import eventually

Start = Callable[..., Process]
Environ = dict[str, str]


@pytest.fixture
def app(connection: MongoClient) -> Iterator[MongoJobs]:
    """The default app, on the real clock, with its indexes."""
    app = mongojobs.configure()
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def here(connection: MongoClient) -> Iterator[Callable[..., Result]]:
    """Runs a command in this process, which is quick, and puts back what it has set up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def here(*arguments: str) -> Result:
        return runner().invoke(command_line, arguments, env={"MONGOJOBS_APP": SAMPLE_APP})

    yield here
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    mongojobs.configure()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The file that the jobs of this test write to."""
    path = tmp_path / "ledger"
    path.touch()
    return path


def lines(ledger: Path) -> list[str]:
    return ledger.read_text(encoding="utf-8").splitlines()


def a_failed_job() -> Job:
    job = sample_app.always_fails.delay()
    mongojobs.Worker().work_off()
    return job


class TestWork:
    @pytest.mark.behaviour("S158", "S161")
    def test_logs_to_standard_output_unless_told_otherwise(self, app, start, ledger):
        sample_app.append.delay(str(ledger), "done")

        worker = start("work")

        worker.says("COMPLETED after")
        assert lines(ledger) == ["done"]
        assert worker.errors == ""

    @pytest.mark.behaviour("S155", "S159")
    def test_logs_to_the_file_in_the_log_folder(self, app, environ, tmp_path, ledger):
        sample_app.append.delay(str(ledger), "done")

        ended = run("workoff", "--log-dir", str(tmp_path / "log"), environ=environ)

        assert ended.stdout == ""
        assert "COMPLETED after" in (tmp_path / "log" / "mongojobs.log").read_text(encoding="utf-8")

    @pytest.mark.behaviour("S156", "S164")
    def test_sends_what_jobs_log_the_same_way(self, app, environ):
        sample_app.log_a_line.delay("said by the job")

        ended = run("workoff", "--log-format", "json", environ=environ)

        said = [json.loads(line) for line in ended.stdout.splitlines() if "said by the job" in line]
        assert said[0]["job"] == f"{SAMPLE_APP}.log_a_line"

    @pytest.mark.parametrize(
        ("shown", "executor"),
        [
            ("text: [job_id={id}] {said}", "thread"),
            ("text: [job_id={id}] {said}", "process"),
            ("logfmt: {said} job_id={id} ", "thread"),
            ('json: "job_id": "{id}"', "process"),
        ],
    )
    def test_says_which_job_logged_a_line(self, app, environ, shown, executor):
        form, shown = shown.split(": ", maxsplit=1)
        one, other = sample_app.log_a_line.delay("one"), sample_app.log_a_line_async.delay("other")

        ended = run("workoff", "--log-format", form, "--executor", executor, environ=environ)

        [of_one] = [line for line in ended.stdout.splitlines() if re.search(r"\bone\b", line)]
        [of_other] = [line for line in ended.stdout.splitlines() if re.search(r"\bother\b", line)]
        assert shown.format(id=one.id, said="one") in of_one
        assert shown.format(id=other.id, said="other") in of_other

    def test_logs_where_a_job_failed_on_indented_lines(self, app, environ):
        sample_app.silence_others_and_log.options(max_attempts=2).delay("first\nFAKE: second\x1b[2J")

        ended = run("workoff", environ=environ)

        at = next(at for at, line in enumerate(ended.stdout.splitlines()) if "FAILED (0 prior attempts)" in line)
        said, *behind = ended.stdout.splitlines()[at:]
        assert "with ValueError: first\\nFAKE: second\\x1b[2J; it will run again at 20" in said
        assert behind[0] == "  Traceback (most recent call last):"
        assert "  ValueError: first" in behind
        assert "  FAKE: second\\x1b[2J" in behind

    @pytest.mark.parametrize(
        ("how", "variables"), [(["--no-log-tracebacks"], {}), ([], {"MONGOJOBS_LOG_TRACEBACKS": "false"})]
    )
    def test_logs_no_tracebacks_where_nobody_wants_them(self, app, environ, how, variables):
        sample_app.always_fails.delay()

        ended = run("workoff", *how, environ=environ | variables)

        assert "FAILED (0 prior attempts) with ValueError: this job always fails" in ended.stdout
        assert "Traceback" not in ended.stdout

    @pytest.mark.behaviour("S97")
    def test_logs_from_the_level_that_is_asked_for(self, app, environ, ledger):
        sample_app.append.delay(str(ledger), "done")

        ended = run("workoff", "--log-level", "warning", environ=environ)

        assert ended.stdout == ""
        assert lines(ledger) == ["done"]

    @pytest.mark.behaviour("S157")
    def test_works_in_the_folder_it_is_told_to_change_to(self, app, environ, tmp_path, ledger):
        sample_app.say_folder.delay(str(ledger))

        run("--chdir", str(tmp_path), "workoff", environ=environ)

        assert lines(ledger) == [str(tmp_path)]

    @pytest.mark.behaviour("S160")
    def test_works_in_the_folder_it_was_started_in(self, app, environ, tmp_path, ledger):
        sample_app.say_folder.delay(str(ledger))

        run("workoff", environ=environ, cwd=tmp_path)

        assert lines(ledger) == [str(tmp_path)]

    @pytest.mark.behaviour("S52", "S53")
    @pytest.mark.parametrize("how", [{"QUEUES": "high,low"}, {"QUEUE": "high,low"}, {"MONGOJOBS_QUEUES": "high,low"}])
    def test_honours_the_variables_of_delayed_job_and_says_so(self, app, environ, ledger, how):
        self._enqueue_to_queues(ledger, "high", "low", "other")

        ended = run("workoff", environ=environ | how)

        assert sorted(lines(ledger)) == ["high", "low"]
        assert f"queues=high,low (from {next(iter(how))})" in ended.stdout

    @pytest.mark.behaviour("S52", "S53")
    def test_takes_a_list_of_queues_by_flag_in_the_same_form(self, app, environ, ledger):
        self._enqueue_to_queues(ledger, "high", "low", "other")

        ended = run("workoff", "--queues", "high,low", environ=environ)

        assert sorted(lines(ledger)) == ["high", "low"]
        assert "queues=high,low (from flag)" in ended.stdout

    @pytest.mark.behaviour("S54")
    def test_works_on_all_queues_when_none_is_named(self, app, environ, ledger):
        self._enqueue_to_queues(ledger, "high", "low")

        run("workoff", environ=environ)

        assert sorted(lines(ledger)) == ["high", "low"]

    @pytest.mark.behaviour("S44", "S45")
    def test_works_on_the_priorities_between_both_bounds(self, app, environ, ledger):
        sample_app.append.options(priority=-1).delay(str(ledger), "-1")
        sample_app.append.options(priority=0).delay(str(ledger), "0")
        sample_app.append.options(priority=5).delay(str(ledger), "5")
        sample_app.append.options(priority=6).delay(str(ledger), "6")

        run("workoff", "--min-priority", "0", "--max-priority", "5", environ=environ)

        assert lines(ledger) == ["0", "5"]

    @pytest.mark.behaviour("X24")
    def test_lets_a_silent_environment_override_nothing(self, environ, tmp_path):
        (tmp_path / "configured.py").write_text("import mongojobs\nmongojobs.configure(queues='mail', threads=3)\n")

        ended = run("config", "--json", "-A", "configured", environ=environ | {"QUEUES": ""}, cwd=tmp_path)

        settings = json.loads(ended.stdout)["settings"]
        assert settings["queues"] == {"value": ["mail"], "from": "configure()"}
        assert settings["threads"] == {"value": 3, "from": "configure()"}

    def test_becomes_a_supervisor_when_the_app_wants_several_processes(self, start, tmp_path):
        (tmp_path / "configured.py").write_text(
            "import mongojobs, tests.support.sample_app\nmongojobs.configure(processes=2)\n"
        )

        workers = start("work", "-A", "configured", cwd=tmp_path)

        workers.says("Starting 2 worker processes")
        workers.says("Starting job worker", times=2)

    def test_uses_the_instance_that_the_app_names(self, environ, client):
        ended = run("create-indexes", "-A", f"{SAMPLE_APP}:instance", environ=environ)

        assert ended.returncode == 0
        assert "ready" in client.get_default_database()["jobs_of_instance"].index_information()

    def test_calls_the_factory_that_the_app_names(self, environ):
        ended = run("status", "--json", "-A", f"{SAMPLE_APP}:factory", environ=environ)

        assert json.loads(ended.stdout)["collection"] == "jobs_of_factory"

    def test_lays_flags_over_the_settings_of_an_instance(self, environ):
        ended = run("status", "--json", "-A", f"{SAMPLE_APP}:instance", "--collection", "others", environ=environ)

        assert json.loads(ended.stdout)["collection"] == "others"

    def test_waits_for_a_database_that_is_away(self, start):
        worker = start("work", SAMPLE_URI="mongodb://127.0.0.1:1/away?serverSelectionTimeoutMS=100")

        worker.says("Error while connecting")
        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0

    @pytest.mark.behaviour("S162", "S163", "S165")
    def test_says_what_it_died_of_and_logs_it_as_fatal(self, environ, tmp_path):
        (tmp_path / "deadly.py").write_text(
            "import mongojobs\n"
            "class Deadly(mongojobs.Plugin):\n"
            "    def register(self, lifecycle):\n"
            "        lifecycle.before('execute', self.die)\n"
            "    def die(self, worker):\n"
            "        raise RuntimeError('the plugin is broken')\n"
            "import tests.support.sample_app\n"
            "mongojobs.configure(plugins=[Deadly])\n"
        )

        ended = run("work", "-A", "deadly", "--log-format", "json", environ=environ, cwd=tmp_path)

        assert ended.returncode == 1
        assert ended.stderr == "Error: the worker died of RuntimeError: the plugin is broken\n"
        assert json.loads(ended.stdout.splitlines()[-1])["level"] == "critical"

    @staticmethod
    def _enqueue_to_queues(ledger: Path, *queues: str) -> None:
        sample_app.append.options(queue=queues[0]).delay(str(ledger), queues[0])
        sample_app.append.options(queue=queues[1]).delay(str(ledger), queues[1])
        sample_app.append.options(queue=queues[-1], run_in=3600).delay(str(ledger), "much later")


SHOWS_WAITS = """
import sys
from pymongo.periodic_executor import PeriodicExecutor
from mongojobs.__main__ import main
PeriodicExecutor.join = lambda executor, timeout=None: print("waited for", executor)
sys.argv = ["mongojobs", "status"]
main()
"""


class TestTheEndOfACommand:
    def test_waits_for_no_thread_of_the_driver(self, environ):
        ended = subprocess.run(
            [sys.executable, "-c", SHOWS_WAITS], env=clean_environ(environ), capture_output=True, text=True, check=False
        )

        assert (ended.returncode, ended.stderr) == (0, "")
        assert "waited for" not in ended.stdout


class TestWorkoff:
    @pytest.mark.behaviour("S100")
    def test_leaves_at_once_when_there_is_nothing_to_do(self, environ):
        ended = run("workoff", environ=environ)

        assert ended.returncode == 0
        assert "No more jobs available. Exiting" in ended.stdout

    @pytest.mark.behaviour("X17")
    def test_is_not_fooled_by_an_error_of_the_database(self, app, environ, administrator, ledger):
        sample_app.append.delay(str(ledger), "done")

        with failing(administrator, "findAndModify", appname="mongojobs", errorCode=96):
            ended = run("workoff", environ=environ)

        assert "Error while reserving" in ended.stdout
        assert lines(ledger) == ["done"]

    @pytest.mark.behaviour("X17")
    def test_is_not_fooled_by_a_job_that_cannot_be_loaded(self, app, environ, ledger):
        unloadable = sample_app.append.options(priority=-1).delay(str(ledger), "never")
        sample_app.append.delay(str(ledger), "done")
        unknown = {"$set": {"handler.target": "no.such.function"}}
        app.store.collection.update_one({"_id": unloadable.id}, unknown)

        run("workoff", environ=environ)

        assert lines(ledger) == ["done"]
        assert app.get(unloadable.id).deferred_reason.startswith("UnknownJobError: ")

    def test_succeeds_although_a_job_failed(self, app, environ):
        sample_app.always_fails.delay()

        assert run("workoff", environ=environ).returncode == 0

    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_fails_with_a_job_when_asked_to(self, app, environ, processes):
        sample_app.always_fails.delay()

        ended = run("workoff", "--fail-on-error", "--processes", processes, environ=environ)

        assert ended.returncode == 1
        assert "starting it again" not in ended.stdout

    def test_ends_with_the_last_of_several_processes(self, app, environ, ledger):
        sample_app.append.delay(str(ledger), "done")

        ended = run("workoff", "--processes", "2", environ=environ)

        assert ended.returncode == 0
        assert ended.stdout.count("No more jobs available. Exiting") == 2
        assert lines(ledger) == ["done"]

    def test_is_known_by_the_name_of_the_rake_task(self, environ):
        assert run("jobs:workoff", environ=environ).returncode == 0


class TestSignals:
    @pytest.mark.behaviour("X15", "X16")
    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT])
    def test_an_idle_worker_stops_at_once(self, start, number):
        worker = start("work", "--sleep-delay", "1h")
        worker.says("Starting job worker")

        worker.send(number)

        assert worker.wait() == 0
        assert "Stopped" in worker.output

    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
    def test_a_worker_that_still_imports_its_app_just_leaves(self, start, tmp_path, number):
        (tmp_path / "slow.py").write_text(
            "import threading\n"
            "print('importing', flush=True)\n"
            "try:\n"
            "    threading.Event().wait(60)\n"
            "except:\n"
            "    pass\n"
        )
        worker = start("work", "-A", "slow", cwd=tmp_path)
        worker.says("importing")

        worker.send(number)

        assert worker.wait() == 0

    def test_term_any_number_of_times_lets_the_job_end(self, app, start, ledger):
        sample_app.append_after.delay(str(ledger), "job", 2)
        worker = start("work")
        worker.says("RUNNING")

        worker.send_to_group(Signals.SIGTERM)
        worker.says("Exiting...")
        worker.send_to_group(Signals.SIGTERM)
        worker.send_to_group(Signals.SIGTERM)

        assert worker.wait() == 0
        assert lines(ledger) == ["job began", "job ended"]
        assert app.reader.find() == []

    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.parametrize("arguments", [("work",), ("work", "--processes", "2"), ("work", "--executor", "process")])
    def test_the_first_interrupt_says_what_is_waited_for_and_how_long(self, app, start, ledger, arguments):
        job = sample_app.append_after.delay(str(ledger), "job", 30)
        worker = start(*arguments, "--shutdown-timeout", "20")
        worker.says("RUNNING")

        worker.send_to_group(Signals.SIGINT)
        worker.says("Interrupt again to hand running jobs back at once")
        worker.says(f"Exiting... Waiting at most 20 s for 1 running job: {job}")
        worker.send_to_group(Signals.SIGINT)

        assert worker.wait() == 0

    @pytest.mark.usefixtures("unmeasured")
    def test_a_second_interrupt_hands_the_job_back(self, app, start, ledger):
        job = sample_app.append_after.delay(str(ledger), "job", 30)
        worker = start("work")
        worker.says("RUNNING")

        worker.send(Signals.SIGINT)
        worker.says("Exiting...")
        worker.send(Signals.SIGINT)

        assert worker.wait() == 0
        handed_back = app.get(job.id)
        assert (handed_back.state, handed_back.attempts, handed_back.releases) == ("ready", 0, 1)

    @pytest.mark.usefixtures("unmeasured")
    def test_quit_hands_the_job_back_at_once(self, app, start, ledger):
        job = sample_app.append_after.delay(str(ledger), "job", 30)
        worker = start("work")
        worker.says("RUNNING")

        worker.send(Signals.SIGQUIT)

        assert worker.wait() == 0
        assert app.get(job.id).state == "ready"

    @pytest.mark.parametrize("number", [Signals.SIGTSTP, Signals.SIGUSR1])
    def test_a_quiet_worker_ends_its_job_and_takes_no_other(self, app, start, ledger, number):
        sample_app.append_after.delay(str(ledger), "first", 2)
        worker = start("work", "--read-ahead", "0")
        worker.says("RUNNING")

        worker.send(number)
        second = sample_app.append.delay(str(ledger), "second")
        worker.says("COMPLETED")
        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert lines(ledger) == ["first began", "first ended"]
        assert app.get(second.id).state == "ready"

    @pytest.mark.parametrize("executor", ["thread", "process"])
    def test_usr2_prints_the_stacks_of_all_threads_however_busy_they_are(self, app, start, tmp_path, ledger, executor):
        end = tmp_path / "end"
        sample_app.keeps_threads_busy.delay(str(ledger), str(end))
        worker = start("work", "--executor", executor)
        eventually(lambda: lines(ledger))

        for times in range(1, 21):
            os.kill(int(lines(ledger)[0]), Signals.SIGUSR2)
            eventually(lambda seen=times: worker.errors.count("Current thread") == seen)
        end.touch()

        worker.says("COMPLETED")
        assert worker.errors.count("sample_app.py") >= 4 * 20
        worker.send(Signals.SIGTERM)
        assert worker.wait() == 0

    @pytest.mark.usefixtures("unmeasured")
    def test_a_job_that_does_not_return_holds_the_process_no_longer_than_the_timeout(self, app, start):
        sample_app.never_returns.delay()
        worker = start("work", "--shutdown-timeout", "1")
        worker.says("RUNNING")

        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert "Stopped, 1 running job handed back" in worker.output

    @pytest.mark.usefixtures("unmeasured")
    def test_a_job_that_does_not_return_after_its_time_limit_ends_the_process(self, app, start):
        job = sample_app.never_returns.delay()

        worker = start("work", "--max-run-time", "0.5", "--shutdown-timeout", "1", MONGOJOBS_TIMEOUT_GRACE="0.5")

        assert worker.wait() == 70
        assert app.get(job.id).attempts == 1


class TestProcesses:
    @pytest.mark.behaviour("S169")
    def test_are_numbered(self, start):
        workers = start("work", "--processes", "2")

        workers.says("[Worker(mongojobs.0 ")
        workers.says("[Worker(mongojobs.1 ")

    @pytest.mark.behaviour("S166", "S167", "S168", "S169")
    def test_of_pools_have_their_own_queues(self, start):
        workers = start("work", "--pool", "high,low:2", "--pool", "*", "--name", "w", QUEUES="of_no_pool")

        workers.says("[Worker(w.0)] Starting job worker: queues=high,low")
        workers.says("[Worker(w.1)] Starting job worker: queues=high,low")
        workers.says("[Worker(w.2)] Starting job worker: queues=all")

    def test_end_their_jobs_after_one_interrupt_to_all_of_them(self, app, start, ledger):
        sample_app.append_after.delay(str(ledger), "job", 3)
        workers = start("work", "--processes", "2")
        workers.says("Starting job worker", times=2)
        workers.says("RUNNING")

        workers.send_to_group(Signals.SIGINT)

        assert workers.wait() == 0
        assert lines(ledger) == ["job began", "job ended"]
        assert workers.group() == []

    def test_end_their_jobs_after_three_terms_to_all_of_them(self, app, start, ledger):
        sample_app.append_after.delay(str(ledger), "job", 2)
        workers = start("work", "--processes", "2")
        workers.says("Starting job worker", times=2)
        workers.says("RUNNING")

        workers.send_to_group(Signals.SIGTERM)
        workers.says("Exiting...", times=3)
        workers.send_to_group(Signals.SIGTERM)
        workers.send_to_group(Signals.SIGTERM)

        assert workers.wait() == 0
        assert lines(ledger) == ["job began", "job ended"]
        assert workers.group() == []

    @pytest.mark.usefixtures("unmeasured")
    def test_hand_their_jobs_back_after_a_second_interrupt(self, app, start, ledger):
        job = sample_app.append_after.delay(str(ledger), "job", 30)
        workers = start("work", "--processes", "2")
        workers.says("RUNNING")

        workers.send_to_group(Signals.SIGINT)
        workers.says("Exiting...")
        workers.send_to_group(Signals.SIGINT)

        assert workers.wait() == 0
        assert app.get(job.id).state == "ready"

    def test_are_started_again_when_killed(self, app, start, ledger):
        workers = start("work", "--pool", "*:1")
        workers.says("Starting job worker")
        sample_app.say_process.delay(str(ledger))
        eventually(lambda: len(lines(ledger)) == 1)

        os.kill(int(lines(ledger)[0]), Signals.SIGKILL)

        workers.says("was killed by signal 9 (Killed): starting it again")
        workers.says("Starting job worker", times=2)

    def test_end_when_their_supervisor_is_killed(self, start):
        workers = start("work", "--processes", "2")
        workers.says("Starting job worker", times=2)

        workers.send(Signals.SIGKILL)

        eventually(lambda: workers.group() == [])
        assert workers.output.count("The supervisor of this worker is gone") == 2
        assert workers.output.count("Stopped") == 2

    def test_that_cannot_start_end_them_all(self, environ, tmp_path):
        ended = run("work", "-A", "no_such_app", "--processes", "2", environ=environ, cwd=tmp_path)

        assert ended.returncode == 3
        assert "a fault of its set-up: stopping all" in ended.stdout
        assert "No module named 'no_such_app'" in ended.stderr

    def test_get_the_uri_where_nobody_sees_it(self, app, environ, mongo_uri, tmp_path, start):
        workers = start("work", "--processes", "2", "--uri", mongo_uri)

        workers.says("Starting job worker", times=2)

        assert "MONGOJOBS_URI" in workers.output
        assert workers.errors.count("can see --uri in the process list") == 1


class TestCreateIndexes:
    def test_creates_them_and_says_what_each_is_for(self, here, client):
        ended = here("create-indexes")

        assert ended.exit_code == 0
        assert "reserving the next job of all queues" in ended.stdout
        assert "Created 12 indexes" in ended.stdout
        assert "ready" in client.get_default_database()["delayed_jobs"].index_information()

    def test_says_at_the_second_run_that_nothing_is_to_do(self, here):
        here("create-indexes")

        ended = here("create-indexes")

        assert ended.exit_code == 0
        assert "All indexes exist: nothing to do" in ended.stdout

    def test_checks_without_creating(self, here, client):
        ended = here("create-indexes", "--check")

        assert ended.exit_code == 5
        assert client.get_default_database().list_collection_names() == []

    def test_finds_all_in_order_once_they_are_created(self, here):
        here("create-indexes")

        assert here("create-indexes", "--check").exit_code == 0

    def test_shows_what_it_would_do(self, here, client):
        ended = here("create-indexes", "--dry-run")

        assert ended.exit_code == 0
        assert "12 indexes missing" in ended.stdout
        assert client.get_default_database().list_collection_names() == []

    def test_says_what_to_do_about_a_different_index_of_that_name(self, here, client):
        client.get_default_database()["delayed_jobs"].create_index("queue", name="ready")

        ended = here("create-indexes")

        assert ended.exit_code == 5
        assert 'dropIndex("ready")' in ended.stderr

    def test_prints_json(self, here):
        printed = json.loads(here("create-indexes", "--json").stdout)

        assert printed["complete"] is True
        assert {index["status"] for index in printed["indexes"]} == {"created"}


class TestStatus:
    def test_shows_queues_and_workers(self, app, start, here, ledger):
        sample_app.append.options(queue="mail", run_in=3600).delay(str(ledger), "later")
        a_failed_job()
        worker = start("work", "--queues", "mail", "--name", "the worker")
        worker.says("Starting job worker")
        eventually(app.store.collection.database["delayed_jobs_workers"].find_one)

        shown = [line.split() for line in here("status").stdout.splitlines()]

        assert ["mail", "0", "1", "0", "0", "0", "-", "-"] in shown
        assert ["default", "0", "0", "0", "0", "1", "-", "-"] in shown
        assert ["all", "queues", "0", "1", "0", "0", "1", "-", "-"] in shown
        assert ["the", "worker", "mail", "1", "0"] in [line[:5] for line in shown]

    def test_prints_json(self, app, here, ledger):
        sample_app.append.options(run_at=datetime.now(UTC) - timedelta(minutes=2)).delay(str(ledger), "late")

        printed = json.loads(here("status", "--json").stdout)

        assert printed["queues"][0]["ready"] == 1
        assert 119 < printed["queues"][0]["latency_seconds"] < 180
        assert printed["totals"]["ready"] == 1
        assert printed["workers"] == []

    def test_says_when_there_is_nothing(self, here):
        shown = here("status").stdout

        assert "No jobs are waiting, running or failed." in shown
        assert "No worker is alive" in shown


class TestCheck:
    def test_fails_when_a_job_has_been_due_for_too_long(self, app, here, ledger):
        sample_app.append.options(run_at=datetime.now(UTC) - timedelta(seconds=400)).delay(str(ledger), "late")

        ended = here("check")

        assert ended.exit_code == 1
        assert "1 job waiting for more than 5m" in ended.stdout

    def test_allows_what_it_is_told_to(self, app, here, ledger):
        sample_app.append.options(run_at=datetime.now(UTC) - timedelta(seconds=400)).delay(str(ledger), "late")

        assert here("check", "--max-age", "10m").exit_code == 0

    def test_looks_at_the_queues_it_is_told_to(self, app, here, ledger):
        sample_app.append.options(run_at=datetime.now(UTC) - timedelta(seconds=400)).delay(str(ledger), "late")

        assert here("check", "--queue", "mail").exit_code == 0

    @pytest.mark.parametrize("queue", ["", ",", "$x"])
    def test_looks_at_no_queue_that_cannot_be(self, app, here, queue):
        ended = here("check", "--queue", queue)

        assert ended.exit_code == 2
        assert "--queue must" in ended.stderr

    def test_never_minds_scheduled_jobs(self, app, here, ledger):
        job = sample_app.append.options(run_in=3600).delay(str(ledger), "later")
        created = {"$set": {"created_at": datetime.now(UTC) - timedelta(days=1)}}
        app.store.collection.update_one({"_id": job.id}, created)

        assert here("jobs:check").exit_code == 0


class TestClear:
    def test_refuses_without_a_terminal_and_says_how_many(self, app, here, ledger):
        sample_app.append.delay(str(ledger), "done")

        ended = here("clear")

        assert ended.exit_code == 2
        assert "Delete 1 job for good from delayed_jobs" in ended.stderr
        assert len(app.reader.find()) == 1

    def test_deletes_all_but_running_jobs(self, app, start, here, ledger):
        running = sample_app.append_after.delay(str(ledger), "job", 30)
        worker = start("work", "--read-ahead", "0")
        worker.says("RUNNING")
        sample_app.append.delay(str(ledger), "done")

        ended = here("clear", "--yes")

        assert ended.stdout == "Deleted 1 job.\n"
        assert [job.id for job in app.reader.find()] == [running.id]

    def test_deletes_only_what_is_chosen(self, app, here, ledger):
        waiting = sample_app.append.options(run_in=60).delay(str(ledger), "later")
        a_failed_job()

        here("clear", "--failed-only", "--yes")

        assert [job.id for job in app.reader.find()] == [waiting.id]

    def test_spares_what_is_younger(self, app, here):
        failed = a_failed_job()

        ended = here("jobs:clear", "--older-than", "7d", "--yes")

        assert ended.stdout == "There are no such jobs to delete.\n"
        assert app.get(failed.id).state == "failed"


class TestJobs:
    def test_are_listed(self, app, here, ledger):
        failed = a_failed_job()
        sample_app.append.options(run_in=60).delay(str(ledger), "later")

        shown = here("jobs", "list").stdout.splitlines()

        assert len(shown) == 3
        assert "scheduled" in shown[1]
        assert str(failed.id) in shown[2]
        assert "ValueError: this job alwa" in shown[2]

    def test_are_listed_by_state_queue_and_name(self, app, here, ledger):
        wanted = sample_app.append.options(queue="mail").delay(str(ledger), "done")
        sample_app.append.delay(str(ledger), "done")
        sample_app.always_fails.options(queue="mail").delay()

        filters = ["--state", "ready", "--queue", "mail", "--name", f"{SAMPLE_APP}.append"]
        printed = json.loads(here("jobs", "list", "--json", *filters).stdout)

        assert [job["id"] for job in printed["jobs"]] == [str(wanted.id)]
        assert printed["more"] is False

    def test_are_listed_up_to_a_limit(self, app, here, ledger):
        sample_app.append.delay_many([(str(ledger), "1"), (str(ledger), "2")])

        ended = here("jobs", "list", "--limit", "1")

        assert len(ended.stdout.splitlines()) == 2
        assert "there are more" in ended.stderr

    def test_are_shown_with_arguments_and_errors(self, app, here, ledger):
        failed = a_failed_job()
        waiting = sample_app.append.delay(str(ledger), "the argument")

        assert "the argument" in here("jobs", "show", str(waiting.id)).stdout
        assert "raise ValueError" in here("jobs", "show", str(failed.id)).stdout

    def test_are_shown_as_json(self, app, here):
        failed = a_failed_job()

        printed = json.loads(here("jobs", "show", "--json", str(failed.id)).stdout)

        assert printed["state"] == "failed"
        assert printed["errors"][0]["error"] == "ValueError: this job always fails"
        assert printed["handler"]["target"] == f"{SAMPLE_APP}.always_fails"
        assert "lock_token" not in printed

    @pytest.mark.parametrize("job_id", ["order-1", 17, "17", "aaaaaaaaaaaaaaaaaaaaaaaa"])
    def test_are_found_by_the_id_that_their_caller_gave(self, app, here, ledger, job_id):
        sample_app.append.options(job_id=job_id).delay(str(ledger), "done")

        printed = json.loads(here("jobs", "show", "--json", str(job_id)).stdout)

        assert printed["id"] == job_id

    def test_are_retried(self, app, here):
        failed = a_failed_job()

        ended = here("jobs", "retry", str(failed.id))

        assert ended.stdout == f"Ready again: {failed.id} {SAMPLE_APP}.always_fails\n"
        assert app.get(failed.id).state == "ready"

    def test_are_cancelled(self, app, here, ledger):
        job = sample_app.append.delay(str(ledger), "done")

        assert here("jobs", "cancel", str(job.id)).exit_code == 0
        assert app.get(job.id).state == "cancelled"

    def test_are_deleted(self, app, here, ledger):
        job = sample_app.append.delay(str(ledger), "done")

        assert here("jobs", "delete", "--yes", str(job.id)).exit_code == 0
        assert app.get(job.id) is None

    def test_are_not_deleted_without_a_word(self, app, here, ledger):
        job = sample_app.append.delay(str(ledger), "done")

        assert here("jobs", "delete", str(job.id)).exit_code == 2
        assert app.get(job.id) == job

    def test_that_cannot_be_retried_say_why_and_do_not_stop_the_others(self, app, here, ledger):
        failed, ready = a_failed_job(), sample_app.append.delay(str(ledger), "done")

        ended = here("jobs", "retry", str(ready.id), "no-such-job", str(failed.id))

        assert ended.exit_code == 1
        assert f"cannot retry the job {ready.id}, it is ready" in ended.stderr
        assert "no job no-such-job" in ended.stderr
        assert app.get(failed.id).state == "ready"


class TestConfig:
    def test_shows_where_each_setting_comes_from(self, environ, tmp_path):
        (tmp_path / "pyproject.toml").write_text("[tool.mongojobs]\nthreads = 2\nprocesses = 2\nmax-attempts = 2\n")
        (tmp_path / "configured.py").write_text("import mongojobs\nmongojobs.configure(threads=1, max_losses=1)\n")
        more = {"MONGOJOBS_PROCESSES": "3", "MONGOJOBS_COLLECTION": "from_environment"}

        arguments = ["config", "--json", "-A", "configured", "--collection", "from_flag"]
        printed = json.loads(run(*arguments, environ=environ | more, cwd=tmp_path).stdout)["settings"]

        assert printed["collection"] == {"value": "from_flag", "from": "flag"}
        assert printed["processes"] == {"value": 3, "from": "MONGOJOBS_PROCESSES"}
        assert printed["threads"] == {"value": 2, "from": "pyproject.toml"}
        assert printed["max_attempts"] == {"value": 2, "from": "pyproject.toml"}
        assert printed["max_losses"] == {"value": 1, "from": "configure()"}
        assert printed["sleep_delay"] == {"value": 5.0, "from": "default"}

    def test_takes_the_app_from_the_file_given(self, environ, tmp_path):
        (tmp_path / "jobs.toml").write_text(f'[tool.mongojobs]\napp = "{SAMPLE_APP}"\n')
        del environ["MONGOJOBS_APP"]

        ended = run("config", "--config", "jobs.toml", environ=environ, cwd=tmp_path)

        assert f"App:  {SAMPLE_APP}" in ended.stdout

    @pytest.mark.parametrize("uri", ["mongodb://u:canary@h/db", "mongodb://u:can@ary@h/db", "mongodb://u:canary@h:p/x"])
    @pytest.mark.parametrize("command", [("config",), ("config", "--json"), ("status", "--log-level", "debug")])
    def test_never_shows_the_password(self, uri, command):
        ended = run_here(*command, MONGOJOBS_URI=f"{uri}?serverSelectionTimeoutMS=10")

        assert "ary" not in ended.output + ended.stderr
        assert "Traceback" not in ended.output + ended.stderr
        assert isinstance(ended.exception, SystemExit | None)


class TestErrors:
    """Each is a line that says what to do, with the exit status that scripts ask for."""

    def test_no_app(self):
        ended = run("work")

        assert ended.returncode == 2
        assert "which app? Name the module that declares the jobs" in ended.stderr

    def test_no_connection(self):
        ended = run("work", "-A", SAMPLE_APP)

        assert ended.returncode == 4
        assert ended.stderr.startswith("Error: no MongoDB connection")
        assert "mongoengine.connect(host=" in ended.stderr

    @pytest.mark.parametrize("command", ["status", "create-indexes"])
    def test_unreachable_database(self, command):
        ended = run(command, environ={"MONGODB_URI": "mongodb://127.0.0.1:1/away?serverSelectionTimeoutMS=50"})

        assert ended.returncode == 4
        assert ended.stderr.count("\n") == 1
        assert ended.stderr.startswith("Error: the database is not available: 127.0.0.1:1")

    @pytest.mark.parametrize("command", [("status",), ("doctor",), ("jobs", "run", "x"), ("workoff",)], ids=" ".join)
    def test_a_database_that_says_nothing(self, command, silent_server):
        environ = {"SAMPLE_URI": silent_server, "MONGOJOBS_APP": SAMPLE_APP, "MONGOJOBS_ENQUEUE_TIMEOUT": "2"}

        ended = run(*command, environ=environ)

        assert ended.returncode == {"doctor": 1}.get(command[0], 4)
        assert "the database is not available: no server answers" in ended.stdout + ended.stderr

    def test_refused_credentials(self, mongo_uri):
        refused = mongo_uri.replace("mongodb://", "mongodb://nobody:wrong@", 1)

        ended = run("work", "-A", SAMPLE_APP, environ={"MONGOJOBS_URI": refused})

        assert ended.returncode == 4
        assert "Error: the database refused" in ended.stderr
        assert "wrong" not in ended.stderr + ended.stdout

    @pytest.mark.parametrize("fault", ["NXDOMAIN", "NoNameservers"])
    def test_an_app_whose_import_meets_a_name_service_that_is_away(self, tmp_path, fault):
        (tmp_path / "shop.py").write_text(
            "import dns.resolver, mongoengine\n"
            "def resolve(*_, **__):\n"
            f"    raise dns.resolver.{fault}\n"
            "dns.resolver.resolve = resolve\n"
            "mongoengine.connect(host='mongodb+srv://cluster.example.org/shop')\n"
        )

        ended = run("work", "-A", "shop", cwd=tmp_path)

        assert ended.returncode == 4
        assert ended.stderr.startswith("Error: cannot import shop: the database is not available: ")
        assert ended.stderr.count("\n") == 1

    def test_missing_module(self, tmp_path):
        ended = run("work", "-A", "no_such_app", cwd=tmp_path)

        assert ended.returncode == 3
        assert ended.stderr.count("\n") == 1
        assert f"Python looks in {tmp_path} first" in ended.stderr

    def test_module_that_raises(self, tmp_path):
        (tmp_path / "broken.py").write_text("1 / 0\n")

        ended = run("work", "-A", "broken", cwd=tmp_path)

        assert ended.returncode == 3
        assert 'broken.py", line 1' in ended.stderr
        assert ended.stderr.splitlines()[-1] == "Error: cannot import broken: ZeroDivisionError: division by zero"

    def test_bad_setting(self):
        ended = run("work", "-A", SAMPLE_APP, environ={"MONGOJOBS_THREADS": "many"})

        assert ended.returncode == 2
        assert ended.stderr == "Error: threads must be a whole number, got 'many' (from MONGOJOBS_THREADS)\n"

    @pytest.mark.parametrize("command", [("jobs", "list"), ("status",), ("workoff",), ("--help",)])
    def test_reader_that_leaves_early(self, app, environ, ledger, command):
        sample_app.append.delay(str(ledger), "done")

        assert run_without_reader(*command, environ=environ) == ""
