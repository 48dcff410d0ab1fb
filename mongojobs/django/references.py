"""Models as arguments of jobs: stored by primary key and database, loaded fresh in the worker."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.db.models import Model

from mongojobs.django.cycle import is_in_worker
from mongojobs.payload.documents.registered import register_reference


def refer_to_models() -> None:
    """Let jobs take instances of all models of the project, and be methods of them."""
    register_reference(Model, _key, _load)


def _key(instance: Any) -> object:
    """Return the primary key, with the database unless that is the default; None for what is not in a database yet."""
    if instance._state.adding:
        return None
    using = instance._state.db
    return instance.pk if using in (None, DEFAULT_DB_ALIAS) else {"pk": instance.pk, "using": using}


def _load(cls: Any, key: Any) -> object:
    """Return the instance as it is in its database now, past managers that hide some; None if it is gone."""
    if is_in_worker():
        close_old_connections()  # the first query of a job may be this one
    pk, using = (key["pk"], key["using"]) if isinstance(key, dict) else (key, DEFAULT_DB_ALIAS)
    try:
        return cls._base_manager.using(using).get(pk=pk)
    except cls.DoesNotExist:
        return None
