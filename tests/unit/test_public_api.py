"""The public names: all resolve, and looking at the package costs nothing."""

import ast
import copy
import pickle
import subprocess
import sys
import traceback
import typing
from pathlib import Path

import pytest

import mongojobs
from mongojobs import MongoJobsError
from mongojobs.core.errors import SIGNALS
from tests.support.hostile_jobs import RAISED

SOURCE = Path(mongojobs.__file__)


def typed_imports():
    """Return the names that type checkers see."""
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

    def test_of_an_error_beside_the_tree_is_a_signal_that_the_tests_try(self):
        errors = {one for one in vars(mongojobs.core.errors).values() if isinstance(one, type)}
        beside = {cls for cls in errors if issubclass(cls, Exception) and not issubclass(cls, MongoJobsError)}

        assert beside == {*SIGNALS} == {type(signal) for signal in RAISED.values()}
        assert {cls.__name__ for cls in beside} <= set(mongojobs.__all__)


def every_subclass(cls):
    return {cls} | {below for child in cls.__subclasses__() for below in every_subclass(child)}


VALUES = {"Job", "JobFilter", "Progress", "Settings"}
"""Dataclasses, whose fields are annotated by names of their own modules."""


def a_member(name):
    return getattr(mongojobs, name)


NAMED = [name for name in mongojobs.__all__ if name not in {*VALUES, "DelayedJob", "__version__"}]
ERRORS = [name for name in NAMED if isinstance(a_member(name), type) and issubclass(a_member(name), MongoJobsError)]
FACTS = {
    "SettingsError": {"setting": "uri"},
    "UnstorableValueError": {"where": "argument 'x'"},
    "PayloadTooLargeError": {"size": 2, "limit": 1},
    "DuplicateJobError": {"job_id": 1},
    "KeyHeldError": {"holder_id": 1},
    "ResultError": {"job_id": 1},
    "JobFailed": {"job_id": 1, "error": "KeyError: 7", "trace": ""},
    "JobCancelled": {"job_id": 1, "reason": "not needed", "by": "ann"},
    "ResultNotKeptError": {"job_id": 1},
    "ResultTooLargeError": {"job_id": 1, "size": 2, "limit": 1},
    "UnstorableResultError": {"job_id": 1},
    "ResultTimeoutError": {"job_id": 1, "state": "ready"},
    "QueueFullError": {"queue": "mail", "max_size": 1},
    "EnqueueUnknownError": {"job_id": 7},
    "PartialEnqueueError": {"stored": [1], "reasons": {2: "full"}},
}


class TestAName:
    @pytest.mark.parametrize("name", NAMED)
    def test_is_the_one_that_people_see(self, name):
        assert f"{a_member(name).__module__}.{a_member(name).__qualname__}" == f"mongojobs.{name}"

    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_of_a_value_lets_others_resolve_its_fields(self, name):
        assert typing.get_type_hints(a_member(name))

    @pytest.mark.parametrize("name", NAMED)
    def test_is_found_by_pickle(self, name):
        assert pickle.loads(pickle.dumps(a_member(name))) is a_member(name)

    def test_stands_in_a_traceback(self):
        lines = traceback.format_exception_only(mongojobs.NotAJobError("no job"))

        assert lines[0] == "mongojobs.NotAJobError: no job\n"

    @pytest.mark.parametrize("name", ERRORS)
    @pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
    def test_of_an_error_brings_its_facts_along(self, name, copied):
        error = copied(a_member(name)("what happened", **FACTS.get(name, {})))

        assert (type(error), str(error)) == (a_member(name), "what happened")
        assert {fact: getattr(error, fact) for fact in FACTS.get(name, {})} == FACTS.get(name, {})


class TestImporting:
    def test_the_package_imports_no_driver(self):
        assert not {"pymongo", "bson", "mongoengine", "click"} & modules_after("import mongojobs")

    def test_the_package_starts_no_thread(self):
        code = "import mongojobs, threading; assert threading.active_count() == 1"

        assert "mongojobs" in modules_after(code)

    def test_an_app_and_its_worker_import_no_schedules_before_one_is_used(self):
        code = "from mongojobs import Worker, default_app; default_app().enqueuer; import sys"

        assert "cronsim" not in modules_after(f"{code}; assert 'mongojobs.schedules' not in sys.modules")

    @pytest.mark.parametrize("name", ["enqueue", "job", "delay", "handle_asynchronously", "Delayable", "DelayedJob"])
    def test_any_name_first_finds_the_default_app(self, name):
        code = f"from mongojobs import {name}; from mongojobs.enqueuing import current; assert current._default"

        assert "mongojobs" in modules_after(code)
