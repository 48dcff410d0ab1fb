"""Any order of what workers and people may do to jobs: at most one live owner, and no job is lost.

The model knows who may believe to own which job. Owners keep acting on jobs they have lost long ago; only the last one
may succeed.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import mongomock
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pymongo import MongoClient

from mongojobs.core.actions import CANCEL, DELETE, RETRY
from mongojobs.core.errors import StateError
from mongojobs.core.job import ErrorText, Job
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Crashed, Deferred, Discarded, Errored, GivenUp, Snoozed
from mongojobs.store.indexes import create_indexes
from mongojobs.store.jobs import JobStore, QueueSelector, open_store
from tests.support.clock import HeldClock
from tests.support.jobs import a_job
from tests.support.stores import actions

LEASE = timedelta(seconds=60)
ERROR = ErrorText(error="e")
SETTINGS = Settings(max_losses=3, max_releases=3)
ENDED = ("completed", "failed", "cancelled")
LIMITS = {"losses": SETTINGS.max_losses, "releases": SETTINGS.max_releases}


class StoreMachine(RuleBasedStateMachine):
    """The life of jobs on one store; a subclass says which."""

    held = Bundle("held")
    store: JobStore
    clock: HeldClock

    def __init__(self) -> None:
        super().__init__()
        self.store.collection.delete_many({})
        self.owners: dict[object, str] = {}
        self.fences: dict[object, int] = {}
        self.losses: dict[object, int] = {}
        self.kept: set[object] = set()

    @rule(priority=st.integers(0, 2), delay=st.integers(0, 90))
    def enqueue(self, priority: int, delay: int) -> None:
        job = a_job(priority=priority, run_at=self.clock.now() + timedelta(seconds=delay))
        assert self.store.insert(job)
        self.kept.add(job.id)

    @initialize(number=st.integers(1, 6))
    def begin(self, number: int) -> None:
        for _ in range(number):
            self.enqueue(priority=0, delay=0)

    @rule(seconds=st.sampled_from([1, 30, 59, 60, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(target=held, limit=st.integers(1, 4), beside=st.booleans())
    def reserve(self, *, limit: int, beside: bool) -> Any:
        jobs = self.store.reserve(QueueSelector(), token=uuid4().hex, by="w", lease=LEASE, limit=limit, beside=beside)
        for job in jobs:
            assert job.id not in self.owners, "a job that somebody holds was handed out"
            assert job.fence == self.fences.get(job.id, 0) + 1
            assert job.run_at <= self.clock.now()
            assert job.losses == 0 or len(jobs) == 1
            assert job.losses < 2 or not beside
            self.owners[job.id], self.fences[job.id] = str(job.lock_token), job.fence
        return multiple(*jobs)

    @rule(jobs=st.lists(held, max_size=4, unique_by=lambda job: job.id))
    def renew(self, jobs: list[Job]) -> None:
        assert self.store.renew(jobs, lease=LEASE) == [job for job in jobs if not self.is_owner(job)]

    @rule(jobs=st.lists(held, max_size=4, unique_by=lambda job: job.id), repeated=st.booleans())
    def finish(self, *, jobs: list[Job], repeated: bool) -> None:
        ours = [job for job in jobs if self.is_owner(job)]
        lost = self.store.finish(jobs, repeated=repeated)
        all_are_there = {job.id for job in jobs} <= self.kept  # else ours, deleted now, looks like the one gone before
        assert not all_are_there or not {job.id for job in lost} & {job.id for job in ours}
        assert repeated or len(lost) == len(jobs) - len(ours)
        self.kept -= {job.id for job in ours}
        self.let_go(ours)

    @rule(job=held, delay=st.integers(0, 90))
    def reschedule(self, job: Job, delay: int) -> None:
        run_at = self.clock.now() + timedelta(seconds=delay)
        self.end(job, ours=self.store.end(job, Errored(ERROR, run_at)))

    @rule(job=held)
    def fail(self, job: Job) -> None:
        self.end(job, ours=self.store.end(job, GivenUp(ERROR, "no more attempts")))

    @rule(job=held)
    def destroy(self, job: Job) -> None:
        if self.is_owner(job):
            self.kept.remove(job.id)
        self.end(job, ours=self.store.end(job, GivenUp(ERROR, "no more attempts", destroy=True)))

    @rule(job=held)
    def crash(self, job: Job) -> None:
        self.losses[job.id] = self.losses.get(job.id, 0) + self.is_owner(job)
        self.end(job, ours=self.store.end(job, Crashed(ERROR)))

    @rule(job=held, delay=st.integers(0, 90))
    def snooze(self, job: Job, delay: int) -> None:
        self.end(job, ours=self.store.end(job, Snoozed(timedelta(seconds=delay))))

    @rule(job=held, delay=st.integers(0, 90))
    def defer(self, job: Job, delay: int) -> None:
        self.end(job, ours=self.store.end(job, Deferred("r", timedelta(seconds=delay))))

    @rule(job=held)
    def discard(self, job: Job) -> None:
        self.end(job, ours=self.store.end(job, Discarded("r")))

    @rule(jobs=st.lists(held, max_size=4, unique_by=lambda job: job.id), started=st.booleans())
    def release(self, *, jobs: list[Job], started: bool) -> None:
        ours = [job for job in jobs if self.is_owner(job)]
        self.store.release(jobs, started=started)
        self.let_go(ours)

    @rule(limit=st.integers(1, 10))
    def rescue(self, limit: int) -> None:
        for rescued in self.store.rescue(by="rescuer", limit=limit):
            assert self.owners.pop(rescued.job_id, None), "a job that nobody held was rescued"
            self.losses[rescued.job_id] = self.losses.get(rescued.job_id, 0) + 1

    @rule(target=held, limit=st.integers(1, 4))
    def all_workers_hang_and_others_take_over(self, limit: int) -> Any:
        self.clock.advance(seconds=61)
        self.rescue(limit=100)
        self.clock.advance(seconds=7)
        return self.reserve(limit=limit, beside=False)

    @rule(job=held)
    def cancel_retry_or_delete(self, job: Job) -> None:
        found = self.store.get(job.id)
        if found is None or found.state == "running":
            with pytest.raises(StateError):
                actions(self.store).act(DELETE, job.id)
        elif found.state == "ready":
            actions(self.store).act(CANCEL, job.id)
        elif found.state in ("failed", "cancelled"):
            actions(self.store).act(RETRY, job.id)
            self.losses[job.id] = 0

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {found["_id"] for found in self.store.collection.find({}, {"_id": 1})} == self.kept

    @invariant()
    def each_job_has_at_most_one_live_owner(self) -> None:
        running = {found["_id"]: found["lock_token"] for found in self.store.collection.find({"state": "running"})}
        assert running == self.owners

    @invariant()
    def locks_and_counters_fit_the_state(self) -> None:
        for found in self.store.collection.find({}):
            assert ("lock_token" in found) == ("locked_until" in found) == (found["state"] == "running")
            assert ("finished_at" in found) == (found["state"] in ENDED)
            assert found["losses"] == self.losses.get(found["_id"], 0)
            for counter, limit in LIMITS.items():
                assert found[counter] <= limit
                assert found["state"] == "failed" or found[counter] < limit

    def is_owner(self, job: Job) -> bool:
        return self.owners.get(job.id) == job.lock_token

    def end(self, job: Job, *, ours: bool) -> None:
        assert ours == self.is_owner(job)
        self.let_go([job] if ours else [])

    def let_go(self, jobs: list[Job]) -> None:
        for job in jobs:
            del self.owners[job.id]


def machine_on(store: JobStore, clock: HeldClock) -> type[StoreMachine]:
    return type("Machine", (StoreMachine,), {"store": store, "clock": clock})


QUICK = settings(deadline=None, max_examples=60, stateful_step_count=40, suppress_health_check=list(HealthCheck))


@pytest.fixture
def server_store(client: MongoClient) -> JobStore:
    store = open_store(client, client.get_default_database().name, SETTINGS, HeldClock())
    create_indexes(store.collection)
    return store


def test_on_a_real_server_no_job_is_lost_and_none_has_two_owners(server_store):
    run_state_machine_as_test(machine_on(server_store, server_store.clock), settings=QUICK)


def test_on_mongomock_no_job_is_lost_and_none_has_two_owners():
    store = open_store(mongomock.MongoClient(), "jobs", SETTINGS, HeldClock())

    run_state_machine_as_test(machine_on(store, store.clock), settings=QUICK)
