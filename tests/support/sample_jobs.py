"""Jobs for tests, each named for its plot; what they do is written down in ``recorder``."""

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import mongojobs
from mongojobs import Discard, Job, Snooze, current_job, job


class Recorder:
    """What jobs did, in order: the name of each deed, with its facts."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, ...]] = []

    def note(self, deed: str, *facts: Any) -> None:
        self._entries.append((deed, *facts))

    def clear(self) -> None:
        self._entries.clear()

    @property
    def deeds(self) -> list[str]:
        return [entry[0] for entry in self._entries]

    def facts(self, deed: str) -> list[Any]:
        """Return what was noted with each *deed*; a single fact stands for itself."""
        facts = [entry[1:] for entry in self._entries if entry[0] == deed]
        return [fact[0] if len(fact) == 1 else fact for fact in facts]


recorder = Recorder()
gate = threading.Event()
"""Closed at the start of each test: what `waits_at_the_gate` waits for."""


class NoLuckError(Exception):
    """What the jobs that fail raise."""


@job
def remember(*args: Any, **kwargs: Any) -> None:
    recorder.note("remembered", args, kwargs)


@job
def takes_any_name(*_args: Any, **names: Any) -> None:
    recorder.note("names", names)


@job
def remember_one(value: object) -> str:
    recorder.note("remembered", value)
    return "noted"


@job
def remember_and_fail(value: object) -> None:
    recorder.note("remembered", value)
    raise NoLuckError("no luck")


@job(queue="declared", priority=7)
def remember_as_declared(value: object = None) -> None:
    recorder.note("remembered", value)


@job
async def remember_later(value: object) -> None:
    recorder.note("remembered", value)


@job
def remember_where(_value: object = None) -> None:
    recorder.note("thread", threading.current_thread().name)


@job
def look_at_the_job() -> None:
    recorder.note("job", current_job())


@job
def always_fails(message: str = "no luck") -> None:
    recorder.note("tried")
    raise NoLuckError(message)


@job(max_attempts=1)
def fails_once_and_for_all(message: str = "no luck") -> None:
    recorder.note("tried")
    raise NoLuckError(message)


@job
def fails_without_a_message() -> None:
    raise NoLuckError


@job
def exits() -> None:
    raise SystemExit(3)


@job
def succeeds_on_third_try() -> None:
    this = current_job()
    assert this is not None
    recorder.note("tried", this.attempts)
    if this.attempts < 2:
        raise NoLuckError("not yet")


@job
def waits_at_the_gate(name: str = "") -> None:
    recorder.note("arrived", name)
    gate.wait(10)
    recorder.note("passed", name)


@job
def goes_on_for(seconds: float) -> None:
    """Work in short steps, as code that can be interrupted does."""
    this, never = current_job(), threading.Event()
    assert this is not None
    recorder.note("began")
    for _ in range(int(seconds * 100)):
        never.wait(0.01)
    recorder.note("ended")


@job
def swallows_everything() -> None:
    """Never ends by itself, and mistakes each exception for its own error."""
    never = threading.Event()
    try:
        while True:
            never.wait(0.01)
    except BaseException:  # noqa: BLE001 - what it is about
        recorder.note("swallowed")


@job
def watches_for_the_stop() -> None:
    this, never = current_job(), threading.Event()
    assert this is not None
    recorder.note("began")
    while not this.stopping:
        never.wait(0.01)
    recorder.note("stopped")


@job
def snoozes(seconds: float) -> None:
    raise Snooze(seconds)


@job
def discards(reason: str) -> None:
    raise Discard(reason)


@job(discard_on=NoLuckError)
def fails_and_is_discarded() -> None:
    raise NoLuckError("of no interest")


@job(retry_on=(ConnectionError,))
def retries_only_on_lost_connections(error: str) -> None:
    raise {"lost": ConnectionError, "other": NoLuckError}[error](error)


@job(backoff=lambda attempts: timedelta(minutes=attempts))
def fails_with_a_backoff() -> None:
    raise NoLuckError("no luck")


@job(name="a name of its own")
def remember_under_a_name() -> None:
    recorder.note("remembered")


@job
def loses_its_lock() -> None:
    """Be taken over by another worker while it runs."""
    this = current_job()
    assert this is not None
    mongojobs.default_app().store.collection.update_one({"_id": this.id}, {"$set": {"lock_token": "another"}})


@job
def loses_its_lock_and_fails() -> None:
    loses_its_lock()
    raise NoLuckError("too late")


@job
def enqueues_another(value: object) -> None:
    remember_one.delay(value)


@job(on_missing="discard")
def forgets_what_is_gone(thing: object) -> None:
    recorder.note("found", thing)


@job(on_missing="retry")
def waits_for_what_is_gone(thing: object) -> None:
    recorder.note("found", thing)


@job
@dataclass
class Newsletter:
    """A plain job object."""

    text: str = "hello"
    attachment: Any = None

    def perform(self) -> None:
        recorder.note("sent", self.text)


class Namespace:
    @job
    @dataclass
    class Nested:
        def perform(self) -> None:
            recorder.note("nested")


@job
@dataclass
class NewsletterOfQueue(Newsletter):
    """Names its queue; None names none."""

    queue_name: str | None = "own"


@job
@dataclass
class NewsletterOfName(Newsletter):
    def display_name(self) -> str:
        return f"newsletter {self.text}"


@job
@dataclass
class Unhurried:
    """Takes its time, and has its own limit."""

    seconds: float = 0.3
    max_run_time: timedelta | float | None = None

    def perform(self) -> None:
        goes_on_for(self.seconds)


@job
@dataclass
class AlwaysFails:
    """Fails each time; its fields are delayed_job's overrides, None for one that it has not."""

    max_attempts: int | None = None
    destroy_failed_jobs: bool | None = None

    def perform(self) -> None:
        recorder.note("tried")
        raise NoLuckError("no luck")


@job
@dataclass
class AlwaysFailsAndTells(AlwaysFails):
    def failure(self, job: Job) -> None:
        recorder.note("failure", job)


@job
@dataclass
class AlwaysFailsAndFailsToTell(AlwaysFails):
    def failure(self, job: Job) -> None:
        recorder.note("failure", job)
        raise NoLuckError("nobody to tell")


@job
@dataclass
class AlwaysReschedules(AlwaysFails):
    """Says itself when to run again; None says nothing."""

    at: datetime | None = None

    def reschedule_at(self, now: datetime, attempts: int) -> datetime | None:
        recorder.note("asked", now, attempts)
        return self.at


@job
class BadOverrides:
    """Each of its overrides raises."""

    def perform(self) -> None:
        raise NoLuckError("no luck")

    def max_attempts(self) -> int:
        raise NoLuckError("a bad override")

    def max_run_time(self) -> float:
        raise NoLuckError("a bad override")

    def destroy_failed_jobs(self) -> bool:
        raise NoLuckError("a bad override")

    def reschedule_at(self, now: datetime, attempts: int) -> datetime:
        raise NoLuckError("a bad override")


@job
@dataclass
class Ceremonious:
    """Has every hook and writes each down; those that are named in *raises* raise."""

    raises: str = ""
    max_attempts: int | None = None

    def enqueue(self, job: Job) -> None:
        self._do("enqueue", job)

    def before(self, job: Job) -> None:
        self._do("before", job)

    def perform(self) -> None:
        self._do("perform")

    def success(self, job: Job) -> None:
        self._do("success", job)

    def error(self, job: Job, error: Exception) -> None:
        self._do("error", job, error)

    def after(self, job: Job) -> None:
        self._do("after", job)

    def failure(self, job: Job) -> None:
        self._do("failure", job)

    def _do(self, deed: str, *facts: Any) -> None:
        recorder.note(deed, *facts)
        if deed in self.raises.split():
            raise NoLuckError(f"{deed} failed")


@job
@dataclass
class Laconic:
    """Has hooks that take nothing."""

    def before(self) -> None:
        recorder.note("before")

    def perform(self) -> None:
        recorder.note("perform")

    def after(self) -> None:
        recorder.note("after")


@job
@dataclass
class Snoozer(Ceremonious):
    def perform(self) -> None:
        raise Snooze(60)


@job
@dataclass
class Restless:
    """Changes itself and its job when it is enqueued."""

    words: list[str] = field(default_factory=list)
    priority: int = 3

    def enqueue(self, job: Job) -> Job:
        import dataclasses

        self.words.append("changed")
        return dataclasses.replace(job, priority=self.priority, queue="chosen by the hook")

    def perform(self) -> None:
        recorder.note("words", self.words)


@job
@dataclass
class Wayward:
    """Lets its hook return the job with *changes*; with ``None``, another thing than a job."""

    changes: ClassVar[dict[str, Any] | None] = {}

    def enqueue(self, job: Job) -> Any:
        import dataclasses

        return dataclasses.replace(job, **self.changes) if self.changes is not None else "no job"

    def perform(self) -> None:
        recorder.note("performed")


@job
@dataclass
class Meddler:
    """Changes in place what its hook is shown."""

    text: str = "as given"

    def enqueue(self, job: Job) -> Job:
        job.handler["kwargs"]["text"] = object()  # nothing that can be stored
        return job

    def perform(self) -> None:
        recorder.note("performed", self.text)


@job
@dataclass
class Patient:
    """Has hooks that are coroutines."""

    async def enqueue(self, job: Job) -> Job:
        import dataclasses

        await asyncio.sleep(0)
        return dataclasses.replace(job, queue="awaited")

    def perform(self) -> None:
        raise NoLuckError("no luck")

    async def failure(self) -> None:
        await asyncio.sleep(0)
        recorder.note("failure")


@job
@dataclass
class Coroutine:
    async def perform(self) -> None:
        recorder.note("awaited")


@dataclass
class Recipe:
    """A value that is known by a type hint only."""

    name: str


@job
def cook(recipe: Recipe) -> None:
    recorder.note("cooked", recipe)


class NotAJob:
    """Has no ``perform``."""


class NotDeclared:
    """Has ``perform``, and no ``@job``."""

    def perform(self) -> None:
        recorder.note("performed")
