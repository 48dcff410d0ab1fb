"""What ``manage.py check`` says about the jobs of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core import checks, mail

from mongojobs.app import MongoJobs, default_app
from mongojobs.app.declarations import declared_jobs
from mongojobs.core.errors import ConfigurationError, ConnectionMissingError, MongoJobsError
from mongojobs.store.faults import DatabaseError, describe
from mongojobs.store.indexes import check_indexes
from mongojobs.store.time_limits import time_limit

TAG: Final = "mongojobs"
LOOK_SECONDS: Final = 5.0
"""How long a check waits for the database."""


def register() -> None:
    """Let ``manage.py check`` ask what is below."""
    for check in (check_database, check_jobs):
        checks.register(check, TAG)
    checks.register(check_database_indexes, checks.Tags.database)


def check_database(**_given: Any) -> list[checks.CheckMessage]:
    """See that it is known where the jobs are."""
    try:
        default_app().link  # noqa: B018 - looks for it
    except ConnectionMissingError as error:
        text, hint = "it is not known in which MongoDB the jobs are", f"set MONGOJOBS = {{'uri': ...}}; {error}"
        return [checks.Warning(text, hint=hint, id="mongojobs.W001")]
    except ConfigurationError as error:
        return [checks.Error(f"the MongoDB of the jobs cannot be used: {error}", id="mongojobs.E001")]
    return []


def check_jobs(**_given: Any) -> list[checks.CheckMessage]:
    """See that there is anything for a worker to do."""
    if declared_jobs():
        return []
    hint = "put functions with @mongojobs.job into jobs.py of an installed app, or name other modules in imports"
    return [checks.Warning("no jobs are declared, so a worker could run none", hint=hint, id="mongojobs.W002")]


def check_database_indexes(databases: Sequence[str] | None = None, **_given: Any) -> list[checks.CheckMessage]:
    """Compare the indexes with those required, where Django may look at databases: ``check --database default``.

    ``manage.py test`` lets all checks look, but the jobs of tests stay in memory, or have a database without a past.
    """
    return list(_of_indexes(default_app())) if databases and not _in_tests() else []


def _in_tests() -> bool:
    """Whether Django's test environment is set up, of which the dummy outbox is a part."""
    return hasattr(mail, "outbox")


def _of_indexes(app: MongoJobs) -> Iterator[checks.CheckMessage]:
    try:
        with time_limit(LOOK_SECONDS):
            report = check_indexes(app.store.collection)
    except ConfigurationError:
        return  # of which another check tells
    except (DatabaseError, MongoJobsError) as error:
        why = describe(error) if isinstance(error, DatabaseError) else str(error)
        yield checks.Warning(f"the indexes of the jobs cannot be looked at: {why}", id="mongojobs.W004")
        return
    if missing := report.with_status("missing"):
        names = ", ".join(one.index.name for one in missing)
        hint = "run: python manage.py mongojobs create-indexes"
        yield checks.Warning(f"indexes of the jobs are missing: {names}", hint=hint, id="mongojobs.W003")
    for one in report.with_status("different"):
        yield checks.Warning(f"the index {one.index.name} is not the one needed", hint=one.remedy, id="mongojobs.W003")
