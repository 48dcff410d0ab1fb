"""Asking the server how it would carry out a command, just before the command is sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.monitoring import CommandStartedEvent

EXPLAINABLE = ("find", "findAndModify", "update", "delete", "aggregate")
_OF_THE_DRIVER = (
    "lsid",
    "txnNumber",
    "$db",
    "$clusterTime",
    "$readPreference",
    "writeConcern",
    "readConcern",
    "maxTimeMS",
)
_READABLE: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


@dataclass(frozen=True)
class Plan:
    """What the server would read to carry out a *command*."""

    command: dict[str, Any]
    stages: tuple[str, ...]
    keys: int
    documents: int
    touched: int
    """Documents returned, updated or deleted."""

    @property
    def is_served(self) -> bool:
        """Whether indexes do all the work: no document is read for nothing, and nothing is sorted."""
        return "COLLSCAN" not in self.stages and not self.is_sorted and self.documents <= self.touched

    @property
    def is_sorted(self) -> bool:
        """Whether anything is sorted but the jobs of one page, found by their ids.

        What is damaged would be; that there is none, the index tells by two keys.
        """
        is_one_page = self.command.get("hint") == "_id_" and self.documents <= self.command.get("limit", 0)
        return "SORT" in self.stages and self.keys > 2 and not is_one_page


def explain(client: MongoClient[Any], event: CommandStartedEvent) -> Plan:
    """Return the plan for the command of *event*."""
    command = {key: value for key, value in event.command.items() if key not in _OF_THE_DRIVER}
    answer = client[event.database_name].command(
        "explain", command, verbosity="executionStats", codec_options=_READABLE
    )
    cursor = answer["stages"][0]["$cursor"] if "stages" in answer else answer
    execution = cursor["executionStats"]
    stages = list(_all_stages(execution["executionStages"]))
    counts = ("nMatched", "nWouldModify", "nWouldDelete", "nDeleted", "nReturned")
    touched = max(int(stage.get(count, 0)) for stage in stages[:2] for count in counts)
    if "aggregate" in command:
        touched = 0  # what is grouped must come from the index alone
    names = {stage["stage"] for stage in [*stages, *_all_stages(cursor["queryPlanner"]["winningPlan"])]}
    return Plan(command, tuple(sorted(names)), execution["totalKeysExamined"], execution["totalDocsExamined"], touched)


def _all_stages(stage: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "stage" in stage:
        yield stage
    for value in stage.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _all_stages(inner)
