"""The jobs that a process holds, from the reserve to the write."""

import threading

import pytest

from mongojobs.process.cpu_load import STRETCH_SECONDS, CpuLoad
from mongojobs.worker import inflight as inflight_module
from mongojobs.worker.inflight import InFlight
from tests.support.waiting import LONG, eventually
from tests.support.worker_parts import a_held, in_flight_of, some_held

SHORT = 0.1


def taken(in_flight, *, is_async=False):
    """Take a job that waits."""
    held = in_flight.take(is_async=is_async)
    assert held is not None
    return held


class TestTakingAJob:
    def test_goes_by_the_order_in_which_they_came(self):
        first, second = some_held(2)
        in_flight = in_flight_of(first, second)

        assert [taken(in_flight), taken(in_flight)] == [first, second]

    def test_waits_for_one_of_its_kind(self):
        awaited = a_held(is_async=True)
        in_flight = in_flight_of(a_held())
        found = []
        taker = threading.Thread(target=lambda: found.append(in_flight.take(is_async=True)))
        taker.start()

        in_flight.add([awaited])
        taker.join(30)

        assert found == [awaited]

    def test_marks_it_as_running(self):
        held = a_held()
        in_flight = in_flight_of(held)

        taken(in_flight)

        assert in_flight.running() == [held]
        assert held.started is not None

    def test_passes_over_one_whose_lock_expired_while_it_waited(self):
        late, good = a_held(expires_in=-1), a_held()
        in_flight = in_flight_of(late, good)

        assert taken(in_flight) is good
        assert in_flight.all() == [good]

    def test_gives_none_once_closed_even_while_some_wait(self):
        in_flight = in_flight_of(a_held())

        in_flight.close()

        assert in_flight.take(is_async=False) is None
        assert in_flight.waiting() == 1

    def test_ends_when_closed(self):
        in_flight = InFlight(threads=1, async_concurrency=1)
        taker = threading.Thread(target=in_flight.take, kwargs={"is_async": False})
        taker.start()

        in_flight.close()
        taker.join(30)

        assert not taker.is_alive()

    def test_hands_each_job_to_one_of_many_threads(self):
        held = some_held(2000)
        in_flight = in_flight_of(*held, threads=8)
        found = []

        def take_all():
            while (one := in_flight.take(is_async=False)) is not None:
                found.append(one)
                in_flight.ended(one)

        threads = [threading.Thread(target=take_all) for _ in range(8)]
        list(map(threading.Thread.start, threads))
        eventually(lambda: in_flight.waiting() == 0)
        in_flight.close()
        [thread.join(30) for thread in threads]

        assert len(found) == len(set(found)) == 2000


class TestASlotBesideAnother:
    """With two waiting jobs, the first of which one slot has begun."""

    @pytest.fixture
    def beside(self, monkeypatch):
        """Begins the first of two jobs, lets a second slot ask for one, and returns what it gets and when it has."""

        def beside(*, load_is_high):
            monkeypatch.setattr(CpuLoad, "has_use_for", lambda *_: not load_is_high)
            in_flight, found = in_flight_of(*some_held(2), threads=2), []
            first = taken(in_flight)
            slot = threading.Thread(target=lambda: found.append(in_flight.take(is_async=False)), daemon=True)
            slot.start()
            return first, found, slot

        return beside

    def test_begins_at_once_where_the_interpreter_has_time(self, beside):
        first, found, slot = beside(load_is_high=False)

        slot.join(30)

        assert found
        assert found[0] is not first

    def test_begins_soon_where_the_other_is_a_long_one(self, beside):
        first, found, slot = beside(load_is_high=True)

        slot.join(30)

        assert found
        assert found[0].started - first.started >= STRETCH_SECONDS

    def test_leaves_short_ones_to_the_other_where_the_interpreter_is_busy(self, monkeypatch):
        monkeypatch.setattr(CpuLoad, "has_use_for", lambda *_: False)
        monkeypatch.setattr(inflight_module, "STRETCH_SECONDS", 3600)
        in_flight, by_the_other = in_flight_of(*some_held(500), threads=2), []
        held = taken(in_flight)

        def work_too():
            while (one := in_flight.take(is_async=False)) is not None:
                by_the_other.append(one)
                in_flight.ended(one)

        slot = threading.Thread(target=work_too, daemon=True)
        slot.start()
        while held is not None:
            in_flight.ended(held)
            held = in_flight.take_now()
        in_flight.close()
        slot.join(30)

        assert len(by_the_other) < 50

    def test_is_joined_by_all_others_when_jobs_wait_for_something_else(self, monkeypatch):
        monkeypatch.setattr(CpuLoad, "has_use_for", lambda *_: True)
        in_flight, everybody = in_flight_of(threads=4), threading.Barrier(5)

        def work_together():
            in_flight.take(is_async=False)
            everybody.wait(30)

        for _ in range(4):
            threading.Thread(target=work_together, daemon=True).start()
        in_flight.add(some_held(4))

        everybody.wait(30)


class TestAJobThatEnded:
    def test_is_held_until_its_result_is_written(self):
        in_flight = in_flight_of(a_held())
        held = taken(in_flight)

        in_flight.ended(held)
        before = in_flight.all()
        in_flight.written([held])

        assert before == [held]
        assert in_flight.is_empty()

    def test_is_held_until_it_is_released_if_it_was_interrupted(self):
        in_flight = in_flight_of(a_held())
        held = taken(in_flight)

        in_flight.ended(held, interrupted=True)
        before = in_flight.interrupted()
        in_flight.released([held])

        assert before == [held]
        assert in_flight.is_empty()

    def test_is_held_no_more_if_it_was_lost_meanwhile(self):
        in_flight = in_flight_of(a_held())
        held = taken(in_flight)

        in_flight.lose(held)
        in_flight.ended(held)

        assert in_flight.is_empty()

    def test_makes_room(self):
        in_flight = in_flight_of(a_held(), threads=2)
        held = taken(in_flight)
        before = in_flight.room(is_async=False)

        in_flight.ended(held)

        assert (before, in_flight.room(is_async=False)) == (1, 2)


class TestALostJob:
    def test_knows_it_while_it_runs(self):
        held = a_held()
        in_flight = in_flight_of(held)
        taken(in_flight)

        assert in_flight.lose(held)
        assert held.job.lost
        assert in_flight.running() == [held]
        assert in_flight.all() == []

    def test_is_one_that_was_not_renewed_for_a_lease_whether_anybody_looked_or_not(self):
        assert a_held(expires_in=-0.001).job.lost

    def test_does_not_begin(self):
        held = a_held()
        in_flight = in_flight_of(held)

        in_flight.lose(held)

        assert in_flight.is_empty()

    def test_is_reported_once(self):
        held = a_held()
        in_flight = in_flight_of(held)

        assert [in_flight.lose(held), in_flight.lose(held)] == [True, False]

    def test_is_not_mixed_up_with_a_later_reserve_of_the_same_job(self):
        old = a_held()
        new = a_held(id=old.job.id)
        in_flight = in_flight_of(old, new, threads=2)
        taken(in_flight)
        taken(in_flight)

        in_flight.lose(old)
        in_flight.ended(old)

        assert in_flight.running() == [new]


class TestJobsOnTheirWayBack:
    def test_are_renewed_until_they_are_released(self):
        held = a_held()
        in_flight = in_flight_of(held)

        in_flight.return_waiting()
        before = in_flight.all()
        in_flight.released([held])

        assert before == [held]
        assert in_flight.is_empty()

    def test_do_not_begin_any_more(self):
        in_flight = in_flight_of(a_held(), a_held(is_async=True))

        in_flight.return_waiting()

        assert in_flight.waiting() == 0
        assert len(in_flight.returning()) == 2

    def test_are_the_last_ones_of_those_that_wait(self):
        first, second, third = some_held(3)
        in_flight = in_flight_of(first, second, third)

        in_flight.return_some(2, is_async=False)

        assert set(in_flight.returning()) == {second, third}
        assert taken(in_flight) is first

    def test_are_forgotten_when_they_are_lost(self):
        held = a_held()
        in_flight = in_flight_of(held)
        in_flight.return_waiting()

        in_flight.lose(held)

        assert in_flight.is_empty()


class TestWhoeverWatches:
    def test_is_told_of_the_end_of_a_run_and_not_of_its_start(self):
        in_flight = InFlight(threads=1, async_concurrency=1)
        looks = []

        def has_run():
            looks.append(in_flight.running())
            return len(looks) > 1

        in_flight.add([held := a_held()])
        watching = threading.Thread(target=in_flight.wait_until, args=(has_run, LONG))
        watching.start()
        eventually(lambda: in_flight._watchers)
        taken(in_flight)
        watching.join(SHORT)
        in_flight.ended(held)
        watching.join(LONG)

        assert looks == [[], []]


class TestStalledJobs:
    def test_go_back_when_their_slots_have_been_busy_for_so_long(self):
        in_flight = in_flight_of(*some_held(3))
        taken(in_flight)

        in_flight.return_stalled(0)
        in_flight.return_stalled(0)

        assert len(in_flight.returning()) == 2

    def test_stay_when_another_begins_after_the_first_look_as_after_a_standstill_of_the_process(self):
        in_flight = in_flight_of(*some_held(3), threads=2)
        taken(in_flight)

        in_flight.return_stalled(0)
        taken(in_flight)
        in_flight.return_stalled(0)

        assert in_flight.returning() == []

    def test_stay_when_one_has_just_begun(self):
        in_flight = in_flight_of(*some_held(3))
        taken(in_flight)

        in_flight.return_stalled(60)
        in_flight.return_stalled(60)

        assert in_flight.returning() == []

    def test_are_none_that_came_just_now_to_idle_slots(self):
        in_flight = InFlight(threads=1, async_concurrency=1)
        in_flight._last_start = {False: 0.0, True: 0.0}  # idle for hours

        in_flight.add([a_held()])
        in_flight.return_stalled(0.5)
        in_flight.return_stalled(0.5)

        assert in_flight.returning() == []

    def test_are_those_of_one_kind_whatever_the_other_does(self):
        stalled = a_held()
        in_flight = in_flight_of(a_held(), stalled, a_held(is_async=True))
        taken(in_flight)
        in_flight._last_start[False] = in_flight._waiting_since[False] = 0.0
        taken(in_flight, is_async=True)

        in_flight.return_stalled(0.5)
        in_flight.return_stalled(0.5)

        assert in_flight.returning() == [stalled]


class TestSlotsThatAreBusyForLong:
    def test_are_those_whose_jobs_have_run_for_half_a_second(self):
        in_flight = in_flight_of(*some_held(5))
        taken(in_flight)
        in_flight._last_start[False] -= inflight_module.LONG_RUN_SECONDS

        assert in_flight.is_long_busy(is_async=False)

    def test_are_none_that_have_only_just_been_brought_jobs_after_a_while_without(self):
        in_flight = InFlight(threads=1, async_concurrency=1)
        in_flight._last_start[False] -= inflight_module.LONG_RUN_SECONDS

        in_flight.add(some_held(5))

        assert not in_flight.is_long_busy(is_async=False)
