"""``mongojobs web``: the dashboard as a server of its own."""

from __future__ import annotations

import ipaddress
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

from waitress.server import BaseWSGIServer, MultiSocketServer, create_server

from mongojobs.app import MongoJobs
from mongojobs.core.errors import ConfigurationError
from mongojobs.web.app import Dashboard
from mongojobs.web.auth import Authenticate, BasicAuth, Role, User

THREADS: Final = 8
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where to listen and who may come in: *user* with *password* or, on this machine and without them, everybody."""

    host: str = "127.0.0.1"
    port: int = 8787
    user: str = ""
    password: str = ""
    read_only: bool = False
    insecure: bool = False
    show_arguments: bool = True

    def __post_init__(self) -> None:
        if bool(self.user) != bool(self.password):
            raise ConfigurationError("MONGOJOBS_WEB_USER and MONGOJOBS_WEB_PASSWORD go together: set both, or neither")
        if not (self.user or self.is_local or self.insecure):
            raise ConfigurationError(
                f"without credentials, anybody who reaches {self.host} could see and delete the jobs: set"
                " MONGOJOBS_WEB_USER and MONGOJOBS_WEB_PASSWORD, or listen on 127.0.0.1, or say --insecure"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        return self.host == "localhost"

    @property
    def role(self) -> Role:
        """What visitors may do."""
        return "viewer" if self.read_only else "operator"

    @property
    def auth(self) -> Authenticate:
        """The function that says who sent a request."""
        if not self.user:
            everybody = User("anybody" if self.insecure and not self.is_local else "local", self.role)
            return lambda _request: everybody
        users = {self.user: self.password}
        return BasicAuth(viewers=users) if self.read_only else BasicAuth(operators=users)

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """The names by which a request may address this server.

        Without credentials these are the machine's own: else a page of a stranger, whose name he lets point to this
        machine, could read and change the jobs from inside of the user's browser.
        """
        return (*_LOCAL_NAMES, self.host) if self.is_local and not self.user else ()


def make_server(app: MongoJobs, serving: Serving) -> BaseWSGIServer | MultiSocketServer:
    """Return the server, already listening. Raises ConfigurationError if it cannot."""
    dashboard = Dashboard(
        lambda: app,
        auth=serving.auth,
        trusted_hosts=serving.trusted_hosts,
        show_arguments=serving.show_arguments,
    )
    try:
        return create_server(
            dashboard,
            host=serving.host,
            port=serving.port,
            threads=THREADS,
            ident="",
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {serving.host}:{serving.port}: {error.strerror}") from None


def run(server: BaseWSGIServer | MultiSocketServer, *, on_ready: Callable[[], object]) -> None:
    """Serve until SIGTERM or SIGINT; *on_ready* is called as soon as these end it in good order."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in _STOPS:
            signal.signal(number, _go_on)  # a second one would break off what the first one has begun
        raise SystemExit(0)

    for number in _STOPS:
        signal.signal(number, leave)
    try:
        on_ready()
        server.run()
    finally:
        server.close()
        for number in _STOPS:  # Python gives up its own handlers as it ends, and would be killed by one more
            signal.signal(number, signal.SIG_IGN)


def _go_on(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; ignoring the signal would make Python complain about one already on its way."""
