"""One mongod process."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.mongod.binaries import Binary
from tests.support.mongod.errors import MongodError
from tests.support.mongod.processes import Launcher

# Below the ports that systems give to outgoing connections, so that a killed node finds its port free again.
_PORTS = range(20_000, 32_000)
_START_SECONDS = 60


class Node:
    """One mongod process, which tests may kill, pause and restart."""

    def __init__(self, binary: Binary, folder: Path, options: Sequence[str], launcher: Launcher) -> None:
        self.port = free_port()
        self.folder = folder
        self._binary = binary
        self._options = options
        self._launcher = launcher
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the process; raises MongodError while there is none."""
        if self._process is None:
            raise MongodError(f"The node {self.address} is not running: start it first.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, be it paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; `wait` until it can be asked."""
        self.folder.mkdir(exist_ok=True)
        self._process = self._launcher.launch(self._command(), self._binary.environment())

    def wait(self) -> None:
        """Wait until the node answers; raise MongodError if it ends instead."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                raise MongodError(f"{self._binary.path.name} did not start: {self._last_words()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL)."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop the process where it stands, its connections open: it hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process continue."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill the process if it runs, and start it again on its data and its port."""
        self.kill()
        self.start()
        self.wait()

    def client(self) -> "MongoClient[dict[str, object]]":
        """Return a client of this node alone, whatever its role in the replica set."""
        return MongoClient(self.address, directConnection=True, serverSelectionTimeoutMS=2_000)

    def _command(self) -> list[str]:
        return [
            str(self._binary.path),
            *("--port", str(self.port)),
            *self._data(),
            *("--logpath", str(self.folder / "mongod.log"), "--logappend"),
            *self._options,
        ]

    def _data(self) -> tuple[str, ...]:
        return ("--dbpath", str(self.folder))

    def _answers(self) -> bool:
        if not _accepts_connections(self.port):
            return False
        try:
            with self.client() as client:
                return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False

    def _last_words(self) -> str:
        log = self.folder / "mongod.log"
        return log.read_text(errors="replace")[-2_000:] if log.exists() else "it wrote no log."


class Router(Node):
    """One mongos process, which keeps no data."""

    def _data(self) -> tuple[str, ...]:
        return ()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    for port in random.sample(_PORTS, k=200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MongodError(f"No free port was found on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}.")


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
