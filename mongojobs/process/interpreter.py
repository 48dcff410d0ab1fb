"""What a process of ours asks of Python's interpreter while it works, and when it ends."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Final

TURN_SECONDS: Final = 0.001
"""How long a thread may compute while another waits for its turn; for five times as long by Python's default."""
LONGER_TURN_SECONDS: Final = 0.002
"""The same where many threads wait: each of them wakes so often to see whether the other has given up its turn."""
MANY_THREADS: Final = 8
_DEFAULT_TURN_SECONDS: Final = 0.005


def prepare_to_work() -> None:
    """Make Python serve jobs that come and go, and the threads that fetch and store them beside."""
    keep_what_is_there()
    take_short_turns()


def keep_what_is_there() -> None:
    """Spare what is in memory now, as the code of an app, the looks of Python's search for garbage.

    It would be looked at again and again while jobs come and go, for a tenth of what a short job costs.
    """
    gc.collect()
    gc.freeze()


def take_short_turns() -> None:
    """Let threads take turns at the interpreter more often, unless the app has said how often.

    Whoever asks the database needs a turn for each part of an answer. Where it has to wait five milliseconds for each
    while jobs compute, the next jobs come late.
    """
    if sys.getswitchinterval() == _DEFAULT_TURN_SECONDS:
        sys.setswitchinterval(TURN_SECONDS)


def suit_turns(threads: int) -> None:
    """Let turns be as long as suits so many *threads* that run jobs, unless the app has said how long.

    Many run side by side only where they give up their turns, to wait for something outside.
    """
    wanted = TURN_SECONDS if threads < MANY_THREADS else LONGER_TURN_SECONDS
    if sys.getswitchinterval() in (TURN_SECONDS, LONGER_TURN_SECONDS):  # one of ours
        sys.setswitchinterval(wanted)


def end_without_the_driver() -> None:
    """Let this process end without a wait of half a second for pymongo's threads to wake, as they have nothing to tell.

    They are daemons, which Python ends by itself; clients say farewell to the server when they are closed. Where a
    pymongo has no such function, it is waited for.
    """
    waiting = getattr(sys.modules.get("pymongo.synchronous.monitor"), "_shutdown_resources", None)
    if waiting is not None:
        atexit.unregister(waiting)
