"""The terms on which a call is unique: what the enqueue, the job object and the declaration say, and its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, assert_never

from mongojobs.core.calling import ran
from mongojobs.core.errors import OptionError
from mongojobs.enqueuing.options import Options, checked
from mongojobs.payload.arguments import hides, is_hidden
from mongojobs.payload.calls.handler import Call, ClassMethodCall, FunctionCall, MethodCall, ObjectCall
from mongojobs.payload.calls.methods import bound_arguments, named_parameters
from mongojobs.payload.registry import Declaration, full_name
from mongojobs.payload.values.codec import Codec
from mongojobs.payload.values.encode import TAG
from mongojobs.unique.key import KeyFields, key_of
from mongojobs.unique.terms import KEYS, Terms, without_key

_HIDDEN: Final = "..."


@dataclass(frozen=True, slots=True)
class Rules:
    """On which *terms* calls are unique, and what their keys are made of."""

    terms: Terms
    scope: str
    unique_key: object
    unique: Any
    names: Sequence[str] | None
    """The parameters of a function, if each argument belongs to one of them: to see at once what most calls give."""

    def key(self, call: Call, handler: Mapping[str, Any], codec: Codec) -> KeyFields:
        """Return the key of *call*, stored as *handler*, as fields of its job. Raises OptionError."""
        if self.unique_key is not None:
            return key_of(self.scope, {"key": self.unique_key}, str(self.unique_key))
        known, defaults = self._known(call, handler)
        if callable(self.unique):
            value = codec.encode(_returned_by(self.unique, call), "what the function of unique returns")
            is_open = not hides(call.declaration, [*known, *defaults])
            chosen, text = {"value": value}, str(_shown(value)) if is_open else _HIDDEN
        else:
            arguments = known if self.unique is True and not defaults else self._named(call, known, defaults, codec)
            chosen, text = {"arguments": arguments}, _text(call, arguments)
        target = handler["target"]
        if isinstance(target, dict):  # the document whose method it is
            chosen["target"], text = target, f"{_shown(target)}, {text}" if text else str(_shown(target))
        return key_of(self.scope, chosen, text)

    def keys(
        self,
        declaration: Declaration,
        calls: Sequence[Sequence[object]],
        handlers: Iterable[Mapping[str, Any]],
        codec: Codec,
    ) -> list[KeyFields]:
        """Return the keys of *calls* of one declared function with these arguments. Raises OptionError."""
        each: Iterable[FunctionCall] = repeat(FunctionCall(declaration), len(calls))
        if callable(self.unique):
            each = (FunctionCall(declaration, tuple(call)) for call in calls)
        return [self.key(call, handler, codec) for call, handler in zip(each, handlers, strict=True)]

    def _known(self, call: Call, handler: Mapping[str, Any]) -> tuple[dict[str, object], Mapping[str, object]]:
        """Return the stored arguments by their names, and the defaults of the others."""
        args, kwargs = handler["args"], handler["kwargs"]
        if self.names is not None and len(args) == len(self.names):
            return dict(zip(self.names, args, strict=True)), {}
        if isinstance(call, ObjectCall):
            return kwargs, {}
        kwargs = {"(keywords)": kwargs} if TAG in kwargs else kwargs
        return bound_arguments(call.function, args, kwargs)

    def _named(
        self, call: Call, known: Mapping[str, object], defaults: Mapping[str, object], codec: Codec
    ) -> dict[str, object]:
        """Return the arguments that are named, or all of them, as they are stored. Raises OptionError for another."""
        wanted = [*known, *defaults] if self.unique is True else self.unique
        for name in wanted:
            if name not in known and name not in defaults:
                arguments = [*known, *defaults]
                raise OptionError(f"unique names {name!r}, but the arguments of {call.name} are {arguments}")
        return {
            name: known[name] if name in known else codec.encode(defaults[name], f"argument {name!r}")
            for name in wanted
        }


def rules_of(call: Call, options: Options) -> Rules | None:
    """Return by which rules *call* is unique; None if it is not. Raises OptionError.

    Of what makes the key, the enqueue wins over the job object, and that over the declaration.
    """
    declaration, given = call.declaration, options.uniqueness
    declared = declaration.uniqueness if declaration is not None else {}
    of_object = getattr(call.job_object, "unique_key", None)
    if not given and not declared and of_object is None:
        return None
    own = {} if of_object is None else _asked(call, of_object)
    source = next((said for said in (given, own, declared) if not KEYS.isdisjoint(said)), {})
    said = {**declared, **given}
    if "unique_key" not in source and not source.get("unique"):
        without_key(given if source else said)
        return None
    if "debounce" in said:
        said |= {name: moment for name in ("run_at", "run_in") if (moment := getattr(options, name)) is not None}
    scope = f"across {said['across']}" if "across" in said else _scope(call)
    names = named_parameters(call.declaration.target) if isinstance(call, FunctionCall) else None
    return Rules(Terms.of(said), scope, source.get("unique_key"), source.get("unique"), names)


def _asked(call: Call, override: Any) -> dict[str, Any]:
    """Return the key that the job object gives; nothing, if that is None or empty."""
    value = ran("unique_key", override()) if callable(override) else override
    if value in (None, ""):
        return {}
    return {"unique_key": checked("unique_key", value, label=f"unique_key of {call.name}")}


def _scope(call: Call) -> str:
    """Return a name for the jobs that *call* is one of, which is not another job's by chance."""
    match call:
        case FunctionCall() | ObjectCall():
            return call.declaration.name
        case MethodCall():
            return call.name
        case ClassMethodCall():
            return f"{full_name(call.target)}.{call.name}"
        case _:
            assert_never(call)


def _returned_by(function: Any, call: Call) -> object:
    if isinstance(call, ObjectCall):
        return ran("the function of unique", function(call.target))
    return ran("the function of unique", function(*call.args, **call.kwargs))


def _text(call: Call, arguments: Mapping[str, object]) -> str:
    """Return the stored *arguments* for people."""
    declaration = call.declaration
    sensitive = () if declaration is None else declaration.sensitive
    shown: list[str] = []
    for name, value in arguments.items():
        is_plain = type(value) is not dict and type(value) is not list
        shown.append(f"{name}={_HIDDEN if is_hidden(sensitive, name) else value if is_plain else _shown(value)}")
    return ", ".join(shown)


def _shown(stored: object) -> object:
    """Return a stored value for people: a document by its class and key, and nothing that may hide a secret inside."""
    match stored:
        case {"__mj": "document", "v": {"class": str(name), "key": {"_id": key}}}:
            return f"{name.rpartition('.')[2]} {key}"
        case {"__mj": "reference", "v": {"class": str(name), "key": str() | int() as key}}:
            return f"{name.rpartition('.')[2]} {key}"
        case dict() | list():
            return _HIDDEN
        case _:
            return stored
