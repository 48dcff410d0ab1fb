"""What people type to find jobs: ``receipt queue:mail tag:vip error:"timed out" arg.user_id:7 since:2h``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import ObjectId

from mongojobs.core.errors import FilterError
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.core.searching.typed import Scalar, read_typed
from mongojobs.core.words.durations import parse_duration
from mongojobs.payload.arguments import is_secret

_TERM: Final = re.compile(
    r'(?:(?P<key>[A-Za-z_][\w.-]*):)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))(?=\s|$)|(?P<wrong>\S+)'
)
_ARGUMENT: Final = "arg."
_TEXTS: Final = ("queue", "name", "tag", "worker", "error", "key", "schedule")
_MOMENTS: Final = ("since", "until", "ended-since", "ended-until")
_HELP: Final = (
    "use a part of a name, or queue:, name:, tag:, priority:, worker:, error:, key:, schedule:, arg.NAME:, since:,"
    " until:, ended-since:, ended-until: or is:retrying,"
    ' and quotes around spaces, as in error:"timed out"'
)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition as typed, and the text without it, to remove it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Search:
    """The typed text as a filter, or the *problem* with it."""

    text: str
    terms: tuple[Term, ...]
    job_filter: JobFilter
    problem: str = ""

    @property
    def job_id(self) -> str | None:
        """The id of a single job, if nothing else was typed."""
        return self.text if ObjectId.is_valid(self.text) else None


def read_search(text: str, *, state: ShownState | None, now: datetime, has_arguments: bool = True) -> Search:
    """Return the filter for jobs in *state* that *text* asks for; by arguments only if the pages show them."""
    matches = list(_TERM.finditer(text))
    parts = [match[0] for match in matches]
    terms = tuple(Term(part, " ".join([*parts[:at], *parts[at + 1 :]])) for at, part in enumerate(parts))
    try:
        return Search(text, terms, _filter(matches, state, now, has_arguments=has_arguments))
    except (FilterError, ValueError) as error:
        return Search(text, terms, JobFilter(state=state), problem=str(error))


def term(key: str, value: str) -> str:
    """Return the condition that *key* is *value* as people would type it."""
    if value and re.fullmatch(r"[^\s\"]+", value) and value.isprintable():
        return f"{key}:{value}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{key}:"{quoted}"'


def ended_within(begin: datetime, width: timedelta) -> str:
    """Return the condition that a job ended within *width* from *begin* on."""
    since, until = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}" for moment in (begin, begin + width))
    return f"{term('ended-since', since)} {term('ended-until', until)}"


def and_also(text: str, key: str, value: str) -> str:
    """Return *text* with the condition that *key* is *value*, replacing any other of that key."""
    others = [match[0] for match in _TERM.finditer(text) if match["key"] != key]
    return " ".join([*others, term(key, value)])


def _filter(
    matches: Sequence[re.Match[str]], state: ShownState | None, now: datetime, *, has_arguments: bool
) -> JobFilter:
    fields: dict[str, Any] = {}
    arguments: list[tuple[str, Scalar]] = []
    words: list[str] = []
    for match in matches:
        key = match["key"]
        if match["wrong"] is not None:
            raise FilterError(f"{match['wrong']!r:.100} cannot be understood: {_HELP}")
        value = match["plain"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
        if key is None:
            words.append(value)
        elif key.startswith(_ARGUMENT):
            arguments.append(_argument(key.removeprefix(_ARGUMENT), value, is_quoted=match["quoted"] is not None))
        elif key in _READ:
            field = _FIELDS.get(key, key).replace("-", "_")
            if field in fields:
                raise FilterError(f"{key}: appears twice: a job has one")
            fields[field] = _READ[key](value, now)
        else:
            raise FilterError(f"{key!r:.50} cannot be searched for: {_HELP}")
    if (arguments or "key" in fields) and not has_arguments:
        raise FilterError("arguments are not shown here, and cannot be searched for")
    return JobFilter(state=state, words=words, arguments=tuple(arguments), as_shown=True, **fields)


def _argument(place: str, value: str, *, is_quoted: bool) -> tuple[str, Scalar]:
    """Return a condition on an argument; masked ones cannot be searched, or they could be guessed."""
    if any(is_secret(part) for part in place.split(".")):
        raise FilterError(f"{place!r:.100} is masked, and cannot be searched for")
    return place, value if is_quoted else _scalar(value)


def _scalar(text: str) -> Scalar:
    """Return the number, boolean, null, id or other value that *text* stands for, else *text* itself."""
    return ObjectId(text) if ObjectId.is_valid(text) else read_typed(text)


def _text(value: str, _now: datetime) -> str:
    return value


def _number(value: str, _now: datetime) -> int:
    if not re.fullmatch(r"-?[0-9]{1,10}", value):
        raise FilterError(f"{value!r:.50} is not a priority: that is a whole number, as in priority:5")
    return int(value)


def _is(value: str, _now: datetime) -> bool:
    if value != "retrying":
        raise FilterError(f"{value!r:.50} is not something a job can be: use is:retrying")
    return True


def _moment(value: str, now: datetime) -> datetime:
    """Return the time that *value* gives, in UTC unless it names a zone, or as how long ago it was."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        pass
    else:
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return now - parse_duration(value)
    except ValueError:
        raise FilterError(f"{value!r:.50} is no time: use 90s, 15m, 2h, 7d or 2026-11-25T10:00") from None


_FIELDS: Final = {"is": "retrying"}
_READ: Final[dict[str, Callable[[str, datetime], object]]] = {
    **dict.fromkeys(_TEXTS, _text),
    "priority": _number,
    "is": _is,
    **dict.fromkeys(_MOMENTS, _moment),
}
