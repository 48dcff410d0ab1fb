"""Running a call with its hooks, in the order of delayed_job.

All goes well: ``before``, perform, ``success``, ``after``. Something raises: ``error`` with the exception, then
``after``. Hooks are looked up on job objects only, never on a document that happens to have a method of such a name.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from mongojobs.core.errors import Discard, Interrupted, Snooze
from mongojobs.core.job import Job
from mongojobs.payload.calls import Call

Await = Callable[[Coroutine[Any, Any, object]], object]
"""How a coroutine is brought to its end."""

_NOT_FAILURES = (Snooze, Discard, Interrupted)


def call_hook(job_object: object | None, name: str, *arguments: object) -> object:
    """Call the hook *name* if *job_object* has it, with as many of the *arguments* as it takes.

    A hook declared without parameters is called without any. Source: delayed_job.
    """
    hook = getattr(job_object, name, None)
    if not callable(hook):
        return None
    return hook(*arguments[: _takes(hook, len(arguments))])


def invoke(call: Call, job: Job, *, wait: Await) -> object:
    """Run the hooks and the call, and return what it returned; raises whatever they raise.

    ``after`` runs in every case. What ``error`` or ``after`` raise replaces the exception of the job. A ``Snooze``, a
    ``Discard`` and an interruption are no errors, so that ``error`` is not called for them.
    """
    try:
        return _perform(call, job, wait)
    except _NOT_FAILURES:
        raise
    except BaseException as error:
        call_hook(call.job_object, "error", job, error)
        raise
    finally:
        call_hook(call.job_object, "after", job)


def run_to_end(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run *coroutine* on an event loop of its own, also where another loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    return _in_thread(coroutine)


def _perform(call: Call, job: Job, wait: Await) -> object:
    call_hook(call.job_object, "before", job)
    result = call.perform()
    if inspect.iscoroutine(result):
        result = wait(result)
    call_hook(call.job_object, "success", job)
    return result


def _takes(hook: Callable[..., object], offered: int) -> int:
    try:
        parameters = inspect.signature(hook).parameters.values()
    except (TypeError, ValueError):
        return offered
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return offered
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return min(len(positional), offered)


def _in_thread(coroutine: Coroutine[Any, Any, object]) -> object:
    ended: list[tuple[object, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((asyncio.run(coroutine), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            ended.append((None, error))

    thread = threading.Thread(target=run, name="mongojobs-inline")
    thread.start()
    thread.join()
    result, error = ended[0]
    if error is not None:
        raise error
    return result
