"""The life of a job: what each step writes, as pure functions of the job and the time.

===================  ===============================  ===================================  =================
from                 event                            to                                   written by
===================  ===============================  ===================================  =================
-                    enqueue                          ready                                the job as it is
ready, due           reserve                          running, fence+1, new token          ``reserved``
running              heartbeat                        running, later ``locked_until``      ``renewed``
running              begins a transaction of its own  the same, ``transacts_until``       ``left_alone``
running              has told of itself               running, with ``progress``           ``told``
running              success                          deleted, or completed                ``Succeeded``
running              error, attempts left             ready, later, attempts+1             ``Errored``
running              error, none left; or permanent   failed, attempts+1, or deleted       ``GivenUp``
running              its process ended, the worker    as after a rescue                    ``Crashed``
                     lives
running              ``Snooze``                       ready, later, snoozes+1              ``Snoozed``
running              cannot be loaded here and now    ready, later, with the reason        ``Deferred``
running              its transaction met a conflict   ready, a little later, releases+1   ``Conflicted``
running              ``Discard``                      cancelled, with the reason           ``Discarded``
running, cancelled   its run was interrupted, or      cancelled                            ``RunCancelled``
                     would make it ready again
running              handed back                      ready; if it had started,            ``released``
                                                      releases+1, failed at the cap
running, lease over  rescue by any worker             ready, losses+1; later from the 2nd  ``rescued``
                                                      on, failed at the cap; cancelled if
                                                      that was asked for
running or ready     damaged fields                   failed, "damaged: ..."               ``quarantined``
ready, running       cancel                           cancelled; if running, asked for     ``core.actions``
ready                run now                          ready, due now                       ``core.actions``
ready                move                             ready, other queue or priority       ``core.actions``
failed, cancelled    retry                            ready, all counters 0                ``core.actions``
any but running      delete                           gone                                 ``core.actions``
running              an end, after it was enqueued    ready, the last call, counters 0     ``store.unique``
                     again (``on_duplicate``)
ready                a further call replaces it       ready, with that call                ``store.unique``
===================  ===============================  ===================================  =================

Counters are written as values, not as increments, since nobody else may change them while the job is held: so a write
can be repeated, and none can fail because somebody edited the document by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from mongojobs.core.change import DELETED, Change
from mongojobs.core.job import CANCELLED, COMPLETED, FAILED, READY, RUNNING, Document, ErrorText, Job
from mongojobs.core.limits import KEPT_ENTRIES, LARGEST_COUNT, LONGEST_ERROR, LONGEST_TRACE, cut
from mongojobs.core.retry import loss_backoff, losses_after, releases_after
from mongojobs.core.settings import Settings

LOCK: Final = ("locked_at", "locked_by", "locked_until", "lock_token", "transacts_until")
"""The fields that a job has only while it is running."""

LOCK_AND_DEFERRAL: Final = (*LOCK, "deferred_since", "deferred_reason")
"""These, and the fields about workers that could not load the job, now that one has."""

_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The job is done: it is deleted, unless it should be kept for a while, with what it *returned* in stored form."""

    returned: Document | None = None

    def change(self, job: Job, now: datetime, settings: Settings) -> Change:
        """Keep what ``keep_completed`` says; longer for an id that was given, a key for a time, or a result."""
        retention, key = settings.keep_completed, _kept_key(job, now)
        if job.id_given:
            retention = max(job.kept_for or settings.job_id_retention, retention or _NO_TIME)
        if key and job.key_until:
            retention = max(job.key_until - now, retention or _NO_TIME)
        if job.keep_result is not None:
            retention = max(job.keep_result, retention or _NO_TIME)
        if retention is None:
            return DELETED
        sets = {"state": COMPLETED, "finished_at": now, "expire_at": now + retention, **key, **_last_run(job)}
        if self.returned is not None:
            sets["returned"] = self.returned
        return Change(sets=sets, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class Errored:
    """The run failed, and the job will run again at *run_at*."""

    error: ErrorText
    run_at: datetime

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Count an attempt."""
        sets = {"state": READY, "run_at": self.run_at, "attempts": job.attempts + 1, **_told(job)}
        error = _recorded(job, self.error, now=now, attempt=_last_attempt(job) + 1)
        return Change(sets=sets | error, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The run failed, and the job is given up on for *reason*; deleted if *destroy*."""

    error: ErrorText
    reason: str
    destroy: bool = False

    def change(self, job: Job, now: datetime, settings: Settings) -> Change:
        """Keep a job whose id the caller chose even if it should be deleted: the id must not become free.

        One that keeps its result is kept as well: somebody waits for it.
        """
        if self.destroy and not job.id_given and job.keep_result is None:
            return DELETED
        sets = {"attempts": job.attempts + 1, **_failed(now), **_last_run(job)}
        if self.destroy:
            sets["expire_at"] = now + _retention_of_destroyed(job, settings)
        error = _recorded(job, self.error, now=now, attempt=_last_attempt(job) + 1)
        return Change(sets=sets | error, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process that ran the job died, but not the worker: a loss, not an attempt.

    The *reason* is there if the job is given up on.
    """

    error: ErrorText
    reason: str | None = None

    def change(self, job: Job, now: datetime, settings: Settings) -> Change:
        """Do what a rescue does."""
        losses, most = losses_after(job, settings.max_losses), settings.max_losses
        given_up = f"lost {losses} times (max_losses is {most}); at last, {self.error.error}"
        return Change(sets=_lost(job, self.error, given_up, now=now, most=most), unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The job asked to run again after *delay*."""

    delay: timedelta

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Count nothing but the snooze."""
        sets = {"state": READY, "run_at": now + self.delay, "snoozes": job.snoozes + 1, **_told(job)}
        return Change(sets=sets, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class Deferred:
    """The job cannot be loaded now, for *reason*; after *delay* it may be, or another worker may know it."""

    reason: str
    delay: timedelta

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Keep the reason, and since when, until a worker has run the job or a person retries it."""
        sets = {
            "state": READY,
            "run_at": now + self.delay,
            "deferred_since": job.deferred_since or now,
            "deferred_reason": cut(self.reason, LONGEST_ERROR),
        }
        return Change(sets=sets, unsets=LOCK)


@dataclass(frozen=True, slots=True)
class Conflicted:
    """The transaction of the job was undone for *reason*, which says nothing about the job: again after *delay*."""

    reason: str
    delay: timedelta

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Count it among the times that it was handed back, of which there are only so many."""
        sets = {"state": READY, "run_at": now + self.delay, "releases": job.releases + 1, **_told(job)}
        return Change(sets=sets, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class Discarded:
    """The job gave itself up for *reason*."""

    reason: str

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Keep the reason as the last error."""
        error = cut(self.reason, LONGEST_ERROR)
        sets = {"state": CANCELLED, "finished_at": now, "last_error": error, **_last_run(job)}
        return Change(sets=sets, unsets=LOCK_AND_DEFERRAL)


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """The run was cancelled, as somebody had asked; *fault* is there if its code did not take it well."""

    fault: str = ""

    def change(self, job: Job, now: datetime, _settings: Settings) -> Change:
        """Count nothing; who asked, and why, is in the job already."""
        fault = {"last_error": cut(self.fault, LONGEST_ERROR)} if self.fault else {}
        return Change(
            sets={"state": CANCELLED, "finished_at": now, **fault, **_last_run(job)}, unsets=LOCK_AND_DEFERRAL
        )


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The run was interrupted because the worker is stopping; ``released`` is written once all runs have ended."""


SUCCEEDED: Final = Succeeded()
"""The end of nearly all runs: one that keeps no result."""


@dataclass(frozen=True, slots=True)
class Committed(Succeeded):
    """The job is done, and that was stored with its own transaction already."""


Ending = Succeeded | Errored | GivenUp | Crashed | Snoozed | Deferred | Conflicted | Discarded | RunCancelled
"""How a run ended by itself: it decides what happens to the job, which is held until that is written."""

Outcome = Ending | Committed | HandedBack
"""How a run ended."""


def reserved(*, token: str, by: str, now: datetime, lease: timedelta) -> Change:
    """Lock a job; the database increments its fence, as one change may apply to many jobs."""
    lock = {"locked_at": now, "locked_by": by, "locked_until": now + lease, "lock_token": token}
    return Change(sets={"state": RUNNING, **lock}, adds={"fence": 1})


def renewed(*, until: datetime) -> Change:
    """Renew the lock of a job."""
    return Change(sets={"locked_until": until})


def left_alone(*, until: datetime, lease: timedelta) -> Change:
    """Renew the lock of a job for a transaction of its run, which lasts *until* then at most."""
    return Change(sets={"locked_until": until + lease, "transacts_until": until})


def told(job: Job, *, renewal: Change | None = None) -> Change:
    """Keep what *job* has told of itself in this run so far; with a *renewal*, renew its lock as well."""
    fields: Document = {} if job.run is None or job.run.record is None else job.run.record.fields()
    return Change(sets=fields if renewal is None else {**renewal.sets, **fields})


def released(job: Job, *, started: bool, now: datetime, settings: Settings) -> Change:
    """Hand back a job that did not end; one that had *started*, only a limited number of times."""
    if not started:
        return Change(sets={"state": READY}, unsets=LOCK)
    releases, most = releases_after(job), settings.max_releases
    if releases < most:
        anew = {"losses": 0} if job.has_advanced else {}
        return Change(sets={"state": READY, "releases": releases, **anew, **_told(job)}, unsets=LOCK_AND_DEFERRAL)
    error = ErrorText(
        error=f"given up: its worker was stopped {releases} times before the job ended (max_releases is {most}); it may"
        " be too long for the shutdown timeout"
    )
    sets = {"releases": releases, **_failed(now), **_recorded(job, error, now=now, attempt=_last_attempt(job))}
    return Change(sets=sets | _told(job), unsets=LOCK_AND_DEFERRAL)


def rescued(job: Job, *, by: str, now: datetime, settings: Settings) -> Change:
    """Take a job back from its worker, which is gone; *by* is the worker that found out."""
    losses, most = losses_after(job, settings.max_losses), settings.max_losses
    fate = "1 worker was lost while it" if losses == 1 else f"{losses} workers were lost while they"
    lost = (
        f"the worker {job.locked_by} was lost while it held this job: it did not renew its lock in time (found by {by})"
    )
    given_up = (
        f"{fate} held this job (max_losses is {most}); it may kill its worker or use too much memory; at last, {lost}"
    )
    if job.cancellation is not None:
        sets = {"state": CANCELLED, "finished_at": now, "losses": losses, "last_error": lost}
        return Change(sets=sets, unsets=LOCK_AND_DEFERRAL)
    return Change(sets=_lost(job, ErrorText(error=lost), given_up, now=now, most=most), unsets=LOCK)


def quarantined(job: Job, *, reason: str, now: datetime) -> Change:
    """Set aside a job with a field that cannot be read."""
    error = _recorded(job, ErrorText(error=reason), now=now, attempt=_last_attempt(job))
    return Change(sets=_failed(now) | error, unsets=LOCK)


def _lost(job: Job, error: ErrorText, given_up: str, *, now: datetime, most: int) -> Document:
    """Return the fields of a job with one more loss: ready after the first, later with a delay, finally *given_up*."""
    losses = losses_after(job, most)
    fields: Document = {"state": READY, "losses": losses, **told(job).sets}
    if losses >= most:
        error = replace(error, error=f"given up: {given_up}")
        fields |= _failed(now)
    elif not job.has_advanced and (delay := loss_backoff(losses)):
        fields["run_at"] = now + delay
    return fields | _recorded(job, error, now=now, attempt=_last_attempt(job))


def _failed(now: datetime) -> Document:
    return {"state": FAILED, "failed_at": now, "finished_at": now}


def _retention_of_destroyed(job: Job, settings: Settings) -> timedelta:
    """Return how long *job* is kept though it should be deleted: for its id, and for those who want its result."""
    for_id = (job.kept_for or settings.job_id_retention) if job.id_given else _NO_TIME
    return max(for_id, job.keep_result or _NO_TIME)


def _kept_key(job: Job, now: datetime) -> Document:
    """Return the unique key that *job* holds though it has completed: until the time is over that it is for."""
    is_kept = job.unique_key is not None and job.key_until is not None and job.key_until > now
    return {"unique_key": job.unique_key} if is_kept else {}


def _last_run(job: Job) -> Document:
    """Return what is kept of *job*'s last run: what it told, who ran it, and how long it took."""
    fields = _told(job) if job.locked_by is None else {"ran_by": job.locked_by, **_told(job)}
    if job.run is not None and job.run.seconds is not None:
        fields["took"] = timedelta(milliseconds=int(job.run.seconds * 1000))
    return fields


def _told(job: Job) -> Document:
    """Return what *job* has told of itself in this run, which every end of the run keeps."""
    return {} if job.run is None or job.run.record is None else job.run.record.closing()


def _last_attempt(job: Job) -> int:
    """Return the number of the last attempt, which goes on counting after a retry that restores all attempts."""
    last = job.errors[-1] if job.errors else None
    number = last.get("attempt") if isinstance(last, Mapping) else None
    return max(job.attempts, number if isinstance(number, int) and number < LARGEST_COUNT else 0)


def _recorded(job: Job, error: ErrorText, *, now: datetime, attempt: int) -> Document:
    """Return the fields that keep *error* with *job*, its texts cut to size."""
    kept = ErrorText(error=cut(error.error, LONGEST_ERROR), trace=cut(error.trace, LONGEST_TRACE))
    entry = {"at": now, "attempt": attempt, "error": kept.error, "trace": kept.trace, "worker": job.locked_by or ""}
    return {"last_error": kept.full, "errors": (*job.errors, entry)[-KEPT_ENTRIES:]}
