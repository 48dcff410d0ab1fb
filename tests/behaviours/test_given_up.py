"""Jobs given up on stay, and the list of failed jobs says why: an error, lost workers, stops, or damage."""

import json
from datetime import timedelta

import pytest

import mongojobs
from mongojobs.store.jobs import QueueSelector
from tests.support.clock import START
from tests.support.command_here import run_here
from tests.support.sample_jobs import fails_once_and_for_all, remember_one
from tests.support.working import work_off

EVERYTHING = QueueSelector()
CAP = 2


@pytest.fixture
def app(configure, indexes):
    """An app that gives up on a job at the second loss or release, and whose clock stands still."""
    return configure(max_losses=CAP, max_releases=CAP, undeclared_for=60)


@pytest.fixture
def shown(app):
    """Returns what `jobs list --state failed` prints, for people with a wide terminal and for programs."""

    def shown():
        arguments = ["jobs", "list", "--state", "failed"]
        return run_here(*arguments, COLUMNS="250").output, json.loads(run_here(*arguments, "--json").stdout)["jobs"]

    yield shown
    mongojobs.configure()


def reserve(app, lease):
    """Reserve one job, whenever it is due."""
    app.store.collection.update_many({"state": "ready"}, {"$set": {"run_at": app.store.clock.now()}})
    [held] = app.store.reserve(EVERYTHING, token="t" * 24, by="ada", lease=lease, limit=1)
    return held


def lose(app):
    """Let a worker reserve the job and die."""
    reserve(app, lease=timedelta(seconds=-1))
    app.store.rescue(by="bob")


def stop(app):
    """Let a worker start the job and be stopped."""
    app.store.release([reserve(app, lease=timedelta(minutes=1))], started=True)


def damage(app):
    """Edit the job as somebody would by hand."""
    app.store.collection.update_many({}, {"$set": {"run_at": None}})
    app.store.quarantine()


def rename(app):
    """Make it a job whose name no worker has known for too long."""
    app.store.collection.update_many({}, {"$set": {"handler.target": "app.renamed"}})
    work_off()
    app.store.collection.update_many({}, {"$set": {"run_at": START, "deferred_since": START - timedelta(minutes=1)}})
    work_off()


def upgrade(app):
    """Let the job have been stored by a later version."""
    app.store.collection.update_many({}, {"$set": {"handler.v": 2}})
    work_off()


FATES = {
    "lost workers": (
        lambda app: [lose(app) for _ in range(CAP)],
        "given up: 2 workers were lost while they held this job",
    ),
    "stops": (
        lambda app: [stop(app) for _ in range(CAP)],
        "given up: its worker was stopped 2 times before the job ended",
    ),
    "damage": (damage, "damaged: run_at is null"),
    "an unknown name": (rename, "UnknownJobError: no job is registered under the name 'app.renamed'"),
    "a newer version": (upgrade, "NewerPayloadError: the handler is of version 2"),
}


class TestTheListOfFailedJobs:
    @pytest.mark.parametrize("fate", FATES)
    def test_says_why_a_job_was_given_up(self, app, shown, fate):
        befall, reason = FATES[fate]
        job = remember_one.delay(1)

        befall(app)

        text, [document] = shown()
        assert str(job.id) in text
        assert reason in text
        assert document["last_error"].startswith(reason)

    def test_reports_an_error_by_its_message(self, app, shown):
        fails_once_and_for_all.delay("the printer is on fire")

        work_off()

        assert "NoLuckError: the printer is on fire" in shown()[0]


class TestAJobThatWasGivenUp:
    @pytest.mark.parametrize(("befall", "counter"), [(lose, "losses"), (stop, "releases")])
    def test_is_tried_until_its_cap_and_no_more(self, app, befall, counter):
        job = remember_one.delay(1)

        befall(app)
        before = app.get(job.id)
        befall(app)

        after = app.get(job.id)
        assert (before.state, getattr(before, counter)) == ("ready", 1)
        assert (after.state, getattr(after, counter), after.attempts) == ("failed", CAP, 0)

    @pytest.mark.parametrize("befall", [lose, stop])
    def test_has_all_its_tries_again_after_a_retry(self, app, recorder, befall):
        job = remember_one.delay("at last")
        befall(app)
        befall(app)

        app.retry(job.id)

        again = app.get(job.id)
        assert (again.losses, again.releases, again.attempts) == (0, 0, 0)
        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["at last"]
