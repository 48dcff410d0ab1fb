"""The metrics of queues and workers: what they show, how many there are, and how often they query the database."""

from datetime import timedelta

import pytest

from mongojobs.cli import metrics
from mongojobs.core.errors import StoreUnavailableError
from mongojobs.plugins.prometheus_queues import MOST_QUEUES, Look, QueueMetrics, new_registry
from mongojobs.store.pauses import Pause
from mongojobs.store.reader.counts import Count
from mongojobs.store.reader.queues import QueueCounts, QueueStatus
from mongojobs.store.workers import WorkerStatus
from tests.support.clock import START
from tests.support.waiting import eventually


def a_queue(name, ready=1, pause=None):
    none = Count(0)
    counts = QueueCounts(queue=name, ready=Count(ready), scheduled=none, running=none, failed=none, oldest_due=None)
    return QueueStatus(queue=name, counts=counts, latency=timedelta(seconds=ready), pause=pause)


def a_worker(name, **more):
    known = {"host": "h", "pid": 1, "started_at": START, "queues": (), "threads": 2, "version": "1", "busy": 0}
    return WorkerStatus(name=name, **known | more)


def a_look(*queues, workers=()):
    return Look(queues=queues, workers=workers)


def registry_of(look, seconds=60):
    return new_registry(QueueMetrics(look, seconds=seconds))


class TestWorkers:
    @pytest.mark.parametrize(
        ("more", "state"),
        [
            ({"busy": 1}, "busy"),
            ({}, "idle"),
            ({"state": "quiet", "busy": 1}, "quiet"),
            ({"state": "stopping"}, "stopping"),
        ],
    )
    def test_count_by_their_state(self, more, state):
        registry = registry_of(lambda: a_look(workers=[a_worker("w", **more)]))

        states = ("busy", "idle", "quiet", "stopping")
        counts = {one: registry.get_sample_value("mongojobs_workers", {"state": one}) for one in states}

        assert {one: count for one, count in counts.items() if count} == {state: 1}


class TestQueues:
    def test_are_bounded_and_the_fullest_are_shown(self):
        registry = registry_of(lambda: a_look(*(a_queue(f"q{number}", number + 1) for number in range(500))))

        [jobs] = (metric for metric in registry.collect() if metric.name == "mongojobs_queue_jobs")

        shown = {sample.labels["queue"] for sample in jobs.samples}
        assert len(shown) == MOST_QUEUES
        assert "q499" in shown

    def test_that_are_paused_are_shown_before_fuller_ones(self):
        full = [a_queue(f"q{number}") for number in range(MOST_QUEUES)]
        held = a_queue("held", 0, Pause(queue="held", since=START, until=None, reason=""))
        registry = registry_of(lambda: a_look(*full, held))

        assert registry.get_sample_value("mongojobs_queue_paused", {"queue": "held"}) == 1


class TestTheDatabase:
    def test_is_asked_once_while_an_answer_is_good(self):
        looks = []
        registry = registry_of(lambda: looks.append(1) or a_look())

        for _ in range(3):
            list(registry.collect())

        assert len(looks) == 1

    def test_is_asked_again_afterwards(self):
        looks = []
        metrics = QueueMetrics(lambda: looks.append(1) or a_look(), seconds=0)

        eventually(lambda: metrics.collect() and len(looks) == 2)

    def test_that_does_not_answer_is_reported_to_the_scraper(self):
        def away():
            raise StoreUnavailableError("the database does not answer")

        answer = metrics._answer(registry_of(away))

        assert (answer.body, answer.ok) == ("the database does not answer\n", False)

    def test_that_is_away_makes_the_scrape_fail(self):
        def away():
            raise OSError("away")

        registry = registry_of(away)

        with pytest.raises(OSError, match="away"):
            list(registry.collect())
