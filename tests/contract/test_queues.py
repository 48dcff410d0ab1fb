"""The numbers of the queues."""

from datetime import timedelta

from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reserve


class TestReport:
    def test_of_an_empty_store_has_no_queue_and_no_latency(self, store):
        report = store.report()

        assert (report.queues, report.latency, set(report.totals.values())) == ((), timedelta(0), {0})

    def test_counts_each_queue(self, store):
        store.insert_many([a_job(), a_job(), a_job(run_at=START + MINUTE)])
        store.insert_many([a_job(queue="mail", state="failed", finished_at=START)])
        reserve(store)

        default, mail = store.report().queues

        assert (default.queue, default.ready, default.scheduled, default.running, default.failed) == (
            *("default", 1, 1, 1, 0),
        )
        assert (mail.queue, mail.ready, mail.scheduled, mail.running, mail.failed) == ("mail", 0, 0, 0, 1)

    def test_latency_is_how_long_the_oldest_due_job_has_waited(self, store, clock):
        store.insert_many([a_job(), a_job(run_at=START + MINUTE), a_job(queue="mail", run_at=START + MINUTE / 2)])
        clock.advance(seconds=45)

        report = store.report()

        assert [queue.latency.total_seconds() for queue in report.queues] == [45, 15]
        assert report.latency.total_seconds() == 45

    def test_latency_does_not_count_jobs_that_are_not_due(self, store):
        store.insert(a_job(run_at=START + MINUTE))

        assert store.report().latency == timedelta(0)

    def test_latency_does_not_count_jobs_that_run_or_have_failed(self, store, clock):
        store.insert_many([a_job(), a_job(state="failed", finished_at=START)])
        reserve(store)
        clock.advance(minutes=1)

        assert store.report().latency == timedelta(0)

    def test_totals_count_every_state(self, store):
        ended = [a_job(state=state, finished_at=START) for state in ("completed", "cancelled", "cancelled", "failed")]
        store.insert_many([a_job(), a_job(), a_job(run_at=START + MINUTE), *ended])
        reserve(store)

        assert store.report().totals == {"ready": 2, "running": 1, "completed": 1, "failed": 1, "cancelled": 2}


class TestCountLate:
    def test_counts_jobs_that_have_been_due_for_too_long(self, store, clock):
        store.insert_many([a_job(), a_job(run_at=START + MINUTE), a_job(run_at=START + 10 * MINUTE)])
        clock.advance(minutes=5)

        late = [store.count_late(minutes * MINUTE) for minutes in (3, 4, 5)]

        assert late == [2, 1, 0]

    def test_counts_only_the_queues_that_are_asked_for(self, store, clock):
        store.insert_many([a_job(), a_job(queue="mail"), a_job(queue="bulk")])
        clock.advance(minutes=5)

        assert store.count_late(MINUTE, queues=("mail", "bulk")) == 2

    def test_counts_no_job_that_runs_or_has_failed(self, store, clock):
        store.insert_many([a_job(), a_job(state="failed", finished_at=START)])
        reserve(store)
        clock.advance(minutes=5)

        assert store.count_late(MINUTE) == 0
