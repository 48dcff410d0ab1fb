"""What a running job tells of itself: stored while the job is held, and by its end."""

import dataclasses
from unittest.mock import Mock

import pytest

from mongojobs.core.inside import record
from mongojobs.core.inside.progress import Progress
from tests.support.clock import START
from tests.support.endings import CRASHED, DEFERRED, ENDINGS
from tests.support.jobs import a_job
from tests.support.stores import reserve, reserved, stored
from tests.support.worker_parts import held_of

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
