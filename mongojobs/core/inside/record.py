"""What one run has told of itself, until it is stored: with the renewal of its lock, at once, or with its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn, Protocol

from mongojobs.core.clock import Clock
from mongojobs.core.errors import ProgressError, StateError
from mongojobs.core.inside.cursor import Cursor, closed
from mongojobs.core.inside.log import JobLogger, Lines, LoggingJob
from mongojobs.core.inside.progress import LONGEST_NOTE, Progress, checked
from mongojobs.core.inside.rows import Keeper, Rows
from mongojobs.core.inside.sources import Key, Source, listed
from mongojobs.core.inside.steps import Step
from mongojobs.core.inside.values import AS_THEY_ARE, Values
from mongojobs.core.limits import cut

TOLD: Final = ("progress", "steps", "cursors", "advanced")
"""The fields of a job that its runs tell."""

MOST_CURSORS: Final = 100

Entries = tuple[Mapping[str, Any], ...]


class Telling(LoggingJob, Protocol):
    """What a record knows of its job: what earlier runs have told, and the number of this one."""

    @property
    def fence(self) -> int:
        """The number of the run."""
        ...

    @property
    def progress(self) -> Progress | None:
        """How far the job is."""
        ...

    @property
    def steps(self) -> Entries:
        """The steps that are done."""
        ...

    @property
    def cursors(self) -> Entries:
        """Where its passes over rows are."""
        ...

    def note(self, **told: object) -> None:
        """Let the job be seen as it has told."""
        ...


def _wait_nowhere(coroutine: Coroutine[Any, Any, object]) -> NoReturn:
    coroutine.close()
    raise StateError("nothing is awaited here")


@dataclass(frozen=True, slots=True)
class Means:
    """What a record needs of the place where the job runs.

    *clean* takes the secrets of the job out of a text; *on_move* is called after each move. *may_save* raises
    ProgressError where nothing can be stored; *save* stores what was told at once, and raises what ends the run if the
    job is lost. *source* finds rows; *look* raises what ends the run, if something does; *on_aside* is told of the name
    of rows, the row left out, and how many workers died at it. *lines* opens what takes what it logs, if that is kept.
    *wait* runs a coroutine to its end where ``async def`` jobs run.
    """

    clock: Clock
    values: Values = AS_THEY_ARE
    clean: Callable[[str], str] = str
    on_move: Callable[[Told], object] = lambda _told: None
    may_save: Callable[[], object] = lambda: None
    save: Callable[[Told], object] = lambda _told: None
    source: Callable[[Any, Key], Source] = listed
    look: Callable[[], object] = lambda: None
    on_aside: Callable[[str, str, int], object] = lambda _rows, _row, _deaths: None
    wary: float = 60.0
    lines: Callable[[], Lines | None] = lambda: None
    wait: Callable[[Coroutine[Any, Any, object]], object] = _wait_nowhere


class Told:
    """What a run has told elsewhere, in a child, as it came here last.

    It is not stored yet while there are more ``moves`` than were ``stored``. Whoever stores it reads their number
    *before* the fields: what moves in between is stored the next time.
    """

    def __init__(self) -> None:
        self.moves: int = 0
        self.stored = 0
        self._fields: dict[str, Any] = {}

    @property
    def is_moved(self) -> bool:
        """Whether something is not stored yet."""
        return self.moves > self.stored

    @property
    def is_brief(self) -> bool:
        """Whether what is to be stored is little: it has no steps, whose values may be large."""
        return "steps" not in self._fields

    def fields(self) -> dict[str, Any]:
        """Return what is to be stored, as fields of the job."""
        return self._fields

    def closing(self) -> dict[str, Any]:
        """Return what is to be stored with the end of the run, if that comes in order: nobody is in the rows then."""
        fields = self.fields()
        return {**fields, "cursors": tuple(map(closed, fields["cursors"]))} if "cursors" in fields else fields

    def take(self, fields: dict[str, Any]) -> None:
        """Note what was told."""
        self._fields = {**self._fields, **fields}
        self._note_move()

    def _note_move(self) -> None:
        self.moves += 1


class Record(Told):
    """What a run has told here: the thread of the job writes it, those that store it read it."""

    def __init__(self, job: Telling, means: Means) -> None:
        super().__init__()
        self._job = job
        self._means = means
        self._began: tuple[float, float] | None = None
        self._moved_at = 0.0
        self._says_itself = False
        self._steps: dict[str, Step] = {}
        self._cursors: dict[str, Cursor] = {}
        self._passes: set[str] = set()
        self._log: JobLogger | None = None

    def fields(self) -> dict[str, Any]:
        """Return what is to be stored, as fields of the job."""
        fields = dict(self._fields)
        if self._job.progress is not None and self._began is not None:
            since = timedelta(milliseconds=int((time.monotonic() - self._moved_at) * 1000))
            fields["progress"] = self._job.progress.said(self._means.clock.now() - since)
        if self._passes:
            fields["cursors"] = tuple([cursor.stored() for cursor in [*self._cursors.values()]])
        return fields

    @property
    def log(self) -> JobLogger:
        """What the job logs with."""
        if self._log is None:
            self._log = JobLogger(self._job, self._means.lines())
        return self._log

    def clean(self, text: str) -> str:
        """Return *text* without the secrets of the job."""
        return self._means.clean(text)

    def set_progress(self, done: object, of: object, note: object) -> None:
        """Note how far the job is. Raises ProgressError."""
        if not isinstance(note, str):
            raise ProgressError(f"note must be a text, got {note!r:.100}")
        count, whole = checked("done", done), None if of is None else checked("of", of)
        text = cut(self._means.clean(note), LONGEST_NOTE) if note else ""
        self._says_itself = True
        self._job.note(progress=Progress(done=count, of=whole, note=text, rate=self._rate(count)))
        self._move()

    def step(self, name: object) -> Step:
        """Return the step called *name*. Raises ProgressError for a name that is none, or was there in this run."""
        values = self._means.values
        done = {str(entry.get("name")): entry for entry in self._job.steps}
        step = Step(values.name("a step", name, self._steps), done.get(str(name)), values, self._finish)
        self._steps[step.name] = step
        return step

    def each(self, rows: Any, key: Key, *, name: object, skip_after: object, of: object) -> Rows:
        """Return a pass over *rows*. Raises ProgressError for what cannot be gone through, or not like this."""
        if skip_after is not None and not (isinstance(skip_after, int) and skip_after >= 1):
            raise ProgressError(f"skip_after must be a whole number of 1 or more, or None, got {skip_after!r:.100}")
        source, values = self._means.source(rows, key), self._means.values
        whole = source.size if of is None else checked("of", of)
        called = values.name("rows", source.name if name is None else name, self._passes)
        cursor = self._cursor(called)
        keeper = Keeper(
            encode=lambda one: values.encode(one, f"the key of the rows {called!r}"),
            decode=lambda stored: values.decode(stored, f"the key of the rows {called!r}"),
            look=self._means.look,
            save=self._save,
            moved=self._move,
            done=lambda count: self._count(count, whole),
            set_aside=self._set_aside,
            wary=self._means.wary,
        )
        return Rows(source, cursor, keeper, skip_after=skip_after)

    def _cursor(self, name: str) -> Cursor:
        """Return where the pass of this name is."""
        self._cursors = self._cursors or {one.name: one for one in map(Cursor.read, self._job.cursors)}
        if name not in self._cursors and len(self._cursors) >= MOST_CURSORS:
            raise ProgressError(f"a job goes through at most {MOST_CURSORS} kinds of rows, and {name!r} is one more")
        self._passes.add(name)
        return self._cursors.setdefault(name, Cursor(name))

    def _count(self, count: int, whole: float | None) -> None:
        """Note that so many rows are done, and show it unless the job says itself how far it is."""
        if not self._says_itself:
            self._job.note(progress=Progress(done=count, of=whole, rate=self._rate(count)))
        if "advanced" in self._fields:
            self._move()
        else:
            self._tell()

    def _set_aside(self, cursor: Cursor, row: str) -> None:
        deaths, shown = cursor.deaths, cut(self._means.clean(row), LONGEST_NOTE)
        cursor.set_aside(shown, self._means.clock.now())
        self._means.on_aside(cursor.name, shown, deaths)

    def _save(self) -> None:
        self._move()
        self._means.save(self)

    def _finish(self, entry: Mapping[str, Any]) -> None:
        """Keep a step that is done, and store it. Raises ProgressError if there is no room for it, or this no place."""
        self._means.may_save()  # first: a step that is refused is not done, for the next run neither
        steps = (*self._job.steps, {**entry, "at": self._means.clock.now()})
        self._means.values.check_size(entry["name"], steps)
        self._job.note(steps=steps)
        self._tell(steps=steps)
        self._means.save(self)

    def _tell(self, **told: object) -> None:
        """Note what shows that the job gets on: its next run does not have to do that again."""
        advanced = {"advanced": self._job.fence, **told}
        self._job.note(**advanced)
        self._fields = {**self._fields, **advanced}
        self._move()

    def _move(self) -> None:
        self._note_move()
        self._means.on_move(self)

    def _rate(self, done: float) -> float | None:
        """Return how much was done a second since this run first said how far it is."""
        now = self._moved_at = time.monotonic()
        if self._began is None or done < self._began[1]:
            self._began = now, done
        since, begun_with = self._began
        return (done - begun_with) / (now - since) if done > begun_with and now > since else None
