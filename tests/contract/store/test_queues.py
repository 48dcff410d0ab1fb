"""The numbers of the queues."""

from datetime import timedelta

import pytest

from mongojobs.app.operations import Operator
from mongojobs.store.reader.counts import Count
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, reader, reserve


@pytest.fixture
def store(database_store):
    return database_store


def numbers_of(queue):
    return [queue.counts.of(state).number for state in ("ready", "scheduled", "running", "cancelling", "failed")]


def report_of(store, **options):
    return Operator(store, payloads=None).report(**options)


class TestReport:
    def test_of_an_empty_store_has_no_queue_and_no_latency(self, store):
        report = report_of(store)

        assert (report.queues, report.latency, set(report.counts.values())) == ([], timedelta(0), {Count(0)})

    def test_counts_each_queue(self, store):
        store.insert_many([a_job(), a_job(), a_job(run_at=START + MINUTE)])
        store.insert_many([a_job(queue="mail", state="failed", finished_at=START)])
        reserve(store)

        default, mail = report_of(store).queues

        assert (default.queue, numbers_of(default)) == ("default", [1, 1, 1, 0, 0])
        assert (mail.queue, numbers_of(mail)) == ("mail", [0, 0, 0, 0, 1])

    def test_counts_running_jobs_that_were_asked_to_end_apart(self, store):
        store.insert_many([a_job(), a_job(), a_job(queue="mail")])
        [asked] = reserve(store, limit=1)
        reserve(store, limit=2)
        Operator(store, payloads=None).cancel(asked.id, running=True)

        report = report_of(store)

        assert [numbers_of(queue) for queue in report.queues] == [[0, 0, 1, 1, 0], [0, 0, 1, 0, 0]]
        assert (report.by_state()["running"], report.by_state()["cancelling"]) == (Count(2), Count(1))

    def test_counts_no_more_of_each_than_asked(self, store):
        store.insert_many([a_job(), a_job(), a_job(), a_job(queue="mail")])

        report = report_of(store, limit=2)

        assert [str(queue.counts.ready) for queue in report.queues] == ["2+", "1"]
        assert str(report.in_queues("ready")) == "3+"
        assert str(report.counts["ready"]) == "2+"

    def test_latency_is_none_in_a_paused_queue(self, store, clock):
        store.insert_many([a_job(), a_job(queue="mail", run_at=START + MINUTE / 2)])
        clock.advance(seconds=45)

        Operator(store, payloads=None).pause("default")

        assert report_of(store).latency.total_seconds() == 15

    def test_latency_is_how_long_the_oldest_due_job_has_waited(self, store, clock):
        store.insert_many([a_job(), a_job(run_at=START + MINUTE), a_job(queue="mail", run_at=START + MINUTE / 2)])
        clock.advance(seconds=45)

        report = report_of(store)

        assert [queue.latency.total_seconds() for queue in report.queues] == [45, 15]
        assert report.latency.total_seconds() == 45

    def test_latency_does_not_count_jobs_that_are_not_due(self, store):
        store.insert(a_job(run_at=START + MINUTE))

        assert report_of(store).latency == timedelta(0)

    def test_latency_does_not_count_jobs_that_run_or_have_failed(self, store, clock):
        store.insert_many([a_job(), a_job(state="failed", finished_at=START)])
        reserve(store)
        clock.advance(minutes=1)

        assert report_of(store).latency == timedelta(0)

    def test_totals_count_every_state(self, store):
        ended = [a_job(state=state, finished_at=START) for state in ("completed", "cancelled", "cancelled", "failed")]
        store.insert_many([a_job(), a_job(), a_job(run_at=START + MINUTE), *ended])
        reserve(store)

        counts = {state: count.number for state, count in report_of(store).counts.items()}
        assert counts == {"ready": 1, "scheduled": 1, "running": 1, "completed": 1, "failed": 1, "cancelled": 2}


class TestCountLate:
    def test_counts_jobs_that_have_been_due_for_too_long(self, store, clock):
        store.insert_many([a_job(), a_job(run_at=START + MINUTE), a_job(run_at=START + 10 * MINUTE)])
        clock.advance(minutes=5)

        late = [reader(store).count_late(minutes * MINUTE).number for minutes in (3, 4, 5)]

        assert late == [2, 1, 0]

    def test_counts_only_the_queues_that_are_asked_for(self, store, clock):
        store.insert_many([a_job(), a_job(queue="mail"), a_job(queue="bulk")])
        clock.advance(minutes=5)

        assert reader(store).count_late(MINUTE, queues=("mail", "bulk")) == Count(2)

    def test_counts_no_job_that_runs_or_has_failed(self, store, clock):
        store.insert_many([a_job(), a_job(state="failed", finished_at=START)])
        reserve(store)
        clock.advance(minutes=5)

        assert reader(store).count_late(MINUTE) == Count(0)

    def test_counts_no_more_than_asked(self, store, clock):
        store.insert_many([a_job() for _ in range(5)])
        clock.advance(minutes=5)

        assert str(reader(store).count_late(MINUTE, limit=3)) == "3+"
