"""What people and their tools do with one schedule: pause and resume it, run it now, backfill, edit and remove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Unpack

from mongojobs.core.clock import truncate
from mongojobs.core.errors import DeserializationError, OptionError, ScheduleError
from mongojobs.core.job import Document, Job
from mongojobs.core.limits import LONGEST_NAME, cut
from mongojobs.enqueuing.options import Options
from mongojobs.enqueuing.twins import twin
from mongojobs.payload.calls.handler import Call, Payloads, call_with
from mongojobs.schedules.declared import EveryOptions, check_uniqueness, checked_options
from mongojobs.schedules.declaring import changes
from mongojobs.schedules.definition import Said
from mongojobs.schedules.schedule import Result, Schedule, Tick, tick_id
from mongojobs.schedules.store import ScheduleStore
from mongojobs.schedules.ticks import TickEnqueuer
from mongojobs.store.faults import plain_errors
from mongojobs.unique.terms import NAMES

MOST_BACKFILLED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """What the handles of schedules share: *wake* tells the workers, *declarers* which of them declare a schedule."""

    store: ScheduleStore
    payloads: Payloads
    enqueuer: TickEnqueuer
    wake: Callable[[], object]
    declarers: Callable[[str], list[str]]


class ScheduleHandle:
    """One schedule of an app.

    All methods raise ScheduleError where there is none of this name, and StoreUnavailableError.
    """

    def __init__(self, name: str, scheduling: Scheduling) -> None:
        self.name = name
        self._shared = scheduling
        self._store = scheduling.store

    def __repr__(self) -> str:
        return f"<schedule {self.name}>"

    @plain_errors()
    def get(self) -> Schedule:
        """Return it as it is in the database."""
        found = self._store.get(self.name)
        if found is None:
            raise self._none()
        return found

    @plain_errors()
    def pause(self, why: str = "", until: datetime | None = None, *, by: str | None = None) -> Schedule:
        """Pause its ticks until *until*, or until ``resume``; what falls due meanwhile is never caught up."""
        now = self._store.clock.now()
        end = None if until is None else _moment("until", until)
        if end is not None and end <= now:
            raise ScheduleError(f"until must be in the future, got {until}")
        paused = {"at": now, "why": _text("why", why), "by": _person(by), "until": end}

        def edit(found: Schedule) -> Document:
            next_run_at = None if end is None else found.next_after(max(end, now))
            return {"paused": {key: value for key, value in paused.items() if value}, "next_run_at": next_run_at}

        return self._edit(edit)

    @plain_errors()
    def resume(self) -> Schedule:
        """Resume its ticks, from the next one on. Raises ScheduleError if it was not paused."""
        now = self._store.clock.now()

        def edit(found: Schedule) -> Document:
            if not found.is_paused(now):
                raise ScheduleError(f"cannot resume the schedule {self.name!r}: it is not paused")
            return {"paused": None, "next_run_at": found.next_after(now)}

        return self._edit(edit)

    @plain_errors()
    def run_now(self, *, by: str | None = None) -> Job:
        """Enqueue its job now, whatever else is waiting or running, and return it; its ticks stay as they are.

        Raises ScheduleError where it cannot be enqueued, as when another job holds its unique key.
        """
        found, now = self.get(), self._store.clock.now()
        tick = self._enqueued(found, now, "by hand", by)
        if tick.result != "by hand":
            raise ScheduleError(f"the schedule {self.name!r}: {tick.why}")
        self._store.note(self.name, [tick], [tick_id(self.name, now)])
        return self._store.jobs([tick_id(self.name, now)])[tick_id(self.name, now)]

    @plain_errors()
    def backfill_count(self, since: datetime, until: datetime) -> int:
        """Return how many jobs ``backfill`` would enqueue."""
        return len(self._between(self.get(), since, until))

    @plain_errors()
    def backfill(self, since: datetime, until: datetime, *, by: str | None = None) -> int:
        """Enqueue the jobs of all ticks from *since* up to, and without, *until*, whatever else waits or runs.

        Those that are there already stay as they are. Returns how many ticks there are. Raises ScheduleError, with the
        others enqueued, where some cannot be, as when another job holds their unique key.
        """
        found = self.get()
        moments = self._between(found, since, until)
        ticks = [self._enqueued(found, at, "backfilled", by) for at in moments]
        done = [tick for tick in ticks if tick.result == "backfilled"]
        refused = [tick for tick in ticks if tick.result != "backfilled"]
        if done:
            self._store.note(self.name, [_of_many(done)], [tick_id(self.name, tick.at) for tick in done])
        if refused:
            raise ScheduleError(f"{len(refused)} of {len(ticks)} ticks were not enqueued; the first: {refused[0].why}")
        return len(ticks)

    @plain_errors()
    def edit(
        self,
        when: object = None,
        *,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        by: str | None = None,
        **said: Unpack[EveryOptions],
    ) -> Schedule:
        """Change when it is due, with what its job is called, and what else is *said*; None takes an option back.

        Of *args* and *kwargs*, what is not given stays, but of a job object, which is made anew. All of it holds as
        long as the code, if it is from there, says the same. Raises ScheduleError, EnqueueError.
        """
        now = self._store.clock.now()
        if not said and all(one is None for one in (when, args, kwargs)):
            raise OptionError(
                f"nothing to change in the schedule {self.name!r}: give when it is due, or an option such as tz=..."
            )

        def edit(found: Schedule) -> Document:
            spec = self._spec(found, when, said, args, kwargs)
            changed = {field: value for field, value in spec.items() if found.spec.get(field) != value}
            edited = {field: {"at": now, "by": _person(by)} for field in changed}
            return changes(found, changed, now=now) | {"edited": {**found.edited, **edited}}

        return self._edit(edit)

    @plain_errors()
    def remove(self) -> None:
        """Forget it; its jobs stay. Raises ScheduleError for one that a living worker declares: it would come back."""
        declarers = self._shared.declarers(self.name) if self.get().source == "code" else []
        if declarers:
            raise ScheduleError(
                f"cannot remove the schedule {self.name!r}: the code of the worker {declarers[0]} declares it; pause"
                " it, or remove its @every"
            )
        self._store.remove(self.name)

    aget: Final = twin(get)
    apause: Final = twin(pause)
    aresume: Final = twin(resume)
    arun_now: Final = twin(run_now)
    abackfill_count: Final = twin(backfill_count)
    abackfill: Final = twin(backfill)
    aedit: Final = twin(edit)
    aremove: Final = twin(remove)

    def _spec(
        self,
        found: Schedule,
        when: object,
        said: Mapping[str, Any],
        args: Sequence[object] | None,
        kwargs: Mapping[str, object] | None,
    ) -> Document:
        """Return what is said of *found* with these changes, checked as where it was first said."""
        about_ticks = {name: value for name, value in said.items() if name in Said.__annotations__}
        about_jobs = {name: value for name, value in said.items() if name not in Said.__annotations__}
        taken_back = {name for name, value in about_jobs.items() if value is None}
        options = {**found.options, **self._encoded(checked_options(about_jobs))}
        options = {name: value for name, value in options.items() if name not in taken_back}
        spec = {**found.spec, **found.said.changed(when, about_ticks).stored(), "options": options}
        if args is None and kwargs is None and not said.keys() & set(NAMES):
            return spec
        payloads, call = self._shared.payloads, self._call(found)
        if args is not None or kwargs is not None:
            call = call_with(call, args, kwargs)
            spec |= {"job_name": call.name, "handler": payloads.dump(call)}
        given: Any = payloads.codec.decode(options)
        check_uniqueness(self.name, call, spec["handler"], Options.of(given), payloads)
        return spec

    def _edit(self, edit: Callable[[Schedule], Document]) -> Schedule:
        def checked(found: Schedule | None) -> Document:
            if found is None:
                raise self._none()
            return edit(found)

        changed = self._store.edit(self.name, checked)
        self._shared.wake()
        if changed is None:
            raise self._none()
        return changed

    def _enqueued(self, found: Schedule, at: datetime, result: Result, by: str | None) -> Tick:
        try:
            return self._shared.enqueuer.enqueue(found, at, result, by=_person(by))
        except DeserializationError as error:
            raise self._unknown(error) from error

    def _call(self, found: Schedule) -> Call:
        try:
            return self._shared.payloads.load(found.handler)
        except DeserializationError as error:
            raise self._unknown(error) from error

    def _between(self, found: Schedule, since: datetime, until: datetime) -> list[datetime]:
        begin, end = _moment("since", since), _moment("until", until)
        if begin >= end:
            raise ScheduleError(
                f"since must be earlier than until, got since={since} and until={until}", option="until"
            )
        moments = list(islice(found.said.between(begin, end), MOST_BACKFILLED + 1))
        if len(moments) > MOST_BACKFILLED:
            raise ScheduleError(
                f"a backfill may have at most {MOST_BACKFILLED:,} ticks, and {since} to {until} has more:"
                " give a shorter period",
                option="until",
            )
        return moments

    def _encoded(self, options: Mapping[str, Any]) -> Document:
        encoded: Document = self._shared.payloads.codec.encode(dict(options), "the options")
        return encoded

    def _unknown(self, error: Exception) -> ScheduleError:
        return ScheduleError(f"this program cannot run the schedule {self.name!r}: {error}")

    def _none(self) -> ScheduleError:
        return ScheduleError(f"no schedule is called {self.name!r}: `mongojobs schedules list` shows them")


def _of_many(ticks: Sequence[Tick]) -> Tick:
    first, last = ticks[0], ticks[-1]
    return Tick(
        at=first.at, until=last.at if last is not first else None, number=len(ticks), result="backfilled", by=first.by
    )


def _moment(name: str, value: object) -> datetime:
    try:
        return truncate(value)
    except ValueError as error:
        raise ScheduleError(f"{name}: {error}", option=name) from None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ScheduleError(f"{name} must be a text, got {value!r:.100}")
    return cut(value, 1000)


def _person(by: object) -> str:
    return "" if by is None else cut(_text("by", by), LONGEST_NAME)
