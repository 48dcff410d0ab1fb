"""OpenTelemetry: a span for each enqueue and each run, joined through the job, and three metrics.

Needs the extra ``otel``, which is the API alone; what becomes of the spans is up to the SDK that the app sets up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from mongojobs.core import notices as n
from mongojobs.core.errors import ExtraMissingError
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle, Plugin
from mongojobs.plugins import otel_names as names
from mongojobs.version import __version__

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
except ImportError:
    raise ExtraMissingError.of("otel", "OpenTelemetryPlugin") from None

T = TypeVar("T")

META_KEY: Final = "otel"
"""The key in a job's ``meta`` for the context of its enqueue."""
LONGEST_HEADER: Final = 8192
"""Longer context values are left out: ``baggage`` is whatever the app's callers send."""


class OpenTelemetryPlugin(Plugin):
    """``mongojobs.configure(plugins=[OpenTelemetryPlugin])``, in the web process and in the worker.

    The span of a run is the root of a trace of its own, with a link to the span of the enqueue: a job may run days
    later, and many times. With *parent* it is a child of that span instead.
    """

    def __init__(
        self,
        *,
        parent: bool = False,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._is_child = parent
        self._tracer = trace.get_tracer("mongojobs", __version__, tracer_provider)
        meter = metrics.get_meter("mongojobs", __version__, meter_provider)
        self._sent = meter.create_counter(names.SENT, unit="{message}", description="Jobs that were stored.")
        self._merged = meter.create_counter(names.MERGED, unit="{call}", description="Calls whose key a job held.")
        self._consumed = meter.create_counter(names.CONSUMED, unit="{message}", description="Runs that began.")
        self._duration = meter.create_histogram(names.DURATION, unit="s", description="How long runs took.")

    def register(self, lifecycle: Lifecycle) -> None:
        """Wrap enqueues, runs and the lives of workers."""
        lifecycle.around("enqueue", self._send)
        lifecycle.around("perform", self._process)
        lifecycle.around("execute", self._quietly)
        lifecycle.before("error", self._note_error)
        lifecycle.before("failure", self._note_error)
        lifecycle.before("cancelled", self._note_cancelled)
        lifecycle.on_notice(self._hear, n.JobEnqueued, n.CallMerged, n.JobStarted, n.RunEnded)

    def _send(self, proceed: Callable[[], T], job: Job) -> T:
        attributes = _about(job, names.SEND, names.ENQUEUE)
        with self._span(f"{names.SEND} {job.queue}", SpanKind.PRODUCER, attributes) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            if carrier:
                job.carry({META_KEY: {key: text for key, text in carrier.items() if len(text) <= LONGEST_HEADER}})
            try:
                return proceed()
            except Exception as error:
                _set_error(span, type(error).__name__)
                raise

    def _process(self, proceed: Callable[[], T], worker: object, job: Job) -> T:
        sent = propagate.extract(_carrier(job), contexts.Context())
        sender = trace.get_current_span(sent).get_span_context()
        inside = sent if self._is_child else trace.set_span_in_context(trace.INVALID_SPAN, sent)
        links = [Link(sender)] if sender.is_valid and not self._is_child else []
        attributes = _about(job, names.PROCESS, names.PERFORM) | {
            names.CLIENT_ID: str(worker),
            names.ATTEMPT: job.attempts + 1,
        }
        # A worker's own threads are told to make no spans of the database's; the job's code is to have its own.
        with (
            _attached(contexts.set_value(names.SUPPRESSED, False, inside)),
            self._span(f"{names.PROCESS} {job.queue}", SpanKind.CONSUMER, attributes, links),
        ):
            return proceed()

    def _quietly(self, proceed: Callable[[], T], _worker: object) -> T:
        """Keep an instrumented driver from tracing the worker's own requests, which never end."""
        with _attached(contexts.set_value(names.SUPPRESSED, True)):
            return proceed()

    def _note_cancelled(self, _worker: object, _job: Job) -> None:
        """Say why the run ended early; who cancelled it, and why, is in the job."""
        trace.get_current_span().set_attribute(names.CANCELLED, True)

    def _note_error(self, _worker: object, job: Job) -> None:
        """Record the error in the job's own words, from which secrets have been removed."""
        span = trace.get_current_span()
        message, _, stack = (job.last_error or "").partition("\n")
        kind = message.partition(":")[0]
        if not span.is_recording() or getattr(span, "status", _UNSET).status_code is StatusCode.ERROR:
            return
        _set_error(span, kind)
        exception = {names.EXCEPTION_TYPE: kind, names.EXCEPTION_MESSAGE: message, names.EXCEPTION_TRACE: stack}
        span.add_event(names.EXCEPTION, exception)

    def _hear(self, notice: n.Notice) -> None:
        match notice:
            case n.JobEnqueued():
                self._sent.add(1, _of_queue(notice.job, names.ENQUEUE))
            case n.CallMerged():
                self._merged.add(1, {**_of_queue(notice.job, names.ENQUEUE), names.ANSWER: notice.answer})
            case n.JobStarted():
                trace.get_current_span().set_attribute(names.WAIT_MS, round(notice.waited * 1000))
                self._consumed.add(1, _of_queue(notice.job, names.PERFORM))
            case n.JobCompleted() | n.JobErrored() | n.JobDiscarded() | n.JobCancelled() | n.JobSnoozed():
                self._duration.record(notice.seconds, _of_queue(notice.job, names.PERFORM))
            case _:
                pass

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any], links: list[Link] | None = None
    ) -> Iterator[Span]:
        """Start a span that records no exception by itself, as its text may hold secrets."""
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span


_UNSET: Final = Status(StatusCode.UNSET)


@contextmanager
def _attached(context: contexts.Context) -> Iterator[None]:
    token = contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(token)


def _set_error(span: Span, kind: str) -> None:
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))


def _about(job: Job, operation_type: str, operation_name: str) -> dict[str, str | int]:
    return {
        names.SYSTEM: names.OUR_SYSTEM,
        names.DESTINATION: job.queue,
        names.OPERATION_TYPE: operation_type,
        names.OPERATION_NAME: operation_name,
        names.MESSAGE_ID: str(job.id),
        names.JOB: job.name,
        names.PRIORITY: job.priority,
    }


def _of_queue(job: Job, operation_name: str) -> dict[str, str]:
    return {names.SYSTEM: names.OUR_SYSTEM, names.DESTINATION: job.queue, names.OPERATION_NAME: operation_name}


def _carrier(job: Job) -> dict[str, str]:
    """Return the context that the enqueue left in the job, which somebody may have changed since."""
    kept = (job.meta or {}).get(META_KEY)
    items = kept.items() if isinstance(kept, Mapping) else ()
    return {str(key): text for key, text in items if isinstance(text, str)}
