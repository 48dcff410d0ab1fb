"""Cancelling a job that runs: its code is interrupted and cleans up, and it ends as cancelled, by whom and why."""

import json
import re

import pytest

from mongojobs import Cancelled, JobFilter, OptionError, StateError, enqueue
from mongojobs.core.notices import JobCancelled, JobCancelling, JobErrored, JobFailed, JobSnoozed, JobStuck
from mongojobs.worker.threads.timekeeper import Timekeeper
from tests.support.cancelled_jobs import (
    Orderly,
    asks_by_itself,
    fails_once_told,
    fails_to_clean_up,
    goes_on,
    goes_on_after_half,
    goes_on_async,
    snoozes_once_told,
    takes_everything_for_its_own_error,
    takes_everything_for_its_own_error_async,
)
from tests.support.command_here import run_here
from tests.support.dashboard import Visitor
from tests.support.sample_jobs import gate, remember_one, waits_at_the_gate
from tests.support.waiting import LONG, eventually
from tests.support.working import working

RENEWING = {"lease": 1, "heartbeat": 0.1}
SLOWLY = {"lease": LONG, "heartbeat": LONG / 4}


@pytest.fixture
def app(configure):
    return configure(**RENEWING)


@pytest.fixture
def told(app):
    """What a listener of the app hears."""
    notices = []
    app.lifecycle.on_notice(notices.append)
    return notices


def kinds(told, *kinds):
    return [type(notice) for notice in told if isinstance(notice, kinds)]


def cancel(app, job, recorder, **given):
    """Cancel *job* once it runs, and wait until its run is over."""
    eventually(lambda: "began" in recorder.deeds)
    asked = app.cancel(job.id, running=True, **given)
    eventually(lambda: app.get(job.id).state != "running")
    return asked


class TestARunningJob:
    @pytest.mark.parametrize("goes_on", [goes_on, goes_on_async], ids=["thread", "async"])
    def test_is_interrupted_and_cleans_up(self, app, recorder, goes_on):
        job = goes_on.delay()

        with working():
            asked = cancel(app, job, recorder, by="ann", why="wrong file")

        assert (asked.state, asked.cancelling) == ("running", True)
        assert recorder.deeds == ["began", "cleaned up"]
        ended = app.get(job.id)
        assert (ended.state, ended.attempts, ended.last_error) == ("cancelled", 0, None)
        assert (ended.cancellation["by"], ended.cancellation["why"]) == ("ann", "wrong file")
        assert (ended.ran_by is not None, ended.locked_by) == (True, None)

    @pytest.mark.parametrize(
        "deaf",
        [takes_everything_for_its_own_error, takes_everything_for_its_own_error_async],
        ids=["thread", "async"],
    )
    def test_does_not_become_a_success_by_a_broad_except(self, app, recorder, deaf):
        job = deaf.delay()

        with working():
            cancel(app, job, recorder)

        assert recorder.deeds == ["began", "swallowed"]
        assert app.get(job.id).state == "cancelled"

    def test_may_ask_by_itself(self, app, recorder):
        job = asks_by_itself.delay()

        with working():
            cancel(app, job, recorder)

        assert app.get(job.id).state == "cancelled"

    def test_does_not_become_a_success_by_returning_once_it_has_asked(self, app, recorder, monkeypatch):
        monkeypatch.setattr(Timekeeper, "cancel", lambda _self, _held: None)
        job = asks_by_itself.delay()

        with working():
            cancel(app, job, recorder)

        assert recorder.deeds == ["began", "noticed"]
        assert app.get(job.id).state == "cancelled"

    def test_says_what_went_wrong_while_it_cleaned_up(self, app, recorder):
        job = fails_to_clean_up.delay()

        with working():
            cancel(app, job, recorder)

        ended = app.get(job.id)
        assert (ended.state, ended.last_error) == ("cancelled", "NoLuckError: no luck with the temporary file")

    def test_keeps_what_it_told_of_its_progress(self, app, recorder):
        job = goes_on_after_half.delay(20_000, 40_000)

        with working():
            cancel(app, job, recorder)

        progress = app.get(job.id).progress
        assert (progress.done, progress.of) == (20_000, 40_000)

    def test_calls_its_hook_and_no_other_but_after(self, app, recorder):
        job = enqueue(Orderly())

        with working():
            cancel(app, job, recorder, by="ann", why="wrong file")

        assert recorder.deeds == ["began", "after", "cancelled"]
        assert recorder.facts("cancelled") == [("ann", "wrong file")]

    def test_is_told_to_plugins_as_an_event_of_its_own(self, app, recorder):
        seen = []
        app.lifecycle.before("cancelled", lambda _worker, job: seen.append(job.id))
        app.lifecycle.before("error", lambda _worker, job: seen.append("error"))
        app.lifecycle.before("failure", lambda _worker, job: seen.append("failure"))
        job = goes_on.delay()

        with working():
            cancel(app, job, recorder)

        assert seen == [job.id]

    def test_is_told_to_listeners(self, app, told, recorder):
        job = goes_on.delay()

        with working():
            cancel(app, job, recorder, by="ann")

        assert kinds(told, JobCancelling, JobCancelled, JobErrored, JobFailed) == [JobCancelling, JobCancelled]

    def test_makes_room_for_the_next_one(self, app, recorder):
        job = goes_on.delay()

        with working(threads=1):
            cancel(app, job, recorder)
            remember_one.delay("next")
            eventually(lambda: recorder.facts("remembered") == ["next"])

    def test_may_be_retried(self, app, recorder):
        job = goes_on.delay()
        with working():
            cancel(app, job, recorder)

        again = app.retry(job.id)

        assert (again.state, again.cancellation, again.attempts) == ("ready", None, 0)

    def test_frees_its_unique_key(self, app, recorder):
        app.create_indexes()
        job = goes_on.options(unique_key="import").delay()
        with working():
            cancel(app, job, recorder)

        assert goes_on.options(unique_key="import").delay().id != job.id

    def test_is_told_by_something_that_a_broad_except_does_not_catch(self):
        assert not issubclass(Cancelled, Exception)


class TestAJobThatEndsByItselfFirst:
    def test_has_completed(self, configure, recorder):
        app = configure(**SLOWLY, keep_completed=60)
        job = waits_at_the_gate.delay()

        with working():
            eventually(lambda: "arrived" in recorder.deeds)
            app.cancel(job.id, running=True)
            gate.set()
            eventually(lambda: app.get(job.id).state != "running")

        assert app.get(job.id).state == "completed"

    @pytest.mark.parametrize("goes_back", [snoozes_once_told, fails_once_told], ids=["snooze", "error"])
    def test_is_not_run_again(self, configure, recorder, goes_back):
        app, notices = configure(**SLOWLY), []
        app.lifecycle.on_notice(notices.append, JobCancelled, JobSnoozed, JobErrored)
        job = goes_back.delay()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            app.cancel(job.id, running=True)
            gate.set()
            eventually(lambda: app.get(job.id).state != "running")

        assert (app.get(job.id).state, app.get(job.id).attempts) == ("cancelled", 0)
        assert [type(notice) for notice in notices] == [JobCancelled]

    def test_is_not_handed_back_by_a_worker_that_stops(self, configure, recorder):
        app, notices = configure(**SLOWLY), []
        app.lifecycle.on_notice(notices.append, JobCancelled)
        job = goes_on.delay()

        with working() as shift:
            eventually(lambda: "began" in recorder.deeds)
            app.cancel(job.id, running=True)
            shift.end(now=True)

        assert (app.get(job.id).state, app.get(job.id).releases) == ("cancelled", 0)
        assert [notice.job.id for notice in notices] == [job.id]


@pytest.mark.usefixtures("unmeasured")
class TestCodeThatDoesNotReturn:
    """Rule R9: its process ends, and starts anew."""

    def test_ends_its_process_and_the_job(self, configure, recorder):
        app, notices = configure(**RENEWING, timeout_grace=0.2), []
        app.lifecycle.on_notice(notices.append, JobStuck, JobCancelled)
        job = waits_at_the_gate.delay()

        with working() as shift:
            eventually(lambda: "arrived" in recorder.deeds)
            app.cancel(job.id, running=True)
            shift.join(30)
            gate.set()

        assert shift.status == 70
        ended = app.get(job.id)
        assert (ended.state, ended.last_error) == ("cancelled", "the code did not return")
        assert [type(notice) for notice in notices] == [JobStuck, JobCancelled]


@pytest.mark.usefixtures("unmeasured")
class TestUntilItHasEnded:
    @pytest.fixture
    def asked(self, app, recorder):
        """A job that was asked to end, and does not."""
        app.create_indexes()
        job = waits_at_the_gate.delay()
        with working(name="ada"):
            eventually(lambda: "arrived" in recorder.deeds)
            app.cancel(job.id, running=True)
            eventually(lambda: [run for one in app.workers() for run in one.running if run.cancelling])
            yield job
            gate.set()

    def test_it_is_counted_and_shown_apart_by_commands(self, asked):
        shown = {
            name: run_here(*name.split()).output for name in ("status", "queues list", "workers list", "top --once")
        }

        assert re.search(r"^default +0 +0 +0 +1 +0 ", shown["status"], re.MULTILINE)
        assert re.search(r"waits_at_the_gate +cancelling +ada", shown["status"])
        assert re.search(r"^default +0 +0 +0 +1 +0 ", shown["queues list"], re.MULTILINE)
        assert "ago, cancelling" in shown["workers list"]
        assert "running=0 cancelling=1" in shown["top --once"]

    def test_it_is_counted_and_shown_apart_as_json(self, asked):
        status = json.loads(run_here("status", "--json").stdout)
        top = json.loads(run_here("top", "--once", "--json").stdout)

        assert (status["totals"]["running"], status["totals"]["cancelling"]) == (0, 1)
        assert top["queues"][0]["cancelling"] == {"number": 1, "exact": True}
        assert top["workers"][0]["running"][0]["cancelling"] is True

    @pytest.mark.parametrize("address", ["/", "/queues", "/workers", "/jobs"])
    def test_it_is_shown_apart_by_the_dashboard(self, app, asked, address):
        assert "cancelling" in Visitor(app).text(address)


class TestAJobThatWaits:
    def test_is_cancelled_at_once_whoever_asks(self, app, recorder):
        job = remember_one.delay(1)

        gone = app.cancel(job.id, running=True, by="ann", why="wrong file")

        assert (gone.state, gone.cancellation["by"]) == ("cancelled", "ann")

    def test_is_the_only_one_that_is_cancelled_unless_running_ones_are_meant(self, app, recorder):
        job = goes_on.delay()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            with pytest.raises(StateError, match="`running=True`"):
                app.cancel(job.id)
            gate.set()

    def test_ends_with_a_reason_that_is_a_text(self, app):
        job = remember_one.delay(1)

        with pytest.raises(OptionError, match="why must be a text, got 7"):
            app.cancel(job.id, why=7)


class TestCancellingMany:
    def test_asks_for_the_end_of_running_ones_too(self, app, recorder):
        running, waiting = goes_on.delay(), goes_on.options(queue="other").delay()

        with working(queues=["default"]):
            eventually(lambda: "began" in recorder.deeds)
            assert app.count_for("cancel", JobFilter(), running=True) == 2
            assert app.cancel_all(JobFilter(), running=True, by="ann") == 2
            eventually(lambda: app.get(running.id).state == "cancelled")

        assert app.get(waiting.id).cancellation["by"] == "ann"

    def test_leaves_running_ones_alone_unless_they_are_meant(self, app, recorder):
        goes_on.delay()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            assert app.cancel_all(JobFilter()) == 0
            gate.set()

    def test_counts_as_it_goes(self, app, recorder):
        goes_on.delay()
        goes_on.options(queue="other").delay()
        heard = []

        with working(queues=["default"]):
            eventually(lambda: "began" in recorder.deeds)
            app.cancel_all(JobFilter(), running=True, on_progress=lambda *numbers: heard.append(numbers))

        assert heard == [(1, 1), (2, 2)]
