"""``python -m tests.support.releasing [TAG]``, or ``--wheel FILE``: says what forbids a release, and fails then."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def problems(version: str, changelog: str, dumps: Collection[str], tag: str | None = None) -> list[str]:
    """Return what forbids to release *version*, with this *changelog*, and *dumps* of stored jobs for these minors."""
    found = []
    if tag is not None and tag != f"v{version}":
        found.append(f"the tag is {tag}, and mongojobs/version.py says {version}")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'")
    if re.search(r"^## \[Unreleased\]\n+(?!## )\S", changelog, re.MULTILINE):
        found.append("CHANGELOG.md lists changes under [Unreleased]: move them below the heading of the version")
    minor = version.rpartition(".")[0]
    if minor not in dumps:
        found.append(f"tests/stored has no {minor}.json: run scripts/dump {minor}")
    return found


def stray_files(shipped: Iterable[str], tracked: Collection[str]) -> list[str]:
    """Return the files of a wheel that are neither *tracked* files of the package nor its metadata."""
    return [name for name in shipped if name not in tracked and not re.match(r"mongojobs-[^/]+\.dist-info/", name)]


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "mongojobs"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def _of_this_version(tag: str | None = None) -> list[str]:
    [version] = _VERSION.findall((ROOT / "mongojobs" / "version.py").read_text(encoding="utf-8"))
    dumps = {path.stem for path in (ROOT / "tests" / "stored").glob("*.json")}
    return problems(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), dumps, tag)


def _of_wheel(path: str) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        shipped, tracked = wheel.namelist(), _tracked()
    missing = [f"{path} lacks {name}" for name in tracked if name not in shipped]
    return [f"{path} has the stray file {name}" for name in stray_files(shipped, tracked)] + missing


def main(arguments: list[str]) -> None:
    """Exit with what forbids the release, if anything does."""
    found = _of_wheel(arguments[1]) if arguments[:1] == ["--wheel"] else _of_this_version(*arguments)
    if found:
        sys.exit("Not released:\n" + "\n".join(f"- {one}" for one in found))


if __name__ == "__main__":
    main(sys.argv[1:])
