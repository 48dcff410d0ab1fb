"""What becomes of a task."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest


class TestATask:
    def test_does_not_run_where_it_is_enqueued(self, tasks, work):
        tasks.note.enqueue(1)
        before = list(tasks.ran)

        work()

        assert (before, tasks.ran) == ([], [([1], {})])

    def test_runs_once(self, tasks, work):
        tasks.note.enqueue(1)

        work()
        work()

        assert len(tasks.ran) == 1

    def test_that_is_more_urgent_runs_first(self, tasks, work):
        tasks.note.using(priority=-50).enqueue("low")
        tasks.note.using(priority=100).enqueue("high")
        tasks.note.enqueue("usual")

        work()

        assert [args for args, _ in tasks.ran] == [["high"], ["usual"], ["low"]]

    def test_of_another_queue_runs_too(self, tasks, work):
        tasks.note.using(queue_name="other").enqueue(1)

        work()

        assert len(tasks.ran) == 1

    def test_waits_for_its_time(self, tasks, work, framework):
        result = tasks.note.using(run_after=datetime.now(UTC) + timedelta(days=1)).enqueue(1)

        work()
        result.refresh()

        assert (tasks.ran, result.status) == ([], framework.Status.READY)

    def test_runs_once_its_time_has_come(self, tasks, work):
        tasks.note.using(run_after=datetime.now(UTC) - timedelta(seconds=1)).enqueue(1)

        work()

        assert len(tasks.ran) == 1

    def test_takes_its_context(self, tasks, work):
        result = tasks.describe.enqueue(suffix="!")

        work()
        result.refresh()

        assert result.return_value == [result.id, 1, "RUNNING", 1, "!"]


class TestTheResultOfASuccess:
    @pytest.mark.parametrize("name", ["echo", "echo_later"])
    def test_has_the_value(self, tasks, work, framework, name):
        result = getattr(tasks, name).enqueue({"a": [1]})

        work()
        result.refresh()

        assert (result.status, result.is_finished) == (framework.Status.SUCCESSFUL, True)
        assert (result.return_value, result.errors) == ({"a": [1]}, [])

    def test_is_awaited(self, tasks, work):
        result = tasks.echo.enqueue([1])
        work()

        asyncio.run(result.arefresh())

        assert result.return_value == [1]

    def test_names_the_worker(self, tasks, work):
        result = tasks.echo.enqueue(1)

        work()
        result.refresh()

        assert result.attempts == len(result.worker_ids) == 1
        assert result.worker_ids[0]

    def test_has_its_times_in_order(self, tasks, work):
        result = tasks.echo.enqueue(1)

        work()
        result.refresh()

        assert result.enqueued_at <= result.started_at <= result.last_attempted_at <= result.finished_at

    def test_is_found_by_its_id(self, tasks, work, backend):
        enqueued = tasks.echo.enqueue("x")
        work()

        found = backend.get_result(enqueued.id)

        assert (found.id, found.task.func, found.return_value) == (enqueued.id, tasks.echo.func, "x")

    def test_is_found_by_who_awaits_it(self, tasks, work):
        enqueued = tasks.echo.enqueue("x")
        work()

        assert asyncio.run(tasks.echo.aget_result(enqueued.id)).return_value == "x"

    def test_is_not_found_as_that_of_another_task(self, tasks, framework):
        enqueued = tasks.echo.enqueue("x")

        with pytest.raises(framework.TaskResultMismatch):
            tasks.other.get_result(enqueued.id)

    @pytest.mark.parametrize("text", ["0" * 24, "no such id"])
    def test_is_not_found_by_another_id(self, backend, framework, text):
        with pytest.raises(framework.TaskResultDoesNotExist):
            backend.get_result(text)


class TestTheResultOfAFailure:
    def test_has_the_error(self, tasks, work, framework):
        result = tasks.fail.enqueue("out of paper")

        work()
        result.refresh()

        assert (result.status, result.is_finished) == (framework.Status.FAILED, True)
        assert [error.exception_class for error in result.errors] == [ValueError]
        assert "out of paper" in result.errors[0].traceback
        assert result.attempts == 1

    def test_has_the_path_of_an_exception_of_the_app(self, tasks, work):
        result = tasks.fail_oddly.enqueue()

        work()
        result.refresh()

        assert result.errors[0].exception_class_path == f"{tasks.__name__}.OddError"

    def test_has_no_value(self, tasks, work):
        result = tasks.fail.enqueue("")

        work()
        result.refresh()

        with pytest.raises(ValueError, match="failed"):
            _ = result.return_value

    def test_is_that_of_a_value_which_json_has_not(self, tasks, work, framework):
        result = tasks.return_object.enqueue()

        work()
        result.refresh()

        assert (result.status, result.errors[0].exception_class) == (framework.Status.FAILED, TypeError)
