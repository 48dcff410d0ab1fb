"""A step is done once, however often its job runs."""

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


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    seen.clear()
    yield app
    mongojobs.configure()


def step_names(app, job):
    return [step["name"] for step in app.get(job.id).steps]


def failed_once(app, **options):
    job = telling_jobs.does_steps.options(**options).delay(fails=True)
    work_off()
    return job


class TestAStep:
    def test_is_not_done_again_after_a_failure(self, app):
        job = failed_once(app)

        app.run_now(job.id)
        work_off()

        assert seen == ["first", "second", (("a", 1), None), (("a", 1), None)]

    def test_is_stored_before_the_job_goes_on(self, app):
        go_on = gates["go on"] = threading.Event()
        with working():
            job = telling_jobs.does_a_step_and_stays.options(job_id="kept").delay("go on")
            eventually(lambda: app.get(job.id).steps)
            state = app.get(job.id).state
            go_on.set()
            eventually(lambda: app.get(job.id).state == "completed")

        assert state == "running"
        assert step_names(app, job) == ["first", "second"]

    def test_on_the_event_loop_is_stored_without_blocking_it(self, app):
        job = telling_jobs.does_a_step_on_the_loop.options(job_id="kept").delay()

        work_off()

        assert (seen, step_names(app, job)) == ([7], ["first"])

    def test_in_a_process_survives_it(self, app, mongo_uri):
        job = telling_jobs.does_a_step_and_dies.options(job_id="kept").delay()

        run(
            *("-A", telling_jobs.__name__, "work", "--executor=process", "--exit-on-complete"),
            environ={"SAMPLE_URI": mongo_uri},
        )

        found = app.get(job.id)
        assert (found.state, step_names(app, job), found.attempts) == ("completed", ["first"], 0)

    @pytest.mark.parametrize(
        ("steps", "message"),
        [
            ([("", 1)], "the name of a step must be a printable text of 1 to 256 characters, got ''"),
            ([(7, 1)], "the name of a step must be a printable text of 1 to 256 characters, got 7"),
            ([("a", 1), ("a", 2)], "the name of a step must be its own in a job, and 'a' is there already"),
        ],
    )
    def test_that_cannot_be_is_refused(self, app, steps, message):
        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError) as raised:
            mongojobs.enqueue(telling_jobs.StepsAsTold(steps))

        assert str(raised.value) == message

    def test_keeps_no_more_than_a_payload_may_have(self, app):
        text = r"with 'second' the job would keep 11001\d\d bytes, more than 1048576 \(max_payload_bytes, or"

        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError, match=text):
            telling_jobs.keeps_too_much.delay()

    def test_is_done_once_only(self, app):
        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError, match="'first' is done already: look at"):
            telling_jobs.does_a_step_twice.delay()

    def test_has_no_value_before(self, app):
        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError, match="'first' has no value until it is"):
            telling_jobs.asks_for_a_value_too_early.delay()

    def test_keeps_what_an_argument_can_be(self, app):
        with testing.mode("inline"), pytest.raises(mongojobs.UnstorableValueError, match="value of the step 'first'"):
            telling_jobs.keeps_an_odd_value.delay()


class TestARetryByAPerson:
    def test_goes_on_after_the_steps_that_are_done(self, app):
        job = failed_once(app, max_attempts=1)

        app.retry(job.id)

        assert step_names(app, job) == ["first", "second"]

    def test_begins_anew_if_asked(self, app):
        job = failed_once(app, max_attempts=1)

        app.retry(job.id, from_start=True)

        assert step_names(app, job) == []

    def test_of_many_begins_anew_if_asked(self, app):
        job = failed_once(app, max_attempts=1)

        ended = run_here("jobs", "retry", "--all", "--from-start", "--yes", MONGOJOBS_APP=telling_jobs.__name__)

        assert ended.exit_code == 0, ended.output
        assert step_names(app, job) == []


class TestAStopOfTheWorker:
    @pytest.mark.usefixtures("unmeasured")
    def test_counts_for_nothing_if_the_run_has_got_on(self, app):
        gates["go on"] = threading.Event()
        with working(max_releases=1) as shift:
            job = telling_jobs.does_a_step_and_stays.delay("go on")
            eventually(lambda: app.get(job.id).steps)
            shift.end(now=True)
            gates["go on"].set()

        found = app.get(job.id)
        assert (found.state, found.releases, step_names(app, job)) == ("ready", 0, ["first"])


class TestItIsShown:
    def test_by_the_command(self, app):
        job = failed_once(app)

        ended = run_here("jobs", "show", str(job.id), MONGOJOBS_APP=telling_jobs.__name__)

        assert "Steps that are done\n  first, " in ended.output

    def test_by_the_dashboard(self, app):
        page = Visitor(app).text(f"/job?id={failed_once(app).id}")

        assert '<th scope="row"><bdi>second</bdi></th>' in page


class TestInTests:
    def test_of_an_app_it_is_kept_in_memory(self):
        seen.clear()
        with testing.mode("fake") as jobs:
            job = telling_jobs.does_steps.delay(fails=True)
            testing.drain(raises=False)

            assert [step["name"] for step in jobs.get(job.id).steps] == ["first", "second"]
