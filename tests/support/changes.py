"""Prints which tests to run first after a change: unit and contract tests of its rooms, or all unit tests without one.

Rooms are the folders of `mongojobs`; `tests/unit` and `tests/contract` have folders of the same names.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePath

_KINDS = ("unit", "contract")


def main() -> None:
    """Print one path a line."""
    print("\n".join(tests_of(_changed())))


def tests_of(changed: Iterable[str]) -> list[str]:
    """Return the folders and files of tests for *changed* files, as paths from the root of the repository."""
    paths = {test for file in changed for test in _tests_of_one(PurePath(file).parts)}
    there = {path for path in paths if Path(path).exists()}
    return sorted(path for path in there if there.isdisjoint(map(str, PurePath(path).parents))) or ["tests/unit"]


def _tests_of_one(parts: tuple[str, ...]) -> list[str]:
    match parts:
        case ("mongojobs", "core", *_):
            return ["tests/unit"]  # all other rooms stand on it
        case ("mongojobs", room, _, *_):
            return [f"tests/{kind}/{room}" for kind in _KINDS]
        case ("tests", kind, *_, name) if kind in _KINDS and name.startswith("test_"):
            return ["/".join(parts)]
        case _:
            return []


def _changed() -> list[str]:
    """Return what differs from where this branch left main, or on main from the commit before the last."""
    base = _git("merge-base", "HEAD", "main")
    if base == _git("rev-parse", "HEAD"):
        base = ["HEAD~1"]
    return _git("diff", "--name-only", *base) + _git("ls-files", "--others", "--exclude-standard")


def _git(*arguments: str) -> list[str]:
    """Return the lines that git prints: none where it cannot tell, as without a main."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.splitlines()


if __name__ == "__main__":
    main()
