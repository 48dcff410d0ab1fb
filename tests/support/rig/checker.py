"""The judge: compares ledger, acknowledged jobs and store with what is promised (I1 to I9), in plain words.

It sees a run from outside. What it was told of is harm done on purpose: only that may explain a run too many.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.support.rig.ledger import Run

Harm = Literal["killed", "frozen", "stopped", "outage", "taken back", "stalled"]
"""What was done on purpose; but ``stalled``, which is what the machine did to all."""

SLACK_SECONDS = 4.0
"""What the machine of the tests may be late by."""

TURN_SECONDS = 0.5
"""Within what time of one another jobs that have lost a worker start, while several wait: each is reserved alone."""

DYING_SECONDS = 1.0
"""How long a process may take to end after one of its jobs has noted that it ends it."""


LONGEST_BACKOFF_SECONDS = 10.0
"""How long after an outage a worker may notice that it is over."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Harm that was done to some processes (None: to all) from *begun* to *ended*, in ``time.monotonic`` seconds."""

    kind: Harm
    pids: frozenset[int] | None
    begun: float
    ended: float

    def concerns(self, run: Run) -> bool:
        return self.pids is None or run.pid in self.pids


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job whose enqueue returned, or (*is_known* False) raised that it may be stored."""

    number: int
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was cancelled while its reserve was the *fence*-th; the answer came at *at*, in ``time.monotonic``."""

    fence: int
    at: float


@dataclass(frozen=True, slots=True)
class Departure:
    """A worker that ended: asked to within *allowed_seconds*, or (None) by itself."""

    pid: int
    status: int
    seconds: float = 0.0
    allowed_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the workers were set to."""

    lease: float
    heartbeat: float
    max_attempts: int = 25
    max_losses: int = 5
    max_releases: int = 30

    @property
    def most_runs(self) -> int:
        return self.max_attempts + self.max_losses + self.max_releases

    @property
    def rescue_seconds(self) -> float:
        """How long the job of a dead worker may wait at most."""
        return self.lease * 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known after the workers had time to end everything."""

    limits: Limits
    enqueued: Mapping[str, Enqueued]
    runs: Sequence[Run]
    documents: Mapping[str, Mapping[str, Any]]
    """What is in the store, by id."""
    disturbances: Sequence[Disturbance] = ()
    departures: Sequence[Departure] = ()
    refused: frozenset[int] = frozenset()
    """The numbers of jobs whose enqueue was refused."""
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """What was cancelled, by id."""

    def histories(self) -> dict[str, list[Run]]:
        """Return the runs of each job that ran, in the order of its reserves."""
        histories: dict[str, list[Run]] = {}
        for run in sorted(self.runs, key=lambda run: run.fence):
            histories.setdefault(run.job_id, []).append(run)
        return histories


@dataclass(slots=True)
class Verdict:
    """What is wrong, and the figures for people."""

    violations: list[str] = field(default_factory=list)
    jobs: int = 0
    runs: int = 0
    lost: int = 0
    extra_runs: int = 0
    standstill: float = 0.0


def judge(evidence: Evidence) -> Verdict:
    """Return what is wrong, one sentence for each violation."""
    evidence = replace(evidence, disturbances=[*evidence.disturbances, *_deaths_by_jobs(evidence.runs)])
    lost = list(_lost(evidence))
    found = [
        *lost,
        *_invented(evidence),
        *_written_by_a_former_owner(evidence),
        *_run_too_often(evidence),
        *_overlapping(evidence),
        *_not_rescued(evidence),
        *_unbounded(evidence),
        *_miscounted(evidence),
        *_departed(evidence),
        *_cancelled(evidence),
    ]
    return Verdict(
        violations=found,
        jobs=len(evidence.enqueued),
        runs=len(evidence.runs),
        lost=len(lost),
        extra_runs=sum(1 for history in evidence.histories().values() for _ in _extra(history)),
        standstill=_longest_gap([run.started for run in evidence.runs]),
    )


def _deaths_by_jobs(runs: Sequence[Run]) -> Iterator[Disturbance]:
    """Yield the deaths of processes by one of their own jobs, which harm the jobs beside it.

    The job notes it before it does it, so that another one may begin, and even end, in between.
    """
    for run in runs:
        if run.outcome == "died" and run.ended is not None:
            yield Disturbance("killed", frozenset([run.pid]), run.ended, run.ended + DYING_SECONDS)


def _lost(evidence: Evidence) -> Iterator[str]:
    """I1: what was acknowledged is in the store until it has ended."""
    histories = evidence.histories()
    for job_id, enqueued in evidence.enqueued.items():
        has_ended_well = any(run.outcome == "ended" for run in histories.get(job_id, ()))
        if enqueued.is_known and job_id not in evidence.documents and not has_ended_well:
            yield f"I1: job {enqueued.number} was acknowledged, never ended well, and is not in the store"


def _invented(evidence: Evidence) -> Iterator[str]:
    """I2: what runs was enqueued, with these arguments; what was refused does not exist."""
    for job_id, history in evidence.histories().items():
        enqueued = evidence.enqueued.get(job_id)
        if enqueued is None:
            yield f"I2: a job with the number {history[0].number} ran, which nobody enqueued"
        elif any(run.number != enqueued.number for run in history):
            yield f"I2: job {enqueued.number} ran with another argument: {[run.number for run in history]}"
        if history[0].number in evidence.refused:
            yield f"I2: job {history[0].number} ran although its enqueue was refused"
    for job_id in evidence.documents.keys() - evidence.enqueued.keys():
        yield f"I2: the store has the job {job_id}, which nobody enqueued"


def _written_by_a_former_owner(evidence: Evidence) -> Iterator[str]:
    """I3: what the store says of a job is the result of its last reserve."""
    for job_id, history in evidence.histories().items():
        document, last = evidence.documents.get(job_id), history[-1]
        is_done = document is None or document["state"] == "completed"
        if is_done and last.outcome != "ended":
            yield (
                f"I3: job {last.number} counts as done, but its last run (fence {last.fence}) {_how(last)}:"
                " a former owner ended it"
            )
        has_failed = any(run.outcome in ("failed", None) for run in history)
        if document is not None and _is_failed_for_attempts(document) and not has_failed:
            yield f"I3: job {last.number} counts as failed, but no run of it failed"


def _run_too_often(evidence: Evidence) -> Iterator[str]:
    """I4: each disturbance explains one extra run of each job that was in flight on the worker concerned."""
    for history in evidence.histories().values():
        unused = [one for one in evidence.disturbances if _may_repeat(one, evidence.limits)]
        for run, following in _extra(history):
            if run.outcome == "died":
                continue
            cause = next((one for one in unused if one.concerns(run) and _falls_between(one, run, following)), None)
            if cause is None:
                yield (
                    f"I4: job {run.number} was run again (fence {following.fence}) after a run that {_how(run)}"
                    f" (fence {run.fence}, {following.started - run.started:.1f} s before), and nothing had happened"
                    " to its worker"
                )
            else:
                unused.remove(cause)


def _overlapping(evidence: Evidence) -> Iterator[str]:
    """I5: two runs of a job never overlap, but where an owner was frozen, cut off, or stopping."""
    for history in evidence.histories().values():
        for run, following in itertools.pairwise(history):
            end = run.ended if run.ended is not None else _death(run, evidence.disturbances)
            is_excused = any(
                one.concerns(run) and _falls_between(one, run, following) and _may_repeat(one, evidence.limits)
                for one in evidence.disturbances
                if one.kind != "killed"
            )
            if (end is None or end > following.started) and not is_excused:
                yield f"I5: job {run.number} ran twice at once (fences {run.fence} and {following.fence})"


def _not_rescued(evidence: Evidence) -> Iterator[str]:
    """I6: what a dead worker held is taken back in time, and nothing sticks."""
    for job_id, document in evidence.documents.items():
        if document["state"] in ("ready", "running"):
            number = evidence.enqueued[job_id].number if job_id in evidence.enqueued else job_id
            yield f"I6: job {number} is still {document['state']} after all had time to end: nobody took it up"
    rescued = sorted(run.started for run in evidence.runs if run.losses)
    for history in evidence.histories().values():
        for run, following in itertools.pairwise(history):
            death = _death(run, evidence.disturbances)
            if run.outcome is not None or death is None or run.losses:
                continue
            late = following.started - _turn_after(_due_after(death, evidence), rescued)
            if late > 0:
                yield f"I6: job {run.number} was taken up {late:.1f} s too late after its worker was killed"


def _unbounded(evidence: Evidence) -> Iterator[str]:
    """I7: no job is started without end."""
    limits = evidence.limits
    for history in evidence.histories().values():
        number = history[0].number
        cut = sum(_is_cut(run, evidence) for run in history)
        if len(history) >= limits.most_runs:
            yield f"I7: job {number} was started {len(history)} times"
        if cut > limits.max_losses:
            yield f"I7: job {number} lost {cut} workers, and {limits.max_losses} are the most"


def _miscounted(evidence: Evidence) -> Iterator[str]:
    """I7: the counters of a job tell what has happened to it, and so does the text of one that was given up."""
    histories = evidence.histories()
    for job_id, document in evidence.documents.items():
        history = histories.get(job_id, [])
        number = evidence.enqueued[job_id].number if job_id in evidence.enqueued else job_id
        cut = sum(_is_cut(run, evidence) for run in history)
        failures = sum(run.outcome in ("failed", None) for run in history)
        if document.get("losses", 0) < cut:
            yield f"I7: job {number} lost {cut} workers, and the store counts {document.get('losses', 0)}"
        if document.get("attempts", 0) > failures:
            counted = document["attempts"]
            yield f"I7: job {number} failed at most {failures} times, and the store counts {counted} attempts"
        is_given_up = document["state"] == "failed" and cut >= evidence.limits.max_losses
        if is_given_up and "lost" not in document.get("last_error", ""):
            yield f"I7: job {number} was given up for lost workers, and its error does not say so"


def _departed(evidence: Evidence) -> Iterator[str]:
    """I8: a worker that is told to stop does, in time; I9: no other ever ends."""
    for one in evidence.departures:
        if one.allowed_seconds is None:
            yield f"I9: the worker {one.pid} ended by itself with status {one.status}"
        elif one.status != 0:
            yield f"I8: the worker {one.pid} was told to stop and ended with status {one.status}"
        elif one.seconds > one.allowed_seconds:
            yield f"I8: the worker {one.pid} took {one.seconds:.1f} s to stop, more than {one.allowed_seconds} s"


def _cancelled(evidence: Evidence) -> Iterator[str]:
    """I3: nothing is cancelled that nobody has cancelled, or that had ended; I4: what is cancelled never runs again."""
    histories = evidence.histories()
    for job_id, document in evidence.documents.items():
        asked, history = evidence.asked.get(job_id), histories.get(job_id, [])
        if document["state"] != "cancelled":
            continue
        if asked is None:
            yield f"I3: job {evidence.enqueued[job_id].number} was cancelled, and nobody has asked for it"
        elif any(_had_ended(run, asked, evidence) for run in history):
            yield f"I3: job {history[-1].number} had ended when somebody cancelled it, and counts as cancelled"
    for job_id, asked in evidence.asked.items():
        for run in histories.get(job_id, ()):
            if run.fence > asked.fence:
                yield f"I4: job {run.number} was cancelled at fence {asked.fence}, and ran again (fence {run.fence})"


def _had_ended(run: Run, asked: Asked, evidence: Evidence) -> bool:
    """Whether *run* had ended well long before it was cancelled, and its process had the time to say so."""
    if run.outcome != "ended" or run.ended is None or _death(run, evidence.disturbances) is not None:
        return False
    return asked.at - run.ended > SLACK_SECONDS


def _extra(history: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Yield each run that did not fail and was followed by another one all the same, with that one."""
    return ((run, later) for run, later in itertools.pairwise(history) if run.outcome != "failed")


def _may_repeat(one: Disturbance, limits: Limits) -> bool:
    """Whether *one* may cost an extra run: a freeze or an outage only if a lock can run out in it."""
    return one.kind in ("killed", "stopped", "taken back") or one.ended - one.begun >= limits.lease - limits.heartbeat


def _falls_between(one: Disturbance, run: Run, following: Run) -> bool:
    return one.begun <= following.started and one.ended >= run.started


def _is_cut(run: Run, evidence: Evidence) -> bool:
    """Whether *run* ended with the process that it ran in."""
    if run.outcome == "died":
        return True
    return run.outcome is None and _death(run, evidence.disturbances) is not None


def _death(run: Run, disturbances: Sequence[Disturbance]) -> float | None:
    """Return when the process of *run* died, if it did."""
    if run.outcome == "died":
        return run.ended
    deaths = (one.ended for one in disturbances if one.kind == "killed" and one.concerns(run))
    return next((death for death in deaths if death >= run.started), None)


def _due_after(death: float, evidence: Evidence) -> float:
    """Return by when a job must run again whose worker died at *death*.

    Later by a lease after an outage, and after a machine stood still: that looks like one to those that rescue (R5).
    """
    due = death + evidence.limits.rescue_seconds + SLACK_SECONDS
    for one in sorted(evidence.disturbances, key=lambda one: one.begun):
        if one.kind in ("outage", "frozen") and one.begun <= due and one.ended >= death - evidence.limits.lease:
            over = one.ended + LONGEST_BACKOFF_SECONDS + evidence.limits.lease
            due = max(due, over + evidence.limits.rescue_seconds + SLACK_SECONDS)
        if one.kind == "stalled" and one.begun <= due and one.ended >= death:
            due = max(due, one.ended + evidence.limits.rescue_seconds + SLACK_SECONDS)
    return due


def _turn_after(due: float, rescued: Sequence[float]) -> float:
    """Return by when the last of the jobs must run that wait for one another at *due*, by the starts of all."""
    for started in rescued[bisect_right(rescued, due) :]:
        if started > due + TURN_SECONDS:
            break
        due = started
    return due


def _is_failed_for_attempts(document: Mapping[str, Any]) -> bool:
    return document["state"] == "failed" and "given up" not in document.get("last_error", "")


def _how(run: Run) -> str:
    told = {
        "ended": "ended well",
        "died": "killed its worker",
        None: "never ended",
        "interrupted": "was interrupted",
        "cancelled": "was cancelled",
    }
    return told.get(run.outcome, "failed")


def _longest_gap(moments: Sequence[float]) -> float:
    ordered = sorted(moments)
    return max((later - earlier for earlier, later in itertools.pairwise(ordered)), default=0.0)
