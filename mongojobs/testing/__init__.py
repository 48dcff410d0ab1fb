"""For the tests of apps that use mongojobs: where jobs go, what was enqueued, and running it.

::

    from mongojobs.testing import assert_enqueued, drain, mode

    @mode("fake")
    def test_sign_up_sends_a_mail():
        user = sign_up("ann@example.com")
        assert_enqueued(send_mail, args=(user.email,), queue="mail")
        drain()

The names are loaded at first use, so that pytest may load the plugin in every run.

- ``assertions``: what is enqueued
- ``expectation``: what a test expects, and how a job differs
- ``draining``: runs the jobs
- ``logs``: what jobs log
- ``ticking``: lets schedules tick
- ``modes``: where jobs go meanwhile
- ``memory``: the queue of ``fake`` mode
- ``plugin``: fixtures and a marker for pytest
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mongojobs.testing.assertions import assert_enqueued, refute_enqueued
    from mongojobs.testing.draining import drain, perform
    from mongojobs.testing.logs import logged
    from mongojobs.testing.modes import Mode, cancel, enqueued_jobs, mode, tick, travel

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # Where jobs go
    "mode",
    "Mode",
    # Look
    "assert_enqueued",
    "refute_enqueued",
    "enqueued_jobs",
    "logged",
    # Run
    "drain",
    "perform",
    "cancel",
    "tick",
    "travel",
]

_HOMES = {
    "mongojobs.testing.assertions": ("assert_enqueued", "refute_enqueued"),
    "mongojobs.testing.draining": ("drain", "perform"),
    "mongojobs.testing.logs": ("logged",),
    "mongojobs.testing.modes": ("Mode", "cancel", "enqueued_jobs", "mode", "tick", "travel"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
