"""The one clock: "now" is the database server's time, whatever the clocks of other machines say.

Every worker compares leases that other workers wrote, so all stamps must come from one clock. It is the server's,
read once with ``hello`` and carried on by a counter that neither stops in a suspend nor jumps when somebody sets the
wall clock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

REMEASURE_AFTER_SECONDS = 60.0
JUMP_SECONDS = 1.0
SAME_NODE_SECONDS = 0.01
"""How long the same node is taken to answer without another look, which takes longer than all else here."""
SLOW_ANSWER_SECONDS = 0.005
"""A slower answer says little about when the server read its clock: the first one pays for the connection, and for the
authentication. It is asked again, and the quicker answer counts."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Anything that tells the time: UTC, aware, in whole milliseconds."""

    def now(self) -> datetime:
        """Return the time of the database server."""
        ...


class TimeSource(Protocol):
    """A server that can be asked for its time."""

    def server_time(self) -> datetime | None:
        """Ask the server; None if it cannot tell."""
        ...

    def primary(self) -> object:
        """Name the node that answers now; a different value means a different node, and so a different clock."""
        ...

    @property
    def topology(self) -> Callable[[], object]:
        """Gives what is known of the nodes: the same object for as long as ``primary`` says the same.

        It is called at each look at the clock, so it must be quick.
        """
        ...


def truncate(moment: object) -> datetime:
    """Return *moment* in UTC, cut to the whole milliseconds that BSON keeps.

    Raises ValueError for what is no datetime, is naive and could mean any zone, or is in a year that UTC does not have.
    """
    if not isinstance(moment, datetime):
        raise ValueError(f"a time must be a datetime with a zone, got {moment!r:.100}")
    if moment.tzinfo is None:
        raise ValueError(f"a time must carry its zone, got the naive {moment!r}: use datetime.now(UTC)")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"a time must be between the years 1 and 9999 in UTC, got {moment!r}") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_MONOTONIC = getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)  # macOS has the first

monotonic_seconds: Callable[[], float] = partial(time.clock_gettime, _MONOTONIC)
"""Like ``time.monotonic``, even where a library for tests has frozen that, perhaps in some threads only."""

elapsed_seconds: Callable[[], float] = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", _MONOTONIC))
"""Returns seconds since some fixed moment, counting suspended time where the system can."""


class SystemClock:
    """The wall clock of this machine, if there is no server to ask."""

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return truncate(datetime.now(UTC))


class ServerClock:
    """Server time, measured at first use and again when there is a reason to doubt it.

    Reasons: 60 s have passed, another node answers, or the wall clock and the elapsed time disagree by a second (a
    jump, or a suspend that one of them did not count). Nothing runs in the background: the call that needs the time
    measures. When the server cannot be asked, the last offset stands.
    """

    def __init__(
        self,
        source: TimeSource,
        *,
        elapsed: Callable[[], float] = elapsed_seconds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._topology = source.topology
        self._elapsed = elapsed
        self._wall = wall
        self._measuring = threading.Lock()
        self._process = os.getpid()
        self._mark: _Mark | None = None

    def now(self) -> datetime:
        """Return the server's time, never earlier than the last one measured."""
        mark, elapsed = self._mark, self._elapsed()
        if mark is None or self._is_doubtful(mark, elapsed - mark.elapsed):
            mark, elapsed = self._measure(mark), self._elapsed()
        seconds = mark.server_seconds + (elapsed - mark.elapsed)
        return _EPOCH + int(seconds * 1000) * _MILLISECOND

    def _is_doubtful(self, mark: _Mark, passed: float) -> bool:
        return (
            passed >= REMEASURE_AFTER_SECONDS
            or abs((self._wall() - mark.wall) - passed) >= JUMP_SECONDS
            or (passed >= mark.looked_after + SAME_NODE_SECONDS and self._is_of_another_node(mark, passed))
        )

    def _is_of_another_node(self, mark: _Mark, passed: float) -> bool:
        mark.looked_after = passed
        topology = self._topology()
        if topology is mark.topology:
            return False
        if self._source.primary() != mark.primary:
            return True
        mark.topology = topology
        return False

    def _measure(self, doubted: _Mark | None) -> _Mark:
        if self._process != os.getpid():  # a fork copies a lock as held, and not the thread that would let it go
            self._measuring, self._process = threading.Lock(), os.getpid()
        with self._measuring:
            if self._mark is not None and self._mark is not doubted:
                return self._mark
            self._mark = self._ask(doubted)
            return self._mark

    def _ask(self, doubted: _Mark | None) -> _Mark:
        answer = self._answer()
        if answer is not None and answer.seconds > SLOW_ANSWER_SECONDS:
            answer = min(answer, self._answer() or answer, key=lambda one: one.seconds)
        elapsed, wall, topology = self._elapsed(), self._wall(), self._topology()
        last = answer or doubted
        seconds = wall if last is None else last.server_seconds + (elapsed - last.elapsed)
        return _Mark(seconds, elapsed, wall, topology, self._source.primary())

    def _answer(self) -> _Reading | None:
        before = self._elapsed()
        server = self._source.server_time()
        after = self._elapsed()
        if server is None:
            return None
        half_way = (after - before) / 2
        return _Reading((server - _EPOCH).total_seconds() + half_way, after, after - before)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The server's time at a reading of the elapsed time, and how long the question took."""

    server_seconds: float
    elapsed: float
    seconds: float


@dataclass(slots=True)
class _Mark:
    """The server's time at a reading of the elapsed time and the wall clock."""

    server_seconds: float
    elapsed: float
    wall: float
    topology: object
    primary: object
    looked_after: float = 0.0
