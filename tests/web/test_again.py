"""Running an ended job again, with the same arguments or others, checked like any enqueue."""

import html
import re
from dataclasses import dataclass
from datetime import timedelta

import pytest

from mongojobs import JobFilter, job
from tests.support.dashboard import Visitor, a_failed_job, a_running_job
from tests.support.dashboard_jobs import Club, refuses, send_receipt
from tests.support.jobs import HANDLER, a_job


@job(name="test_again.Letter")
@dataclass
class Letter:
    text: str

    def perform(self) -> None: ...


def ended(app, job, state="failed"):
    """Make *job* one that has ended."""
    now = app.store.clock.now()
    app.store.collection.update_one({"_id": job.id}, {"$set": {"state": state, "finished_at": now}})
    return job


def form_of(page):
    """The fields of the form, as a browser would send them."""
    fields = re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


def the_new_one(app, old):
    [new] = [job for job in app.find().jobs if job.id != old.id]
    return new


@pytest.fixture
def failed(app):
    options = {"queue": "bulk", "priority": 7, "tags": ["vip"], "max_attempts": 4, "max_run_time": 60, "meta": {"a": 1}}
    return ended(app, send_receipt.options(**options).delay(7))


@pytest.fixture
def told(app):
    """The changes that were reported."""
    told = []
    app.lifecycle.on_notice(told.append)
    return told


def run_again(operator, job, **typed):
    form = form_of(operator.text(f"/job/again?id={job.id}"))
    return operator.post("/job/run-again", form | typed)


class TestAJobThatHasEnded:
    @pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
    def test_is_enqueued_again_as_it_was(self, app, operator, failed, state):
        ended(app, failed, state)
        before = app.get(failed.id)

        response = run_again(operator, failed)

        new = the_new_one(app, failed)
        assert response.headers["Location"] == f"/job?id={new.id}&did=again&n=1"
        assert (new.state, new.handler) == ("ready", failed.handler)
        assert (new.queue, new.priority, new.tags, new.max_attempts) == ("bulk", 7, ("vip",), 4)
        assert (new.max_run_time, new.meta) == (timedelta(seconds=60), {"a": 1})
        assert app.get(failed.id) == before

    def test_is_enqueued_with_another_argument(self, app, operator, failed):
        run_again(operator, failed, **{"argument-0": "8"})

        assert the_new_one(app, failed).handler["args"] == [8]

    @pytest.mark.parametrize(
        ("typed", "value"),
        [("8", 8), ('"text"', "text"), ("null", None), ("[1, true]", [1, True]), ('{"a": 1.5}', {"a": 1.5})],
    )
    def test_takes_what_json_can_say(self, app, operator, failed, typed, value):
        run_again(operator, failed, **{"argument-0": typed})

        assert the_new_one(app, failed).handler["args"] == [value]

    def test_of_a_document_is_enqueued_again(self, app, operator):
        job = ended(app, Club(name="a").save().delay.update_users(level=7))

        run_again(operator, job, **{"argument-0": "8"})

        new = the_new_one(app, job)
        assert new.handler == {**job.handler, "kwargs": {"level": 8}}

    def test_of_an_object_is_enqueued_with_another_attribute(self, app, operator):
        job = ended(app, app.enqueue(Letter("hi")))

        run_again(operator, job, **{"argument-0": '"ho"'})

        assert the_new_one(app, job).handler["kwargs"] == {"text": "ho"}

    def test_is_reported_to_the_log_without_the_values(self, app, operator, failed, told):
        run_again(operator, failed, **{"argument-0": "4711"})

        [action] = [notice for notice in told if hasattr(notice, "action")]
        assert (action.user, action.action, action.target["changed"]) == ("olga", "run again", ["order_id"])
        assert action.target["ids"] == [str(failed.id)]
        assert action.target["as"] == str(the_new_one(app, failed).id)
        assert "4711" not in str(action)


class TestWhatIsMasked:
    @pytest.fixture
    def secret(self, app):
        return ended(app, send_receipt.delay(7, password="hunter22"))

    def test_is_not_shown(self, operator, secret):
        assert "hunter22" not in operator.text(f"/job/again?id={secret.id}")

    def test_stays_as_it_was(self, app, operator, secret):
        run_again(operator, secret)

        assert the_new_one(app, secret).handler["kwargs"] == {"password": "hunter22"}

    def test_goes_nowhere_else_than_before(self, app, operator, secret):
        response = run_again(operator, secret, **{"argument-0": "8"})

        assert response.status_code == 400
        assert "enter the masked ones again: password" in response.text
        assert "hunter22" not in response.text
        assert app.count().number == 1

    def test_can_be_replaced(self, app, operator, secret):
        run_again(operator, secret, **{"argument-0": "8", "argument-1": '"other"'})

        new = the_new_one(app, secret)
        assert (new.handler["args"], new.handler["kwargs"]) == ([8], {"password": "other"})

    def test_that_was_typed_is_not_sent_back(self, operator, secret):
        response = run_again(operator, secret, **{"argument-0": "wrong", "argument-1": '"typed-secret"'})

        assert response.status_code == 400
        assert "typed-secret" not in response.text


class TestWhatCannotBe:
    @pytest.mark.parametrize("typed", ["seven", "{", "NaN", "1" * 5000, "[" * 3000, '"\\ud800"'])
    def test_enqueued_is_refused_with_the_reason(self, app, operator, failed, typed):
        response = run_again(operator, failed, **{"argument-0": typed})

        assert response.status_code == 400
        assert 'role="alert"' in response.text
        assert app.count().number == 1

    @pytest.mark.parametrize("job", [a_job(), a_running_job()])
    def test_run_again_as_it_has_not_ended_is_refused(self, app, operator, job):
        app.store.insert(job)

        response = operator.post("/job/run-again", {"id": str(job.id)})

        assert response.status_code == 409
        assert app.count().number == 1

    @pytest.mark.parametrize(
        "handler", [HANDLER, {}, {**HANDLER, "target": "tests.support.dashboard_jobs.send_receipt", "args": [1, 2, 3]}]
    )
    def test_made_by_the_code_here_is_refused(self, app, operator, handler):
        job = a_failed_job(handler=handler)
        app.store.insert(job)

        response = operator.post("/job/run-again", {"id": str(job.id)})

        assert response.status_code == 409
        assert app.count().number == 1

    def test_done_by_a_viewer_is_refused(self, app, viewer, failed):
        assert viewer.post("/job/run-again", {"id": str(failed.id)}).status_code == 403
        assert app.count().number == 1

    def test_done_from_another_site_is_refused(self, app, operator, failed):
        assert operator.post("/job/run-again", {"id": str(failed.id)}, Sec_Fetch_Site="cross-site").status_code == 403
        assert app.count().number == 1

    def test_edited_is_what_nobody_may_see(self, app, failed):
        visitor = Visitor(app, show_arguments=False)

        page = visitor.text(f"/job/again?id={failed.id}")
        visitor.post("/job/run-again", form_of(page) | {"argument-0": "8"})

        assert "argument-0" not in page
        assert the_new_one(app, failed).handler["args"] == [7]

    def test_found_is_shown(self, operator):
        assert operator.get("/job/again?id=67442d0f5f627c1f6c1f4a01").status_code == 404


class TestThePageOfAJob:
    def test_says_how_long_a_completed_one_waited_and_ran_and_where(self, app, operator):
        now = app.store.clock.now()
        job = a_job(
            state="completed",
            run_at=now - timedelta(seconds=100),
            finished_at=now,
            took=timedelta(seconds=75),
            ran_by="web.1",
        )
        app.store.insert(job)

        page = re.sub(r"<[^>]+>", "", operator.text(f"/job?id={job.id}"))

        assert "Waited25s" in page.replace("\n", "").replace("  ", "")
        assert "Ran for1m 15s" in page.replace("\n", "").replace("  ", "")
        assert "Last run began by web.1" in page

    def test_says_who_let_it_run_again(self, app, operator):
        job = ended(app, refuses.delay(1))
        operator.post("/job/change", {"id": str(job.id), "action": "retry"})

        page = re.sub(r"<[^>]+>", "", operator.text(f"/job?id={job.id}"))

        assert "Retried by olga" in page

    def test_counts_attempts_over_a_retry(self, app, operator):
        errors = [{"attempt": number, "error": "ValueError: no"} for number in (24, 25, 26)]
        job = a_failed_job(attempts=1, errors=tuple(errors))
        app.store.insert(job)

        page = operator.text(f"/job?id={job.id}")

        assert "1 of at most 25 since it was retried, 26 in all" in page
        assert "Attempt 26" in page

    @pytest.mark.parametrize(("state", "is_there"), [("failed", True), ("completed", True), ("ready", False)])
    def test_leads_to_running_it_again(self, app, operator, viewer, state, is_there):
        job = a_failed_job(state=state)
        app.store.insert(job)

        assert ("Run again" in operator.text(f"/job?id={job.id}")) is is_there
        assert "Run again" not in viewer.text(f"/job?id={job.id}")

    def test_shows_what_is_left_of_damaged_lists(self, app, operator):
        job = a_failed_job()
        app.store.insert(job)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"errors": [7, {"attempt": "x"}], "retries": ["x"]}})

        assert "Attempt 0" in operator.text(f"/job?id={job.id}")


def test_a_retry_of_many_keeps_who_wanted_it(app, operator):
    app.store.insert_many([a_failed_job(), a_failed_job()])

    operator.post("/jobs/change", {"action": "retry", "all": "1", "confirmed": "1", "state": "failed"})

    assert [job.retries[-1]["by"] for job in app.find(JobFilter(state="ready")).jobs] == ["olga", "olga"]
