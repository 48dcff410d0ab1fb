"""Each error leads to the page that tells its cause and remedy, and its message stays what it was."""

import copy
import pickle
import re
import tomllib
import traceback

import pytest

import mongojobs
from mongojobs.core.errors import PAGE, MongoJobsError
from mongojobs.worker.run.error_text import error_text
from tests.support.command_line import ROOT

ANCHORS = [
    heading.lower() for heading in re.findall(r"^### (\w+)$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
]
TREE = [
    one
    for name in mongojobs.__all__
    if isinstance(one := getattr(mongojobs, name), type) and issubclass(one, MongoJobsError)
]


def made(cls):
    """Return an error of *cls* without its facts, which are not looked at here."""
    error = cls.__new__(cls)
    MongoJobsError.__init__(error, "it went wrong")
    return error


class Own(mongojobs.EnqueueError):
    """As an app may have it."""


class TestTheAddress:
    @pytest.mark.parametrize("cls", TREE)
    def test_of_each_public_error_is_a_heading_of_the_page(self, cls):
        page, _, anchor = made(cls).address.partition("#")

        assert (page, ANCHORS.count(anchor), anchor) == (PAGE, 1, cls.__name__.lower())

    def test_is_among_the_docs_that_the_package_names(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        documentation = project["urls"]["Documentation"]

        assert f"{documentation.replace('/tree/', '/blob/')}/errors.md" == PAGE

    def test_of_an_error_of_the_app_is_that_of_what_it_extends(self):
        assert Own("no").address == f"{PAGE}#enqueueerror"


class TestAMessage:
    def test_has_no_address_in_it(self):
        assert str(mongojobs.SettingsError("threads must be 1 or more", setting="threads")) == (
            "threads must be 1 or more"
        )

    def test_is_followed_by_the_address_in_a_traceback(self):
        lines = traceback.format_exception_only(mongojobs.StateError("it is running"))

        assert lines == [
            "mongojobs.StateError: it is running\n",
            f"Cause and remedy: {PAGE}#stateerror\n",
        ]

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
    def test_is_followed_by_it_once_however_often_it_is_copied(self, copied):
        error = copied(copied(mongojobs.DuplicateJobError("it is there", job_id=7)))

        assert error.__notes__ == [f"Cause and remedy: {PAGE}#duplicatejoberror"]

    def test_is_stored_short_with_the_address_in_its_trace(self):
        text = error_text(mongojobs.UnknownJobError("no job is registered under the name 'a'"))

        assert text.error == "UnknownJobError: no job is registered under the name 'a'"
        assert text.trace.count(PAGE) == 1
