"""The app's own function is told of each job that is given up on, and of no other."""

from datetime import timedelta

import pytest

from mongojobs import Failure
from mongojobs.store.jobs import QueueSelector
from tests.support.sample_jobs import (
    fails_and_is_discarded,
    fails_once_and_for_all,
    fails_with_a_backoff,
    remember_one,
)
from tests.support.secretive_jobs import CANARY, formats
from tests.support.working import work_off


@pytest.fixture
def told():
    """The failures that the app was told of."""
    return []


@pytest.fixture
def app(configure, told, indexes):
    return configure(on_failure=told.append, max_losses=1)


class TestOnFailure:
    def test_hears_of_a_job_with_its_last_error(self, app, told):
        job = fails_once_and_for_all.delay("the printer is on fire")

        work_off(name="ada")

        [failure] = told
        assert (failure.job.id, failure.worker) == (job.id, "ada")
        assert failure.error == "NoLuckError: the printer is on fire"
        assert "raise NoLuckError(message)" in failure.trace
        assert failure.reason == "1 consecutive failure"

    def test_does_not_hear_of_what_runs_again_or_was_not_to_succeed(self, app, told):
        fails_with_a_backoff.delay()
        fails_and_is_discarded.delay()
        app.cancel(remember_one.delay(1).id)

        work_off()

        assert told == []

    def test_hears_of_a_job_whose_workers_were_lost(self, app, told, clock):
        job = remember_one.delay(1)
        app.store.reserve(QueueSelector(), token="t" * 24, by="eve", lease=timedelta(minutes=1), limit=1)
        clock.advance(minutes=2)

        work_off(name="ada")

        [failure] = told
        assert (failure.job.id, failure.error, failure.worker) == (job.id, "", "ada")
        assert failure.reason.startswith("given up: 1 worker was lost while it held this job")

    def test_hears_of_a_job_whose_document_is_damaged(self, app, told):
        job = remember_one.delay(1)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": "many"}})

        work_off()

        [failure] = told
        assert failure.job.id == job.id
        assert "damaged: attempts" in failure.reason

    def test_is_told_no_secrets(self, app, told):
        formats.options(max_attempts=1).delay(CANARY, "{}")

        work_off()

        [failure] = told
        assert "[masked]" in failure.error
        assert "c4n4ry" not in failure.error + failure.trace

    def test_that_raises_changes_nothing_for_the_job(self, configure):
        def broken(failure: Failure):
            raise OSError("no network")

        app = configure(on_failure=broken)
        app.create_indexes()
        job = fails_once_and_for_all.delay()

        assert work_off() == (0, 1)

        assert app.get(job.id).state == "failed"

    def test_may_enqueue_a_job(self, configure, recorder):
        app = configure(on_failure=lambda failure: remember_one.delay(str(failure.job.id)))
        app.create_indexes()
        job = fails_once_and_for_all.delay()

        work_off()

        assert recorder.facts("remembered") == [str(job.id)]

    def test_of_an_app_that_is_configured_again_is_replaced(self, app, told, configure):
        later = []
        configure(on_failure=later.append)
        fails_once_and_for_all.delay()

        work_off()

        assert (len(told), len(later)) == (0, 1)
