"""A job says how far it is, and everybody sees it: while it runs, after it has failed, and in the tests of an app."""

import json
import re
import threading

import pytest

import mongojobs
from mongojobs import testing
from tests.support import telling_jobs
from tests.support.command_here import run_here
from tests.support.command_line import run
from tests.support.dashboard import Visitor
from tests.support.telling_jobs import gates, seen
from tests.support.waiting import eventually
from tests.support.working import work_off, working

OFTEN = {"heartbeat": 0.05, "lease": 5}


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    seen.clear()
    yield app
    mongojobs.configure()


@pytest.fixture
def half_way(app):
    """A job that a worker runs, and that is half way, as it says."""
    go_on = gates["go on"] = threading.Event()
    with working(name="ada", shutdown_timeout=5, **OFTEN):
        job = telling_jobs.tells_and_waits.delay("go on")
        eventually(lambda: progress_of(app, job))
        yield job
        go_on.set()


def command(*arguments):
    ended = run_here(*arguments, MONGOJOBS_APP=telling_jobs.__name__)
    assert ended.exit_code == 0, ended.output
    return ended.output


def progress_of(app, job):
    found = app.get(job.id)
    return found and found.progress


def told_by_workers(app):
    return [run.progress for worker in app.workers() for run in worker.running if run.progress is not None]


class TestARunningJob:
    def test_is_seen_from_outside(self, app, half_way):
        told = progress_of(app, half_way)

        assert (told.done, told.of, told.note, told.share) == (3, 10, "three", 0.3)
        assert told.at is not None
        assert told.rate > 0

    def test_sees_it_itself(self, app):
        telling_jobs.tells.delay(3, of=10, note="three")

        work_off()

        assert [(told.done, told.of, told.note) for told in seen] == [(3, 10, "three")]

    def test_in_an_event_loop_tells_too(self, app):
        job = telling_jobs.tells_on_the_loop.options(job_id="kept").delay()

        work_off()

        assert progress_of(app, job).done == 4

    def test_in_a_process_of_its_own_tells_too(self, app, mongo_uri):
        job = telling_jobs.tells_and_stays.options(job_id="kept").delay(1)
        failed = telling_jobs.tells_and_fails.delay(7)
        worker = ("-A", telling_jobs.__name__, "work", "--executor=process", "--exit-on-complete")
        environ = {"SAMPLE_URI": mongo_uri, "MONGOJOBS_HEARTBEAT": "0.1", "MONGOJOBS_LEASE": "30"}

        ended = threading.Thread(target=run, args=worker, kwargs={"environ": environ})
        ended.start()
        eventually(lambda: progress_of(app, job))
        is_running = app.get(job.id).state == "running"
        ended.join()

        assert is_running
        assert (progress_of(app, job).done, progress_of(app, failed).done) == (3, 7)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (("3",), "done must be a number from 0 to 2**53, got '3'"),
            ((-1,), "done must be a number from 0 to 2**53, got -1"),
            ((1, True), "of must be a number from 0 to 2**53, got True"),
            ((1, 2, 7), "note must be a text, got 7"),
        ],
    )
    def test_cannot_tell_what_is_no_amount(self, app, given, message):
        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError) as raised:
            mongojobs.enqueue(telling_jobs.TellsAnything(given))

        assert str(raised.value) == message

    def test_keeps_secrets_out_of_its_note(self, app):
        job = telling_jobs.tells_a_secret.options(job_id="kept").delay("hunter22")

        work_off()

        assert progress_of(app, job).note == "signing in with [masked]"

    def test_has_a_note_of_bounded_size(self, app):
        job = telling_jobs.tells.options(job_id="kept").delay(1, note="x" * 1000)

        work_off()

        assert len(progress_of(app, job).note) == 256


def test_a_job_tells_only_while_it_runs(app):
    job = telling_jobs.tells.delay(1)

    with pytest.raises(mongojobs.StateError, match=r"use current_job\(\)\.set_progress\(\)"):
        job.set_progress(1)


class TestAJobThatRunsAgain:
    def test_after_a_failure_finds_what_it_had_told(self, app):
        job = telling_jobs.tells_and_fails.delay(7)

        work_off()
        app.run_now(job.id)
        work_off()

        assert [told and told.done for told in seen] == [None, 7]

    def test_by_a_persons_retry_does_too(self, app):
        job = telling_jobs.tells_and_fails.options(max_attempts=1).delay(7)

        work_off()
        app.retry(job.id)

        assert progress_of(app, job).done == 7

    def test_after_a_snooze_does_too(self, app):
        job = telling_jobs.tells_and_snoozes.delay(7)

        work_off()

        assert progress_of(app, job).done == 7

    def test_after_its_worker_was_stopped_does_too(self, app):
        with working(**OFTEN) as shift:
            job = telling_jobs.tells_and_stays.delay(0.5)
            eventually(lambda: progress_of(app, job))
            shift.end(now=True)

        assert (app.get(job.id).state, progress_of(app, job).done) == ("ready", 3)

    def test_for_another_call_begins_with_none(self, app):
        once = telling_jobs.tells_and_fails.options(unique_key="it", on_duplicate="replace")
        job = once.delay(7)
        work_off()

        once.delay(8)

        assert progress_of(app, job) is None


class TestItIsShown:
    def test_in_full_by_the_command(self, half_way):
        shown = command("jobs", "show", str(half_way.id))

        assert "progress     3 of 10 (30 %), " in shown
        assert "left: three" in shown

    def test_briefly_in_the_list(self, half_way):
        assert "ago, 30 %" in command("jobs", "list")

    def test_as_json(self, half_way):
        [told] = json.loads(command("jobs", "list", "--json"))["jobs"]
        in_full = json.loads(command("jobs", "show", str(half_way.id), "--json"))

        assert told["progress"].keys() == {"done", "of", "note", "at", "rate", "left_seconds"}
        assert (told["progress"]["done"], in_full["progress"]["note"]) == (3, "three")

    @pytest.mark.parametrize("name", ["status", "top --once --json", "workers list", "workers show ada"])
    def test_by_the_commands_that_show_workers(self, app, half_way, name):
        eventually(lambda: told_by_workers(app))

        assert re.search(r"30 %|\"of\": 10", command(*name.split()))

    def test_with_a_bar_and_the_time_left(self, app, half_way):
        eventually(lambda: told_by_workers(app))

        line = r"tells_and_waits +running +ada .* \[===       \] 3 of 10 \(30 %\), .* left: three"
        assert re.search(line, command("status"))

    def test_by_why(self, app, half_way):
        [reason] = app.why(half_way.id)

        assert "it has done 3 of 10 (30 %), " in reason.text

    @pytest.mark.parametrize("address", ["/jobs?state=running", "/job?id={}", "/workers"])
    def test_by_the_dashboard(self, app, half_way, address):
        eventually(lambda: told_by_workers(app))

        page = Visitor(app).text(address.format(half_way.id))

        assert '<progress max="10" value="3"' in page

    def test_with_rate_and_time_left_on_the_page_of_workers(self, app, half_way):
        eventually(lambda: told_by_workers(app))

        assert re.search(r">, [\d,.]+ a second, .* left<", Visitor(app).text("/workers"))


class TestInTests:
    def test_of_an_app_it_is_kept_in_memory(self):
        with testing.mode("fake") as jobs:
            job = telling_jobs.tells_and_snoozes.delay(7)
            testing.drain()

            assert jobs.get(job.id).progress.done == 7

    def test_in_inline_mode_it_is_returned(self):
        with testing.mode("inline"):
            job = telling_jobs.tells.delay(7, of=10)

        assert job.progress.share == 0.7

    def test_of_one_job_it_is_seen_afterwards(self):
        with testing.mode("fake"):
            job = telling_jobs.tells.delay(7)
            testing.perform(job)

        assert job.progress.done == 7
