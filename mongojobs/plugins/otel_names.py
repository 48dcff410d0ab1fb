"""The names from OpenTelemetry's messaging conventions, which are still in development, in one place."""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
CLIENT_ID: Final = "messaging.client.id"
OPERATION_TYPE: Final = "messaging.operation.type"
OPERATION_NAME: Final = "messaging.operation.name"
ERROR_TYPE: Final = "error.type"

JOB: Final = "mongojobs.job"
ATTEMPT: Final = "mongojobs.attempt"
PRIORITY: Final = "mongojobs.priority"
WAIT_MS: Final = "mongojobs.wait_ms"
ANSWER: Final = "mongojobs.answer"
CANCELLED: Final = "mongojobs.cancelled"

EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_TRACE: Final = "exception.stacktrace"

SENT: Final = "messaging.client.sent.messages"
MERGED: Final = "mongojobs.calls.merged"
CONSUMED: Final = "messaging.client.consumed.messages"
DURATION: Final = "messaging.process.duration"

OUR_SYSTEM: Final = "mongojobs"
SEND: Final = "send"
ENQUEUE: Final = "enqueue"
PROCESS: Final = "process"
PERFORM: Final = "perform"

SUPPRESSED: Final = "suppress_instrumentation"
"""The context key that tells instrumented libraries to create no spans."""
