"""What people do with jobs, as tests do it."""

from typing import Any

from mongojobs.core.actions import ACTIONS, Action

VERBS = list(ACTIONS.values())
STARTS = [(action, state) for action in VERBS for state in action.starts_from]
STORED_STARTS = [(action, state) for action in VERBS for state in sorted(action.stored_states)]

_SAMPLES: dict[str, Any] = {"queue": "mail", "priority": 3}


def given(action: Action) -> dict[str, Any]:
    """Return values for all that *action* asks for."""
    return {name: _SAMPLES[name] for name in action.asks_for}
