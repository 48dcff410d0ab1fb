"""Outages: reported once, whatever was being done, with longer and longer waits."""

from collections import Counter

import pytest
from pymongo.errors import OperationFailure

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import DatabaseAway, DatabaseBack
from mongojobs.worker.outage import RENEWING, Outage, seconds_to_next_try
from tests.support.worker_parts import AWAY, REFUSED, Told


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def outage(told):
    return Outage(Reporter(told, "worker"))


class TestAnOutage:
    @pytest.mark.behaviour("X18")
    def test_is_reported_once_however_often_and_by_whom_it_is_met(self, outage, told):
        for doing in ("reserving", "renewing", "reserving", "writing", "reserving"):
            outage.note_failure(doing, AWAY)

        assert [notice.doing for notice in told.of(DatabaseAway)] == ["reserving"]

    def test_is_over_when_all_that_met_it_go_on(self, outage, told):
        outage.note_failure("reserving", AWAY)
        outage.note_failure("renewing", AWAY)

        outage.note_recovered("reserving")
        before = len(told.of(DatabaseBack))
        outage.note_recovered("renewing")

        assert (before, len(told.of(DatabaseBack))) == (0, 1)

    def test_is_reported_again_when_it_comes_again(self, outage, told):
        outage.note_failure("reserving", AWAY)
        outage.note_recovered("reserving")
        outage.note_failure("reserving", AWAY)

        assert len(told.of(DatabaseAway)) == 2

    def test_is_not_hidden_by_an_error_that_lasts(self, outage, told):
        outage.note_failure("showing", REFUSED)

        outage.note_failure("reserving", AWAY)
        outage.note_recovered("reserving")

        assert [notice.doing for notice in told.of(DatabaseAway)] == ["showing", "reserving"]
        assert len(told.of(DatabaseBack)) == 1

    def test_is_not_over_when_nothing_is_left_to_do_but_at_the_next_heartbeat(self, outage, told):
        outage.note_failure("writing", AWAY)

        outage.note_dropped("writing")
        outage.note_failure("reserving", AWAY)
        outage.note_recovered("reserving")
        before = list(told.of(DatabaseBack))
        outage.note_recovered(RENEWING)

        assert before == []
        assert len(told.of(DatabaseAway)) == len(told.of(DatabaseBack)) == 1

    def test_that_was_none_is_not_over(self, outage, told):
        outage.note_recovered("reserving")
        outage.note_dropped("writing")

        assert told.notices == []

    def test_is_remembered_after_it_is_over(self, outage):
        outage.note_failure("reserving", AWAY)
        outage.note_recovered("reserving")

        assert outage.last_seen is not None


class TestAMissingRight:
    def test_is_reported_once_and_is_no_outage_that_would_hold_up_a_rescue(self, outage, told):
        outage.note_failure("showing", OperationFailure("not authorized", 13))
        outage.note_failure("showing", OperationFailure("not authorized", 13))

        assert len(told.of(DatabaseAway)) == 1
        assert outage.last_seen is None


class TestTheWaits:
    def test_double_from_a_tenth_of_a_second_to_ten(self):
        waits = [seconds_to_next_try(failures) for failures in range(10)]

        assert all(0.5 * limit <= wait <= limit for wait, limit in zip(waits, _LIMITS, strict=True))

    def test_start_over_after_the_outage(self, outage):
        for _ in range(10):
            outage.note_failure("reserving", AWAY)
        outage.note_recovered("reserving")

        assert outage.note_failure("reserving", AWAY) <= 0.1

    def test_bring_workers_back_one_by_one_after_an_outage(self):
        returns = [back_after(OUTAGE_SECONDS) for _ in range(WORKERS)]

        most = max(Counter(int(moment * 10) for moment in returns).values())
        assert most < WORKERS / 20
        assert max(returns) - min(returns) > 5
        assert max(returns) <= OUTAGE_SECONDS + 10

    def test_are_spread_from_the_first_one_on(self):
        firsts = {round(seconds_to_next_try(0), 3) for _ in range(WORKERS)}

        assert len(firsts) > 40

    def test_have_no_end(self):
        assert seconds_to_next_try(10**6) <= 10


def back_after(seconds):
    """Return when a worker tries for the first time after an outage of this many *seconds*, which began at 0."""
    moment, failures = 0.0, 0
    while moment < seconds:
        moment += seconds_to_next_try(failures)
        failures += 1
    return moment


OUTAGE_SECONDS = 60
WORKERS = 1000
_LIMITS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]
