"""Running a call with its hooks, in the order of delayed_job.

All goes well: ``before``, perform, ``success``, ``after``. Something raises: ``error`` with the exception, then
``after``. Hooks are looked up on job objects only, never on a document that happens to have a method of such a name.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

from mongojobs.core.calling import adopt, is_async, label, ran
from mongojobs.core.errors import SIGNALS, Cancelled, Interrupted
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.payload.calls.handler import Call
from mongojobs.process.copies import CopiesEndHere, Descent, end_copy

Await = Callable[[Coroutine[Any, Any, object]], object]
"""How a coroutine is run to its end."""

_NOT_FAILURES = (*SIGNALS, Cancelled, Interrupted)


def call_hook(job_object: object | None, name: str, *arguments: object, wait: Await) -> object:
    """Call the hook *name* if *job_object* has it, with as many of the *arguments* as it takes, and *wait* for it.

    A hook declared without parameters is called without any. Source: delayed_job.
    """
    hook = getattr(job_object, name, None)
    if not callable(hook):
        return None
    with CopiesEndHere():
        result = hook(*arguments[: _takes(hook, len(arguments))])
    return ran(label(hook), wait(_awaited(result)) if inspect.isawaitable(result) else result)


def invoke(
    call: Call,
    job: Job,
    *,
    lifecycle: Lifecycle,
    wait: Await,
    wait_for_hook: Await | None = None,
    is_failure: Callable[[BaseException], bool] = lambda _error: True,
) -> object:
    """Run the hooks and the call as the event ``invoke_job``; return or raise whatever that does.

    ``after`` runs in every case. What ``error`` or ``after`` raise replaces the exception of the job. Signals, a
    cancellation and an interruption are no errors, nor is anything that is no failure by *is_failure*: ``error`` is not
    called for them. Raises NotRunError where the code of the job did not run.
    """
    body = partial(_perform, call, wait)
    if call.job_object is not None:
        body = partial(_with_hooks, call, job, body, wait_for_hook or wait, is_failure)
    return lifecycle.run_surely("invoke_job", job, body=body) if "invoke_job" in lifecycle.watched else body()


def run_to_end(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run *coroutine* on its own event loop, even where another loop is already running.

    It has a copy of this context, and what it sets there is set here afterwards.
    """
    context = copy_context()

    def run() -> object:
        with asyncio.Runner() as runner:
            return runner.run(coroutine, context=context)

    try:
        return _in_thread(run) if is_on_a_loop() else run()
    finally:
        adopt(context)


def _with_hooks(
    call: Call,
    job: Job,
    perform: Callable[[], object],
    wait: Await,
    is_failure: Callable[[BaseException], bool],
) -> object:
    def hook(name: str, *arguments: object) -> None:
        call_hook(call.job_object, name, job, *arguments, wait=wait)

    try:
        hook("before")
        result = perform()
        hook("success")
    except _NOT_FAILURES:
        raise
    except BaseException as error:
        if is_failure(error):
            hook("error", error)
        raise
    finally:
        hook("after")
    return result


def _perform(call: Call, wait: Await) -> object:
    own = Descent.generation
    try:
        result = call.perform()
    finally:
        if Descent.generation != own:
            end_copy(sys.exception())
    if result is None:
        return None
    if inspect.isawaitable(result) and (is_async(call.function) or is_async(inspect.unwrap(call.function))):
        result = wait(_awaited(result))
    return ran(label(call.function), result)


def _awaited(awaitable: Awaitable[object]) -> Coroutine[Any, Any, object]:
    """Return a coroutine that awaits *awaitable*."""
    if inspect.iscoroutine(awaitable):
        return awaitable

    async def wait() -> object:
        return await awaitable

    return wait()


def _takes(hook: Callable[..., object], offered: int) -> int:
    try:
        parameters = inspect.signature(hook).parameters.values()
    except (TypeError, ValueError):
        return offered
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return offered
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return min(len(positional), offered)


def is_on_a_loop() -> bool:
    """Whether this thread runs an event loop, which waits for nothing but what is awaited."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        return True
    return False


def _in_thread(run: Callable[[], object]) -> object:
    ended: list[tuple[object, BaseException | None]] = []

    def run_there() -> None:
        try:
            ended.append((run(), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            ended.append((None, error))

    thread = threading.Thread(target=run_there, name="mongojobs-inline")
    thread.start()
    thread.join()
    result, error = ended[0]
    if error is not None:
        raise error
    return result
