"""How a worker's threads take turns at Python's interpreter."""

import sys

import pytest

from mongojobs.process.interpreter import suit_turns, take_short_turns

DEFAULT = 0.005


@pytest.fixture(autouse=True)
def _turns():
    """Leave the turns as they were."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(DEFAULT)
    yield
    sys.setswitchinterval(before)


class TestTurns:
    def test_are_short_where_nobody_has_said_how_long_they_are(self):
        take_short_turns()

        assert sys.getswitchinterval() == pytest.approx(0.001)

    def test_are_as_long_as_the_app_has_said(self):
        sys.setswitchinterval(0.02)

        take_short_turns()

        assert sys.getswitchinterval() == pytest.approx(0.02)

    def test_are_longer_while_many_threads_run_jobs(self):
        take_short_turns()
        suit_turns(16)
        with_many = sys.getswitchinterval()
        suit_turns(1)

        assert with_many == pytest.approx(0.002)
        assert sys.getswitchinterval() == pytest.approx(0.001)

    @pytest.mark.parametrize("seconds", [DEFAULT, 0.02])
    def test_stay_as_the_app_has_said_however_many_threads_run_jobs(self, seconds):
        sys.setswitchinterval(seconds)

        suit_turns(16)

        assert sys.getswitchinterval() == pytest.approx(seconds)
