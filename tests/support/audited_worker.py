"""A worker that the interpreter itself watches: it works off what is there, and prints what it should not have done.

Before the watch begins it runs honest jobs of each kind, so that all it needs is imported by then.
"""

import json
import os
import socket
import sys
from decimal import Decimal
from typing import Any

import mongoengine
from pymongo.uri_parser import parse_uri

import mongojobs
from mongojobs import Worker, enqueue
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
    """Whether the driver looks up the database itself."""
    return event == "socket.getaddrinfo" and tuple(arguments[:2]) in DATABASE


def _is_source(arguments: tuple[Any, ...]) -> bool:
    """Whether the file that is opened is source text, read for a traceback."""
    path, mode, _flags = arguments
    return str(path).endswith(".py") and mode in ("r", "rb")


def work() -> None:
    """Run all that is due."""
    Worker(exit_on_complete=True, read_ahead=20).start()


def warm_up() -> None:
    """Run honest jobs of each kind."""
    remember.delay(Decimal(1), {1}, (2,), b"x", 2**80, day=mongojobs.default_app().store.clock.now())
    remember_later.delay(1)
    cook.delay(Recipe("soup"))
    enqueue(Newsletter())
    Band(name="X").save().delay.play()
    fails_once_and_for_all.delay()
    work()


if __name__ == "__main__":
    mongoengine.connect(host=URI, uuidRepresentation="standard")
    socket.getaddrinfo("localhost", 0)
    if os.environ.get("WARM_UP"):
        warm_up()
    watch = Watch()
    sys.addaudithook(watch)
    work()
    print(json.dumps({"seen": watch.seen, "imported": [name for name in sys.modules if "unimported" in name]}))
