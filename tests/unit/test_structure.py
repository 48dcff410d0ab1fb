"""The house stays in order: narrow folders, short functions, few arguments, and a table of contents at each door.

That everything has a docstring is seen to by ruff, that nothing imports in a circle by import-linter.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mongojobs
from mongojobs.cli.main import COMMANDS, INTERNAL
from mongojobs.web.routes import VIEWS

HOUSE = Path(mongojobs.__path__[0])
FILES = sorted(HOUSE.rglob("*.py"))
FOLDERS = sorted(path.parent for path in FILES if path.name == "__init__.py")
COMMANDS_APART = "cli"
"""The folder that may be wider: it has a module for each command."""

MOST_MODULES = 15
LONGEST_FUNCTION = 40
MOST_ARGUMENTS = 6

NAMED_ELSEWHERE = {
    "cli": {module.partition(".")[0] for module in (COMMANDS | INTERNAL).values()},
    "web/pages": {view.__module__.rpartition(".")[2] for view in VIEWS.values()},
}
"""What the table of commands and that of routes name, so that the docstring need not."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def in_house(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def modules_in(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}


def packages_in(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def contents(folder: Path) -> set[str]:
    """Return what the docstring of a package names, a line each."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    return set(re.findall(r"^- ``(\w+)``: \S", text, re.MULTILINE))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield in_house(path), node


def functions() -> Iterator[tuple[str, Function]]:
    return ((f"{file}: {node.name}", node) for file, node in nodes() if isinstance(node, Function))


def length(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def arguments(function: Function) -> int:
    """Return how many arguments *function* takes, beside ``self``."""
    return len([*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]) - 1


@pytest.mark.parametrize("folder", FOLDERS, ids=in_house)
class TestAFolder:
    def test_is_narrow(self, folder):
        assert len(modules_in(folder)) <= MOST_MODULES or in_house(folder) == COMMANDS_APART

    def test_has_a_table_of_contents(self, folder):
        rooms = modules_in(folder) | packages_in(folder)

        assert rooms == contents(folder) | NAMED_ELSEWHERE.get(in_house(folder), set())


def test_functions_are_short():
    assert [name for name, function in functions() if length(function) > LONGEST_FUNCTION] == []


def test_constructors_take_few_arguments():
    constructors = [(name, function) for name, function in functions() if function.name == "__init__"]

    assert [name for name, function in constructors if arguments(function) > MOST_ARGUMENTS] == []
