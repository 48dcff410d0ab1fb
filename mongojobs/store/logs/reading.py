"""From chunks to what a run has logged, at once or piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

from mongojobs.core.inside.log import LoggedRun, LogLine, last_lines
from mongojobs.core.job import Document
from mongojobs.store import reading
from mongojobs.store.filters import EPOCH

LOGS_SUFFIX: Final = "_logs"
ORDER: Final = ("began", "fence", "n")
"""The order of the chunks of a job."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines of a log, by run; *is_all* says that there are no earlier ones."""

    runs: tuple[LoggedRun, ...] = ()
    is_all: bool = True


def tail_of(newest_first: Iterable[Document], *, lines: int, size: int) -> Tail:
    """Return the last *lines* in chunks that come *newest_first*, of *size* bytes at most."""
    runs: list[LoggedRun] = []
    for chunk in newest_first:
        [run] = runs_of([chunk])
        kept = last_lines(run.lines, size)[-lines:] if lines else ()
        lines, size = lines - len(kept), size - sum(line.size for line in kept)
        if kept:
            _put_before(runs, replace(run, lines=kept))
        if len(kept) < len(run.lines):
            return Tail(tuple(runs), is_all=False)
    return Tail(tuple(runs))


def _put_before(runs: list[LoggedRun], run: LoggedRun) -> None:
    """Put *run* before the first one of *runs*; with it, if it is the same."""
    if runs and (runs[0].began, runs[0].fence) == (run.began, run.fence):
        runs[0] = replace(runs[0], lines=run.lines + runs[0].lines)
    else:
        runs.insert(0, run)


class Pieces:
    """A log that is read while it grows."""

    def __init__(self, chunks: Callable[[Document], Iterable[Document]]) -> None:
        self._chunks = chunks
        self._last: Document | None = None

    def new(self) -> list[LoggedRun]:
        """Return what has come since the last call, by run. Raises DatabaseError.

        What was dropped is told with the first lines of a run only: later on, it is what was returned before.
        """
        last, found = self._last, list(self._chunks({} if self._last is None else _after(self._last)))
        self._last = found[-1] if found else last
        runs = runs_of(found)
        if runs and last is not None and _run_of(found[0]) == _run_of(last):
            runs[0] = replace(runs[0], dropped=0)
        return runs


def _after(last: Document) -> Document:
    """Match the chunks that follow the *last* one: of its run, of a later one at the same time, or of later ones."""
    began, fence, number = (last.get(key) for key in ORDER)
    same = {"began": {"$eq": began}}
    further = [
        {**same, "fence": {"$eq": fence}, "n": {"$gt": number}},
        {**same, "fence": {"$gt": fence}},
        {"began": {"$gt": began}},
    ]
    return {"$or": further}


def runs_of(chunks: Iterable[Document]) -> list[LoggedRun]:
    """Return the runs that *chunks* are of, which are in order."""
    return [_run(list(some)) for _, some in groupby(chunks, key=_run_of)]


def _run_of(chunk: Document) -> tuple[Any, Any]:
    return chunk.get("began"), chunk.get("fence")


def _run(chunks: list[Document]) -> LoggedRun:
    """Return the run that *chunks* are of; what is damaged in one hides nothing else."""
    first = chunks[0]
    return LoggedRun(
        attempt=reading.count(first.get("attempt")),
        fence=reading.count(first.get("fence")),
        worker=reading.text(first.get("worker")),
        began=reading.moment(first.get("began")) or EPOCH,
        lines=tuple(_line(line) for chunk in chunks for line in reading.documents(chunk.get("lines"))),
        dropped=max(reading.count(chunk.get("dropped")) for chunk in chunks),
    )


def _line(found: Document) -> LogLine:
    return LogLine(
        reading.moment(found.get("at")) or EPOCH, reading.text(found.get("level")), reading.text(found.get("text"))
    )
