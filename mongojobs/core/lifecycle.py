"""Lifecycle events and notices: how plugins take part in what enqueuers and workers do.

An *event* surrounds a piece of work, and plugins may act before it, after it or around it. Source: delayed_job, whose
seven events these are, and ``cancelled``. A *notice* (``core.notices``) only tells that something happened.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import UnionType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from mongojobs.core.calling import generator_kind, is_async, ran
from mongojobs.core.errors import CallbackError, NotRunError
from mongojobs.core.job import Job, JobId
from mongojobs.core.notices import CallbackRaised, Notice
from mongojobs.core.words.naming import public

P = ParamSpec("P")
T = TypeVar("T")
Callback = Callable[..., Any]
NoticeKind = Callable[..., Notice]

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "enqueue": ("job",),
    "execute": ("worker",),
    "loop": ("worker",),
    "perform": ("worker", "job"),
    "invoke_job": ("job",),
    "error": ("worker", "job"),
    "failure": ("worker", "job"),
    "cancelled": ("worker", "job"),
}
"""Each event with its arguments.

``enqueue`` surrounds the enqueue hook and the insert (or the inline run); ``execute`` the worker's whole life; ``loop``
one batch; ``perform`` one reserved job up to the hand-over of its result; ``invoke_job`` hooks and perform only;
``error`` a failed run; ``failure`` the giving up; ``cancelled`` the end of a run that somebody has cancelled.
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What plugins may ask of their app.

    *get* reads a job. *due* says when the schedule of a name is due, by a cron expression or a duration, and in what
    time zone; None if there is none. Both raise StoreUnavailableError.
    """

    get: Callable[[JobId], Job | None]
    due: Callable[[str], tuple[str | timedelta, str] | None]


@public
class Lifecycle:
    """The callbacks of one app, in the order they were registered.

    ``before`` and ``after`` callbacks get the event's arguments. ``after`` is skipped when the event's body raises.
    An ``around`` callback gets ``proceed`` first, and must call it and return its value; the one registered first is
    the outermost. Callbacks are plain functions: nobody awaits them.
    """

    def __init__(self) -> None:
        self._before: dict[str, list[Callback]] = {event: [] for event in EVENTS}
        self._after: dict[str, list[Callback]] = {event: [] for event in EVENTS}
        self._around: dict[str, list[Callback]] = {event: [] for event in EVENTS}
        self._listeners = _Audience()
        self._orderly = _Audience()
        self._all = _Audience()
        self.watched: set[str] = set()
        """The events in which any callback takes part."""
        self.answers: Answers = Answers(get=lambda _id: None, due=lambda _name: None)
        """What the app answers that it belongs to; without one, nothing."""
        self._further: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def begin(self) -> None:
        """Mark the point from which ``take_over`` takes registrations: callbacks beside the plugins."""
        self._further = []

    def take_over(self, former: Lifecycle) -> None:
        """Register what was registered with *former* since its ``begin``."""
        for how, arguments, options in former._further:
            getattr(self, how)(*arguments, **options)

    def before(self, event: str, callback: Callback) -> None:
        """Call *callback* before each *event*. Raises CallbackError for an unknown event."""
        self._register(self._before, event, callback)
        self._further.append(("before", (event, callback), {}))

    def after(self, event: str, callback: Callback) -> None:
        """Call *callback* after each *event* whose body did not raise. Raises CallbackError for an unknown event."""
        self._register(self._after, event, callback)
        self._further.append(("after", (event, callback), {}))

    def around(self, event: str, callback: Callback) -> None:
        """Call *callback(proceed, ...)* in place of each *event*. Raises CallbackError for an unknown event."""
        self._register(self._around, event, callback)
        self._further.append(("around", (event, callback), {}))

    def on_notice(self, listener: Callable[[Notice], None], *kinds: type[Notice] | UnionType) -> None:
        """Call *listener* with every notice, or with those of some *kinds*. Raises CallbackError if it must be awaited.

        It hears of the end of a run once that is stored, which the next run does not wait for.
        """
        self._listen(_Listener(listener, kinds))

    def on_notice_in_order(
        self,
        listener: Callable[[Notice], None],
        *kinds: type[Notice] | UnionType,
        wants: Callable[[NoticeKind], bool] | None = None,
    ) -> None:
        """Like ``on_notice``, but *listener* hears of the end of a run before its thread starts the next one.

        Notices of a kind for which *wants* returns false are not made just for this listener.
        """
        self._listen(_Listener(listener, kinds, wants), in_order=True)

    def _listen(self, listener: _Listener, *, in_order: bool = False) -> None:
        if in_order:
            orderly, others = (*self._orderly.listeners, listener), self._listeners.listeners
        else:
            orderly, others = self._orderly.listeners, (*self._listeners.listeners, listener)
        audiences = _Audience(*orderly), _Audience(*others), _Audience(*orderly, *others)
        _check("notices", listener.call)
        self._orderly, self._listeners, self._all = audiences
        self._further.append(("_listen", (listener,), {"in_order": in_order}))

    def forget(self, listener: Callable[[Notice], None]) -> None:
        """Stop calling *listener*."""
        forgotten = [one for one in self._listeners.listeners if one.call == listener]
        self._listeners = _Audience(*(one for one in self._listeners.listeners if one not in forgotten))
        self._all = _Audience(*self._orderly.listeners, *self._listeners.listeners)
        self._further = [one for one in self._further if one[1][0] not in forgotten or one[2]["in_order"]]

    def hears(self, kind: NoticeKind) -> bool:
        """Whether anybody wants notices of a *kind*: else none need be made."""
        if self._listeners[kind]:
            return True
        for listener in self._orderly[kind]:  # noqa: SIM110 - each enqueue asks: a generator costs more than the answer
            if listener.wants is None or listener.wants(kind):
                return True
        return False

    def notify(self, notice: Notice, *, is_foretold: bool = False) -> None:
        """Tell all listeners; those who listen in order skip what *is_foretold* to them.

        What one of them raises is told to the others, as whoever has news must go on.
        """
        self._tell((self._listeners if is_foretold else self._all)[type(notice)], notice)

    def foretell(self, notice: Notice) -> None:
        """Tell how a run ended to those who listen in order, before its result is stored."""
        if listeners := self._orderly[type(notice)]:
            self._tell(listeners, notice)

    def report_exception(
        self, worker: str, what: str, job: Job | None = None, *, clean: Callable[[str], str] = str
    ) -> None:
        """Report the exception being handled, which *what* raised and nothing depends on.

        *clean* takes the secrets out of its text.
        """
        self.notify(CallbackRaised(worker, job, what, clean(_current_trace())))

    def _tell(self, listeners: tuple[_Listener, ...], notice: Notice) -> None:
        for listener in listeners:
            try:
                if (result := listener.call(notice)) is not None:
                    ran("a listener to notices", result)
            except Exception:  # noqa: BLE001 - a listener of the app's may raise anything
                self._tell_others(listener, notice)

    def _tell_others(self, deaf: _Listener, notice: Notice) -> None:
        complaint = CallbackRaised(getattr(notice, "worker", ""), None, "a listener to notices", _current_trace())
        for listener in self._all[CallbackRaised]:
            if listener.call is not deaf.call:
                with contextlib.suppress(Exception):  # its own fault has been reported already, or will be
                    listener.call(complaint)

    def run(self, event: str, *arguments: object, body: Callable[[], T]) -> T:
        """Run *body* as the given *event* and return its value.

        Raises CallbackError for an unknown event or the wrong number of *arguments*.
        """
        expected = EVENTS.get(event)
        if expected is None or len(arguments) != len(expected):
            raise CallbackError(_misuse(event, arguments))
        if event not in self.watched:
            return body()
        for callback in self._before[event]:
            ran(f"a callback before {event}", callback(*arguments))
        result = self._surrounded(event, arguments, body)()
        for callback in self._after[event]:
            ran(f"a callback after {event}", callback(*arguments))
        return result

    def run_surely(self, event: str, *arguments: object, body: Callable[[], T]) -> T:
        """Like ``run``, for a *body* that must not be left out. Raises NotRunError if a plugin does that.

        What *body* returned is returned, though a callback around it forgets to.
        """
        if event in EVENTS and event not in self.watched:
            return body()
        begun: list[bool] = []
        results: list[T] = []

        def noted() -> T:
            begun.append(True)
            results.append(body())
            return results[0]

        result = self.run(event, *arguments, body=noted)
        if not begun:
            raise NotRunError(
                f"a plugin around {event} did not let it happen: it must call proceed() and return its value"
            )
        return results[0] if results else result

    def _surrounded(self, event: str, arguments: tuple[object, ...], body: Callable[[], T]) -> Callable[[], T]:
        for callback in reversed(self._around[event]):
            body = _around(event, callback, arguments, body)
        return body

    def _register(self, callbacks: dict[str, list[Callback]], event: str, callback: Callback) -> None:
        if event not in EVENTS:
            raise CallbackError(f"unknown lifecycle event {event!r}: use one of {', '.join(EVENTS)}")
        _check(event, callback)
        callbacks[event].append(callback)
        self.watched.add(event)


@dataclass(frozen=True, slots=True, eq=False)
class _Listener:
    """What is called with notices: those of some *kinds*, or all, and which of them it *wants* as things stand."""

    call: Callable[[Notice], object]
    kinds: tuple[type[Notice] | UnionType, ...] = ()
    wants: Callable[[NoticeKind], bool] | None = None


class _Audience(dict[NoticeKind, tuple[_Listener, ...]]):
    """Those of some *listeners* who hear notices of a kind, worked out when the first one comes."""

    def __init__(self, *listeners: _Listener) -> None:
        super().__init__()
        self.listeners = listeners

    def __missing__(self, kind: type[Notice]) -> tuple[_Listener, ...]:
        self[kind] = heard = tuple(one for one in self.listeners if not one.kinds or issubclass(kind, one.kinds))
        return heard


@dataclass(frozen=True, slots=True, eq=False)
class Reporter:
    """The lifecycle as one worker uses it: its notices carry the worker's name, its events the worker."""

    lifecycle: Lifecycle
    name: str
    worker: object = None

    def tell(self, kind: Callable[Concatenate[str, P], Notice], *facts: P.args, **more: P.kwargs) -> None:
        """Send all listeners, if there are any, a notice of that *kind*, whose first field is the worker's name."""
        if self.lifecycle.hears(kind):
            self.lifecycle.notify(kind(self.name, *facts, **more))

    def report_exception(self, what: str, job: Job | None = None, *, clean: Callable[[str], str] = str) -> None:
        """Like ``Lifecycle.report_exception``."""
        self.lifecycle.report_exception(self.name, what, job, clean=clean)

    def run(self, event: str, *arguments: object, body: Callable[[], T]) -> T:
        """Run *body* as an event whose first argument is the worker."""
        return self.lifecycle.run(event, self.worker, *arguments, body=body)

    def run_surely(self, event: str, *arguments: object, body: Callable[[], T]) -> T:
        """Like ``run``, for a *body* that must not be left out. Raises NotRunError if a plugin does that."""
        return self.lifecycle.run_surely(event, self.worker, *arguments, body=body)


@public
class Plugin:
    """Base class of plugins: override ``register`` and attach callbacks. Source: delayed_job, ``Plugin``."""

    def register(self, lifecycle: Lifecycle) -> None:
        """Attach this plugin's callbacks to *lifecycle*; called once for each app."""
        raise NotImplementedError(f"{type(self).__name__} must override register(lifecycle)")

    def problem(self) -> tuple[str, str] | None:
        """Return what is wrong with how it is set up, and what to do about it, for ``mongojobs doctor``."""
        return None


def _current_trace() -> str:
    try:
        return traceback.format_exc()
    except Exception as unreadable:  # noqa: BLE001 - a stranger's exception; whoever tells of it must go on
        return f"(the traceback cannot be written: {type(unreadable).__name__})"


def _check(event: str, callback: object) -> None:
    if not callable(callback):
        raise CallbackError(f"a callback for {event} must be callable, got {callback!r}")
    if is_async(callback) or generator_kind(callback):
        raise CallbackError(
            f"a callback for {event} must be a plain function, since nothing awaits or consumes it, got {callback!r}:"
            " write `def` for it, and asyncio.run(...) inside where it must await"
        )


def _around(event: str, callback: Callback, arguments: tuple[object, ...], body: Callable[[], T]) -> Callable[[], T]:
    def proceed() -> T:
        result: T = ran(f"a callback around {event}", callback(body, *arguments))
        return result

    return proceed


def _misuse(event: str, arguments: tuple[object, ...]) -> str:
    if event not in EVENTS:
        return f"unknown lifecycle event {event!r}: use one of {', '.join(EVENTS)}"
    names = EVENTS[event]
    return f"the event {event} takes the arguments ({', '.join(names)}), got {len(arguments)}"
