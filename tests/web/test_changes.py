"""Changes of many jobs that take long or fail halfway."""

import re
from datetime import timedelta

import pytest

from mongojobs import JobFilter, StoreUnavailableError
from mongojobs.web.pages import changes
from tests.support.dashboard import a_failed_job
from tests.support.jobs import a_job

FORM = {"action": "retry", "all": "1", "confirmed": "1", "state": "failed", "q": "queue:mail"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@pytest.fixture
def failed(app, monkeypatch):
    """More failed jobs than are changed at once."""
    monkeypatch.setattr("mongojobs.store.actions.sweep.SWEPT_AT_ONCE", 10)
    app.store.insert_many([a_failed_job(queue="mail") for _ in range(25)] + [a_failed_job(queue="other")])


@pytest.fixture
def told(app):
    """The changes that were reported."""
    told = []
    app.lifecycle.on_notice(told.append)
    return told


class TestAChangeThatTakesLong:
    @pytest.fixture
    def page(self, operator, failed, monkeypatch):
        """The page that says how far it has come."""
        monkeypatch.setattr(changes, "_PATIENCE", timedelta(0))
        return operator.post("/jobs/change", FORM)

    def test_says_how_far_it_has_come(self, app, page):
        assert page.status_code == 200
        assert "Retry 10 jobs so far" in page.text
        assert app.count(JobFilter(state="ready")).number == 10

    def test_goes_on_where_it_is_asked_to(self, app, operator, page, monkeypatch):
        monkeypatch.undo()

        done = operator.post("/jobs/change", dict(HIDDEN.findall(page.text)))

        assert "n=25" in done.headers["Location"]
        assert app.count(JobFilter(state="ready", queue="mail")).number == 25
        assert app.count(JobFilter(state="failed", queue="other")).number == 1

    def test_has_more_time_in_each_round(self, page):
        assert dict(HIDDEN.findall(page.text))["rounds"] == "1"

    def test_is_reported_round_by_round(self, app, operator, failed, told, monkeypatch):
        monkeypatch.setattr(changes, "_PATIENCE", timedelta(0))

        for _ in range(2):
            operator.post("/jobs/change", FORM)

        assert [action.count for action in told] == [10, 10]


class TestAChangeThatFails:
    def test_is_reported_as_far_as_it_came(self, app, operator, failed, told, monkeypatch):
        def retry_some(chosen, *, by, on_progress):
            on_progress(7, 9)
            raise StoreUnavailableError("the database is not available: gone")

        monkeypatch.setattr(app, "retry_all", retry_some)

        response = operator.post("/jobs/change", FORM)

        assert response.status_code == 503
        assert [action.count for action in told] == [7]


def test_a_job_that_has_another_state_by_then_is_left_alone_and_counted(app, operator):
    jobs = [a_failed_job(), a_failed_job()]
    app.store.insert_many(jobs)
    app.retry(jobs[0].id)

    response = operator.post("/jobs/change", {"action": "retry", "id": [str(job.id) for job in jobs]})

    assert "n=1&left=1" in response.headers["Location"]
    assert "1 job will run again. 1 had another state by then, and was left alone." in re.sub(
        r"\s+", " ", operator.text(response.headers["Location"])
    )


class TestJobsWhoseKeysOthersHold:
    @pytest.fixture
    def failed(self, app):
        """Three failed jobs, two of which have lost their unique keys to others."""
        failed = [a_failed_job(unique_digest=digest) for digest in ("a", "b", "c")]
        app.store.insert_many([*failed, *(a_job(unique_digest=key, unique_key=key) for key in ("a", "b"))])
        return failed

    @pytest.mark.parametrize("all_that_match", [True, False])
    def test_are_left_alone_and_counted_with_what_to_do_and_in_the_log(self, operator, failed, told, all_that_match):
        chosen = FORM | {"q": ""} if all_that_match else {"action": "retry", "id": [str(job.id) for job in failed]}

        response = operator.post("/jobs/change", chosen)

        assert (
            "1 job will run again. 2 jobs were left alone, as other living jobs hold their unique keys:"
            " `mongojobs jobs retry --merge` drops such jobs."
        ) in operator.text(response.headers["Location"])
        assert [(action.count, action.target["keys held by others"]) for action in told] == [(1, 2)]


@pytest.mark.parametrize(("state", "count"), [("", 2), ("failed", 2)])
def test_a_question_counts_what_the_change_concerns(app, operator, state, count):
    app.store.insert_many([a_failed_job(), a_failed_job()])
    app.store.insert(a_failed_job(state="completed"))

    page = operator.post("/jobs/change", {"action": "retry", "all": "1", "state": state})

    assert f"Retry {count} jobs?" in page.text
