"""Watching the event loop: whatever comes onto it is watched."""

import pytest

from mongojobs.core.lifecycle import Reporter
from mongojobs.worker.threads.background import join_all
from mongojobs.worker.threads.event_loop import EventLoop, LoopWatch
from tests.support.waiting import eventually
from tests.support.worker_parts import HitWhileCleared, Told, a_held, in_flight_of


class TestTheWatchOfTheLoop:
    @pytest.fixture
    def event_loop(self):
        event_loop = EventLoop()
        yield event_loop
        event_loop.close(5)

    def test_goes_on_for_a_job_that_comes_just_as_it_ends(self, event_loop):
        in_flight = in_flight_of(a_held(is_async=True))
        watch = LoopWatch(event_loop, in_flight, Reporter(Told(), "worker"))
        held = in_flight.take(is_async=True)

        def come():
            held.enter_loop()
            watch.loop()

        watch._wanted = HitWhileCleared(come)
        watch._want()

        eventually(lambda: held.loop_time and watch._turned_at > held.loop_time.waits_since)
        watch.stop()
        assert join_all(watch.threads, 5)
