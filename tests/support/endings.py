"""One of each way in which a run ends; a test of the transitions tells when one is missing here."""

from datetime import timedelta
from typing import Final

from mongojobs.core.job import ErrorText
from mongojobs.core.transitions import (
    Conflicted,
    Crashed,
    Deferred,
    Discarded,
    Ending,
    Errored,
    GivenUp,
    RunCancelled,
    Snoozed,
    Succeeded,
)
from tests.support.clock import START

ERROR: Final = ErrorText(error="ValueError: no", trace="line 1\nline 2")
HOUR: Final = timedelta(hours=1)
LATER: Final = START + HOUR

SUCCEEDED: Final = Succeeded()
RETURNED: Final = Succeeded({"value": {"error": "a word", "sizes": [7]}})
ERRORED: Final = Errored(ERROR, LATER)
GIVEN_UP: Final = GivenUp(ERROR, "no more attempts")
DESTROYED: Final = GivenUp(ERROR, "no more attempts", destroy=True)
CRASHED: Final = Crashed(ERROR)
SNOOZED: Final = Snoozed(HOUR)
DEFERRED: Final = Deferred("unknown", HOUR)
CONFLICTED: Final = Conflicted("another write came first", HOUR)
DISCARDED: Final = Discarded("no need")
RUN_CANCELLED: Final = RunCancelled("the code did not return")

ENDINGS: Final[dict[str, Ending]] = {
    "success": SUCCEEDED,
    "result": RETURNED,
    "error": ERRORED,
    "failure": GIVEN_UP,
    "destruction": DESTROYED,
    "crash": CRASHED,
    "snooze": SNOOZED,
    "deferral": DEFERRED,
    "conflict": CONFLICTED,
    "discard": DISCARDED,
    "cancellation": RUN_CANCELLED,
}
