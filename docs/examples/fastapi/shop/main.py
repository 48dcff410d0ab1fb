"""The site: ``uvicorn shop.main:app``. With DEVELOPMENT set, a worker runs in its process too."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

from a2wsgi import WSGIMiddleware
from fastapi.staticfiles import StaticFiles
from mongojobs import Job, ResultTimeoutError, StateError, default_app
from mongojobs.asgi import lifespan, worker
from mongojobs.web import wsgi_app

from fastapi import FastAPI, Header, HTTPException
from shop.accounts import accounts, auth
from shop.jobs import quote, roast
from shop.orders import Order, Progress
from shop.pages import pages

DEVELOPMENT = "DEVELOPMENT" in os.environ

app = FastAPI(title="The Roastery", debug=DEVELOPMENT, lifespan=worker if DEVELOPMENT else lifespan)
app.include_router(pages)
app.include_router(accounts)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
app.mount("/jobs", WSGIMiddleware(wsgi_app(auth=auth, login_url="/login")))


@app.post("/orders", status_code=202)
async def place(order: Order, idempotency_key: Annotated[UUID | None, Header()] = None) -> Progress:
    """Take an order. Whoever repeats a request, with the same key, orders once: the key becomes the id of the job."""
    number = str(idempotency_key or uuid4())
    return await progress_of(await roast.options(job_id=number).adelay(order))


@app.get("/orders/{number}")
async def follow(number: str) -> Progress:
    """Say how far an order is, and what came of it."""
    return await progress_of(await find(number))


@app.delete("/orders/{number}")
async def cancel(number: str) -> Progress:
    """Take it back, even out of the oven."""
    await find(number)
    try:
        return await progress_of(await default_app().acancel(number, running=True, why="by the customer"))
    except StateError as error:
        raise HTTPException(409, str(error)) from None


@app.post("/quotes")
async def price(order: Order) -> Decimal:
    """Say what an order would cost: a worker works it out meanwhile, and the event loop serves others."""
    try:
        return await (await quote.adelay(order)).aresult(timeout="10s")
    except ResultTimeoutError:
        raise HTTPException(503, "All are busy: ask again in a moment.") from None


async def find(number: str) -> Job:
    """Return the job of an order."""
    job = await default_app().aget(number)
    if job is None:
        raise HTTPException(404, "There is no such order.")
    return job


async def progress_of(job: Job) -> Progress:
    """Return what customers may know of a job."""
    told = job.progress
    return Progress(
        number=str(job.id),
        state=job.state,
        done=told.done if told else 0,
        of=told.of if told else None,
        note=told.note if told else "",
        receipt=await job.aresult() if job.state == "completed" else None,
    )
