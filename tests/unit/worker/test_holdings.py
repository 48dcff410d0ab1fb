"""What a process holds, from the reserve to the write."""

import threading

import pytest

from mongojobs.worker import holdings as holdings_module
from mongojobs.worker.holdings import Holdings
from mongojobs.worker.load import STRETCH_SECONDS, Load
from tests.support.waiting import eventually
from tests.support.worker_parts import a_held, holdings_of, some_held


def taken(holdings, *, is_async=False):
    """Take a job that waits."""
    held = holdings.take(is_async=is_async)
    assert held is not None
    return held


class TestTakingAJob:
    def test_goes_by_the_order_in_which_they_came(self):
        first, second = some_held(2)
        holdings = holdings_of(first, second)

        assert [taken(holdings), taken(holdings)] == [first, second]

    def test_waits_for_one_of_its_kind(self):
        awaited = a_held(is_async=True)
        holdings = holdings_of(a_held())
        found = []
        taker = threading.Thread(target=lambda: found.append(holdings.take(is_async=True)))
        taker.start()

        holdings.add([awaited])
        taker.join(5)

        assert found == [awaited]

    def test_marks_it_as_running(self):
        held = a_held()
        holdings = holdings_of(held)

        taken(holdings)

        assert holdings.running() == [held]
        assert held.started is not None

    def test_passes_over_one_whose_lock_ran_out_while_it_waited(self):
        late, good = a_held(expires_in=-1), a_held()
        holdings = holdings_of(late, good)

        assert taken(holdings) is good
        assert holdings.all() == [good]

    def test_gives_none_once_closed_even_while_some_wait(self):
        holdings = holdings_of(a_held())

        holdings.close()

        assert holdings.take(is_async=False) is None
        assert holdings.waiting() == 1

    def test_ends_when_closed(self):
        holdings = Holdings(threads=1, async_concurrency=1)
        taker = threading.Thread(target=holdings.take, kwargs={"is_async": False})
        taker.start()

        holdings.close()
        taker.join(5)

        assert not taker.is_alive()

    def test_hands_each_job_to_one_of_many_threads(self):
        held = some_held(2000)
        holdings = holdings_of(*held, threads=8)
        found = []

        def take_all():
            while (one := holdings.take(is_async=False)) is not None:
                found.append(one)
                holdings.ended(one)

        threads = [threading.Thread(target=take_all) for _ in range(8)]
        list(map(threading.Thread.start, threads))
        eventually(lambda: holdings.waiting() == 0)
        holdings.close()
        [thread.join(5) for thread in threads]

        assert len(found) == len(set(found)) == 2000


class TestASlotBesideAnother:
    """With two jobs that wait, of which one slot has begun the first."""

    @pytest.fixture
    def beside(self, monkeypatch):
        """Begins the first of two jobs, lets a second slot ask for one, and returns what it gets and when it has."""

        def beside(*, load_is_high):
            monkeypatch.setattr(Load, "has_use_for", lambda *_: not load_is_high)
            holdings, found = holdings_of(*some_held(2), threads=2), []
            first = taken(holdings)
            slot = threading.Thread(target=lambda: found.append(holdings.take(is_async=False)), daemon=True)
            slot.start()
            return first, found, slot

        return beside

    def test_begins_at_once_where_the_interpreter_has_time(self, beside):
        first, found, slot = beside(load_is_high=False)

        slot.join(5)

        assert found
        assert found[0] is not first

    def test_begins_soon_where_the_other_is_a_long_one(self, beside):
        first, found, slot = beside(load_is_high=True)

        slot.join(5)

        assert found
        assert found[0].started - first.started >= STRETCH_SECONDS

    def test_leaves_short_ones_to_the_other_where_the_interpreter_is_busy(self, monkeypatch):
        monkeypatch.setattr(Load, "has_use_for", lambda *_: False)
        monkeypatch.setattr(holdings_module, "STRETCH_SECONDS", 3600)
        holdings, by_the_other = holdings_of(*some_held(500), threads=2), []
        held = taken(holdings)

        def work_too():
            while (one := holdings.take(is_async=False)) is not None:
                by_the_other.append(one)
                holdings.ended(one)

        slot = threading.Thread(target=work_too, daemon=True)
        slot.start()
        while held is not None:
            holdings.ended(held)
            held = holdings.take_now()
        holdings.close()
        slot.join(5)

        assert len(by_the_other) < 50

    def test_is_joined_by_all_others_when_jobs_wait_for_something_else(self, monkeypatch):
        monkeypatch.setattr(Load, "has_use_for", lambda *_: True)
        holdings, everybody = holdings_of(threads=4), threading.Barrier(5)

        def work_together():
            holdings.take(is_async=False)
            everybody.wait(5)

        for _ in range(4):
            threading.Thread(target=work_together, daemon=True).start()
        holdings.add(some_held(4))

        everybody.wait(5)


class TestAJobThatEnded:
    def test_is_held_until_its_result_is_written(self):
        holdings = holdings_of(a_held())
        held = taken(holdings)

        holdings.ended(held)
        before = holdings.all()
        holdings.written([held])

        assert before == [held]
        assert holdings.is_empty()

    def test_is_held_until_it_is_released_if_it_was_interrupted(self):
        holdings = holdings_of(a_held())
        held = taken(holdings)

        holdings.ended(held, interrupted=True)
        before = holdings.interrupted()
        holdings.released([held])

        assert before == [held]
        assert holdings.is_empty()

    def test_is_held_no_more_if_it_was_lost_meanwhile(self):
        holdings = holdings_of(a_held())
        held = taken(holdings)

        holdings.lose(held)
        holdings.ended(held)

        assert holdings.is_empty()

    def test_makes_room(self):
        holdings = holdings_of(a_held(), threads=2)
        held = taken(holdings)
        before = holdings.room(is_async=False)

        holdings.ended(held)

        assert (before, holdings.room(is_async=False)) == (1, 2)


class TestALostJob:
    def test_knows_it_while_it_runs(self):
        held = a_held()
        holdings = holdings_of(held)
        taken(holdings)

        assert holdings.lose(held)
        assert held.job.lost
        assert holdings.running() == [held]
        assert holdings.all() == []

    def test_is_one_that_was_not_renewed_for_a_lease_whether_anybody_looked_or_not(self):
        assert a_held(expires_in=-0.001).job.lost

    def test_does_not_begin(self):
        held = a_held()
        holdings = holdings_of(held)

        holdings.lose(held)

        assert holdings.is_empty()

    def test_is_told_once(self):
        held = a_held()
        holdings = holdings_of(held)

        assert [holdings.lose(held), holdings.lose(held)] == [True, False]

    def test_is_not_mixed_up_with_a_later_reserve_of_the_same_job(self):
        old = a_held()
        new = a_held(id=old.job.id)
        holdings = holdings_of(old, new, threads=2)
        taken(holdings)
        taken(holdings)

        holdings.lose(old)
        holdings.ended(old)

        assert holdings.running() == [new]


class TestJobsOnTheirWayBack:
    def test_are_renewed_until_they_are_released(self):
        held = a_held()
        holdings = holdings_of(held)

        holdings.return_waiting()
        before = holdings.all()
        holdings.released([held])

        assert before == [held]
        assert holdings.is_empty()

    def test_do_not_begin_any_more(self):
        holdings = holdings_of(a_held(), a_held(is_async=True))

        holdings.return_waiting()

        assert holdings.waiting() == 0
        assert len(holdings.returning()) == 2

    def test_are_the_last_ones_of_those_that_wait(self):
        first, second, third = some_held(3)
        holdings = holdings_of(first, second, third)

        holdings.return_some(2, is_async=False)

        assert set(holdings.returning()) == {second, third}
        assert taken(holdings) is first

    def test_are_forgotten_when_they_are_lost(self):
        held = a_held()
        holdings = holdings_of(held)
        holdings.return_waiting()

        holdings.lose(held)

        assert holdings.is_empty()


class TestStalledJobs:
    def test_go_back_when_their_slots_have_been_busy_for_so_long(self):
        holdings = holdings_of(*some_held(3))
        taken(holdings)

        holdings.return_stalled(0)

        assert len(holdings.returning()) == 2

    def test_stay_when_one_has_just_begun(self):
        holdings = holdings_of(*some_held(3))
        taken(holdings)

        holdings.return_stalled(60)

        assert holdings.returning() == []

    def test_are_none_that_came_just_now_to_idle_slots(self):
        holdings = Holdings(threads=1, async_concurrency=1)
        holdings._last_start = {False: 0.0, True: 0.0}  # idle for hours

        holdings.add([a_held()])
        holdings.return_stalled(0.5)

        assert holdings.returning() == []

    def test_are_those_of_one_kind_whatever_the_other_does(self):
        stalled = a_held()
        holdings = holdings_of(a_held(), stalled, a_held(is_async=True))
        taken(holdings)
        holdings._last_start[False] = holdings._waiting_since[False] = 0.0
        taken(holdings, is_async=True)

        holdings.return_stalled(0.5)

        assert holdings.returning() == [stalled]
