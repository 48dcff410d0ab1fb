"""Sentry: spans of its Queues, one event for each job that is given up on, and schedules as its monitors.

Needs the extra ``sentry``; the app itself calls ``sentry_sdk.init``, and where it has not, nothing is done.

- ``plugin``: what it listens to
- ``spans``: the spans of enqueues and runs, in both ways in which the SDK has spans
- ``failures``: the errors of runs as events
- ``checkins``: the jobs of schedules as check-ins
"""

from __future__ import annotations

from mongojobs.core.errors import ExtraMissingError

try:
    import sentry_sdk as _sentry_sdk  # noqa: F401 - the modules below need it
except ImportError:
    raise ExtraMissingError.of("sentry", "SentryPlugin") from None

from mongojobs.plugins.sentry.plugin import SentryPlugin

__all__ = ["SentryPlugin"]
