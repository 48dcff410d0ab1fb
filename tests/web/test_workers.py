"""The workers, and what they are told."""

import pytest

from mongojobs.store.workers import WorkerStatus


@pytest.fixture
def worker(app):
    """A worker that says nothing else about itself."""
    now = app.store.clock.now()
    status = WorkerStatus(
        name="web.1", host="h", pid=7, started_at=now, queues=(), threads=2, busy=0, version="1", heartbeat_at=now
    )
    app.worker_store.beat(status)
    return status


@pytest.mark.parametrize(("action", "words"), [("quiet", "told to be quiet"), ("stop", "told to stop")])
def test_what_a_worker_was_told_is_shown_at_once(operator, worker, action, words):
    answer = operator.post("/workers/change", {"action": action, "name": worker.name})

    page = operator.text(answer.headers["Location"])
    assert f'<span class="tag warn">{words}</span>' in page
    assert f'value="{action}"' not in page


def test_a_quiet_worker_that_was_told_to_stop_can_be_told_nothing_more(app, operator, worker):
    app.quiet_workers()
    app.stop_workers()

    page = operator.text("/workers")

    assert 'name="action"' not in page
