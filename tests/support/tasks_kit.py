"""Our backend, for `tests/tasks_kit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mongojobs
from tests.support.django_start import start_django
from tests.support.working import work_off

start = start_django


@contextmanager
def ready(fixture: Callable[[str], Any]) -> Iterator[None]:
    """Set up the default app of the project, in the database of the test."""
    from django.apps import apps

    fixture("connection")
    apps.get_app_config("mongojobs").ready()
    yield
    mongojobs.configure()


def work() -> None:
    """Run what is due, one after another."""
    work_off(threads=1)
