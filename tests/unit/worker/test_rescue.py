"""When a worker takes back the jobs of others, and when it must not."""

import pytest

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.settings import Settings
from mongojobs.store.lifecycle.rescue import Rescued
from mongojobs.worker import outage as outage_module
from mongojobs.worker import rescue as rescuer_module
from mongojobs.worker.outage import Outage
from mongojobs.worker.rescue import Rescuer
from tests.support.worker_parts import AWAY, Told

LEASE = 40
INTERVAL = LEASE / 4


class Store:
    """Counts the rescues; what *hangs* is done before the answer to the next one."""

    def __init__(self):
        self.rescues = 0
        self.hangs = list

    def rescue(self, *, by, limit):
        self.rescues += 1
        return self.hangs()

    def quarantine(self, *, limit):
        return []


class Counter:
    """Tells elapsed seconds, as the machine does."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def monotonic(self):
        return self.now


@pytest.fixture
def counter(monkeypatch):
    counter = Counter()
    monkeypatch.setattr(rescuer_module, "elapsed_seconds", counter)
    monkeypatch.setattr(rescuer_module, "time", counter)
    monkeypatch.setattr(outage_module, "time", counter)
    return counter


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def outage():
    return Outage(Reporter(Told(), "worker"))


@pytest.fixture
def rescuer(store, outage, counter):
    rescuer = Rescuer(store, Reporter(Told(), "worker"), Settings(lease=LEASE, heartbeat=10), outage)
    rescuer.run_if_due()
    return rescuer


class TestTheRescuer:
    def test_looks_four_times_a_lease(self, rescuer, store, counter):
        counter.now += INTERVAL * 0.7
        assert not rescuer.run_if_due()
        counter.now += INTERVAL * 0.3

        assert rescuer.run_if_due()
        assert store.rescues == 2

    def test_rescues_nothing_within_a_lease_after_the_database_was_away(self, rescuer, store, outage, counter):
        counter.now += INTERVAL
        outage.note_failure("reserving", AWAY)

        assert not rescuer.run_if_due()
        assert store.rescues == 1

    def test_rescues_nothing_within_a_lease_after_everything_stood_still_without_an_error(
        self, rescuer, store, counter
    ):
        counter.now += LEASE
        assert not rescuer.run_if_due()
        counter.now += LEASE - INTERVAL
        assert not rescuer.run_if_due()
        assert store.rescues == 1

    def test_rescues_nothing_within_a_lease_after_a_look_that_hung(self, rescuer, store, counter):
        def hang():
            counter.now += INTERVAL * 1.7
            return []

        counter.now += INTERVAL
        store.hangs = hang
        rescuer.run_if_due()

        assert not rescuer.run_if_due()
        counter.now += LEASE - INTERVAL
        assert not rescuer.run_if_due()
        assert store.rescues == 2

    def test_goes_no_further_after_a_batch_that_hung(self, rescuer, store, counter):
        found = [[Rescued("a", "job", "w", 1, failed=False)], []]

        def hang():
            counter.now += INTERVAL * 1.1
            return found.pop(0)

        counter.now += INTERVAL
        store.hangs = hang
        rescuer.run_if_due()

        assert store.rescues == 2

    def test_rescues_again_after_that(self, rescuer, store, counter):
        for _ in range(6):
            counter.now += INTERVAL
            rescuer.run_if_due()
        counter.now += LEASE
        rescuer.run_if_due()
        before = store.rescues

        for _ in range(5):
            counter.now += INTERVAL
            rescuer.run_if_due()

        assert store.rescues > before

    def test_is_not_put_off_by_a_little_lateness(self, rescuer, store, counter):
        counter.now += INTERVAL * 1.5

        assert rescuer.run_if_due()
        assert store.rescues == 2
