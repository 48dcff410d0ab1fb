"""What an enqueue returns, and which arguments it takes."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest


class TestTheResult:
    def test_is_ready(self, tasks, framework):
        result = tasks.echo.enqueue(1)

        assert (result.status, result.is_finished) == (framework.Status.READY, False)

    def test_has_an_id_of_at_most_64_characters(self, tasks):
        result = tasks.echo.enqueue(1)

        assert isinstance(result.id, str)
        assert 0 < len(result.id) <= 64

    def test_has_an_id_of_its_own(self, tasks):
        assert tasks.echo.enqueue(1).id != tasks.echo.enqueue(1).id

    def test_has_the_arguments(self, tasks):
        result = tasks.note.enqueue(1, "two", three=3)

        assert (result.args, result.kwargs) == ([1, "two"], {"three": 3})

    def test_has_the_task_and_the_backend(self, tasks):
        result = tasks.echo.using(queue_name="other", priority=3).enqueue(1)

        assert (result.task.func, result.task.queue_name, result.task.priority) == (tasks.echo.func, "other", 3)
        assert result.backend == "default"

    def test_says_when_it_was_enqueued(self, tasks):
        result = tasks.echo.enqueue(1)

        assert abs(result.enqueued_at - datetime.now(UTC)) < timedelta(minutes=1)

    def test_has_not_started(self, tasks):
        result = tasks.echo.enqueue(1)

        assert (result.started_at, result.last_attempted_at, result.finished_at) == (None, None, None)
        assert (result.attempts, result.worker_ids, result.errors) == (0, [], [])

    def test_has_no_value_yet(self, tasks):
        with pytest.raises(ValueError, match="not finished"):
            _ = tasks.echo.enqueue(1).return_value

    def test_is_the_same_for_who_awaits_it(self, tasks, framework):
        result = asyncio.run(tasks.note.aenqueue(1, two=2))

        assert (result.status, result.args, result.kwargs) == (framework.Status.READY, [1], {"two": 2})

    def test_is_found_with_what_it_was_enqueued_with(self, tasks):
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        enqueued = tasks.note.using(queue_name="other", priority=-7, run_after=later).enqueue(1)

        found = tasks.note.get_result(enqueued.id)

        assert (found.args, found.task.queue_name, found.task.priority) == ([1], "other", -7)
        assert found.task.run_after == later


VALUES = [None, 1.5, "Ωμέγα", [True, [7, []]], {"a": {"b": None}}]


class TestAnArgument:
    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_arrives_as_it_was(self, tasks, work, value):
        tasks.note.enqueue(value, key=value)

        work()

        assert tasks.ran == [([value], {"key": value})]

    @pytest.mark.parametrize(("value", "kept"), [((1, (2,)), [1, [2]]), (b"text", "text")], ids=["tuple", "bytes"])
    def test_arrives_as_json_has_it(self, tasks, work, value, kept):
        result = tasks.note.enqueue(value)

        work()

        assert tasks.ran == [([kept], {})]
        assert result.args == [kept]

    @pytest.mark.parametrize(
        "value", [datetime.now(UTC), {1, 2}, Decimal(1), object()], ids=lambda it: type(it).__name__
    )
    def test_that_json_has_not_is_refused(self, tasks, work, value):
        with pytest.raises(TypeError):
            tasks.note.enqueue([value])

        work()

        assert tasks.ran == []

    def test_of_bytes_that_are_no_text_is_refused(self, tasks):
        with pytest.raises(ValueError, match="value"):
            tasks.note.enqueue(b"\xff")
