"""How long the database may take: a limit on all the queries of a call together."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from mongojobs.store import time_limits
from mongojobs.store.time_limits import Budget, time_left, time_limit


class HeldSeconds:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0


@pytest.fixture
def seconds(monkeypatch):
    seconds = HeldSeconds()
    monkeypatch.setattr(time_limits, "time", SimpleNamespace(monotonic=lambda: seconds.now))
    return seconds


class TestABudget:
    def test_is_spent_by_all_questions_together(self, seconds):
        budget = Budget(timedelta(seconds=10))
        with budget.spent():
            seconds.now += 4

        with budget.spent():
            assert time_left() == 6

    def test_is_not_spent_by_what_comes_between_the_questions(self, seconds):
        budget = Budget(timedelta(seconds=10))
        seconds.now += 4

        with budget.spent():
            assert time_left() == 10

    def test_that_is_spent_leaves_nothing(self, seconds):
        budget = Budget(timedelta(seconds=10))
        with budget.spent():
            seconds.now += 11

        with budget.spent():
            assert time_left() == 0


class TestATimeLimit:
    def test_inside_a_shorter_one_is_no_longer(self, seconds):
        with time_limit(3), time_limit(10):
            assert time_left() == 3

    def test_is_none_where_none_is_set(self, seconds):
        assert time_left() == float("inf")
