"""What goes into a payload comes back equal in type and value; what is planted in one is only ever refused."""

import re
import string
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import bson
import pytest
from bson import Binary, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from mongojobs.core.errors import DeserializationError, UnstorableValueError
from mongojobs.payload.calls.handler import Outline, Payloads, function_call
from mongojobs.payload.documents.references import DocumentReferences
from mongojobs.payload.values.codec import Codec
from tests.support.identity import identical
from tests.support.payload_samples import (
    Access,
    Color,
    Level,
    Mood,
    Pair,
    Plain,
    Point,
    sample_registry,
    send_receipt,
)

AS_STORED = CodecOptions(tz_aware=True)
PAYLOADS = Payloads(Codec(sample_registry(), DocumentReferences()))
CODEC = PAYLOADS.codec

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.one_of(st.sampled_from(["__mj", "v", "$ref", "$id", "$db", "a.b", "$set", "class"]), texts).filter(
    lambda name: "\0" not in name
)
zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]),
    st.integers(-23 * 3600, 23 * 3600).map(lambda seconds: timezone(timedelta(seconds=seconds))),
)
hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**66), 2**66),
    st.integers().map(lambda n: n * 10**700),
    st.floats(allow_nan=False),
    texts,
    st.binary(max_size=20),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.datetimes(timezones=zones),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.sampled_from(
        [*Color, *Level, *Mood, *Access, Access(0), Access.READ | Access.RUN, Color, Point, MinKey(), MaxKey()]
    ),
    st.builds(Binary, st.binary(max_size=9), st.integers(0, 255)),
    st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.builds(DBRef, texts, st.integers(), st.none() | texts),
)
scalars = st.one_of(
    hashable_scalars,
    st.sampled_from(["1.10", "NaN", "-0"]).map(Decimal128),
    st.builds(Regex, names, st.sampled_from([0, re.IGNORECASE, re.MULTILINE | re.VERBOSE])),
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=6,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.dictionaries(names, inner, max_size=4),
        st.dictionaries(hashables.filter(lambda key: not (isinstance(key, str) and "\0" in key)), inner, max_size=4),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
        st.dictionaries(st.text(string.ascii_letters, min_size=1), inner, max_size=3).map(
            lambda fields: Plain(**{f"a_{name}": value for name, value in fields.items()})
        ),
    ),
    max_leaves=20,
)

TAGS = [
    *("decimal", "bigint", "int64", "binary", "uuid", "datetime", "date", "time", "timedelta", "tuple", "set"),
    *("frozenset", "pairs", "dbref", "enum", "flags", "class", "dataclass", "namedtuple", "object"),
    *("document", "embedded", "lazyref", "unknown", ""),
]
CLASSES = [
    *(f"tests.support.payload_samples.{name}" for name in ("Point", "Color", "Access", "Pair", "Plain", "Newsletter")),
    *(f"tests.support.documents.{name}" for name in ("Group", "User", "Address", "Base", "Measurement", "Tile")),
    *("os.system", "builtins.eval", "", "tests.support.payload_samples.send_receipt"),
]
FIELDS = [
    *("class", "fields", "name", "names", "key", "alias", "database", "collection", "id", "passthrough", "extra"),
    *("wall", "fold", "zone", "x", "left", "right", "_cls", "_id", "street", "text", "$ref", "$id"),
]
planted_scalars = st.one_of(
    scalars.filter(
        lambda value: type(value) in (int, float, str, bool, bytes, type(None), ObjectId, Int64, Regex, MinKey)
    ),
    st.sampled_from(
        [*CLASSES, "RED", "1", "0x1", "2026-01-01T00:00:00", "../../etc/passwd", "Europe/Berlin", "default"]
    ),
    st.datetimes(),
    st.builds(DBRef, texts, st.integers()),
    st.builds(Binary, st.binary(max_size=16), st.sampled_from([0, 3, 4, 5, 128])),
)
planted = st.recursive(
    planted_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from([*FIELDS, "__mj", "v"]), names), inner, max_size=4),
        st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
        st.builds(lambda tag, content: {"__mj": tag, "v": content}, st.sampled_from(TAGS), inner),
        st.builds(
            lambda tag, name, rest: {"__mj": tag, "v": {"class": name, **rest}},
            st.sampled_from(TAGS),
            st.sampled_from(CLASSES),
            st.one_of(
                st.builds(
                    lambda fields: {"fields": fields}, st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
                ),
                st.builds(lambda name: {"name": name}, inner),
                st.builds(lambda names: {"names": names}, inner),
                st.builds(lambda key: {"id": key, "passthrough": True}, inner),
                st.builds(
                    lambda key: {"key": key, "alias": "default", "database": "test", "collection": "group"}, inner
                ),
            ),
        ),
    ),
    max_leaves=15,
)
handlers = st.one_of(
    planted,
    st.builds(
        lambda kind, target, args, kwargs, more: {
            "v": 1,
            "kind": kind,
            "target": target,
            "args": args,
            "kwargs": kwargs,
            **more,
        },
        st.sampled_from(["function", "object", "method", "class_method"]),
        st.one_of(st.sampled_from(CLASSES), planted),
        st.one_of(st.lists(planted, max_size=3), planted),
        st.one_of(st.dictionaries(names, planted, max_size=3), planted),
        st.one_of(
            st.just({}),
            st.builds(
                lambda method: {"method": method},
                st.sampled_from(["rebuild", "shout", "delete", "__class__", "perform"]),
            ),
            st.builds(lambda version: {"v": version}, planted),
        ),
    ),
)


def through_bson(value):
    return bson.decode(bson.encode({"value": value}), AS_STORED)["value"]


def only_refused(load):
    """Call *load*, which may succeed or refuse; anything else it raises fails the test."""
    try:
        load()
    except DeserializationError as error:
        return error
    return None


class TestRoundTrip:
    @settings(deadline=None)
    @given(values)
    def test_keeps_type_and_value(self, value):
        assert identical(CODEC.decode(through_bson(CODEC.encode(value, "argument 'x'"))), value)

    @settings(deadline=None)
    @given(st.lists(values, min_size=1, max_size=3), st.dictionaries(names, values, max_size=3))
    def test_keeps_the_arguments_of_a_call(self, args, kwargs):
        declaration = CODEC.registry.of(send_receipt)
        kwargs = {f"{name}_": value for name, value in kwargs.items()}

        loaded = PAYLOADS.load(through_bson(PAYLOADS.dump(function_call(declaration, args, kwargs))))

        assert identical((list(loaded.args), dict(loaded.kwargs)), (args, kwargs))

    @given(st.sets(hashables, max_size=8))
    def test_stores_equal_sets_alike(self, items):
        other = {*reversed(list(items))}

        assert bson.encode(CODEC.encode(items, "x")) == bson.encode(CODEC.encode(other, "x"))

    @given(texts, st.characters(categories=["Cs"]), texts)
    def test_refuses_a_text_with_half_a_character(self, before, surrogate, after):
        with pytest.raises(UnstorableValueError):
            CODEC.encode(before + surrogate + after, "x")


class TestPlanted:
    @settings(deadline=None, max_examples=500)
    @given(planted)
    def test_values_are_loaded_or_refused(self, stored):
        error = only_refused(lambda: CODEC.decode(stored))

        assert error is None or str(error)

    @settings(deadline=None, max_examples=500)
    @given(handlers)
    def test_handlers_are_loaded_or_refused(self, handler):
        error = only_refused(lambda: PAYLOADS.load(handler))

        assert error is None or str(error)

    @settings(deadline=None)
    @given(handlers)
    def test_handlers_can_be_looked_at(self, handler):
        assert isinstance(PAYLOADS.peek(handler), Outline)
