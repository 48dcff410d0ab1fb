"""Which value applies where several places give one: the first in this order that does.

1. The enqueue: an option, from then on a field of the job.
2. The job object: an attribute, or a method without arguments. Source: delayed_job.
3. The declaration.
4. The queue, in the setting ``queue_attributes``.
5. The setting, if there is one.

Which of them may say a field is declared with it in ``Job``. Queue and priority are decided at the enqueue, the limits
by the worker at each run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from mongojobs.core.checks import Check
from mongojobs.core.fields import Option
from mongojobs.core.job import JOB_OPTIONS
from mongojobs.core.settings import Settings
from mongojobs.payload.registry import Declaration

T = TypeVar("T")

Ask = Callable[[str, Check], Any]
"""Called with an attribute name and its check; returns the job object's value, None if it has none."""

_CHOICES: Final[Mapping[str, Option]] = {
    **JOB_OPTIONS,
    "destroy_failed_jobs": Option(
        check=bool,
        text="whether it is deleted when it is given up on",
        of_object="destroy_failed_jobs",
        is_declared=True,
        setting="destroy_failed_jobs",
    ),
}


def applying(
    name: str,
    given: T | None,
    *,
    ask: Ask | None = None,
    declaration: Declaration | None,
    settings: Settings,
    queue: str = "",
) -> T:
    """Return the value of *name*: the one *given* at the enqueue, or the first from the other places.

    *ask* is for those who have the job object.
    """
    choice = _CHOICES[name]
    value: T | None = given
    if value is None and ask and choice.of_object:
        value = ask(choice.of_object, choice.check)
    if value is None and declaration and choice.is_declared:
        value = getattr(declaration, name)
    if value is None and choice.is_of_queue:
        value = settings.queue_attributes.get(queue, {}).get(name)  # type: ignore[assignment]  # checked by Settings
    by_setting: Any = getattr(settings, choice.setting) if choice.setting else None
    return by_setting if value is None else value
