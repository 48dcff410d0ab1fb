"""The three signals."""

import pytest


@pytest.fixture
def heard(framework):
    """What the signals told: which it was, its sender, the id and the status."""
    heard = []
    receivers = []
    for name, signal in framework.SIGNALS.items():

        def receive(sender, task_result, name=name, **_):
            heard.append((name, sender, task_result.id, str(task_result.status)))

        signal.connect(receive)
        receivers.append((signal, receive))
    yield heard
    for signal, receive in receivers:
        signal.disconnect(receive)


def test_are_sent_once_each_for_a_success(tasks, work, backend, heard):
    result = tasks.echo.enqueue(1)

    work()

    assert heard == [
        ("enqueued", type(backend), result.id, "READY"),
        ("started", type(backend), result.id, "RUNNING"),
        ("finished", type(backend), result.id, "SUCCESSFUL"),
    ]


def test_are_sent_once_each_for_a_failure(tasks, work, heard):
    tasks.fail.enqueue("")

    work()

    assert [(name, status) for name, _, _, status in heard] == [
        ("enqueued", "READY"),
        ("started", "RUNNING"),
        ("finished", "FAILED"),
    ]


def test_are_sent_for_an_async_task(tasks, work, heard):
    tasks.echo_later.enqueue(1)

    work()

    assert [name for name, *_ in heard] == ["enqueued", "started", "finished"]


def test_are_not_sent_for_what_was_refused(tasks, heard):
    with pytest.raises(TypeError):
        tasks.echo.enqueue(object())

    assert heard == []
