"""What enqueuers and workers report to their plugins: one small value for each thing that happens.

The wording of logs is made from these in ``plugins.log``; counters and traces can be made from them as well.
Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mongojobs.core.job import Job, JobId


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """A worker has started; *settings* are the ones worth reading in a log."""

    worker: str
    settings: str


@dataclass(frozen=True, slots=True)
class WorkerStopping:
    """A worker has been told to stop; it waits for the jobs in *running* for at most *seconds*."""

    worker: str
    running: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerTold:
    """A worker was told, through its document, to be quiet or to stop, according to *order*."""

    worker: str
    order: str


@dataclass(frozen=True, slots=True)
class WorkerStopped:
    """A worker has ended, after handing back *released* jobs."""

    worker: str
    released: int


@dataclass(frozen=True, slots=True)
class WorkerRecycling:
    """A worker starts no more jobs and exits once those running have ended, for a *reason* in its settings."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChildReplaced:
    """The child process *pid* has ended, or will, for a *reason*; another takes its place."""

    worker: str
    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoMoreJobs:
    """A worker that exits on completion found no due job."""

    worker: str


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A busy spell of a worker has ended."""

    worker: str
    jobs: int
    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JobsReserved:
    """A worker looked for jobs, which took *seconds*, and reserved *jobs* of them."""

    worker: str
    jobs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReserveFailed:
    """A worker could not look for jobs; *reason* is one of a few words. Sent every time it happens."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobEnqueued:
    """A job was stored."""

    job: Job


@dataclass(frozen=True, slots=True)
class CallMerged:
    """A call became no job, as the job *into* holds its unique key; *job* is what it would have been.

    *answer* says what became of it: ``dropped``, ``replaced`` the waiting one, ``rerun`` after the running one, or
    ``refused``.
    """

    job: Job
    into: object
    answer: str


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A run has started, *waited* seconds after the job was due."""

    worker: str
    job: Job
    waited: float


@dataclass(frozen=True, slots=True)
class JobCompleted:
    """A run succeeded."""

    worker: str
    job: Job
    seconds: float


@dataclass(frozen=True, slots=True)
class ResultDropped:
    """A run succeeded, and *why* its result is not kept although it should be."""

    worker: str
    job: Job
    why: str


@dataclass(frozen=True, slots=True)
class JobErrored:
    """A run failed; *job* is the job as it was before.

    It runs again at *run_at* unless it is *given_up*, of which more is told. *trace* is the traceback, secrets masked.
    """

    worker: str
    job: Job
    seconds: float
    error: str
    given_up: bool = False
    trace: str = ""
    run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job was given up on; *reason* says why, *error* and *trace* are those of its last run, secrets masked."""

    worker: str
    job: Job
    reason: str
    error: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class JobCrashed:
    """The process of a job has ended; *job* is as it was before. It runs again unless it is *given_up*."""

    worker: str
    job: Job
    seconds: float
    error: str
    given_up: bool = False
    trace: str = ""


@dataclass(frozen=True, slots=True)
class JobSnoozed:
    """A job asked to run again after *delay* seconds."""

    worker: str
    job: Job
    seconds: float
    delay: float


@dataclass(frozen=True, slots=True)
class JobDeferred:
    """A job that this worker cannot load, for *reason*, will be tried again after *delay* seconds."""

    worker: str
    job: Job
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class JobConflicted:
    """The transaction of a job was undone, for *reason*; it runs again after *delay* seconds."""

    worker: str
    job: Job
    seconds: float
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class JobDiscarded:
    """A job gave itself up."""

    worker: str
    job: Job
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class JobCancelling:
    """A running job that somebody has cancelled was interrupted; its ``cancellation`` says who, and why."""

    worker: str
    job: Job


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """A run has ended because somebody has cancelled the job; *fault* is there if its code did not take it well.

    The ``cancellation`` of the job says who, and why.
    """

    worker: str
    job: Job
    seconds: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class JobReleased:
    """A started job was handed back because the worker is stopping."""

    worker: str
    job: Job


@dataclass(frozen=True, slots=True)
class JobLost:
    """The lock of a job is no longer ours, so *what* was dropped."""

    worker: str
    job: Job
    what: str


@dataclass(frozen=True, slots=True)
class JobTimedOut:
    """A job exceeded its limit of *limit* seconds and was interrupted."""

    worker: str
    job: Job
    limit: float


@dataclass(frozen=True, slots=True)
class JobBlocks:
    """A job has blocked the event loop for *seconds*, so that no other ``async def`` job makes progress."""

    worker: str
    job: Job
    seconds: float


@dataclass(frozen=True, slots=True)
class RowSetAside:
    """A job leaves out a *row* of its *rows*, since workers died at it, as often as *deaths*."""

    worker: str
    job: Job
    rows: str
    row: str
    deaths: int


@dataclass(frozen=True, slots=True)
class JobStuck:
    """A job's code did not return after its timeout; the process ends because of it."""

    worker: str
    job: Job


@dataclass(frozen=True, slots=True)
class JobRescued:
    """A job was taken back from *locked_by*, whose lease expired; *failed* if that was one loss too many.

    One that somebody had *cancelled* has ended.
    """

    worker: str
    job_id: JobId
    locked_by: str
    losses: int
    failed: bool
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class JobQuarantined:
    """A damaged job document was set aside."""

    worker: str
    job_id: JobId
    reason: str


@dataclass(frozen=True, slots=True)
class ScheduleTicked:
    """The job of the tick *at* of a *schedule* was enqueued, *late* seconds after it."""

    worker: str
    schedule: str
    at: datetime
    late: float


@dataclass(frozen=True, slots=True)
class TicksDropped:
    """Of a *schedule*, *number* ticks from *at* on were ``skipped`` or ``missed``, as *result* says: *why*."""

    worker: str
    schedule: str
    at: datetime
    result: str
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class CallbackRaised:
    """A hook or plugin raised an exception that nothing depends on; *what* names it."""

    worker: str
    job: Job | None
    what: str
    trace: str


@dataclass(frozen=True, slots=True)
class DatabaseAway:
    """The database cannot be reached, or refuses, while *doing* something; reported once per outage."""

    worker: str
    doing: str
    error: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseBack:
    """The database is answering again after *seconds*."""

    worker: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something is not as it should be, but work continues."""

    worker: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTaken:
    """A *user* of the dashboard changed something: *count* jobs, queues or workers, described by *target*."""

    user: str
    action: str
    count: int
    target: Mapping[str, object]


RunEnded = (
    JobCompleted
    | JobErrored
    | JobCrashed
    | JobFailed
    | JobDiscarded
    | JobCancelled
    | JobSnoozed
    | JobDeferred
    | JobConflicted
    | JobReleased
)
"""The notices of how a run ended. A job that is given up on has two: for its error, and for its failure."""

AboutJob = (
    JobEnqueued
    | CallMerged
    | JobStarted
    | JobCompleted
    | ResultDropped
    | JobErrored
    | JobFailed
    | JobCrashed
    | JobSnoozed
    | JobDeferred
    | JobConflicted
    | JobDiscarded
    | JobCancelling
    | JobCancelled
    | JobReleased
    | JobLost
    | JobTimedOut
    | JobBlocks
    | RowSetAside
    | JobStuck
)
"""The notices about one job, which is their ``job``."""

AboutWorker = (
    WorkerStarted
    | WorkerStopping
    | WorkerTold
    | WorkerStopped
    | WorkerRecycling
    | ChildReplaced
    | NoMoreJobs
    | BatchDone
    | JobsReserved
    | ReserveFailed
)
"""The notices about a worker's own process and its loop."""

AboutSchedule = ScheduleTicked | TicksDropped
"""The notices about a schedule."""

AboutOthers = JobRescued | JobQuarantined | CallbackRaised | DatabaseAway | DatabaseBack | Warned | ActionTaken
"""The notices about the database, jobs of other workers, and what people did."""

Notice = AboutJob | AboutWorker | AboutSchedule | AboutOthers
