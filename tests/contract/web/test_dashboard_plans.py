"""Each question that a page of the dashboard asks has an index, a limit on what it returns, and a limit on its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pymongo import MongoClient

from mongojobs import MongoJobs, job
from tests.support.dashboard import PAGES, Visitor, a_failed_job, a_running_job
from tests.support.jobs import a_job
from tests.support.mongod import with_database
from tests.support.plans import EXPLAINABLE, Plan, explain
from tests.support.spy import Spy


@job(name="test_dashboard_plans.run_by_schedule")
def run_by_schedule() -> None: ...


MANY = 3_000
FEW_SECONDS = 10_000
STATES = ("", "ready", "scheduled", "running", "failed", "cancelled", "completed")
SEARCHES = (
    "",
    "&q=queue:bulk",
    "&q=name:job1",
    "&q=job",
    "&q=tag:vip",
    "&q=is:retrying",
    "&q=ended-since:10m+ended-until:1m",
    "&q=priority:5",
    "&q=priority:0+queue:bulk",
    "&q=worker:w1",
    "&q=arg.0:1",
    "&q=arg.value.x:1",
    "&q=schedule:prices",
    "&q=schedule:prices+queue:bulk",
    "&q=error:refused",
    "&q=since:1h",
    "&q=name:job1+queue:bulk",
)
PATHS = [
    *PAGES,
    *("/?range=7d", "/jobs/known", "/failures?queue=bulk", "/schedules?after=schedule+5", "/schedule?name=schedule+7"),
    *(f"/jobs?state={state}{search}" for state in STATES for search in SEARCHES),
]


@dataclass
class Watched:
    """A visitor to a dashboard over many jobs, and what it asked the server for."""

    app: MongoJobs
    visitor: Visitor
    spy: Spy
    administrator: MongoClient

    def open(self, path: str) -> list[tuple[dict, Plan | None]]:
        """Open a page, and return the commands about jobs that it took, each with its plan."""
        asked: list[tuple[dict, Plan | None]] = []

        def note(event):
            jobs = self.app.store.collection.name
            if event.command.get(event.command_name) in (jobs, f"{jobs}_schedules"):
                plan = explain(self.administrator, event) if event.command_name in EXPLAINABLE else None
                asked.append((dict(event.command), plan))

        self.spy.look = note
        self.visitor.text(path)
        self.spy.look = lambda _event: None
        return asked


@pytest.fixture(scope="module")
def watched(mongod, administrator) -> Iterator[Watched]:
    spy = Spy()
    database = f"mongojobs_test_{uuid4().hex[:12]}"
    with MongoClient(with_database(mongod.uri, database), event_listeners=[spy]) as client:
        app = MongoJobs(client=client)
        app.create_indexes()
        now = datetime.now(UTC)
        for made in (
            [a_failed_job(name=f"job{n % 3}", queue="bulk", error="refused") for n in range(MANY)],
            [a_job(name=f"job{n % 3}", queue="bulk", run_at=now - timedelta(seconds=n)) for n in range(MANY)],
            [a_job(name=f"job{n % 3}", run_at=now + timedelta(hours=n + 1)) for n in range(MANY)],
            [a_running_job(name=f"job{n % 3}") for n in range(200)],
        ):
            app.store.insert_many(made)
        for number in range(60):
            app.schedule(f"schedule {number}", run_by_schedule, every="1h").run_now()
        yield Watched(app, Visitor(app), spy, administrator)
    administrator.drop_database(database)


@pytest.fixture(scope="module", params=PATHS)
def asked(watched, request) -> list[tuple[dict, Plan | None]]:
    """The commands about jobs that a page takes, each with its plan."""
    return watched.open(request.param)


def test_a_page_walks_through_no_collection_and_sorts_nothing(asked):
    plans = [plan for _, plan in asked if plan is not None]

    assert [plan for plan in plans if "COLLSCAN" in plan.stages or plan.is_sorted] == []


def test_a_page_gives_the_server_some_seconds_at_most(asked):
    unlimited = [command for command, _ in asked if not 0 < command.get("maxTimeMS", 0) <= FEW_SECONDS]

    assert [command for command in unlimited if "getMore" not in command and "listIndexes" not in command] == []


def test_a_page_reads_a_bounded_number_of_documents(asked):
    finds = [command for command, _ in asked if "find" in command]

    assert [command for command in finds if not 0 < command.get("limit", 0) <= 1_000] == []


def test_a_job_is_found_by_its_id(watched):
    [job] = watched.app.find(limit=1).jobs

    plans = [plan for _, plan in watched.open(f"/job?id={job.id}") if plan is not None]

    assert [plan for plan in plans if {"COLLSCAN", "SORT"} & set(plan.stages)] == []


@pytest.mark.parametrize("page", range(3))
def test_a_further_page_is_as_near_as_the_first(watched, page):
    after = watched.app.find(limit=50 + 450 * page).next

    plans = [plan for _, plan in watched.open(f"/jobs?after={after}") if plan is not None and "find" in plan.command]

    assert [plan.keys for plan in plans if plan.keys > 60] == []


def test_a_list_of_rare_jobs_looks_through_its_state_once_for_its_page_and_its_number(watched):
    asked = watched.open("/jobs?state=failed&q=error:nowhere")

    read = [plan.documents for command, plan in asked if plan is not None and "'failed'" in str(command)]
    assert sum(read) == MANY


def test_the_overview_asks_nothing_twice(watched):
    asked = watched.open("/")

    parts = ("find", "filter", "pipeline", "limit")
    questions = [str([command.get(part) for part in parts]) for command, plan in asked if plan is not None]
    assert [question for question in questions if questions.count(question) > 1] == []


def test_the_failures_are_counted_in_their_state_alone(watched):
    [count] = [command for command, _ in watched.open("/failures") if "aggregate" in command]

    assert count["pipeline"][0]["$match"]["state"] == "failed"
