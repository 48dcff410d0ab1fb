"""An app of many schedules, whose jobs note in the database for which tick they ran.

With TICKING_CRASHES=0.02 its process dies so often before the insert of a job, and so often between that and the
advance of its schedule; with TICKING_FAULT it has one that is planted.
"""

import os
import random
from typing import Any

import mongoengine

from mongojobs import current_job, default_app, job
from mongojobs.schedules.store import ScheduleStore
from mongojobs.schedules.ticks import TickEnqueuer
from tests.support.rig.planted import plant

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

_CHANCE = float(os.environ.get("TICKING_CRASHES", "0"))


def may_die_at(owner: type, name: str) -> None:
    """Let the process die at some of the calls of a method."""
    method = getattr(owner, name)

    def call_or_die(*arguments: Any, **options: Any) -> Any:
        if random.random() < _CHANCE:
            os._exit(9)
        return method(*arguments, **options)

    setattr(owner, name, call_or_die)


if _CHANCE:  # not in the process of the tests
    may_die_at(TickEnqueuer, "enqueue")
    may_die_at(ScheduleStore, "advance")

if "TICKING_FAULT" in os.environ:
    plant(os.environ["TICKING_FAULT"])


@job
def note() -> None:
    """Note the tick, the server's time, and when its job was enqueued: enqueued again, that would be another time."""
    now = current_job()
    assert now is not None
    runs = default_app().store.collection.database["runs"]
    seen = {"job": now.id, "tick": now.scheduled_for, "at": "$$NOW"}
    runs.update_one({"_id": f"{now.id} {now.created_at}"}, [{"$set": seen}], upsert=True)
