"""The terms on which a call is unique: what the enqueue, the job object and the declaration say, and its key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.calling import ran
from mongojobs.core.errors import OptionError
from mongojobs.enqueuing.options import Options, checked
from mongojobs.payload.arguments import hides
from mongojobs.payload.calls.handler import Call, FunctionCall, ObjectCall, Payloads
from mongojobs.payload.calls.methods import bound_arguments
from mongojobs.payload.registry import Declaration
from mongojobs.payload.values.encode import TAG
from mongojobs.unique.key import Key, key_of
from mongojobs.unique.terms import KEYS, Terms, without_key

_HIDDEN: Final = "..."


def terms_of(call: Call, handler: Mapping[str, Any], options: Options, payloads: Payloads) -> Terms | None:
    """Return the terms on which *call*, stored as *handler*, is unique; None if it is not. Raises OptionError."""
    rules = _rules(call, options)
    return None if rules is None else Terms.of(rules.said, rules.key(call, handler, payloads))


def all_terms_of(
    declaration: Declaration,
    calls: Sequence[Sequence[object]],
    handlers: Iterable[Mapping[str, Any]],
    options: Options,
    payloads: Payloads,
) -> list[Terms]:
    """Return the terms of each of *calls* of one declared function; nothing if they are not unique."""
    rules = _rules(FunctionCall(declaration), options)
    if rules is None or not calls:
        return []
    made = (FunctionCall(declaration, tuple(call)) for call in calls)
    keys = [rules.key(call, handler, payloads) for call, handler in zip(made, handlers, strict=True)]
    shared = Terms.of(rules.said, keys[0])
    return [dataclasses.replace(shared, key=key) for key in keys]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is *said* of uniqueness, and where it is said what the key is made of."""

    said: Mapping[str, Any]
    source: Mapping[str, Any]

    def key(self, call: Call, handler: Mapping[str, Any], payloads: Payloads) -> Key:
        """Return the key of *call*, stored as *handler*."""
        return _Choice(call, handler, payloads, self.said.get("across")).key(self.source)


def _rules(call: Call, options: Options) -> _Rules | None:
    """Return by which rules *call* is unique; None if it is not. Raises OptionError.

    Of what makes the key, the enqueue wins over the job object, and that over the declaration.
    """
    declaration, given = call.declaration, options.uniqueness
    declared = declaration.uniqueness if declaration is not None else {}
    of_object = getattr(call.job_object, "unique_key", None)
    if not given and not declared and of_object is None:
        return None
    own = {"unique_key": _asked(call, of_object)} if of_object is not None else {}
    source = next((said for said in (given, own, declared) if any(said.get(key) is not None for key in KEYS)), {})
    if source.get("unique_key") is None and not source.get("unique"):
        without_key(given if source else {**declared, **given})
        return None
    times = {name: moment for name in ("run_at", "run_in") if (moment := getattr(options, name)) is not None}
    return _Rules({**declared, **given, **times}, source)


def _asked(call: Call, override: Any) -> object:
    value = ran("unique_key", override()) if callable(override) else override
    return None if value in (None, "") else checked("unique_key", value, label=f"unique_key of {call.name}")


class _Choice:
    """What is chosen of one call to make its key."""

    def __init__(self, call: Call, handler: Mapping[str, Any], payloads: Payloads, across: str | None) -> None:
        self._call = call
        self._handler = handler
        self._codec = payloads.codec
        self._across = across

    def key(self, said: Mapping[str, Any]) -> Key:
        """Return the key that is made as *said*."""
        unique_key, unique = said.get("unique_key"), said.get("unique")
        if unique_key is not None:
            return key_of(self._scope(), {"key": unique_key}, str(unique_key))
        target = self._handler["target"] if self._call.job_object is None else None
        chosen: dict[str, Any] = {"target": target} if isinstance(target, dict) else {}
        shown = [_shown(target)] if chosen else []
        if callable(unique):
            chosen["value"] = self._codec.encode(self._returned_by(unique), "what the function of unique returns")
            shown.append(_shown(chosen["value"]) if self._is_open() else _HIDDEN)
        else:
            chosen["arguments"] = self._arguments(unique)
            shown += [f"{name}={self._shown(name, value)}" for name, value in chosen["arguments"].items()]
        return key_of(self._scope(), chosen, ", ".join(shown))

    def _scope(self) -> str:
        """Return the word that the job shares with others, or a name that is not another job's by chance."""
        if self._across is not None:
            return f"across {self._across}"
        if isinstance(self._call, ObjectCall):
            return self._call.declaration.name
        target = self._handler["target"]
        return f"{target}.{self._call.name}" if isinstance(target, str) else self._call.name

    def _arguments(self, names: Any) -> dict[str, object]:
        """Return the arguments called *names*, or all of them, as they are stored. Raises OptionError for another."""
        known, defaults = self._known()
        wanted = [*known, *defaults] if names is True else names
        for name in wanted:
            if name not in known and name not in defaults:
                arguments = [*known, *defaults]
                raise OptionError(f"unique names {name!r}, but the arguments of {self._call.name} are {arguments}")
        return {
            name: known[name] if name in known else self._codec.encode(defaults[name], f"argument {name!r}")
            for name in wanted
        }

    def _known(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Return the stored arguments by their names, and the defaults of the others."""
        kwargs = self._handler["kwargs"]
        if isinstance(self._call, ObjectCall):
            return kwargs, {}
        kwargs = {"(keywords)": kwargs} if TAG in kwargs else kwargs
        return bound_arguments(self._call.function, self._handler["args"], kwargs)

    def _returned_by(self, function: Any) -> object:
        if isinstance(self._call, ObjectCall):
            return ran("the function of unique", function(self._call.target))
        return ran("the function of unique", function(*self._call.args, **self._call.kwargs))

    def _is_open(self) -> bool:
        """Whether no argument is secret, so that what is made of them may be shown."""
        return not any(hides(self._call.declaration, (name,)) for names in self._known() for name in names)

    def _shown(self, name: str, value: object) -> str:
        return _HIDDEN if hides(self._call.declaration, (name,)) else _shown(value)


def _shown(stored: object) -> str:
    """Return a stored value for people: a document by its class and key, and nothing that may hide a secret inside."""
    match stored:
        case {"__mj": "document", "v": {"class": str(name), "key": {"_id": key}}}:
            return f"{name.rpartition('.')[2]} {key}"
        case str():
            return stored
        case dict() | list():
            return _HIDDEN
        case _:
            return str(stored)
