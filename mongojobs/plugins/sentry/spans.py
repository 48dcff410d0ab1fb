"""Spans of enqueues and runs, with the attributes that Sentry's page of queues reads.

The SDK has transactions, which are sent as a whole, and spans that are streamed: an app chooses one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import bson
import sentry_sdk
from sentry_sdk import tracing_utils

from mongojobs.core.job import Job

META_KEY: Final = "sentry"
"""The key in a job's ``meta`` for the trace of its enqueue."""
TRACE_HEADER: Final = "sentry-trace"
BAGGAGE_HEADER: Final = "baggage"
LONGEST_HEADER: Final = 8192
"""Longer ones are left out: ``baggage`` is whatever the app's callers send."""

PUBLISH: Final = "queue.publish"
PROCESS: Final = "queue.process"
ORIGIN: Final = "auto.queue.mongojobs"
SYSTEM: Final = "messaging.system"
MESSAGE_ID: Final = "messaging.message.id"
DESTINATION: Final = "messaging.destination.name"
BODY_SIZE: Final = "messaging.message.body.size"
LATENCY: Final = "messaging.message.receive.latency"
RETRY_COUNT: Final = "messaging.message.retry.count"


class JobSpan:
    """A *span* of either kind, or none."""

    def __init__(self, span: Any = None, *, is_streamed: bool = False) -> None:
        self._span = span
        self._is_streamed = is_streamed

    def describe(self, job: Job) -> None:
        """Say what the message is."""
        if self._span is not None:
            size = {BODY_SIZE: len(bson.encode(job.handler))} if self._span.sampled else {}
            self.put({SYSTEM: "mongojobs", MESSAGE_ID: str(job.id), DESTINATION: job.queue, **size})

    def put(self, attributes: Mapping[str, str | float]) -> None:
        """Set *attributes*."""
        if self._span is None:
            return
        if self._is_streamed:
            self._span.set_attributes(dict(attributes))
            return
        for name, value in attributes.items():
            self._span.set_data(name, value)

    def end_as(self, status: str) -> None:
        """Set the status, one of those of transactions; streamed spans only know of ``error``."""
        if self._span is None:
            return
        if self._is_streamed:
            self._span.status = "ok" if status in ("ok", "cancelled") else "error"
        else:
            self._span.set_status(status)


@contextmanager
def publishing(job: Job) -> Iterator[JobSpan]:
    """Be in a span of the enqueue of *job*, if the code that enqueues is in a trace of its own."""
    streamed = _is_streaming()
    current = _traces().get_current_span() if streamed else sentry_sdk.get_current_span()
    if current is None:
        yield JobSpan()
        return
    with _start(job.name, PUBLISH, streamed=streamed) as span:
        yield JobSpan(span, is_streamed=streamed)


@contextmanager
def processing(job: Job) -> Iterator[JobSpan]:
    """Be in the span of a run of *job*, which goes on with the trace of its enqueue, and say what is known of it."""
    streamed, headers = _is_streaming(), headers_of(job)
    if streamed:
        _traces().continue_trace(headers)
        begun = _start(job.name, PROCESS, streamed=True, parent_span=None, **{"sentry.segment.name.source": "task"})
    else:
        transaction = sentry_sdk.continue_trace(headers, op=PROCESS, name=job.name, source="task", origin=ORIGIN)
        sampling = {"mongojobs": {"job": job.name, "queue": job.queue, "attempt": job.attempts + 1}}
        begun = sentry_sdk.start_transaction(transaction, custom_sampling_context=sampling)
    with begun as entered:
        span = JobSpan(entered, is_streamed=streamed)
        span.describe(job)
        span.put({RETRY_COUNT: job.attempts})
        span.end_as("ok")
        yield span


def headers_here() -> dict[str, str]:
    """Return the trace that the calling code is in."""
    headers = {TRACE_HEADER: sentry_sdk.get_traceparent(), BAGGAGE_HEADER: sentry_sdk.get_baggage()}
    return {name: text for name, text in headers.items() if text and len(text) <= LONGEST_HEADER}


def headers_of(job: Job) -> dict[str, str]:
    """Return the trace that the enqueue left in *job*, which somebody may have changed since."""
    kept = (job.meta or {}).get(META_KEY)
    items = kept.items() if isinstance(kept, Mapping) else ()
    return {str(key): text for key, text in items if isinstance(text, str)}


def _start(name: str, op: str, *, streamed: bool, **more: Any) -> AbstractContextManager[Any]:
    """Start a span; *more* is said of a streamed one."""
    if not streamed:
        return sentry_sdk.start_span(op=op, name=name, origin=ORIGIN)
    options = {"parent_span": more.pop("parent_span")} if "parent_span" in more else {}
    attributes = {"sentry.op": op, "sentry.origin": ORIGIN, **more}
    span: AbstractContextManager[Any] = _traces().start_span(name=name, attributes=attributes, **options)
    return span


def _is_streaming() -> bool:
    """Whether the app streams its spans, which older SDKs cannot."""
    asked = getattr(tracing_utils, "has_span_streaming_enabled", None)
    return asked is not None and bool(asked(sentry_sdk.get_client().options))


def _traces() -> Any:
    return sentry_sdk.traces
