"""Schedules in the tests of apps: they tick at the time of the jobs, alike in fake mode and on a real server."""

from datetime import timedelta

import pytest

import mongojobs
from mongojobs import ConfigurationError, current_job, every, job
from mongojobs.testing import drain, enqueued_jobs, mode, tick, travel
from tests.support.schedules import code

seen: list[object] = []


@job
def note(word="x"):
    seen.append((word, current_job().scheduled_for))


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


@pytest.fixture(params=["fake", "real"])
def jobs(request, connection):
    mongojobs.configure()
    with mode(request.param) as jobs:
        yield jobs
    mongojobs.configure()


def test_a_tick_is_enqueued_when_time_has_been_moved(jobs):
    with code((note, every("1h", name="hourly", args=("y",)))):
        travel(3600)

        number = tick()
        drain()

    assert number == 1
    assert [word for word, _ in seen] == ["y"]


def test_nothing_is_enqueued_before_it_is_due(jobs):
    with code((note, every("1h", name="hourly", starts=jobs.clock.now() + timedelta(days=1)))):
        assert tick() == 0

    assert enqueued_jobs() == []


def test_each_tick_is_enqueued_at_its_time_up_to_then(jobs):
    with code((note, every("1h", name="hourly", overlap="allow"))):
        until = jobs.clock.now() + timedelta(hours=3)

        number = jobs.tick(until=until)
        drain()

    assert number == 3
    assert jobs.clock.now() >= until
    assert {moment.minute for _, moment in seen} == {0}


def test_ticks_overlap_as_the_schedule_says(jobs):
    with code((note, every("1h", name="hourly"))):
        number = tick(until=jobs.clock.now() + timedelta(hours=3))

    assert (number, len(enqueued_jobs())) == (1, 1)


def test_a_schedule_is_over_after_its_times(jobs):
    with code((note, every("1h", name="hourly", overlap="allow", times=2))):
        assert tick(until=jobs.clock.now() + timedelta(hours=5)) == 2


def test_a_schedule_in_the_database_ticks_in_real_mode(connection):
    app = mongojobs.configure()
    with mode("real"), code():
        app.schedule("hourly", note, every="1h")
        travel(3600)

        assert tick() == 1


def test_no_schedule_ticks_in_inline_mode():
    with mode("inline"), pytest.raises(ConfigurationError, match="needs mode"):
        tick()
