"""What another call of a unique job may do: replace the first, run after it, delay it, or be dropped for a time."""

from datetime import timedelta
from uuid import uuid4

import pytest

from mongojobs import StateError
from mongojobs.core.job import COMPLETED, ErrorText
from mongojobs.core.transitions import Discarded, Errored, GivenUp, Succeeded
from mongojobs.store.filters import QueueSelector
from tests.support.clock import START
from tests.support.sample_jobs import gate, remember_one
from tests.support.unique_jobs import count, fails_when_told, sync, sync_again, sync_from_the_start
from tests.support.waiting import eventually
from tests.support.working import work_off, working

HOUR = timedelta(hours=1)


@pytest.fixture
def app(configure, indexes):
    return configure()


def all_jobs(app):
    return app.reader.find(limit=0)


class TestReplace:
    replacing = sync.options(on_duplicate="replace")

    def test_runs_the_last_call_instead(self, app, recorder):
        first = sync.delay(7, "a")

        second = self.replacing.delay(7, "b")

        assert (second.id, second.duplicate, second.merged) == (first.id, True, 1)
        assert work_off() == (1, 0)
        assert recorder.facts("synced") == [(7, "b")]

    def test_replaces_all_that_the_enqueue_says(self, app):
        first = sync.options(tags=["old"], max_attempts=3, queue="one").delay(7)

        self.replacing.options(queue="two", priority=-3, max_run_time=60, meta={"a": 1}).delay(7)

        found = app.get(first.id)
        assert (found.queue, found.priority, found.max_attempts, found.max_run_time, found.tags, found.meta) == (
            "two",
            -3,
            None,
            timedelta(minutes=1),
            (),
            {"a": 1},
        )

    @pytest.mark.parametrize(("keep", "hours"), [("last", 2), ("earlier", 2), ("later", 5), (None, 2)])
    def test_leaves_the_time_that_should_be_kept(self, app, keep, hours):
        job = sync.options(run_in=5 * HOUR).delay(7)

        self.replacing.options(run_in=2 * HOUR, keep=keep).delay(7)

        assert app.get(job.id).run_at == START + hours * HOUR

    def test_of_a_job_that_runs_is_run_after_it(self, app, recorder):
        with working(threads=1):
            job = sync_again.delay(7, "a")
            eventually(lambda: recorder.deeds)
            sync_again.options(on_duplicate="replace").delay(7, "b")
            gate.set()
            eventually(lambda: app.get(job.id) is None)

        assert recorder.facts("synced") == [(7, "a"), (7, "b")]

    def test_across_names_takes_the_other_name_too(self, app, recorder):
        sync.options(unique_key="x", across="w").delay(7)

        count.options(unique_key="x", across="w", on_duplicate="replace").delay(1)

        assert [job.name for job in all_jobs(app)] == ["tests.support.unique_jobs.count"]
        work_off()
        assert recorder.deeds == ["counted"]

    def test_in_a_transaction_is_done_when_it_commits(self, app, connection):
        job = sync.delay(7, "a")

        with connection.start_session() as session, session.start_transaction():
            self.replacing.options(session=session).delay(7, "b")
            before = app.get(job.id)

        assert before.handler["args"] == [7, "a"]
        assert app.get(job.id).handler["args"] == [7, "b"]


class TestRerun:
    def test_of_many_calls_during_a_run_is_one_more_run_with_the_last(self, app, recorder):
        with working(threads=1):
            job = sync_again.delay(7, "first")
            eventually(lambda: recorder.deeds)
            answers = [sync_again.delay(7, str(number)) for number in range(100)]
            gate.set()
            eventually(lambda: app.get(job.id) is None)

        assert {answer.id for answer in answers} == {job.id}
        assert recorder.facts("synced") == [(7, "first"), (7, "99")]

    def test_of_a_waiting_job_replaces_its_call(self, app, recorder):
        gate.set()
        sync_again.delay(7, "a")
        sync_again.delay(7, "b")

        work_off()

        assert recorder.facts("synced") == [(7, "b")]

    def test_after_a_failed_run_starts_as_new(self, app, clock):
        job = fails_when_told.delay("x")
        work_off()
        clock.advance(hours=1)
        held = reserved(app)
        fails_when_told.options(on_duplicate="rerun").delay("x")

        app.store.end(held, errored())

        found = app.get(job.id)
        assert (found.state, found.attempts, found.again, found.unique_key) == ("ready", 0, None, job.unique_key)

    @pytest.mark.parametrize("ending", ["given_up", "discarded", "destroyed", "succeeded"])
    def test_is_not_lost_by_any_end(self, app, ending):
        sync.delay(7, "a")
        held = reserved(app)
        sync.options(on_duplicate="rerun").delay(7, "b")

        assert app.store.end_all([(held, endings()[ending])]) == []

        found = app.get(held.id)
        assert (found.state, found.handler["args"], found.lock_token) == ("ready", [7, "b"], None)

    def test_is_not_lost_when_its_worker_is_lost_too_often(self, clock, configure):
        app = configure(max_losses=1)
        app.create_indexes()
        sync.delay(7, "a")
        held = reserved(app)
        sync.options(on_duplicate="rerun").delay(7, "b")
        clock.advance(hours=1)

        [rescued] = app.store.rescue(by="test")

        assert not rescued.failed
        assert app.get(held.id).handler["args"] == [7, "b"]

    def test_is_not_lost_when_its_worker_is_stopped_too_often(self, configure):
        app = configure(max_releases=1)
        app.create_indexes()
        sync.delay(7, "a")
        held = reserved(app)
        sync.options(on_duplicate="rerun").delay(7, "b")

        assert app.store.release([held], started=True) == []

        assert app.get(held.id).handler["args"] == [7, "b"]

    def test_written_twice_is_ours_both_times(self, app):
        sync.delay(7, "a")
        held = reserved(app)
        sync.options(on_duplicate="rerun").delay(7, "b")
        app.store.finish([held])

        assert app.store.finish([held], repeated=True) == []

    def test_waits_until_its_time(self, app):
        sync.delay(7, "a")
        held = reserved(app)
        sync.options(on_duplicate="rerun", run_in=HOUR).delay(7, "b")

        app.store.finish([held])

        assert app.get(held.id).run_at == START + HOUR

    def test_among_others_is_found_out(self, app):
        for number in range(5):
            sync.delay(number, "a")
        remember_one.delay(1)
        held = reserve_all(app)
        sync.options(on_duplicate="rerun").delay(3, "b")

        assert app.store.finish(held) == []

        assert [job.handler["args"] for job in all_jobs(app)] == [[3, "b"]]


class TestAWindow:
    timed = sync.options(unique_for="1h")

    def test_drops_calls_though_the_job_has_completed(self, app, clock):
        first = self.timed.delay(7)
        work_off()
        clock.advance(minutes=59)

        second = self.timed.delay(7)

        assert (second.id, second.duplicate, second.state) == (first.id, True, COMPLETED)
        assert work_off() == (0, 0)

    def test_is_over_to_the_moment(self, app, clock):
        self.timed.delay(7)
        work_off()
        clock.advance(hours=1)

        assert not self.timed.delay(7).duplicate
        assert work_off() == (1, 0)

    def test_counts_from_the_first_enqueue(self, app, clock):
        self.timed.delay(7)
        clock.advance(minutes=50)
        work_off()
        clock.advance(minutes=10)

        assert not self.timed.delay(7).duplicate

    def test_is_longer_while_the_job_runs_or_waits(self, app, clock):
        self.timed.options(run_in=3 * HOUR).delay(7)
        clock.advance(hours=2)

        assert self.timed.delay(7).duplicate

    def test_keeps_nothing_when_the_job_ends_after_it(self, app, clock):
        self.timed.delay(7)
        clock.advance(hours=2)
        work_off()

        assert all_jobs(app) == []

    def test_ends_with_a_failure(self, app):
        failing = fails_when_told.options(unique_for="1h", max_attempts=1)
        failing.delay("x")
        work_off()

        assert not failing.delay("x").duplicate

    def test_lets_the_server_remove_the_job_when_it_is_over(self, app, clock):
        job = self.timed.delay(7)
        work_off()

        assert app.get(job.id).expire_at == START + HOUR

    def test_leaves_a_job_that_is_kept_for_longer(self, configure, clock):
        app = configure(keep_completed="7d")
        app.create_indexes()
        first = self.timed.delay(7)
        work_off()
        clock.advance(hours=2)

        self.timed.delay(7)

        assert app.get(first.id).expire_at == START + timedelta(days=7)
        assert app.get(first.id).unique_key is None

    def test_has_nothing_to_replace_in_a_completed_job(self, app):
        self.timed.delay(7, "a")
        work_off()

        second = self.timed.options(on_duplicate="replace").delay(7, "b")

        assert second.state == COMPLETED
        assert second.handler["args"] == [7, "a"]

    def test_is_seen_when_many_are_enqueued(self, app, clock):
        self.timed.delay_many([(1,), (2,)])
        work_off()
        clock.advance(minutes=30)
        self.timed.delay(3)
        work_off()
        clock.advance(minutes=30)

        assert [job.duplicate for job in self.timed.delay_many([(1,), (2,), (3,)])] == [False, False, True]


class TestThrottle:
    def test_runs_the_first_and_drops_the_others(self, app, clock, recorder):
        throttled = sync.options(throttle="1/10m")
        throttled.delay(7, "a")
        work_off()
        clock.advance(minutes=9)
        assert throttled.delay(7, "b").merged == 1
        clock.advance(minutes=1)
        throttled.delay(7, "c")
        work_off()

        assert recorder.facts("synced") == [(7, "a"), (7, "c")]


class TestDebounce:
    def test_puts_the_job_off_at_each_call(self, app, clock):
        debounced = sync.options(debounce="5s")
        job = debounced.delay(7, "a")
        assert job.run_at == START + timedelta(seconds=5)
        clock.advance(seconds=3)

        debounced.delay(7, "b")

        found = app.get(job.id)
        assert (found.run_at, found.handler["args"]) == (START + timedelta(seconds=8), [7, "b"])

    def test_puts_it_off_no_longer_than_the_first_call_allows(self, app, clock):
        job = sync.options(debounce="5s", max_wait="7s").delay(7, "a")
        clock.advance(seconds=4)

        sync.options(debounce="5s", max_wait="1h").delay(7, "b")

        assert app.get(job.id).run_at == START + timedelta(seconds=7)

    def test_with_a_call_that_names_no_bound_keeps_the_bound(self, app, clock):
        job = sync.options(debounce="5s", max_wait="7s").delay(7, "a")
        clock.advance(seconds=4)

        sync.options(debounce="1h").delay(7, "b")

        assert app.get(job.id).run_at == START + timedelta(seconds=7)

    def test_is_bound_from_its_first_call_on_by_any_call_that_names_a_bound(self, app, clock):
        job = sync.options(debounce="5s").delay(7, "a")
        clock.advance(seconds=4)

        sync.options(debounce="5s", max_wait="7s").delay(7, "b")
        sync.options(debounce="1h").delay(7, "c")

        found = app.get(job.id)
        assert (found.run_at, found.handler["args"]) == (START + timedelta(seconds=7), [7, "c"])

    def test_is_bound_by_the_least_of_two_bounds(self, app, clock):
        job = sync.options(debounce="5s", max_wait="1h").delay(7, "a")
        clock.advance(seconds=4)

        sync.options(debounce="5s", max_wait="7s").delay(7, "b")

        assert app.get(job.id).run_at == START + timedelta(seconds=7)

    def test_is_never_due_after_the_bound(self, app):
        assert sync.options(debounce="1h", max_wait="1m").delay(7).run_at == START + timedelta(minutes=1)

    def test_starts_over_when_the_job_has_started(self, app, clock, recorder):
        debounced = sync_from_the_start.options(debounce="5s")
        job = debounced.delay(7, "a")
        clock.advance(seconds=5)
        with working(threads=1):
            eventually(lambda: recorder.deeds)
            other = debounced.delay(7, "b")
            gate.set()
            eventually(lambda: app.get(job.id) is None)

        assert not other.duplicate
        assert other.run_at == START + timedelta(seconds=10)


class TestACompletedJobInAWindow:
    def test_is_not_retried(self, app):
        job = sync.options(unique_for="1h").delay(7)
        work_off()

        with pytest.raises(StateError, match="it is completed"):
            app.retry(job.id)


def reserved(app):
    [held] = reserve_all(app)
    return held


def reserve_all(app):
    return app.store.reserve(QueueSelector(), token=uuid4().hex, by="w", lease=timedelta(minutes=1), limit=10)


def errored():
    return Errored(ErrorText(error="no luck"), START + HOUR)


def endings():
    return {
        "given_up": GivenUp(ErrorText(error="no luck"), "enough"),
        "destroyed": GivenUp(ErrorText(error="no luck"), "enough", destroy=True),
        "discarded": Discarded("no need"),
        "succeeded": Succeeded(),
    }
