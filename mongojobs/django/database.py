"""Jobs in a database of ``DATABASES`` whose engine is ``django_mongodb_backend``: its client, and its transactions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connections

from mongojobs.app.connections import Link, find_link, warn_of_untold_fork
from mongojobs.core.errors import SettingsError
from mongojobs.core.settings import Settings


@dataclass(frozen=True, slots=True)
class DjangoLink(Link):
    """The client of the database *using*; a worker opens its own two to the same server, as ever."""

    using: str = ""

    @property
    def is_current(self) -> bool:
        """Whether the database is still where it was: tests give it another name."""
        wrapper = connections[self.using]
        is_there = wrapper.connection in (None, self.client) and wrapper.settings_dict["NAME"] == self.database
        return is_there and self.process == os.getpid()


def link_of(using: str, chosen: Settings) -> Link:
    """Return the way to the jobs: the database *using*, unless a URI was *chosen* on the command line or outside.

    An enqueue in its ``atomic`` block is part of that transaction. Raises ConfigurationError.
    """
    if chosen.uri is not None:
        return find_link(chosen, os.environ)
    warn_of_untold_fork()
    wrapper = connections[using]
    parameters = dict(wrapper.get_connection_params())
    address = str(parameters.pop("host") or "localhost")
    wrapper.ensure_connection()
    return DjangoLink(
        wrapper.connection,
        wrapper.settings_dict["NAME"],
        f"Django database {using}",
        address,
        parameters,
        session=lambda: connections[using].session,
        using=using,
    )


def refuse_other(using: object) -> None:
    """Raise SettingsError unless *using* is the alias of a database that can hold jobs."""
    if not isinstance(using, str) or using not in settings.DATABASES:
        known = ", ".join(settings.DATABASES)
        raise SettingsError(f"using names {using!r:.100}, and DATABASES has {known}", setting="using")
    engine: Any = settings.DATABASES[using].get("ENGINE")
    if connections[using].vendor != "mongodb":
        raise SettingsError(
            f"using names the database {using!r}, whose engine {engine} is not django_mongodb_backend: name one whose"
            " engine that is, or say in uri where the jobs are",
            setting="using",
        )
