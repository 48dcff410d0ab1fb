"""Queues with a ``max_size``: a producer faster than the workers is told so before the collection grows too large."""

import contextlib
import threading

import pytest

from mongojobs import QueueFullError
from mongojobs.testing import mode
from tests.support.sample_jobs import remember_one
from tests.support.working import work_off

MAX_SIZE = 20
PRODUCERS = 8

mailed = remember_one.options(queue="mail")
mailed_once = mailed.options(unique=True)


@pytest.fixture
def app(configure, indexes):
    """The default app, in whose queue ``mail`` there is room for twenty jobs."""
    return configure(queue_attributes={"mail": {"max_size": MAX_SIZE}})


def jobs_in(app, queue):
    return app.store.collection.count_documents({"queue": queue})


def fill(app):
    """Enqueue until told to stop."""
    with contextlib.suppress(QueueFullError):
        while True:
            mailed.delay(1)


class TestAFullQueue:
    def test_takes_its_last_job_and_no_more(self, app):
        mailed.delay_many([(number,) for number in range(MAX_SIZE - 1)])
        mailed.delay(1)

        with pytest.raises(QueueFullError):
            mailed.delay(1)

        assert jobs_in(app, "mail") == MAX_SIZE

    def test_is_reported_with_its_size_and_what_to_do(self, app):
        fill(app)

        with pytest.raises(QueueFullError, match=r"'mail' has no room for 1 more, its max_size is 20: start") as full:
            mailed.delay(1)

        assert (full.value.queue, full.value.max_size) == ("mail", MAX_SIZE)

    def test_refuses_many_jobs_as_a_whole(self, app):
        mailed.delay(1)

        with pytest.raises(QueueFullError, match="has no room for 20 more"):
            mailed.delay_many([(number,) for number in range(MAX_SIZE)])

        assert jobs_in(app, "mail") == 1

    def test_counts_jobs_that_are_due_later(self, app):
        mailed.options(run_in=3600).delay_many([(number,) for number in range(MAX_SIZE)])

        with pytest.raises(QueueFullError):
            mailed.delay(1)

    def test_takes_jobs_again_when_workers_have_made_room(self, app):
        fill(app)

        work_off(1)

        assert mailed.delay(1)

    def test_does_not_hold_up_the_others(self, app):
        fill(app)

        assert remember_one.options(queue="bulk").delay_many([(number,) for number in range(MAX_SIZE + 1)])

    def test_does_not_refuse_to_repeat_an_enqueue_that_has_been_made(self, app):
        first = mailed.options(job_id="once").delay(1)
        fill(app)

        assert mailed.options(job_id="once").delay(1) == first

    def test_refuses_in_fake_mode_too(self, app):
        with mode("fake"), pytest.raises(QueueFullError):
            mailed.delay_many([(number,) for number in range(MAX_SIZE + 1)])

    def test_is_overshot_by_racing_producers_by_one_job_each_at_most(self, app):
        producers = [threading.Thread(target=fill, args=(app,)) for _ in range(PRODUCERS)]

        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()

        assert MAX_SIZE <= jobs_in(app, "mail") <= MAX_SIZE + PRODUCERS


class TestADuplicate:
    def test_is_answered_as_one_though_the_queue_is_full(self, app):
        first = mailed_once.delay(1)
        fill(app)

        second = mailed_once.delay(1)

        assert (second.id, second.duplicate) == (first.id, True)

    def test_takes_no_room_among_many(self, app):
        mailed_once.delay_many([(number,) for number in range(MAX_SIZE - 1)])

        jobs = mailed_once.delay_many([(number,) for number in [*range(MAX_SIZE), MAX_SIZE - 1]])

        assert [job.duplicate for job in jobs] == [True] * (MAX_SIZE - 1) + [False, True]

    def test_counts_for_nothing_where_others_find_no_room(self, app):
        mailed_once.delay(1)
        fill(app)

        with pytest.raises(QueueFullError, match="has no room for 2 more"):
            mailed_once.delay_many([(1,), (2,), (3,)])

    def test_is_answered_in_fake_mode_too(self, app):
        with mode("fake"):
            mailed_once.delay_many([(number,) for number in range(MAX_SIZE)])

            assert mailed_once.delay(1).duplicate


class TestAQueueWithoutALimit:
    def test_is_not_counted(self, app, monkeypatch):
        monkeypatch.setattr(app.store, "count_queued", None)

        assert remember_one.options(queue="bulk").delay(1)
