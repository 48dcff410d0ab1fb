"""Traces and metrics of OpenTelemetry: of an enqueue, of the run that it led to, and not of a worker's own queries."""

import subprocess
import sys
import threading

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pymongo import monitoring

import mongojobs
from mongojobs import current_job, job
from mongojobs.plugins.opentelemetry import LONGEST_HEADER, OpenTelemetryPlugin
from tests.support.cancelled_jobs import goes_on
from tests.support.command_line import ROOT
from tests.support.sample_jobs import gate, recorder
from tests.support.waiting import eventually
from tests.support.working import work_off, working

seen = []


@job(queue="mail")
def looks():
    """Note in what trace it runs, and with what baggage."""
    seen.append((trace.get_current_span().get_span_context(), baggage.get_baggage("tenant"), current_job().name))


@job
async def looks_async():
    seen.append(trace.get_current_span().get_span_context())


@job(max_attempts=1, sensitive=("secret",))
def tells_a_secret(secret):
    raise ValueError(f"cannot use {secret}")


@job
def asks_the_database():
    mongojobs.default_app().store.collection.find_one({"_id": "asked by a job"})


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def configure(connection, provider, reader):
    seen.clear()

    def configure(*, parent=False, **settings):
        plugin = OpenTelemetryPlugin(
            parent=parent, tracer_provider=provider, meter_provider=MeterProvider(metric_readers=[reader])
        )
        app = mongojobs.configure(plugins=[plugin], retry_jitter=0, **settings)
        app.create_indexes()
        return app

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure):
    return configure()


def spans(exporter):
    """Return the spans that have ended, by the first word of their names."""
    return {span.name.partition(" ")[0]: span for span in exporter.get_finished_spans()}


class TestAnEnqueue:
    def test_is_a_span_of_a_producer(self, app, exporter):
        sent = looks.options(priority=3).delay()

        [span] = exporter.get_finished_spans()
        assert (span.name, span.kind) == ("send mail", SpanKind.PRODUCER)
        assert dict(span.attributes) == {
            "messaging.system": "mongojobs",
            "messaging.destination.name": "mail",
            "messaging.operation.type": "send",
            "messaging.operation.name": "enqueue",
            "messaging.message.id": str(sent.id),
            "mongojobs.job": f"{__name__}.looks",
            "mongojobs.priority": 3,
        }

    def test_leaves_its_trace_in_the_job_beside_what_the_caller_gave(self, app, exporter):
        sent = looks.options(meta={"tenant": 7}).delay()

        stored = app.get(sent.id)
        span = exporter.get_finished_spans()[0].get_span_context()
        assert stored.meta["tenant"] == 7
        assert stored.meta["otel"]["traceparent"].startswith(f"00-{span.trace_id:032x}-{span.span_id:016x}-")

    def test_of_many_jobs_leaves_a_trace_in_each(self, app):
        many = looks.delay_many([(), ()])

        traces = {app.get(one.id).meta["otel"]["traceparent"] for one in many}

        assert len(traces) == 2

    def test_that_is_refused_has_the_error_and_not_its_text(self, configure, exporter):
        app = configure(queue_attributes={"mail": {"max_size": 1}})
        looks.delay()

        with pytest.raises(mongojobs.QueueFullError):
            looks.delay()

        span = exporter.get_finished_spans()[-1]
        assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "QueueFullError")
        assert span.events == ()
        assert app.store.collection.estimated_document_count() == 1

    def test_does_not_store_what_is_too_long_of_the_baggage(self, app):
        token = context.attach(baggage.set_baggage("tenant", "x" * LONGEST_HEADER))
        sent = looks.delay()
        context.detach(token)

        assert set(app.get(sent.id).meta["otel"]) == {"traceparent"}


class TestARun:
    def test_is_a_span_of_a_consumer_with_a_link_to_the_enqueue(self, app, exporter):
        sent = looks.delay()
        work_off(name="ada")

        span, origin = spans(exporter)["process"], spans(exporter)["send"].get_span_context()
        assert (span.name, span.kind, span.parent) == ("process mail", SpanKind.CONSUMER, None)
        assert [link.context.span_id for link in span.links] == [origin.span_id]
        assert span.get_span_context().trace_id != origin.trace_id
        assert span.attributes["messaging.client.id"] == "ada"
        assert span.attributes["messaging.message.id"] == str(sent.id)
        assert span.attributes["mongojobs.attempt"] == 1
        assert span.attributes["mongojobs.wait_ms"] >= 0

    def test_links_to_the_trace_of_a_web_request_that_began_it(self, app, provider, exporter):
        with provider.get_tracer("web").start_as_current_span("GET /") as request:
            looks.delay()
        work_off()

        [link] = spans(exporter)["process"].links
        assert link.context.trace_id == request.get_span_context().trace_id

    def test_can_be_a_child_of_the_enqueue(self, configure, exporter):
        configure(parent=True)
        looks.delay()
        work_off()

        span, origin = spans(exporter)["process"], spans(exporter)["send"].get_span_context()
        assert (span.parent.span_id, span.links) == (origin.span_id, ())

    def test_is_the_current_span_of_the_jobs_code_with_the_baggage_of_the_caller(self, app, exporter):
        token = context.attach(baggage.set_baggage("tenant", "acme"))
        looks.delay()
        context.detach(token)
        work_off()

        [(current, tenant, _)] = seen
        assert current.span_id == spans(exporter)["process"].get_span_context().span_id
        assert tenant == "acme"

    def test_is_the_current_span_of_an_async_job_too(self, app, exporter):
        looks_async.delay()
        work_off()

        assert seen[0].span_id == spans(exporter)["process"].get_span_context().span_id

    def test_that_fails_reports_the_error_without_its_secrets(self, app, exporter):
        tells_a_secret.delay("c4n4ry")
        work_off()

        span = spans(exporter)["process"]
        [event] = span.events
        assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")
        assert event.attributes["exception.message"].startswith("ValueError: cannot use ")
        assert "tells_a_secret" in event.attributes["exception.stacktrace"]
        assert "c4n4ry" not in span.to_json()

    def test_of_a_job_that_cannot_be_loaded_is_an_error_too(self, app, exporter):
        sent = looks.delay()
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"handler.v": 0}})
        work_off()

        assert spans(exporter)["process"].status.status_code is StatusCode.ERROR

    @pytest.mark.parametrize(
        "meta", [None, 7, {"otel": 7}, {"otel": {"traceparent": {"$ne": 1}}}, {"otel": {"x": "y"}}]
    )
    def test_of_a_job_whose_trace_was_damaged_has_no_link(self, app, exporter, meta):
        sent = looks.delay()
        app.store.collection.update_one({"_id": sent.id}, {"$set": {"meta": meta}})
        work_off()

        assert "process" not in spans(exporter) or spans(exporter)["process"].links == ()


class TestTheDatabase:
    @pytest.fixture
    def commands(self, monkeypatch):
        """Each command to the database, and whether an instrumented driver would make no span of it."""

        class Instrumented(monitoring.CommandListener):
            def __init__(self):
                self.sent = []

            def started(self, event):
                self.sent.append((event, bool(context.get_value("suppress_instrumentation"))))

            def succeeded(self, event):
                pass

            def failed(self, event):
                pass

        listener = Instrumented()
        monkeypatch.setattr(monitoring, "_LISTENERS", monitoring._Listeners([listener], [], [], [], []))
        return listener.sent

    def test_has_no_spans_of_an_idle_workers_queries(self, commands, configure):
        configure(sleep_delay=0.1, heartbeat=0.2, lease=1)
        with working():
            threading.Event().wait(0.3)  # it has connected by then
            commands.clear()
            threading.Event().wait(2)
            asked = list(commands)

        assert {event.command_name for event, _ in asked} >= {"find", "findAndModify"}
        assert [event.command_name for event, is_suppressed in asked if not is_suppressed] == []

    def test_has_spans_of_the_queries_of_jobs(self, commands, configure):
        configure()
        asks_the_database.delay()
        commands.clear()

        with working():
            eventually(lambda: [sent for sent in commands if is_of_the_job(sent[0])])

        assert [is_suppressed for event, is_suppressed in commands if is_of_the_job(event)] == [False]


def is_of_the_job(event):
    return event.command.get("filter") == {"_id": "asked by a job"}


class TestACancelledRun:
    def test_is_a_span_without_an_error_that_says_so(self, configure, exporter, reader):
        app, job = configure(lease=1, heartbeat=0.1), goes_on.delay()
        recorder.clear()
        gate.clear()

        with working():
            eventually(lambda: "began" in recorder.deeds)
            app.cancel(job.id, running=True)
            eventually(lambda: "process" in spans(exporter))

        span = spans(exporter)["process"]
        assert (span.attributes["mongojobs.cancelled"], span.status.status_code) == (True, StatusCode.UNSET)
        [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
        assert "messaging.process.duration" in {metric.name for metric in scope.metrics}


class TestMetrics:
    def test_count_what_was_sent_and_consumed_and_how_long_it_took(self, app, reader):
        looks.delay()
        work_off()

        [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
        points = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
        assert points["messaging.client.sent.messages"].value == 1
        assert points["messaging.client.consumed.messages"].value == 1
        assert points["messaging.process.duration"].count == 1
        assert points["messaging.process.duration"].attributes["messaging.destination.name"] == "mail"

    def test_count_calls_that_became_no_job(self, app, reader):
        app.create_indexes()
        looks.options(unique_key="k").delay_many([(), ()])

        [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
        [merged] = [metric for metric in scope.metrics if metric.name == "mongojobs.calls.merged"]
        [point] = merged.data.data_points
        assert (point.value, point.attributes["mongojobs.answer"]) == (1, "dropped")


class TestWithoutTheExtra:
    def test_the_error_names_the_command_that_installs_it(self):
        code = (
            "import sys; sys.modules['opentelemetry'] = None\n"
            "import mongojobs\n"
            "try:\n"
            "    import mongojobs.plugins.opentelemetry\n"
            "except mongojobs.ExtraMissingError as error:\n"
            "    print(error)\n"
        )

        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

        assert told.stdout == 'OpenTelemetryPlugin needs an optional package: pip install "mongojobs[otel]"\n'

    def test_a_trace_costs_nothing(self, connection):
        mongojobs.configure()
        sent = looks.delay()

        assert mongojobs.default_app().get(sent.id).meta is None
