"""What a job says of itself wins over the settings: delayed_job's overrides, a declaration, an enqueue."""

from datetime import timedelta

import pytest

from mongojobs import enqueue
from tests.support.clock import START
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    AlwaysFails,
    AlwaysReschedules,
    BadOverrides,
    Newsletter,
    Unhurried,
    always_fails,
    fails_once_and_for_all,
    fails_with_a_backoff,
    goes_on_for,
)
from tests.support.working import work_off


class TestMaxAttempts:
    @pytest.mark.behaviour("S55")
    def test_is_no_part_of_a_job_that_gives_none(self, app, connection):
        job = enqueue(AlwaysFails())

        assert job.max_attempts is None
        assert "max_attempts" not in connection.get_default_database().delayed_jobs.find_one()

    @pytest.mark.behaviour("S55")
    def test_is_the_setting_for_a_job_that_gives_none(self, configure):
        app = configure(max_attempts=1)
        job = enqueue(AlwaysFails())

        work_off()

        assert app.get(job.id).state == "failed"

    @pytest.mark.behaviour("S56")
    def test_of_the_job_object_wins_over_the_setting(self, app):
        job = enqueue(AlwaysFails(max_attempts=1))

        work_off()

        assert app.get(job.id).state == "failed"

    def test_of_the_enqueue_wins_over_that_of_the_job_object(self, app):
        job = enqueue(AlwaysFails(max_attempts=1), max_attempts=2)

        work_off()

        assert app.get(job.id).state == "ready"

    def test_of_the_declaration_wins_over_the_setting(self, app):
        job = fails_once_and_for_all.delay()

        work_off()

        assert app.get(job.id).state == "failed"

    def test_of_the_enqueue_wins_over_that_of_the_declaration(self, app):
        job = fails_once_and_for_all.options(max_attempts=2).delay()

        work_off()

        assert app.get(job.id).state == "ready"


class TestMaxRunTime:
    @pytest.mark.behaviour("S57")
    def test_is_no_part_of_a_job_that_gives_none(self, app):
        job = enqueue(Unhurried())

        assert app.get(job.id).max_run_time is None

    @pytest.mark.behaviour("S58")
    def test_is_the_setting_for_a_job_that_gives_none(self, configure):
        app = configure(max_run_time=0.1)
        job = enqueue(Unhurried(seconds=5))

        assert work_off() == (0, 1)

        assert "its max_run_time of 0.1s" in app.get(job.id).last_error

    @pytest.mark.behaviour("S59", "S60")
    def test_of_the_job_object_may_be_shorter_than_the_setting(self, app):
        job = enqueue(Unhurried(seconds=5, max_run_time=0.1))

        assert work_off() == (0, 1)

        assert "its max_run_time of 0.1s" in app.get(job.id).last_error

    @pytest.mark.behaviour("S61")
    def test_of_the_job_object_may_be_longer_than_the_setting(self, configure, recorder):
        configure(max_run_time=0.1)
        enqueue(Unhurried(seconds=0.3, max_run_time=timedelta(seconds=5)))

        assert work_off() == (1, 0)

        assert recorder.deeds == ["began", "ended"]

    def test_of_the_enqueue_wins_over_the_setting(self, app):
        job = goes_on_for.options(max_run_time=0.1).delay(5)

        work_off()

        assert "its max_run_time of 0.1s" in app.get(job.id).last_error


class TestDestroyFailedJobs:
    @pytest.mark.behaviour("S62")
    def test_is_the_setting_which_keeps_them_by_default(self, app):
        job = enqueue(AlwaysFails(max_attempts=1))

        work_off()

        assert app.get(job.id).state == "failed"

    @pytest.mark.behaviour("S62", "S78")
    def test_is_the_setting_where_that_deletes_them(self, configure):
        app = configure(destroy_failed_jobs=True)
        job = enqueue(AlwaysFails(max_attempts=1))

        work_off()

        assert app.get(job.id) is None

    @pytest.mark.behaviour("S63", "S83")
    def test_of_the_job_object_may_keep_what_the_setting_deletes(self, configure):
        app = configure(destroy_failed_jobs=True)
        job = enqueue(AlwaysFails(max_attempts=1, destroy_failed_jobs=False))

        work_off()

        assert app.get(job.id).state == "failed"

    @pytest.mark.behaviour("S63", "S79")
    def test_of_the_job_object_may_delete_what_the_setting_keeps(self, app):
        job = enqueue(AlwaysFails(max_attempts=1, destroy_failed_jobs=True))

        work_off()

        assert app.get(job.id) is None

    @pytest.mark.behaviour("S64")
    @pytest.mark.parametrize(("destroy", "states"), [(True, []), (False, ["failed"])])
    def test_of_a_payload_that_cannot_be_loaded_is_the_setting(self, configure, destroy, states):
        app = configure(destroy_failed_jobs=destroy)
        job = enqueue(AlwaysFails(destroy_failed_jobs=not destroy))
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.v": 0}})

        work_off()

        assert [job.state for job in app.reader.find()] == states


class TestTheNextRun:
    @pytest.mark.behaviour("X13")
    @pytest.mark.parametrize(("attempts", "seconds"), [(1, 6), (2, 21), (3, 86), (4, 261), (5, 630)])
    def test_comes_later_after_each_failure(self, app, attempts, seconds):
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": attempts - 1}})

        work_off()

        assert app.get(job.id).run_at == START + timedelta(seconds=seconds)

    def test_has_a_small_jitter_unless_the_setting_says_none(self, configure):
        app = configure(retry_jitter=0.1)
        job = always_fails.delay()

        work_off()

        assert timedelta(seconds=6) <= app.get(job.id).run_at - START <= timedelta(seconds=6.6)

    @pytest.mark.behaviour("S73")
    def test_is_when_the_job_object_says(self, app, recorder):
        job = enqueue(AlwaysReschedules(at=START + timedelta(hours=7)))

        work_off()

        assert app.get(job.id).run_at == START + timedelta(hours=7)
        assert recorder.facts("asked") == [(START, 1)]

    @pytest.mark.behaviour("X21")
    def test_is_the_default_one_when_the_job_object_says_nothing(self, app):
        job = enqueue(AlwaysReschedules(at=None))

        assert work_off() == (0, 1)

        assert app.get(job.id).run_at == START + timedelta(seconds=6)

    def test_is_when_the_declaration_says(self, app):
        job = fails_with_a_backoff.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 4}})

        work_off()

        assert app.get(job.id).run_at == START + timedelta(minutes=5)


class TestABadOverride:
    def test_is_reported_with_its_value(self, app, caplog):
        enqueue(Unhurried(seconds=0, max_run_time="soon"))

        assert work_off() == (1, 0)

        assert "max_run_time must be a duration such as 90, 90s, 15m, 2h or 7d, got 'soon'" in caplog.text

    def test_is_passed_over_and_told(self, app, caplog):
        job = enqueue(BadOverrides())

        assert work_off() == (0, 1)

        assert app.get(job.id).run_at == START + timedelta(seconds=6)
        told = [record.getMessage() for record in caplog.records]
        assert any("Error when running max_run_time: " in line for line in told)
        assert any("Error when running max_attempts: " in line for line in told)
        assert any("Error when running reschedule_at: " in line for line in told)


class TestAPlainJob:
    def test_may_have_no_override_at_all(self, app):
        enqueue(Newsletter())

        assert work_off() == (1, 0)

    def test_of_a_method_may_have_those_of_its_declaration(self, app):
        job = Band(name="X").save().try_again()

        assert work_off() == (0, 0)

        assert app.get(job.id).state == "cancelled"
