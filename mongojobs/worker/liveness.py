"""Whether a worker is alive and can work: recorded by its loop, and read by probes from their own threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from mongojobs.store.faults import DatabaseError, describe
from mongojobs.store.time_limits import time_limit
from mongojobs.worker.connecting import Connections

LONGEST_STILLNESS_SECONDS: Final = 15.0
"""How long an idle worker's loop waits at most before it turns again."""

ANSWER_SECONDS: Final = 2.0
"""How long the database may take to answer a probe."""


class Liveness:
    """When the loop last turned: one thread beats, and any thread may ask.

    It says that the worker is alive, and nothing about the database: while it is away the loop runs on and retries.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last = monotonic()
        self._listeners: list[Callable[[], None]] = []

    def on_beat(self, listener: Callable[[], None]) -> None:
        """Call *listener* at each beat, in the loop's own thread: it must be quick and must not raise."""
        self._listeners.append(listener)

    def beat(self) -> None:
        """Record that the loop has turned."""
        self._last = self._monotonic()
        for listener in self._listeners:
            listener()

    def age_seconds(self) -> float:
        """Return how long ago the loop last turned."""
        return self._monotonic() - self._last


class Probed(Protocol):
    """What probes ask of a worker."""

    liveness: Liveness

    @property
    def is_stopping(self) -> bool:
        """Whether it has been told to stop."""
        ...

    @property
    def connections(self) -> Connections | None:
        """Its connections, once the database has answered."""
        ...


def is_live(worker: Probed, *, max_age_seconds: float) -> bool:
    """Whether the worker's loop turned recently enough, or has ended because the worker is stopping.

    The database is not asked: a restart does not bring it back.
    """
    return worker.is_stopping or worker.liveness.age_seconds() <= max_age_seconds


def why_not_ready(worker: Probed) -> str | None:
    """Return why the worker cannot work; None if it can: the database answers, and no query has missed its index.

    The loop is not looked at: ``is_live`` tells whether it runs.
    """
    connections = worker.connections
    if worker.is_stopping:
        return "the worker is stopping"
    if connections is None:
        return "the database has not answered yet"
    try:
        with time_limit(ANSWER_SECONDS):
            connections.store.queries.ping()
    except DatabaseError as error:
        return f"the database does not answer: {describe(error)}"
    missing = connections.store.queries.missing_indexes()
    return f"missing: the index {', '.join(missing)}; run `mongojobs create-indexes`" if missing else None
