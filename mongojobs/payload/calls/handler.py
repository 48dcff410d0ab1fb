"""Making calls, checked at enqueue, and turning them into the sub-document ``handler`` and back."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from mongojobs.core.errors import (
    ArgumentsError,
    DamagedPayloadError,
    DeserializationError,
    NewerPayloadError,
    NotAJobError,
    UnknownJobError,
)
from mongojobs.core.inside.values import Values
from mongojobs.core.job import Document
from mongojobs.core.limits import LARGEST_STEPS, LONGEST_NAME
from mongojobs.payload.calls.kinds import Call, ClassMethodCall, FunctionCall, MethodCall, ObjectCall
from mongojobs.payload.calls.methods import (
    argument_labels,
    check_arguments,
    declaration_of,
    is_async_method,
    is_missing,
    method_of,
    positional_counts,
    refuse_generator,
    refuse_instance_method,
)
from mongojobs.payload.calls.sizes import SMALL_BYTES, check_size, is_surely_small
from mongojobs.payload.registry import Declaration, Registry, check_kind, refuse_main, registry
from mongojobs.payload.values.codec import Codec
from mongojobs.payload.values.decode import Loaded
from mongojobs.payload.values.encode import TAG

__all__ = [
    "Call",
    "ClassMethodCall",
    "FunctionCall",
    "MethodCall",
    "ObjectCall",
    "Outline",
    "Payloads",
    "call_with",
    "declared_call",
    "function_call",
    "method_call",
    "object_call",
]


def function_call(
    declaration: Declaration, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None
) -> FunctionCall:
    """Return the call of a declared function, checked against its signature. Raises ArgumentsError, NotAJobError."""
    call = FunctionCall(declaration, tuple(args), dict(kwargs or {}))
    refuse_main(declaration.name)
    check_arguments(declaration.name, declaration.target, call.args, call.kwargs)
    return call


def method_call(
    target: object,
    method: str,
    args: Sequence[object] = (),
    kwargs: Mapping[str, object] | None = None,
    *,
    owner: str | None = None,
) -> MethodCall | ClassMethodCall:
    """Return the call of *method* on *target*, an instance or a class, checked against its signature.

    *owner* names the base whose body is meant, where the class has another one. Raises NotAJobError for a method that
    is not there, needs an instance, is private without being declared, runs nothing, or is of the ODM itself, and
    ArgumentsError. Only storing tells whether *target* can be stored at all.
    """
    call: MethodCall | ClassMethodCall
    if isinstance(target, type):
        refuse_instance_method(target, method, owner)
        call = ClassMethodCall(target, method, tuple(args), dict(kwargs or {}), owner)
    else:
        method_of(type(target), method, owner)
        call = MethodCall(target, method, tuple(args), dict(kwargs or {}), owner)
    check_arguments(call.name, call.function, call.args, call.kwargs)
    return call


def object_call(target: object, *, registry: Registry = registry) -> ObjectCall:
    """Return the call of *target*'s ``perform``. Raises NotAJobError unless its class was declared with ``@job``."""
    cls = type(target)
    if inspect.isroutine(target) or isinstance(target, type) or not callable(getattr(target, "perform", None)):
        raise NotAJobError(f"{target!r:.100} is not a job object: it must be an instance of a class with perform()")
    declaration = registry.of(cls)
    if declaration is None or declaration.kind != "object":
        raise NotAJobError(f"{cls.__qualname__} is not declared: put @job before its class statement")
    refuse_main(declaration.name)
    refuse_generator(f"{cls.__qualname__}.perform", target.perform)  # type: ignore[attr-defined]  # looked for above
    return ObjectCall(declaration, target)


def declared_call(declaration: Declaration, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
    """Return the call of a declared job; of a class, that of an instance made with *args* and *kwargs*.

    Raises ArgumentsError, NotAJobError.
    """
    if declaration.kind != "object":
        return function_call(declaration, args, kwargs)
    try:
        made = declaration.target(*args, **kwargs)
    except TypeError as error:
        raise ArgumentsError(f"cannot make a {declaration.name} from these arguments: {error}") from None
    return object_call(made)


def call_with(call: Call, args: Sequence[object] | None, kwargs: Mapping[str, object] | None) -> Call:
    """Return *call* with other arguments, or with those that it has for None; a job object is made anew of them.

    Raises ArgumentsError, NotAJobError.
    """
    if isinstance(call, ObjectCall):
        return declared_call(call.declaration, args or (), kwargs or {})
    args, kwargs = call.args if args is None else args, call.kwargs if kwargs is None else kwargs
    if isinstance(call, FunctionCall):
        return function_call(call.declaration, args, kwargs)
    return method_call(call.target, call.method, args, kwargs, owner=call.owner)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a stored payload reveals without being loaded; nothing if it is damaged."""

    name: str | None = None
    declaration: Declaration | None = None
    is_async: bool = False


class Payloads:
    """Stores calls as ``{v, kind, target, method, args, kwargs}`` and loads them."""

    def __init__(self, codec: Codec, max_bytes: int = 2**20) -> None:
        self.codec = codec
        self._max_bytes = max_bytes
        self._outlines: dict[tuple[str, str], Outline] = {}
        """Those of declared jobs, by kind and name, once they are checked: most jobs are of a few."""

    @property
    def values(self) -> Values:
        """How a job keeps values for its next run."""
        codec = self.codec
        most = min(self._max_bytes, LARGEST_STEPS)
        return Values(codec.encode, lambda stored, where: codec.decode(stored, where=where), most=most)

    def dump(self, call: Call) -> Document:
        """Return *call* as a document.

        Raises NotAJobError, UnstorableValueError, UnsavedDocumentError and PayloadTooLargeError, all EnqueueErrors.
        """
        handler: Document
        match call:
            case FunctionCall():
                handler = {"v": 1, "kind": "function", "target": call.declaration.name}
                handler |= self._arguments(call.declaration.target, call)
            case MethodCall():
                self._check_target(type(call.target))
                target = self.codec.encode(call.target, "the target")
                handler = {**_versioned("method", call.owner), "target": target, "method": call.method}
                handler |= self._arguments(call.function, call)
            case ClassMethodCall():
                self._check_target(call.target)
                target = self.codec.class_name(call.target, "the target")
                handler = {**_versioned("class_method", call.owner), "target": target, "method": call.method}
                handler |= self._arguments(call.function, call)
            case ObjectCall():
                fields = self.codec.encode_fields(call.target, type(call.target).__name__)
                handler = {"v": 1, "kind": "object", "target": call.declaration.name}
                handler |= {"args": [], "kwargs": fields}
            case _:
                assert_never(call)
        if not self._is_surely_small(handler):
            check_size(call, handler, self._max_bytes)
        return handler

    def dump_all(self, declaration: Declaration, calls: Iterable[Sequence[object]]) -> list[Document]:
        """Return the calls of one declared function with these positional arguments as documents, as ``dump`` does.

        What they share is looked at once. Raises as ``dump`` does, and ArgumentsError.
        """
        refuse_main(declaration.name)
        self._learn(declaration.target)
        fits, labels = positional_counts(declaration.target), partial(argument_labels, declaration.target)
        handlers: list[Document] = []
        for args in calls:
            if len(args) not in fits:
                check_arguments(declaration.name, declaration.target, args, {})
            stored = self.codec.encode_all(args, labels)
            handler = {"v": 1, "kind": "function", "target": declaration.name, "args": stored, "kwargs": {}}
            if not self._is_surely_small(handler):
                check_size(FunctionCall(declaration, args), handler, self._max_bytes)
            handlers.append(handler)
        return handlers

    def load(self, handler: object, outline: Outline | None = None) -> Call:
        """Return the stored call. Raises DeserializationError; errors of the database pass through.

        *outline* is what ``peek`` said of it, if it was asked: then the declaration is not looked for again.
        """
        declaration = outline.declaration if outline else None
        parts = handler if declaration and isinstance(handler, dict) else _parts(handler)
        try:
            return self._load(parts, declaration, {})
        except (NotAJobError, ArgumentsError) as error:
            raise DeserializationError(f"the job no longer fits the code: {error}") from error

    def peek(self, handler: object) -> Outline:
        """Return what a worker must know before it loads the payload; asks no database and raises nothing."""
        try:
            return self._outline(_parts(handler))
        except DeserializationError:
            return Outline()

    def problem(self, handler: object) -> str | None:
        """Return why the code of this process could not run the stored call, as far as can be seen without loading it.

        None where nothing is wrong.
        """
        try:
            parts = _parts(handler)
            if parts["kind"] in ("function", "object"):
                self._declaration(parts, parts["kind"])
            else:
                content = parts["target"].get("v") if isinstance(parts["target"], dict) else None
                name = content.get("class") if isinstance(content, dict) else parts["target"]
                method_of(self.codec.find_class(name), parts["method"], parts.get("owner"))
        except (DeserializationError, NotAJobError) as error:
            return str(error)
        return None

    def _load(self, parts: Mapping[str, Any], declaration: Declaration | None, loaded: Loaded) -> Call:
        call: MethodCall | ClassMethodCall
        match parts["kind"]:
            case "function":
                declaration = declaration or self._declaration(parts, "function")
                args, kwargs = self._values(parts, declaration.target, loaded)
                check_arguments(declaration.name, declaration.target, args, kwargs)
                return FunctionCall(declaration, args, kwargs)
            case "method":
                target = self.codec.decode(parts["target"], loaded, "the target")
                self._check_loaded(type(target), parts)
                call = MethodCall(target, parts["method"], owner=parts.get("owner"))
            case "class_method":
                target = self.codec.find_class(parts["target"])
                self._check_loaded(target, parts)
                refuse_instance_method(target, parts["method"], parts.get("owner"))
                call = ClassMethodCall(target, parts["method"], owner=parts.get("owner"))
            case _:
                return self._load_object(parts, declaration or self._declaration(parts, "object"), loaded)
        function = call.function
        self._learn(function)
        args, kwargs = self._values(parts, function, loaded)
        check_arguments(call.name, function, args, kwargs)
        return dataclasses.replace(call, args=args, kwargs=kwargs)

    def _load_object(self, parts: Mapping[str, Any], declaration: Declaration, loaded: Loaded) -> ObjectCall:
        cls: Any = declaration.target
        if not callable(getattr(cls, "perform", None)):
            raise NotAJobError(f"{cls.__qualname__} no longer has perform()")
        refuse_generator(f"{cls.__qualname__}.perform", cls.perform)
        fields = self._keyword_values(parts["kwargs"], loaded)
        if parts["args"]:
            raise DamagedPayloadError(f"a stored {cls.__qualname__} has positional arguments")
        return ObjectCall(declaration, self.codec.restore(cls, fields))

    def _declaration(self, parts: Mapping[str, Any], kind: str) -> Declaration:
        declaration = self.codec.registry.find(parts["target"])
        check_kind(declaration, kind)
        return declaration

    def _outline(self, parts: Mapping[str, Any]) -> Outline:
        target = parts["target"]
        match parts["kind"]:
            case "function" | "object" as kind:
                declaration = self.codec.registry.find(target)
                outline = self._outlines.get((kind, declaration.name))
                if outline is None or outline.declaration is not declaration:
                    check_kind(declaration, kind)
                    name = declaration.name if kind == "function" else declaration.target.__name__
                    outline = Outline(name, declaration, declaration.is_async)
                    self._outlines[kind, declaration.name] = outline
                return outline
            case "method":
                content = target.get("v") if isinstance(target, dict) else None
                cls = content.get("class") if isinstance(content, dict) else None
                return self._outline_of_method(cls, "#", parts)
            case _:
                return self._outline_of_method(target, ".", parts)

    def _outline_of_method(self, class_name: object, sign: str, parts: Mapping[str, Any]) -> Outline:
        if type(class_name) is not str:
            return Outline()
        method, owner = parts["method"], parts.get("owner")
        name = f"{(owner or class_name).rpartition('.')[2]}{sign}{method}"[:LONGEST_NAME]
        try:
            found = method_of(self.codec.find_class(class_name), method, owner)
        except (DeserializationError, NotAJobError):
            return Outline(name)
        return Outline(name, declaration_of(found), is_async_method(found))

    def _arguments(
        self, function: Callable[..., object], call: FunctionCall | MethodCall | ClassMethodCall
    ) -> Document:
        self._learn(function)
        encode = self.codec.encode
        args = self.codec.encode_all(call.args, partial(argument_labels, function))
        if not call.kwargs:
            kwargs = {}
        elif all(_is_plain_name(name) for name in call.kwargs):
            kwargs = {name: encode(value, f"argument {name!r}") for name, value in call.kwargs.items()}
        else:
            kwargs = encode(dict(call.kwargs), "keyword arguments")
        return {"args": args, "kwargs": kwargs}

    def _values(
        self, parts: Mapping[str, Any], function: Callable[..., object], loaded: Loaded
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        args = self.codec.decode_all(parts["args"], loaded, partial(argument_labels, function))
        return args, self._keyword_values(parts["kwargs"], loaded) if parts["kwargs"] else {}

    def _keyword_values(self, stored: dict[str, Any], loaded: Loaded) -> dict[str, object]:
        if TAG not in stored:
            decode = self.codec.decode
            return {name: decode(value, loaded, f"argument {name!r:.100}") for name, value in stored.items()}
        values = self.codec.decode(stored, loaded, "keyword arguments")
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise DamagedPayloadError("the stored keyword arguments have no names")
        return values

    def _learn(self, function: Callable[..., object]) -> None:
        """Accept the enums and dataclasses in the type hints of *function* as values."""
        self.codec.registry.learn(getattr(function, "__func__", function))

    def _check_target(self, cls: type) -> None:
        if not self.codec.is_target(cls):
            raise NotAJobError(
                f"{cls.__qualname__} is neither a MongoEngine document nor a registered class, so a worker could not"
                f" find it: write a function with @job, and pass what it needs"
            )

    def _check_loaded(self, cls: type, parts: Mapping[str, Any]) -> None:
        if not self.codec.is_target(cls):
            raise DamagedPayloadError(f"a stored method is called on {cls.__name__}, which is no document")
        method, owner = parts["method"], parts.get("owner")
        try:
            method_of(cls, method, owner)
        except NotAJobError as error:
            if is_missing(cls, method, owner):
                raise UnknownJobError(str(error)) from error
            raise

    def _is_surely_small(self, handler: Document) -> bool:
        return self._max_bytes >= SMALL_BYTES and is_surely_small(handler)


def _is_plain_name(name: str) -> bool:
    return type(name) is str and name.isidentifier() and name != TAG


_KEYS = {
    (1, "function"): {"v", "kind", "target", "args", "kwargs"},
    (1, "method"): {"v", "kind", "target", "method", "args", "kwargs"},
    (1, "class_method"): {"v", "kind", "target", "method", "args", "kwargs"},
    (1, "object"): {"v", "kind", "target", "args", "kwargs"},
    (2, "method"): {"v", "kind", "owner", "target", "method", "args", "kwargs"},
    (2, "class_method"): {"v", "kind", "owner", "target", "method", "args", "kwargs"},
}
_TYPES = (("args", list), ("kwargs", dict), ("method", str), ("owner", str))


def _versioned(kind: str, owner: str | None) -> Document:
    """Return the start of a method's handler; older workers treat one with an *owner* as newer than themselves."""
    return {"v": 1, "kind": kind} if owner is None else {"v": 2, "kind": kind, "owner": owner}


def _parts(handler: object) -> dict[str, Any]:
    """Return *handler* if it is shaped like one. Raises DamagedPayloadError."""
    if not isinstance(handler, dict):
        raise DamagedPayloadError(f"the handler is {type(handler).__name__} instead of a document")
    version, kind = handler.get("v"), handler.get("kind")
    if type(version) is not int or version < 1:
        raise DamagedPayloadError(f"the handler has the version {version!r:.100}, which never existed")
    if type(kind) is not str or handler.keys() != _KEYS.get((version, kind)):
        if version > 1:
            raise NewerPayloadError(
                f"the handler is of version {version}, in a form that this mongojobs does not know: a newer mongojobs"
                f" wrote it, so upgrade the workers, then run `mongojobs jobs retry`"
            )
        raise DamagedPayloadError(f"the handler of kind {kind!r:.100} has other fields than it should")
    for name, wanted in _TYPES:
        if name in handler and type(handler[name]) is not wanted:
            raise DamagedPayloadError(f"the field {name} of the handler is {type(handler[name]).__name__}")
    return handler
