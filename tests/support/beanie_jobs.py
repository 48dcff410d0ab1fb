"""Documents of Beanie, jobs that are given them, and the connection that workers make."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from beanie import Document, init_beanie
from pydantic import BaseModel
from pymongo import AsyncMongoClient

import mongojobs.beanie
from mongojobs import default_app, job, register

given: list[Any] = []
target: dict[str, str] = {}
"""The `uri` of the server, and the name of the `database`."""
connected: list[asyncio.AbstractEventLoop] = []
"""The event loop of each time that the documents were connected."""


class Member(Document):
    name: str
    visits: int = 0

    class Settings:
        use_cache = True

    async def greet(self, word: str) -> None:
        given.append(f"{word} {self.name}")


@register(aliases="club.Visitor")
class Guest(Member):
    host: str = ""


class Badge(Document):
    id: UUID  # type: ignore[assignment]  # as Beanie's users narrow it
    text: str


class Stranger(Document):
    """No model of the connection."""


class Table(BaseModel):
    members: list[Member]


@mongojobs.beanie.connection
async def connect() -> AsyncGenerator[None, None]:
    connected.append(asyncio.get_running_loop())
    client: AsyncMongoClient[Any]
    async with AsyncMongoClient(target["uri"]) as client:
        models = [Member, Guest, Badge]
        await init_beanie(database=client[target["database"]], document_models=models, skip_indexes=True)
        yield


@job
async def visit(member: Member, *more: Member | Badge) -> None:
    given.extend([member, *more])
    await member.inc({Member.visits: 1})


@job
def count(member: Member) -> None:
    given.append(member)


@job(on_missing="discard")
async def see_if_there(member: Member) -> None:
    given.append(member)


@job
async def seat(table: Table) -> None:
    given.append(table)


@job
async def keep(value: Any) -> None:
    given.append(value)


@job(keep_result="1d")
async def give_back(member: Member) -> Member:
    return member


@job
async def ask_for_a_result(job_id: Any) -> None:
    if (given_back := default_app().get(job_id)) is not None:
        given.append(given_back.result(0))


@job
async def ask() -> None:
    await connect()
    given.append(await Member.count())
