"""Messages over a socket: whole, in order, and with a clear end."""

import socket
import threading

import pytest

from mongojobs.worker.children.channel import Channel
from tests.support.clock import START


@pytest.fixture
def sockets():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def ends(sockets):
    return Channel(sockets[0], patience=0.05), Channel(sockets[1])


class TestAMessage:
    def test_arrives_equal(self, ends):
        message = {"kind": "run", "now": START, "job": {"args": [1, 2**40, 1.5, b"x", None, "\N{SNOWMAN} \0"]}}

        ends[0].send(message)

        assert ends[1].receive() == message

    def test_arrives_whole_and_in_its_order_however_large(self, ends):
        messages = [{"text": "x" * size} for size in (1, 5_000_000, 2)]
        sender = threading.Thread(target=lambda: [ends[0].send(message) for message in messages])
        sender.start()

        received = [ends[1].receive() for _ in messages]

        sender.join()
        assert received == messages

    def test_of_one_thread_is_not_mixed_with_those_of_others(self, ends):
        def send(number):
            for _ in range(20):
                ends[0].send({"text": str(number) * 10_000})

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        received = [ends[1].receive()["text"] for _ in range(80)]
        for sender in senders:
            sender.join()

        assert sorted(received) == sorted(str(number) * 10_000 for number in range(4) for _ in range(20))

    def test_that_does_not_come_is_waited_for_with_patience(self, ends):
        with pytest.raises(TimeoutError):
            ends[0].receive()
        ends[1].send({"late": True})

        assert ends[0].receive() == {"late": True}

    def test_that_comes_in_two_parts_with_a_pause_is_whole(self, ends, sockets):
        ends[1].send({"text": "x" * 100})
        whole = sockets[0].recv(1000)
        sockets[1].send(whole[:50])
        with pytest.raises(TimeoutError):
            ends[0].receive()

        sockets[1].send(whole[50:])

        assert ends[0].receive() == {"text": "x" * 100}


class TestTheEnd:
    def test_is_none(self, ends):
        ends[1].close()

        assert ends[0].receive() is None

    def test_comes_after_the_last_message(self, ends):
        ends[1].send({"last": 1})
        ends[1].close()

        assert [ends[0].receive(), ends[0].receive()] == [{"last": 1}, None]

    def test_is_what_makes_no_sense_too(self, ends, sockets):
        sockets[1].send(b"\x08\0\0\0oops")

        assert ends[0].receive() is None

    def test_wakes_both_sides(self, ends):
        ends[0].shut()

        assert [end.receive() for end in ends] == [None, None]

    def test_before_a_message_was_read_is_reported(self, ends):
        ends[0].send({"unread": 1})
        ends[1].close()

        with pytest.raises(ConnectionResetError):
            ends[0].receive()

    def test_is_an_error_for_who_sends(self, ends):
        ends[1].close()

        with pytest.raises(OSError, match="Broken pipe"):
            ends[0].send({})
