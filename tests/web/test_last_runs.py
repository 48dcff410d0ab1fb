"""What is kept of the run of a job that stays, by real workers of every kind: the page shows it."""

from datetime import timedelta

import pytest

import mongojobs
from tests.support.command_line import Process
from tests.support.dashboard import Visitor
from tests.support.dashboard_jobs import refuses, send_receipt
from tests.support.sample_jobs import discards, fails_once_and_for_all, remember_later, remember_one
from tests.support.waiting import eventually
from tests.support.working import working

LONGEST = timedelta(seconds=20)
RUNS = {
    "completed": lambda: remember_one.delay(1),
    "completed on a loop": lambda: remember_later.delay(1),
    "failed": fails_once_and_for_all.delay,
    "cancelled": lambda: discards.delay("no"),
}


@pytest.fixture
def app(connection, indexes):
    """An app that keeps what has completed."""
    app = mongojobs.configure(keep_completed="1d", retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.mark.parametrize("ending", RUNS)
def test_the_worker_and_the_duration_of_a_run_are_kept(app, ending):
    job = RUNS[ending]()

    with working(name="web.1"):
        eventually(lambda: app.get(job.id).finished_at is not None)

    kept = app.get(job.id)
    assert kept.state == ending.split(" ", maxsplit=1)[0]
    assert kept.ran_by == "web.1"
    assert timedelta(0) <= kept.took < LONGEST
    assert "Ran for" in Visitor(app).text(f"/job?id={job.id}")


def test_those_of_runs_in_a_child_process_are_kept_too(app, mongo_uri, tmp_path):
    jobs = [send_receipt.delay(1), refuses.delay(2)]
    worker = Process(
        *("-A", "tests.support.dashboard_jobs", "work", "--executor", "process", "--name", "web.1"),
        folder=tmp_path,
        environ={"SAMPLE_URI": mongo_uri, "MONGOJOBS_KEEP_COMPLETED": "1d"},
    )
    try:
        eventually(lambda: all(app.get(job.id).finished_at for job in jobs))
    finally:
        worker.end()

    kept = [app.get(job.id) for job in jobs]
    assert [job.state for job in kept] == ["completed", "failed"]
    assert all(job.ran_by.startswith("web.1") and timedelta(0) <= job.took < LONGEST for job in kept)


def test_many_that_end_together_are_kept_each(app):
    jobs = remember_one.delay_many([(number,) for number in range(50)])

    with working(name="web.1"):
        eventually(lambda: app.counts()["completed"].number == len(jobs))

    assert {app.get(job.id).ran_by for job in jobs} == {"web.1"}
    assert all(app.get(job.id).took is not None for job in jobs)
