"""The metrics of a process: their names, what they count, and how many there can be."""

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from mongojobs.core import notices as n
from mongojobs.core.stats import MOST_PAIRS, OTHER
from mongojobs.plugins.prometheus import PrometheusPlugin
from mongojobs.version import __version__
from tests.support.jobs import a_job
from tests.support.prometheus import families, faults_of, series_names
from tests.support.worker_parts import Told

JOB = a_job(name="send", queue="mail")
EVERY = [
    n.JobEnqueued(JOB),
    n.CallMerged(JOB, "other", "dropped"),
    n.JobStarted("w", JOB, 0.2),
    n.JobCompleted("w", JOB, 0.7),
    n.JobsReserved("w", 3, 0.01),
    n.ReserveFailed("w", "unreachable"),
    n.ScheduleTicked("w", "daily", JOB.run_at, 0.3),
    n.TicksDropped("w", "daily", JOB.run_at, "missed", 3, "late"),
]


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def told(registry):
    told = Told()
    PrometheusPlugin(registry).register(told)
    return told


def tell(told, *notices):
    for notice in notices:
        told.notify(notice)


class TestAMergedCall:
    def test_is_counted_by_what_became_of_it(self, registry, told):
        tell(told, n.CallMerged(JOB, "other", "dropped"), n.CallMerged(JOB, "other", "refused"))

        labels = {"queue": "mail", "job": "send", "answer": "refused"}
        assert registry.get_sample_value("mongojobs_calls_merged_total", labels) == 1


class TestTheNames:
    def test_are_these(self, registry, told):
        tell(told, *EVERY)

        assert {name for name in families(generate_latest(registry).decode()) if "_created" not in name} == {
            "mongojobs_jobs_enqueued",
            "mongojobs_calls_merged",
            "mongojobs_jobs_processed",
            "mongojobs_job_duration_seconds",
            "mongojobs_job_wait_seconds",
            "mongojobs_reserve_seconds",
            "mongojobs_reserve_errors",
            "mongojobs_schedule_lateness_seconds",
            "mongojobs_schedule_ticks_dropped",
            "mongojobs_build_info",
        }

    def test_are_such_as_the_linter_wants(self, registry, told):
        tell(told, *EVERY)

        assert list(faults_of(registry.collect())) == []

    def test_are_held_against_rules_that_find_faults(self):
        registry = CollectorRegistry()
        Counter("Bad_milliseconds", "", ["job_id"], registry=registry).labels("7").inc()

        assert len(list(faults_of(registry.collect()))) == 4

    def test_of_counters_and_histograms_are_those_of_queries(self, registry):
        PrometheusPlugin(registry)

        assert {"mongojobs_jobs_processed_total", "mongojobs_job_wait_seconds_bucket"} <= series_names(
            registry.collect()
        )


class TestARun:
    @pytest.mark.parametrize(
        ("notices", "outcome"),
        [
            ([n.JobCompleted("w", JOB, 1)], "completed"),
            ([n.JobErrored("w", JOB, 1, "E")], "retried"),
            ([n.JobErrored("w", JOB, 1, "E", given_up=True), n.JobFailed("w", JOB, "R")], "failed"),
            ([n.JobDiscarded("w", JOB, 1, "R")], "discarded"),
            ([n.JobCancelled("w", JOB, 1)], "cancelled"),
            ([n.JobSnoozed("w", JOB, 1, 60)], "snoozed"),
            ([n.JobReleased("w", JOB)], "interrupted"),
        ],
    )
    def test_counts_once_by_its_outcome(self, registry, told, notices, outcome):
        tell(told, *notices)

        processed = families(generate_latest(registry).decode())["mongojobs_jobs_processed"]
        counted = [sample for sample in processed.samples if sample.name.endswith("_total")]
        assert [(sample.labels, sample.value) for sample in counted] == [
            ({"queue": "mail", "job": "send", "outcome": outcome}, 1)
        ]

    def test_counts_with_its_duration_and_wait_in_seconds(self, registry, told):
        tell(told, *EVERY)

        labels = {"queue": "mail", "job": "send"}
        assert registry.get_sample_value("mongojobs_job_duration_seconds_sum", labels) == 0.7
        assert registry.get_sample_value("mongojobs_job_wait_seconds_sum", {"queue": "mail"}) == 0.2
        assert registry.get_sample_value("mongojobs_reserve_seconds_sum") == 0.01
        assert registry.get_sample_value("mongojobs_reserve_errors_total", {"reason": "unreachable"}) == 1
        assert registry.get_sample_value("mongojobs_build_info", {"version": __version__}) == 1


class TestLabels:
    def test_are_bounded_however_many_names_jobs_have(self, registry, told):
        tell(told, *(n.JobCompleted("w", a_job(name=f"job{number}", queue="mail"), 1) for number in range(1000)))

        counts = [
            sample
            for sample in families(generate_latest(registry).decode())["mongojobs_jobs_processed"].samples
            if sample.name.endswith("_total")
        ]
        assert len(counts) == MOST_PAIRS + 1
        assert sum(sample.value for sample in counts) == 1000


class TestSchedules:
    def test_count_lateness_and_dropped_ticks_by_name(self, registry, told):
        tell(told, *EVERY)

        assert registry.get_sample_value("mongojobs_schedule_lateness_seconds_sum", {"schedule": "daily"}) == 0.3
        labels = {"schedule": "daily", "result": "missed"}
        assert registry.get_sample_value("mongojobs_schedule_ticks_dropped_total", labels) == 3

    def test_have_no_more_names_than_there_may_be(self, registry, told):
        tell(told, *(n.ScheduleTicked("w", f"s{number}", JOB.run_at, 0.3) for number in range(MOST_PAIRS + 5)))

        name = "mongojobs_schedule_lateness_seconds_count"
        assert registry.get_sample_value(name, {"schedule": OTHER}) == 5
