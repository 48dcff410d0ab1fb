"""A worker that the interpreter itself watches: it works off what is there, and prints what it should not have done.

Before the watch begins it runs honest jobs of each kind, so that all it needs is imported by then: in a collection of
their own, since what is to be watched must not be run yet.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator
from decimal import Decimal
from types import FrameType
from typing import Any

import mongoengine
from pymongo.uri_parser import parse_uri

import mongojobs
from mongojobs import MongoJobs, Settings, Worker, enqueue
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Newsletter, Recipe, cook, fails_once_and_for_all, remember, remember_later

URI = os.environ["SAMPLE_URI"]
DATABASE = {(host, port) for host, port in parse_uri(URI)["nodelist"]}
NEVER = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn", "os.startfile", "pty.spawn"),
    *("subprocess.Popen", "pickle.find_class", "marshal.load", "marshal.loads", "code.__new__", "ctypes.dlopen"),
    *("import", "exec", "compile", "os.remove", "os.rename", "os.mkdir", "os.chmod", "os.symlink", "shutil.rmtree"),
    *("socket.bind", "socket.getaddrinfo", "urllib.Request", "webbrowser.open", "ftplib.connect", "smtplib.connect"),
)


class Watch:
    """Refuses what no stored job may make a worker do, and remembers it, since a refusal alone is a job's failure."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be the audit hook."""
        if event in NEVER and not _is_ours(event, arguments):
            self._refuse(event, arguments)
        if event == "socket.connect" and tuple(arguments[1][:2]) not in DATABASE:
            self._refuse(event, arguments)
        if event == "open" and not _is_source(arguments):
            self._refuse(event, arguments)

    def _refuse(self, event: str, arguments: tuple[Any, ...]) -> None:
        self.seen.append(f"{event} {arguments!r:.200}")
        raise RuntimeError(f"a stored job made the worker do this: {event}")


def _is_ours(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether the driver looks up the database itself, or a traceback looks where in its source line it is."""
    if event == "compile":
        return {"traceback", "ast"} <= set(_callers())
    return event == "socket.getaddrinfo" and tuple(arguments[:2]) in DATABASE


def _callers() -> Iterator[str]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame.f_globals["__name__"]
        frame = frame.f_back


def _is_source(arguments: tuple[Any, ...]) -> bool:
    """Whether the file that is opened is source text, read for a traceback."""
    path, mode, _flags = arguments
    return str(path).endswith(".py") and mode in ("r", "rb")


def work(app: MongoJobs) -> None:
    """Run all that is due."""
    Worker(app=app, exit_on_complete=True, read_ahead=20, executor="thread").start()


def warm_up() -> None:
    """Run honest jobs of each kind."""
    apart = MongoJobs(Settings(collection=f"warm_up_{os.getpid()}"))
    apart.create_indexes()
    with apart.active():
        remember.delay(Decimal(1), {1}, (2,), b"x", 2**80, day=apart.store.clock.now())
        remember_later.delay(1)
        cook.delay(Recipe("soup"))
        enqueue(Newsletter())
        Band(name="X").save().delay.play()
        fails_once_and_for_all.delay()
    work(apart)


def imported() -> list[str]:
    """Return what only a stored job can have imported."""
    return [name for name in sys.modules if "unimported" in name]


if __name__ == "__main__":
    mongoengine.connect(host=URI, uuidRepresentation="standard")
    socket.getaddrinfo("localhost", 0)
    if os.environ.get("WARM_UP"):
        warm_up()
    app = mongojobs.configure(undeclared_for=0)  # as after a day in which nobody came who knew them
    watch = Watch()
    sys.addaudithook(watch)
    work(app)
    print(json.dumps({"seen": watch.seen, "imported": imported()}))
