"""The public names: all resolve, and looking at the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mongojobs

SOURCE = Path(mongojobs.__file__)


def typed_imports():
    """Return the names that type checkers are told of."""
    tree = ast.parse(SOURCE.read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]


def modules_after(code):
    """Run *code* in a fresh Python and return the top-level packages that it imported."""
    shown = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


class TestEachName:
    @pytest.mark.parametrize("name", mongojobs.__all__)
    def test_can_be_imported(self, name):
        assert getattr(mongojobs, name) is not None

    def test_is_known_to_type_checkers(self):
        assert sorted(typed_imports()) == sorted(mongojobs.__all__)

    def test_is_listed_once(self):
        assert len(set(mongojobs.__all__)) == len(mongojobs.__all__)

    def test_is_shown_by_dir(self):
        assert dir(mongojobs) == sorted(mongojobs.__all__)

    def test_is_one_of_these(self):
        with pytest.raises(AttributeError, match="module 'mongojobs' has no attribute 'enqeue'"):
            mongojobs.enqeue  # noqa: B018 - asks for it

    def test_of_an_error_is_the_whole_tree(self):
        tree = {cls.__name__ for cls in every_subclass(mongojobs.MongoJobsError)} | {"MongoJobsError"}

        assert {name for name in tree if getattr(mongojobs.core.errors, name, None)} <= set(mongojobs.__all__)


def every_subclass(cls):
    return {cls} | {below for child in cls.__subclasses__() for below in every_subclass(child)}


class TestImporting:
    def test_the_package_imports_no_driver(self):
        assert not {"pymongo", "bson", "mongoengine", "click"} & modules_after("import mongojobs")

    def test_the_package_starts_no_thread(self):
        code = "import mongojobs, threading; assert threading.active_count() == 1"

        assert "mongojobs" in modules_after(code)

    @pytest.mark.parametrize("name", ["enqueue", "job", "delay", "handle_asynchronously", "Delayable", "DelayedJob"])
    def test_any_name_first_finds_the_default_app(self, name):
        code = f"from mongojobs import {name}; from mongojobs.enqueuing import current; assert current._default"

        assert "mongojobs" in modules_after(code)
