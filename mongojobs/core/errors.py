"""Every error of the library, in one tree, and the other exceptions that job code raises or receives.

::

    MongoJobsError
    |-- ConfigurationError            the program is set up wrongly; stops at start
    |   |-- SettingsError             a setting has a bad value
    |   |-- ConnectionMissingError    no MongoDB connection could be found
    |   |-- ServerTooOldError         the server is older than MongoDB 6.0
    |   |-- ExtraMissingError         an optional package is not installed
    |   |-- RegistrationError         a job is declared in a way no worker could find it
    |   `-- CallbackError             a lifecycle callback is of an unknown kind
    |-- EnqueueError                  refused at enqueue: nothing was stored
    |   |-- OptionError               an unknown option, or a bad value of one
    |   |-- NotAJobError              the thing to enqueue is no registered function, method or job object
    |   |-- ArgumentsError            the arguments do not fit the signature
    |   |-- UnstorableValueError      an argument cannot be stored
    |   |-- UnsavedDocumentError      a document that is not in the database yet, or no more
    |   |-- PayloadTooLargeError      the payload is over the limit
    |   |-- DuplicateJobError         a job with this unique key is there, and the call wants to know
    |   |-- QueueFullError            the queue holds as many jobs as its max_size allows
    |   `-- EnqueueRefusedError       the database refused to store the job; a StoreUnavailableError too
    |-- EnqueueUnknownError           the job may have been stored, once
    |-- PartialEnqueueError           some of many jobs were stored
    |-- StoreUnavailableError         the database could not be reached or refused
    |-- StateError                    the job is in a state that forbids the request
    |   |-- NoSuchJobError            there is no job with this id
    |   `-- KeyHeldError              another job holds the unique key of the one to retry
    |-- ResultError                   what the job returned cannot be had
    |   |-- JobFailed                 it was given up on
    |   |-- JobCancelled              it was cancelled
    |   |-- ResultNotKeptError        it does not keep its result
    |   |-- ResultTooLargeError       its result was over the limit
    |   |-- UnstorableResultError     its result cannot be stored
    |   `-- ResultTimeoutError        it has not ended in time
    |-- ScheduleError                 a schedule that cannot be, or cannot be changed like this
    |-- ProgressError                 a progress or a step of a job that cannot be kept
    |-- FilterError                   a filter of jobs, or a place in a list of them, that cannot be one
    |-- TransactionError              a transaction of a job that cannot be, here or now
    |   `-- TransactionConflictError  it was undone, as another write came first: the job runs again
    |-- NotRunError                   code of the app was called, and did not run
    |-- ReadOnlyError                 a write through the read-only ``DelayedJob`` document
    `-- DeserializationError          a stored payload cannot be turned back into a call
        |-- UndeclaredError           this process does not know what the payload names; another one may
        |   `-- UnknownJobError       no job, class or method is declared under the stored name
        |-- DocumentGoneError         a referenced document no longer exists
        `-- DamagedPayloadError       the stored payload is not one of ours
            `-- NewerPayloadError     a newer mongojobs wrote the payload

Beside the tree stand the signals, ``Snooze`` and ``Discard``, which are raised *by* job code; and ``JobTimeout``,
``Cancelled`` and ``Interrupted``, which are raised *inside* it and are no ``Exception``, so that a broad
``except Exception`` does not swallow them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Self

from mongojobs.core.words.durations import parse_duration
from mongojobs.core.words.naming import PACKAGE, public

SHORTEST_SNOOZE: Final = timedelta(seconds=1)

DOCS: Final = "https://github.com/mongojobs/mongojobs/blob/main/docs"
"""Where the pages are that messages name, for those who have the package alone."""

PAGE: Final = f"{DOCS}/errors.md"
"""Where each public error has its cause and remedy, under its name."""


class MongoJobsError(Exception):
    """The root of all errors of this library; a traceback of one ends with its ``address``."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.add_note(f"Cause and remedy: {self.address}")

    @property
    def address(self) -> str:
        """Where the docs tell the cause and the remedy. It is no part of the message, which stays one for programs."""
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == PACKAGE)
        return f"{PAGE}#{name.lower()}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Let copies and other processes get the error with its attributes, whatever its constructor requires."""
        return _made_again, (type(self), self.args, vars(self))


class ConfigurationError(MongoJobsError):
    """The program is set up incorrectly."""


class SettingsError(ConfigurationError, ValueError):
    """A setting has a bad value; the message names the setting, the value and what is allowed."""

    def __init__(self, message: str, *, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class ConnectionMissingError(ConfigurationError):
    """No MongoDB connection could be found; the message names the lines to add."""


class ServerTooOldError(ConfigurationError):
    """The server is older than MongoDB 6.0."""


class ExtraMissingError(ConfigurationError, ImportError):
    """An optional package is not installed; the message is the command that installs it."""

    @classmethod
    def of(cls, extra: str, what: str) -> Self:
        """Return the error that *what* needs the *extra* of this package."""
        return cls(f'{what} needs an optional package: pip install "mongojobs[{extra}]"')


class RegistrationError(ConfigurationError, ValueError):
    """A job is declared in a way in which no worker could find it."""


class CallbackError(ConfigurationError, ValueError):
    """A lifecycle callback is for an unknown event, or is of an unsupported kind."""


class EnqueueError(MongoJobsError):
    """The job was refused at enqueue; nothing was stored."""


class OptionError(EnqueueError, TypeError):
    """An option of enqueue is unknown or has a bad value; *option* is its name, if it is that of one alone."""

    def __init__(self, message: str, *, option: str = "") -> None:
        super().__init__(message)
        self.option = option


class NotAJobError(EnqueueError, TypeError):
    """What was passed is not a registered function, a method that can be delayed, or a job object."""


class ArgumentsError(EnqueueError, TypeError):
    """The arguments do not fit the signature of the job."""


class UnstorableValueError(EnqueueError, TypeError):
    """A value cannot be stored so that it comes back equal; ``where`` names the argument."""

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class UnsavedDocumentError(EnqueueError, ValueError):
    """A document is not in the database, so a worker could not load it."""


class PayloadTooLargeError(EnqueueError, ValueError):
    """The payload has ``size`` bytes, more than the ``limit``."""

    def __init__(self, message: str, *, size: int, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class DuplicateJobError(EnqueueError):
    """The job ``job_id`` holds the unique key of this one, and the enqueue said ``on_duplicate="raise"``."""

    def __init__(self, message: str, *, job_id: object) -> None:
        super().__init__(message)
        self.job_id = job_id


class QueueFullError(EnqueueError):
    """The ``queue`` holds as many jobs as its ``max_size`` allows; enqueue later, when workers have made room."""

    def __init__(self, message: str, *, queue: str, max_size: int) -> None:
        super().__init__(message)
        self.queue = queue
        self.max_size = max_size


class EnqueueUnknownError(MongoJobsError):
    """The answer of the database was lost: the job ``job_id`` may exist, once.

    Enqueue again with ``job_id=error.job_id`` to be sure: the second one changes nothing if the first arrived.
    """

    def __init__(self, message: str, *, job_id: object) -> None:
        super().__init__(message)
        self.job_id = job_id


class PartialEnqueueError(MongoJobsError):
    """Of many jobs, ``stored`` are in the database and ``not_stored`` are not (lists of job ids).

    ``reasons`` tells of each that is not, by its id, why the database refused it.
    """

    def __init__(self, message: str, *, stored: Sequence[object], reasons: Mapping[Any, str]) -> None:
        super().__init__(message)
        self.stored: list[object] = list(stored)
        self.not_stored: list[int] = list(reasons)
        self.reasons: dict[Any, str] = dict(reasons)


class StoreUnavailableError(MongoJobsError):
    """The database could not be reached, or refused: the credentials, or what it does not support (``refused``)."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class EnqueueRefusedError(EnqueueError, StoreUnavailableError):
    """The database refused to store the job: a missing right, a rule of the collection, a quota; nothing was stored."""


class StateError(MongoJobsError):
    """The job's state does not allow what was asked for."""


class NoSuchJobError(StateError):
    """No job has this id: there never was one, or it was deleted, or its time is over; in a transaction, not yet."""


class KeyHeldError(StateError):
    """The job cannot be retried, as the job ``holder_id`` holds its unique key."""

    def __init__(self, message: str, *, holder_id: object) -> None:
        super().__init__(message)
        self.holder_id = holder_id


class ResultError(MongoJobsError):
    """What the job ``job_id`` returned cannot be had."""

    def __init__(self, message: str, *, job_id: object) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailed(ResultError):  # noqa: N818 - what became of the job, not of the call
    """The job was given up on, after it had raised ``type_name`` at last: its ``error`` and ``trace`` are as stored.

    They are texts: the exception's own class is never looked for.
    """

    def __init__(self, message: str, *, job_id: object, error: str, trace: str) -> None:
        super().__init__(message, job_id=job_id)
        self.error = error
        self.trace = trace

    @property
    def type_name(self) -> str:
        """The name of the exception's class; empty if there was no exception, as when workers were lost."""
        return self.error.partition(":")[0] if self.trace else ""


class JobCancelled(ResultError):  # noqa: N818 - what became of the job, not of the call
    """The job was cancelled ``by`` somebody, or gave itself up, for a ``reason``; both are texts, empty if unknown."""

    def __init__(self, message: str, *, job_id: object, reason: str, by: str) -> None:
        super().__init__(message, job_id=job_id)
        self.reason = reason
        self.by = by


class ResultNotKeptError(ResultError):
    """The job was enqueued without ``keep_result``."""


class ResultTooLargeError(ResultError):
    """The job is done, and its result of ``size`` bytes was more than the ``limit`` of ``max_result_bytes``."""

    def __init__(self, message: str, *, job_id: object, size: int, limit: int) -> None:
        super().__init__(message, job_id=job_id)
        self.size = size
        self.limit = limit


class UnstorableResultError(ResultError):
    """The job is done, and its result could not be stored; the message says what in it, and why."""


class ResultTimeoutError(ResultError, TimeoutError):
    """The job has not ended in time: it is in the ``state`` it was last seen in, and goes on."""

    def __init__(self, message: str, *, job_id: object, state: str) -> None:
        super().__init__(message, job_id=job_id)
        self.state = state


class ProgressError(MongoJobsError, ValueError):
    """A job cannot keep this as its progress or a step; the message names the value, and what can be."""


class ScheduleError(MongoJobsError, ValueError):
    """A schedule cannot be as it was asked for: the message names what was given, and what can be.

    *option* is the name of the one that cannot, if it is one alone.
    """

    def __init__(self, message: str, *, option: str = "") -> None:
        super().__init__(message)
        self.option = option


class FilterError(MongoJobsError, ValueError):
    """A filter of jobs has a bad value, or the position to continue a list from is invalid."""


class TransactionError(MongoJobsError):
    """The transaction of a job cannot be: there is none on a server that stands alone, and one for each run."""


class TransactionConflictError(TransactionError):
    """Nothing of the job's transaction was stored, as another write came first, or the database was away.

    Let it pass: the job is ready again a moment later, and no attempt is counted. After ``max_releases`` of such and of
    stopped workers it counts as any other error.
    """


class NotRunError(MongoJobsError):
    """Code of the app was called but did not run: it returned a coroutine or generator, or a plugin did not proceed."""


class ReadOnlyError(MongoJobsError):
    """``DelayedJob`` is for reading; the message names the call that does what was tried."""


class DeserializationError(MongoJobsError):
    """A stored payload cannot be turned back into a call."""


class UndeclaredError(DeserializationError):
    """This process cannot load the payload now, for lack of a connection that it names; another process may."""


class UnknownJobError(UndeclaredError):
    """Nothing is declared under the stored name: a module that the worker does not import, or a renamed job."""


class DocumentGoneError(DeserializationError):
    """A document that the payload refers to no longer exists."""


class DamagedPayloadError(DeserializationError):
    """The stored payload is not in the format of this library."""


class NewerPayloadError(DamagedPayloadError):
    """A newer mongojobs wrote the payload: the job is kept as failed, to be retried once the worker is as new."""


def _made_again(cls: type[MongoJobsError], args: tuple[object, ...], facts: dict[str, object]) -> MongoJobsError:
    error = cls.__new__(cls, *args)
    error.args = args  # which an OSError, such as TimeoutError, leaves to its own constructor
    vars(error).update(facts)
    return error


class Snooze(Exception):  # noqa: N818 - a signal, not an error
    """Raise it in a job to run again after *delay*, without counting an attempt.

    That is a ``timedelta``, seconds, or a text such as ``5m``; less than a second is taken for one, so that no job is
    run over and over. Raises ValueError for what is no duration.
    """

    def __init__(self, delay: timedelta | float | str) -> None:
        try:
            wanted = delay if isinstance(delay, timedelta) else parse_duration(delay)
        except ValueError as error:
            raise ValueError(f"Snooze {error}, got {delay!r:.100}") from None
        self.delay: timedelta = max(wanted, SHORTEST_SNOOZE)
        super().__init__(f"snoozed for {self.delay}")


class Discard(Exception):  # noqa: N818 - a signal, not an error
    """Raise it in a job to give it up for good, as ``cancelled`` with *reason*."""

    def __init__(self, reason: str = "discarded") -> None:
        self.reason = reason
        super().__init__(reason)


SIGNALS: Final = (Snooze, Discard)
"""What job code raises to say how its run ends. These are not failures: no ``error`` hook is called for them."""


class JobTimeout(BaseException):
    """Raised inside a job that exceeds its ``max_run_time``."""


class Cancelled(BaseException):
    """Raised inside a running job that somebody has cancelled."""


class Interrupted(BaseException):
    """Raised inside a job that is handed back because its worker is stopping."""


for _error in [*globals().values()]:
    if isinstance(_error, type) and issubclass(_error, BaseException):
        public(_error)
del _error
