"""Cancelling a job that runs, from its page or from the list, with a reason."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from mongojobs.core.notices import ActionTaken
from mongojobs.store.jobs import QueueSelector
from mongojobs.web.ids import key_of
from tests.support.dashboard import a_running_job
from tests.support.jobs import a_job

WHY = "wrong <file>"


@pytest.fixture
def running(app):
    job = a_running_job(created_at=datetime.now(UTC))
    app.store.insert(job)
    return job


@pytest.fixture
def told(app):
    """The changes that were reported."""
    told = []
    app.lifecycle.on_notice(told.append, ActionTaken)
    return told


def page_of(visitor, job):
    return visitor.text(f"/job?id={key_of(job.id)}")


def words(page):
    """What people read of *page*."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def cancel(visitor, job, **more):
    form = {"id": key_of(job.id), "action": "cancel", "running": "1", "why": WHY}
    return visitor.post("/job/change", form | more)


class TestTheJobsPage:
    def test_asks_for_a_reason(self, operator, running):
        assert 'name="why"' in page_of(operator, running)

    def test_asks_whoever_may_only_look_for_nothing(self, viewer, running):
        assert 'name="why"' not in page_of(viewer, running)
        assert cancel(viewer, running).status_code == 403

    def test_asks_for_the_end_of_the_job(self, app, operator, running, told):
        answer = cancel(operator, running)

        asked = app.get(running.id)
        assert (asked.cancelling, asked.cancellation["by"], asked.cancellation["why"]) == (True, "olga", WHY)
        assert "1 job asked to end." in words(operator.text(answer.location))
        [taken] = told
        assert (taken.user, taken.action, taken.target["why"]) == ("olga", "cancel", WHY)

    def test_is_asked_nothing_without_a_token_of_its_own(self, app, operator, running):
        form = {"id": key_of(running.id), "action": "cancel", "running": "1"}

        assert operator.post("/job/change", form, Sec_Fetch_Site="cross-site").status_code == 403
        assert not app.get(running.id).cancelling

    def test_shows_by_whom_and_why(self, operator, running):
        cancel(operator, running)

        page = words(page_of(operator, running))
        assert "cancelling" in page
        assert f"Asked to end by olga: {WHY}" in page
        assert "It was asked to end at" in page

    def test_offers_it_but_once(self, operator, running):
        cancel(operator, running)

        assert 'name="why"' not in page_of(operator, running)

    def test_shows_it_afterwards(self, app, operator, running):
        cancel(operator, running)
        app.store.collection.update_one(
            {"_id": running.id}, {"$set": {"locked_until": datetime.now(UTC) - timedelta(minutes=1)}}
        )
        app.store.rescue(by="w2")

        page = words(page_of(operator, running))
        assert f"Cancelled by olga: {WHY}" in page
        assert f"Asked to end: {WHY} by olga" in page

    def test_shows_who_has_cancelled_one_that_waited(self, app, operator):
        job = a_job()
        app.store.insert(job)
        operator.post("/job/change", {"id": key_of(job.id), "action": "cancel"})

        page = words(page_of(operator, job))
        assert "Cancelled by olga" in page
        assert "Asked to end" not in page

    def test_names_the_command(self, operator, running):
        assert f"mongojobs jobs cancel --running {running.id}" in page_of(operator, running)

    def test_says_so_if_the_job_has_ended_meanwhile(self, app, operator, running):
        app.store.collection.update_one({"_id": running.id}, {"$set": {"state": "completed"}})

        assert "cannot cancel the job" in cancel(operator, running).text

    def test_is_not_upset_by_what_somebody_has_planted(self, app, operator, running):
        planted = {"at": "soon", "by": {"$ne": 1}, "why": ["x" * 10]}
        app.store.collection.update_one({"_id": running.id}, {"$set": {"cancellation": planted}})

        assert "cancelling" in page_of(operator, running)


class TestTheList:
    def test_asks_all_that_match_to_end_after_a_question(self, app, operator, running):
        other = a_running_job(queue="other", created_at=datetime.now(UTC))
        app.store.insert(other)
        form = {"state": "running", "q": f"queue:{running.queue}", "action": "cancel", "all": "1"}
        form |= {"running": "1", "why": WHY}

        question = operator.post("/jobs/change", form).text
        done = operator.post("/jobs/change", form | {"confirmed": "1"})

        assert f"Why {WHY}" in words(question)
        assert "1 job asked to end." in words(operator.text(done.location))
        assert (app.get(running.id).cancelling, app.get(other.id).cancelling) == (True, False)

    def test_asks_those_that_are_selected(self, app, operator, running):
        form = {"state": "running", "action": "cancel", "id": [key_of(running.id)], "running": "1"}

        operator.post("/jobs/change", form)

        assert app.get(running.id).cancelling

    def test_leaves_running_jobs_alone_elsewhere(self, app, operator, running):
        form = {"action": "cancel", "all": "1", "confirmed": "1"}

        operator.post("/jobs/change", form)

        assert not app.get(running.id).cancelling
        assert 'name="why"' not in operator.text("/jobs")

    def test_says_which_are_about_to_end(self, app, operator, running):
        cancel(operator, running)

        assert "cancelling" in words(operator.text("/jobs?state=running"))
        assert app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(minutes=1)) == []
