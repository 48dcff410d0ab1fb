"""The queues that an autoscaler is to know of, as people name them."""

from __future__ import annotations

from collections.abc import Iterable

from mongojobs.core.checks import queue_name
from mongojobs.core.errors import ConfigurationError


def named_queues(given: object, *, of: str) -> tuple[str, ...]:
    """Return the names of the queues *given*; *of* names the argument. Raises ConfigurationError."""
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise ConfigurationError(f'{of} must be a list of names such as ["mail"], got {given!r:.100}')
    names = tuple(given)  # first, as a generator gives them once
    try:
        return tuple(map(queue_name, names))
    except ValueError as error:
        raise ConfigurationError(
            f'{of} must be a list of names such as ["mail"], got {names!r:.100}: each {error}'
        ) from None
