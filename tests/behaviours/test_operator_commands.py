"""The commands that operators reach for: queues, workers, many jobs at once, one job in the foreground."""

import getpass
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from signal import Signals

import pytest

import mongojobs
from mongojobs import job
from mongojobs.cli.main import mongojobs as command_line
from mongojobs.core.notices import JobStarted
from mongojobs.store import selections
from mongojobs.store.jobs import QueueSelector
from tests.support.cancelled_jobs import goes_on
from tests.support.clock import START
from tests.support.command_line import ROOT, SAMPLE_APP, Process, clean_environ, run, runner
from tests.support.failpoints import failing
from tests.support.jobs import a_job
from tests.support.sample_app import always_fails, append, append_after
from tests.support.sample_documents import Band
from tests.support.sample_jobs import gate, recorder
from tests.support.waiting import eventually
from tests.support.working import work_off, working

MANY = 40_000
LARGEST_MEGABYTES = 100

WITH_MEMORY = """
import re
from pathlib import Path
from mongojobs.cli.main import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print(f"peak={int(re.search('VmHWM:[^0-9]*([0-9]+)', status)[1]) // 1024}M", flush=True)
"""
"""Of the program itself: ``getrusage`` would count what the test had in memory when it started the program."""


@job
class Greeting:
    def __init__(self, name):
        self.name = name

    def perform(self):
        """Greet nobody."""


@pytest.fixture(autouse=True)
def _clean_slate():
    recorder.clear()
    gate.clear()


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(lease=4, heartbeat=0.2)
    yield app
    mongojobs.configure()


@pytest.fixture
def here(app):
    """Runs a command in this process."""

    def here(*arguments, input=None):  # noqa: A002 - click calls it so
        return runner().invoke(command_line, arguments, env={"MONGOJOBS_APP": SAMPLE_APP}, input=input)

    return here


@pytest.fixture
def environ(mongo_uri):
    return {"SAMPLE_URI": mongo_uri, "MONGOJOBS_APP": SAMPLE_APP, "MONGOJOBS_LEASE": "4", "MONGOJOBS_HEARTBEAT": "0.2"}


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


def failed_jobs(number, **options):
    made = [always_fails.options(**options).delay() for _ in range(number)]
    work_off()
    return made


class TestQueues:
    def test_are_paused_for_a_while_with_a_reason_and_resumed(self, app, here):
        append.options(queue="mail").delay("x", "y")

        paused = here("queues", "pause", "mail", "--for", "10m", "--reason", "the provider is down")
        [shown] = [line for line in here("queues", "list").output.splitlines() if line.startswith("mail")]
        resumed = here("queues", "resume", "mail")

        assert paused.output == "Paused mail for 10m.\n"
        assert re.search(r"^mail +1 +0 +0 +0 +0 +- +\d+ms ago, for 9m \d+s: the provider is down$", shown)
        assert (resumed.output, app.pauses.all()) == ("Resumed mail.\n", [])

    @pytest.mark.parametrize("duration", ["999999999999d", "inf", "nan", "1e20"])
    def test_are_not_paused_for_what_is_not_a_duration(self, app, here, duration):
        ended = here("queues", "pause", "mail", "--for", duration)

        assert (ended.exit_code, app.pauses.all()) == (2, [])
        assert "must be a duration" in ended.stderr
        assert duration in ended.stderr

    def test_that_were_not_paused_are_not_resumed(self, here):
        ended = here("queues", "resume", "mail")

        assert (ended.exit_code, ended.stderr) == (1, "Error: the queue mail was not paused\n")

    def test_that_nobody_knows_are_paused_with_a_word_about_that(self, app, here):
        append.options(queue="mail").delay("x", "y")

        ended = here("queues", "pause", "mial")

        assert ended.output.startswith("Paused mial until it is resumed.\n")
        assert "no job or worker names a queue mial at present; did you mean mail?" in ended.stderr

    def test_that_a_worker_names_are_known(self, app, here):
        with working(name="ada", queues=["mail"]):
            eventually(app.workers)

            assert here("queues", "pause", "mail").stderr == ""

    def test_are_not_paused_by_what_is_not_a_name(self, here):
        assert "cannot pause 'a,b'" in here("queues", "pause", "a,b").stderr

    def test_have_a_latency_for_people_and_one_for_scripts(self, app, here):
        append.options(queue="mail", run_at=datetime.now(UTC) - timedelta(minutes=2)).delay("x", "y")

        assert 119 < float(here("latency", "mail").output) < 180
        assert here("latency", "none").output == "0.000\n"
        assert [line.split()[0] for line in here("queues", "latency").output.splitlines()] == ["QUEUE", "mail", "all"]


class TestWorkers:
    def test_are_listed_and_shown(self, here):
        with working(name="ada", queues=["mail"], max_priority=4):
            eventually(lambda: "ada" in here("workers", "list").output)

            shown = here("workers", "show", "ada").output

        assert "queues       mail" in shown
        assert "priorities   any to 4" in shown
        assert here("workers", "show", "ada").stderr == "Error: no worker ada: see `mongojobs workers list`\n"
        assert "No worker is alive" in here("workers", "list").output

    def test_are_as_busy_as_their_running_jobs_say(self, app, here):
        """What a worker said of itself at its last heartbeat is older than the jobs that it holds."""
        append.delay_many([("x", "y")] * 3)
        with working(name="ada", threads=2, queues=["none"]):
            eventually(app.workers)
            app.store.reserve(QueueSelector(), token="t", by="ada", lease=timedelta(minutes=1), limit=3)

            [worker] = app.workers()
            status, top = here("status").output, here("top", "--once").output

        assert worker.busy == 2
        assert re.search(r"^ada +none +2 +2 ", status, re.MULTILINE)
        assert "running=3" in top
        assert "busy=2/2" in top

    def test_are_told_to_be_quiet_by_name(self, app, here):
        with working(name="ada"), working(name="bob"):
            eventually(lambda: len(app.workers()) == 2)

            ended = here("workers", "quiet", "ada")

            assert ended.output == "Told ada\n"
            eventually(lambda: [one.state for one in app.workers()] == ["quiet", "working"])

    def test_that_are_not_alive_cannot_be_told(self, here):
        ended = here("workers", "stop", "nobody")

        assert (ended.exit_code, ended.stderr) == (1, "Error: no living worker nobody; alive: none\n")

    @pytest.mark.parametrize("arguments", [(), ("ada", "--all")])
    def test_are_told_nothing_unless_it_is_clear_which(self, here, arguments):
        assert here("workers", "stop", *arguments).exit_code == 2

    def test_that_are_told_to_stop_are_not_started_again_by_their_supervisor(self, app, here, environ, tmp_path):
        workers = Process("work", "--processes", "2", "--prefix", "w ", folder=tmp_path, environ=environ)
        try:
            eventually(lambda: len(app.workers()) == 2)
            first, second = [one.name for one in app.workers()]

            here("workers", "stop", first)
            workers.says("was told to stop: it is not started again")
            eventually(lambda: [one.name for one in app.workers()] == [second])
            here("workers", "stop", "--all")

            assert workers.wait() == 0
            assert "starting it again" not in workers.output
        finally:
            workers.end()

    def test_that_died_are_pruned(self, app, here, administrator, mongo_uri):
        with working(name="ada"):
            eventually(app.workers)
            past = {"$set": {"expire_at": START - timedelta(days=10_000), "pid": 1}}
            copy = {**app.worker_store.collection.find_one(), "_id": "dead"}
            app.worker_store.collection.insert_one(copy)
            app.worker_store.collection.update_one({"_id": "dead"}, past)

            listed = here("workers", "list").output
            pruned = here("workers", "prune").output

        assert re.search(r"^dead +dead +all", listed, re.MULTILINE)
        assert pruned == "Forgot 1 dead worker.\n"


class TestManyJobs:
    def test_are_retried_by_flags_after_a_dry_run(self, app, here):
        failed_jobs(3, queue="mail")
        failed_jobs(2)

        dry = here("jobs", "retry", "--queue", "mail", "--error", "ALWAYS fails", "--dry-run")
        ended = here("jobs", "retry", "--queue", "mail", "--error", "ALWAYS fails", "--yes")

        assert dry.output == "This would affect 3 jobs; nothing was changed.\n"
        assert ended.output == "Ready again: 3 jobs.\n"
        assert [job.queue for job in app.reader.find(state="ready")] == ["mail"] * 3

    @pytest.mark.parametrize("command", [("jobs", "retry", "--all"), ("requeue", "--failed")])
    def test_whose_keys_others_hold_are_left_alone_and_counted_with_what_to_do(self, app, here, command):
        always_fails.options(max_attempts=1, unique_key="a").delay()
        work_off()
        always_fails.options(unique_key="a", run_in=60).delay()
        failed_jobs(2)

        ended = here(*command, "--yes")

        assert ended.stdout.endswith(" 2 jobs.\n")
        assert ended.stderr == (
            "1 job was left alone, as other living jobs hold its unique key:"
            " `mongojobs jobs retry --merge` drops such jobs.\n"
        )

    def test_whose_keys_others_hold_are_dropped_and_counted_if_they_are_to_be_merged(self, app, here):
        always_fails.options(max_attempts=1, unique_key="a").delay()
        work_off()
        always_fails.options(unique_key="a", run_in=60).delay()
        failed_jobs(2)

        ended = here("jobs", "retry", "--all", "--merge", "--yes")

        assert ended.stdout.endswith(" 2 jobs.\n")
        assert ended.stderr == "1 job was dropped, as other living jobs hold its unique key.\n"

    def test_are_cancelled_by_their_arguments(self, app, here):
        wanted = append.options(run_in=60).delay("x", "5")
        append.delay("x", "6")

        here("jobs", "cancel", "--arg", "0=x", "--arg", '1="5"', "--yes")

        assert [job.id for job in app.reader.find(state="cancelled")] == [wanted.id]

    def test_are_cancelled_though_they_run(self, app, here):
        running = goes_on.delay()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            refused = here("jobs", "cancel", str(running.id))
            asked = here("jobs", "cancel", str(running.id), "--running", "--why", "wrong file")
            eventually(lambda: app.get(running.id).state == "cancelled")

        assert (refused.exit_code, "--running" in refused.stderr) == (1, True)
        # The worker logs in this process too, and may do so while the command runs.
        assert f"Asked to end: {running.id} {running.name}\n" in asked.output
        assert f"by {getpass.getuser()}: wrong file" in here("jobs", "show", str(running.id)).output

    def test_are_cancelled_with_all_others_though_they_run(self, app, here):
        running, waiting = goes_on.delay(), goes_on.options(queue="other").delay()

        with working(queues=["default"]):
            eventually(lambda: "began" in recorder.deeds)
            said = here("jobs", "cancel", "--all", "--running", "--yes").output
            eventually(lambda: app.get(running.id).state == "cancelled")

        assert "Cancelled 2 jobs." in said
        assert app.get(waiting.id).state == "cancelled"

    def test_that_are_to_end_are_listed_as_such(self, app, here):
        running = goes_on.delay()
        app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(minutes=1))
        app.cancel(running.id, running=True)

        assert "cancelling" in here("jobs", "list").output

    def test_are_cancelled_by_the_document_whose_method_they_call(self, app, here):
        band = Band(name="Abba").save()
        wanted = band.delay(run_in=60).play()
        Band(name="Blur").save().delay(run_in=60).play(band)

        here("jobs", "cancel", "--arg", f"target={band.id}", "--yes")

        assert [job.id for job in app.reader.find(state="cancelled")] == [wanted.id]

    def test_are_cancelled_by_tag_and_priority(self, app, here):
        wanted = append.options(run_in=60, tags=["vip"], priority=5).delay("x", "y")
        append.options(run_in=60, tags=["vip"]).delay("x", "y")
        append.options(run_in=60, priority=5).delay("x", "y")

        here("jobs", "cancel", "--tag", "vip", "--priority", "5", "--yes")

        assert [job.id for job in app.reader.find(state="cancelled")] == [wanted.id]

    def test_are_listed_by_the_worker_that_failed_to_run_them(self, app, here):
        failed_jobs(1)
        [failed] = app.reader.find(state="failed")
        worker = failed.errors[0]["worker"]

        assert str(failed.id) in here("jobs", "list", "--worker", worker).output
        assert "no such jobs" in here("jobs", "list", "--worker", "other").output

    def test_are_moved_to_a_priority(self, app, here):
        moved = append.delay("x", "y")

        here("jobs", "move", "--name", moved.name, "--priority", "-5", "--yes")

        assert app.get(moved.id).priority == -5

    def test_are_deleted_by_age_and_name(self, app, here):
        old = append.delay("x", "y")
        app.store.collection.update_one({"_id": old.id}, {"$set": {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}})
        append.delay("x", "y")

        ended = here("jobs", "delete", "--name", f"{SAMPLE_APP}.append", "--until", "2021-01-01T00:00:00Z", "--yes")

        assert ended.output == "Deleted 1 job.\n"
        assert app.get(old.id) is None
        assert here("jobs", "delete", "--since", "1h", "--dry-run").output.startswith("This would affect 1 job;")

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            (("jobs", "delete", "--queue", "default"), "1 matching job is running, and was left alone."),
            (("jobs", "cancel", "--all"), "1 matching job is running, and was left alone."),
            (("jobs", "move", "--all", "--to-queue", "mail"), "1 matching job is running, and was left alone."),
            (("clear",), "1 matching job is running, and was left alone."),
            (("clear", "--queue", "default"), "1 matching job is running, and was left alone."),
        ],
    )
    def test_that_run_are_left_alone_and_reported(self, app, here, command, said):
        running = append.delay("x", "y")
        app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(minutes=1))

        ended = here(*command, "--yes")

        assert said in ended.stderr
        assert app.get(running.id).state == "running"

    def test_that_run_are_not_reported_where_others_are_meant(self, app, here):
        append.delay("x", "y")
        app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(minutes=1))

        assert here("jobs", "delete", "--state", "ready", "--yes").stderr == ""
        assert here("jobs", "delete", "--queue", "mail", "--yes").stderr == ""
        assert here("clear", "--state", "failed", "--yes").stderr == ""

    def test_are_run_now_and_moved(self, app, here):
        made = append.options(run_in=3600).delay("x", "y")

        here("jobs", "run-now", "--all", "--yes")
        here("jobs", "move", str(made.id), "--priority", "-7", "--to-queue", "fast")

        found = app.get(made.id)
        assert (found.run_at < datetime.now(UTC), found.priority, found.queue) == (True, -7, "fast")

    @pytest.mark.parametrize("verb", ["retry", "cancel", "delete", "run-now"])
    @pytest.mark.parametrize("arguments", [(), ("ID", "--queue", "mail"), ("ID", "--all"), ("--all", "--queue", "q")])
    def test_are_left_alone_unless_it_is_clear_which(self, here, verb, arguments):
        ended = here("jobs", verb, *arguments, "--yes")

        assert ended.exit_code == 2
        assert "which jobs?" in ended.stderr

    @pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
    def test_are_not_changed_without_a_yes_where_nobody_can_be_asked(self, app, here, verb):
        failed_jobs(1)
        append.delay("x", "y")

        ended = here("jobs", verb, "--all")

        assert ended.exit_code == 2
        assert re.search(r"\d jobs? in delayed_jobs in .*There is no terminal to ask on", ended.stderr)
        assert {job.state for job in app.reader.find()} == {"ready", "failed"}

    def test_in_a_state_that_forbids_it_are_refused(self, here):
        ended = here("jobs", "retry", "--state", "running", "--yes")

        assert (ended.exit_code, ended.stderr) == (
            1,
            "Error: you can retry failed and cancelled jobs, but not running ones\n",
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            ("--arg", "x"),
            ("--arg", "$where=1"),
            ("--arg", "x=Decimal('x')"),
            ("--since", "soon"),
            ("--since", "2026-01-01"),
            ("--since", "999999999999d"),
        ],
    )
    def test_are_chosen_by_nothing_odd(self, here, wrong):
        ended = here("jobs", "retry", *wrong, "--yes")

        assert ended.exit_code in (1, 2)
        assert "Error: " in ended.stderr

    def test_are_listed_page_by_page(self, here):
        append.delay_many([("x", str(n)) for n in range(3)])

        first = json.loads(here("jobs", "list", "--limit", "2", "--json").stdout)
        second = json.loads(here("jobs", "list", "--limit", "2", "--json", "--after", first["next"]).stdout)

        assert [len(first["jobs"]), len(second["jobs"]), second["next"]] == [2, 1, None]
        assert "give the `next` of the previous page" in here("jobs", "list", "--after", "x").stderr

    def test_that_are_rare_are_listed_part_by_part(self, here, monkeypatch):
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 2)
        append.delay_many([("x", "rare"), ("x", "1"), ("x", "2"), ("x", "3")])
        search = ("jobs", "list", "--arg", "1=rare", "--limit", "2")

        first = here(*search).stderr

        assert first.startswith("None found among the newest jobs; to look further: --after ")
        assert "append" in here(*search, *first.split()[-2:]).stdout


class TestWhy:
    def test_says_it_with_a_remedy(self, app, here):
        made = append.options(queue="mail").delay("x", "y")
        app.pause("mail", reason="the provider is down")

        shown = here("jobs", "why", str(made.id)).output.splitlines()

        assert re.fullmatch(
            r"The queue mail has been paused since .*, until it is resumed: the provider is down\.", shown[0]
        )
        assert shown[1:] == ["  -> mongojobs queues resume mail", "No worker is alive.", "  -> mongojobs work"]

    def test_names_only_remedies_that_are_commands(self):
        text = (ROOT / "mongojobs" / "app" / "why.py").read_text(encoding="utf-8")
        context = command_line.make_context("mongojobs", ["version"])

        for words in set(re.findall(r"mongojobs ((?:jobs|queues|workers) [\w-]+|[a-z][a-z-]+)", text)):
            name, _, inner = words.partition(" ")
            command = command_line.get_command(context, name)
            assert command is not None, words
            assert not inner or inner in command.commands, words


class TestPurge:
    def test_deletes_what_ended_long_ago(self, app, here):
        [old, young] = failed_jobs(2)
        app.store.collection.update_one({"_id": old.id}, {"$set": {"finished_at": datetime(2020, 1, 1, tzinfo=UTC)}})
        append.options(run_at=datetime(2020, 1, 1, tzinfo=UTC)).delay("x", "y")

        assert here("purge", "--state", "completed", "--yes").output == "There are no such jobs.\n"
        assert here("purge", "--dry-run").output.startswith("This would affect 1 job;")
        assert here("purge", "--yes").output == "Deleted 1 job.\n"
        assert (app.get(old.id), app.get(young.id).state) == (None, "failed")


class TestRequeue:
    def test_retries_failed_jobs(self, app, here):
        failed_jobs(2)

        assert here("requeue", "--failed", "--queue", "none", "--yes").output == "There are no such jobs.\n"
        assert here("requeue", "--failed", "--yes").output == "Requeued 2 jobs.\n"
        assert {job.state for job in app.reader.find()} == {"ready"}

    def test_takes_back_stuck_jobs(self, app, here):
        made = append.delay("x", "y")
        past = dict.fromkeys(("locked_at", "locked_until"), made.created_at - timedelta(hours=1))
        lock = past | {"state": "running", "locked_by": "dead", "lock_token": "t"}
        app.store.collection.update_one({"_id": made.id}, {"$set": lock})

        assert here("requeue", "--stuck", "--yes").output == "Took back 1 job.\n"
        assert (app.get(made.id).state, app.get(made.id).losses) == ("ready", 1)

    @pytest.mark.parametrize("arguments", [(), ("--stuck", "--queue", "mail")])
    def test_needs_to_know_what(self, here, arguments):
        assert here("requeue", *arguments).exit_code == 2


class TestEnqueue:
    def test_stores_what_the_python_call_stores_and_the_async_one(self, app, here, event_loop_run):
        args = ["x", "a text"]
        called = append.options(queue="mail", priority=3).delay(*args)
        awaited = event_loop_run(append.options(queue="mail", priority=3).adelay(*args))

        flags = ["--args", json.dumps(args), "--queue", "mail", "--priority", "3"]
        printed = json.loads(here("enqueue", f"{SAMPLE_APP}.append", *flags, "--json").stdout)

        by_command = next(job.id for job in app.reader.find() if str(job.id) == printed["id"])
        documents = [app.store.collection.find_one({"_id": i}) for i in (called.id, awaited.id, by_command)]
        own = [{field: document.pop(field) for field in ("_id", "run_at", "created_at")} for document in documents]
        assert documents[0] == documents[1] == documents[2]
        assert all(one["run_at"] == one["created_at"] for one in own)

    def test_makes_an_object_of_a_job_class(self, app, here):
        here("enqueue", f"{__name__}.Greeting", "--kwargs", '{"name": "Ada"}', "--in", "1h")

        [made] = app.reader.find()
        assert (made.name, made.handler["kwargs"]) == ("Greeting", {"name": "Ada"})
        assert made.run_at - made.created_at == timedelta(hours=1)

    def test_changes_nothing_with_an_id_that_is_there(self, app, here):
        flags = ("enqueue", f"{SAMPLE_APP}.append", "--args", '["x", "y"]', "--job-id", "order-17", "--json")

        first, second = json.loads(here(*flags).stdout), json.loads(here(*flags, "--queue", "mail").stdout)

        assert (first["id"], first["queue"]) == (second["id"], second["queue"]) == ("order-17", "default")
        assert len(app.find()) == 1

    def test_waits_until_the_job_has_ended(self, here, ledger):
        with working():
            done = here("enqueue", f"{SAMPLE_APP}.append", "--args", json.dumps([str(ledger), "done"]), "--wait")
            failed = here("enqueue", f"{SAMPLE_APP}.always_fails", "--wait")

        assert (done.exit_code, done.output.splitlines()[-1]) == (0, "It has completed.")
        assert (failed.exit_code, failed.stderr) == (1, "ValueError: this job always fails\n")
        assert ledger.read_text() == "done\n"

    def test_waits_no_longer_than_asked(self, here):
        ended = here("enqueue", f"{SAMPLE_APP}.always_fails", "--wait", "--timeout", "0.1")

        assert ended.exit_code == 1
        assert re.search("has not ended in time, it is ready: see `mongojobs jobs why", ended.stderr)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("no.such.job",), "no job is registered under the name 'no.such.job': import its module"),
            ((f"{SAMPLE_APP}.apend",), f"'{SAMPLE_APP}.apend': did you mean {SAMPLE_APP}.append?"),
            ((f"{SAMPLE_APP}.append", "--args", "[1"), "must be JSON"),
            ((f"{SAMPLE_APP}.append", "--args", "{}"), "must be a JSON list"),
            ((f"{SAMPLE_APP}.append", "--args", "[1]"), "line"),
            ((f"{SAMPLE_APP}.append", "--at", "2030-01-01T00:00"), "must have a zone"),
            ((f"{__name__}.Greeting",), "cannot make a"),
        ],
    )
    def test_refuses_what_cannot_be_run(self, app, here, arguments, said):
        ended = here("enqueue", *arguments)

        assert ended.exit_code in (1, 2)
        assert said in ended.stderr
        assert app.reader.find() == []


@pytest.fixture
def event_loop_run():
    import asyncio

    return asyncio.run


class TestExplain:
    def test_tells_the_index_and_what_is_read(self, app, here):
        append.delay_many([("x", str(n)) for n in range(10)])

        shown = here("explain").output

        assert "A reserve uses the index ready." in shown
        assert re.search(r"It reads \d keys? and 1 document, in \d+ ms, to find a job\.", shown)
        assert "ready_by_queue" in here("explain", "--queues", "mail").output

    def test_says_which_index_is_missing(self, app, here):
        app.store.collection.drop_index("ready")
        append.delay("x", "y")

        ended = here("explain")

        assert ended.exit_code == 5
        assert "The index ready is missing: run `mongojobs create-indexes`" in ended.output


class TestTop:
    def test_prints_lines_where_there_is_no_terminal(self, app, environ, tmp_path):
        failed_jobs(1)
        watching = Process("top", "--interval", "0.1", folder=tmp_path, environ=environ)
        try:
            watching.says("ready=0 scheduled=0 running=0 cancelling=0 failed=1", times=2)
            watching.send(Signals.SIGINT)

            assert watching.wait() == 0
        finally:
            watching.end()

    def test_shows_all_on_a_terminal_and_obeys_keys(self, app, environ):
        failed_jobs(2)
        append.options(queue="mail").delay("x", "y")
        always_fails.options(max_attempts=1, unique_key="a", queue="other").delay()
        work_off(queues="other")
        always_fails.options(unique_key="a").delay()
        with Terminal("top", "--interval", "0.2", environ=environ, keyboard=True) as terminal:
            terminal.sees(r"mail +1 +0 +0 +0", r"3 +tests\.support\.sample_app\.always_fails +ValueError")
            terminal.type("p")
            terminal.sees("Pause which queue")
            terminal.type("mail\r")
            eventually(lambda: [pause.queue for pause in app.pauses.all()] == ["mail"])
            terminal.sees("Paused mail")
            terminal.type("r")
            terminal.sees("Retry all failed jobs")
            terminal.type("yes\r")
            terminal.sees("Ready again: 2 jobs. 1 job was left alone, as other living jobs hold its unique key")
            terminal.type("q")

            assert terminal.process.wait(30) == 0
            terminal.sees(re.escape("\x1b[?1049l"))


class TestRun:
    def test_runs_one_job_here_though_it_is_not_due_and_its_queue_is_paused(self, app, environ, ledger):
        others = append.options(priority=-1).delay(str(ledger), "another")
        made = append.options(queue="asleep", run_in=3600).delay(str(ledger), "done")
        app.pause("asleep")

        ended = run("jobs", "run", str(made.id), environ=environ)

        assert (ended.returncode, ended.stdout) == (0, f"The job {made.id} has completed.\n")
        assert ledger.read_text() == "done\n"
        assert app.get(others.id).state == "ready"

    def test_says_how_it_failed(self, app, environ):
        [made] = failed_jobs(1)

        ended = run("jobs", "run", str(made.id), environ=environ)

        assert ended.returncode == 1
        assert "raise ValueError" in ended.stderr
        assert f"the job {made.id} did not complete, it is failed" in ended.stderr

    @pytest.mark.parametrize(
        "enqueued",
        [
            lambda ledger: append.options(run_in=3600).delay(ledger, "done"),
            lambda ledger: append.options(queue="asleep", priority=9).delay(ledger, "done"),
        ],
        ids=["scheduled", "paused"],
    )
    def test_is_not_robbed_by_a_worker_that_waits_for_jobs(self, app, environ, ledger, enqueued):
        app.pause("asleep")
        made = enqueued(str(ledger))

        notices = []
        app.lifecycle.on_notice(notices.append)
        with working(name="ada", sleep_delay=0.02):
            eventually(app.workers)
            ended = run("jobs", "run", str(made.id), environ=environ)

        assert (ended.returncode, ended.stdout) == (0, f"The job {made.id} has completed.\n"), ended.stderr
        assert ledger.read_text() == "done\n"
        assert not [notice for notice in notices if isinstance(notice, JobStarted)]

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_retries_what_has_failed_though_a_worker_waits_for_jobs(self, app, environ, ledger, state):
        made = append.delay(str(ledger), "done")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"state": state, "finished_at": made.created_at}})

        notices = []
        app.lifecycle.on_notice(notices.append)
        with working(name="ada"):
            eventually(app.workers)
            ended = run("jobs", "run", str(made.id), environ=environ)

        assert (ended.returncode, ledger.read_text()) == (0, "done\n"), ended.stderr
        assert not [notice for notice in notices if isinstance(notice, JobStarted)]

    def test_runs_a_job_that_fails_once_only(self, app, environ):
        made = always_fails.options(max_attempts=3).delay()

        ended = run("jobs", "run", str(made.id), environ=environ)

        assert ended.returncode == 1
        assert f"the job {made.id} did not complete, it is ready" in ended.stderr
        assert app.get(made.id).attempts == 1

    def test_says_of_a_job_that_has_completed_what_to_do(self, app, here, ledger):
        made = append.options(job_id="done").delay(str(ledger), "done")
        work_off()

        ended = here("jobs", "run", str(made.id))

        assert ended.exit_code == 1
        assert "it is completed: to run it again, enqueue it again" in ended.stderr
        assert ledger.read_text() == "done\n"

    def test_says_of_a_job_that_it_cannot_load_why(self, app, environ):
        made = append.delay("x", "y")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"handler.target": "no.such.job"}})

        ended = run("jobs", "run", str(made.id), environ=environ)

        assert ended.returncode == 1
        assert f"the job {made.id} cannot be loaded here, it is ready: UnknownJobError: no job is" in ended.stderr

    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
    def test_hands_a_job_back_without_an_attempt_when_told_to_stop(self, app, start, ledger, number):
        made = append_after.delay(str(ledger), "job", 60)
        command = start("jobs", "run", str(made.id), MONGOJOBS_SHUTDOWN_TIMEOUT="0")
        eventually(lambda: "began" in ledger.read_text())

        command.send(number)

        assert command.wait() == 1
        found = app.get(made.id)
        assert (found.state, found.attempts, found.releases) == ("ready", 0, 1)
        assert (
            f"the job {made.id} was handed back, as this command was told to stop: it is ready, as before"
            in command.errors
        )

    def test_lets_a_job_end_that_does_so_in_time_after_it_was_told_to_stop(self, app, start, ledger):
        made = append_after.delay(str(ledger), "job", 1)
        command = start("jobs", "run", str(made.id))
        eventually(lambda: "began" in ledger.read_text())

        command.send(Signals.SIGTERM)

        assert command.wait() == 0
        assert ledger.read_text() == "job began\njob ended\n"
        assert app.get(made.id) is None

    def test_leaves_a_job_to_the_worker_that_runs_it(self, app, here):
        made = append.delay("x", "y")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"state": "running", "locked_by": "ada"}})

        assert f"the job {made.id} is being run by ada" in here("jobs", "run", str(made.id)).stderr

    def test_opens_the_debugger_where_the_job_raised(self, app, environ):
        made = always_fails.delay()
        with Terminal("jobs", "run", str(made.id), "--pdb", environ=environ, keyboard=True) as terminal:
            terminal.sees(r"sample_app\.py.*always_fails\(\)", r"\(Pdb\)")
            terminal.type("q\n")

            assert terminal.process.wait(20) == 1
        assert app.get(made.id).state == "failed"


class Terminal:
    """A command on its own terminal, which shows what it writes, at least to standard error."""

    def __init__(self, *arguments, environ, keyboard=False, code=None):
        ours, theirs = pty.openpty()
        what = ["-m", "mongojobs"] if code is None else ["-c", code]
        self.process = subprocess.Popen(
            [sys.executable, *what, *arguments],
            cwd=ROOT,
            env=clean_environ(environ) | {"TERM": "xterm", "COLUMNS": "150", "LINES": "40"},
            stdin=theirs if keyboard else subprocess.DEVNULL,
            stdout=theirs if keyboard else subprocess.PIPE,
            stderr=theirs,
            text=True,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._ours)

    def type(self, text):
        os.write(self._ours, text.encode())

    def sees(self, *patterns, seconds=20):
        """Return once all *patterns* have been written, from now on or before."""
        until = time.monotonic() + seconds
        while not all(re.search(pattern, self.seen, re.DOTALL) for pattern in patterns):
            assert time.monotonic() < until, self.seen
            self.read()

    def read(self):
        if select.select([self._ours], [], [], 0.1)[0]:
            try:
                self.seen += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                time.sleep(0.05)


class TestFortyThousandJobs:
    @pytest.fixture
    def many(self, app):
        """Failed jobs, all at once."""
        moment = datetime.now(UTC) - timedelta(days=40)
        fields = {
            "state": "failed",
            "failed_at": moment,
            "finished_at": moment,
            "last_error": "boom",
            "created_at": moment,
        }
        for _ in range(MANY // 10_000):
            app.store.insert_many([a_job(**fields) for _ in range(10_000)])
        return app

    def swept(self, *arguments, environ):
        """Run a command, and return what it showed, what it printed, and its peak memory."""
        with Terminal(*arguments, "--yes", environ=environ, code=WITH_MEMORY) as terminal:
            while terminal.process.poll() is None:
                terminal.read()
            printed = terminal.process.stdout.read()
            terminal.read()
        return terminal.seen, printed, int(re.search(r"peak=(\d+)M", printed)[1])

    def test_are_requeued_cleared_and_purged_with_progress_and_in_little_memory(self, many, environ, administrator):
        jobs = many.store.collection
        shown, printed, requeue_peak = self.swept("requeue", "--failed", environ=environ)
        assert f"Requeued {MANY:,} jobs." in printed
        assert re.search(r"Requeued .*\b(?:[1-9]|[1-9]\d)%.*100%", shown, re.DOTALL)

        slow = {"times": MANY, "appname": "mongojobs", "blockConnection": True, "blockTimeMS": 100}
        with failing(administrator, "delete", **slow), Terminal("clear", "--yes", environ=environ) as terminal:
            terminal.sees(r"Deleted .*\b[1-9]\d?%")
            terminal.process.send_signal(Signals.SIGINT)
            assert terminal.process.wait(20) == 1
            terminal.sees(r"interrupted after [\d,]+ jobs; the others are unchanged")
        left = jobs.estimated_document_count()
        assert 0 < left < MANY

        some = [found["_id"] for found in jobs.find({}, {"_id": 1}, limit=left // 2)]
        ended = {"state": "failed", "finished_at": datetime.now(UTC) - timedelta(days=40)}
        jobs.update_many({"_id": {"$in": some}}, {"$set": ended})
        shown, printed, purge_peak = self.swept("purge", environ=environ)
        assert f"Deleted {len(some):,} jobs." in printed
        assert "100%" in shown
        _, printed, clear_peak = self.swept("clear", environ=environ)
        assert f"Deleted {left - len(some):,} jobs." in printed

        assert max(requeue_peak, purge_peak, clear_peak) < LARGEST_MEGABYTES
