"""A ``job_id`` that the caller chose makes an enqueue repeatable: the second one changes nothing."""

from datetime import timedelta

import pytest
from bson import ObjectId

from mongojobs import OptionError, enqueue
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Newsletter, fails_once_and_for_all, gate, remember_one, waits_at_the_gate
from tests.support.waiting import eventually
from tests.support.working import work_off, working


class TestAJobId:
    @pytest.mark.parametrize("job_id", [ObjectId(), "order-17", 17, -(2**63)])
    def test_becomes_the_id_of_the_job(self, app, job_id):
        job = remember_one.options(job_id=job_id).delay(1)

        assert job.id == job_id
        assert app.get(job_id).handler["args"] == [1]

    def test_works_for_job_objects_and_methods_too(self, app):
        enqueue(Newsletter(), job_id="a")
        Band(name="X").save().delay(job_id="b").play()

        assert {job.id for job in app.reader.find()} == {"a", "b"}

    @pytest.mark.parametrize("job_id", ["", "a\nb", "x" * 257, 2**63, 1.5, True, b"a", {"$ne": 1}])
    def test_must_be_an_object_id_a_number_or_a_short_text(self, app, job_id):
        with pytest.raises(OptionError, match="job_id must be an ObjectId, a 64-bit int or a printable text"):
            remember_one.options(job_id=job_id)


class TestASecondEnqueue:
    def test_changes_nothing_while_the_job_is_ready(self, app, recorder):
        remember_one.options(job_id="a").delay("first")

        second = remember_one.options(job_id="a").delay("second")

        assert second.handler["args"] == ["first"]
        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["first"]

    def test_changes_nothing_while_the_job_runs(self, app, recorder):
        with working():
            waits_at_the_gate.options(job_id="a").delay()
            eventually(lambda: "arrived" in recorder.deeds)

            second = waits_at_the_gate.options(job_id="a").delay()

            assert second.state == "running"
            gate.set()
            eventually(lambda: app.get("a").state == "completed")
        assert recorder.deeds == ["arrived", "passed"]

    def test_changes_nothing_after_the_job_has_completed(self, app, recorder):
        remember_one.options(job_id="a").delay(1)
        work_off()

        second = remember_one.options(job_id="a").delay(1)

        assert second.state == "completed"
        assert work_off() == (0, 0)
        assert recorder.facts("remembered") == [1]

    def test_changes_nothing_after_the_job_has_failed(self, app, recorder):
        fails_once_and_for_all.options(job_id="a").delay()
        work_off()

        second = fails_once_and_for_all.options(job_id="a").delay()

        assert second.state == "failed"
        assert recorder.deeds == ["tried"]

    def test_changes_nothing_after_a_failed_job_was_to_be_destroyed(self, configure, recorder):
        configure(destroy_failed_jobs=True)
        fails_once_and_for_all.options(job_id="a").delay()
        work_off()

        fails_once_and_for_all.options(job_id="a").delay()

        assert work_off() == (0, 0)
        assert recorder.deeds == ["tried"]


class TestACompletedJob:
    def test_with_an_id_of_the_caller_is_kept_for_a_day(self, app, clock):
        remember_one.options(job_id="a").delay(1)

        work_off()

        assert app.get("a").expire_at == clock.now() + timedelta(days=1)

    def test_with_an_id_of_the_caller_is_kept_as_long_as_the_setting_says(self, configure, clock):
        app = configure(job_id_retention="2h")
        remember_one.options(job_id="a").delay(1)

        work_off()

        assert app.get("a").expire_at == clock.now() + timedelta(hours=2)

    def test_with_an_id_of_ours_is_deleted(self, app):
        job = remember_one.delay(1)

        work_off()

        assert app.get(job.id) is None

    def test_with_an_id_of_ours_is_kept_if_the_setting_says_so(self, configure, clock):
        app = configure(keep_completed="7d")
        job = remember_one.delay(1)

        work_off()

        stored = app.get(job.id)
        assert (stored.state, stored.finished_at) == ("completed", clock.now())
        assert stored.expire_at == clock.now() + timedelta(days=7)
