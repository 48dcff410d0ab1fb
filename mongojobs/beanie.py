"""For Beanie: its documents as arguments of jobs, by reference, loaded fresh on the event loop of the worker.

Beanie ties the documents of a process to one client, and PyMongo ties that to one event loop. So a worker connects them
on the loop of its jobs, by the function that the app declares with ``connection``. It needs the extra ``beanie``.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any

from bson import ObjectId

from mongojobs.core.errors import ConfigurationError, ExtraMissingError, RegistrationError, UndeclaredError
from mongojobs.payload.documents.registered import register_reference
from mongojobs.payload.registry import full_name

try:
    from beanie import Document, PydanticObjectId
    from beanie.exceptions import CollectionWasNotInitialized
except ImportError:
    raise ExtraMissingError.of("beanie", "mongojobs.beanie") from None

Connect = Callable[[], AsyncGenerator[Any, None]]


class Connection:
    """A generator function that calls ``init_beanie``: begun once on an event loop, however often this is awaited.

    It stays at its ``yield`` until the loop ends, and is closed there: so it has its client in ``async with``.
    """

    def __init__(self, connect: Connect) -> None:
        self.name: str = full_name(connect)
        self._connect = connect
        self._home: asyncio.AbstractEventLoop | None = None
        self._connected: AsyncGenerator[Any, None] | None = None
        self._connecting = asyncio.Lock()

    async def __call__(self) -> None:
        """Connect the documents here. Raises ConfigurationError while they are in use on another event loop."""
        here = asyncio.get_running_loop()
        if self._home is not here:
            if self._home is not None and self._home.is_running():
                raise ConfigurationError(
                    "Beanie's documents are connected on another event loop of this process: run their jobs in a"
                    " process of its own, with `mongojobs work`, or call the job itself and await it"
                )
            self._home, self._connected, self._connecting = here, None, asyncio.Lock()
        async with self._connecting:
            if self._connected is None:
                begun = self._connect()
                await anext(begun)
                self._connected = begun


_declared: list[Connection] = []


def connection(connect: Connect) -> Connection:
    """Declare, as a decorator, the ``async def`` function that calls ``init_beanie`` and then has a ``yield``.

    A worker calls it before it loads the first document, and closes it at its ``yield`` in the end. All others await
    what this returns: a site when it starts, a job that is given no document and asks for some. There is one for all
    documents of the app. Raises RegistrationError.
    """
    if not inspect.isasyncgenfunction(connect):
        raise RegistrationError(
            f"connection is for an async def function that calls init_beanie and then has a yield, got {connect!r:.200}"
        )
    declared = Connection(connect)
    if _declared and _declared[0].name != declared.name:
        raise RegistrationError(
            f"{_declared[0].name} connects Beanie's documents already: call init_beanie there for those of"
            f" {declared.name} too"
        )
    _declared[:] = [declared]
    return declared


def _key(document: Any) -> object:
    """Return the id of a *document*, None if it is not saved; one of Beanie's own class as what MongoDB has."""
    return ObjectId(document.id) if isinstance(document.id, ObjectId) else document.id


async def _load(cls: Any, key: Any) -> Any:
    """Return the document as it is now, past Beanie's cache. Raises UndeclaredError while it is not connected."""
    try:
        if _declared:
            await _declared[0]()
        return await cls.get(key, ignore_cache=True)
    except ConfigurationError as error:
        raise UndeclaredError(f"{cls.__name__} {key!s:.100} cannot be loaded here: {error}") from error
    except CollectionWasNotInitialized:
        raise UndeclaredError(_not_connected(cls)) from None


def _not_connected(cls: type) -> str:
    if not _declared:
        return (
            f"a worker needs a connection for {full_name(cls)}: put @mongojobs.beanie.connection above the async"
            " function that calls init_beanie, in a module that the worker imports"
        )
    return f"{full_name(cls)} is not connected: add it to the document_models of init_beanie in {_declared[0].name}"


register_reference(Document, _key, _load)
register_reference(PydanticObjectId, ObjectId, lambda cls, key: cls(key))
