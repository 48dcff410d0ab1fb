"""Payloads that can never be loaded: the job fails for good, says why, and blocks no other."""

from decimal import Decimal

import pytest

from tests.support.sample_documents import Band
from tests.support.sample_jobs import Recipe, cook, remember, remember_one
from tests.support.working import work_off


@pytest.fixture
def fate(app):
    """Says what became of a job."""

    def fate(job):
        stored = app.get(job.id)
        return stored.state, stored.attempts, stored.last_error.splitlines()[0]

    return fate


class TestAPayload:
    @pytest.mark.behaviour("S29")
    def test_that_does_not_fit_the_signature_any_more_fails(self, app, spoil, fate):
        job = remember_one.delay(1)
        spoil(job, args=[1, 2])

        assert work_off() == (0, 1)

        assert fate(job)[:2] == ("failed", 1)
        assert "DeserializationError: the job no longer fits the code" in fate(job)[2]

    @pytest.mark.behaviour("S30")
    @pytest.mark.parametrize(
        "damage",
        [{"v": 0}, {"v": "1"}, {"kind": "shell"}, {"args": {}}, {"args": [{"__mj": "eval", "v": "1"}]}, {"more": 1}],
    )
    def test_that_is_damaged_fails(self, app, spoil, fate, damage):
        job = remember_one.delay(1)
        spoil(job, **damage)

        assert work_off() == (0, 1)

        assert fate(job)[0] == "failed"
        assert fate(job)[2].startswith("DamagedPayloadError: ")

    @pytest.mark.parametrize("method", ["delete", "drop_collection", "__init__", "_get_collection"])
    def test_that_calls_what_is_not_a_job_fails(self, app, spoil, fate, method):
        job = Band(name="X").save().delay.play()
        spoil(job, method=method)

        assert work_off() == (0, 1)

        assert fate(job)[0] == "failed"
        assert Band.objects.count() == 1

    @pytest.mark.behaviour("S70")
    def test_that_cannot_be_loaded_is_kept_as_failed_after_one_batch(self, app, spoil, fate):
        job = remember_one.delay(1)
        spoil(job, args=[1, 2])

        work_off()

        assert app.get(job.id).has_failed
        assert work_off() == (0, 0)

    def test_that_cannot_be_loaded_can_be_retried_once_the_code_is_there(self, app, spoil, recorder):
        job = remember_one.delay("after the deploy")
        spoil(job, args=["after the deploy", "more"])
        work_off()

        spoil(job, args=["after the deploy"])
        app.retry(job.id)

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["after the deploy"]

    def test_keeps_the_address_of_its_error_once_however_often_it_is_retried(self, app, spoil):
        job = remember_one.delay(1)
        spoil(job, args=[1, 2])
        work_off()
        app.retry(job.id)

        work_off()

        assert app.get(job.id).attempts == 1
        assert app.get(job.id).last_error.count("docs/errors.md#deserializationerror") == 1


class TestAPayloadOfANewerVersion:
    """A rolling deploy: the new web processes enqueue while old workers still run."""

    NEWER = {"v": 2, "lane": "fast"}

    def test_fails_and_says_who_wrote_it(self, app, spoil, fate):
        job = remember_one.delay(1)
        spoil(job, **self.NEWER)

        assert work_off() == (0, 1)

        assert fate(job)[0] == "failed"
        assert "a newer mongojobs wrote it, so upgrade the workers, then run `mongojobs jobs retry`" in fate(job)[2]

    def test_is_kept_as_it_was_though_failed_jobs_are_destroyed(self, configure, spoil):
        app = configure(destroy_failed_jobs=True)
        job = remember_one.delay(1)
        spoil(job, **self.NEWER)

        work_off()

        assert app.get(job.id).handler == {**job.handler, **self.NEWER}

    def test_runs_after_a_retry_on_a_worker_that_can_read_it(self, app, spoil, recorder):
        job = remember_one.delay("from the new web process")
        spoil(job, v=2)
        work_off()

        spoil(job, v=1)  # stands for the upgrade of the worker
        app.retry(job.id)

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["from the new web process"]

    def test_does_not_hold_up_the_others(self, app, spoil, recorder):
        jobs = remember_one.delay_many([(1,), (2,), (3,)])
        spoil(jobs[0], **self.NEWER)

        assert work_off() == (2, 1)
        assert sorted(recorder.facts("remembered")) == [2, 3]

    def test_may_have_fields_beside_its_handler_that_are_not_known_yet_and_are_kept(self, app, recorder):
        job = remember_one.options(job_id="once").delay(1)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"parents": ["a"], "lane": {"no": 1}}})

        assert work_off() == (1, 0)

        kept = app.store.collection.find_one({"_id": job.id})
        assert (kept["state"], kept["parents"], kept["lane"]) == ("completed", ["a"], {"no": 1})


class TestAValue:
    @pytest.mark.behaviour("S146")
    def test_arrives_exactly_as_it_was(self, app, recorder):
        value = Decimal("12345678901234567890.12345678901234567890")

        remember.delay(value)
        work_off()

        [((seen,), _)] = recorder.facts("remembered")
        assert (type(seen), str(seen)) == (Decimal, str(value))

    def test_of_a_class_in_a_type_hint_arrives(self, app, recorder):
        cook.delay(Recipe("soup"))

        work_off()

        assert recorder.facts("cooked") == [Recipe("soup")]
