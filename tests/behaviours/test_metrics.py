"""Prometheus metrics of workers, and of queues from a separate process."""

import re
from signal import Signals

import pytest

import mongojobs
from tests.support import sample_app
from tests.support.prometheus import families, faults_of
from tests.support.waiting import eventually
from tests.support.web import get, status


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure()
    yield app
    mongojobs.configure()


@pytest.fixture
def without_prometheus(tmp_path):
    """A folder of modules in which the client library of Prometheus cannot be imported."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "prometheus_client.py").write_text("raise ImportError")
    return folder


def url_of(process):
    """Return where a process answers, once it says so."""
    process.says("Probes: http")
    return re.search(r"Probes: (\S+) answers", process.output)[1]


def served(process):
    """Return where `mongojobs metrics` answers, once it says so."""
    eventually(lambda: "Metrics: http" in process.errors)
    return re.search(r"Metrics: (\S+)", process.errors)[1]


def value(text, name, **labels):
    """Return the value of one series."""
    found = [
        sample.value
        for family in families(text).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found[0] if found else None


class TestAWorker:
    def test_says_what_it_has_done(self, app, start, tmp_path):
        url = url_of(start("work", "--probe-port=0"))
        sample_app.append.options(queue="mail").delay(str(tmp_path / "ledger"), "done")

        labels = {"queue": "mail", "job": "tests.support.sample_app.append"}
        eventually(lambda: value(get(f"{url}/metrics").text, "mongojobs_job_duration_seconds_count", **labels) == 1)

        answer = get(f"{url}/metrics")
        assert answer.content_type.startswith("text/plain; version=")
        assert value(answer.text, "mongojobs_jobs_processed_total", outcome="completed", **labels) == 1
        assert value(answer.text, "mongojobs_reserve_seconds_count") >= 1
        ours = [family for name, family in families(answer.text).items() if name.startswith("mongojobs_")]
        assert list(faults_of(ours)) == []
        assert "_created" not in answer.text

    def test_without_the_client_library_says_how_to_install_it_and_works_all_the_same(
        self, app, start, without_prometheus, tmp_path
    ):
        worker = start("work", "--probe-port=0", PYTHONPATH=f"{without_prometheus}:.")
        url = url_of(worker)
        sample_app.append.delay(str(tmp_path / "ledger"), "done")
        eventually((tmp_path / "ledger").exists)

        answer = get(f"{url}/metrics")

        assert (answer.status, status(f"{url}/livez")) == (503, 200)
        assert answer.text == 'PrometheusPlugin needs an optional package: pip install "mongojobs[prometheus]"\n'


class TestMetrics:
    def test_report_queues_and_workers(self, app, start, tmp_path):
        sample_app.append.options(queue="mail", run_in=3600).delay("x", "y")
        for queue in ("held", "late"):
            sample_app.append.options(queue=queue).delay("x", "y")
        app.pause("held")
        start("work", "--name=ada", "--queues=other")
        eventually(lambda: app.store.collection.database["delayed_jobs_workers"].find_one({"_id": "ada"}))
        url = served(start("metrics", "--port=0"))

        answer = get(url)

        assert value(answer.text, "mongojobs_queue_jobs", queue="mail", state="scheduled") == 1
        assert value(answer.text, "mongojobs_queue_jobs", queue="held", state="ready") == 1
        assert value(answer.text, "mongojobs_queue_latency_seconds", queue="late") > 0
        assert value(answer.text, "mongojobs_queue_latency_seconds", queue="held") == 0
        assert value(answer.text, "mongojobs_queue_paused", queue="held") == 1
        assert value(answer.text, "mongojobs_queue_paused", queue="mail") == 0
        assert value(answer.text, "mongojobs_workers", state="idle") == 1
        assert value(answer.text, "mongojobs_worker_threads", worker="ada") == 1
        assert value(answer.text, "mongojobs_worker_threads_busy", worker="ada") == 0
        assert value(answer.text, "mongojobs_worker_heartbeat_timestamp_seconds", worker="ada") > 1e9
        assert list(faults_of(families(answer.text).values())) == []

    def test_ask_the_database_once_for_many_scrapes(self, app, start):
        url = served(start("metrics", "--port=0", "--cache=1h"))
        before = get(url).text
        sample_app.append.delay("x", "y")

        assert get(url).text == before

    def test_end_when_told(self, app, start):
        process = start("metrics", "--port=0")
        served(process)

        process.send(Signals.SIGTERM)

        assert process.wait() == 0

    def test_need_the_client_library_and_say_how_to_install_it(self, app, start, without_prometheus):
        process = start("metrics", PYTHONPATH=f"{without_prometheus}:.")

        assert process.wait() == 2
        assert process.errors == (
            'Error: QueueMetrics needs an optional package: pip install "mongojobs[prometheus]"\n'
        )
