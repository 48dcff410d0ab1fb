"""The functions, job classes and value classes that a stored name may stand for.

A name in a payload is a key of this registry and nothing else: it is never imported, split or evaluated, so whoever can
write a job document can only call what the app declared. The registry belongs to the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Literal

from mongojobs.core.calling import is_async
from mongojobs.core.errors import (
    DamagedPayloadError,
    DeserializationError,
    NotAJobError,
    RegistrationError,
    UnknownJobError,
)
from mongojobs.core.limits import LONGEST_NAME
from mongojobs.core.retry import Backoff
from mongojobs.payload.hints import hinted_classes
from mongojobs.payload.records import is_value_class

Kind = Literal["function", "object", "method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What was declared about a job; None leaves it to the settings.

    *retry_on*: only these errors are tried again. *discard_on*: these errors cancel the job. *on_missing*: what to do
    when a document it refers to is gone. *sensitive*: arguments that are masked in errors. *uniqueness*: the
    options of its unique key, by name.
    """

    name: str
    target: Callable[..., Any] | type
    kind: Kind
    aliases: tuple[str, ...] = ()
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    max_run_time: timedelta | None = None
    keep_result: timedelta | None = None
    keep_log: int | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    discard_on: tuple[type[BaseException], ...] = ()
    on_missing: Literal["fail", "discard", "retry"] = "fail"
    backoff: Backoff | None = None
    destroy_failed_jobs: bool | None = None
    sensitive: tuple[str, ...] = ()
    uniqueness: Mapping[str, Any] = field(default_factory=dict)
    is_async: bool = field(init=False)
    """Whether the job, or for a job class its ``perform``, is ``async def``."""

    def __post_init__(self) -> None:
        body = getattr(self.target, "perform", None) if self.kind == "object" else self.target
        object.__setattr__(self, "is_async", is_async(body))


def is_nameless(target: object) -> bool:
    """Return whether another process could not find *target* by its module and name."""
    qualname = getattr(target, "__qualname__", None)
    return not isinstance(qualname, str) or "<locals>" in qualname or "<lambda>" in qualname


def refuse_main(name: str) -> None:
    """Raise NotAJobError if *name* is in the module ``__main__``, which is a different one in each program."""
    if name.startswith("__main__."):
        raise NotAJobError(
            f"a worker would not find {name}, since its __main__ is a different program:"
            f" move it to a module of its own, or give the job a name=..."
        )


def check_kind(declaration: Declaration, kind: str) -> None:
    """Raise DamagedPayloadError if a call of that *kind* is not what was declared; NotAJobError as ``refuse_main``."""
    refuse_main(declaration.name)
    if declaration.kind != kind:
        raise DamagedPayloadError(f"{declaration.name} is stored as {kind}, but declared as {declaration.kind}")


def full_name(target: Any) -> str:
    """Return ``module.qualname``."""
    return f"{target.__module__}.{target.__qualname__}"


def job_name(target: object, name: str | None = None) -> str:
    """Return the name under which *target* is stored: *name*, or ``module.qualname``.

    Raises RegistrationError for what has no such name, and for a *name* that is empty, longer than 256 characters or
    has control characters.
    """
    if name is not None:
        return _checked(name)
    if is_nameless(target):
        label = getattr(target, "__qualname__", None) or f"{target!r:.100}"
        raise RegistrationError(
            f"no worker could find {label} by its name: define it at the top level of a module, or give name=..."
        )
    return _checked(full_name(target))


class Registry:
    """Jobs and value classes by name. Lookups take no lock; all changes do."""

    def __init__(self) -> None:
        self._changing = threading.RLock()
        self._jobs: dict[str, Declaration] = {}
        self._by_target: dict[object, Declaration] = {}
        self._classes: dict[str, type] = {}
        self._class_names: dict[type, str] = {}
        self._renamed: dict[str, type] = {}
        self._unread: dict[object, None] = {}
        self._seen: set[object] = set()

    def add(self, declaration: Declaration) -> None:
        """Register a job under its name and aliases.

        The same module and qualname replaces the earlier one, so that a module can be reloaded. Raises
        RegistrationError when a name belongs to another job.
        """
        names = [_checked(name) for name in (declaration.name, *declaration.aliases)]
        with self._changing:
            for name in names:
                taken = self._jobs.get(name)
                if taken is not None and full_name(taken.target) != full_name(declaration.target):
                    raise RegistrationError(
                        f"the job name {name!r} is taken by {full_name(taken.target)}:"
                        f" give {full_name(declaration.target)} another one with name=..."
                    )
            self._jobs.update(dict.fromkeys(names, declaration))
            self._by_target[declaration.target] = declaration
        self.learn(declaration.target)

    @property
    def is_empty(self) -> bool:
        """Whether no job was declared in this process."""
        return not self._jobs

    def functions(self) -> list[Declaration]:
        """Return each function declared as a job, once."""
        return self._declared("function")

    def objects(self) -> list[Declaration]:
        """Return each class declared as a job, once."""
        return self._declared("object")

    def _declared(self, kind: Kind) -> list[Declaration]:
        return [declaration for declaration in list(self._by_target.values()) if declaration.kind == kind]

    def classes(self) -> dict[str, type]:
        """Return the classes registered so far, by name, old names included."""
        return {**self._renamed, **self._classes}

    def declarations(self) -> list[Declaration]:
        """Return each job's declaration once, however many names it has."""
        return list({declaration.name: declaration for declaration in list(self._jobs.values())}.values())

    def find(self, name: object) -> Declaration:
        """Return the job registered under *name*.

        Raises UnknownJobError, or DamagedPayloadError for what cannot be a name.
        """
        declaration = self._jobs.get(name) if type(name) is str else None  # Code is one without a hash
        if declaration is None:
            raise unknown(
                name,
                f"no job is registered under the name {_cut(name)}: import its module in the worker with -A or imports,"
                f' or, if it was renamed, declare it with aliases=("old name",)',
            )
        return declaration

    def named(self, name: str) -> Declaration:
        """Return the job that somebody calls *name*. Raises NotAJobError, with the name that may be meant."""
        if (declaration := self._jobs.get(name)) is not None:
            return declaration
        near = get_close_matches(name, list(self._jobs), n=1)
        hint = f"did you mean {near[0]}?" if near else "import its module with -A or imports"
        raise NotAJobError(f"no job is registered under the name {_cut(name)}: {hint}")

    def of(self, target: object) -> Declaration | None:
        """Return the declaration of *target*, a function or class; None if it has none."""
        try:
            return self._by_target.get(target)
        except TypeError:
            return None

    def add_class(self, cls: type, name: str | None = None) -> None:
        """Allow instances of *cls* as values in payloads: a class that ``is_value_class``, or a plain one.

        Raises RegistrationError when the name belongs to another class, or *cls* cannot be found by one.
        """
        name = job_name(cls, name)
        with self._changing:
            taken = self._classes.get(name)
            if taken is not None and full_name(taken) != full_name(cls):
                raise RegistrationError(
                    f"the class name {name!r} is taken by {full_name(taken)}: give {full_name(cls)} another one"
                )
            self._classes[name] = cls
            self._class_names[cls] = name
        self.learn(cls)

    def rename_class(self, cls: type, aliases: Iterable[str]) -> None:
        """Let *cls*, of whatever kind, be found by the names that it had before.

        A class that has such a name now is found in its place. Raises RegistrationError when the name leads to another
        one already.
        """
        for name in map(_checked, aliases):
            with self._changing:
                taken = self._classes.get(name) or self._renamed.get(name)
                if taken is not None and full_name(taken) != full_name(cls):
                    raise RegistrationError(
                        f"the class name {name!r} is taken by {full_name(taken)}: take it out of the aliases of"
                        f" {full_name(cls)}"
                    )
                self._renamed[name] = cls

    def renamed_class(self, name: object) -> type | None:
        """Return the class that once had that *name*, None if there is none."""
        return self._renamed.get(name) if type(name) is str else None

    def class_names(self, cls: type) -> list[str]:
        """Return the names by which stored jobs may know *cls*, which is found by its full name."""
        return [full_name(cls), *(name for name, renamed in self._renamed.items() if renamed is cls)]

    def find_class(self, name: object) -> type:
        """Return the class registered under *name*, as a value class or as a job, or once known by it.

        Raises UnknownJobError, or DamagedPayloadError for what cannot be a name.
        """
        cls = self._class_called(name)
        if cls is None:
            self._read_hints()
            cls = self._class_called(name) or self.renamed_class(name)
        if cls is None:
            raise unknown_class(name, f"no class is registered under the name {_cut(name)}")
        return cls

    def class_name(self, cls: type) -> str | None:
        """Return the name under which *cls* is registered, or None."""
        name = self._name_of(cls)
        if name is None:
            self._read_hints()
            name = self._name_of(cls)
        return name

    def learn(self, target: object) -> None:
        """Register the value classes in the type hints of *target*, a function or class, when one is first missed.

        Not at once: the hints may name what is defined further down.
        """
        if target not in self._seen:
            with self._changing:
                self._seen.add(target)
                self._unread[target] = None

    def _class_called(self, name: object) -> type | None:
        if type(name) is not str:
            return None
        declaration = self._jobs.get(name)
        if declaration is not None and isinstance(declaration.target, type):
            return declaration.target
        return self._classes.get(name)

    def _name_of(self, cls: type) -> str | None:
        declaration = self._by_target.get(cls)
        return declaration.name if declaration is not None else self._class_names.get(cls)

    def _read_hints(self) -> None:
        with self._changing:
            unresolved = []
            while self._unread:
                target, _ = self._unread.popitem()
                if not self._read(target):
                    unresolved.append(target)
            self._unread = dict.fromkeys(unresolved)

    def _read(self, target: object) -> bool:
        """Register what the hints of *target* name; return whether all of them could be resolved."""
        classes, complete = hinted_classes(target)
        self._add_found(cls for cls in classes if is_value_class(cls))
        return complete

    def _add_found(self, classes: Iterable[type]) -> None:
        for cls in classes:
            if self._name_of(cls) is None and not is_nameless(cls):
                name = full_name(cls)
                if name not in self._classes or full_name(self._classes[name]) == name:  # of a module read again
                    self._classes[name] = cls
                self._class_names[cls] = name
                self.learn(cls)


def unknown(name: object, text: str) -> DeserializationError:
    """Return the error for *name*, under which nothing is declared, or ever can be if it is not a valid name."""
    return UnknownJobError(text) if type(name) is str and can_be_name(name) else DamagedPayloadError(text)


def unknown_class(name: object, what: str, also: str = "") -> DeserializationError:
    """Return the error for a class called *name* that is not found: *what* is wrong, and what to do, *also* that."""
    return unknown(
        name,
        f"{what}: import its module in the worker with -A or imports{also}, or, if it was renamed, put"
        f" @mongojobs.register(aliases={_cut(name)}) above the class",
    )


def can_be_name(name: str) -> bool:
    """Whether something may be declared under *name*."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _checked(name: object) -> str:
    if not isinstance(name, str) or not can_be_name(name):
        raise RegistrationError(f"a job name must be 1 to {LONGEST_NAME} printable characters, got {_cut(name)}")
    return name


def _cut(name: object) -> str:
    return repr(name[:100]) if isinstance(name, str) else f"{name!r:.100}"


registry: Registry = Registry()
"""The jobs and value classes of this process."""
