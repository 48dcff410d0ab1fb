"""What a job returned, as it is kept with the job: the value, or why it is not kept.

``{"value": ...}`` in the types of arguments, ``{"size": ..., "limit": ...}`` of one that is too large, or ``{"refused":
...}`` with what cannot be stored, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bson

from mongojobs.core.errors import EnqueueError, ResultTooLargeError, UnstorableResultError
from mongojobs.core.job import Document, Job
from mongojobs.core.limits import LONGEST_ERROR, cut
from mongojobs.payload.values.codec import Codec

WHERE: Final = "the result"


def stored_result(value: object, codec: Codec, most: int) -> Document:
    """Return *value* in stored form, if it can be stored and takes at most *most* bytes, or why it is not kept.

    Raises nothing: a job that has done its work does not fail for what it returns.
    """
    try:
        returned = {"value": codec.encode(value, WHERE)}
        size = len(bson.encode(returned))
    except EnqueueError as error:
        return _refused(str(error))
    except Exception as error:  # noqa: BLE001 - it is the app's object, whose attributes may raise anything
        return _refused(f"{WHERE} could not be stored: its {type(value).__name__} raised {type(error).__name__}")
    return returned if size <= most else {"size": size, "limit": most}


def why_not_kept(returned: Mapping[str, Any]) -> str | None:
    """Return in words why the result is not kept; None if it is."""
    match returned:
        case {"value": _}:
            return None
        case {"size": int(size), "limit": int(limit)}:
            return f"{WHERE} has {size} bytes, more than the {limit} of max_result_bytes"
        case {"refused": str(reason)}:
            return reason
        case _:
            return f"{WHERE} is damaged"


def kept_value(job: Job) -> Any:
    """Return in stored form what *job*, which has completed with a result, returned.

    Raises ResultTooLargeError, UnstorableResultError.
    """
    returned = job.returned or {}
    reason = why_not_kept(returned)
    if reason is None:
        return returned["value"]
    message = f"{job} is done, but {reason}"
    if "size" in returned:
        raise ResultTooLargeError(
            f"{message}: store it in a document of its own and return that, or raise max_result_bytes",
            job_id=job.id,
            size=returned["size"],
            limit=returned["limit"],
        )
    raise UnstorableResultError(message, job_id=job.id)


def _refused(reason: str) -> Document:
    return {"refused": cut(reason, LONGEST_ERROR)}
