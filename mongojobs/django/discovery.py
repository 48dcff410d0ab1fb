"""Importing the jobs of a project: those in ``jobs.py`` of every installed app, and in ``tasks.py`` if it has tasks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string


def discover() -> bool:
    """Import the modules of each app that has them; return whether tasks become jobs. What they raise is raised."""
    autodiscover_modules("jobs")
    if not _backends():
        return False
    autodiscover_modules("tasks")
    _declare_all()
    return True


def tasks_databases() -> set[object]:
    """Return the databases of Django that the ``OPTIONS`` of our backends name."""
    return {backend.get("OPTIONS", {}).get("database") for backend in _backends()}


def _backends() -> list[Mapping[str, Any]]:
    """Return what ``TASKS`` says of our backends; it is Django that complains of a name that cannot be imported."""
    said = [backend for backend in getattr(settings, "TASKS", {}).values() if isinstance(backend.get("BACKEND"), str)]
    classes = [_imported(backend["BACKEND"]) for backend in said]
    module = sys.modules.get("mongojobs.django.tasks.backend")
    ours = object if module is None else module.Backend
    return [backend for backend, cls in zip(said, classes, strict=True) if module is not None and issubclass(cls, ours)]


def _imported(name: str) -> type:
    with suppress(ImportError):
        cls: type = import_string(name)
        return cls
    return object


def _declare_all() -> None:
    """Declare tasks of other backends, too: ``task.using(backend=...)`` may make jobs of them elsewhere."""
    from mongojobs.django.tasks.declaring import declare_task  # noqa: PLC0415 - only where there is a framework
    from mongojobs.django.tasks.framework import Task  # noqa: PLC0415

    names = [f"{config.name}.{module}" for config in apps.get_app_configs() for module in ("jobs", "tasks")]
    for module in [sys.modules[name] for name in names if name in sys.modules]:
        for found in [one for one in vars(module).values() if isinstance(one, Task)]:
            declare_task(found)
