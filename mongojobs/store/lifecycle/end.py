"""Keeping and ending a run, from ``renew`` and ``finish`` to ``release``.

``end_all`` does what the single ones do, for many jobs at once.

All of them change a job only while it carries the lock that it was reserved with. Counters are written as values, not
as increments, since nobody else may change them meanwhile: so a write can be repeated, and none can fail because
somebody edited the document by hand.

An answer can be lost: the caller then repeats the call with ``repeated=True``, and a job that looks as this very call
would leave it counts as ours. Without it, "not as I left it" would be read as "taken over by another worker".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from pymongo import UpdateOne

from mongojobs.core.job import CANCELLED, COMPLETED, FAILED, READY, Document, ErrorText, Job
from mongojobs.core.limits import KEPT_ENTRIES
from mongojobs.core.retry import loss_backoff
from mongojobs.store.base import SETTLE, UNLOCK, StoreBase, is_held, is_left_as
from mongojobs.store.documents import LONGEST_ERROR, cut, error_entry, last_error
from mongojobs.store.filters import held, held_groups
from mongojobs.store.reading import LARGEST_COUNT

K = TypeVar("K")

NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a job that is held, as the *change* to be written; an empty one deletes it."""

    job: Job
    change: Document


def rescheduled(job: Job, *, error: ErrorText, run_at: datetime, now: datetime) -> Ended:
    """*job* failed and is ready again at *run_at*."""
    fields = {"state": READY, "run_at": run_at, "attempts": job.attempts + 1}
    return Ended(job, _with_error(job, error, fields, now=now, attempt=_number(job) + 1))


def failed(job: Job, *, error: ErrorText, now: datetime, kept: timedelta | None = None) -> Ended:
    """*job* failed and is given up on; it is *kept* so long if that is given."""
    fields = {"state": FAILED, "attempts": job.attempts + 1, "failed_at": now, "finished_at": now, **_last_run(job)}
    if kept is not None:
        fields["expire_at"] = now + kept
    return Ended(job, _with_error(job, error, fields, now=now, attempt=_number(job) + 1))


def destroyed(job: Job, *, error: ErrorText, now: datetime, retention: timedelta) -> Ended:
    """*job* failed, is given up on and deleted.

    One whose id the caller chose is kept for its *retention* even then: its id must not become free.
    """
    return failed(job, error=error, now=now, kept=retention) if job.id_given else Ended(job, {})


def crashed(job: Job, *, error: ErrorText, now: datetime, max_losses: int) -> Ended:
    """*job* lost its process, one loss more: it is ready after the first, later with a delay, at last failed."""
    losses = job.losses + 1
    fields: Document = {"state": READY, "losses": losses}
    if losses >= max_losses:
        text = f"given up: lost {losses} times (max_losses is {max_losses}); at last, {error.error}"
        error = replace(error, error=text)
        fields |= {"state": FAILED, "failed_at": now, "finished_at": now}
    elif (delay := loss_backoff(losses)) > timedelta(0):
        fields["run_at"] = now + delay
    return Ended(job, _with_error(job, error, fields, now=now, attempt=_number(job)))


def snoozed(job: Job, *, run_at: datetime) -> Ended:
    """*job* asked to be run again at *run_at*."""
    return Ended(job, {"$set": {"state": READY, "run_at": run_at, "snoozes": job.snoozes + 1}, "$unset": SETTLE})


def deferred(job: Job, *, reason: str, run_at: datetime, now: datetime) -> Ended:
    """*job* could not be loaded here, for *reason*, and is to be tried again at *run_at*."""
    fields = {
        "state": READY,
        "run_at": run_at,
        "deferred_since": job.deferred_since or now,
        "deferred_reason": cut(reason, LONGEST_ERROR),
    }
    return Ended(job, {"$set": fields, "$unset": UNLOCK})


def completed(job: Job, *, retention: timedelta, now: datetime) -> Ended:
    """*job* succeeded, and is kept for *retention*."""
    fields = {"state": COMPLETED, "finished_at": now, "expire_at": now + retention, **_last_run(job)}
    return Ended(job, {"$set": fields, "$unset": SETTLE})


def discarded(job: Job, *, reason: str, now: datetime) -> Ended:
    """*job* gave itself up."""
    fields = {"state": CANCELLED, "finished_at": now, "last_error": cut(reason, LONGEST_ERROR), **_last_run(job)}
    return Ended(job, {"$set": fields, "$unset": SETTLE})


class Ending(StoreBase):
    """The part of the store for those who hold jobs."""

    def renew(self, jobs: Sequence[Job], *, lease: timedelta) -> list[Job]:
        """Let the locks of *jobs* live for another *lease* from now; return those that are not ours any more."""
        if not jobs:
            return []
        until = self.clock.now() + lease
        renewed = self.collection.update_many(held_groups(jobs), {"$set": {"locked_until": until}})
        if renewed.matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_held(job, found.get(job.id))]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """Delete *jobs*, which succeeded; return those that were not ours any more.

        They are kept as completed instead if ``keep_completed`` is set, and for ``job_id_retention`` those whose id the
        caller chose. When a job that is gone was deleted by us or by another owner cannot be told apart within one
        call, those with the oldest locks are named.
        """
        kept = [job for job in jobs if self._retention(job) is not None]
        lost = self._complete(kept)
        return lost + self._delete([job for job in jobs if self._retention(job) is None], repeated=repeated)

    def reschedule(self, job: Job, *, error: ErrorText, run_at: datetime, repeated: bool = False) -> bool:
        """Make *job*, which failed, ready again at *run_at*, with the *error*; return False if it was not ours."""
        return self._end(rescheduled(job, error=error, run_at=run_at, now=self.clock.now()), repeated=repeated)

    def fail(self, job: Job, *, error: ErrorText, destroy: bool = False, repeated: bool = False) -> bool:
        """Give up on *job*, or delete it if *destroy* is set; return False if it was not ours any more.

        A job whose id the caller chose is kept for ``job_id_retention`` even then: its id must not become free.
        """
        now, retention = self.clock.now(), self.settings.job_id_retention
        if destroy:
            return self._end(destroyed(job, error=error, now=now, retention=retention), repeated=repeated)
        return self._end(failed(job, error=error, now=now), repeated=repeated)

    def crash(self, job: Job, *, error: ErrorText, repeated: bool = False) -> bool:
        """Take *job* from its process, which has ended, with one loss more; return False if it was not ours any more.

        As a rescue does, but at once: the worker itself lives. The job is ready after a first loss, later with a delay,
        and failed on the ``max_losses``-th.
        """
        ended = crashed(job, error=error, now=self.clock.now(), max_losses=self.settings.max_losses)
        return self._end(ended, repeated=repeated)

    def snooze(self, job: Job, *, run_at: datetime, repeated: bool = False) -> bool:
        """Make *job* ready again at *run_at*, as it asked; return False if it was not ours any more."""
        return self._end(snoozed(job, run_at=run_at), repeated=repeated)

    def defer(self, job: Job, *, reason: str, run_at: datetime, repeated: bool = False) -> bool:
        """Make *job*, which cannot be loaded here, ready again at *run_at*; return False if it was not ours any more.

        The *reason* is kept, with when it was so for the first time, until a worker has run the job or a person retries
        it.
        """
        return self._end(deferred(job, reason=reason, run_at=run_at, now=self.clock.now()), repeated=repeated)

    def discard(self, job: Job, *, reason: str, repeated: bool = False) -> bool:
        """Cancel *job*, as it asked, and keep the *reason* as its last error; return False if it was not ours."""
        return self._end(discarded(job, reason=reason, now=self.clock.now()), repeated=repeated)

    def end_all(self, endings: Sequence[Ended], *, repeated: bool = False) -> list[Job]:
        """Write what became of many jobs, each in its own way, in one round trip; return those that were not ours.

        Those that are deleted take another one. Raises DatabaseError; then some may be written, and all are to be
        written again as *repeated*.
        """
        deleted = [one.job for one in endings if not one.change]
        changed = [one for one in endings if one.change]
        return self._delete(deleted, repeated=repeated) + self._change_each(changed)

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs* that were not ended, to be run at once; return those that were not ours any more.

        For *started* ones it is counted, and a job is given up on the ``max_releases``-th time. May be repeated.
        """
        if not started:
            return self._change_all(jobs, {"state": READY}, UNLOCK)
        lost: list[Job] = []
        for releases, of_count in _grouped(jobs, lambda job: job.releases + 1).items():
            if releases < self.settings.max_releases:
                lost += self._change_all(of_count, {"state": READY, "releases": releases})
            else:
                lost += [job for job in of_count if not self._give_up_releasing(job)]
        return lost

    def _retention(self, job: Job) -> timedelta | None:
        """Return how long *job* is kept once it has completed; None: not at all."""
        if not job.id_given:
            return self.settings.keep_completed
        return max(self.settings.job_id_retention, self.settings.keep_completed or timedelta(0))

    def _complete(self, jobs: Sequence[Job]) -> list[Job]:
        now = self.clock.now()
        endings = [completed(job, retention=self._retention(job) or NO_TIME, now=now) for job in jobs]
        if len(endings) > 1 and self._is_real:
            return self.end_all(endings)
        return [one.job for one in endings if not self._end(one, repeated=True)]

    def _delete(self, jobs: Sequence[Job], *, repeated: bool) -> list[Job]:
        if not jobs:
            return []
        missing = len(jobs) - self.collection.delete_many(held_groups(jobs)).deleted_count
        if missing == 0:
            return []
        found = self._look(jobs)
        lost = [job for job in jobs if job.id in found]
        if repeated or len(lost) >= missing:
            return lost
        gone = sorted((job for job in jobs if job.id not in found), key=_age_of_lock)
        return lost + gone[: missing - len(lost)]

    def _give_up_releasing(self, job: Job) -> bool:
        now, releases = self.clock.now(), job.releases + 1
        text = (
            f"given up: its worker was stopped {releases} times before the job ended (max_releases is"
            f" {self.settings.max_releases}); it may be too long for the shutdown timeout"
        )
        fields = {"state": FAILED, "releases": releases, "failed_at": now, "finished_at": now}
        change = _with_error(job, ErrorText(error=text), fields, now=now, attempt=_number(job))
        return self._end(Ended(job, change), repeated=True)

    def _end(self, ended: Ended, *, repeated: bool) -> bool:
        """Make one change of a job that is held; return whether it was ours."""
        job, change = ended.job, ended.change
        if not change:
            return not self._delete([job], repeated=repeated)
        if self.collection.update_one(held(job), change, hint=self._by_id()).matched_count:
            return True
        return repeated and is_left_as(job, change["$set"], self._look([job]).get(job.id))

    def _change_each(self, endings: Sequence[Ended]) -> list[Job]:
        """Make a change of its own of each job; return those that were not ours."""
        if not endings:
            return []
        writes = [UpdateOne(held(one.job), one.change, hint=self._by_id()) for one in endings]
        if self.collection.bulk_write(writes, ordered=False).matched_count == len(endings):
            return []
        found = self._look([one.job for one in endings])
        return [one.job for one in endings if not is_left_as(one.job, one.change["$set"], found.get(one.job.id))]

    def _change_all(self, jobs: Sequence[Job], fields: Document, unset: Document = SETTLE) -> list[Job]:
        """Make one change of *jobs* that are held, and take away their locks; return those that were not ours."""
        if not jobs:
            return []
        changed = self.collection.update_many(held_groups(jobs), {"$set": fields, "$unset": unset})
        if changed.matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_left_as(job, fields, found.get(job.id))]


def _last_run(job: Job) -> Document:
    """Return what is kept of the run that was the last one of *job*: who ran it, and how long that took."""
    fields: Document = {} if job.locked_by is None else {"ran_by": job.locked_by}
    if job.run is not None and job.run.seconds is not None:
        fields["took"] = int(job.run.seconds * 1000)
    return fields


def _number(job: Job) -> int:
    """Return the number of the last attempt; it goes on after a retry, though the job has all attempts before it."""
    last = job.errors[-1] if job.errors else None
    number = last.get("attempt") if isinstance(last, Mapping) else None
    return max(job.attempts, number if isinstance(number, int) and number < LARGEST_COUNT else 0)


def _with_error(job: Job, error: ErrorText, fields: Document, *, now: datetime, attempt: int) -> Document:
    """Return an update that takes away the lock, adds *error* to the last ones, and sets *fields*."""
    entry = error_entry(error, at=now, attempt=attempt, worker=job.locked_by)
    errors: Document = {"last_error": last_error(error), "errors": [*job.errors, entry][-KEPT_ENTRIES:]}
    return {"$set": errors | fields, "$unset": SETTLE}


def _grouped(jobs: Iterable[Job], key: Callable[[Job], K]) -> dict[K, list[Job]]:
    groups: dict[K, list[Job]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return groups


def _age_of_lock(job: Job) -> float:
    return job.locked_until.timestamp() if job.locked_until is not None else 0.0
