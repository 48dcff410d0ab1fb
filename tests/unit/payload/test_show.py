"""Stored calls as people see them."""

import dataclasses
import enum
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from uuid import UUID

import pytest

import mongojobs
from mongojobs import enqueue, job
from mongojobs.payload.arguments import is_secret
from mongojobs.payload.show import show_call, show_value
from mongojobs.testing import mode
from tests.support.payload_samples import FrozenAttrs, Model

SECRET_NAMES = [
    *("password", "old_passwd", "userPassword", "secret", "accessToken", "API_KEY", "apikey", "authorization", "auth"),
    *("private-key", "credentials", "session_id", "cvv", "card_number", "pwd"),
]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Address:
    street: str
    password: str = "x"


@job(name="test_showing.takes", sensitive=("pet",))
def takes(value: object, pet: str = "", home: Address | None = None, colour: Colour | None = None) -> None:
    """Do nothing."""


@job(name="test_showing.Newsletter")
@dataclasses.dataclass
class Newsletter:
    text: str
    api_token: str

    def perform(self) -> None:
        """Do nothing."""


@pytest.fixture
def shown():
    """Returns how an enqueued call is shown."""

    def shown(made):
        return show_call(made.handler, mongojobs.default_app().payloads)

    with mode("fake"):
        yield shown


class TestACall:
    def test_has_its_arguments_by_name(self, shown):
        call = shown(takes.delay(7, home=Address("High Street")))

        assert call.target == "test_showing.takes"
        assert [(one.name, one.text) for one in call.arguments] == [
            ("value", "7"),
            ("home", "Address(street='High Street', password=[masked])"),
        ]

    def test_masks_what_was_declared_and_cleans_texts_of_it(self, shown):
        call = shown(takes.delay(1, "Rex the dog"))

        assert [one.is_masked for one in call.arguments] == [False, True]
        assert call.clean("no pet Rex the dog here") == "no pet [masked] here"

    def test_of_a_job_object_shows_its_fields(self, shown):
        call = shown(enqueue(Newsletter("hello", "t0ken")))

        assert call.kind == "object"
        assert {one.name: one.text for one in call.arguments} == {"text": "'hello'", "api_token": "[masked]"}

    def test_of_unknown_code_is_masked_altogether(self, shown):
        handler = dict(takes.delay(7, "Rex").handler) | {"target": "nowhere.to_be_found"}

        call = show_call(handler, mongojobs.default_app().payloads)

        assert not call.is_known
        assert {one.text for one in call.arguments} == {"[masked]"}

    @pytest.mark.parametrize(
        "handler", [{}, {"kind": 1}, {"kind": "method", "target": {"v": 3}}, {"args": 1, "kwargs": 2}]
    )
    def test_that_is_damaged_is_shown_as_far_as_possible(self, handler):
        assert show_call(handler, mongojobs.default_app().payloads).arguments == ()


class TestAValue:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("it's", '"it\'s"'),
            ([1, 2.5, None, True], "[1, 2.5, None, True]"),
            ((1,), "(1,)"),
            ({1}, "{1}"),
            (set(), "set()"),
            (frozenset({1}), "frozenset({1})"),
            ({"a": {"b": 1}}, "{'a': {'b': 1}}"),
            ({1: "x"}, "{1: 'x'}"),
            ({"secret": 1, "user": 2}, "{'secret': [masked], 'user': 2}"),
            (Decimal("1.10"), "Decimal('1.10')"),
            (date(2026, 11, 25), "date('2026-11-25')"),
            (datetime(2026, 11, 25, 10, tzinfo=UTC), "2026-11-25 10:00:00.000 UTC"),
            (2**70, str(2**70)),
            (Colour.RED, "Colour.RED"),
            (b"raw", "b'raw'"),
            (range(0, 9, 2), "range(0, 9, 2)"),
            (PurePosixPath("/a"), "PurePosixPath('/a')"),
            (IPv4Address("10.0.0.1"), "IPv4Address('10.0.0.1')"),
            (Model(x=1, labels={"a"}), "Model(x=1, labels={'a'})"),
            (FrozenAttrs(1), "FrozenAttrs(x=1)"),
        ],
        ids=repr,
    )
    def test_is_written_as_python_would_write_it(self, shown, value, text):
        for cls in (Colour, Model, FrozenAttrs):
            mongojobs.register(cls)
        assert shown(takes.delay(value)).arguments[0].text == text

    @pytest.mark.parametrize("value", [timedelta(days=1), UUID(int=7), b"x" * 500])
    def test_of_other_kinds_says_what_it_is(self, shown, value):
        assert shown(takes.delay(value)).arguments[0].text

    def test_that_is_long_stands_on_several_lines(self):
        assert show_value(["x" * 40, "y" * 40]) == f"[\n    '{'x' * 40}',\n    '{'y' * 40}',\n]"

    def test_that_is_huge_is_cut(self):
        assert show_value("x" * 100_000).endswith("... (100,002 characters)")


class TestAName:
    @pytest.mark.parametrize("name", SECRET_NAMES)
    def test_gives_a_secret_away(self, name):
        assert is_secret(name)

    @pytest.mark.parametrize("name", ["order_id", "author", "path", "user", "pinned", "compass", "keyboard", "0"])
    def test_gives_nothing_away(self, name):
        assert not is_secret(name)
