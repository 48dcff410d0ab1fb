"""What a task is, and what can be none."""

import asyncio
from datetime import datetime

import pytest


def test_a_task_has_the_path_of_its_function(tasks):
    assert (tasks.echo.name, tasks.echo.module_path) == ("echo", "tests.tasks_kit.sample_tasks.echo")


def test_a_task_can_be_called_without_a_worker(tasks):
    assert tasks.echo.call(7) == 7


def test_a_task_can_be_awaited_without_a_worker(tasks):
    assert asyncio.run(tasks.echo_later.acall(7)) == 7


def test_using_makes_another_task(tasks):
    changed = tasks.echo.using(priority=5, queue_name="other")

    assert (changed.priority, changed.queue_name, changed.func) == (5, "other", tasks.echo.func)
    assert (tasks.echo.priority, tasks.echo.queue_name) == (0, "default")


def test_the_backend_does_all_that_a_backend_may_do(backend):
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority


def test_a_nested_function_is_refused(framework):
    def nested():
        pass

    with pytest.raises(framework.InvalidTask):
        framework.task(nested)


def test_an_object_that_can_be_called_is_refused(tasks, framework):
    with pytest.raises(framework.InvalidTask):
        framework.task(tasks.Callable())


@pytest.mark.parametrize("priority", [-101, 101, 1.5])
def test_a_priority_outside_of_the_range_is_refused(tasks, framework, priority):
    with pytest.raises(framework.InvalidTask):
        tasks.echo.using(priority=priority)


def test_a_queue_that_the_backend_has_not_is_refused(tasks, framework):
    with pytest.raises(framework.InvalidTask):
        tasks.echo.using(queue_name="unknown")


def test_a_context_needs_an_argument_of_that_name(tasks, framework):
    with pytest.raises(framework.InvalidTask):
        framework.task(takes_context=True)(tasks.plain)


def test_a_time_without_a_zone_is_refused(tasks, framework):
    with pytest.raises(framework.InvalidTask):
        tasks.echo.using(run_after=datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point
