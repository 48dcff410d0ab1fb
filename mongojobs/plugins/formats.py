"""The three forms of log lines: text for people, logfmt and JSON for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mongojobs.plugins.log import JobContext

LONGEST_LINE: Final = 8000
"""Some platforms cut lines that are longer than 10,000 bytes into pieces."""

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up_logging(handler: logging.Handler, *, level: str, form: str, environ: Mapping[str, str]) -> None:
    """Send all log records of *level* and above to *handler*, in the given form.

    The form ``auto`` is JSON under Kubernetes and text elsewhere. The driver's own debug log, which would show the
    arguments of jobs, is kept at warnings.
    """
    handler.setFormatter(formatter(form, environ))
    handler.addFilter(JobContext())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    logging.captureWarnings(True)


def formatter(form: str, environ: Mapping[str, str]) -> logging.Formatter:
    """Return the formatter of *form*; under ``DYNO`` the platform writes the time itself."""
    if form == "auto":
        form = "json" if "KUBERNETES_SERVICE_HOST" in environ else "text"
    if form == "json":
        return JsonFormatter()
    return LogfmtFormatter(stamped="DYNO" not in environ) if form == "logfmt" else TextFormatter("DYNO" not in environ)


class TextFormatter(logging.Formatter):
    """``2026-11-23T10:00:00.000Z: text``, or the text alone."""

    def __init__(self, stamped: bool) -> None:  # noqa: FBT001 - the only argument
        super().__init__()
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback on lines of its own."""
        text = super().format(record)
        return f"{_time(record)}: {text}" if self._stamped else text


class LogfmtFormatter(logging.Formatter):
    """``key=value`` pairs on one line."""

    def __init__(self, *, stamped: bool) -> None:
        super().__init__()
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = _facts(self, record)
        if not self._stamped:
            del facts["time"]
        return " ".join(f"{key}={_quoted(value)}" for key, value in facts.items())


class JsonFormatter(logging.Formatter):
    """One JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(_facts(self, record), default=str, ensure_ascii=False)


def _facts(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "time": _time(record),
        "level": record.levelname.lower(),
        "message": record.getMessage(),
    }
    facts |= {key: value for key, value in vars(record).items() if key not in _OWN}
    if record.exc_info:
        facts["traceback"] = formatter.formatException(record.exc_info)
    return {key: _cut(value) for key, value in facts.items()}


def _cut(value: Any) -> Any:
    return value[: LONGEST_LINE // 3] if isinstance(value, str) else value


def _quoted(value: Any) -> str:
    text = str(value)
    if text and not any(character in text for character in ' "=\n\r\t\\'):
        return text
    return json.dumps(text, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
