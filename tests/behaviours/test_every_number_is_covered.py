"""Every behaviour of delayed_job that has a counterpart here carries its number on some test.

The numbers are those of the conformance list of delayed_job's specs (S) and of what its code does beyond them (X).
"""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SUITE = range(1, 85)
"""The suite that every backend of delayed_job must pass."""

WITHOUT_COUNTERPART = {
    *(13, 15),  # positional priority and run_at, deprecated there
    *(87, 88),  # reconnecting around a fork
    *(90, 91, 92, 93, 94),  # a silencer of the mapper's log, and backends to choose from
    *(98, 99, 103),  # fetch-then-lock backends, and their recovery
    *(113, 126),  # mixing into every object, and calls on a null object
    *range(141, 146),  # mailers
    *range(148, 155),  # YAML tags
    *range(171, 190),  # Active Job, the SQL flavour, the dashboard
}
"""S numbers of what Python, MongoDB or this library has no such thing for."""

EXPECTED = {f"S{number}" for number in range(1, 190) if number not in WITHOUT_COUNTERPART} | {
    f"X{number}" for number in range(1, 32)
}


def numbers_in(source: Path) -> Iterator[str]:
    """Yield the numbers of all ``pytest.mark.behaviour(...)`` in *source*."""
    calls = (node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call))
    marks = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "behaviour")
    return (ast.literal_eval(argument) for mark in marks for argument in mark.args)


def in_order(numbers: set[str]) -> list[str]:
    return sorted(numbers, key=lambda number: (number[0], int(number[1:])))


@pytest.fixture(scope="module")
def covered() -> set[str]:
    return set(chain.from_iterable(numbers_in(source) for source in TESTS.rglob("test_*.py")))


def test_no_number_is_missing(covered):
    missing = in_order(EXPECTED - covered)

    assert not missing, f"{len(missing)} of {len(EXPECTED)} numbers are on no test: {', '.join(missing)}"


def test_no_number_is_made_up(covered):
    unknown = in_order(covered - EXPECTED)

    assert not unknown, f"numbers without a behaviour, or said to have no counterpart: {', '.join(unknown)}"


@pytest.mark.behaviour("S85")
def test_the_suite_of_every_backend_is_covered_whole(covered):
    suite = {f"S{number}" for number in SUITE if number not in WITHOUT_COUNTERPART}

    assert suite <= covered
