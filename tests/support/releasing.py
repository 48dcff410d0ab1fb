"""``python -m tests.support.releasing [TAG]``, or ``--wheel FILE``: says what forbids a release, and fails then.

With ``--notes`` it prints what the changelog says of the version.
"""

import email
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Collection, Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
_HOME = "https://github.com/mongojobs/mongojobs"
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


def notes(version: str, changelog: str) -> str:
    """Return what the *changelog* says of *version*, with links that lead to its files from anywhere."""
    found = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE)
    text = found[1].strip() if found else ""
    return text.replace("](docs/", f"]({_HOME}/blob/v{version}/docs/")


def stray_files(shipped: Iterable[str], tracked: Collection[str]) -> list[str]:
    """Return the files of a wheel that are neither *tracked* files of the package nor its metadata."""
    return [name for name in shipped if name not in tracked and not re.match(r"mongojobs-[^/]+\.dist-info/", name)]


def wrong_metadata(project: Mapping[str, Any], metadata: Message) -> list[str]:
    """Return what an index would show otherwise than *project* has it, a part of ``pyproject.toml``."""
    extras = project["optional-dependencies"]
    expected = {
        "Name": [project["name"]],
        "Summary": [project["description"]],
        "License-Expression": [project["license"]],
        "License-File": [str(path.relative_to(ROOT)) for glob in project["license-files"] for path in ROOT.glob(glob)],
        "Requires-Python": [project["requires-python"]],
        "Classifier": project["classifiers"],
        "Project-URL": [f"{label}, {url}" for label, url in project["urls"].items()],
        "Provides-Extra": list(extras),
    }
    shown: dict[str, list[str]] = {name: metadata.get_all(name, []) for name in expected}
    needed = [Requirement(one) for one in metadata.get_all("Requires-Dist", [])]
    expected["Requires-Dist"] = _versions(Requirement(one) for one in project["dependencies"])
    shown["Requires-Dist"] = _versions(one for one in needed if "extra ==" not in str(one.marker))
    return [
        f"its {name} is {shown[name]}, and pyproject.toml has {values}"
        for name, values in expected.items()
        if sorted(shown[name]) != sorted(values)
    ]


def _versions(requirements: Iterable[Requirement]) -> list[str]:
    return [f"{one.name}{one.specifier}" for one in requirements]


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "mongojobs"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _version() -> str:
    [version] = _VERSION.findall(_read("mongojobs/version.py"))
    return str(version)


def _of_this_version(tag: str | None = None) -> list[str]:
    dumps = {path.stem for path in (ROOT / "tests" / "stored").glob("*.json")}
    return problems(_version(), _read("CHANGELOG.md"), dumps, tag)


def _of_wheel(path: str) -> list[str]:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    with zipfile.ZipFile(path) as wheel:
        shipped, tracked = wheel.namelist(), _tracked()
        [metadata] = [wheel.read(name) for name in shipped if name.endswith(".dist-info/METADATA")]
    missing = [f"{path} lacks {name}" for name in tracked if name not in shipped]
    stray = [f"{path} has the stray file {name}" for name in stray_files(shipped, tracked)]
    return stray + missing + wrong_metadata(project, email.message_from_bytes(metadata))


def main(arguments: list[str]) -> None:
    """Exit with what forbids the release, if anything does."""
    if arguments == ["--notes"]:
        print(notes(_version(), _read("CHANGELOG.md")))
        return
    found = _of_wheel(arguments[1]) if arguments[:1] == ["--wheel"] else _of_this_version(*arguments)
    if found:
        sys.exit("Not released:\n" + "\n".join(f"- {one}" for one in found))


if __name__ == "__main__":
    main(sys.argv[1:])
