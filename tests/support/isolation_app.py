"""Jobs that leave state behind, and look at what others have left."""

import asyncio
import decimal
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import mongoengine

from mongojobs import Job, job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
seen: list[Any] = []
"""What jobs have seen, in this process."""


def _look() -> tuple[str, int]:
    return tenant.get(), decimal.getcontext().prec


def _leave() -> None:
    tenant.set("somebody")
    decimal.getcontext().prec = 3


@job
def leaves_state_behind() -> None:
    seen.append(_look())
    _leave()


@job
async def leaves_state_behind_later() -> None:
    seen.append(_look())
    await asyncio.sleep(0)
    _leave()


@job
def leaves_state_behind_in_a_child(file: str) -> None:
    note(file, f"{_look()} in {os.getpid()}")
    _leave()


@job
def moves_away(folder: str) -> None:
    os.chdir(folder)


@dataclass
class Shared:
    """Sets something in a hook, something else when it runs, and looks at both afterwards."""

    def before(self, job: Job) -> None:
        tenant.set("before")

    def success(self, job: Job) -> None:
        seen.append(_look())


@job
@dataclass
class SharesWithItsHooks(Shared):
    """One whose work is a function."""

    def perform(self) -> None:
        seen.append(_look())
        _leave()


@job
@dataclass
class SharesWithItsHooksLater(Shared):
    """One whose work is a coroutine."""

    async def perform(self) -> None:
        seen.append(_look())
        await asyncio.sleep(0)
        _leave()


LEAVERS: tuple[Callable[..., Any], ...] = (leaves_state_behind, leaves_state_behind_later)
SHARERS: tuple[type[Shared], ...] = (SharesWithItsHooks, SharesWithItsHooksLater)
