"""Raising an exception inside a job's code, from another thread, and in no other code.

A thread takes such an exception between two of its own steps, so code that waits inside a C function (a ``sleep``, a
socket, a long computation in C) takes it when that function returns, not before. An ``async def`` job is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, TypeVar

from mongojobs.core.calling import adopt
from mongojobs.core.errors import Interrupted
from mongojobs.process.copies import CopiesEndHere

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Interruption:
    """One run that may be interrupted.

    The story that the lock prevents: the job returns; the timekeeper, which looked just before, raises its timeout;
    the thread is hit in the next job. So the run is closed under the same lock under which exceptions are raised, and
    one that was raised but not yet taken is withdrawn.
    """

    is_over: bool = False
    """Whether nothing reaches the run any more."""
    raised: type[BaseException] | None = None
    """The first exception that ``interrupt`` was told to raise."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_held_off: bool = False
    _thread: int | None = None
    _cancel: Callable[[], object] | None = None
    _relay: Callable[[type[BaseException]], object] | None = None

    def run(self, body: Callable[[], T]) -> T:
        """Run *body* so that ``interrupt`` reaches it, and nothing after it.

        Raises the interruption also when *body* swallowed it: a broad ``except`` does not make a job a success. One
        that came before *body* began is raised in its place.
        """
        try:
            try:
                with self._lock:
                    if self.raised is not None:
                        raise self.raised
                    self._thread = threading.get_ident()
                result = body()
            finally:
                self._thread = None  # a thread takes no exception before this; after it, only one that is on its way
                self.close()
        finally:
            if not self.is_over:
                self.close()  # it could have jumped over the first one
        if self.raised is not None:
            raise self.raised
        return result

    def wait_for(
        self,
        coroutine: Coroutine[Any, Any, object],
        loop: asyncio.AbstractEventLoop,
        *,
        begins: Callable[[], object] = lambda: None,
    ) -> object:
        """Run *coroutine* on *loop*, which another thread runs, and wait here until it has really ended.

        It has a copy of this context, and what it sets there is set here afterwards. *begins* is called there before.
        """
        ended, context = threading.Event(), copy_context()
        tasks: list[asyncio.Task[_End]] = []

        def start() -> None:
            if self.raised is not None:
                ended.set()
                return
            tasks.append(loop.create_task(_to_its_end(coroutine), context=context))
            tasks[0].add_done_callback(lambda _task: ended.set())
            begins()

        try:
            with self._lock:
                self._cancel = partial(loop.call_soon_threadsafe, lambda: [task.cancel() for task in tasks])
            loop.call_soon_threadsafe(start)
        except BaseException:
            coroutine.close()  # it has not begun, and complains if it is dropped
            raise
        ended.wait()
        adopt(context)
        with self._lock:
            self._cancel = None
        if not tasks:
            coroutine.close()
        if self.raised is not None and (not tasks or tasks[0].cancelled()):
            raise self.raised
        return _given(tasks[0].result())

    def interrupt(self, exception: type[BaseException], *, first: Callable[[], object] = lambda: None) -> bool:
        """Raise *exception* once in the running code, or as soon as it starts; False if it has ended.

        Otherwise *first* is called before, so that what it tells comes before whatever the end of the run tells.
        """
        with self._lock:
            if self.is_over:
                return False
            first()
            if self.raised is exception:
                return True
            if self.raised is None:
                self.raised = exception
            if not self._is_held_off:
                self._deliver(exception)
            return True

    def leave(self) -> NoReturn:
        """End the run from within its own code, as if its worker had interrupted it."""
        with self._lock:
            self.raised = self.raised or Interrupted
        raise self.raised

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Keep exceptions from the code, whose block this is, on whatever thread; one that comes is raised after it.

        One that came before is raised in its place, even if the code has swallowed it.
        """
        with self._lock:
            if self.raised is not None:
                raise self.raised
            self._is_held_off = True
        try:
            yield
        finally:
            with self._lock:
                self._is_held_off = False
                if self.raised is not None and not self.is_over:
                    self._deliver(self.raised)

    def _deliver(self, exception: type[BaseException]) -> None:
        if self._relay is not None:
            self._relay(exception)
        elif self._cancel is not None:
            self._cancel()
        elif (thread := self._thread) is not None:
            _raise_in(thread, exception)

    def relay_to(self, relay: Callable[[type[BaseException]], object]) -> None:
        """Pass exceptions to *relay*, for code that runs elsewhere; at once, if one has come already."""
        with self._lock:
            self._relay = relay
            if self.raised is not None:
                relay(self.raised)

    def close(self) -> None:
        """Put an end to ``interrupt``; an exception may strike even here, but then the second try goes undisturbed."""
        while not self.is_over:
            try:
                with self._lock:
                    if self.raised is not None:
                        _withdraw()
                    self.is_over = True
            except BaseException:  # noqa: BLE001, S112 - our own exception, taken a step late; `raised` remembers it
                continue


def run_to_end_on(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, object]) -> object:
    """Run *coroutine* on *loop*, which another thread runs, beyond the reach of any interruption."""
    return _given(asyncio.run_coroutine_threadsafe(_to_its_end(coroutine), loop).result())


_End = tuple[object, BaseException | None]


def _given(end: _End) -> object:
    """Return what a coroutine returned, or raise what it raised."""
    result, error = end
    if error is not None:
        raise error
    return result


async def _to_its_end(coroutine: Coroutine[Any, Any, object]) -> _End:
    """Await *coroutine* and return what it returned and raised.

    SystemExit and KeyboardInterrupt, left to a task, would end the loop, and all other jobs on it with them.
    """
    try:
        with CopiesEndHere():
            return await coroutine, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        return None, error


def _raise_in(thread: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(exception))


class _NothingError(BaseException):
    """Raised in a thread by itself, to replace an exception that it must no longer receive."""


def _withdraw() -> None:
    """Take back an exception raised in the calling thread but not received yet.

    By another exception that is taken here. To set none at all would leave the interpreter's flag up, and CPython 3.11
    then looks for an exception for ever where a trace function is set, as under ``coverage`` or a debugger.
    """
    with contextlib.suppress(_NothingError):
        _raise_in(threading.get_ident(), _NothingError)
        while True:
            pass
