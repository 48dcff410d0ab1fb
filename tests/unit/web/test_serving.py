"""The dashboard's own server: when it can be told to stop."""

import signal
from types import SimpleNamespace

import pytest

from mongojobs.web.serving import run


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_can_be_stopped_as_soon_as_it_says_where_it_is(number):
    closed = []
    server = SimpleNamespace(run=lambda: pytest.fail("it went on"), close=lambda: closed.append(True))

    with pytest.raises(SystemExit) as stopped:
        run(server, on_ready=lambda: signal.raise_signal(number))

    assert (stopped.value.code, closed) == (0, [True])


def test_a_server_that_has_stopped_is_not_killed_by_one_more_signal():
    server = SimpleNamespace(run=lambda: None, close=lambda: None)

    run(server, on_ready=lambda: None)

    assert {signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} == {signal.SIG_IGN}
