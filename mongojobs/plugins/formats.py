"""The three formats of log lines: text for people, logfmt and JSON for machines.

A record is one line in each of them, whatever it holds: what would end a line, or command a terminal, is escaped. In
text alone a traceback follows, on indented lines.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, Final

from mongojobs.core.words.wording import printable, printable_lines, to_json
from mongojobs.plugins.log import JobContext
from mongojobs.plugins.log import logger as own_logger

LONGEST_LINE: Final = 8000
"""Some platforms split lines longer than 10,000 bytes."""

DEEPEST: Final = 20
"""How deeply values may be nested; they might contain themselves."""

_TO_QUOTE: Final = frozenset(' "=\\')
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CUT: Final = "..."
_LONGEST_ESCAPE: Final = 12
"""In bytes, for one character in JSON."""
SURELY_SHORT: Final = LONGEST_LINE // _LONGEST_ESCAPE
"""In characters: nothing of a line that is shorter is ever cut."""


def set_up_logging(handler: logging.Handler, *, level: str, form: str, environ: Mapping[str, str]) -> None:
    """Send all log records of *level* and above to *handler*, in the given format.

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
    """Return the formatter called *form*; under ``DYNO`` the platform adds the time itself."""
    if form == "auto":
        form = "json" if "KUBERNETES_SERVICE_HOST" in environ else "text"
    if form == "json":
        return JsonFormatter()
    return LogfmtFormatter(stamped="DYNO" not in environ) if form == "logfmt" else TextFormatter("DYNO" not in environ)


class Form(logging.Formatter):
    """A formatter whose lines can also be made of parts, where they are surely short and there is no record."""

    has_facts: ClassVar[bool] = True

    def pair(self, key: str, value: str | int) -> str:
        """Return a fact as it stands behind others."""
        raise NotImplementedError

    def line(self, time: str, level: str, message: str, facts: str) -> str:
        """Return the line of a *message* that is printable, and of *facts* that are pairs."""
        raise NotImplementedError


class TextFormatter(Form):
    """``2026-11-23T10:00:00.000Z: text``, or only the text; lines from a job's code begin with its ``job_id``."""

    has_facts = False

    def __init__(self, stamped: bool) -> None:  # noqa: FBT001 - the only argument
        super().__init__()
        self._stamped = stamped

    def line(self, time: str, level: str, message: str, facts: str) -> str:  # noqa: ARG002 - those that people need
        """Return the line."""
        return f"{time}: {message}" if self._stamped else message

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by any tracebacks on indented lines."""
        text = printable(_message(record))
        if record.name != own_logger.name and (job_id := getattr(record, "job_id", None)) is not None:
            text = f"[job_id={printable(_text(job_id))}] {text}"
        line = f"{_time(record)}: {text}" if self._stamped else text
        further = [more for trace in _traces(self, record).values() for more in printable_lines(trace)]
        return "\n".join([line, *(f"  {more}" for more in further)])


class LogfmtFormatter(Form):
    """``key=value`` pairs on one line."""

    def __init__(self, *, stamped: bool) -> None:
        super().__init__()
        self._stamped = stamped

    def pair(self, key: str, value: str | int) -> str:
        """Return a fact as it stands behind others."""
        return f" {_key(key)}={_quoted(value)}"

    def line(self, time: str, level: str, message: str, facts: str) -> str:
        """Return the line."""
        head = f"time={time} " if self._stamped else ""
        return f"{head}level={_quoted(level)} message={_quoted(message)}{facts}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""

        def line(longest: int) -> str:
            facts = _facts(self, record, longest)
            if not self._stamped:
                del facts["time"]
            return " ".join(f"{_key(key)}={_quoted(value)}" for key, value in facts.items())

        return _fitting(line)


class JsonFormatter(Form):
    """One JSON object on one line."""

    def pair(self, key: str, value: str | int) -> str:
        """Return a fact as it stands behind others."""
        return f", {_json(key)}: {_json(value)}"

    def line(self, time: str, level: str, message: str, facts: str) -> str:
        """Return the line."""
        return f'{{"time": "{time}", "level": {_json(level)}, "message": {_json(message)}{facts}}}'

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _fitting(lambda longest: to_json(_facts(self, record, longest)))


FORMS: Final = (TextFormatter, LogfmtFormatter, JsonFormatter)


def _fitting(line: Callable[[int], str]) -> str:
    """Return the *line* for a byte budget, halved if need be: brackets, and JSON in quotes, may make it longer."""
    made = line(LONGEST_LINE)
    return made if len(made.encode("utf-8", "backslashreplace")) <= LONGEST_LINE else line(LONGEST_LINE // 2)


def _facts(formatter: logging.Formatter, record: logging.LogRecord, longest: int) -> dict[str, Any]:
    """Return the facts of *record* in a form that JSON can write in about *longest* bytes."""
    traces = _traces(formatter, record)
    facts: dict[str, Any] = {"time": _time(record), "level": record.levelname.lower(), "message": _message(record)}
    taken = {*facts, *traces}
    told = _OWN | {"trace"} if record.name == own_logger.name else _OWN
    for key, value in list(vars(record).items()):
        if key not in told:
            name = _text(key)
            facts[f"extra_{name}" if name in taken else name] = value
    if not traces and _is_short(facts):
        return facts
    room, for_traces = _FieldRoom(longest), longest // 4 if traces else 0
    room.left -= for_traces
    plain = room.pairs(facts)
    room.left += for_traces
    for key, trace in traces.items():
        plain[key] = room.end_of(trace)
    return plain


def _is_short(facts: Mapping[str, Any]) -> bool:
    """Whether *facts* are certainly JSON and fit into a line; checking that takes a fraction of the time."""
    length = 0
    for key, value in facts.items():
        if type(value) is str:
            length += len(value)
        elif type(value) is not int or abs(value) >= 2**63:
            return False
        length += len(key) + 6
    return length < SURELY_SHORT


def _traces(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    """Return the tracebacks of *record*: of a failed job, of an exception, and of the place that logged it."""
    traces = {"trace": getattr(record, "trace", None) if record.name == own_logger.name else None}
    if record.exc_info:
        traces["traceback"] = _safely(lambda: formatter.formatException(record.exc_info))
    elif not traces["trace"]:
        traces["traceback"] = record.exc_text
    traces["stack"] = record.stack_info
    return {name: _text(trace) for name, trace in traces.items() if trace}


class _FieldRoom:
    """How many bytes are left for values: values that do not fit are cut or left out.

    One fact gets a quarter of them at most; tracebacks, which come last, what is left.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        self._longest = left // 4

    def pairs(self, values: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """Return *values* with text keys."""
        plain: dict[str, Any] = {}
        for key, value in _copied(values.items):
            if self.left <= 0:
                plain[_CUT] = _CUT
                break
            name = self._text(_text(key), self._longest // 4)
            plain[name] = self._value(value, depth + 1)
        return plain

    def end_of(self, trace: str) -> str:
        """Return as much of the end of *trace* as there is room for: the end says most."""
        backwards = _shortened(trace[::-1], max(self.left - len(_CUT), 0))
        self.left -= _size(backwards)
        return trace if len(backwards) == len(trace) else f"{_CUT}{backwards[::-1]}"

    def _value(self, value: Any, depth: int) -> Any:
        self.left -= 6  # what stands between it and others
        if self.left <= 0 or depth > DEEPEST:
            return _CUT
        if type(value) is str:  # as most are
            return self._text(value, self._longest)
        match value:
            case None | bool():
                return value
            case int() if abs(value) < 2**63:
                return int(value)
            case float() if math.isfinite(value):
                return float(value)
            case Mapping():
                return self.pairs(value, depth)
            case list() | tuple() | set() | frozenset():
                return list(self._items(value, depth))
            case _:
                return self._text(_text(value), self._longest)

    def _items(self, values: Any, depth: int) -> Iterator[Any]:
        for value in _copied(lambda: islice(values, LONGEST_LINE)):
            if self.left <= 0:
                yield _CUT
                return
            yield self._value(value, depth + 1)

    def _text(self, text: str, most: int) -> str:
        most = max(min(most, self.left), 0)
        if len(text) <= most and (size := _size(text)) <= most:
            self.left -= size
            return text
        short = _shortened(text, most)
        self.left -= _size(short)
        return f"{short}{_CUT}"


def _shortened(text: str, most: int) -> str:
    """Return the beginning of *text* that takes at most *most* bytes as JSON."""
    short = text[:most]
    while (size := _size(short)) > most and short:
        short = short[: len(short) * most // size - 1]
    return short


def _size(text: str) -> int:
    """Return how many bytes *text* takes as JSON."""
    if text.isascii() and text.isprintable():
        return len(text) + text.count('"') + text.count("\\") + 2
    return len(to_json(text).encode("utf-8", "backslashreplace"))


def _copied(values: Callable[[], Iterable[Any]]) -> list[Any]:
    """Copy *values* of the app, which may change meanwhile or raise: the log line must not be lost."""
    with suppress(Exception):
        return list(values())
    return []


def _message(record: logging.LogRecord) -> str:
    """Return the message, without the newline that warnings end with; unformatted if its arguments do not fit."""
    try:
        return record.getMessage().rstrip("\r\n")
    except Exception:  # noqa: BLE001 - texts and arguments of the app's; its line must not be lost
        return f"{_text(record.msg)} % {_safely(lambda: repr(record.args))}"


def _text(value: object) -> str:
    return value if type(value) is str else _safely(lambda: str(value))


def _safely(write: Any) -> str:
    """Return the text that *write* makes of an object of the app."""
    try:
        return str.__str__(write())
    except Exception as error:  # noqa: BLE001 - its line must not be lost
        return f"(cannot be written: {type(error).__name__})"


def _key(key: str) -> str:
    if key.isidentifier() and key.isprintable():
        return key
    return "".join(one if one.isprintable() and one not in ' ="\\' else "_" for one in key) or "_"


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    if text and text.isprintable() and _TO_QUOTE.isdisjoint(text):
        return text
    return _json(text)


def _json(value: Any) -> str:
    """Return what ``to_json`` does; of numbers and printable texts, of which most is, in a tenth of the time."""
    if type(value) is int:
        return str(value)
    if type(value) is str and value.isprintable():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return to_json(value)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
