"""The schedules that code declares, with ``@every``; a worker stores them when it starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, Unpack

from mongojobs.core.errors import OptionError, RegistrationError
from mongojobs.core.job import Document
from mongojobs.core.words.naming import public
from mongojobs.enqueuing.asynchronous import BoundAsynchronousMethod
from mongojobs.enqueuing.functions import Delayer, JobFunction
from mongojobs.enqueuing.options import EnqueueOptions, Options
from mongojobs.enqueuing.uniqueness import rules_of
from mongojobs.payload.calls.handler import Call, Payloads, function_call, method_call, object_call
from mongojobs.payload.registry import registry
from mongojobs.schedules.definition import Definition, Said, schedule_name

T = TypeVar("T")

NOT_OF_TICKS: Final = ("run_at", "run_in", "expires_at", "session", "job_id")
"""The options of an enqueue that a tick decides."""


class EveryOptions(Said, EnqueueOptions, total=False):
    """The options of a schedule: those of its ticks, and those of each tick's enqueue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSchedule:
    """A schedule before it is stored: when, and what call with which options."""

    name: str
    definition: Definition
    call: Callable[[], Call]
    options: Mapping[str, Any]

    def stored(self, payloads: Payloads) -> Document:
        """Return it as it is stored. Raises EnqueueError for a call that no tick could enqueue."""
        call = self.call()
        handler = payloads.dump(call)
        check_uniqueness(self.name, call, handler, Options.of(self.options), payloads)
        return {
            **self.definition.stored(),
            "job_name": call.name,
            "handler": handler,
            "options": payloads.codec.encode(dict(self.options), "the options"),
        }


class DeclaredSchedules:
    """The schedules of this process by name: those of all modules imported so far."""

    def __init__(self) -> None:
        self._declared: dict[str, tuple[object, DeclaredSchedule]] = {}

    def add(self, target: object, schedule: DeclaredSchedule) -> None:
        """Declare *schedule* of *target*; once more when its module is loaded again. Raises RegistrationError."""
        there = self._declared.get(schedule.name)
        if there is not None and _place(there[0]) != _place(target):
            raise RegistrationError(f"two schedules are called {schedule.name!r}: give one of them another name=...")
        if there is not None and there[0] is target:
            raise RegistrationError(f"{schedule.name!r} has two schedules: give each of them a name=... of its own")
        self._declared[schedule.name] = target, schedule

    def all(self) -> list[DeclaredSchedule]:
        """Return them, by name."""
        return [schedule for _, (_, schedule) in sorted(self._declared.items())]


schedules: Final = DeclaredSchedules()
"""The schedules of this process."""


@public
def every(
    when: object,
    /,
    *,
    name: str | None = None,
    args: Sequence[object] = (),
    kwargs: Mapping[str, object] | None = None,
    **said: Unpack[EveryOptions],
) -> Callable[[T], T]:
    """Make a job recur: ``@every("0 9 * * mon-fri", tz="Europe/Athens")``, next to ``@job``.

    *when* is cron, a duration such as ``15m``, or words such as ``weekday at 9:00``. Workers enqueue it with *args* and
    *kwargs*, of a class an instance made of them. Several may be stacked, each with a *name*. Takes what ``Said`` lists
    and the options of an enqueue. Raises ScheduleError, OptionError, RegistrationError.
    """
    definition, options = split(when, dict(said))

    def declare(target: T) -> T:
        function: Any = target.declaration.target if isinstance(target, JobFunction) else target
        if not callable(function) or not hasattr(function, "__qualname__"):
            raise RegistrationError(f"@every is for jobs: functions and classes with @job, got {target!r:.200}")
        label = name or f"{function.__module__}.{function.__qualname__}"
        schedule = DeclaredSchedule(
            name=schedule_name(label),
            definition=definition,
            call=lambda: _call_of(function, args, kwargs or {}),
            options=options,
        )
        schedules.add(function, schedule)
        return target

    return declare


def split(when: object, said: Mapping[str, Any]) -> tuple[Definition, dict[str, Any]]:
    """Return what was *said* as a definition and the options of the enqueues, both checked."""
    definition = Definition.of(when, {key: value for key, value in said.items() if key in Said.__annotations__})
    return definition, checked_options({key: value for key, value in said.items() if key not in Said.__annotations__})


def checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of enqueues that were *given*, of which a tick decides some itself. Raises OptionError."""
    for name in NOT_OF_TICKS:
        if name in given:
            raise OptionError(
                f"a schedule takes no {name}, got {given[name]!r:.100}: leave it out, each of its ticks has its own"
            )
    options = Options.of(given)
    return {name: getattr(options, name) for name in given if given[name] is not None}


def check_uniqueness(name: str, call: Call, handler: Document, options: Options, payloads: Payloads) -> None:
    """Refuse options about a unique key with which the schedule *name* could not enqueue *call*. Raises OptionError."""
    rules = rules_of(call, options)
    if rules is None:
        return
    rules.key(call, handler, payloads.codec)
    if rules.terms.debounce is not None:
        raise OptionError(
            f"the schedule {name!r} cannot debounce {call.name}: its ticks say when their jobs are due; let it call a"
            " job without debounce",
            option="debounce",
        )


def call_of(job: object, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
    """Return the call of *job*, a job function, a method of a saved document or of a class, or a job object.

    Raises NotAJobError, ArgumentsError.
    """
    if isinstance(job, Call):
        return job
    if isinstance(job, JobFunction):
        return function_call(job.declaration, args, kwargs)
    if isinstance(job, Delayer):
        raise OptionError(
            f"a schedule takes the options itself: give it the function instead of {job!r}, and queue=... beside it"
        )
    if isinstance(job, BoundAsynchronousMethod):
        job = job.without_delay
    if inspect.ismethod(job):
        return method_call(job.__self__, job.__name__, args, kwargs)
    if args or kwargs:
        raise OptionError(f"args and kwargs are for functions and methods, but {job!r:.100} is an object")
    return object_call(job)


def _call_of(target: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
    """Return the call of what is below ``@every``, which must be a declared job. Raises RegistrationError."""
    declaration = registry.of(target)
    if declaration is None:
        raise RegistrationError(f"{target.__qualname__} has @every but no @job: put @job above it")
    if declaration.kind == "object":
        return object_call(target(*args, **kwargs))
    return function_call(declaration, args, kwargs)


def _place(target: Any) -> str:
    return f"{target.__module__}.{target.__qualname__}"
