"""Many schedules, ticked by workers that are killed: each tick has one job, which is enqueued once."""

import random
from datetime import timedelta
from signal import Signals

import pytest

from tests.support.ticking_app import note
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(("workers", "size"), [(3, (10, 8)), pytest.param(12, (200, 60), marks=pytest.mark.slow)])
def test_each_tick_has_one_job_though_workers_die_at_random(app, start, pytestconfig, workers, size):
    schedules, seconds = size
    chance = random.Random(pytestconfig.option.seed)
    begin = app.store.clock.now().replace(microsecond=0) + timedelta(seconds=5)
    end = begin + timedelta(seconds=seconds)
    for number in range(schedules):
        app.schedule(f"s{number}", note, every="1s", starts=begin, ends=end, catch_up="all")
    team = [new_worker(start) for _ in range(workers)]
    for _ in range(3):
        moment = app.store.clock.now() + timedelta(seconds=chance.uniform(1, seconds / 3))
        eventually(lambda moment=moment: app.store.clock.now() >= moment, seconds=120)
        chance.choice(team).send(Signals.SIGKILL)
        team.append(new_worker(start))

    eventually(lambda: are_over(app) or replaced(team, start), seconds=600)
    eventually(lambda: replaced(team, start) or ended(app) == schedules * (seconds + 1), seconds=600)

    assert every_tick(app) == {f"s{number}": seconds + 1 for number in range(schedules)}
    assert enqueued_more_than_once(app) == []


@pytest.mark.slow
def test_each_tick_has_one_job_by_the_servers_clock_though_that_of_a_worker_is_hours_off_and_jumps(app, start):
    begin = app.store.clock.now().replace(microsecond=0) + timedelta(seconds=5)
    end = begin + timedelta(seconds=10)
    for number in range(5):
        app.schedule(f"s{number}", note, every="1s", starts=begin, ends=end, catch_up="all")
    for _ in range(2):
        start("work", MONGOJOBS_APP="tests.support.ticking_app", TICKING_FAULT="clock that jumps")

    eventually(lambda: are_over(app) and ended(app) == 5 * 11, seconds=120)

    assert every_tick(app) == {f"s{number}": 11 for number in range(5)}
    assert enqueued_more_than_once(app) == []
    assert early(app) == []


def new_worker(start):
    return start("work", MONGOJOBS_APP="tests.support.ticking_app", TICKING_CRASHES="0.001")


def replaced(team, start):
    """Start another worker for each that has died; they do so by themselves, before the insert or the advance."""
    for worker in [one for one in team if one.process.poll() is not None]:
        team.remove(worker)
        team.append(new_worker(start))
    return False


def are_over(app):
    return all(schedule.next_run_at is None for schedule in app.schedules())


def ended(app):
    return app.store.collection.count_documents({"state": "completed"})


def every_tick(app):
    """Return how many jobs of ticks there are of each schedule."""
    counts = {}
    for found in app.store.collection.find({}, {"_id": 1}):
        name = found["_id"].split(":")[1]
        counts[name] = counts.get(name, 0) + 1
    return counts


def early(app):
    """Return the jobs that ran before their ticks, by the clock of the server."""
    runs = app.store.collection.database["runs"]
    return [found["job"] for found in runs.find({"$expr": {"$lt": ["$at", "$tick"]}})]


def enqueued_more_than_once(app):
    """Return the jobs that ran as enqueued at different times."""
    runs = app.store.collection.database["runs"]
    grouped = runs.aggregate([{"$group": {"_id": "$job", "number": {"$sum": 1}}}, {"$match": {"number": {"$gt": 1}}}])
    return [found["_id"] for found in grouped]
