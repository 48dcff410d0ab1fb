"""All faults in a random order, from a seed: nothing that is promised breaks."""

import random
import time
from functools import partial

import pytest

from tests.support.rig import app as jobs

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SECONDS = 150
SHAPES = [("--threads", "2"), ("--processes", "2"), ("--executor", "process", "--threads", "2")]
"""How workers are started."""
LEASE = 30
"""Longer than any standstill of the three nodes, so that a failover explains no extra run."""


class Schedule:
    """Does one harm after the other to two workers and three nodes, as *chance* has it."""

    def __init__(self, rig, trio, chance):
        self._rig = rig
        self._trio = trio
        self._chance = chance
        self._workers = [rig.work(*SHAPES[0]), rig.work(*SHAPES[2])]

    def go_on(self, seconds):
        """Do harm for this long."""
        to_workers = [self._kill, self._stop, self._stop_all, self._freeze, self._freeze_long]
        to_nodes = [self._kill_primary, self._step_down, self._hang, self._deafen, self._leave_alone]
        harms = to_workers + [partial(self._as_outage, harm) for harm in to_nodes]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._chance.choice(harms)()
            time.sleep(self._chance.uniform(0.5, 4))

    def _as_outage(self, harm):
        """Note the harm: too short to explain an extra run, it delays rescues for a lease."""
        with self._rig.outage():
            harm()

    def _any_worker(self):
        return self._chance.randrange(len(self._workers))

    def _replace(self, place):
        self._workers[place] = self._rig.work(*self._chance.choice(SHAPES))

    def _kill(self):
        place = self._any_worker()
        self._rig.kill(self._workers[place])
        self._replace(place)

    def _stop(self):
        place = self._any_worker()
        self._rig.stop(self._workers[place], cuts_jobs=True)
        self._replace(place)

    def _stop_all(self):
        place = self._any_worker()
        self._rig.stop(self._workers[place], times=3, to_all=True, cuts_jobs=True)
        self._replace(place)

    def _freeze(self):
        with self._rig.frozen(self._workers[self._any_worker()]):
            time.sleep(self._chance.uniform(1, 5))

    def _freeze_long(self):
        with self._rig.frozen(self._workers[self._any_worker()]):
            time.sleep(LEASE + 3)

    def _kill_primary(self):
        primary = self._trio.wait_for_primary()
        primary.kill()
        self._trio.wait_for_primary()
        primary.restart()
        self._trio.wait_until_complete()

    def _step_down(self):
        self._trio.step_down()
        self._trio.wait_until_complete()

    def _hang(self):
        primary = self._trio.wait_for_primary()
        primary.pause()
        time.sleep(self._chance.uniform(1, 6))
        primary.resume()
        self._trio.wait_until_complete()

    def _deafen(self):
        primary = self._trio.wait_for_primary()
        with self._trio.followers_deaf():
            time.sleep(self._chance.uniform(0.5, 2))
            primary.kill()
        self._trio.wait_for_primary()
        primary.restart()
        self._trio.wait_until_complete()

    def _leave_alone(self):
        followers = self._trio.followers
        for node in followers:
            node.pause()
        time.sleep(self._chance.uniform(1, 5))
        for node in followers:
            node.resume()
        self._trio.wait_until_complete()


def short(number):
    return jobs.takes.delay(number, 0.02)


def longer(number):
    return jobs.takes.delay(number, 1)


def with_an_id(number):
    return jobs.quick.options(job_id=f"order-{number}").delay(number)


def test_a_random_schedule_of_all_faults_breaks_no_promise(rig_on, trio, trio_uri, pytestconfig):
    rig = rig_on(trio_uri, lease=LEASE, heartbeat=2)
    schedule = Schedule(rig, trio, random.Random(pytestconfig.option.seed))
    calls = [short, with_an_id, jobs.fails_at_first.delay, longer, jobs.quick.delay, jobs.always_fails.delay]

    with rig.load(*calls, pause_seconds=0.1):
        schedule.go_on(SECONDS)
    verdict = rig.check(seconds=120)

    assert verdict.lost == 0
