"""Time limits: a job past its limit is told, and its process ended if it does not listen."""

import threading

import pytest

from mongojobs.core.errors import JobTimeout
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import CallbackRaised, JobCancelling, JobStuck, JobTimedOut
from mongojobs.core.settings import Settings
from mongojobs.worker.threads import timekeeper as timekeeper_module
from mongojobs.worker.threads.timekeeper import Timekeeper
from tests.support.clock import HeldSeconds
from tests.support.waiting import eventually
from tests.support.worker_parts import HitWhileCleared, Told, a_held, in_flight_of, seconds

GRACE = 60


@pytest.fixture
def time(monkeypatch):
    time = HeldSeconds()
    monkeypatch.setattr(timekeeper_module, "monotonic_seconds", time.monotonic_seconds)
    return time


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def stuck():
    return []


def timekeeper_of(in_flight, told, stuck, grace=GRACE):
    return Timekeeper(in_flight, Reporter(told, "worker"), Settings(timeout_grace=grace), on_stuck=stuck.append)


def running(in_flight, limit, time):
    """Take the job that waits, which began now and may run for *limit* seconds."""
    held = in_flight.take(is_async=False)
    held.started = time.now
    held.limit_to(seconds(limit))
    return held


class TestATimeLimit:
    def test_is_nothing_before_it_has_passed(self, told, stuck, time):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)

        time.now += 9.9
        following = timekeeper_of(in_flight, told, stuck).check()

        assert following == held.deadline
        assert held.interruption.raised is None

    def test_is_told_to_the_job_once_when_it_has_passed(self, told, stuck, time):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)
        timekeeper = timekeeper_of(in_flight, told, stuck)

        time.now += 10
        following = timekeeper.check()
        timekeeper.check()

        assert held.interruption.raised is JobTimeout
        assert len(told.of(JobTimedOut)) == 1
        assert following == time.now + GRACE

    @pytest.mark.parametrize(
        ("cancellation", "kind"), [(None, JobTimedOut), ({"by": "ann"}, JobCancelling)], ids=["limit", "cancelled"]
    )
    def test_is_told_of_before_the_code_is_interrupted(self, told, stuck, time, cancellation, kind):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)
        held.job.note_cancellation(cancellation)
        order = []
        held.interruption.relay_to(order.append)
        told.on_notice(lambda notice: order.append(type(notice)), JobTimedOut, JobCancelling)

        time.now += 10
        timekeeper_of(in_flight, told, stuck).check()

        assert order == [kind, held.interruption.raised]

    def test_ends_the_process_when_the_code_does_not_return(self, told, stuck, time):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)
        timekeeper = timekeeper_of(in_flight, told, stuck)
        time.now += 10
        timekeeper.check()

        time.now += GRACE
        timekeeper.check()
        timekeeper.check()

        assert stuck == [held]
        assert len(told.of(JobStuck)) == 1

    def test_counts_the_grace_from_when_the_job_was_told(self, told, stuck, time):
        """A process that was paused beyond limit and grace gives its jobs their grace all the same."""
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)

        time.now += 10 + GRACE + 1000
        timekeeper_of(in_flight, told, stuck).check()

        assert held.interruption.raised is JobTimeout
        assert stuck == []

    def test_looks_again_soon_at_a_run_that_has_just_ended(self, told, stuck, time):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)
        held.interruption.close()

        time.now += 10
        following = timekeeper_of(in_flight, told, stuck).check()

        assert following - time.now < 1
        assert told.notices == []

    def test_ends_the_process_even_when_callbacks_after_the_run_do_not_return(self, told, stuck, time):
        in_flight = in_flight_of(a_held())
        held = running(in_flight, 10, time)
        held.interruption.close()
        timekeeper = timekeeper_of(in_flight, told, stuck)
        time.now += 10
        timekeeper.check()

        time.now += GRACE
        timekeeper.check()

        assert stuck == [held]

    def test_of_one_job_does_not_hit_another(self, told, stuck, time):
        in_flight = in_flight_of(a_held(), a_held(), threads=2)
        short, long = running(in_flight, 10, time), running(in_flight, 20, time)

        time.now += 15
        following = timekeeper_of(in_flight, told, stuck).check()

        assert (short.is_cut_short, long.is_cut_short) == (True, False)
        assert following == long.deadline


class TestTheTimekeepersThread:
    @pytest.fixture
    def keeping(self):
        begun = []

        def begin(timekeeper):
            thread = threading.Thread(target=timekeeper.run)
            thread.start()
            begun.append((timekeeper, thread))
            return timekeeper

        yield begin
        for timekeeper, thread in begun:
            timekeeper.stop()
            thread.join(30)
            assert not thread.is_alive()

    def test_wakes_for_a_deadline_that_begins_while_it_sleeps(self, told, stuck, keeping):
        in_flight = in_flight_of(a_held())
        timekeeper = keeping(timekeeper_of(in_flight, told, stuck))
        held = in_flight.take(is_async=False)

        held.limit_to(seconds(0.01))
        timekeeper.watch(held)

        eventually(lambda: held.is_cut_short)

    def test_wakes_for_an_earlier_deadline_than_it_waits_for(self, told, stuck, keeping):
        in_flight = in_flight_of(a_held(), a_held(), threads=2)
        timekeeper = keeping(timekeeper_of(in_flight, told, stuck))
        long, short = in_flight.take(is_async=False), in_flight.take(is_async=False)
        long.limit_to(seconds(1000))
        timekeeper.watch(long)

        short.limit_to(seconds(0.01))
        timekeeper.watch(short)

        eventually(lambda: short.is_cut_short)
        assert not long.is_cut_short

    def test_is_not_woken_for_a_deadline_that_is_far_off(self, told, stuck, keeping):
        in_flight = in_flight_of(a_held())
        timekeeper = keeping(timekeeper_of(in_flight, told, stuck))
        held = in_flight.take(is_async=False)
        eventually(lambda: timekeeper._next < float("inf"))

        held.limit_to(seconds(1000))
        timekeeper.watch(held)

        assert not timekeeper._wake.is_set()

    def test_ends_at_a_stop_that_comes_while_it_wakes(self, told, stuck):
        timekeeper = timekeeper_of(in_flight_of(), told, stuck)
        timekeeper._wake = HitWhileCleared(timekeeper.stop)

        thread = threading.Thread(target=timekeeper.run, daemon=True)
        thread.start()
        thread.join(30)

        assert not thread.is_alive()

    def test_lives_through_anything(self, told, keeping, monkeypatch):
        monkeypatch.setattr(timekeeper_module, "PAUSE_SECONDS", 0.01)
        in_flight = in_flight_of(a_held(), a_held(), threads=2)
        first, second = in_flight.take(is_async=False), in_flight.take(is_async=False)

        def on_stuck(held):
            if held is first:
                raise ValueError("a bug")

        timekeeper = keeping(
            Timekeeper(in_flight, Reporter(told, "worker"), Settings(timeout_grace=0.01), on_stuck=on_stuck)
        )
        for held in (first, second):
            held.limit_to(seconds(0.01))
            timekeeper.watch(held)

        eventually(lambda: len(told.of(JobStuck)) == 2)
        assert len(told.of(CallbackRaised)) == 1
