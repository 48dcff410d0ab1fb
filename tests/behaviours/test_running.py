"""What happens to a job: success, another attempt, giving up, timeout, and its locks in the meantime."""

import math
from datetime import timedelta

import pytest

from mongojobs import JobTimeout, enqueue
from tests.support.clock import START
from tests.support.sample_jobs import (
    AlwaysFails,
    Coroutine,
    always_fails,
    discards,
    enqueues_another,
    exits,
    fails_and_is_discarded,
    fails_once_and_for_all,
    fails_without_a_message,
    gate,
    goes_on_for,
    look_at_the_job,
    loses_its_lock,
    loses_its_lock_and_fails,
    remember_one,
    retries_only_on_lost_connections,
    snoozes,
    succeeds_on_third_try,
    swallows_everything,
    waits_at_the_gate,
)
from tests.support.waiting import eventually
from tests.support.working import work_off, working

QUICK = {"lease": 1, "heartbeat": 0.1}


def stored_document(app, job):
    return app.store.collection.find_one({"_id": job.id})


class TestAJobThatSucceeds:
    def test_is_gone(self, app):
        job = remember_one.delay(1)

        assert work_off() == (1, 0)

        assert app.get(job.id) is None

    def test_may_have_failed_before(self, app, clock, recorder):
        job = succeeds_on_third_try.delay()

        assert work_off() == (0, 1)
        clock.advance(seconds=6)
        assert work_off() == (0, 1)
        clock.advance(seconds=21)
        assert work_off() == (1, 0)

        assert recorder.facts("tried") == [0, 1, 2]
        assert app.get(job.id) is None

    def test_may_be_a_job_object_with_an_async_perform(self, app, recorder):
        enqueue(Coroutine())

        assert work_off() == (1, 0)

        assert recorder.deeds == ["awaited"]

    def test_may_enqueue_another_which_runs_in_the_same_batch(self, app, recorder):
        enqueues_another.delay("the second")

        assert work_off() == (2, 0)

        assert recorder.facts("remembered") == ["the second"]

    def test_knows_its_job(self, app, recorder):
        job = look_at_the_job.options(queue="mail").delay()

        work_off(name="w1")

        [seen] = recorder.facts("job")
        assert (seen.id, seen.queue, seen.state, seen.locked_by, seen.fence) == (job.id, "mail", "running", "w1", 1)

    def test_has_a_higher_fence_at_each_run(self, app, clock, recorder):
        job = always_fails.delay()

        work_off()
        clock.advance(seconds=6)
        work_off()

        assert app.get(job.id).fence == 2


class TestAJobThatFails:
    @pytest.mark.behaviour("S72")
    def test_keeps_its_message_and_where_it_happened(self, app):
        job = enqueue(AlwaysFails())

        work_off()

        last_error = app.get(job.id).last_error
        assert last_error.startswith("NoLuckError: no luck\n")
        assert "sample_jobs.py" in last_error
        assert "in perform" in last_error

    @pytest.mark.behaviour("S72")
    def test_is_tried_again_later_and_has_no_lock(self, app, connection):
        job = enqueue(AlwaysFails())

        assert work_off() == (0, 1)

        document = stored_document(app, job)
        assert (document["state"], document["attempts"]) == ("ready", 1)
        assert START < document["run_at"] < START + timedelta(minutes=1)
        assert not {"locked_at", "locked_by", "locked_until", "lock_token"} & set(document)

    def test_keeps_its_last_ten_errors(self, app, clock):
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"errors": [{"attempt": n} for n in range(10)]}})

        work_off(name="w1")

        errors = app.get(job.id).errors
        assert [error["attempt"] for error in errors] == [*range(1, 11)]
        assert (errors[-1]["error"], errors[-1]["worker"], errors[-1]["at"]) == ("NoLuckError: no luck", "w1", START)

    @pytest.mark.behaviour("S74")
    def test_may_raise_an_exception_without_a_message(self, app):
        job = fails_without_a_message.delay()

        assert work_off() == (0, 1)

        stored = app.get(job.id)
        assert stored.last_error.startswith("NoLuckError\n")
        assert stored.attempts == 1

    def test_may_call_for_an_exit(self, app):
        job = exits.delay()

        assert work_off() == (0, 1)

        assert app.get(job.id).last_error.startswith("SystemExit: 3\n")

    @pytest.mark.behaviour("X30")
    def test_keeps_no_more_than_eight_and_32_kibibytes_of_its_error(self, app):
        job = always_fails.delay("x" * 900_000)

        work_off()

        assert 8_000 < len(app.get(job.id).last_error) <= 40 * 1024 + 1

    def test_leaves_the_others_alone(self, app, recorder):
        always_fails.delay()
        remember_one.delay("after it")

        assert work_off() == (1, 1)

        assert recorder.facts("remembered") == ["after it"]

    def test_is_given_up_at_once_for_an_error_that_is_not_to_be_retried(self, app):
        job = retries_only_on_lost_connections.delay("other")

        work_off()

        stored = app.get(job.id)
        assert (stored.state, stored.attempts) == ("failed", 1)

    def test_is_tried_again_for_an_error_that_should_be_retried(self, app):
        job = retries_only_on_lost_connections.delay("lost")

        work_off()

        assert app.get(job.id).state == "ready"


class TestAJobThatIsGivenUp:
    @pytest.mark.behaviour("S71")
    def test_keeps_its_error_its_attempts_and_when(self, app):
        job = enqueue(AlwaysFails(max_attempts=1))

        assert work_off() == (0, 1)

        stored = app.get(job.id)
        assert stored.last_error.startswith("NoLuckError: no luck\n")
        assert (stored.state, stored.attempts, stored.failed_at) == ("failed", 1, START)
        assert stored.has_failed

    @pytest.mark.behaviour("S81")
    def test_is_so_after_the_last_allowed_attempt(self, configure):
        app = configure(max_attempts=4)
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 3}})

        work_off()

        assert app.get(job.id).state == "failed"

    @pytest.mark.behaviour("S82", "S84")
    def test_is_not_so_one_attempt_earlier(self, configure):
        app = configure(max_attempts=4)
        job = enqueue(AlwaysFails(destroy_failed_jobs=False))
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 2}})

        work_off()

        stored = app.get(job.id)
        assert (stored.state, stored.attempts, stored.failed_at) == ("ready", 3, None)

    @pytest.mark.behaviour("S81")
    def test_is_so_after_25_attempts_by_default(self, app):
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 24}})

        work_off()

        stored = app.get(job.id)
        assert (stored.state, stored.attempts) == ("failed", 25)

    @pytest.mark.behaviour("S78")
    def test_is_deleted_after_the_last_allowed_attempt_if_so_set(self, configure):
        app = configure(max_attempts=4, destroy_failed_jobs=True)
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 3}})

        assert work_off() == (0, 1)

        assert app.get(job.id) is None

    @pytest.mark.behaviour("S80")
    def test_is_not_deleted_one_attempt_earlier(self, configure):
        app = configure(max_attempts=4, destroy_failed_jobs=True)
        job = always_fails.delay()
        app.store.collection.update_one({"_id": job.id}, {"$set": {"attempts": 2}})

        work_off()

        assert app.get(job.id).attempts == 3

    @pytest.mark.behaviour("X7")
    def test_has_no_lock(self, app):
        job = fails_once_and_for_all.delay()

        work_off()

        document = stored_document(app, job)
        assert not {"locked_at", "locked_by", "locked_until", "lock_token"} & set(document)

    def test_may_be_retried_by_a_person_with_all_its_attempts(self, app):
        job = fails_once_and_for_all.delay()
        work_off()

        app.retry(job.id)

        stored = app.get(job.id)
        assert (stored.state, stored.attempts, stored.failed_at) == ("ready", 0, None)
        assert work_off() == (0, 1)


class TestAJobThatEndsOtherwise:
    def test_may_snooze_without_counting_an_attempt(self, app):
        job = snoozes.delay(90)

        assert work_off() == (0, 0)

        stored = app.get(job.id)
        assert (stored.state, stored.attempts, stored.snoozes) == ("ready", 0, 1)
        assert stored.run_at == START + timedelta(seconds=90)
        assert stored.last_error is None

    @pytest.mark.parametrize(
        ("delay", "seconds"), [(0, 1), (-5, 1), (0.2, 1), (1.5, 1.5), ("5m", 300), ("0s", 1), (timedelta(-1), 1)]
    )
    def test_may_snooze_for_a_second_at_least(self, app, delay, seconds):
        job = snoozes.delay(delay)

        work_off()

        assert app.get(job.id).run_at == START + timedelta(seconds=seconds)

    @pytest.mark.parametrize("delay", [math.inf, math.nan, 1e20, "999999999999d", "soon", None])
    def test_fails_if_it_snoozes_for_what_is_not_a_duration(self, app, delay):
        job = snoozes.delay(delay)

        work_off()

        assert app.get(job.id).attempts == 1
        assert app.get(job.id).last_error.startswith("ValueError: Snooze must be a duration")
        assert app.get(job.id).last_error.endswith(f"got {delay!r}")

    def test_may_discard_itself(self, app):
        job = discards.delay("no longer wanted")

        assert work_off() == (0, 0)

        stored = app.get(job.id)
        assert (stored.state, stored.attempts, stored.last_error) == ("cancelled", 0, "no longer wanted")

    def test_may_be_declared_to_be_discarded_on_an_error(self, app):
        job = fails_and_is_discarded.delay()

        work_off()

        stored = app.get(job.id)
        assert (stored.state, stored.last_error) == ("cancelled", "NoLuckError: of no interest")

    @pytest.mark.parametrize("ending", [(snoozes, 90), (discards, "no longer wanted")])
    def test_has_no_lock(self, app, ending):
        function, argument = ending
        job = function.delay(argument)

        work_off()

        assert not {"locked_at", "locked_by", "locked_until", "lock_token"} & set(stored_document(app, job))


class TestAJobThatTakesTooLong:
    @pytest.mark.behaviour("S69")
    def test_fails_with_a_message_that_names_the_limit(self, configure):
        app = configure(max_run_time=0.1)
        job = goes_on_for.delay(5)

        assert work_off() == (0, 1)

        stored = app.get(job.id)
        assert stored.last_error.startswith("JobTimeout: the job ran longer than its max_run_time of 0.1s")
        assert stored.attempts == 1

    @pytest.mark.behaviour("X22")
    def test_fails_with_a_message_that_names_its_own_limit(self, configure):
        app = configure(max_run_time="4h")
        job = goes_on_for.options(max_run_time=0.1).delay(5)

        work_off()

        assert "its max_run_time of 0.1s" in app.get(job.id).last_error
        assert "4h" not in app.get(job.id).last_error

    @pytest.mark.behaviour("X23")
    def test_cannot_turn_its_timeout_into_a_success(self, configure, recorder):
        app = configure(max_run_time=0.1)
        job = swallows_everything.delay()

        assert work_off() == (0, 1)

        assert recorder.deeds == ["swallowed"]
        assert app.get(job.id).last_error.startswith("JobTimeout")

    def test_is_told_by_something_that_a_broad_except_does_not_catch(self):
        assert not issubclass(JobTimeout, Exception)

    def test_does_not_hit_the_next_one(self, configure, recorder):
        configure(max_run_time=0.1)
        goes_on_for.delay(5)
        remember_one.delay("next")

        assert work_off() == (1, 1)

        assert recorder.facts("remembered") == ["next"]


@pytest.mark.behaviour("X5")
class TestAJobThatWasTakenOver:
    def test_is_not_deleted_by_its_former_owner(self, app):
        job = loses_its_lock.delay()

        work_off()

        document = stored_document(app, job)
        assert (document["state"], document["lock_token"]) == ("running", "another")

    def test_is_neither_rescheduled_nor_unlocked_by_its_former_owner(self, app):
        job = loses_its_lock_and_fails.delay()

        work_off()

        document = stored_document(app, job)
        assert (document["state"], document["lock_token"], document["attempts"]) == ("running", "another", 0)

    def test_is_not_failed_by_its_former_owner(self, app):
        job = loses_its_lock_and_fails.options(max_attempts=1).delay()

        work_off()

        document = stored_document(app, job)
        assert (document["state"], document["lock_token"]) == ("running", "another")

    def test_is_reported_in_the_log(self, app, caplog):
        loses_its_lock.delay()

        work_off()

        assert any("is no longer ours" in record.getMessage() for record in caplog.records)


class TestALockOfARunningJob:
    @pytest.mark.behaviour("X6")
    def test_is_renewed_by_the_heartbeat(self, configure, recorder):
        app = configure(clock=None, **QUICK)
        job = waits_at_the_gate.delay()

        with working():
            eventually(lambda: "arrived" in recorder.deeds)
            first = app.get(job.id).locked_until
            eventually(lambda: app.get(job.id).locked_until > first + timedelta(seconds=0.3))
            gate.set()

        assert app.get(job.id) is None

    @pytest.mark.behaviour("X8")
    def test_lives_as_long_as_the_job_may_run(self, configure, recorder):
        app = configure(clock=None, lease=0.4, heartbeat=0.1, max_run_time=0.2)
        job = goes_on_for.options(max_run_time=10).delay(1)

        with working(), working(name="another"):
            eventually(lambda: app.get(job.id) is None)

        assert recorder.deeds == ["began", "ended"]

    def test_lives_for_a_lease_at_first(self, configure, recorder):
        app = configure(clock=None)
        job = waits_at_the_gate.delay()

        with working():
            eventually(lambda: "arrived" in recorder.deeds)
            held = app.get(job.id)
            gate.set()

        assert held.locked_until - held.locked_at == timedelta(seconds=60)
