"""A job that blocks the event loop harms its neighbours no more than it must, and is named."""

import pytest

import mongojobs
from mongojobs.core.notices import JobBlocks, JobErrored, JobTimedOut
from tests.support import worker_jobs
from tests.support.waiting import eventually
from tests.support.worker_jobs import runs
from tests.support.worker_parts import Told
from tests.support.working import working

BLOCKERS = [(worker_jobs.blocks_the_loop, 2.5), (worker_jobs.blocks_the_loop_in_c, 2 * 10**8)]


@pytest.fixture
def app(connection, indexes):
    """The default app; its notices are kept in ``app.told``."""
    app = mongojobs.configure(retry_jitter=0)
    app.told = Told()
    app.lifecycle.on_notice(app.told.notify)
    runs.clear()
    yield app
    mongojobs.configure()


def is_empty(app):
    return app.store.collection.estimated_document_count() == 0


class TestAJobThatBlocksTheLoop:
    @pytest.mark.parametrize(("blocks", "much"), BLOCKERS)
    def test_takes_nothing_from_the_time_of_those_that_have_begun(self, app, blocks, much):
        worker_jobs.takes_little.delay_many([(number,) for number in range(3)])
        blocks.options(priority=1).delay(much)

        with working():
            eventually(lambda: is_empty(app))

        assert sorted(map(str, runs)) == ["0", "1", "2", "blocked", "blocks"]
        assert app.told.of(JobTimedOut) == []

    def test_takes_nothing_from_the_time_of_those_that_are_to_begin(self, app):
        worker_jobs.blocks_the_loop.delay(2.5)

        with working():
            eventually(lambda: runs == ["blocks"])
            worker_jobs.takes_little.delay_many([(number,) for number in range(3)])
            eventually(lambda: is_empty(app))

        assert app.told.of(JobTimedOut) == []

    def test_is_reported_once(self, app):
        job = worker_jobs.blocks_the_loop.delay(2.5)

        with working():
            eventually(lambda: is_empty(app))

        assert [(notice.job.id, notice.worker != "") for notice in app.told.of(JobBlocks)] == [(job.id, True)]

    def test_is_named_even_where_code_that_it_left_behind_blocks(self, app):
        job = worker_jobs.leaves_a_task_that_blocks.delay(1.5)

        with working():
            eventually(lambda: runs == ["blocks"])
            worker_jobs.takes_little.delay(1)
            eventually(lambda: is_empty(app))

        assert [notice.job.id for notice in app.told.of(JobBlocks)] == [job.id]
        assert app.told.of(JobTimedOut) == []

    def test_times_out_with_what_it_did(self, app):
        worker_jobs.blocks_for_too_long.delay(1.5)

        with working():
            eventually(lambda: app.told.of(JobErrored))

        [errored] = app.told.of(JobErrored)
        assert errored.error.startswith("JobTimeout: the job ran longer than its max_run_time of 0.5s; it blocked the")

    def test_makes_no_neighbour_the_one_that_does_not_return(self, app):
        worker_jobs.overstays_async.options(max_attempts=1).delay()
        worker_jobs.blocks_the_loop.options(priority=1).delay(2.5)

        with working(timeout_grace=0.5) as shift:
            eventually(lambda: "cleaned up" in runs)
            status = shift.end()

        assert status == 0
