"""Unique jobs that run at once: a key is held while its job runs, and for the time that it is for."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from mongojobs.core.job import COMPLETED, RUNNING, Job
from mongojobs.store.unique.again import rerun
from mongojobs.store.unique.answers import answer, is_over
from mongojobs.unique.terms import Terms

MOST_HELD: Final = 10_000


class Holders:
    """The jobs of this process that hold keys: those that run, and the latest that have run."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def run(self, job: Job, terms: Terms, now: datetime, run: Callable[[Job], Job]) -> Job:
        """Have *job* run, and once more if a call asks for that meanwhile; or return the one that holds its key.

        Raises DuplicateJobError, and what the job raises.
        """
        holder = self._meet(job, terms, now)
        if holder is not None:
            return dataclasses.replace(holder, duplicate=True)
        try:
            ended = run(job)
            while (again := self._end(job, ended, now)) is not None:
                ended = run(again)
        except BaseException:
            self._free(job)
            raise
        return ended

    def _meet(self, job: Job, terms: Terms, now: datetime) -> Job | None:
        """Bring the call of *job* to the one that holds its key; if there is none, let it hold the key itself."""
        key = job.unique_digest or ""
        with self._changing:
            holder = self._jobs.get(key)
            if holder is None or is_over(holder, now):
                self._jobs[key] = dataclasses.replace(job, state=RUNNING)
                return None
            merged = answer(holder, job, terms).applied_to(holder)
            self._jobs[key] = merged or holder
            return merged

    def _end(self, job: Job, ended: Job, now: datetime) -> Job | None:
        """Note that *job* has *ended*, unless it was asked for again: then return it with that call."""
        key = job.unique_digest or ""
        with self._changing:
            holder = self._jobs.get(key)
            if holder is None or holder.id != job.id:  # it gave its key up at the start
                return None
            if holder.again is not None:
                self._jobs[key] = dataclasses.replace(holder, again=None)
                return rerun(holder, now).applied_to(holder)
            del self._jobs[key]
            if ended.state == COMPLETED and job.key_until is not None and job.key_until > now:
                self._jobs[key] = dataclasses.replace(holder, state=COMPLETED, finished_at=now)
            if len(self._jobs) > MOST_HELD:
                self._jobs.popitem(last=False)
        return None

    def _free(self, job: Job) -> None:
        with self._changing:
            holder = self._jobs.get(job.unique_digest or "")
            if holder is not None and holder.id == job.id:
                del self._jobs[job.unique_digest or ""]
