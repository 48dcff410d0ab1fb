"""What a running job tells of itself: stored while the job is held, and by its end."""

import dataclasses
from datetime import timedelta
from unittest.mock import Mock

import pytest

from mongojobs.core.actions import CANCEL_RUNNING
from mongojobs.core.inside import record
from mongojobs.core.inside.progress import Progress
from tests.support.clock import START
from tests.support.endings import CRASHED, DEFERRED, ENDINGS
from tests.support.jobs import a_job
from tests.support.stores import actions, reserve, reserved, stored
from tests.support.worker_parts import held_of

MINUTE = timedelta(minutes=1)

TOLD = {name: ending for name, ending in ENDINGS.items() if ending != DEFERRED}
"""All but that of a job that nobody could load."""


def telling(store, job, done, *, clock):
    """Let a reserved *job* run and tell how far it is."""
    held = held_of(job, clock=clock)
    held.job.set_progress(done, of=10, note="well on")
    return held.job


def test_it_is_stored_while_the_job_runs(store, clock, monkeypatch):
    monkeypatch.setattr(record, "time", Mock(monotonic=Mock(return_value=0.0)))  # no time passes until it is stored
    job = telling(store, reserved(store, a_job()), 3, clock=clock)

    assert store.tell([job]) == []

    told = store.get(job.id)
    assert dataclasses.replace(told.progress, rate=None) == Progress(done=3, of=10, note="well on", at=START)
    assert told.state == "running"


def test_it_is_stored_in_one_write_for_many_jobs(server_store, clock, spy):
    jobs = [telling(server_store, reserved(server_store, a_job()), number, clock=clock) for number in range(20)]
    spy.sent.clear()

    server_store.tell(jobs)

    assert spy.names == ["update"]
    assert [server_store.get(job.id).progress.done for job in jobs] == list(range(20))


class TestARenewal:
    def test_stores_it_by_the_same_write(self, server_store, clock, spy):
        jobs = [telling(server_store, reserved(server_store, a_job()), number, clock=clock) for number in range(20)]
        spy.sent.clear()

        server_store.renew([], lease=MINUTE, telling=jobs)

        assert spy.names == ["update"]

    def test_of_those_who_tell_is_one_as_of_those_who_do_not(self, store, clock):
        silent = reserved(store, a_job())
        loud = [telling(store, reserved(store, a_job()), number, clock=clock) for number in range(3)]
        clock.advance(seconds=30)

        assert store.renew([silent], lease=MINUTE, telling=loud) == []

        found = [store.get(job.id) for job in (silent, *loud)]
        assert [job.locked_until for job in found] == [clock.now() + MINUTE] * 4
        assert [job.progress and job.progress.done for job in found] == [None, 0, 1, 2]

    def test_replaces_what_was_told_before(self, store, clock):
        loud = [telling(store, reserved(store, a_job()), number, clock=clock) for number in range(3)]
        store.renew([], lease=MINUTE, telling=loud)
        for job in loud:
            job.set_progress(7)

        store.renew([], lease=MINUTE, telling=loud)

        told = [store.get(job.id).progress for job in loud]
        assert [(one.done, one.of, one.note) for one in told] == [(7, None, "")] * 3

    def test_lets_them_know_who_is_cancelled_and_stores_it_nevertheless(self, store, clock):
        loud = [telling(store, reserved(store, a_job()), number, clock=clock) for number in range(3)]
        actions(store).act(CANCEL_RUNNING, loud[1].id, by="ann")
        clock.advance(seconds=30)

        assert store.renew([], lease=MINUTE, telling=loud) == []

        assert [job.cancellation is None for job in loud] == [True, False, True]
        found = [store.get(job.id) for job in loud]
        assert [job.progress.done for job in found] == [0, 1, 2]
        assert {job.locked_until for job in found} == {clock.now() + MINUTE}

    def test_does_nothing_to_what_another_owner_has(self, store, clock):
        former = telling(store, reserved(store, a_job(), by="former"), 3, clock=clock)
        clock.advance(minutes=2)
        store.rescue(by="rescuer")
        [new] = reserve(store, by="new")
        new = telling(store, new, 7, clock=clock)

        assert store.renew([], lease=MINUTE, telling=[former, new]) == [former]
        assert store.get(new.id).progress.done == 7


class TestMuch:
    """All that these jobs keep is more than one command takes."""

    @pytest.fixture
    def jobs(self, server_store, clock):
        return [much(server_store, reserved(server_store, a_job(keep_result=MINUTE)), clock=clock) for _ in range(20)]

    @pytest.mark.parametrize(
        "write",
        [
            lambda store, jobs: store.tell(jobs),
            lambda store, jobs: store.renew([], lease=MINUTE, telling=jobs),
            lambda store, jobs: store.finish(jobs),
        ],
        ids=["tell", "renew", "finish"],
    )
    def test_is_stored(self, server_store, jobs, write):
        assert write(server_store, jobs) == []
        assert {len(server_store.get(job.id).steps[0]["value"]) for job in jobs} == {900_000}


def test_large_values_are_stored_by_one_command_too(server_store, clock, spy):
    jobs = [much(server_store, reserved(server_store, a_job()), clock=clock, size=20_000) for _ in range(5)]
    spy.sent.clear()

    assert server_store.renew([], lease=MINUTE, telling=jobs) == []

    assert spy.names == ["update"]
    assert {len(server_store.get(job.id).steps[0]["value"]) for job in jobs} == {20_000}


def much(store, job, *, clock, size=900_000):
    """Let a reserved *job* run and keep a large value."""
    held = held_of(job, clock=clock)
    with held.job.step("fetch") as step:
        step.done("x" * size)
    return held.job


def test_a_former_owner_cannot_set_it_back(store, clock):
    former = telling(store, reserved(store, a_job(), by="former"), 3, clock=clock)
    clock.advance(minutes=2)
    store.rescue(by="rescuer")
    [new] = reserve(store, by="new")
    store.tell([telling(store, new, 7, clock=clock)])
    before = stored(store, former)

    assert store.tell([former]) == [former]
    assert stored(store, former) == before


@pytest.mark.parametrize("ending", TOLD.values(), ids=TOLD)
def test_each_end_keeps_it(store, clock, ending):
    job = telling(store, reserved(store, a_job(id="mine", id_given=True)), 3, clock=clock)

    store.end(job, ending)

    assert store.get(job.id).progress.done == 3


@pytest.mark.parametrize("releases", [0, 2])
def test_a_hand_back_keeps_it_the_last_one_too(store, clock, releases):
    job = telling(store, reserved(store, a_job(releases=releases)), 3, clock=clock)

    store.release([job], started=True)

    assert store.get(job.id).progress.done == 3


def test_a_job_that_has_told_nothing_is_left_alone(store, clock):
    held = held_of(reserved(store, a_job()), clock=clock)
    before = stored(store, held.job)

    assert store.tell([held.job]) == []
    assert stored(store, held.job) == before


def got_on(store, job, *, clock):
    """Let a reserved *job* run and do a step."""
    held = held_of(job, clock=clock)
    with held.job.step("charge") as step:
        step.done(7)
    return held.job


class TestAJobThatGetsOn:
    def test_is_not_given_up_when_its_worker_is_stopped(self, store, clock):
        job = got_on(store, reserved(store, a_job(releases=2, losses=2)), clock=clock)

        store.release([job], started=True)

        told = store.get(job.id)
        assert (told.state, told.releases, told.losses, told.steps[0]["value"]) == ("ready", 0, 0, 7)

    @pytest.mark.parametrize(("losses", "left"), [(0, 1), (1, 2), (2, 2)])
    def test_is_not_given_up_when_its_worker_is_lost_but_stays_a_suspect(self, store, clock, losses, left):
        job = got_on(store, reserved(store, a_job(losses=losses)), clock=clock)
        store.tell([job])
        clock.advance(minutes=2)

        store.rescue(by="rescuer")

        told = store.get(job.id)
        assert (told.state, told.losses, told.run_at) == ("ready", left, job.run_at)

    def test_has_not_got_on_in_its_next_run_before_it_does(self, store, clock):
        store.release([got_on(store, reserved(store, a_job()), clock=clock)], started=True)

        [again] = reserve(store)

        assert not again.has_advanced

    def test_of_which_a_child_dies_is_not_given_up(self, store, clock):
        job = got_on(store, reserved(store, a_job(losses=2)), clock=clock)

        store.end(job, CRASHED)

        assert (store.get(job.id).state, store.get(job.id).losses) == ("ready", 2)


def test_a_former_owner_cannot_set_it_back_beside_the_new_one(store, clock):
    former = telling(store, reserved(store, a_job(), by="former"), 3, clock=clock)
    clock.advance(minutes=2)
    store.rescue(by="rescuer")
    [new] = reserve(store, by="new")
    new = telling(store, new, 7, clock=clock)

    store.tell([former, new])

    assert store.get(new.id).progress.done == 7


def test_texts_that_mean_something_to_the_server_stay_texts(server_store, clock):
    jobs = [telling(server_store, reserved(server_store, a_job()), 3, clock=clock) for _ in range(2)]
    jobs[0].set_progress(1, note="$lock_token")

    server_store.tell(jobs)

    assert server_store.get(jobs[0].id).progress.note == "$lock_token"
