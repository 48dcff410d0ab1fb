"""The framework whose backend is tested."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.tasks_kit import NAME

_exceptions = import_module(f"{NAME}.exceptions")
_signals = import_module(f"{NAME}.signals")

task: Callable[..., Callable[..., Any]] = import_module(NAME).task
task_backends = import_module(NAME).task_backends
Status = import_module(NAME).TaskResultStatus
InvalidTask = getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
TaskResultDoesNotExist = _exceptions.TaskResultDoesNotExist
TaskResultMismatch = _exceptions.TaskResultMismatch
SIGNALS = {
    "enqueued": _signals.task_enqueued,
    "started": _signals.task_started,
    "finished": _signals.task_finished,
}
