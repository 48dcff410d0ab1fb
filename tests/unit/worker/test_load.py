"""How busy a process is, by clocks that the test holds."""

import pytest

from mongojobs.worker.load import Load


class Process:
    """A process that uses as much of the processor as the test says."""

    def __init__(self):
        self.wall = 50.0
        self.used = 3.0
        self.load = Load(wall=lambda: self.wall, used=lambda: self.used)

    def goes_on(self, seconds, *, used):
        self.wall += seconds
        self.used += used


@pytest.fixture
def process():
    return Process()


def test_is_low_at_first(process):
    assert not process.load.is_high()


def test_is_high_when_one_core_was_hardly_free(process):
    process.goes_on(0.02, used=0.019)

    assert process.load.is_high()


def test_is_low_when_jobs_waited_for_something_else(process):
    process.goes_on(0.02, used=0.019)
    process.load.is_high()
    process.goes_on(0.02, used=0.005)

    assert not process.load.is_high()


def test_is_not_judged_by_a_moment(process):
    process.goes_on(0.001, used=0.001)

    assert not process.load.is_high()


def test_does_not_count_the_time_in_which_there_was_nothing_to_do(process):
    process.goes_on(0.02, used=0.019)
    process.load.is_high()
    process.goes_on(60, used=0.1)
    process.load.begin()
    process.goes_on(0.001, used=0.001)
    at_once = process.load.is_high()
    process.goes_on(0.02, used=0.002)

    assert at_once
    assert not process.load.is_high()
