"""A retry from the start: of one job on its page, of those selected in a list, of all that match."""

from datetime import UTC, datetime

import pytest

from mongojobs.core.notices import ActionTaken
from tests.support.dashboard import a_failed_job

CHOICE = 'name="from_start"'
STEP = {"name": "charge", "value": None, "at": datetime(2026, 11, 25, tzinfo=UTC), "took": 7}


@pytest.fixture
def job(app):
    """A failed job that has done a step."""
    job = a_failed_job(steps=(STEP,))
    app.store.insert(job)
    return job


@pytest.fixture
def told(app):
    """The changes that were reported."""
    told = []
    app.lifecycle.on_notice(told.append, ActionTaken)
    return told


class TestTheChoice:
    def test_is_there_for_a_job_that_has_got_on_and_is_not_made(self, operator, job):
        page = operator.text(f"/job?id={job.id}")

        assert f'<input type="checkbox" {CHOICE} value="1"> from the start' in page

    def test_is_not_there_for_a_job_that_has_done_nothing(self, app, operator):
        job = a_failed_job()
        app.store.insert(job)

        assert CHOICE not in operator.text(f"/job?id={job.id}")

    def test_is_there_for_those_that_are_selected(self, operator, job):
        assert operator.text("/jobs?state=failed").count(CHOICE) == 1

    @pytest.mark.parametrize(("asked", "box"), [({}, ' value="1">'), ({"from_start": "1"}, ' value="1" checked>')])
    def test_is_kept_and_can_be_changed_in_the_question_about_all(self, operator, job, asked, box):
        form = {"action": "retry", "all": "1", "state": "failed"}

        page = operator.post("/jobs/change", form | asked).text

        assert page.count(CHOICE) == 1
        assert f'<input type="checkbox" {CHOICE}{box}' in page


class TestARetryFromTheStart:
    def test_forgets_what_the_job_has_done_and_is_reported(self, app, operator, job, told):
        operator.post("/job/change", {"action": "retry", "id": str(job.id), "from_start": "1"})

        assert (app.get(job.id).state, app.get(job.id).steps) == ("ready", ())
        assert [(one.user, one.target["from_start"]) for one in told] == [("olga", True)]

    def test_is_for_those_who_ask_for_it(self, app, operator, job, told):
        operator.post("/job/change", {"action": "retry", "id": str(job.id)})

        assert len(app.get(job.id).steps) == 1
        assert "from_start" not in told[0].target

    @pytest.mark.parametrize("chosen", ["id", "all"])
    def test_of_many_forgets_what_they_have_done_and_is_reported(self, app, operator, job, told, chosen):
        form = {"action": "retry", chosen: str(job.id), "state": "failed", "confirmed": "1", "from_start": "1"}

        operator.post("/jobs/change", form)

        assert (app.get(job.id).state, app.get(job.id).steps) == ("ready", ())
        assert [one.target["from_start"] for one in told] == [True]
