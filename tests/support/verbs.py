"""What people do with jobs, as tests do it."""

from datetime import datetime, timedelta
from typing import Any, get_args

from mongojobs.core.actions import ACTIONS, Action, Verb

VERBS = [ACTIONS[verb] for verb in get_args(Verb)]
STARTS = [(action, state) for action in VERBS for state in action.starts_from]
STORED_STARTS = [(action, state) for action in VERBS for state in sorted(action.stored_states)]

_SAMPLES: dict[str, Any] = {"queue": "mail", "priority": 3}


def given(action: Action) -> dict[str, Any]:
    """Return values for all that *action* asks for."""
    return {name: _SAMPLES[name] for name in action.asks_for}


def fields_in(state: str, now: datetime) -> dict[str, Any]:
    """Return the fields of a job that people see in *state*."""
    waiting = {"ready": {"run_at": now}, "scheduled": {"run_at": now + timedelta(hours=1)}}
    return waiting.get(state, {"state": state, "run_at": now, "finished_at": now})
