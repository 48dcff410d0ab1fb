"""Starts an example as platforms do: the lines of its Procfile, ``release`` first, until Ctrl-C or until one ends.

``scripts/example flask`` is the way to it. What is kept beside MongoDB goes into a folder that is gone in the end.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
EXAMPLES = sorted(path.parent.name for path in HERE.glob("*/Procfile"))
LONGEST_STOP_SECONDS = 35


def main() -> int:
    """Run the example that is named until it is told to stop; return 0 unless something failed."""
    parser = ArgumentParser(prog="scripts/example", description="Start an example: web and worker, until Ctrl-C.")
    parser.add_argument("name", choices=EXAMPLES)
    folder = HERE / parser.parse_args().name
    told: list[int] = []  # not an Event, which two signals at once would lock for good
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    with TemporaryDirectory(prefix="mongojobs-example-") as scratch:
        return run(folder, environment(Path(scratch)), told)


def environment(scratch: Path) -> dict[str, str]:
    """Return what platforms would set: where to listen, secrets, and where a database of Django's can be."""
    return {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "ADMIN_PASSWORD": secrets.token_hex(4),
        "DATABASE": str(scratch / "shop.sqlite3"),
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def free_port() -> int:
    """Return 8000, or another one if that is taken."""
    for port in (8000, 0):
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(listening.getsockname()[1])
    raise OSError("no port is free")


def run(folder: Path, environ: dict[str, str], told: list[int]) -> int:
    """Run the release line to its end, then all others side by side; return 0 unless one failed."""
    lines = dict(line.split(": ", 1) for line in (folder / "Procfile").read_text(encoding="utf-8").splitlines())
    released = start(lines.pop("release"), folder, environ).wait()
    if released or told:
        return released
    processes = [start(f"exec {line}", folder, environ) for line in lines.values()]
    is_open = False
    while not told and all(process.poll() is None for process in processes):
        if not is_open and (is_open := answers(int(environ["PORT"]))):
            print(
                f"== Open http://{environ['HOST']}:{environ['PORT']}/ and, as admin with the password"
                f" {environ['ADMIN_PASSWORD']}, /jobs/. Ctrl-C ends it.",
                flush=True,
            )
        time.sleep(0.1)
    failed = next((process.returncode for process in processes if process.poll()), 0)
    stop(processes)
    return failed


def start(line: str, folder: Path, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a line of the Procfile where no Ctrl-C reaches it but by us."""
    print(f"== {line.removeprefix('exec ')}", flush=True)
    return subprocess.Popen(line, shell=True, cwd=folder, env=environ, start_new_session=True)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Tell all to end, and wait for them."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(LONGEST_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    print("== Stopped.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
