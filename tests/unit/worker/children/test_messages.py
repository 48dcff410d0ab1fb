"""What a worker and its children tell each other."""

import bson
import pytest
from bson import CodecOptions

from mongojobs.core.transitions import Crashed, HandedBack
from mongojobs.worker.children import messages
from tests.support.endings import ENDINGS

TOLD = {name: ending for name, ending in ENDINGS.items() if not isinstance(ending, Crashed)}


def as_received(message):
    return bson.decode(bson.encode(message), CodecOptions(tz_aware=True))


@pytest.mark.parametrize("outcome", [*TOLD.values(), HandedBack()], ids=[*TOLD, "handed back"])
def test_an_outcome_arrives_as_it_was_told(outcome):
    message = as_received(messages.outcome(outcome, ["error"]))

    assert messages.outcome_of(message) == outcome
    assert message["events"] == ["error"]


@pytest.mark.parametrize("name", ["Crashed", "Vanished"])
def test_no_child_ends_a_run_otherwise(name):
    with pytest.raises(ValueError, match=f"a child ends no run as '{name}'"):
        messages.outcome_of({"name": name, "facts": {}})
