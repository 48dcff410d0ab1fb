"""What a job logs is kept and read: by its app, on the command line, and whatever becomes of the job."""

import asyncio
import json
import logging
import threading
import tracemalloc
from datetime import timedelta

import bson
import pytest

import mongojobs
from mongojobs import JobFilter, OptionError, StateError
from tests.support import logging_jobs
from tests.support.command_here import run_here
from tests.support.command_line import run
from tests.support.logging_jobs import Export, floods, gates, logs, logs_and_fails
from tests.support.waiting import eventually
from tests.support.working import work_off, working


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.fixture
def stored(app):
    return app.log_store.collection


@pytest.fixture
def gate():
    """Keeps a job waiting until it is opened."""
    gates.update({"go on": threading.Event(), "begun": threading.Event()})
    yield gates["go on"]
    gates["go on"].set()


def command(*arguments):
    return run_here(*arguments, MONGOJOBS_APP=logging_jobs.__name__)


def texts(app, job):
    return [line.text for run in app.log(job.id) for line in run.lines]


@pytest.fixture
def _kept_only(caplog):
    """Passes no line on to pytest, which would keep it, or raise where it cannot be written."""
    caplog.set_level(logging.CRITICAL, logger="mongojobs.job")


class TestWhatAJobLogs:
    def test_is_there_when_it_has_ended_and_is_gone(self, app):
        job = logs.delay("one", "two")

        work_off()

        [run] = app.log(job.id)
        assert app.get(job.id) is None
        assert [(line.level, line.text) for line in run.lines] == [("INFO", "one"), ("INFO", "two")]
        assert (run.attempt, run.fence, run.dropped) == (1, 1, 0)
        assert run.began <= run.lines[0].at <= run.began + timedelta(seconds=10)

    def test_is_kept_in_one_chunk_while_it_comes_at_once(self, app, stored):
        logs.delay("one", "two", "three")

        work_off()

        assert [len(chunk["lines"]) for chunk in stored.find()] == [3]

    @pytest.mark.parametrize("name", ["logs_on_the_loop", "logs_in_a_thread"])
    def test_is_kept_wherever_it_says_it(self, app, name):
        job = getattr(logging_jobs, name).delay("well")

        work_off()

        assert texts(app, job) == ["well"]

    def test_is_kept_from_info_on_whatever_else_is_logged(self, app):
        job = logging_jobs.logs_at_all_levels.delay()

        work_off()

        assert texts(app, job) == ["info", "error"]

    def test_goes_where_other_records_go_with_the_id_of_the_job(self, app, caplog):
        job = logs.delay("well")

        with caplog.at_level(logging.INFO, "mongojobs.job"):
            work_off()

        [record] = [one for one in caplog.records if one.name == "mongojobs.job"]
        assert (record.getMessage(), record.job_id, record.job) == ("well", str(job.id), job.name)

    def test_is_not_forced_on_loggers_that_want_less(self, app, caplog):
        logs.delay("well")

        with caplog.at_level(logging.WARNING, "mongojobs.job"):
            work_off()

        assert [one for one in caplog.records if one.name == "mongojobs.job"] == []

    def test_is_kept_of_each_attempt_with_tracebacks(self, app):
        job = logs_and_fails.delay("well")

        work_off()
        app.run_now(job.id)
        work_off()

        first, second = app.log(job.id)
        assert (first.attempt, second.attempt) == (1, 2)
        assert first.lines[0].text == "well"
        assert "LookupError: no luck" in first.lines[1].text
        assert [run.attempt for run in app.log(job.id, attempt=2)] == [2]

    @pytest.mark.usefixtures("_kept_only")
    def test_leaves_the_job_alone_where_it_cannot_be_written(self, app, capsys):
        job = logging_jobs.logs_what_cannot_be_written.delay()

        assert work_off() == (1, 0)

        assert texts(app, job) == ["after"]
        assert "--- Logging error ---" in capsys.readouterr().err

    def test_is_kept_without_secrets(self, app, stored):
        job = logging_jobs.logs_a_secret.delay("hunter-2-hunter")

        work_off()

        assert texts(app, job) == ["signing in with [masked]"]
        assert b"hunter" not in b"".join(map(bson.encode, stored.find()))

    def test_is_cleaned_by_the_apps_own_function_too(self, connection):
        app = mongojobs.configure(redact=lambda text: text.replace("4711", "####"))
        app.create_indexes()
        job = logs.delay("pin 4711")

        work_off()

        assert texts(app, job) == ["pin ####"]

    def test_in_a_process_of_its_own_is_kept_too_but_for_the_last_moment(self, app, mongo_uri):
        dies, secret = logging_jobs.logs_and_dies.delay("run"), logging_jobs.logs_a_secret.delay("hunter-2-hunter")
        worker = ("-A", logging_jobs.__name__, "work", "--executor=process", "--exit-on-complete")

        run(*worker, environ={"SAMPLE_URI": mongo_uri})

        assert texts(app, dies) == ["run 1", "run 2"]
        assert texts(app, secret) == ["signing in with [masked]"]

    def test_is_stored_in_no_context_of_the_job(self, connection):
        seen = []
        app = mongojobs.configure(redact=lambda text: seen.append(mongojobs.current_job()) or text)
        app.create_indexes()
        job = logs.delay("well")

        work_off()

        assert texts(app, job) == ["well"]
        assert seen == [None]

    def test_is_kept_whatever_becomes_of_a_transaction(self, app):
        job = logging_jobs.logs_in_a_transaction.delay()

        work_off()

        assert texts(app, job) == ["inside", "after"]

    def test_is_refused_outside_of_the_run(self, app):
        with pytest.raises(StateError, match=r"use current_job\(\).log to write, and app.log\(job.id\)"):
            logs.delay("well").log  # noqa: B018 - it raises

    def test_must_be_asked_for_by_a_number_of_attempts(self, app):
        with pytest.raises(OptionError, match="attempt must be a whole number of 1 or more, got 0"):
            app.log(7, attempt=0)


class TestAJobThatKeepsNoLog:
    def test_makes_no_collection_and_no_thread(self, connection):
        mongojobs.configure()
        logging_jobs.logs_what_nobody_keeps.delay("well")

        assert work_off() == (1, 0)

        assert "delayed_jobs_logs" not in connection.get_default_database().list_collection_names()

    def test_is_told_how_to_keep_it(self, app):
        job = logging_jobs.logs_what_nobody_keeps.delay("well")

        ended = command("jobs", "log", str(job.id))

        assert ended.exit_code == 1
        assert "does not keep its log: declare it with @job(keep_log='64k')" in ended.stderr


class TestTheCap:
    def test_keeps_the_last_lines_and_counts_the_others(self, app, stored):
        job = floods.options(keep_log="8k").delay(500, 100)

        work_off()

        [run] = app.log(job.id)
        assert sum(len(bson.encode(chunk)) for chunk in stored.find()) <= 8 * 1024
        assert run.lines[-1].text.startswith("00000499 ")
        assert len(run.lines) > 20
        assert len(run.lines) + run.dropped == 500

    @pytest.mark.usefixtures("_kept_only", "unmeasured")
    @pytest.mark.parametrize(
        "count", [pytest.param(2_500, id="20 MB"), pytest.param(131_072, id="1 GB", marks=pytest.mark.slow)]
    )
    def test_holds_in_database_and_memory_however_much_is_logged(self, app, stored, count):
        job = floods.options(max_run_time="1h").delay(count, 8_192)
        tracemalloc.start()

        assert work_off() == (1, 0)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        [run] = app.log(job.id)
        assert sum(len(bson.encode(chunk)) for chunk in stored.find()) <= 64 * 1024
        assert len(run.lines) + run.dropped == count
        assert peak < 8 * 1024 * 1024

    def test_cuts_a_huge_line_in_the_middle(self, app):
        job = logs.delay("begin " + "x" * 200_000 + " end")

        work_off()

        [text] = texts(app, job)
        assert len(text.encode()) <= 8 * 1024
        assert (text[:7], text[-5:]) == ("begin x", "x end")
        assert " ... (cut) ... " in text

    def test_comes_from_the_job_object_or_the_enqueue(self, app):
        assert Export("a").keep_log == "8k"
        assert [mongojobs.enqueue(Export("a")).keep_log, mongojobs.enqueue(Export("a"), keep_log="16k").keep_log] == [
            8 * 1024,
            16 * 1024,
        ]

    def test_leaves_the_logs_of_the_last_ten_runs(self, app, stored):
        job = logs_and_fails.options(max_attempts=20).delay("well")

        for _ in range(12):
            work_off(1)
            app.run_now(job.id)

        assert [run.fence for run in app.log(job.id)] == list(range(3, 13))


class TestALogOfAJobThatRuns:
    def test_is_seen_from_outside(self, app, gate):
        job = logging_jobs.logs_and_waits.delay("go on", "well")

        with working():
            eventually(lambda: texts(app, job) == ["well"])
            gate.set()
            eventually(lambda: app.get(job.id) is None)

        assert texts(app, job) == ["well", "well, later"]

    @pytest.mark.usefixtures("unmeasured")
    def test_is_stored_when_the_worker_stops(self, app, gate):
        job = logging_jobs.logs_and_waits.delay("go on", "well")

        with working(shutdown_timeout=0):
            assert gates["begun"].wait(30)

        assert texts(app, job) == ["well"]


class TestDeleting:
    def test_removes_the_log_with_the_job(self, app, stored):
        job = logs_and_fails.options(max_attempts=1).delay("well")
        work_off()

        app.delete(job.id)

        assert stored.count_documents({}) == 0

    def test_of_many_removes_their_logs_and_no_others(self, app, stored):
        failed = [logs_and_fails.options(max_attempts=1).delay("well") for _ in range(3)]
        gone, waits = logs.delay("well"), logs_and_fails.options(queue="other").delay("well")
        work_off()

        app.delete_all(JobFilter(state="failed"))

        assert [app.log(job.id) for job in failed] == [[], [], []]
        assert texts(app, gone)
        assert texts(app, waits)

    def test_by_time_is_the_servers(self, app, stored):
        job = logs.delay("well")
        work_off()

        [chunk] = stored.find()

        kept = chunk["expire_at"] - app.log(job.id)[0].began
        assert timedelta(days=7) <= kept < timedelta(days=7, minutes=1)


class TestTheCommand:
    def test_prints_the_log_of_a_job_that_is_gone(self, app):
        job = logs.delay("one", "two\nlines")
        work_off(name="ada")

        output = command("jobs", "log", str(job.id)).output

        assert "Attempt 1, run 1, begun " in output
        assert " by ada\n" in output
        assert " INFO     one\n" in output
        assert " INFO     two\n    lines\n" in output

    def test_prints_nothing_that_commands_a_terminal(self, app):
        job = logs.delay("\x1b[31mred\x1b]0;title\x07 \u202eabc\r\x00")
        work_off()

        output = command("jobs", "log", str(job.id)).output

        assert output.replace("\n", "").isprintable()
        assert "\\x1b[31mred" in output

    def test_takes_an_attempt(self, app):
        job = logs_and_fails.delay("well")
        work_off()

        assert "Attempt 1" in command("jobs", "log", str(job.id), "--attempt", "1").output
        ended = command("jobs", "log", str(job.id), "--attempt", "2")
        assert (ended.exit_code, "has logged nothing in attempt 2" in ended.stderr) == (1, True)

    def test_knows_a_job_that_has_logged_nothing_yet(self, app):
        ended = command("jobs", "log", str(logs.delay("well").id))

        assert (ended.exit_code, "has logged nothing yet" in ended.stderr) == (1, True)

    def test_refuses_an_id_that_nobody_has(self, app):
        assert "no job nobody" in command("jobs", "log", "nobody").stderr

    def test_follows_until_the_job_has_ended(self, app, gate):
        job = logging_jobs.logs_and_waits.delay("go on", "well")
        opening = threading.Timer(1.5, gate.set)
        opening.start()

        with working():
            output = command("jobs", "log", str(job.id), "-f", "--json").stdout

        assert [line["text"] for run in map(json.loads, output.splitlines()) for line in run["lines"]] == [
            "well",
            "well, later",
        ]

    def test_of_jobs_why_names_it(self, app):
        failed = logs_and_fails.options(max_attempts=1).delay("well")
        completed = logs.options(job_id="kept").delay("well")
        work_off()

        assert f"what it logged: mongojobs jobs log {failed.id}" in command("jobs", "why", str(failed.id)).output
        assert f"to see what it logged: mongojobs jobs log {completed.id}" in command("jobs", "why", "kept").output

    def test_of_jobs_show_names_it(self, app):
        job = logs.delay("well")

        assert f"64k: mongojobs jobs log {job.id}" in command("jobs", "show", str(job.id)).output


class TestFollowing:
    def test_a_number_that_is_no_id_ends_at_once(self, app):
        assert list(app.follow_log(2**63)) == app.log(2**63) == []

    def test_leaves_the_event_loop_to_others(self, app, gate):
        job = logging_jobs.logs_and_waits.delay("go on", "well")

        async def follow():
            return [line.text async for run in app.afollow_log(job.id) for line in run.lines if not gate.set()]

        with working():
            followed = asyncio.run(follow())

        assert followed == ["well", "well, later"]

    def test_waits_without_a_stream_where_there_is_none(self, app, gate, monkeypatch):
        monkeypatch.setattr(type(app.log_store), "stream", lambda _self, _id: None)
        job = logging_jobs.logs_and_waits.delay("go on", "well")
        followed = []

        with working():
            for run in app.follow_log(job.id):
                followed += [line.text for line in run.lines]
                gate.set()

        assert followed == ["well", "well, later"]
