"""Tasks of Django as jobs: beyond what `tests/tasks_kit` asks of any backend, what ours does with runs and options."""

import sys
from datetime import UTC, datetime

import pytest

import mongojobs
from mongojobs import ArgumentsError, Worker
from tests.support.waiting import eventually
from tests.support.working import work_off, working


@pytest.fixture
def tasks(site):
    """The module `tasks` of the installed app, which nobody has imported but Django."""
    module = sys.modules["tests.support.django_site.shop.tasks"]
    module.gate.clear()
    return module


@pytest.fixture
def finished(site):
    """The statuses and errors that the signal `task_finished` told."""
    from tests.tasks_kit.framework import SIGNALS

    heard = []

    def receive(task_result, **_):
        heard.append((str(task_result.status), [error.exception_class_path for error in task_result.errors]))

    SIGNALS["finished"].connect(receive)
    yield heard
    SIGNALS["finished"].disconnect(receive)


def refreshed(result):
    result.refresh()
    return result


def run_again(app, result):
    """Run it a further time, without waiting for that."""
    app.run_now(as_id(result))
    work_off()


class TestATask:
    def test_is_a_job_of_its_name(self, site, tasks):
        job = mongojobs.default_app().get(as_id(tasks.greet.enqueue("ann")))

        assert (job.name, job.queue, job.priority) == ("tests.support.django_site.shop.tasks.greet", "default", 0)

    def test_with_arguments_that_do_not_fit_is_refused(self, tasks):
        with pytest.raises(ArgumentsError, match="greet"):
            tasks.greet.enqueue("ann", "bob")

    def test_of_another_backend_is_known_to_workers(self, tasks):
        from mongojobs.django.discovery import discover
        from mongojobs.django.tasks import known

        known.tasks.pop(tasks.of_another_backend.module_path)
        discover()
        assert tasks.of_another_backend.module_path in known.tasks

        result = tasks.of_another_backend.using(backend="default").enqueue()
        work_off()
        assert refreshed(result).return_value == 5

    def test_is_tried_again(self, site, tasks, finished):
        tasks.gate[:] = [OSError("busy"), KeyError("a")]
        result = tasks.stumble.enqueue()

        work_off()
        between = [str(refreshed(result).status), result.attempts, len(result.errors)]
        run_again(site, result)
        run_again(site, result)

        assert between == ["READY", 1, 1]
        assert (refreshed(result).return_value, result.attempts) == (7, 3)
        assert [error.exception_class for error in result.errors] == [OSError, KeyError]
        assert [status for status, _ in finished] == ["SUCCESSFUL"]

    def test_is_given_up_on_after_the_attempts_of_its_backend(self, site, tasks, finished):
        tasks.gate[:] = [OSError("busy")] * 3
        result = tasks.stumble.enqueue()

        work_off()
        run_again(site, result)
        run_again(site, result)

        assert (str(refreshed(result).status), result.attempts) == ("FAILED", 3)
        assert finished == [("FAILED", ["builtins.OSError"] * 3)]

    def test_may_give_itself_up(self, tasks, finished):
        result = tasks.give_up.enqueue()

        work_off()

        assert finished == [("FAILED", ["mongojobs.Discard"])]
        assert [one.exception_class for one in refreshed(result).errors] == [mongojobs.Discard]

    def test_that_snoozes_has_not_finished(self, site, tasks, finished):
        result = tasks.doze.enqueue()

        work_off()
        before = list(finished)
        run_again(site, result)

        assert (before, finished) == ([], [("SUCCESSFUL", [])])

    def test_that_was_cancelled_has_failed_and_says_why(self, site, tasks):
        result = tasks.greet.enqueue("ann")

        site.cancel(as_id(result), why="wrong name")

        assert str(refreshed(result).status) == "FAILED"
        assert [(one.exception_class, one.traceback) for one in result.errors] == [
            (mongojobs.JobCancelled, "wrong name")
        ]

    def test_whose_worker_is_lost_once_too_often_has_finished(self, site, tasks, finished):
        site.change(site.settings.changed(max_losses=1))
        result = tasks.greet.enqueue("ann")
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        lock = {"locked_at": long_ago, "locked_until": long_ago, "locked_by": "gone", "lock_token": "x"}
        site.store.collection.update_one({"_id": as_id(result)}, {"$set": {"state": "running", **lock}})

        Worker().work_off(1)

        assert finished == [("FAILED", ["mongojobs.JobFailed"])]
        assert refreshed(result).worker_ids == ["gone"]

    def test_that_is_cancelled_while_it_runs_has_finished(self, site, tasks, finished):
        tasks.started.clear()
        result = tasks.wait_long.enqueue()

        with working(heartbeat=0.2):
            assert tasks.started.wait(20)
            site.cancel(as_id(result), running=True, why="enough")
            eventually(lambda: finished)

        assert finished == [("FAILED", ["mongojobs.JobCancelled"])]
        assert (str(refreshed(result).status), result.attempts) == ("FAILED", 1)

    def test_that_was_moved_runs_in_a_queue_that_its_backend_has_not(self, site, tasks):
        result = tasks.greet.enqueue("ann")
        site.move(as_id(result), queue="slow", priority=1000)

        work_off()

        assert (refreshed(result).return_value, tasks.greet.get_result(result.id).task.queue_name) == (
            "hello ann",
            "slow",
        )

    def test_that_is_async_lets_receivers_ask_the_database(self, site, tasks):
        from django.db import connection

        from tests.tasks_kit.framework import SIGNALS

        asked = []

        def ask(task_result, **_):
            with connection.cursor() as cursor:
                asked.append(cursor.execute("SELECT 7").fetchone())

        SIGNALS["finished"].connect(ask)
        tasks.rest.enqueue()

        work_off()

        SIGNALS["finished"].disconnect(ask)
        assert asked == [(7,)]

    def test_runs_at_once_where_jobs_do(self, site, tasks):
        site.change(site.settings.changed(delay_jobs=False))

        result = tasks.greet.enqueue("ann")

        assert (str(result.status), result.return_value, result.worker_ids) == ("SUCCESSFUL", "hello ann", ["inline"])


def as_id(result):
    from bson import ObjectId

    return ObjectId(result.id)


class TestTheOptions:
    def test_of_a_task_are_declared(self, tasks):
        from mongojobs.django.tasks.options import MongoTask
        from mongojobs.payload.registry import registry

        MongoTask(func=a_function, priority=0, backend="default", queue_name="default", run_after=None, max_attempts=5)

        assert registry.of(registry.find(f"{__name__}.a_function").target).max_attempts == 5

    def test_of_a_task_win_over_those_of_the_backend(self, site, tasks, finished):
        from mongojobs.django.tasks.options import MongoTask

        told = {"priority": 0, "queue_name": "default", "run_after": None, "backend": "patient", "max_attempts": 1}
        MongoTask(func=always_fails, **told).enqueue()

        work_off()

        assert [status for status, _ in finished] == ["FAILED"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_attemps": 3}, "unknown option 'max_attemps': did you mean max_attempts?"),
            ({"keep_result": "long"}, "keep_result"),
        ],
    )
    def test_that_are_wrong_are_told_by_a_check_and_at_an_enqueue(self, site, tasks, options, message):
        from mongojobs.django import Backend
        from mongojobs.django.tasks.framework import InvalidTaskBackend

        backend = Backend("odd", {"OPTIONS": options})

        [found] = backend.check()
        assert (found.id, message in found.msg) == ("mongojobs.E002", True)
        with pytest.raises(InvalidTaskBackend, match=r"'odd': "):
            backend.enqueue(tasks.greet, ["ann"], {})

    def test_name_queues_that_jobs_can_have(self, site):
        from mongojobs.django import Backend

        [found] = Backend("odd", {"QUEUES": ["a,b"]}).check()

        assert "QUEUES has 'a,b': a name must not" in found.msg

    def test_need_the_installed_app(self, site, monkeypatch):
        from django.apps import apps

        from mongojobs.django import Backend

        monkeypatch.setattr(apps, "is_installed", lambda name: False)

        assert [one.id for one in Backend("default", {}).check()] == ["mongojobs.E003"]


def a_function():
    pass


def always_fails():
    raise OSError


def test_without_a_framework_says_what_to_install(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "mongojobs.django.tasks.framework", raising=False)

    with pytest.raises(mongojobs.ExtraMissingError, match="pip install django-tasks"):
        importlib.import_module("mongojobs.django.tasks.framework")
