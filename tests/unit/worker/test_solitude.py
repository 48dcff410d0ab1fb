"""Jobs that may kill their worker run alone, and get their turn."""

import pytest

from mongojobs.worker import holdings as holdings_module
from mongojobs.worker import solitude as solitude_module
from mongojobs.worker.holdings import Holdings
from mongojobs.worker.solitude import Solitude
from tests.support.worker_parts import a_held

LEASE = 60


class Time:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    """The one clock of both: by the machine's, a run may have begun long before the time that is held here."""
    time = Time()
    monkeypatch.setattr(solitude_module, "time", time)
    monkeypatch.setattr(holdings_module, "time", time)
    return time


@pytest.fixture
def holdings(time):
    return Holdings(threads=4, async_concurrency=1)


@pytest.fixture
def solitude(time, holdings):
    return Solitude(holdings, LEASE)


def reserved(solitude, holdings, **changes):
    held = a_held(**changes)
    solitude.mind([held])
    holdings.add([held])
    return held


def ended(holdings, held):
    holdings.ended(held)
    holdings.written([held])


class TestASuspect:
    def test_has_nothing_begun_beside_it_from_the_second_loss_on(self, solitude, holdings):
        reserved(solitude, holdings, losses=2)

        assert solitude.wants_room()

    def test_with_one_loss_has_only_nothing_read_ahead(self, solitude, holdings):
        reserved(solitude, holdings, losses=1)

        assert not solitude.wants_room()
        assert solitude.forbids_reading_ahead()

    def test_is_no_job_without_losses(self, solitude, holdings):
        reserved(solitude, holdings)

        assert not solitude.wants_room()
        assert not solitude.forbids_reading_ahead()

    def test_is_alone_no_longer_than_it_is_held(self, solitude, holdings):
        held = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)

        before = solitude.wants_room()
        ended(holdings, held)

        assert (before, solitude.wants_room()) == (True, False)

    def test_is_alone_no_longer_than_a_lease(self, solitude, holdings, time):
        reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)

        time.now += LEASE - 1
        before = solitude.wants_room()
        time.now += 1
        solitude.note_empty()

        assert (before, solitude.wants_room()) == (True, False)


class TestABusyProcess:
    def test_lets_itself_run_empty_once_a_lease(self, solitude, holdings, time):
        reserved(solitude, holdings)

        time.now += LEASE - 1
        before = solitude.wants_room()
        time.now += 1

        assert (before, solitude.wants_room()) == (False, True)

    def test_goes_on_when_it_is_empty(self, solitude, holdings, time):
        held = reserved(solitude, holdings)
        holdings.take(is_async=False)
        time.now += LEASE
        before = solitude.wants_room()

        ended(holdings, held)

        assert (before, solitude.wants_room()) == (True, False)

    def test_does_not_wait_for_it_long(self, solitude, holdings, time):
        reserved(solitude, holdings)
        time.now += LEASE
        before = solitude.wants_room()

        time.now += LEASE / 60

        assert (before, solitude.wants_room()) == (True, False)

    def test_spends_no_more_than_a_sixtieth_of_its_time_on_it(self, solitude, holdings, time):
        reserved(solitude, holdings)
        waited = 0.0

        for _ in range(100_000):
            time.now += 0.5
            waited += 0.5 * solitude.wants_room()

        assert 0 < waited <= 50_000 / 60 + LEASE

    def test_that_is_empty_at_times_by_itself_never_waits_for_it(self, solitude, holdings, time):
        reserved(solitude, holdings)
        time.now += LEASE - 1

        solitude.note_empty()
        time.now += LEASE - 1

        assert not solitude.wants_room()
