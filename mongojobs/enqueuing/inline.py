"""Running a job at once, in the caller, if ``delay_jobs`` says so: it does what the stored job would have done.

The table of it is ``docs/inline.md``.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions

from mongojobs.core.clock import SystemClock
from mongojobs.core.errors import Discard, DocumentGoneError, Snooze
from mongojobs.core.inside.alone import Alone
from mongojobs.core.inside.record import Means
from mongojobs.core.job import CANCELLED, COMPLETED, Document, Job, JobId, isolated
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.retry import LONGEST_DELAY
from mongojobs.core.settings import Settings
from mongojobs.enqueuing.inline_unique import Holders
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.calls.invoke import invoke, run_to_end
from mongojobs.payload.masking import cleaner
from mongojobs.payload.registry import Declaration
from mongojobs.payload.results import stored_result
from mongojobs.results.results import Results
from mongojobs.results.still import Still
from mongojobs.store.rows import source_of
from mongojobs.unique.terms import Terms

MOST_REMEMBERED: Final = 10_000
_AS_STORED: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)


class Remembered:
    """The latest jobs with an id chosen by the caller that are running or have run in this process."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._jobs: OrderedDict[JobId, Job] = OrderedDict()
        self.holders: Holders = Holders()

    def get(self, job_id: JobId, *, since: datetime) -> Job | None:
        """Return the job with that id if it is running, or ended after *since*."""
        job = self._jobs.get(job_id)
        return job if job is not None and (job.finished_at is None or job.finished_at > since) else None

    def begin(self, job: Job) -> Job | None:
        """Remember that *job* is running; if one with its id already is, as in another thread, return that."""
        with self._changing:
            there = self._jobs.get(job.id)
            if there is not None and there.finished_at is None:
                return there
            self._note(job)
        return None

    def end(self, job: Job) -> None:
        """Remember *job* as it ended; if it has not, its id is free to run again."""
        with self._changing:
            if job.finished_at is None:
                self._jobs.pop(job.id, None)
            else:
                self._note(job)

    def _note(self, job: Job) -> None:
        if job.id_given:
            self._jobs[job.id] = job
            self._jobs.move_to_end(job.id)
            if len(self._jobs) > MOST_REMEMBERED:
                self._jobs.popitem(last=False)


class Inline:
    """Runs jobs in the caller."""

    def __init__(self, payloads: Payloads, settings: Settings, lifecycle: Lifecycle, remembered: Remembered) -> None:
        self._payloads = payloads
        self._most_result_bytes = settings.max_result_bytes
        self._home = Results(lambda job: job, payloads.codec, Still("it ran at once, and nobody will run it again"))
        self._lifecycle = lifecycle
        self.remembered = remembered

    def run(self, job: Job, now: datetime, terms: Terms | None = None) -> Job:
        """Run *job* in a context of its own, and return it as it ended; raises what would have failed the attempt.

        One that is unique on these *terms* does not run while another one has its key.
        """
        if terms is None:
            return self._run_once(job, now)
        return self.remembered.holders.run(job, terms, now, lambda one: self._run_once(one, now))

    def _run_once(self, job: Job, now: datetime) -> Job:
        there = self.remembered.begin(job)
        if there is not None:
            return there
        ended = job
        alone = Alone(job, lambda: self._means(job))
        job.begin(alone)
        try:
            ended = isolated(job, lambda: self._run(job, now)).stay(self._home)
        finally:
            job.end()
            self.remembered.end(ended)
        ended.end()
        ended.note(logged=alone.logged())
        return ended

    def _means(self, job: Job) -> Means:
        clean = cleaner(job.handler, self._payloads, None)
        return Means(SystemClock(), self._payloads.values, clean=clean, source=source_of, wait=run_to_end)

    def _run(self, job: Job, now: datetime) -> Job:
        try:
            value = self._perform(job)
        except Snooze as error:
            return dataclasses.replace(job, run_at=now + min(error.delay, LONGEST_DELAY), snoozes=job.snoozes + 1)
        except Discard as error:
            return _cancelled(job, str(error.reason), now)
        except Exception as error:
            if not _is_discarded(error, self._payloads.peek(job.handler).declaration):
                raise
            return _cancelled(job, f"{type(error).__name__}: {error}", now)
        return dataclasses.replace(job, state=COMPLETED, finished_at=now, returned=self._returned(job, value))

    def _returned(self, job: Job, value: object) -> Document | None:
        """Return the result of *job* as a database would give it back, if it is to be kept."""
        if job.keep_result is None:
            return None
        return _through_bson(stored_result(value, self._payloads.codec, self._most_result_bytes))

    def _perform(self, job: Job) -> object:
        """Load and run *job* with the values a worker would get: those that come back from BSON."""
        handler = _through_bson(job.handler)
        return invoke(self._payloads.load(handler), job, lifecycle=self._lifecycle, wait=run_to_end)


def _through_bson(stored: Mapping[str, Any]) -> Document:
    return bson.decode(bson.encode(stored), _AS_STORED)


def _is_discarded(error: Exception, declaration: Declaration | None) -> bool:
    if declaration is None:
        return False
    is_gone = isinstance(error, DocumentGoneError) and declaration.on_missing == "discard"
    return is_gone or isinstance(error, declaration.discard_on)


def _cancelled(job: Job, reason: str, now: datetime) -> Job:
    return dataclasses.replace(job, state=CANCELLED, finished_at=now, last_error=reason)
