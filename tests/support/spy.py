"""Listening to what a client sends to the server."""

from collections.abc import Callable

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

_OF_THE_DRIVER = ("hello", "endSessions", "killCursors", "abortTransaction", "commitTransaction")


class Spy(CommandListener):
    """Notes each command; *look* is called with it just before it is sent, in the thread that sends it."""

    def __init__(self, look: Callable[[CommandStartedEvent], None] = lambda event: None) -> None:
        self.sent: list[CommandStartedEvent] = []
        self.look = look

    @property
    def names(self) -> list[str]:
        return [event.command_name for event in self.sent]

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in _OF_THE_DRIVER:
            self.sent.append(event)
            self.look(event)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass
