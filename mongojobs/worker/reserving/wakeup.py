"""Waking an idle worker when a job comes: by a change stream if there is one, and after some time.

The stream only shortens the wait. What makes sure that each job is found is the poll that follows every wait.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime

from mongojobs.core.clock import Clock
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import Warned
from mongojobs.store.faults import describe, is_passing
from mongojobs.store.stream import JobStream
from mongojobs.worker.outage import seconds_to_next_try
from mongojobs.worker.threads.background import background_thread

SHORTEST_POLL_SECONDS = 0.08
"""Twelve looks a second cost less than a hundredth of a core."""

LONGEST_DEFERENCE_SECONDS = 0.01
LONGEST_REST_SECONDS = 0.05
LIFE_SECONDS = 1.0
"""A stream that lived this long has worked: the next one is opened soon, however often that failed before."""
BUSY_TURNS = 3
"""After this many batches without a wait between them a worker counts as busy."""


class Bell:
    """What one thread waits for: like an event that ends one wait, in a tenth of the steps.

    After a while without work those steps are slow, and they lie between a job and its start.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """End the current wait, or the next one."""
        with contextlib.suppress(RuntimeError):  # it rings already
            self._silence.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, silence it, and return True; or False after so many *seconds*."""
        return self._silence.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


class Wakeup:
    """What an idle worker waits on.

    *open_stream* opens a change stream, or is None where the server has none; then the waits begin short and grow up to
    ``sleep_delay``. The stream is open only while the worker is idle. One that is not *is_prompt* may end a wait, but
    nobody relies on it: a router passes on what one shard tells only when all others have told that nothing came before
    it, which one that idles does every ten seconds.

    Whoever hears of a job calls *look* in place of the worker that waits, which goes on once that is done: to wake it
    first would only make the job wait for one more thread. *look* says whether there was a job; None if it cannot say.
    Python runs one thread at a time, so whoever has heard of a job rests until the worker waits again: what it would do
    to hear of the next one would hold up this one.
    """

    def __init__(
        self,
        open_stream: Callable[[], JobStream] | None,
        clock: Clock,
        reporter: Reporter,
        *,
        sleep_delay: float,
        look: Callable[[], bool | None] = lambda: None,
        is_prompt: bool = True,
    ) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._found: bool | None = None
        """What the last look in place of the worker has found, until the worker goes on."""
        self._was_in_vain = self._is_announced = False
        self._open_stream = open_stream
        self._is_prompt = is_prompt
        self._clock = clock
        self._reporter = reporter
        self._failures = 0
        self._told = ""
        self._sleep_delay = sleep_delay
        self._awake = Bell()
        self._idle = threading.Event()
        self._closed = threading.Event()
        self._is_waiting = False
        self._rest_is_over = Bell()
        self._guard = threading.Lock()
        self._stream: JobStream | None = None
        self._due = float("inf")
        self._idle_since = time.monotonic()
        self._busy_turns = 0
        self._was_woken = False
        self._defers = False
        self._thread = background_thread(self._listen, "mongojobs-wakeup")

    def start(self) -> None:
        """Start listening, if there is a stream to listen to."""
        if self._open_stream is not None:
            self._thread.start()

    def close(self) -> None:
        """Wake any waiting thread and end the listening; waits for the server if that is being listened to."""
        self._closed.set()
        self._awake.ring()
        self._hush()
        self._idle.set()
        self._rest_is_over.ring()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """End the current wait, or the next one."""
        self._awake.ring()

    def busy(self) -> None:
        """Note that there was work; after enough of it stop listening, as a busy worker looks by itself."""
        self._idle_since = time.monotonic()
        self._defers = self._was_woken = False
        self._busy_turns += 1
        if self._busy_turns == BUSY_TURNS:
            self._hush()

    def note_empty(self) -> None:
        """Note that there was no job to reserve.

        Where many workers idle, one job wakes them all. Whoever came too late the last time lets others go first for a
        few milliseconds, so that one gets the job without being jostled.
        """
        self._defers = self._was_woken

    def was_in_vain(self) -> bool:
        """Return, once, whether a look that found nothing has just been made in place of the worker."""
        was_in_vain, self._was_in_vain = self._was_in_vain, False
        return was_in_vain

    @property
    def is_listening(self) -> bool:
        """Whether a stream announces new jobs at once."""
        return self._is_prompt and self._stream is not None

    def wait(self, *, due: datetime | None, most: float) -> bool:
        """Wait for a job to come, until *due* (the earliest one known), and at most *most* seconds.

        Return whether a job has come, or the one known is due. Without a stream to listen to, the wait is short.
        """
        self._note_due(due)
        self._busy_turns = 0
        self._idle.set()
        to_due = max(self._due - time.monotonic(), 0.0)
        self._is_waiting = True
        self._rest_is_over.ring()
        is_awake = self._awake.wait(min(to_due, self._seconds_to_poll(), most))
        with self._looking:  # two looks at once would each do what one does for both
            self._is_waiting = False
            found, self._found = self._found, None
            was_announced, self._is_announced = self._is_announced, False
        self._was_in_vain = found is False
        is_awake |= found is not None
        if is_awake and self._defers:
            self._closed.wait(random.uniform(0, LONGEST_DEFERENCE_SECONDS))
            self._awake.wait(0)  # whoever has rung meanwhile is heard by the look that follows
        self._was_woken = was_announced and not found
        due_at, self._due = self._due, float("inf")  # until the next look, any job that is still to come is news
        return is_awake or time.monotonic() >= due_at

    def _hush(self) -> None:
        self._idle.clear()
        with self._guard:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _seconds_to_poll(self) -> float:
        """Return how long to wait before looking again: a hundredth of the time since the last job."""
        if self.is_listening:
            return float("inf")
        idle_seconds = time.monotonic() - self._idle_since
        return min(max(idle_seconds / 100, SHORTEST_POLL_SECONDS), self._sleep_delay)

    def _note_due(self, due: datetime | None) -> None:
        seconds = float("inf") if due is None else (due - self._clock.now()).total_seconds()
        self._due = time.monotonic() + seconds

    def _listen(self) -> None:
        while not self._closed.is_set():
            self._idle.wait()
            began = time.monotonic()
            try:
                self._listen_while_idle()
                self._failures, self._told = 0, ""
            except Exception as error:  # noqa: BLE001 - without this thread the worker would only poll
                self._awake.ring()  # who relies on the stream would wait far too long without it
                self._tell_once(error)
                if time.monotonic() - began >= LIFE_SECONDS:
                    self._failures = 0
                self._closed.wait(seconds_to_next_try(self._failures))
                self._failures += 1

    def _tell_once(self, error: Exception) -> None:
        """Report an error that will not pass by itself; an outage is reported by those whose work it stops."""
        if not is_passing(error) and describe(error) != self._told:
            self._told = describe(error)
            message = f"cannot listen for new jobs, and polls for them instead: {describe(error)}"
            self._reporter.tell(Warned, message)

    def _listen_while_idle(self) -> None:
        stream = self._open()
        if stream is None:
            return
        try:
            self._awake.ring()  # a job that came before the stream was open is found by one more look
            while self._stream is stream:
                self._hear(stream.next())
        finally:
            with self._guard:
                if self._stream is stream:
                    self._stream = None
            stream.close()

    def _open(self) -> JobStream | None:
        if self._open_stream is None:
            return None
        stream = self._open_stream()
        with self._guard:
            if self._closed.is_set() or not self._idle.is_set():
                stream.close()
                return None
            self._stream = stream
            return stream

    def _hear(self, run_at: datetime | None) -> None:
        """Wake the worker for a job that is due, or when it will be."""
        if run_at is None:
            return
        seconds = (run_at - self._clock.now()).total_seconds()
        if seconds <= 0 or time.monotonic() + seconds < self._due:
            self._wake_and_rest()

    def _wake_and_rest(self) -> None:
        """Look for the job if the worker waits, then wake it, and let it go first."""
        with self._looking:
            self._is_announced = True
            has_waited, self._is_waiting = self._is_waiting, False
            if has_waited and not self._defers:
                self._found = self._look()
        self._rest_is_over.wait(0)
        self._awake.ring()
        if has_waited:
            self._rest_is_over.wait(LONGEST_REST_SECONDS)
