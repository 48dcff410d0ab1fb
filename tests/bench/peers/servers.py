"""PostgreSQL and Redis: found on this machine, started with their own data, stopped and removed afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mongod.node import free_port

_START_SECONDS = 30
_STOP_SECONDS = 30
_DEBIAN_POSTGRESQL = Path("/usr/lib/postgresql")


class MissingError(Exception):
    """Something that a measurement needs cannot be had; says what, and how to get it."""


@contextmanager
def server(name: str) -> Iterator[str]:
    """Start a server, and give the URL of an empty database; end it afterwards. Raises MissingError."""
    if name == "mongodb":
        yield os.environ["MONGODB_URI"]
        return
    with tempfile.TemporaryDirectory(prefix=f"mongojobs-{name}-") as folder:
        command, url = _COMMANDS[name](Path(folder), free_port())
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, user=_user(), cwd=folder)
        try:
            _wait(process, log)
            yield url
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _postgresql(folder: Path, port: int) -> tuple[list[str], str]:
    if (user := _user()) is not None:
        os.chown(folder, user, -1)  # PostgreSQL refuses to run as root
    data = folder / "data"
    initdb = [str(_postgresql_binary("initdb")), "--pgdata", str(data), "--username", "bench", "--auth", "trust"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    url = f"postgresql://bench@127.0.0.1:{port}/postgres"
    return [str(_postgresql_binary("postgres")), "-D", str(data), *options], url


def _redis(folder: Path, port: int) -> tuple[list[str], str]:
    found = shutil.which("redis-server")
    if found is None:
        raise MissingError("Redis is not installed; on Debian: apt-get install redis-server")
    if (user := _user()) is not None:
        os.chown(folder, user, -1)
    return [found, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)], f"redis://127.0.0.1:{port}/0"


def _durable_redis(folder: Path, port: int) -> tuple[list[str], str]:
    command, url = _redis(folder, port)
    return [*command, "--appendonly", "yes", "--appendfsync", "always"], url


_COMMANDS: dict[str, Callable[[Path, int], tuple[list[str], str]]] = {
    "postgresql": _postgresql,
    "redis": _redis,
    "redis-durable": _durable_redis,
}


def _postgresql_binary(name: str) -> Path:
    """Return a program of PostgreSQL, which Debian keeps off the PATH."""
    if found := shutil.which(name):
        return Path(found)
    versions = [*_DEBIAN_POSTGRESQL.glob(f"*/bin/{name}")]
    if not versions:
        raise MissingError("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    return max(versions, key=lambda path: int(path.parts[-3]))


def _user() -> int | None:
    """Return the user to become instead of root; None if not root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server says that it is ready."""
    deadline = time.monotonic() + _START_SECONDS
    while "ready to accept connections" not in (said := log.read_text(errors="replace").lower()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise MissingError(f"a server did not start: {said[-500:]}")
        time.sleep(0.05)
