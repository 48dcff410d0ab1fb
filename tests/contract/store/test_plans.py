"""The server's plan for every query of the store, among many jobs in every state.

Each method is called on a client with a spy, which asks for the plan of each command just before it is sent, when the
documents are as the command will find them.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from pymongo import MongoClient

from mongojobs.core.actions import DELETE, RETRY
from mongojobs.core.errors import StateError
from mongojobs.core.job import Job
from mongojobs.core.job_filter import SHOWN_STATES, JobFilter
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Ending
from mongojobs.store import selections
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.clients import check_access
from mongojobs.store.indexes import create_indexes
from mongojobs.store.jobs import JobStore, QueueSelector, Spread, open_store
from mongojobs.store.reader import edge
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.store.workers import WorkerStatus, WorkerStore
from mongojobs.unique.terms import Terms
from tests.support.clock import START, HeldClock
from tests.support.endings import ENDINGS, ERRORED
from tests.support.jobs import a_job
from tests.support.mongod import with_database
from tests.support.plans import EXPLAINABLE, Plan, explain
from tests.support.spy import Spy
from tests.support.stores import MINUTE, actions, reader, reserve, reserved
from tests.support.verbs import VERBS, fields_in, given
from tests.support.worker_parts import held_of

MANY = 10_000
LOCKED = 1_000
DUE_PRIORITIES = (3, 4)
FUTURE_PRIORITIES = (0, 1, 2, 3, 4)
QUEUES = ("bulk", "default", "mail")
SECOND = timedelta(seconds=1)


@dataclass
class Crowd:
    """A store full of jobs, and the plans of the commands sent while `watched`."""

    store: JobStore
    spy: Spy
    plans: list[Plan]

    @contextmanager
    def watched(self, administrator: MongoClient) -> Iterator[None]:
        self.plans.clear()
        self.spy.look = lambda event: (
            self.plans.append(explain(administrator, event)) if event.command_name in EXPLAINABLE else None
        )
        yield
        self.spy.look = lambda event: None


@pytest.fixture(scope="module")
def crowd(mongod, administrator) -> Iterator[Crowd]:
    spy = Spy()
    database = f"mongojobs_test_{uuid4().hex[:12]}"
    with MongoClient(with_database(mongod.uri, database), event_listeners=[spy]) as client:
        store = open_store(client, database, Settings(), HeldClock())
        create_indexes(store.collection)
        store.insert_many(list(_jobs()))
        yield Crowd(store, spy, [])
    administrator.drop_database(database)


def _jobs() -> Iterator[Job]:
    def some(number: int, priorities=DUE_PRIORITIES, **changes) -> Job:
        queue, priority = QUEUES[number % len(QUEUES)], priorities[number % len(priorities)]
        return a_job(queue=queue, priority=priority, name=f"job{number % 7}", **changes)

    yield from (some(n, run_at=START - n * SECOND) for n in range(MANY))
    yield from (some(n, FUTURE_PRIORITIES, run_at=START + (n + 1) * SECOND) for n in range(MANY))
    ended = ("failed", "failed", "completed", "cancelled")
    yield from (some(n, state=ended[n % 4], finished_at=START - n * SECOND) for n in range(MANY))
    locked = {"state": "running", "locked_by": "w", "locked_at": START}
    yield from (
        some(n, **locked, locked_until=START + MINUTE + n // 100 * SECOND, lock_token=f"token{n // 100}")
        for n in range(LOCKED)
    )


def held(store: JobStore, number: int = 1) -> list[Job]:
    """Reserve jobs in two batches, so that their tokens differ."""
    return [*reserve(store, number), *reserve(store, number)]


def telling(store: JobStore) -> list[Job]:
    jobs = [held_of(job, clock=store.clock).job for job in held(store)]
    for job in jobs:
        job.set_progress(1)
    return jobs


def one_held(store: JobStore) -> Job:
    return reserve(store)[0]


def one_ready(store: JobStore) -> Job:
    return reader(store).find(state="ready", limit=1)[0]


def reserve_apart(store: JobStore) -> None:
    """Reserve as a worker does that has met others."""
    spread = Spread()
    spread.batches = 8
    store.reserve(QueueSelector(), token=uuid4().hex, by="w", lease=MINUTE, limit=100, spread=spread)


def nothing(store: JobStore) -> None:
    return None


def one_expired(store: JobStore) -> None:
    store.reserve(QueueSelector(), token=uuid4().hex, by="dead", lease=-SECOND)


def one_damaged(store: JobStore) -> None:
    job = a_job()
    store.insert(job)
    store.collection.update_one({"_id": job.id}, {"$set": {"run_at": None}})


def act(action):
    return some_rare_for(action), lambda store, job: actions(store).act(action, job.id, **given(action))


def act_on_all(action):
    rare = JobFilter(queue="rare")
    return some_rare_for(action), lambda store, _: actions(store).act_on_all(action, rare, **given(action))


def some_rare_for(action):
    def prepare(store: JobStore) -> Job:
        fields = [fields_in(state, START) for state in action.starts_from]
        jobs = [a_job(queue="rare", priority=4, **one) for one in fields * 5]
        store.insert_many(jobs)
        return jobs[0]

    return prepare


def a_unique_job(**changes) -> Job:
    return a_job(unique_key="k", unique_digest="k", unique_text="k", **changes)


def a_holder(store: JobStore, **changes) -> Job:
    store.collection.delete_many({"unique_key": "k"})
    return store.insert_unique(a_unique_job(**changes), Terms())


def wanted_again(store: JobStore) -> Job:
    job = a_holder(store, queue="rare")
    [held] = reserve(store, only=job.id)
    store.insert_unique(a_unique_job(), Terms(on_duplicate="rerun"))
    return held


def lost_too_often(store: JobStore) -> None:
    held = wanted_again(store)
    last = {"losses": store.settings.max_losses - 1, "locked_until": START - SECOND}
    store.collection.update_one({"_id": held.id}, {"$set": last})


def a_failed_twin(store: JobStore) -> Job:
    a_holder(store)
    failed = a_job(unique_digest="k", state="failed", finished_at=START)
    store.insert(failed)
    return failed


def retry_in_vain(store: JobStore, job: Job) -> None:
    with pytest.raises(StateError):
        actions(store).act(RETRY, job.id)


def insert_three(store: JobStore) -> None:
    jobs = [a_unique_job(), a_unique_job(), a_job(unique_key="other", unique_digest="other")]
    store.insert_many_unique(jobs, Terms())


BY_QUEUE = QueueSelector(queues=("bulk", "mail"))


def two_pages(store: JobStore, chosen: JobFilter) -> None:
    first = reader(store).page(chosen)
    reader(store).page(chosen, after=first.next)


def end(ending: Ending, store: JobStore, job: Job) -> None:
    store.end(job, ending)


CALLS: dict[str, tuple[Callable, Callable]] = {
    "insert": (nothing, lambda store, _: store.insert(a_job())),
    "insert given": (nothing, lambda store, _: [store.insert(a_job(id="given", id_given=True)) for _ in range(2)]),
    "insert_many": (nothing, lambda store, _: store.insert_many([a_job()])),
    "insert_unique": (nothing, lambda store, _: a_holder(store)),
    "insert_unique of a duplicate": (a_holder, lambda store, _: store.insert_unique(a_unique_job(), Terms())),
    "insert_unique to replace": (
        a_holder,
        lambda store, _: store.insert_unique(a_unique_job(), Terms(on_duplicate="replace")),
    ),
    "insert_unique after a window": (
        partial(a_holder, state="completed", finished_at=START, key_until=START),
        lambda store, _: store.insert_unique(a_unique_job(), Terms()),
    ),
    "held_keys": (a_holder, lambda store, _: store.held_keys(["k", "another"])),
    "insert_many_unique": (a_holder, lambda store, _: insert_three(store)),
    "rescue one that is wanted again": (lost_too_often, lambda store, _: store.rescue(by="test")),
    "act retry of a twin": (a_failed_twin, retry_in_vain),
    "reserve": (nothing, lambda store, _: reserve(store)),
    "reserve by queue": (nothing, lambda store, _: reserve(store, queues=BY_QUEUE.queues)),
    "reserve by priority": (nothing, lambda store, _: reserve(store, min_priority=4, max_priority=4)),
    "reserve beside": (nothing, lambda store, _: reserve(store, beside=True)),
    "reserve many": (nothing, lambda store, _: reserve(store, 100)),
    "reserve many apart": (nothing, lambda store, _: reserve_apart(store)),
    "reserve many by queue": (nothing, lambda store, _: reserve(store, 100, queues=BY_QUEUE.queues)),
    "reserve many beside": (nothing, lambda store, _: reserve(store, 100, beside=True)),
    "adopt": (one_held, lambda store, job: store.adopt(job.lock_token, lease=MINUTE)),
    "has_due": (nothing, lambda store, _: store.has_due(QueueSelector())),
    "has_due by queue": (nothing, lambda store, _: store.has_due(BY_QUEUE)),
    "is_suspect_next": (nothing, lambda store, _: store.is_suspect_next(QueueSelector())),
    "is_suspect_next by queue": (nothing, lambda store, _: store.is_suspect_next(BY_QUEUE)),
    "ready_queues": (nothing, lambda store, _: store.ready_queues()),
    "earliest_run_at": (nothing, lambda store, _: store.earliest_run_at(QueueSelector(), after=START)),
    "earliest_run_at by queue": (nothing, lambda store, _: store.earliest_run_at(BY_QUEUE, after=START)),
    "renew": (held, lambda store, jobs: store.renew(jobs, lease=MINUTE)),
    "renew one": (one_held, lambda store, job: store.renew([job], lease=MINUTE)),
    "renew telling": (telling, lambda store, jobs: store.renew([], lease=MINUTE, telling=jobs)),
    "tell": (telling, lambda store, jobs: store.tell(jobs)),
    "finish": (lambda store: held(store, 20), lambda store, jobs: store.finish(jobs)),
    "finish again": (one_held, lambda store, job: [store.finish([job]), store.finish([job])]),
    "finish given": (
        lambda store: reserved(store, a_job(id="mine", id_given=True, priority=-1)),
        lambda store, job: store.finish([job]),
    ),
    **{f"end {how}": (one_held, partial(end, ending)) for how, ending in ENDINGS.items()},
    "end_all": (
        held,
        lambda store, jobs: store.end_all([(job, ERRORED) for job in jobs]),
    ),
    "release": (held, lambda store, jobs: store.release(jobs, started=False)),
    "release started": (held, lambda store, jobs: store.release(jobs, started=True)),
    "rescue": (one_expired, lambda store, _: store.rescue(by="w")),
    "count_stuck": (nothing, lambda store, _: reader(store).count_stuck()),
    "count_stuck for long": (nothing, lambda store, _: reader(store).count_stuck(longer_than=MINUTE, limit=100)),
    "quarantine": (nothing, lambda store, _: store.quarantine()),
    "quarantine damaged": (one_damaged, lambda store, _: store.quarantine()),
    "unfinished": (held, lambda store, jobs: store.unfinished({job.id for job in jobs})),
    "get": (one_ready, lambda store, job: store.get(job.id)),
    "find": (nothing, lambda store, _: reader(store).find()),
    "find failed": (nothing, lambda store, _: reader(store).find(state="failed")),
    "find ready": (nothing, lambda store, _: reader(store).find(state="ready")),
    "find running": (nothing, lambda store, _: reader(store).find(state="running")),
    **{
        f"page of {state}{' ' + field if field else ''}": (
            nothing,
            lambda store, _, chosen=chosen: two_pages(store, chosen),
        )
        for state in (None, *SHOWN_STATES)
        for field, value in (("", None), *(() if state is None else (("queue", "mail"),)))
        for chosen in [JobFilter(state=state, **({field: value} if field else {}))]
    },
    "page of failed name": (nothing, lambda store, _: two_pages(store, JobFilter(state="failed", name="job1"))),
    "first_page of failed name": (
        nothing,
        lambda store, _: reader(store).first_page(JobFilter(state="failed", name="job1")),
    ),
    "page of failed since": (
        nothing,
        lambda store, _: two_pages(store, JobFilter(state="failed", since=START - MINUTE)),
    ),
    "count": (nothing, lambda store, _: reader(store).count(JobFilter(), limit=100_000)),
    "count exactly": (nothing, lambda store, _: reader(store).count(JobFilter(), limit=None)),
    "count of queue": (nothing, lambda store, _: reader(store).count(JobFilter(queue="mail"), limit=100_000)),
    "count of failed name": (nothing, lambda store, _: reader(store).count(JobFilter(state="failed", name="job1"))),
    "counts": (nothing, lambda store, _: reader(store).counts()),
    "known_queues": (nothing, lambda store, _: reader(store).known_queues()),
    "held_by_worker": (nothing, lambda store, _: reader(store).held_by_worker()),
    "queue_counts": (nothing, lambda store, _: reader(store).queue_counts(["mail", "another"])),
    "oldest_due": (nothing, lambda store, _: reader(store).oldest_due("mail")),
    "ahead_of": (nothing, lambda store, _: reader(store).ahead_of(one_ready(store))),
    "failures": (nothing, lambda store, _: reader(store).failures(latest=100)),
    "failures of queue": (nothing, lambda store, _: reader(store).failures(latest=100, queue="mail")),
    "explain_reserve": (nothing, lambda store, _: reader(store).explain_reserve(QueueSelector())),
    "clear": (nothing, lambda store, _: actions(store).clear(state="cancelled", queue="bulk")),
    "clear old": (nothing, lambda store, _: actions(store).clear(older_than=START - (MANY - 9) * SECOND)),
    "count_clear": (nothing, lambda store, _: actions(store).count_clear()),
    "count_clear of queue": (nothing, lambda store, _: actions(store).count_clear(queue="mail", older_than=START)),
    "ping": (nothing, lambda store, _: store.queries.ping()),
    "check_access": (nothing, lambda store, _: check_access(store.collection)),
    "count_queued": (nothing, lambda store, _: store.count_queued("mail", limit=100)),
    "count_late": (nothing, lambda store, _: reader(store).count_late(MINUTE)),
    "count_late of queue": (nothing, lambda store, _: reader(store).count_late(MINUTE, queues=QUEUES[:2])),
    **{f"act {action.verb}": act(action) for action in VERBS},
    **{f"act_on_all {action.verb}": act_on_all(action) for action in VERBS},
    "act_on_all delete of many": (
        nothing,
        lambda store, _: actions(store).act_on_all(DELETE, JobFilter(state="completed", queue="bulk")),
    ),
}


WITHOUT_A_PLAN = {
    *("waiting", "deferred", "cancelling_by_queue", "kinds", "odd_states", "collection_type"),
    *("foreign_indexes", "server", "ends", "join"),
}
"""What reads a bounded number of documents, or none of the jobs."""


@pytest.mark.behaviour("X28")
@pytest.mark.parametrize("name", CALLS)
def test_every_query_is_served_by_an_index(crowd, administrator, name):
    prepare, call = CALLS[name]
    prepared = prepare(crowd.store)
    with crowd.watched(administrator):
        call(crowd.store, prepared)

    assert [plan for plan in crowd.plans if not plan.is_served] == []


def test_every_method_of_the_store_is_among_them():
    stores = (JobStore, JobActions, JobReader)
    methods = {name for store in stores for name, _ in inspect.getmembers(store, inspect.isfunction) if name[0] != "_"}

    assert methods - {name.partition(" ")[0] for name in CALLS} == WITHOUT_A_PLAN


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("reserve", 1),
        ("reserve by queue", 1),
        ("reserve by priority", 1),
        ("reserve many", 100),
        ("reserve many by queue", 100),
    ],
)
def test_a_reserve_reads_a_key_for_each_job_and_for_each_priority_in_front(crowd, administrator, name, batch):
    _, call = CALLS[name]
    with crowd.watched(administrator):
        call(crowd.store, None)

    search = crowd.plans[0]
    assert search.keys <= batch + len(QUEUES) * (2 * len(FUTURE_PRIORITIES) + 2)


def test_a_batch_from_its_reserve_to_its_end_reads_four_documents_and_seven_keys_a_job(crowd, administrator):
    with crowd.watched(administrator):
        crowd.store.finish(reserve(crowd.store, 100))

    assert [next(iter(plan.command)) for plan in crowd.plans] == ["find", "update", "find", "delete"]
    assert sum(plan.documents for plan in crowd.plans) <= 4 * 100
    assert sum(plan.keys for plan in crowd.plans) <= 7 * 100 + 2 * len(FUTURE_PRIORITIES)


def test_the_size_of_a_queue_is_counted_no_further_than_its_limit(crowd, administrator):
    _, call = CALLS["count_queued"]
    with crowd.watched(administrator):
        call(crowd.store, None)

    [count] = crowd.plans
    assert count.keys <= 101


@pytest.fixture
def four_hundred_keys(monkeypatch):
    """Let lists search 400 keys for what is rare."""
    monkeypatch.setattr(selections, "KEYS_LOOKED_AT", 400)
    monkeypatch.setattr(edge, "ARRIVING", 0)


@pytest.mark.usefixtures("four_hundred_keys")
@pytest.mark.parametrize(
    "search",
    [
        lambda shown: shown.page(JobFilter(state="failed", name="nowhere")),
        lambda shown: shown.first_page(JobFilter(state="failed", name="nowhere")),
        lambda shown: shown.failures(queue="nowhere"),
    ],
)
def test_a_search_for_what_is_rare_reads_its_keys_twice_and_no_document(crowd, administrator, search):
    with crowd.watched(administrator):
        search(reader(crowd.store))

    assert sum(plan.documents for plan in crowd.plans) == 0
    assert sum(plan.keys for plan in crowd.plans) <= 2 * 400 + 2


def test_a_first_page_reads_the_documents_of_its_search_once_for_the_jobs_and_their_number(crowd, administrator):
    cancelled = crowd.store.collection.count_documents({"state": "cancelled"})
    with crowd.watched(administrator):
        page, count = reader(crowd.store).first_page(JobFilter(state="cancelled", error="nowhere"))

    assert (len(page), str(count)) == (0, "0")
    assert sum(plan.documents for plan in crowd.plans) == cancelled > 0


@pytest.mark.usefixtures("four_hundred_keys")
def test_a_count_of_each_state_reads_a_quarter_of_the_keys_in_those_that_are_not_meant(crowd, administrator):
    with crowd.watched(administrator):
        reader(crowd.store).counts(JobFilter(state="failed", name="nowhere"))

    searches = [plan for plan in crowd.plans if "IXSCAN" in plan.stages and plan.documents == 0]
    assert sorted(plan.keys for plan in searches if "completed" in str(plan.command)) == [100, 101]
    assert sorted(plan.keys for plan in searches if "'failed'" in str(plan.command)) == [400, 401]


def test_all_queues_are_found_and_counted_by_one_look_at_running_and_failed_jobs(crowd, administrator):
    with crowd.watched(administrator):
        counted = reader(crowd.store).queue_counts(limit=100)

    assert [counts.queue for counts in counted] == list(QUEUES)
    assert len(crowd.plans) == 3 + 3 * len(QUEUES)


def test_the_latency_of_a_queue_costs_a_key_for_each_priority(crowd, administrator):
    _, call = CALLS["oldest_due"]
    with crowd.watched(administrator):
        call(crowd.store, None)

    [look] = crowd.plans
    assert look.keys <= 2 * len(FUTURE_PRIORITIES) + 2


IDLE = ["earliest_run_at", "earliest_run_at by queue", "quarantine", "ready_queues", "rescue", "has_due"]


@pytest.mark.parametrize("name", IDLE)
def test_what_is_asked_for_while_idle_reads_a_few_keys(crowd, administrator, name):
    prepare, call = CALLS[name]
    prepare(crowd.store)
    with crowd.watched(administrator):
        call(crowd.store, None)

    assert [plan for plan in crowd.plans if plan.keys > 10] == []


def test_the_list_of_workers_needs_no_sort(crowd, administrator):
    workers = WorkerStore(crowd.store.collection, HeldClock(), Settings())
    status = WorkerStatus(name="w", host="h", pid=1, started_at=START, queues=(), threads=1, busy=0, version="0")
    workers.beat(status)
    with crowd.watched(administrator):
        workers.beat(status)
        workers.alive()
        workers.remove("w")

    assert [plan for plan in crowd.plans if not plan.is_served] == []
