"""Clocks that stand still until they are told to go on."""

from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class HeldClock:
    """Tells the same time until `advance`."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, **duration: float) -> datetime:
        """Go on by the keywords of ``timedelta``, such as ``minutes=1``, and return the new time."""
        self._now += timedelta(**duration)
        return self._now


class HeldSeconds:
    """Replaces ``monotonic_seconds``: the same number until another is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic_seconds(self) -> float:
        return self.now
