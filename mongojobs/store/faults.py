"""What a database error means: was anything written, may it be retried, what may people be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)

from mongojobs.core.errors import EnqueueRefusedError, StoreUnavailableError, TransactionError

DatabaseError = PyMongoError
"""Any error of the driver or the server, for rooms that do not know the driver."""

_LONGEST_DESCRIPTION: Final = 300
_BAD_VALUE: Final = 2
_TYPE_MISMATCH: Final = 14
_INVALID_OPTIONS: Final = 72
_REFUSED: Final = frozenset({11, 13, 18, 20, 31, 33, 59, 115, 238, 301, 322, 323, 324, 8000})
"""UserNotFound, Unauthorized, AuthenticationFailed, IllegalOperation, RoleNotFound, BadAuthMechanism, CommandNotFound,
CommandNotSupported, NotImplemented, the same of other makes of server, APIVersionError, APIStrictError,
APIDeprecationError, AtlasError (a login that failed, or a quota that is used up)."""
_UNFIT: Final = frozenset({_BAD_VALUE, 9, _TYPE_MISMATCH, 15, 16, 17, 22, 28, 52, 53, 54, 55, 56, 57, 61, 66, 72, 73})
_NEVER_STARTED: Final = _REFUSED | _UNFIT | {112, 121, 165, 166, 263, 10334, 13297, 14031, 16755, 17280}
"""BadValue, FailedToParse, TypeMismatch, Overflow, InvalidLength, ProtocolError, InvalidBSON, PathNotViable,
DollarPrefixedFieldName, InvalidIdField, NotSingleValueField, InvalidDBRef, EmptyFieldName, DottedFieldName,
ShardKeyNotFound, ImmutableField, InvalidOptions, InvalidNamespace, WriteConflict, DocumentValidationFailure,
ViewDepthLimitExceeded, CommandNotSupportedOnView, OperationNotSupportedInTransaction; BSONObjectTooLarge,
DatabaseDifferCase, OutOfDiskSpace, no place on a map, KeyTooLong: the server changed nothing."""
_UNSTORABLE: Final = frozenset({_BAD_VALUE, 9, _TYPE_MISMATCH, 28, 52, 56, 57, 66, 121, 10334, 17419, 17420})
"""BadValue, FailedToParse, TypeMismatch, PathNotViable, DollarPrefixedFieldName, EmptyFieldName, DottedFieldName,
ImmutableField, DocumentValidationFailure, BSONObjectTooLarge, and the same after an update."""
_DETAILS: Final = re.compile(r", (?:full error|Timeout|Topology Description): .*", re.DOTALL)
_COMMAND: Final = re.compile(r"to execute command \{ (\w+): (\w+|\"[^\"]*\").*", re.DOTALL)
_SECRETS: Final = re.compile(r"mongodb(?:\+srv)?://\S*|\S*:\S*@\S*")


def proves_nothing_written(error: BaseException) -> bool:
    """Whether *error* of a single write proves that the write did not happen.

    No server was found to send it to, the server says so, or it refused the command or the document as such. The
    driver raises the first error, not "no server", when a server was lost between two tries of one write.
    """
    if isinstance(error, ServerSelectionTimeoutError | DuplicateKeyError):
        return True
    if isinstance(error, WriteConcernError | BulkWriteError):
        return False
    if isinstance(error, PyMongoError) and error.has_error_label("NoWritesPerformed"):
        return True
    if isinstance(error, OperationFailure):
        return isinstance(error, WriteError) or error.code in _NEVER_STARTED or _is_assertion(error)
    return not isinstance(error, ConnectionFailure)


def _is_assertion(error: OperationFailure) -> bool:
    """Whether the server aborted the command at one of its many internal checks, which have a number for a name."""
    return str((error.details or {}).get("codeName", "")).startswith("Location")


def is_ambiguous(error: BaseException) -> bool:
    """Whether the write may have happened: the answer was lost, or too few nodes confirmed it in time."""
    return isinstance(error, PyMongoError) and not proves_nothing_written(error)


def is_refused(error: BaseException) -> bool:
    """Whether the server refuses the request: the credentials do not allow it, or it is not supported."""
    if isinstance(error, ConfigurationError):
        return not _is_of_name_service(error)
    return isinstance(error, OperationFailure) and error.code in _REFUSED


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    return (
        isinstance(error, AutoReconnect | WriteConcernError)
        or (isinstance(error, PyMongoError) and error.has_error_label("RetryableWriteError"))
        or _is_of_name_service(error)
    )


def _is_of_name_service(error: BaseException) -> bool:
    """Whether the hosts behind a ``mongodb+srv`` URI could not be looked up; not if its name is malformed.

    What the name service said is the error's context in all versions of the driver, its cause not in older ones.
    """
    package, _, module = type(error.__context__).__module__.partition(".")
    return isinstance(error, ConfigurationError) and package == "dns" and module != "name"


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction was undone for a passing reason: another write came first, or the server changed.

    What was raised over the driver's error, as MongoEngine does, is looked behind, but not into another transaction.
    """
    return any(
        isinstance(one, PyMongoError) and one.has_error_label("TransientTransactionError") for one in _behind(error)
    )


def is_write_concern(error: BaseException) -> bool:
    """Whether the server refused a write in a transaction because it asks for a write concern of its own."""
    return any(
        isinstance(one, OperationFailure) and one.code == _INVALID_OPTIONS and "writeConcern" in str(one)
        for one in _behind(error)
    )


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and those that it was raised over, up to another transaction."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, TransactionError):
        yield behind
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)


def is_about_document(error: BaseException) -> bool:
    """Whether the server will never store the document: it is too large, or breaks a rule of the collection."""
    return isinstance(error, OperationFailure) and error.code in _UNSTORABLE


def is_missing_index(error: BaseException) -> bool:
    """Whether the query named an index that does not exist."""
    return isinstance(error, OperationFailure) and error.code == _BAD_VALUE and "hint" in str(error)


def is_too_slow(error: BaseException) -> bool:
    """Whether the server aborted a query that exceeded its time limit."""
    return isinstance(error, ExecutionTimeout)


def is_wrong_type(error: BaseException) -> bool:
    """Whether a counter could not be incremented because the document holds no number there, or too large a one."""
    if not isinstance(error, OperationFailure):
        return False
    return error.code == _TYPE_MISMATCH or (error.code == _BAD_VALUE and "$inc" in str(error))


def is_duplicate_id(error: DuplicateKeyError) -> bool:
    """Whether the duplicate key is the ``_id``, and not a value of another unique index."""
    return is_duplicate_id_detail(error.details or {})


def is_duplicate_id_detail(detail: Mapping[str, object]) -> bool:
    """The same for one entry of ``writeErrors``; mongomock does not name the key, but means the ``_id``."""
    return detail.get("code", 11000) == 11000 and detail.get("keyPattern", {"_id": 1}) == {"_id": 1}


def reason(error: BaseException) -> str:
    """Return one of three words for the kind of error."""
    if is_refused(error):
        return "refused"
    return "unreachable" if is_passing(error) else "other"


def describe(error: BaseException) -> str:
    """Return *error* in one line for people, without documents, URIs or credentials."""
    return in_one_line(str(error)) or type(error).__name__


def in_one_line(text: str) -> str:
    """Return *text*, from the driver or the server, in one line for people, with any secrets removed."""
    text = _COMMAND.sub(r"to execute the command \1 on \2", text)  # the command itself may quote a job
    text = _SECRETS.sub("[...]", _DETAILS.sub("", text))
    text = " ".join(text.split()).replace("No servers found yet", "no server answers")
    if len(text) > _LONGEST_DESCRIPTION:
        text = text[: _LONGEST_DESCRIPTION - 3] + "..."
    return text


def unavailable(error: BaseException) -> StoreUnavailableError:
    """Return *error* as the exception that users of the library see."""
    if is_too_slow(error):
        return StoreUnavailableError("the database takes too long for this: ask for a state, a queue or a shorter time")
    refused = is_refused(error)
    said = "the database refused the operation" if refused else "the database is not available"
    return StoreUnavailableError(f"{said}: {describe(error)}", refused=refused)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise the driver's errors as StoreUnavailableError, without the command, which may quote a job."""
    try:
        yield
    except DatabaseError as error:
        raise unavailable(error) from error


def not_stored(error: BaseException) -> StoreUnavailableError:
    """Return *error*, of an enqueue that stored nothing, as the exception that users of the library see."""
    if is_too_slow(error):
        return StoreUnavailableError("the database is not available: it did not answer within enqueue_timeout")
    if isinstance(error, OperationFailure) and proves_nothing_written(error) and not is_passing(error):
        return EnqueueRefusedError(
            f"the database refused to store the job: {describe(error)}", refused=is_refused(error)
        )
    return unavailable(error)
