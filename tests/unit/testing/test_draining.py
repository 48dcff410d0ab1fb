"""``drain`` and ``perform``: jobs run in a test as a worker would run them."""

import asyncio
import threading
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import Interrupted, MongoJobsError, Plugin, Snooze, UnknownJobError, enqueue, job
from mongojobs.testing import drain, enqueued_jobs, mode, perform, travel
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    AlwaysFailsAndTells,
    Ceremonious,
    Newsletter,
    NoLuckError,
    always_fails,
    discards,
    enqueues_another,
    exits,
    fails_and_is_discarded,
    look_at_the_job,
    recorder,
    remember_later,
    remember_one,
    remember_where,
    snoozes,
    succeeds_on_third_try,
    swallows_everything,
)
from tests.support.undeclared import undeclared


@job
def enqueues_itself():
    enqueues_itself.delay()


@job
def snoozes_for_no_time():
    raise Snooze(0)


@job
def comes_back_in_an_hour():
    recorder.note("came")
    comes_back_in_an_hour.options(run_in=3600).delay()


@job
def is_interrupted_by_itself():
    raise Interrupted


@job
def presses_control_c():
    raise KeyboardInterrupt


@job
def drops_from_the_registry():
    raise UnknownJobError("no job is registered")


@pytest.fixture
def fake():
    with mode("fake") as entered:
        yield entered


class Recording(Plugin):
    """Records the events of a run, and may fail in one."""

    def __init__(self, fail_in=None):
        self.fail_in = fail_in
        self.workers = set()

    def register(self, lifecycle):
        for event in ("perform", "error", "failure"):
            lifecycle.before(event, lambda worker, job, event=event: self._note(event, worker))
        lifecycle.before("invoke_job", lambda job: recorder.note("invoke_job"))

    def _note(self, event, worker):
        recorder.note(event)
        self.workers.add(worker.name)
        if event == self.fail_in:
            raise NoLuckError("the plugin fails")


@pytest.mark.usefixtures("fake")
class TestDrain:
    def test_runs_all_that_is_due(self, recorder):
        remember_one.delay(1)
        remember_one.delay(2)

        assert drain() == (2, 0)
        assert recorder.facts("remembered") == [1, 2]
        assert enqueued_jobs() == []

    def test_runs_the_urgent_first(self, recorder):
        remember_one.options(priority=2).delay("later")
        remember_one.options(priority=1).delay("sooner")

        drain()

        assert recorder.facts("remembered") == ["sooner", "later"]

    def test_runs_what_is_enqueued_meanwhile(self, recorder):
        enqueues_another.delay(1)

        assert drain() == (2, 0)
        assert recorder.facts("remembered") == [1]

    def test_runs_one_queue_only_if_it_is_named(self, recorder):
        remember_one.options(queue="mail").delay("mail")
        other = remember_one.delay("other")

        assert drain("mail") == (1, 0)
        assert enqueued_jobs() == [other]

    def test_leaves_what_is_scheduled(self):
        scheduled = remember_one.options(run_in=60).delay(1)

        assert drain() == (0, 0)
        assert enqueued_jobs() == [scheduled]

    def test_fires_all_hooks(self, recorder):
        enqueue(Ceremonious())

        drain()

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    def test_fires_the_hooks_of_a_failure_for_good(self, recorder):
        enqueue(AlwaysFailsAndTells(max_attempts=1))

        drain(raises=False)

        assert recorder.deeds == ["tried", "failure"]

    def test_fires_the_lifecycle_of_a_worker(self, recorder):
        plugin = Recording()
        mongojobs.configure(plugins=[plugin])
        always_fails.options(max_attempts=1).delay()

        drain(raises=False)

        assert recorder.deeds == ["perform", "invoke_job", "tried", "error", "failure"]
        assert plugin.workers == {"mongojobs.testing"}

    def test_tells_jobs_which_one_they_are(self, recorder):
        job = look_at_the_job.delay()

        drain()

        [seen] = recorder.facts("job")
        assert (seen.id, seen.locked_by, seen.stopping) == (job.id, "mongojobs.testing", False)

    def test_runs_jobs_in_the_thread_of_the_test(self, recorder):
        remember_where.delay()

        drain()

        assert recorder.facts("thread") == [threading.current_thread().name]

    def test_runs_coroutines(self, recorder):
        remember_later.delay(1)

        assert drain() == (1, 0)
        assert recorder.facts("remembered") == [1]

    def test_runs_coroutines_where_a_loop_is_running(self, recorder):
        async def test():
            remember_later.delay(1)
            return drain()

        assert asyncio.run(test()) == (1, 0)

    def test_leaves_no_thread_behind(self):
        before = threading.enumerate()
        remember_later.delay(1)

        drain()

        assert [thread for thread in threading.enumerate() if thread not in before] == []

    def test_ends_jobs_that_take_too_long(self, recorder):
        swallows_everything.options(max_run_time=0.05).delay()

        assert drain(raises=False) == (0, 1)
        assert recorder.deeds == ["swallowed"]


@pytest.mark.usefixtures("fake")
class TestAFailure:
    def test_comes_up(self):
        always_fails.delay("no luck today")

        with pytest.raises(NoLuckError, match="no luck today"):
            drain()

    def test_comes_up_after_it_was_counted(self):
        always_fails.delay()

        with pytest.raises(NoLuckError):
            drain()

        [job] = enqueued_jobs()
        assert (job.attempts, job.state) == (1, "ready")
        assert job.last_error.startswith("NoLuckError: no luck")

    def test_leaves_the_rest_for_the_next_drain(self, recorder):
        always_fails.delay()
        remember_one.delay(1)
        with pytest.raises(NoLuckError):
            drain()

        assert drain() == (1, 0)
        assert recorder.facts("remembered") == [1]

    def test_is_counted_if_it_is_not_to_come_up(self):
        always_fails.delay()
        remember_one.delay(1)
        always_fails.delay()

        assert drain(raises=False) == (1, 2)

    def test_is_tried_again_at_its_time(self, fake):
        job = always_fails.delay()

        drain(raises=False)

        assert timedelta(seconds=5.9) < fake.get(job.id).run_at - job.run_at < timedelta(seconds=60)

    def test_is_given_up_on_in_the_end(self, fake):
        job = always_fails.options(max_attempts=2).delay()

        drain(raises=False)
        travel(10)
        drain(raises=False)

        given_up = fake.get(job.id)
        assert (given_up.state, given_up.attempts, len(given_up.errors)) == ("failed", 2, 2)

    def test_of_a_payload_that_cannot_be_loaded_comes_up(self):
        drops_from_the_registry.delay()

        with pytest.raises(UnknownJobError):
            drain()

    def test_of_a_job_that_is_not_declared_comes_up(self):
        job = remember_one.delay(1)

        with undeclared(job.name), pytest.raises(UnknownJobError, match="no job is registered under the name"):
            drain()

    def test_of_a_plugin_comes_up(self):
        mongojobs.configure(plugins=[Recording(fail_in="perform")])
        remember_one.delay(1)

        with pytest.raises(MongoJobsError, match="the plugin fails"):
            drain()

    def test_that_exits_counts_as_any_other(self):
        exits.delay()

        assert drain(raises=False) == (0, 1)

    def test_by_the_keyboard_always_comes_up(self):
        presses_control_c.delay()

        with pytest.raises(KeyboardInterrupt):
            drain(raises=False)

    def test_that_looks_like_a_stop_counts_as_any_other(self):
        is_interrupted_by_itself.delay()

        assert drain(raises=False) == (0, 1)


@pytest.mark.usefixtures("fake")
class TestASignal:
    def test_to_snooze_is_not_a_failure(self, fake):
        job = snoozes.delay(60)

        assert drain() == (0, 0)
        assert (fake.get(job.id).state, fake.get(job.id).snoozes) == ("ready", 1)

    def test_to_discard_is_not_a_failure(self, fake):
        job = discards.delay("of no use")

        assert drain() == (0, 0)
        assert (fake.get(job.id).state, fake.get(job.id).last_error) == ("cancelled", "of no use")

    def test_by_an_error_to_discard_on_is_not_a_failure(self, fake):
        job = fails_and_is_discarded.delay()

        assert drain() == (0, 0)
        assert fake.get(job.id).state == "cancelled"


@pytest.mark.usefixtures("fake")
class TestDrainUntil:
    def test_runs_scheduled_jobs(self, recorder):
        job = remember_one.options(run_in=3600).delay(1)

        assert drain(until=job.run_at) == (1, 0)

    def test_leaves_later_ones(self):
        job = remember_one.options(run_in=3600).delay(1)

        assert drain(until=job.run_at - timedelta(seconds=1)) == (0, 0)

    def test_runs_jobs_in_the_order_of_their_time(self, recorder):
        remember_one.options(run_in=7200, priority=-5).delay("second")
        remember_one.options(run_in=3600, priority=5).delay("first")

        drain(until=travel(0) + timedelta(hours=3))

        assert recorder.facts("remembered") == ["first", "second"]

    def test_tries_failed_jobs_again(self, recorder):
        succeeds_on_third_try.delay()

        assert drain(raises=False, until=travel(0) + timedelta(minutes=5)) == (1, 2)
        assert recorder.facts("tried") == [0, 1, 2]

    def test_lets_time_pass_for_what_jobs_enqueue(self, recorder):
        comes_back_in_an_hour.delay()

        drain(until=travel(0) + timedelta(hours=5, minutes=1))

        assert recorder.deeds == ["came"] * 6

    def test_gives_the_time_back(self):
        job = remember_one.options(run_in=3600).delay(1)

        drain(until=job.run_at)

        assert enqueue(Newsletter()).run_at < job.run_at

    def test_gives_the_time_back_after_a_failure(self):
        job = always_fails.options(run_in=3600).delay()

        with pytest.raises(NoLuckError):
            drain(until=job.run_at)

        assert enqueue(Newsletter()).run_at < job.run_at


@pytest.mark.usefixtures("fake")
class TestAnEndlessJob:
    def test_is_an_error(self):
        enqueues_itself.delay()

        with pytest.raises(AssertionError, match=r"drain\(\) has run 30 jobs, and .*enqueues_itself is still due"):
            drain(limit=30)

    def test_is_an_error_even_when_it_snoozes(self):
        job = snoozes_for_no_time.delay()

        with pytest.raises(AssertionError, match="does a job enqueue itself endlessly"):
            drain(limit=30, until=job.run_at + timedelta(hours=1))

    def test_is_left_ready(self):
        enqueues_itself.delay()

        with pytest.raises(AssertionError):
            drain(limit=30)

        [job] = enqueued_jobs()
        assert (job.state, job.releases) == ("ready", 0)

    def test_is_not_suspected_when_the_limit_is_just_reached(self):
        remember_one.delay_many([(1,), (2,)])

        assert drain(limit=2) == (2, 0)


@pytest.mark.usefixtures("fake")
class TestPerform:
    def test_returns_what_the_job_returned(self):
        assert perform(remember_one.delay(1)) == "noted"

    def test_runs_a_job_that_is_not_due(self):
        assert perform(remember_one.options(run_in=60).delay(1)) == "noted"

    def test_runs_no_other_job(self, recorder):
        remember_one.delay(1)

        perform(remember_one.delay(2))

        assert recorder.facts("remembered") == [2]

    def test_fires_all_hooks(self, recorder):
        perform(enqueue(Ceremonious()))

        assert recorder.deeds == ["enqueue", "before", "perform", "success", "after"]

    def test_takes_the_job_out_of_the_queue(self):
        perform(remember_one.delay(1))

        assert enqueued_jobs() == []

    def test_leaves_a_job_that_has_completed(self, fake):
        job = remember_one.options(job_id="receipt 7").delay(1)
        drain()

        perform(job)

        assert fake.get("receipt 7").state == "completed"

    def test_lets_errors_come_up(self):
        with pytest.raises(NoLuckError):
            perform(always_fails.delay())

    def test_leaves_a_job_that_fails_as_it_was(self):
        job = always_fails.delay()

        with pytest.raises(NoLuckError):
            perform(job)

        assert enqueued_jobs() == [job]

    def test_may_run_a_job_twice(self, recorder):
        job = remember_one.delay(1)

        perform(job)
        perform(job)

        assert recorder.facts("remembered") == [1, 1]

    def test_runs_coroutines(self, recorder):
        perform(remember_later.delay(1))

        assert recorder.facts("remembered") == [1]

    def test_runs_on_arguments_that_were_serialised(self, recorder):
        value = [1]

        perform(remember_one.delay(value))

        [remembered] = recorder.facts("remembered")
        assert remembered == value
        assert remembered is not value

    def test_loads_documents_afresh(self, mock_connection):
        band = Band(name="Blur").save()

        perform(band.delay.rename("Gorillaz"))

        assert band.name == "Blur"
        assert band.reload().name == "Gorillaz"

    def test_tells_the_job_which_one_it_is(self, recorder):
        job = look_at_the_job.delay()

        perform(job)

        assert recorder.facts("job") == [job]


def test_perform_runs_a_job_of_inline_mode_again(recorder):
    with mode("inline"):
        perform(remember_one.delay(1))

    assert recorder.facts("remembered") == [1, 1]
