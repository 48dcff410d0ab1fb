"""What people do with jobs: each verb with the states it starts from, what it changes, and its words.

The store, the memory of tests, the app, the command line and the dashboard all go by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self

from mongojobs.core.change import DELETED, Change
from mongojobs.core.checks import Check, plain_text, priority, queue_name
from mongojobs.core.errors import FilterError, NoSuchJobError, OptionError, StateError
from mongojobs.core.inside.record import TOLD
from mongojobs.core.job import CANCELLED, COMPLETED, FAILED, READY, RUNNING, JobId
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.core.limits import LONGEST_ERROR, cut

Verb = Literal["retry", "run_now", "move", "cancel", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One verb: the app's method of this name applies it to one job, the one named *for_many* to all that match.

    ``change(now, **arguments)`` returns what it does to a job. *asks_for* names the arguments that people must give, at
    least one of them, and *takes* those that they may; one that is *signed* also takes ``by``, who wants it, and one
    that *takes_key*, the unique key of the job, ``merge``: whether a job is dropped if another one has its key.
    *phrase* says it around the jobs: ``run {} now``. *done* goes before the jobs that it was done with, *outcome* after
    them. People are asked twice about what has a *warning*. *remedies* say what to do instead with a job in a state
    that it does not start from.
    """

    verb: Verb
    for_many: str
    phrase: str
    starts_from: tuple[ShownState, ...]
    change: Callable[..., Change]
    asks_for: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    signed: bool = False
    takes_key: bool = False
    done: str
    outcome: str
    warning: str = ""
    remedies: Mapping[str, str]

    @property
    def label(self) -> str:
        """The words on its button."""
        return " ".join(self.phrase.format("").split()).capitalize()

    @property
    def command(self) -> str:
        """Its name on the command line."""
        return self.verb.replace("_", "-")

    @property
    def stored_states(self) -> frozenset[str]:
        """The states it starts from, as stored: scheduled jobs are ready ones that are due later."""
        return frozenset(READY if state == "scheduled" else state for state in self.starts_from)

    def question(self, jobs: str) -> str:
        """Return the beginning of the question that asks for confirmation."""
        phrase = self.phrase.format(jobs)
        return f"{phrase[0].upper()}{phrase[1:]}"

    def among(self, job_filter: JobFilter) -> list[JobFilter]:
        """Return filters for the matching jobs that it applies to, one for each state.

        Raises FilterError where that is nothing.
        """
        if job_filter.state is not None and job_filter.state not in self.starts_from:
            jobs = f"{' and '.join(self.starts_from)} jobs"
            raise FilterError(f"you can {self.phrase.format(jobs)}, but not {job_filter.state} ones")
        return [replace(job_filter, state=state) for state in self.starts_from if job_filter.state in (None, state)]

    def refusal(self, job_id: JobId, state: str | None) -> StateError:
        """Return the error for a job in a *state* that it does not start from; None: there is no such job."""
        if state is None:
            return no_job(job_id)
        remedy = self.remedies.get(state, "look at it with `mongojobs jobs show`")
        return StateError(f"cannot {self.phrase.format(f'the job {job_id}')}, it is {state}: {remedy}")


class Changed(int):
    """How many jobs were changed.

    Others hold the unique keys of *held* further ones, which were not retried, and of *dropped* ones, which are gone.
    """

    held: int
    dropped: int

    def __new__(cls, number: int, *, held: int = 0, dropped: int = 0) -> Self:
        """Make it of all numbers."""
        changed = super().__new__(cls, number)
        changed.held = held
        changed.dropped = dropped
        return changed


def left_for_their_keys(held: int) -> str:
    """Return what people are told of so many jobs that a change of many left alone, as others hold their keys."""
    jobs, key = ("1 job was", "its unique key") if held == 1 else (f"{held:,} jobs were", "their unique keys")
    return f"{jobs} left alone, as other living jobs hold {key}: `mongojobs jobs retry --merge` drops such jobs"


def dropped_for_their_keys(dropped: int) -> str:
    """Return what people are told of so many jobs that a change of many dropped, as others hold their keys."""
    jobs, key = ("1 job was", "its unique key") if dropped == 1 else (f"{dropped:,} jobs were", "their unique keys")
    return f"{jobs} dropped, as other living jobs hold {key}"


def no_job(job_id: JobId) -> NoSuchJobError:
    """Return the error for an id that no job has."""
    return NoSuchJobError(f"no job {job_id}: it never existed, or it has completed or been deleted")


_COUNTERS: Final = ("attempts", "losses", "releases", "snoozes")
_OF_THE_END: Final = (
    "failed_at",
    "finished_at",
    "expire_at",
    "ran_by",
    "took",
    "cancellation",
    "deferred_since",
    "deferred_reason",
    "expires_at",
)


def _retried(
    now: datetime,
    *,
    by: str | None = None,
    after: timedelta = timedelta(0),
    key: str | None = None,
    from_start: bool = False,
) -> Change:
    """Make an ended job ready, due *after* a delay, with all its attempts; its errors and its fence stay.

    One that was unique takes its *key* again. What its runs have told stays, so that it goes on where it was, unless it
    is to begin *from_start*.
    """
    fields: dict[str, Any] = {"state": READY, "run_at": now + after, **dict.fromkeys(_COUNTERS, 0)}
    if key is not None:
        fields["unique_key"] = key
    signed = {} if by is None else {"retries": {"at": now, "by": by}}
    return Change(sets=fields, unsets=(*_OF_THE_END, *TOLD) if from_start else _OF_THE_END, pushes=signed)


def _due(now: datetime) -> Change:
    """Make a job due now, unless it already is."""
    return Change(lowers={"run_at": now})


def _moved(_now: datetime, **given: object) -> Change:
    """Give a job another ``queue`` or ``priority``. Raises OptionError for an invalid one."""
    fields = {name: _checked(name, value) for name, value in given.items() if value is not None}
    if not fields:
        raise OptionError("name another queue or priority")
    return Change(sets=fields)


def _checked(name: str, value: object) -> object:
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise OptionError(f"{name} {error}, got {value!r:.100}") from None


def _reason(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return cut(plain_text(value), LONGEST_ERROR)


_CHECKS: Final[Mapping[str, Check]] = {"queue": queue_name, "priority": priority, "why": _reason}


def _cancelled(now: datetime, *, by: str | None = None, why: str | None = None) -> Change:
    """End a job that has not begun."""
    return Change(sets={"state": CANCELLED, "finished_at": now, "cancellation": _signed(now, by, why)})


def _asked_to_end(now: datetime, *, by: str | None = None, why: str | None = None) -> Change:
    """Ask for the end of a running job: its worker interrupts it, and whatever would make it ready again ends it."""
    return Change(sets={"cancellation": _signed(now, by, why)})


def _signed(now: datetime, by: str | None, why: str | None) -> dict[str, Any]:
    said = {"by": by, "why": None if why is None else _checked("why", why)}
    return {"at": now, **{name: value for name, value in said.items() if value}}


def _deleted(_now: datetime) -> Change:
    return DELETED


RETRY: Final = Action(
    verb="retry",
    for_many="retry_all",
    phrase="retry {}",
    starts_from=("failed", "cancelled"),
    change=_retried,
    takes=("from_start",),
    signed=True,
    takes_key=True,
    done="Ready again:",
    outcome="will run again",
    remedies={
        READY: "it will run once it is due",
        RUNNING: "wait until it ends",
        COMPLETED: "to run it again, enqueue it again",
    },
)
RUN_NOW: Final = Action(
    verb="run_now",
    for_many="run_all_now",
    phrase="run {} now",
    starts_from=("scheduled",),
    change=_due,
    done="Due now:",
    outcome="is due now",
    remedies={
        RUNNING: "it is running",
        COMPLETED: "to run it again, enqueue it again",
        FAILED: "retry it",
        CANCELLED: "retry it",
    },
)
MOVE: Final = Action(
    verb="move",
    for_many="move_all",
    phrase="move {}",
    starts_from=("ready", "scheduled"),
    change=_moved,
    asks_for=("queue", "priority"),
    done="Moved",
    outcome="moved",
    remedies={
        RUNNING: "wait until it ends",
        COMPLETED: "it is done",
        FAILED: "retry it first",
        CANCELLED: "retry it first",
    },
)
CANCEL: Final = Action(
    verb="cancel",
    for_many="cancel_all",
    phrase="cancel {}",
    starts_from=("ready", "scheduled"),
    change=_cancelled,
    takes=("running", "why"),
    signed=True,
    done="Cancelled",
    outcome="cancelled",
    remedies={
        RUNNING: "to interrupt it, say that you mean a running job: `running=True`, `--running`",
        COMPLETED: "it is done",
        FAILED: "it will not run again by itself; delete it if it is in the way",
        CANCELLED: "there is nothing to do",
    },
)
CANCEL_RUNNING: Final = replace(CANCEL, starts_from=("running",), change=_asked_to_end, outcome="asked to end")
"""What people do with a running job that they cancel: not a verb of its own."""
DELETE: Final = Action(
    verb="delete",
    for_many="delete_all",
    phrase="delete {}",
    starts_from=("ready", "scheduled", "failed", "cancelled", "completed"),
    change=_deleted,
    done="Deleted",
    outcome="deleted",
    warning="what is deleted cannot be brought back",
    remedies={RUNNING: "wait until it ends, or stop its worker"},
)

ACTIONS: Final[Mapping[Verb, Action]] = {one.verb: one for one in (RETRY, RUN_NOW, MOVE, CANCEL, DELETE)}
"""All verbs, in the order of the dashboard's buttons."""


def offered_in(state: str) -> list[Action]:
    """Return what people may do with jobs in *state*; where it is empty, with jobs of all states."""
    every = [*ACTIONS.values(), CANCEL_RUNNING]
    return [action for action in every if state in action.starts_from] if state else [*ACTIONS.values()]
