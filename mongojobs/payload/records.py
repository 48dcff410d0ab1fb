"""Classes that declare their fields: dataclasses, attrs classes and Pydantic models; and what any class hides.

attrs and Pydantic are known by what they leave on a class, so neither is ever imported for an app without them.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

Default = Callable[[], object]


def is_value_class(candidate: object) -> TypeGuard[type]:
    """Return whether *candidate* is an enum, a named tuple, or a class that declares its fields."""
    return isinstance(candidate, type) and (
        issubclass(candidate, enum.Enum)
        or has_fields(candidate)
        or is_model(candidate)
        or (issubclass(candidate, tuple) and hasattr(candidate, "_fields"))
    )


def has_fields(cls: type) -> bool:
    """Return whether *cls* is a dataclass or attrs class."""
    return dataclasses.is_dataclass(cls) or isinstance(getattr(cls, "__attrs_attrs__", None), tuple)


def is_model(cls: type) -> bool:
    """Return whether *cls* is a model of Pydantic 2 that can be found by its name."""
    base = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    if base is None or cls is base or not issubclass(cls, base):
        return False
    return hasattr(base, "model_fields") and not is_unnamed_model(cls)


def is_unnamed_model(cls: Any) -> bool:
    """Return whether *cls* is as ``Box[int]``, which Pydantic makes wherever that is written, and names after there."""
    return bool(getattr(cls, "__pydantic_generic_metadata__", {}).get("args"))


def fields_of(cls: Any) -> Mapping[str, Default | None]:
    """Return the names of the fields of *cls*, each with what makes its default; None where it needs a value."""
    if dataclasses.is_dataclass(cls):
        return {field.name: _default(field, dataclasses.MISSING) for field in dataclasses.fields(cls)}
    if is_model(cls):
        return {name: _model_default(field) for name, field in cls.model_fields.items()}
    return {attribute.name: _attrs_default(attribute) for attribute in cls.__attrs_attrs__}


def make(cls: type, fields: Mapping[str, object]) -> object:
    """Return an instance of a dataclass or attrs class with *fields*, without calling its ``__init__``."""
    instance: object = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    if hasattr(cls, _ATTRS_HASH):
        object.__setattr__(instance, _ATTRS_HASH, None)
    return instance


_ATTRS_HASH: Final = "_attrs_cached_hash"
"""The slot for the hash of an instance, with ``cache_hash=True``: None until it is asked for."""


def beside_fields(model: Any) -> dict[str, dict[str, object] | None]:
    """Return what a Pydantic *model* holds beside its fields: further ones, not declared, and private attributes."""
    return {"extra": model.model_extra, "private": model.__getstate__().get("__pydantic_private__")}


def make_model(
    cls: Any, fields: Mapping[str, object], given: Iterable[str], *, extra: object, private: object
) -> object:
    """Return a Pydantic model, as a copy of one is made, which validates nothing; *given* are its fields that were set.

    Source: ``BaseModel.__setstate__``.
    """
    model = cls.__new__(cls)
    model.__setstate__(
        {
            "__dict__": dict(fields),
            "__pydantic_fields_set__": set(given),
            "__pydantic_extra__": extra,
            "__pydantic_private__": private,
        }
    )
    return model


def hides(cls: type) -> str | None:
    """Return what instances of *cls* hold beside their attributes, or None: that would be lost."""
    try:
        object.__new__(cls)
    except TypeError:
        return "holds more than its attributes"
    slots = any(getattr(base, "__slots__", ()) and "__slots__" in vars(base) for base in cls.__mro__)
    return "has __slots__" if slots and not has_fields(cls) else None


def _default(field: Any, missing: object) -> Default | None:
    if field.default is not missing:
        return lambda: field.default
    return None if field.default_factory is missing else field.default_factory


def _attrs_default(attribute: Any) -> Default | None:
    default, nothing = attribute.default, sys.modules["attr"].NOTHING
    if default is nothing:
        return None
    if not isinstance(default, sys.modules["attr"].Factory):
        return lambda: default
    return None if default.takes_self else default.factory


def _model_default(field: Any) -> Default | None:
    needs_others = getattr(field, "default_factory_takes_validated_data", False)
    return None if field.is_required() or needs_others else lambda: field.get_default(call_default_factory=True)
