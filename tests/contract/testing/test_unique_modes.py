"""Unique jobs in the modes of ``mongojobs.testing``: in memory as on a server, and where jobs run at once."""

import pytest

from mongojobs import DuplicateJobError, PartialEnqueueError, StateError, configure, testing
from mongojobs.core.actions import CANCEL, RETRY
from tests.support.sample_jobs import NoLuckError, gate, recorder
from tests.support.unique_jobs import (
    enqueues_itself,
    fails_when_told,
    sync,
    sync_from_the_start,
    wants_another_run,
)


@pytest.fixture(autouse=True)
def _clean_slate():
    recorder.clear()
    gate.set()
    yield
    gate.clear()
    configure()


@pytest.fixture
def queue():
    configure(retry_jitter=0)
    with testing.mode("fake") as queue:
        yield queue


@pytest.fixture
def inline():
    configure()
    with testing.mode("inline") as queue:
        yield queue


class TestFake:
    def test_keeps_one_of_two_calls(self, queue):
        first, second = sync.delay(7, "a"), sync.delay(7, "b")

        assert (second.id, second.duplicate, second.merged) == (first.id, True, 1)
        assert len(queue.enqueued()) == 1

    def test_tells_the_key_to_assertions(self, queue):
        sync.delay(7)

        job = testing.assert_enqueued(sync, unique_key="order_id=7")

        testing.assert_enqueued(sync, unique_key=job.unique_key)
        testing.refute_enqueued(sync, unique_key="order_id=8")
        with pytest.raises(AssertionError, match="unique_key: wanted 'order_id=8', got 'order_id=7'"):
            testing.assert_enqueued(sync, unique_key="order_id=8")

    def test_frees_the_key_at_the_end(self, queue):
        sync.delay(7)
        testing.drain()

        assert not sync.delay(7).duplicate

    def test_frees_the_key_at_the_start_if_it_is_to(self, queue):
        sync_from_the_start.delay(7)

        assert sync_from_the_start.delay(7).duplicate

    def test_refuses(self, queue):
        sync.delay(7)

        with pytest.raises(DuplicateJobError):
            sync.options(on_duplicate="raise").delay(7)
        with pytest.raises(PartialEnqueueError):
            sync.options(on_duplicate="raise").delay_many([(7,), (8,)])
        assert len(queue.enqueued()) == 2

    def test_tells_many_apart(self, queue):
        assert [job.duplicate for job in sync.delay_many([(1,), (1,), (2,)])] == [False, True, False]

    def test_replaces(self, queue):
        sync.delay(7, "a")
        sync.options(on_duplicate="replace").delay(7, "b")

        testing.drain()

        assert recorder.facts("synced") == [(7, "b")]

    def test_runs_again_what_was_asked_for_during_the_run(self, queue):
        wants_another_run.delay(1, 3)

        testing.drain()

        assert recorder.facts("ran") == [3, 1]

    def test_lets_a_failed_one_be_retried_while_its_key_is_free(self, queue):
        failed = fails_when_told.options(max_attempts=1).delay("x")
        testing.drain(raises=False)
        other = fails_when_told.delay("x")

        with pytest.raises(StateError, match="holds its unique key"):
            queue.store.act(RETRY, failed.id)
        queue.store.act(CANCEL, other.id)
        queue.store.act(RETRY, failed.id)
        assert fails_when_told.delay("x").id == failed.id

    def test_keeps_windows(self, queue):
        throttled = sync.options(throttle="1/10m")
        throttled.delay(7)
        testing.drain()
        assert throttled.delay(7).duplicate

        testing.travel("10m")

        assert not throttled.delay(7).duplicate

    def test_debounces(self, queue):
        first = sync.options(debounce="5s", max_wait="7s").delay(7, "a")
        testing.travel("4s")

        second = sync.options(debounce="5s").delay(7, "b")

        assert second.run_at == first.start_by


class TestInline:
    def test_runs_each_call_since_the_one_before_has_ended(self, inline):
        assert not any(sync.delay(7, reason).duplicate for reason in "ab")

        assert recorder.facts("synced") == [(7, "a"), (7, "b")]

    def test_drops_a_call_from_within_the_run(self, inline):
        enqueues_itself.delay(1)

        assert recorder.facts("enqueued") == [True]

    def test_drops_calls_within_the_time_of_the_key(self, inline):
        sync.options(throttle="1/10m").delay(7, "a")

        assert sync.options(throttle="1/10m").delay(7, "b").duplicate
        assert recorder.facts("synced") == [(7, "a")]

    def test_drops_them_among_many(self, inline):
        jobs = sync.options(unique_for="1h").delay_many([(1,), (1,), (2,)])

        assert [job.duplicate for job in jobs] == [False, True, False]

    def test_runs_once_more_if_that_is_asked_for_during_the_run(self, inline):
        wants_another_run.delay(1, 3)

        assert recorder.facts("ran") == [3, 1]

    def test_frees_the_key_of_a_job_that_fails(self, inline):
        with pytest.raises(NoLuckError):
            fails_when_told.options(unique_for="1h").delay("x")
        with pytest.raises(NoLuckError):
            fails_when_told.options(unique_for="1h").delay("x")

        assert recorder.facts("tried") == ["x", "x"]
