"""Jobs that may kill their worker run alone, and get their turn."""

import pytest

from mongojobs.worker import inflight as inflight_module
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.reserving import suspects as suspects_module
from mongojobs.worker.reserving.suspects import SuspectIsolation
from tests.support.clock import HeldSeconds
from tests.support.worker_parts import a_held

LEASE = 60


@pytest.fixture
def time(monkeypatch):
    """The one clock of both: by the machine's, a run may have begun long before the time that the test holds."""
    time = HeldSeconds()
    monkeypatch.setattr(suspects_module, "monotonic_seconds", time.monotonic_seconds)
    monkeypatch.setattr(inflight_module, "monotonic_seconds", time.monotonic_seconds)
    return time


@pytest.fixture
def in_flight(time):
    return InFlight(threads=4, async_concurrency=1)


@pytest.fixture
def suspects(time, in_flight):
    return SuspectIsolation(in_flight, LEASE)


def reserved(suspects, in_flight, **changes):
    held = a_held(**changes)
    suspects.mind([held])
    in_flight.add([held])
    return held


def ended(in_flight, held):
    in_flight.ended(held)
    in_flight.written([held])


class TestASuspect:
    def test_has_nothing_begun_beside_it_from_the_second_loss_on(self, suspects, in_flight):
        reserved(suspects, in_flight, losses=2)

        assert suspects.is_alone()

    def test_with_one_loss_has_only_nothing_read_ahead(self, suspects, in_flight):
        reserved(suspects, in_flight, losses=1)

        assert not suspects.is_alone()
        assert suspects.forbids_reading_ahead()

    def test_is_never_a_job_without_losses(self, suspects, in_flight):
        reserved(suspects, in_flight)

        assert not suspects.is_alone()
        assert not suspects.forbids_reading_ahead()

    def test_is_alone_no_longer_than_it_is_held(self, suspects, in_flight):
        held = reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)

        before = suspects.is_alone()
        ended(in_flight, held)

        assert (before, suspects.is_alone()) == (True, False)

    def test_is_alone_for_a_twelfth_of_a_lease_at_most(self, suspects, in_flight, time):
        reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)

        time.now += LEASE / 12 - 1
        before = suspects.is_alone()
        time.now += 1

        assert (before, suspects.is_alone()) == (True, False)

    def test_is_alone_no_longer_though_its_process_could_not_begin_it_yet(self, suspects, in_flight, time):
        reserved(suspects, in_flight, losses=2)

        time.now += LEASE / 12

        assert not suspects.is_alone()


class TestOthers:
    def test_have_their_turn_for_as_long_as_a_suspect_was_alone(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)
        time.now += 3
        ended(in_flight, held)
        suspects.is_alone()

        before = suspects.owes_others()
        time.now += 3

        assert (before, suspects.owes_others()) == (True, False)

    def test_have_the_time_back_for_which_the_process_ran_empty(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight)
        in_flight.take(is_async=False)
        time.now += LEASE
        suspects.note_next(is_suspect=True)
        time.now += 1
        ended(in_flight, held)
        suspects.note_empty()
        suspect = reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)
        time.now += 2
        ended(in_flight, suspect)
        suspects.is_alone()

        time.now += 2.5
        before = suspects.owes_others()
        time.now += 0.5

        assert (before, suspects.owes_others()) == (True, False)

    def test_have_half_a_second_at_least(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)
        ended(in_flight, held)
        suspects.is_alone()

        time.now += 0.4

        assert suspects.owes_others()

    def test_are_owed_nothing_for_a_job_that_lost_one_worker(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight, losses=1)
        in_flight.take(is_async=False)
        time.now += 1
        ended(in_flight, held)
        suspects.is_alone()

        assert not suspects.owes_others()


class TestABusyProcess:
    def test_looks_once_a_lease_whether_a_suspect_is_next(self, suspects, in_flight, time):
        reserved(suspects, in_flight)

        time.now += LEASE - 1
        before = suspects.is_to_look()
        time.now += 1
        due = suspects.is_to_look()
        suspects.note_next(is_suspect=False)

        assert (before, due, suspects.is_to_look()) == (False, True, False)

    def test_goes_on_as_ever_where_none_is(self, suspects, in_flight, time):
        reserved(suspects, in_flight)
        time.now += LEASE

        suspects.note_next(is_suspect=False)

        assert not suspects.is_alone()

    def test_lets_itself_run_empty_for_one(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight)
        in_flight.take(is_async=False)
        time.now += LEASE
        suspects.note_next(is_suspect=True)
        before = suspects.is_alone()

        ended(in_flight, held)

        assert (before, suspects.is_alone()) == (True, False)

    def test_does_not_wait_for_that_long(self, suspects, in_flight, time):
        reserved(suspects, in_flight)
        time.now += LEASE
        suspects.note_next(is_suspect=True)
        before = suspects.is_alone()

        time.now += LEASE / 60

        assert (before, suspects.is_alone()) == (True, False)

    def test_looks_again_as_soon_as_the_others_had_their_turn(self, suspects, in_flight, time):
        held = reserved(suspects, in_flight, losses=2)
        in_flight.take(is_async=False)
        time.now += 3
        ended(in_flight, held)
        suspects.is_alone()
        reserved(suspects, in_flight)

        time.now += 2
        before = suspects.is_to_look()
        time.now += 1

        assert (before, suspects.is_to_look()) == (False, True)

    def test_spends_no_more_than_a_sixtieth_of_its_time_on_it(self, suspects, in_flight, time):
        reserved(suspects, in_flight)
        waited = 0.0

        for _ in range(100_000):
            time.now += 0.5
            _ = suspects.is_to_look() and suspects.note_next(is_suspect=True)
            waited += 0.5 * suspects.is_alone()

        assert 0 < waited <= 50_000 / 60 + LEASE

    def test_that_is_empty_at_times_by_itself_never_looks(self, suspects, in_flight, time):
        reserved(suspects, in_flight)
        time.now += LEASE - 1

        suspects.note_empty()
        time.now += LEASE - 1

        assert not suspects.is_to_look()
