"""Where the peers are installed, and their commands run: a virtual environment that is gone afterwards."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers import moments
from tests.bench.peers.peers import Peer
from tests.bench.peers.servers import MissingError
from tests.support.command_line import ROOT, clean_environ

_SETTLED_SECONDS = 3.0
"""After so long a worker that was started waits for jobs."""
_PATIENCE_SECONDS = 300


@contextmanager
def own_environment() -> Iterator[Path]:
    """Give a folder of programs in which nothing is installed yet."""
    with tempfile.TemporaryDirectory(prefix="mongojobs-peers-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        yield Path(folder, "bin")


class Installed:
    """A peer in an environment, with the *url* of its server."""

    def __init__(self, peer: Peer, programs: Path, url: str) -> None:
        self.peer = peer
        self._programs = programs
        self._environ = clean_environ({"PEER_URL": url, "PATH": f"{programs}:/usr/bin:/bin"})

    def enqueue(self, verb: str, count: int = 0) -> float:
        """Do what ``enqueuing`` can, and return how many seconds it took."""
        command = [self._programs / "python", "-m", "tests.bench.peers.enqueuing", self.peer.app, verb, str(count)]
        ended = subprocess.run(command, cwd=ROOT, env=self._environ, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise MissingError(f"{self.peer.name} does not work: {ended.stderr.strip()[-500:]}")
        return float(ended.stdout or 0)

    @contextmanager
    def working(self, count: int = 1) -> Iterator[list[list[moments.Moment]]]:
        """Run workers beside the code inside; what they did is in the list once they have ended."""
        with tempfile.TemporaryDirectory(prefix="mongojobs-peers-") as folder:
            files = [Path(folder, f"{number}.json") for number in range(count)]
            workers = [self._start(file) for file in files]
            found: list[list[moments.Moment]] = []
            try:
                yield found
                self._wait(workers)
                found += [_moments(file) for file in files]
                if not any(found):
                    raise MissingError(f"{self.peer.name} ran nothing: {_end_of(files[0].with_suffix('.log'))}")
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()

    def settle(self) -> None:
        """Wait until a worker that was started waits for jobs."""
        time.sleep(_SETTLED_SECONDS)

    def _wait(self, workers: Sequence["subprocess.Popen[bytes]"]) -> None:
        """Wait until all *workers* have ended by themselves. Raises MissingError."""
        try:
            for worker in workers:
                worker.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise MissingError(f"{self.peer.name} is not done after {_PATIENCE_SECONDS} s") from None

    def _start(self, file: Path) -> "subprocess.Popen[bytes]":
        """Start a worker as users do, its log to a file."""
        command = [str(self._programs / self.peer.command[0]), *self.peer.command[1:]]
        environ = {**self._environ, moments.NOTES: str(file)}
        with file.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )


def _moments(file: Path) -> list[moments.Moment]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-500:]


def install(requirements: Sequence[str], programs: Path) -> None:
    """Install packages from PyPI. Raises MissingError."""
    command = [programs / "python", "-m", "pip", "install", "--quiet", *requirements]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise MissingError(f"{' '.join(requirements)} cannot be installed: {ended.stderr.strip()[-500:]}")
