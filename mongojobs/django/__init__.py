"""For Django: an installed app, ``mongojobs.django``, that makes a project's jobs and its settings known.

It needs the extra ``django``: ``pip install mongojobs[django]``. ``manage.py mongojobs`` is the whole command line.

- ``apps``: what the project gets when Django starts
- ``configuring``: ``MONGOJOBS`` in Django's settings
- ``discovery``: the ``jobs.py`` of every installed app
- ``database``: jobs in a database of Django, with its transactions
- ``cycle``: what Django does around a request, done around a job
- ``references``: models as arguments
- ``models``: the permission to operate jobs
- ``admin``: the dashboard in the index of the admin
- ``checks``: what ``manage.py check`` says
- ``tasks``: a backend for ``django.tasks``
- ``management``: ``manage.py mongojobs``
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from mongojobs.core.errors import ConfigurationError, ExtraMissingError

if importlib.util.find_spec("django") is None:
    raise ExtraMissingError(
        "mongojobs.django needs Django, which the extra django brings: pip install 'mongojobs[django]'"
    )

if TYPE_CHECKING:
    from mongojobs.django.tasks.backend import Backend

__all__ = ["Backend", "setup"]


def setup() -> None:
    """Start Django, unless it has started: ``mongojobs -A mongojobs.django:setup work`` works off a project's jobs.

    Raises ConfigurationError where ``DJANGO_SETTINGS_MODULE`` is not set, or the app is not installed.
    """
    import django  # noqa: PLC0415 - so that the package can be read before Django is
    from django.apps import apps  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise ConfigurationError(
            "DJANGO_SETTINGS_MODULE is not set, which names the settings of the project: set it, as in"
            " DJANGO_SETTINGS_MODULE=shop.settings, or use `python manage.py mongojobs`"
        )
    if not apps.ready:
        django.setup()
    if not apps.is_installed(__name__):
        raise ConfigurationError(f'"{__name__}" is not installed in {settings}: add it to INSTALLED_APPS')


def __getattr__(name: str) -> Any:
    """Return the backend of tasks when it is first asked for: not all projects have tasks. Raises ExtraMissingError."""
    if name != "Backend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mongojobs.django.tasks.backend import Backend as Found  # noqa: PLC0415

    return Found
