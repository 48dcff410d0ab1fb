"""How busy a process is, by clocks that the test controls."""

import sys

import pytest

from mongojobs.process.cpu_load import CpuLoad
from mongojobs.process.interpreter import LONGER_TURN_SECONDS, TURN_SECONDS


class Process:
    """A process that uses as much of the processor as the test says."""

    def __init__(self):
        self.wall = 50.0
        self.used = 3.0
        self.load = CpuLoad(wall=lambda: self.wall, used=lambda: self.used)

    def goes_on(self, seconds, *, used):
        self.wall += seconds
        self.used += used


@pytest.fixture
def process():
    return Process()


def threads_of_use(process, running):
    """Ask as the slots do whether one more helps while *running* are busy; return how many help."""
    process.load.has_use_for(running + 1)
    return max(count for count in range(1, 100) if process.load.has_use_for(count))


def test_any_number_of_threads_is_of_use_at_first(process):
    assert process.load.has_use_for(1000)


def test_half_of_those_that_run_are_of_use_while_one_core_is_hardly_free(process):
    found = [16]
    for _ in range(5):
        process.goes_on(0.02, used=0.019)
        found.append(threads_of_use(process, running=found[-1]))

    assert found == [16, 8, 4, 2, 1, 1]


def test_twice_as_many_are_of_use_after_each_stretch_in_which_the_jobs_waited_for_something_else(process):
    process.goes_on(0.02, used=0.019)
    found = [threads_of_use(process, running=1)]
    for _ in range(3):
        process.goes_on(0.02, used=0.005)
        found.append(threads_of_use(process, running=found[-1]))

    assert found == [1, 2, 4, 8]


def test_all_stay_of_use_that_keep_the_interpreter_busy_only_together(process):
    def load(running):
        """Each waits most of the time, so that all 16 together keep the interpreter busy."""
        return min(running / 14, 1.0)

    found = [16]
    for _ in range(200):
        process.goes_on(0.02, used=0.02 * load(found[-1]))
        beside_who_asks = found[-1] - 1
        found.append(min(threads_of_use(process, running=beside_who_asks), 16))

    assert set(found) == {7, 16}
    assert found.count(7) <= 8, "half of them are tried now and then"


def test_half_are_tried_again_since_the_jobs_may_be_others_by_now(process):
    found = [16]
    for load in (0.95, 0.5, *[0.95] * 60):
        process.goes_on(0.02, used=0.02 * load)
        found.append(min(threads_of_use(process, running=found[-1]), 16))

    assert found[:4] == [16, 8, 16, 16], "half of them were too few"
    assert found[-1] == 1


def test_is_not_judged_by_a_moment(process):
    process.goes_on(0.001, used=0.001)

    assert process.load.has_use_for(1000)


def test_does_not_count_the_time_in_which_there_was_nothing_to_do(process):
    process.goes_on(0.02, used=0.019)
    threads_of_use(process, running=1)
    process.goes_on(60, used=0.1)
    process.load.begin()
    process.goes_on(0.001, used=0.001)
    at_once = threads_of_use(process, running=1)
    process.goes_on(0.02, used=0.002)

    assert at_once == 1
    assert process.load.has_use_for(2)


def test_turns_are_longer_after_a_stretch_in_which_many_ran(process):
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        process.goes_on(0.02, used=0.005)
        process.load.has_use_for(17)
        found = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before)

    assert found == pytest.approx(LONGER_TURN_SECONDS)
