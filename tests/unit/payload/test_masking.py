"""Secrets in texts, in all the forms they may have there."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from time import process_time as time_now
from uuid import UUID

import pytest
from bson import DBRef, Decimal128, ObjectId, Regex

import mongojobs
from mongojobs.payload.masking import Mask, cleaner
from mongojobs.testing import mode
from mongojobs.worker.run.error_text import error_text
from tests.support.payload_samples import FrozenAttrs, Model
from tests.support.secretive_jobs import WAYS, formats

WORDS = ["c4n4ry", "hunter", "geheim"]
TEXTS = {
    "of one word": "hunter2c4n4rybird",
    "of several lines": "first c4n4ry line\n  second c4n4ry line\n\nthird c4n4ry line",
    "with quotes": 'it\'s "c4n4ry" & <hunter>',
    "with a backslash": r"c4n4ry\new\x41hunter\u00e9",
    "in other letters": "gehéim-пароль c4n4ry ключ",
    "that looks escaped": "c4n4ry%20hunter&amp;100%deal",
    "with odd characters": "c4n4ry\x1b[31m\thunter\x85",
}


@pytest.fixture
def masked():
    """Returns the error, with its traceback, of a job whose argument is secret."""

    def masked(secret, error):
        with mode("fake"):
            clean = cleaner(formats.delay(secret, "{}").handler, mongojobs.default_app().payloads, None)
        return error_text(error, clean).full

    return masked


class TestASecretText:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("text", TEXTS)
    def test_is_masked_however_it_slips(self, masked, way, text):
        shown = masked(TEXTS[text], WAYS[way](TEXTS[text]))

        assert "[masked]" in shown
        assert [word for word in WORDS if word in shown.lower()] == []

    @pytest.mark.parametrize("text", ["ключ", "пароль от сейфа", "a!!", "p!n", "x-1", "Zoë"])
    @pytest.mark.parametrize(
        ("form", "expected"), [("<{}>", "<[masked]>"), ("{!r}", "'[masked]'"), ("[{!a}]", "['[masked]']")]
    )
    def test_of_few_letters_is_masked(self, masked, text, form, expected):
        shown = masked(text, ValueError(form.format(text)))

        assert shown.startswith(f"ValueError: {expected}\n")

    @pytest.mark.parametrize("form", ["a+%22b%22+'&!", "a%20%22b%22%20'%26!", "a &#34;b&#34; &#39;&amp;!"])
    def test_of_few_letters_is_masked_however_it_was_escaped(self, masked, form):
        assert masked('a "b" \'&!', ValueError(f"<{form}>")).startswith("ValueError: <[masked]>\n")

    def test_is_masked_where_it_was_cut(self, masked):
        assert masked("c4n4ry" * 10, ValueError(f"{'c4n4ry' * 10:.20} and so on")).startswith(
            "ValueError: [masked] and so on"
        )

    def test_leaves_all_else_to_be_read(self, masked):
        shown = masked("rose", ValueError("a rose is [rose] and no tulip"))

        assert shown.startswith("ValueError: a [masked] is [[masked]] and no tulip")

    def test_that_is_the_word_for_a_mask_is_masked_once(self, masked):
        assert masked(["masked", "ask"], ValueError("masked, ask")).startswith("ValueError: [masked], [masked]")

    def test_is_found_among_many_that_begin_alike(self, masked):
        many = [f"customer-{number:05}" for number in range(5000)]

        assert masked(many, ValueError("no customer-00007 here")).startswith("ValueError: no [masked] here")

    def test_among_too_many_that_may_be_there_hides_the_text(self, masked):
        numbers = [str(number) for number in range(10_000, 12_000)]

        assert masked(numbers, ValueError(" ".join(numbers))).startswith("(hidden, since too much of it is secret)")


MOMENT = datetime(1990, 3, 5, 14, 7, 9, 250_000, tzinfo=UTC)
VALUES = {
    "UUID": (UUID("12345678-1234-4678-9234-567812345678"), ["{}", "{!r}", "{.hex}", "{.urn}", "{.int}", "{.bytes!r}"]),
    "ObjectId": (ObjectId("656565656565656565656565"), ["{}", "{!r}"]),
    "Decimal128": (Decimal128("98765.4321"), ["{}", "{!r}"]),
    "Decimal": (Decimal("98765.40"), ["{}", "{!r}", "{:,}", "{:.1f}0"]),
    "datetime": (MOMENT, ["{}", "{!r}", "{:%d.%m.%Y}", "{:%Y-%m-%d}", "{:%c}"]),
    "local datetime": (MOMENT.astimezone(), ["{}", "{!r}"]),
    "naive datetime": (MOMENT.replace(tzinfo=None), ["{}", "{!r}"]),
    "date": (date(1990, 3, 5), ["{}", "{!r}", "{:%d/%m/%Y}", "{:%d %B %Y}"]),
    "time": (time(14, 7, 9), ["{}", "{!r}"]),
    "timedelta": (timedelta(days=3, seconds=1990), ["{}", "{!r}"]),
    "pattern": (Regex("^1990[0-9]{7}$"), ["{.pattern}", "{!r}"]),
    "bytes": (b"\x00\xff1990hunter", ["{}", "{!r}"]),
    "number": (19_900_305, ["{}", "{:,}", "{!r}", "{:.2f}"]),
    "short number": (19_905, ["{}", "{:,}", "{:_}"]),
    "reference": (DBRef("c", "1990-x", extra="1990-y"), ["{}"]),
    "fraction": (1990.25, ["{}", "{:,}", "{:.2f}"]),
    "huge number": (1990**30, ["{}", "{:,}"]),
    "dict": ({"key1990": 1, 19_901: "x", (1_990_123,): None}, ["{}"]),
    "path": (PurePosixPath("/srv/1990/x"), ["{}", "{!r}"]),
    "address": (IPv4Address("198.7.1.1"), ["{}", "{!r}"]),
    "network": (IPv4Network("198.7.1.0/24"), ["{}", "{!r}"]),
    "range": (range(1_990_123, 19_901_234), ["{}"]),
    "model": (Model(x="1990 and so on", other="1990 more"), ["{}", "{!r}"]),
    "attrs class": (FrozenAttrs(1_990_123), ["{}"]),
    "nested": ([{"a": ({"1990 and so on"},)}, frozenset({1_990_123})], ["{}"]),
}


for cls in (Model, FrozenAttrs):
    mongojobs.register(cls)


class TestASecretValue:
    @pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind, (_, forms) in VALUES.items() for form in forms])
    def test_is_masked_as_it_is_written(self, masked, kind, form):
        value, _ = VALUES[kind]

        shown = masked(value, ValueError(form.format(value))).partition("\n")[0]

        assert "[masked]" in shown
        assert not re.search(r"1990|656565|12345678|987|4:0?7|14, 7|xff|1,990|33:10|T4F|19[,_]9", shown)

    @pytest.mark.parametrize("value", [True, None, 12, "ab", b"ab", "  \n  ", [], {}])
    def test_that_tells_nothing_masks_nothing(self, masked, value):
        assert masked(value, ValueError("True None 12 ab  \n   .")).startswith("ValueError: True None 12 ab  \n   .")


class TestTheTimeToMask:
    def test_grows_with_secrets_and_text_but_not_with_their_product(self):
        little, much = seconds_to_mask(5_000), seconds_to_mask(40_000)

        assert much < 30 * little

    def test_is_bounded_where_many_texts_are_shown(self):
        taken = []
        secrets = (taken.append(number) or f"secret {number}" for number in range(50_000))

        assert Mask(secrets, most=100)("what is left of this") == "[masked]"
        assert len(taken) < 200


def seconds_to_mask(size):
    """Return how long it takes to mask *size* secrets in a text of as many words."""
    secrets = [f"key{number:07}" for number in range(size)]
    text = " ".join(f"word{number:07}" for number in range(size // 2, size * 3 // 2))[: 8 * size]
    begin = time_now()
    Mask(secrets)(text)
    return time_now() - begin
