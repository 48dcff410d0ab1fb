"""What `start` leaves behind for `uri` and `stop`: one small file a checkout."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.support.mongod.deployment import Deployment
from tests.support.mongod.processes import command_line

_CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started earlier and is still running."""

    uri: str
    folder: str
    pids: Sequence[int]

    @classmethod
    def of(cls, server: Deployment) -> Self:
        """Return what must be known of *server* to stop it later."""
        return cls(uri=server.uri, folder=str(server.folder), pids=[node.pid for node in server.nodes])

    def is_alive(self) -> bool:
        """Whether any of its processes still runs."""
        return any(self._is_ours(pid) for pid in self.pids)

    def stop(self) -> None:
        """Kill its processes and remove its data."""
        for pid in filter(self._is_ours, self.pids):
            os.kill(pid, signal.SIGKILL)
        while self.is_alive():
            time.sleep(0.01)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ours(self, pid: int) -> bool:
        """Tell our process from another that was given its number after it had ended."""
        return self.folder in command_line(pid)


def recall() -> Running | None:
    """Return the server that runs for this checkout, if any; what is left of one that has died is removed."""
    file = _file()
    if not file.exists():
        return None
    running = Running(**json.loads(file.read_text()))
    if running.is_alive():
        return running
    running.stop()
    file.unlink()
    return None


def remember(running: Running) -> None:
    """Keep *running* for later commands."""
    file = _file()
    new = file.with_suffix(".new")
    new.write_text(json.dumps(asdict(running)))
    new.rename(file)


def forget() -> None:
    """Keep nothing for later commands."""
    _file().unlink(missing_ok=True)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep two commands for the same checkout apart."""
    _file().parent.mkdir(parents=True, exist_ok=True)
    with _file().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file() -> Path:
    states = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    key = hashlib.sha256(str(_CHECKOUT).encode()).hexdigest()[:16]
    return states / "mongojobs" / f"mongod-{key}.json"
