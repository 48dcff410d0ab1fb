"""Importing the jobs of a project: those in ``jobs.py`` of every installed app, and in ``tasks.py`` if it has tasks."""

from __future__ import annotations

import sys
from contextlib import suppress

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string


def discover() -> bool:
    """Import the modules of each app that has them; return whether tasks become jobs. What they raise is raised."""
    autodiscover_modules("jobs")
    has_tasks = _has_backend()
    if has_tasks:
        autodiscover_modules("tasks")
        _declare_all()
    return has_tasks


def _has_backend() -> bool:
    """Return whether ``TASKS`` names our backend; it is Django that complains of a name that cannot be imported."""
    named = [backend.get("BACKEND") for backend in getattr(settings, "TASKS", {}).values()]
    classes = [_imported(name) for name in named if isinstance(name, str)]
    module = sys.modules.get("mongojobs.django.tasks.backend")
    return module is not None and any(issubclass(cls, module.Backend) for cls in classes)


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
