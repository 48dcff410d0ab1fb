"""A thread that should wake ten times a second: when it does not, the machine stood still, and all workers on it."""

import threading
from collections.abc import Callable
from time import monotonic

_BEAT_SECONDS = 0.1


class Pulse:
    """Calls *on_stall* with the time of the last beat whenever one comes more than *longest* seconds late."""

    def __init__(self, on_stall: Callable[[float], object], *, longest: float) -> None:
        self._on_stall = on_stall
        self._longest = longest
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        last = monotonic()
        while not self._over.wait(_BEAT_SECONDS):
            now = monotonic()
            if now - last > _BEAT_SECONDS + self._longest:
                self._on_stall(last)
            last = now
