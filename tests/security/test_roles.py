"""The roles of docs/security.md on a server with authentication: each can do its work, and nothing else (S19, S14)."""

import json
import re
from datetime import timedelta
from pathlib import Path
from signal import Signals

import pytest

import mongojobs
from mongojobs import EnqueueRefusedError, MongoJobs, Settings, StoreUnavailableError, every
from mongojobs.core.stats import StatsByJob, begin_of
from mongojobs.core.words.wording import iso
from mongojobs.store.stats.merging import MergingStats
from tests.support.clock import HeldClock
from tests.support.command_here import run_here
from tests.support.command_line import ROOT
from tests.support.dashboard import PAGES, Visitor
from tests.support.logging_jobs import logs, logs_and_fails
from tests.support.mongod.secured import PASSWORD, secured_server
from tests.support.sample_app import append, says_hello
from tests.support.schedules import code, ids, tick, ticks
from tests.support.waiting import eventually
from tests.support.web import get, status
from tests.support.working import work_off

DATABASE = "shop_jobs"
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROLES = [json.loads(found) for found in re.findall(r"^db\.createRole\((\{.*?^\})\)", TEXT, re.DOTALL | re.MULTILINE)]
NO_STREAM = "jobsWorkerWithoutStream"
NO_LIST = "jobsWorkerWithoutList"
NO_STATS = "jobsWorkerWithoutStats"
NO_LOGS = "jobsWorkerWithoutLogs"
NOT_AUTHORIZED = "not authorized on shop_jobs to execute the command"
REFUSED = f"Error: the database refused the operation: {NOT_AUTHORIZED}"


def without_stream(role):
    """Return the role of the worker as an old deployment may have it."""
    jobs, *others = role["privileges"]
    actions = [action for action in jobs["actions"] if action != "changeStream"]
    return {**role, "role": NO_STREAM, "privileges": [{**jobs, "actions": actions}, *others]}


def without_list(role):
    """Return the role of a worker that may not show itself in the list of workers."""
    return without(role, NO_LIST, "delayed_jobs_workers", "delayed_jobs_schedules")


def without_stats(role):
    """Return the role of the worker as it was before there were figures."""
    return without(role, NO_STATS, "delayed_jobs_stats")


def without(role, name, *collections):
    """Return a role called *name* without rights on *collections*."""
    kept = [one for one in role["privileges"] if one["resource"]["collection"] not in collections]
    return {**role, "role": name, "privileges": kept}


@pytest.fixture(scope="module")
def secured():
    """The server, with its indexes and a user for each role, who is called as the role is."""
    with secured_server() as server:
        worker = next(role for role in ROLES if role["role"] == "jobsWorker")
        without_logs = without(worker, NO_LOGS, "delayed_jobs_logs")
        for role in (*ROLES, without_stream(worker), without_list(worker), without_stats(worker), without_logs):
            server.create_role(DATABASE, role)
            server.create_user(DATABASE, role["role"], role["role"])
        operator = MongoJobs(Settings(uri=server.uri("jobsOperator", DATABASE, source=DATABASE)))
        operator.create_indexes()
        operator.close()
        yield server


@pytest.fixture
def clock():
    """The time, which stands still."""
    return HeldClock()


@pytest.fixture
def uri(secured):
    """The URI of the user with a role; the jobs of earlier tests are gone, and the workers that they have killed."""
    for collection in ("delayed_jobs", "delayed_jobs_workers", "delayed_jobs_schedules", "delayed_jobs_stats"):
        secured.administrator[DATABASE][collection].delete_many({})
    return lambda role: secured.uri(role, DATABASE, source=DATABASE)


@pytest.fixture
def app(uri):
    """The app of the user with a role."""
    apps = []

    def app(role, **given):
        apps.append(MongoJobs(Settings(uri=uri(role), queue_attributes={"small": {"max_size": 1}}), **given))
        return apps[-1]

    yield app
    for one in apps:
        one.close()


@pytest.fixture
def run(uri):
    """Runs a command as the user with a role, here."""

    def run(role, *arguments):
        return run_here(*arguments, MONGOJOBS_URI=uri(role), MONGOJOBS_APP="tests.support.sample_app")

    yield run
    mongojobs.configure()


@pytest.fixture
def a_job(app, tmp_path):
    """A job that the web process has enqueued; it writes a file."""
    with app("jobsWeb").active():
        return append.delay(str(tmp_path / "ledger"), "done")


@pytest.fixture
def work(start, uri):
    """Starts a worker as the user with a role."""

    def work(role, *arguments, **environ):
        return start("work", *arguments, MONGOJOBS_URI=uri(role), MONGOJOBS_APP="tests.support.sample_app", **environ)

    return work


def test_the_page_has_the_four_roles():
    assert [role["role"] for role in ROLES] == ["jobsWeb", "jobsWorker", "jobsOperator", "jobsReader"]


class TestTheWebProcess:
    def test_enqueues_unique_jobs_and_is_told_of_duplicates_which_it_may_not_count(self, app):
        with app("jobsWeb").active():
            first = append.options(unique=True).delay("x", "y")
            second = append.options(unique=True).delay("x", "y")
            among_many = append.options(unique=True).delay_many([("x", "y"), ("x", "z")])

        assert (second.id, second.duplicate, second.merged) == (first.id, True, None)
        assert [job.duplicate for job in among_many] == [True, False]

    def test_must_have_a_further_right_to_replace_a_call(self, app):
        with app("jobsWeb").active():
            append.options(unique=True).delay("x", "y")

            with pytest.raises(EnqueueRefusedError, match="not authorized"):
                append.options(unique=True, on_duplicate="replace").delay("x", "y")

    def test_enqueues_one_and_many_and_repeats_itself(self, app):
        with app("jobsWeb").active():
            append.delay("x", "y")
            append.delay_many([("x", "y"), ("x", "z")])
            first = append.options(job_id="once").delay("x", "y")
            second = append.options(job_id="once").delay("x", "y")

        assert first == second

    def test_waits_for_a_result_without_the_right_to_listen(self, app, work):
        with app("jobsWeb").active():
            job = says_hello.delay("Ann")

        work("jobsWorker")

        assert job.result(timeout=60) == "hello Ann"

    def test_finds_out_that_a_queue_is_full(self, app):
        with app("jobsWeb").active():
            append.options(queue="small").delay("x", "y")

            with pytest.raises(mongojobs.QueueFullError):
                append.options(queue="small").delay("x", "y")

    @pytest.mark.parametrize("verb", ["cancel", "retry", "delete"])
    def test_changes_no_job(self, app, a_job, verb):
        web = app("jobsWeb")

        with pytest.raises(
            StoreUnavailableError, match=r'(?m)not authorized on shop_jobs .* findAndModify on "delayed_jobs"$'
        ):
            getattr(web, verb)(a_job.id)

        assert web.get(a_job.id) == a_job

    def test_pauses_no_queue(self, app):
        with pytest.raises(StoreUnavailableError, match='the command update on "delayed_jobs_queues"'):
            app("jobsWeb").pause("mail")

    def test_creates_no_index(self, app):
        with pytest.raises(StoreUnavailableError, match="to execute the command listIndexes on") as refused:
            app("jobsWeb").create_indexes()

        assert refused.value.refused

    def test_cannot_be_a_worker_and_is_told_so(self, work, a_job, app):
        worker = work("jobsWeb")

        worker.says("Refused by the database while reserving: not authorized on shop_jobs to execute the command")

        worker.send(Signals.SIGTERM)
        assert worker.wait() == 0
        assert app("jobsWeb").get(a_job.id) == a_job


class TestTheWorker:
    def test_does_all_that_workers_do(self, work, a_job, run, secured, tmp_path):
        worker = work("jobsWorker", "--name", "ada", "--heartbeat", "0.2", "--lease", "2")

        eventually((tmp_path / "ledger").exists)
        eventually(lambda: "ada" in run("jobsReader", "status").output)
        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert "Error" not in worker.output + worker.errors
        assert "cannot listen" not in worker.output
        assert "ada" not in run("jobsReader", "status").output

    def test_is_woken_by_a_job_that_comes(self, work, app, tmp_path):
        worker = work("jobsWorker", "--sleep-delay", "60")
        worker.says("Starting job worker")

        with app("jobsWeb").active():
            append.delay(str(tmp_path / "ledger"), "done")

        eventually((tmp_path / "ledger").exists)

    def test_without_the_right_to_listen_says_so_and_works_all_the_same(self, work, a_job, tmp_path):
        worker = work(NO_STREAM)

        eventually((tmp_path / "ledger").exists)

        worker.says("cannot listen for new jobs, and polls for them instead: not authorized")
        assert worker.output.count("cannot listen") == 1

    def test_without_a_place_in_the_list_of_workers_says_so_and_even_rescues(self, work, app, a_job, secured, tmp_path):
        worker = work(NO_LIST, "--lease", "2", "--heartbeat", "0.2")
        worker.says('not authorized on shop_jobs to execute the command findAndModify on "delayed_jobs_workers"')
        eventually((tmp_path / "ledger").exists)

        with app("jobsWeb").active():
            job = append.options(run_in=3600).delay(str(tmp_path / "second"), "done")
        past = dict.fromkeys(("run_at", "locked_at", "locked_until"), job.created_at)
        lost = past | {"state": "running", "locked_by": "dead", "lock_token": "t"}
        secured.administrator[DATABASE]["delayed_jobs"].update_one({"_id": job.id}, {"$set": lost})

        eventually((tmp_path / "second").exists)

    def test_stores_figures_that_the_reader_sees(self, work, a_job, app, tmp_path):
        worker = work("jobsWorker")
        eventually((tmp_path / "ledger").exists)
        worker.send(Signals.SIGTERM)
        assert worker.wait() == 0

        assert app("jobsReader").stats().by_name()[a_job.name].outcomes["completed"] >= 1
        with pytest.raises(StoreUnavailableError, match='aggregate on "delayed_jobs_stats"'):
            app("jobsWeb").stats()

    def test_merges_figures_of_a_time_that_is_over(self, app, clock):
        worker = app("jobsWorker", clock=clock)
        stats = MergingStats(worker.store.collection, clock, worker.settings)
        now = begin_of("minute", clock.now())
        for at in (now - timedelta(minutes=5), now):
            for process in ("0", "1"):
                stats.write({("minute", at, process): StatsByJob()}, worker="w")

        stats.merge("0")

        assert stats.collection.count_documents({"at": now - timedelta(minutes=5)}) == 1

    def test_stores_the_schedules_of_its_code_ticks_and_runs_them(self, app, clock):
        worker = app("jobsWorker", clock=clock)
        with code((says_hello, every("15m", name="hello", args=("Ann",)))):
            ticks(worker)
            clock.advance(minutes=15)
            tick(worker)
        work_off(app=worker)

        [report] = app("jobsReader").schedule_reports()
        [job] = report.jobs.values()
        assert (report.strip, job.state, job.scheduled_for) == ("E", "completed", clock.now())

    def test_ticks_what_an_operator_added(self, app, clock):
        worker = app("jobsWorker", clock=clock)
        app("jobsOperator", clock=clock).schedule("hello", says_hello, every="15m", args=("Ann",))
        clock.advance(minutes=15)

        with code():
            tick(worker)

        assert ids(worker) == [f"schedule:hello:{iso(clock.now()).replace('.000Z', 'Z')}"]

    def test_tells_its_probes_all_that_they_ask(self, work):
        worker = work("jobsWorker", "--probe-port=0")
        worker.says("Probes: http")
        url = re.search(r"Probes: (\S+) answers", worker.output)[1]

        eventually(lambda: status(f"{url}/readyz") == 200)

        assert [status(f"{url}/{page}") for page in ("livez", "metrics", "stats.json")] == [200, 200, 200]

    def test_without_a_place_for_figures_says_so_once_and_works_on(self, work, a_job, tmp_path):
        worker = work(NO_STATS)
        eventually((tmp_path / "ledger").exists)

        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert (
            worker.output.count('not authorized on shop_jobs to execute the command update on "delayed_jobs_stats"')
            == 1
        )

    def test_keeps_logs_that_the_reader_reads_and_the_operator_deletes(self, app):
        with app("jobsWeb").active():
            well, fails = logs.delay("well"), logs_and_fails.options(max_attempts=1).delay("it")

        work_off(app=app("jobsWorker"))

        assert [line.text for run in app("jobsReader").log(well.id) for line in run.lines] == ["well"]
        assert [run.attempt for run in app("jobsReader").follow_log(fails.id)] == [1]
        app("jobsOperator").delete(fails.id)
        assert app("jobsReader").log(fails.id) == []
        with pytest.raises(StoreUnavailableError, match='find on "delayed_jobs_logs"'):
            app("jobsWeb").log(well.id)

    def test_without_a_place_for_logs_says_so_once_and_works_on(self, app, caplog):
        with app("jobsWeb").active():
            jobs = [logs.delay("well") for _ in range(3)]

        assert work_off(app=app(NO_LOGS)) == (3, 0)

        assert caplog.text.count("Refused by the database while storing log lines: not authorized on shop_jobs") == 1
        assert "3 lines that jobs had logged could not be stored" in caplog.text
        assert app("jobsReader").log(jobs[0].id) == []

    @pytest.mark.parametrize("command", [("create-indexes",), ("create-indexes", "--check")])
    def test_is_no_operator(self, run, command):
        refused = run("jobsWorker", *command)

        assert refused.exit_code == 4
        assert refused.output.startswith(REFUSED)


class TestTheOperator:
    def test_creates_and_checks_indexes(self, run, secured):
        secured.administrator.drop_database(DATABASE)

        created = run("jobsOperator", "create-indexes")
        checked = run("jobsOperator", "create-indexes", "--check")

        assert "Created 12 indexes" in created.output
        assert checked.exit_code == 0

    def test_retries_cancels_deletes_and_clears(self, run, a_job):
        verbs = [("cancel", a_job.id), ("retry", a_job.id), ("cancel", a_job.id), ("delete", "-y", a_job.id)]

        ended = [run("jobsOperator", "jobs", *map(str, verb)) for verb in verbs]
        cleared = run("jobsOperator", "clear", "-y")

        assert [one.exit_code for one in (*ended, cleared)] == [0] * 5

    def test_pauses_a_queue_for_workers_and_resumes_it(self, app, work, tmp_path):
        operator = app("jobsOperator")
        operator.pause("mail")
        with app("jobsWeb").active():
            append.options(queue="mail", priority=-1).delay(str(tmp_path / "mail"), "done")
            append.delay(str(tmp_path / "other"), "done")
        work("jobsWorker")

        eventually((tmp_path / "other").exists)
        assert not (tmp_path / "mail").exists()
        operator.resume("mail")
        eventually((tmp_path / "mail").exists)

    def test_tells_a_worker_to_stop(self, run, work):
        worker = work("jobsWorker", "--name", "ada", "--heartbeat", "0.2", "--lease", "2")
        eventually(lambda: "ada" in run("jobsOperator", "workers", "list").output)

        assert run("jobsOperator", "workers", "quiet", "ada").exit_code == 0
        assert run("jobsOperator", "workers", "stop", "ada").exit_code == 0

        assert worker.wait() == 0
        assert run("jobsOperator", "workers", "prune").exit_code == 0

    def test_changes_many_jobs(self, run, a_job):
        chosen = ("--name", a_job.name, "-y")
        commands = [
            ("jobs", "move", "--priority", "3", *chosen),
            ("jobs", "run-now", *chosen),
            ("jobs", "cancel", *chosen),
            ("jobs", "retry", *chosen),
            ("requeue", "--failed", "--stuck", "-y"),
            ("jobs", "delete", *chosen),
            ("purge", "-y"),
        ]

        assert [run("jobsOperator", *command).exit_code for command in commands] == [0] * len(commands)

    def test_lets_the_doctor_look_at_everything(self, run, a_job):
        found = json.loads(run("jobsOperator", "doctor", "--json").stdout)["findings"]

        assert [finding for finding in found if finding["kind"] == "not_seen"] == []

    def test_adds_edits_and_removes_a_schedule_on_the_dashboard(self, app):
        visitor = Visitor(app("jobsOperator"))
        forms = [
            ("/schedules/add/change", {"job": append.declaration.name, "args": '["x", "y"]', "when": "1h"}),
            ("/schedule/edit/change", {"when": "2h"}),
            ("/schedule/change", {"action": "pause"}),
            ("/schedule/change", {"action": "resume"}),
            ("/schedule/change", {"action": "remove", "confirmed": "1"}),
        ]

        answers = [visitor.post(path, {"name": "hourly", **form}).status_code for path, form in forms]

        assert answers == [303] * len(forms)

    def test_does_all_with_schedules_but_enqueue_their_jobs(self, run, app):
        app("jobsOperator").schedule("hello", says_hello, every="15m", args=("Ann",))
        verbs = [("edit", "hello", "--when", "20m"), ("pause", "hello"), ("resume", "hello"), ("run", "hello")]

        ended = [run("jobsOperator", "schedules", *verb) for verb in verbs]
        removed = run("jobsOperator", "schedules", "remove", "--yes", "hello")

        assert [one.exit_code for one in ended] == [0, 0, 0, 4]
        assert "to execute the command insert on" in ended[-1].output
        assert removed.exit_code == 0

    def test_enqueues_nothing(self, app):
        with app("jobsOperator").active(), pytest.raises(StoreUnavailableError, match="the command insert on"):
            append.delay("x", "y")


class TestTheReader:
    @pytest.mark.parametrize(
        "command",
        [
            ("status",),
            ("check",),
            ("jobs", "list"),
            ("jobs", "list", "--state", "failed"),
            ("queues", "list"),
            ("latency",),
            ("workers", "list"),
            ("explain",),
            ("top", "--once"),
        ],
    )
    def test_sees_all(self, run, a_job, command):
        assert run("jobsReader", *command).exit_code == 0

    def test_is_told_why_a_job_has_not_run(self, run, a_job):
        told = run("jobsReader", "jobs", "why", str(a_job.id))

        assert (told.exit_code, "  -> " in told.output) == (0, True)

    def test_serves_metrics_of_queues(self, start, uri, a_job):
        metrics = start("metrics", "--port=0", MONGOJOBS_URI=uri("jobsReader"))
        eventually(lambda: "Metrics: http" in metrics.errors)

        assert "mongojobs_queue_jobs" in get(re.search(r"Metrics: (\S+)", metrics.errors)[1]).text

    def test_sees_schedules_and_cannot_change_them(self, run, app):
        app("jobsOperator").schedule("hello", says_hello, every="15m", args=("Ann",))
        reads = [("list",), ("show", "hello")]
        add = ("add", "new", says_hello.declaration.name, "1h", "--args", '["Ann"]')
        writes = [add, ("edit", "hello", "--when", "20m"), ("pause", "hello")]
        writes += [("run", "hello"), ("remove", "--yes", "hello")]

        seen = [run("jobsReader", "schedules", *command) for command in reads]
        refused = [run("jobsReader", "schedules", *command) for command in writes]
        checked = run("jobsReader", "check", "--schedules")

        assert [("hello" in one.output, one.exit_code) for one in seen] == [(True, 0)] * 2
        assert [(NOT_AUTHORIZED in one.output, one.exit_code) for one in refused] == [(True, 4)] * 5
        assert checked.exit_code == 0
        assert [schedule.said.due.text for schedule in app("jobsReader").schedules()] == ["15m"]

    def test_sees_a_job(self, run, a_job):
        assert str(a_job.id) in run("jobsReader", "jobs", "show", str(a_job.id)).output

    @pytest.mark.parametrize("path", [*PAGES, "/jobs?state=ready"])
    def test_sees_the_dashboard(self, app, a_job, path):
        assert Visitor(app("jobsReader")).get(path).status_code == 200

    def test_sees_a_job_on_the_dashboard_and_is_told_that_it_cannot_be_changed(self, app, a_job):
        visitor = Visitor(app("jobsReader"))

        assert visitor.get(f"/job?id={a_job.id}").status_code == 200
        refused = visitor.post("/job/change", {"action": "cancel", "id": str(a_job.id)})
        assert refused.status_code == 503
        assert "the database refused the operation" in refused.text

    def test_hears_from_the_doctor_what_it_may_not_look_at(self, run, a_job):
        found = json.loads(run("jobsReader", "doctor", "--json").stdout)["findings"]

        not_seen = [finding["text"].partition(" could")[0] for finding in found if finding["kind"] == "not_seen"]
        assert not_seen == ["the indexes", "the collection"]

    @pytest.mark.parametrize(
        "command",
        [
            ("clear", "-y"),
            ("create-indexes",),
            ("create-indexes", "--check"),
            ("queues", "pause", "mail"),
            ("workers", "prune"),
            ("jobs", "cancel", "--all", "-y"),
        ],
    )
    def test_changes_nothing(self, run, a_job, command):
        refused = run("jobsReader", *command)

        assert refused.exit_code == 4
        assert refused.output.startswith(REFUSED)
        assert refused.output.count("\n") == 1

    @pytest.mark.parametrize("verb", [("retry",), ("cancel",), ("delete", "-y")])
    def test_changes_no_job(self, run, app, a_job, verb):
        refused = run("jobsReader", "jobs", *verb, str(a_job.id))

        assert refused.exit_code == 4
        assert app("jobsReader").get(a_job.id) == a_job


class TestThePassword:
    """It has signs that must be quoted in a URI, and is looked for in both forms."""

    COMMANDS = [
        ("status",),
        ("check",),
        ("config",),
        ("config", "--json"),
        ("create-indexes", "--json"),
        ("jobs", "list"),
        ("jobs", "show", "1"),
        ("clear", "-y"),
        ("version",),
        ("--help",),
    ]

    @pytest.mark.parametrize("role", ["jobsOperator", "nobody"])
    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_is_printed_by_no_command(self, run, role, command):
        ended = run(role, *command)

        assert ended.output
        assert "c4n4ry" not in ended.output

    def test_is_in_no_line_of_a_worker_and_not_in_its_document(self, start, uri, a_job, secured, tmp_path):
        environ = {"MONGOJOBS_URI": uri("jobsWorker"), "MONGOJOBS_APP": "tests.support.sample_app"}
        worker = start("work", "--log-level", "debug", "--processes", "2", "--heartbeat", "0.2", **environ)
        seen = secured.administrator[DATABASE]["delayed_jobs_workers"]

        eventually((tmp_path / "ledger").exists)
        # An idle worker shows itself every quarter of its lease; workers of other tests may have left documents behind.
        eventually(lambda: seen.count_documents({"pid": {"$in": worker.group()}}) == 2)

        assert "c4n4ry" not in worker.output + worker.errors + str(list(seen.find()))
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in worker.group()]
        assert len(commands) == 3
        assert not any(b"c4n4ry" in command for command in commands)

    def test_that_is_wrong_is_told_without_it(self, start, secured, a_job):
        environ = {"MONGOJOBS_URI": secured.uri("jobsWorker", DATABASE, password="c4n4ry2")}
        worker = start("work", "-A", "tests.support.sample_app", **environ)

        assert worker.wait() == 4
        assert "the database refused the operation: Authentication failed" in worker.errors
        assert "c4n4ry" not in worker.output + worker.errors

    def test_is_in_the_repr_of_nothing_that_a_traceback_may_show(self, app):
        web = app("jobsWeb")
        shown = [web, web.settings, web.link, web.link.client, web.store, web.enqueuer, web.store.collection]

        assert not [thing for thing in shown if "c4n4ry" in repr(thing)]
        assert "c4n4ry" in PASSWORD
