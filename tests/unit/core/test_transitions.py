"""The transitions of a job's life: all of them are in the table, and each kind of ending is tested everywhere."""

import inspect
import re
from typing import get_args

from mongojobs.core import transitions
from mongojobs.core.actions import ACTIONS
from mongojobs.core.job import ErrorText
from mongojobs.core.limits import KEPT_ENTRIES, LONGEST_ERROR, LONGEST_TRACE
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Ending, Errored
from tests.support.clock import START
from tests.support.endings import ENDINGS, ERROR, LATER
from tests.support.jobs import a_job


class TestTheTable:
    def test_names_every_transition_in_its_last_column_and_nothing_else(self):
        named = re.findall(r"``(\w+)``$", inspect.getdoc(transitions), re.MULTILINE)

        functions = inspect.getmembers(transitions, inspect.isfunction)
        own = [name for name, function in functions if function.__module__ == transitions.__name__]
        public = [name for name in own if not name.startswith("_")]
        assert sorted(named) == sorted([*public, *(ending.__name__ for ending in get_args(Ending))])

    def test_names_every_verb_of_people(self):
        rows = re.findall(r"^[a-z, ]+?  +([a-z ]+?)  .*``core\.actions``$", inspect.getdoc(transitions), re.MULTILINE)

        assert sorted(rows) == sorted(verb.replace("_", " ") for verb in ACTIONS)


def test_each_kind_of_ending_is_among_those_that_the_tests_try():
    assert {type(ending) for ending in ENDINGS.values()} == {*get_args(Ending)}


class TestTheErrorThatIsKept:
    def test_has_its_texts_cut_to_size(self):
        huge = ErrorText(error="e" * 100_000, trace="t" * 100_000)

        sets = Errored(huge, LATER).change(a_job(), START, Settings()).sets

        [entry] = sets["errors"]
        assert (len(entry["error"]), len(entry["trace"]), entry["worker"]) == (LONGEST_ERROR, LONGEST_TRACE, "")
        assert sets["last_error"] == f"{entry['error']}\n{entry['trace']}"

    def test_is_the_last_of_those_before_it(self):
        before = tuple({"at": START, "attempt": number} for number in range(KEPT_ENTRIES))

        errors = Errored(ERROR, LATER).change(a_job(errors=before), START, Settings()).sets["errors"]

        assert [entry["attempt"] for entry in errors] == [*range(1, KEPT_ENTRIES), KEPT_ENTRIES]
