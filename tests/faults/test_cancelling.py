"""Cancelling jobs that run while their workers are killed and stopped; judged from outside by the rig."""

import pytest

from tests.support.rig import app as jobs

pytestmark = pytest.mark.faults

slow = pytest.mark.slow
in_both_modes = pytest.mark.parametrize("executor", ["thread", "process"])


def long(number):
    return jobs.takes.delay(number, 1.0)


def short(number):
    return jobs.takes.delay(number, 0.1)


@in_both_modes
@pytest.mark.parametrize("times", [1, pytest.param(6, marks=slow)])
def test_under_load_with_kills_and_stops_ends_each_for_good_and_none_that_had_ended(rig, executor, times):
    rig.work("--threads", "4", executor=executor)
    with rig.load(short, long, jobs.fails_at_first.delay, pause_seconds=0.15), rig.cancelling():
        for _ in range(times):
            killed, stopped = [rig.work("--threads", "4", executor=executor) for _ in range(2)]
            rig.wait_for_ends(30)
            rig.kill(killed)
            rig.stop(stopped, cuts_jobs=True)
        rig.wait_for_ends(20)

    rig.check(seconds=120)

    states = [document["state"] for document in rig.app.store.collection.find({}, {"state": 1})]
    assert states.count("cancelled") >= 5 * times
