"""The log of one run on its way to the store: its last chunks, those that are stored and those that are not yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import bson
from bson import ObjectId

from mongojobs.core.inside.log import Lines, LogLine, finished, longest_line, most_kept
from mongojobs.core.job import Document, JobId
from mongojobs.worker.run.inflight_job import InFlightJob

_PARTS: Final = 8
"""In so many chunks a log is kept at least: the oldest one is dropped as a whole."""
_FURTHER_BYTES: Final = 128
"""What a chunk takes besides its lines and what is the same in all of a run, at most."""


@dataclass(slots=True)
class _Chunk:
    """A chunk that is kept; its *document* only until that is stored."""

    size: int
    count: int
    id: ObjectId
    document: Document | None


class RunLog:
    """The log of the run of *held*; of what is kept nothing takes more than ``keep_log`` bytes.

    *clean* takes the job's secrets out of a text.
    """

    def __init__(self, held: InFlightJob, clean: Callable[[str], str], on_news: Callable[[], object]) -> None:
        job = held.job
        self.held = held
        self.is_over = False
        """Whether the run has ended."""
        self.is_written: threading.Event = threading.Event()
        """Set once all of it is stored after that, or given up."""
        self._most = most_kept(job)
        self.lines: Lines = Lines(2 * self._most, on_news)
        self._clean = clean
        self._head: Document = {
            "job_id": job.id,
            "began": job.locked_at,
            "fence": job.fence,
            "attempt": job.attempts + 1,
            "worker": job.locked_by,
        }
        self._head_size = len(bson.encode(self._head)) + _FURTHER_BYTES
        self._chunks: deque[_Chunk] = deque()
        self._outdated: list[ObjectId] = []
        self._number = self._dropped = self._size = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to be stored."""
        return not len(self.lines) and not self._outdated and not any(one.document for one in self._chunks)

    @property
    def unsent(self) -> int:
        """How many lines are not stored."""
        return len(self.lines) + sum(one.count for one in self._chunks if one.document)

    @property
    def outdated(self) -> tuple[JobId, list[ObjectId]]:
        """The job, and the chunks that are stored and have no room any more."""
        return self._head["job_id"], self._outdated

    def gather(self, shift: float) -> list[Document]:
        """Return the chunks to be stored; the right time is *shift* seconds after that of this machine.

        What the worker of a lost job still logs is nobody's business.
        """
        lines = finished(self.lines.take(), self._clean, longest=longest_line(self._most), shift=shift)
        if self.held.lost:
            self.give_up()
            return []
        for part in self._parts(lines):
            self._add(part)
        return [one.document for one in self._chunks if one.document]

    def note_stored(self) -> None:
        """Note that what was gathered is stored, and what was outdated removed."""
        self._outdated = []
        for one in self._chunks:
            one.document = None

    def give_up(self) -> int:
        """Drop what is not stored; return how many lines that were."""
        number = self.unsent
        self.lines.take()
        self._chunks = deque(one for one in self._chunks if one.document is None)
        self._size = sum(one.size for one in self._chunks)
        self._dropped += number
        return number

    def _add(self, part: list[LogLine]) -> None:
        """Keep one more chunk, and let go of the oldest ones that have no room beside it."""
        size = self._head_size + sum(line.size for line in part)
        while self._chunks and self._size + size > self._most:
            self._let_go(self._chunks.popleft())
        lines = [{"at": line.at, "level": line.level, "text": line.text} for line in part]
        count = {"n": self._number, "dropped": self._dropped + self.lines.dropped}
        document = {"_id": ObjectId(), **self._head, **count, "lines": lines}
        self._chunks.append(_Chunk(size, len(part), document["_id"], document))
        self._number += 1
        self._size += size

    def _let_go(self, oldest: _Chunk) -> None:
        self._size -= oldest.size
        self._dropped += oldest.count
        if oldest.document is None:
            self._outdated.append(oldest.id)

    def _parts(self, lines: list[LogLine]) -> Iterator[list[LogLine]]:
        """Yield *lines* in parts that are small beside all that is kept."""
        part: list[LogLine] = []
        size = 0
        for line in lines:
            if part and size + line.size > self._most // _PARTS:
                yield part
                part, size = [], 0
            part.append(line)
            size += line.size
        if part:
            yield part
