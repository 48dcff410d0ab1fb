"""Every verb of the table is offered wherever people look for it."""

import inspect
import re

import pytest

from mongojobs import MongoJobs
from mongojobs.cli.main import mongojobs as command_line
from tests.support.command_line import ROOT
from tests.support.verbs import VERBS

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.parametrize("action", VERBS, ids=lambda action: action.verb)


@pytest.fixture
def jobs():
    """The commands of ``mongojobs jobs``."""
    context = command_line.make_context("mongojobs", ["version"])
    return command_line.get_command(context, "jobs").commands


def test_a_verb_is_a_method_of_the_app_for_one_job_and_for_many(action):
    takes = {
        *action.asks_for,
        *action.takes,
        *(["by"] if action.signed else []),
        *(["merge"] if action.takes_key else []),
    }

    one = inspect.signature(getattr(MongoJobs, action.verb)).parameters
    many = inspect.signature(getattr(MongoJobs, action.for_many)).parameters

    assert one.keys() == {"self", "job_id", *takes}
    assert many.keys() == {"self", "job_filter", "on_progress", *takes}


def test_a_verb_is_a_command_with_its_help(action, jobs):
    assert jobs[action.command].get_short_help_str()


def test_a_verb_is_described_where_operators_read(action):
    [choosing] = re.findall(r"^`jobs list`,.* choose by the same flags", PAGE, re.MULTILINE)
    [commands] = re.findall(r"^\| `mongojobs jobs retry`.*", COMMANDS_PAGE, re.MULTILINE)

    assert f"`{action.command}`" in choosing
    assert f"`{action.for_many}`" in PAGE
    assert f"{action.command}`" in commands


def test_a_verb_has_a_remedy_for_each_state_that_it_does_not_start_from(action):
    assert action.remedies.keys() >= {"running", "completed", "failed", "cancelled"} - {*action.starts_from}


def test_a_verb_is_asked_for_by_the_words_of_its_button(action):
    assert action.question("3 jobs").replace(" 3 jobs", "") == action.label
