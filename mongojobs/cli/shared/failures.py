"""Errors that end a command, with the exit status that tells scripts which it was."""

from __future__ import annotations

import sys
from typing import Final

import click

NO: Final = 1
USAGE: Final = 2
NO_APP: Final = 3
NO_DATABASE: Final = 4
NO_INDEXES: Final = 5
CONFLICT: Final = 6


class Failure(click.ClickException):
    """Ends the command with *status*, after the message on standard error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.exit_code = status  # type: ignore[misc]  # click means it so


def failure(error: Exception) -> Failure | None:
    """Return *error* as a plain message if it needs no traceback."""
    from mongojobs.core import errors

    match error:
        case errors.StoreUnavailableError() | errors.ConnectionMissingError() | errors.ServerTooOldError():
            return Failure(str(error), NO_DATABASE)
        case errors.ConfigurationError():
            return Failure(str(error), USAGE)
        case errors.MongoJobsError():
            return Failure(str(error), NO)
        case _:
            return _database_failure(error)


def _database_failure(error: Exception) -> Failure | None:
    """Return a driver error as one of ours; if the driver is not loaded yet, it is not the driver's."""
    faults = sys.modules.get("mongojobs.store.faults")
    if faults is None or not isinstance(error, faults.DatabaseError):
        return None
    return Failure(str(faults.unavailable(error)), NO_DATABASE)
