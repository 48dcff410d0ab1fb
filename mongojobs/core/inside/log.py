"""What a job logs: its logger, and its last lines until they are stored.

A job writes while somebody else takes, and neither waits for the other: an entry is appended and taken away in one step
each, and of the two counters of bytes each side writes its own.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from mongojobs.core.clock import monotonic_seconds, truncate
from mongojobs.core.limits import LARGEST_LOG, SMALLEST_LOG, cut_middle

LONGEST_LINE: Final = 8 * 1024
"""How much of a line is kept, in bytes; of a traceback too, which is one line with what was logged."""
LINE_BYTES: Final = 64
"""What a line takes besides its text, at most."""
FULL: Final = 20
"""So many lines are worth storing at once."""
_LONGEST_LEVEL: Final = 16
_LONGEST_RAW: Final = 2 * LONGEST_LINE
"""In characters: what is cut before its secrets are taken out must not lose the place where one ends."""
_PARENT: Final = "mongojobs.job"


class Entry(NamedTuple):
    """A line as it was logged, *created* at this time of this machine."""

    created: float
    level: str
    text: str

    @property
    def size(self) -> int:
        """How much it takes, about."""
        return len(self.text) + LINE_BYTES


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a job has logged, without its secrets; *text* has several lines where a traceback was logged."""

    at: datetime
    level: str
    text: str

    @property
    def size(self) -> int:
        """How many bytes it takes, at most."""
        return len(self.text.encode()) + LINE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """What is kept of what a job has logged in one run, and how many earlier lines of it were *dropped*.

    *attempt* is 1 more than the failures before it; *fence* is the number of the run, *began* when it was reserved.
    """

    attempt: int
    fence: int
    worker: str
    began: datetime
    lines: tuple[LogLine, ...]
    dropped: int = 0


class LoggingJob(Protocol):
    """What is known here of a job that logs."""

    @property
    def id(self) -> object:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def keep_log(self) -> int | None:
        """How many bytes of the log of a run are kept; None: nothing."""
        ...


class Lines(logging.Handler):
    """The last lines of a run that nobody has taken yet, up to *most* bytes; earlier ones are *dropped*, and counted.

    *on_news* is called when the first one comes, and when there are enough of them to be stored.
    """

    def __init__(self, most: int, on_news: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.dropped: int = 0
        self.since: float | None = None
        """Since when there have been some, in ``monotonic_seconds``."""
        self._most = most
        self._on_news = on_news
        self._entries: deque[Entry] = deque()
        self._added = self._taken = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def __bool__(self) -> bool:
        """Return True, as any other object: it is not a list."""
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; one that cannot be written is reported as logging does."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - arguments of a stranger's message: the job goes on
            self.handleError(record)
        else:
            self.add(Entry(record.created, record.levelname[:_LONGEST_LEVEL], _bounded(text)))

    def add(self, entry: Entry) -> None:
        """Keep *entry*, and drop earlier ones that have no room beside it."""
        self._entries.append(entry)
        self._added += entry.size
        while self._added - self._taken > self._most and self._drop():
            pass
        is_first = self.since is None
        if is_first:
            self.since = monotonic_seconds()
        if is_first or len(self._entries) == FULL:
            self._on_news()

    def take(self) -> list[Entry]:
        """Return the lines, which are no longer kept here."""
        self.since = None
        taken: list[Entry] = []
        for _ in range(len(self._entries)):
            try:
                taken.append(self._entries.popleft())
            except IndexError:  # dropped at this moment
                break
            self._taken += taken[-1].size
        return taken

    def _drop(self) -> bool:
        try:
            dropped = self._entries.popleft()
        except IndexError:  # taken at this moment
            return False
        self._added -= dropped.size
        self.dropped += 1
        return True


class JobLogger(logging.Logger):
    """The logger of one run: its records go on as those of ``mongojobs.job``, and to *lines* if they are kept.

    Those of INFO and above are kept, whatever the level of other loggers, unless ``setLevel`` says otherwise.
    """

    def __init__(self, job: LoggingJob, lines: Lines | None) -> None:
        super().__init__(_PARENT)
        self.parent: logging.Logger = logging.getLogger(_PARENT)
        self._lines = lines
        self._job = {"job_id": str(job.id), "job": job.name}

    def getEffectiveLevel(self) -> int:  # noqa: N802 - a name of the logging module
        """Return the lowest level that goes anywhere."""
        passed_on = self.parent.getEffectiveLevel()
        return passed_on if self._lines is None else min(self._kept_from, passed_on)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - a name of the logging module
        """Whether a record of this *level* goes anywhere; looked at anew each time, as other loggers may change."""
        return self.manager.disable < level and level >= self.getEffectiveLevel()

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802 - a name of the logging module
        """Keep the record, and pass it on."""
        vars(record).update(self._job)
        if self._lines is not None and record.levelno >= self._kept_from:
            self._lines.handle(record)
        for handler in self.handlers:
            if record.levelno >= handler.level:
                handler.handle(record)
        if self.propagate and self.parent.isEnabledFor(record.levelno):
            self.parent.handle(record)

    @property
    def _kept_from(self) -> int:
        return self.level or logging.INFO


def finished(
    entries: Sequence[Entry], clean: Callable[[str], str], *, longest: int = LONGEST_LINE, shift: float = 0.0
) -> list[LogLine]:
    """Return *entries* without secrets and cut, as they are kept; the right time is *shift* seconds after theirs."""
    return [
        LogLine(_moment(one.created + shift), one.level, cut_middle(_writable(clean(one.text)), longest))
        for one in entries
    ]


def most_kept(job: LoggingJob) -> int:
    """Return how many bytes of the log of a run are kept, whatever somebody has written into the job."""
    return min(max(job.keep_log or 0, SMALLEST_LOG), LARGEST_LOG)


def longest_line(most: int) -> int:
    """Return how much of a line is kept where *most* bytes of the log are."""
    return min(LONGEST_LINE, most // 4)


def last_lines(lines: Sequence[LogLine], most: int) -> tuple[LogLine, ...]:
    """Return the last of *lines*, *most* bytes of them."""
    room, at = most, len(lines)
    while at and (room := room - lines[at - 1].size) >= 0:
        at -= 1
    return tuple(lines[at:])


def logged_at_once(lines: Lines, clean: Callable[[str], str], most: int) -> tuple[LoggedRun, ...]:
    """Return the last *most* bytes of what a job has logged in the only run that it has; none if nothing."""
    written = finished(lines.take(), clean, longest=longest_line(most))
    kept = last_lines(written, most)
    dropped = lines.dropped + len(written) - len(kept)
    return (LoggedRun(attempt=1, fence=1, worker="", began=kept[0].at, lines=kept, dropped=dropped),) if kept else ()


def _bounded(text: str) -> str:
    half = _LONGEST_RAW // 2
    return text if len(text) <= _LONGEST_RAW else f"{text[:half]} ... (cut) ... {text[-half:]}"


def _writable(text: str) -> str:
    """Return *text* with what UTF-8 cannot encode escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _moment(seconds: float) -> datetime:
    return truncate(datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds))
