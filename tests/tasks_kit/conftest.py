"""Sixty cases that any backend of `django.tasks` should pass, with Django 6 or with the package `django-tasks`.

The environment variable `TASKS_KIT` names a module that says which backend; that of ours is `tests.support.tasks_kit`.
It has

- `start()`: starts Django, with `tests.tasks_kit` on its path, and a backend called `default` that knows the queues
  `default` and `other`, and does not try a task again that has failed;
- `ready()`: a context manager around each test, in which nothing of another test is left;
- `work()`: runs what is due, in this process, and returns once there is no more.

    TASKS_KIT=shop.tests.kit python -m pytest tests/tasks_kit
"""

import os
from importlib import import_module

import pytest

KIT = import_module(os.environ.get("TASKS_KIT", "tests.support.tasks_kit"))


@pytest.fixture(scope="session", autouse=True)
def _started():
    KIT.start()


@pytest.fixture(autouse=True)
def _ready(_started, request):
    with KIT.ready(request.getfixturevalue):
        yield


@pytest.fixture
def work():
    """Runs what is due."""
    return KIT.work


@pytest.fixture
def tasks(_started):
    """The sample tasks, which have run nothing yet."""
    from tests.tasks_kit import sample_tasks

    sample_tasks.ran.clear()
    return sample_tasks


@pytest.fixture
def framework(_started):
    """`django.tasks`, or `django_tasks`."""
    from tests.tasks_kit import framework

    return framework


@pytest.fixture
def backend(framework):
    return framework.task_backends["default"]
