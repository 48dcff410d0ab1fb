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

    def monotonic_seconds(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    """The one clock of both: by the machine's, a run may have begun long before the time that is held here."""
    time = Time()
    monkeypatch.setattr(solitude_module, "monotonic_seconds", time.monotonic_seconds)
    monkeypatch.setattr(holdings_module, "monotonic_seconds", time.monotonic_seconds)
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

        assert solitude.is_alone()

    def test_with_one_loss_has_only_nothing_read_ahead(self, solitude, holdings):
        reserved(solitude, holdings, losses=1)

        assert not solitude.is_alone()
        assert solitude.forbids_reading_ahead()

    def test_is_no_job_without_losses(self, solitude, holdings):
        reserved(solitude, holdings)

        assert not solitude.is_alone()
        assert not solitude.forbids_reading_ahead()

    def test_is_alone_no_longer_than_it_is_held(self, solitude, holdings):
        held = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)

        before = solitude.is_alone()
        ended(holdings, held)

        assert (before, solitude.is_alone()) == (True, False)

    def test_is_alone_for_a_twelfth_of_a_lease_at_most(self, solitude, holdings, time):
        reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)

        time.now += LEASE / 12 - 1
        before = solitude.is_alone()
        time.now += 1

        assert (before, solitude.is_alone()) == (True, False)

    def test_is_alone_no_longer_though_its_process_could_not_begin_it_yet(self, solitude, holdings, time):
        reserved(solitude, holdings, losses=2)

        time.now += LEASE / 12

        assert not solitude.is_alone()


class TestOthers:
    def test_have_their_turn_for_as_long_as_a_suspect_was_alone(self, solitude, holdings, time):
        held = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)
        time.now += 3
        ended(holdings, held)
        solitude.is_alone()

        before = solitude.owes_others()
        time.now += 3

        assert (before, solitude.owes_others()) == (True, False)

    def test_have_the_time_back_for_which_the_process_ran_empty(self, solitude, holdings, time):
        held = reserved(solitude, holdings)
        holdings.take(is_async=False)
        time.now += LEASE
        solitude.note_next(is_suspect=True)
        time.now += 1
        ended(holdings, held)
        solitude.note_empty()
        suspect = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)
        time.now += 2
        ended(holdings, suspect)
        solitude.is_alone()

        time.now += 2.5
        before = solitude.owes_others()
        time.now += 0.5

        assert (before, solitude.owes_others()) == (True, False)

    def test_have_half_a_second_at_least(self, solitude, holdings, time):
        held = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)
        ended(holdings, held)
        solitude.is_alone()

        time.now += 0.4

        assert solitude.owes_others()

    def test_are_owed_nothing_for_a_job_that_lost_one_worker(self, solitude, holdings, time):
        held = reserved(solitude, holdings, losses=1)
        holdings.take(is_async=False)
        time.now += 1
        ended(holdings, held)
        solitude.is_alone()

        assert not solitude.owes_others()


class TestABusyProcess:
    def test_looks_once_a_lease_whether_a_suspect_is_next(self, solitude, holdings, time):
        reserved(solitude, holdings)

        time.now += LEASE - 1
        before = solitude.is_to_look()
        time.now += 1
        due = solitude.is_to_look()
        solitude.note_next(is_suspect=False)

        assert (before, due, solitude.is_to_look()) == (False, True, False)

    def test_goes_on_as_ever_where_none_is(self, solitude, holdings, time):
        reserved(solitude, holdings)
        time.now += LEASE

        solitude.note_next(is_suspect=False)

        assert not solitude.is_alone()

    def test_lets_itself_run_empty_for_one(self, solitude, holdings, time):
        held = reserved(solitude, holdings)
        holdings.take(is_async=False)
        time.now += LEASE
        solitude.note_next(is_suspect=True)
        before = solitude.is_alone()

        ended(holdings, held)

        assert (before, solitude.is_alone()) == (True, False)

    def test_does_not_wait_for_that_long(self, solitude, holdings, time):
        reserved(solitude, holdings)
        time.now += LEASE
        solitude.note_next(is_suspect=True)
        before = solitude.is_alone()

        time.now += LEASE / 60

        assert (before, solitude.is_alone()) == (True, False)

    def test_looks_again_as_soon_as_the_others_had_their_turn(self, solitude, holdings, time):
        held = reserved(solitude, holdings, losses=2)
        holdings.take(is_async=False)
        time.now += 3
        ended(holdings, held)
        solitude.is_alone()
        reserved(solitude, holdings)

        time.now += 2
        before = solitude.is_to_look()
        time.now += 1

        assert (before, solitude.is_to_look()) == (False, True)

    def test_spends_no_more_than_a_sixtieth_of_its_time_on_it(self, solitude, holdings, time):
        reserved(solitude, holdings)
        waited = 0.0

        for _ in range(100_000):
            time.now += 0.5
            _ = solitude.is_to_look() and solitude.note_next(is_suspect=True)
            waited += 0.5 * solitude.is_alone()

        assert 0 < waited <= 50_000 / 60 + LEASE

    def test_that_is_empty_at_times_by_itself_never_looks(self, solitude, holdings, time):
        reserved(solitude, holdings)
        time.now += LEASE - 1

        solitude.note_empty()
        time.now += LEASE - 1

        assert not solitude.is_to_look()
