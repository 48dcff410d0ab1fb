"""Watching the event loop: everything that comes onto it is watched."""

from mongojobs.core.lifecycle import Reporter
from mongojobs.worker.run import inflight_job as inflight_job_module
from mongojobs.worker.threads import event_loop as event_loop_module
from mongojobs.worker.threads.event_loop import LoopWatch
from tests.support.clock import HeldSeconds
from tests.support.waiting import eventually
from tests.support.worker_parts import HitWhileCleared, Told, a_held, in_flight_of


class LoopThatStandsStill:
    """A loop on which C code holds the interpreter for some *seconds*, and that goes on right after it."""

    def __init__(self, time, seconds):
        self._time = time
        self._seconds = seconds

    def call_soon_threadsafe(self, callback):
        self._time.now += self._seconds
        callback()


def begins_on_loop(in_flight):
    held = in_flight.take(is_async=True)
    held.enter_loop()
    held.begin_on_loop()
    return held


class TestTheWatchOfTheLoop:
    def test_goes_on_for_a_job_that_comes_just_as_it_ends(self):
        in_flight = in_flight_of(a_held(is_async=True))
        watch = LoopWatch(in_flight, Reporter(Told(), "worker"))
        held = in_flight.take(is_async=True)

        def come():
            held.enter_loop()
            watch.loop()

        watch._wanted = HitWhileCleared(come)
        watch._want()

        eventually(lambda: held.loop_time and watch._turned_at > held.loop_time.waits_since)
        assert watch.close(5)

    def test_counts_a_standstill_that_is_over_when_it_wakes_against_no_job(self, monkeypatch):
        time = HeldSeconds()
        for module in (event_loop_module, inflight_job_module):
            monkeypatch.setattr(module, "monotonic_seconds", time.monotonic_seconds)
        in_flight = in_flight_of(a_held(is_async=True), a_held(is_async=True))
        watch = LoopWatch(in_flight, Reporter(Told(), "worker"))
        held = [begins_on_loop(in_flight), begins_on_loop(in_flight)]
        monkeypatch.setattr(watch.event_loop, "runs", lambda: held[0].job)  # to which the loop has gone on since

        watch._look(LoopThatStandsStill(time, seconds=2), [one.job for one in held])

        assert [one.loop_time.excused for one in held] == [2, 2]
