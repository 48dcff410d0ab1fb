import asyncio
import collections
import dataclasses
import enum
import io
import math
import re
import sys
import threading
import types
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import bson
import pytest
from bson import SON, Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from bson.tz_util import FixedOffset
from pydantic import BaseModel
from pymongo import MongoClient

from mongojobs.core.errors import DamagedPayloadError, UnknownJobError, UnstorableValueError
from tests.support.identity import identical
from tests.support.payload_samples import (
    Access,
    Attrs,
    Bits,
    Box,
    Color,
    Frozen,
    FrozenAttrs,
    FrozenModel,
    HintedAttrs,
    HintedModel,
    IntBox,
    Level,
    Model,
    Mood,
    Names,
    Pair,
    Plain,
    Point,
    Unregistered,
    sample_codec,
)

AS_STORED = CodecOptions(tz_aware=True)
NAIVE = datetime(2026, 1, 2)  # noqa: DTZ001 - naive on purpose
BERLIN = ZoneInfo("Europe/Berlin")
KEYS = {"$secret": 1, "a.b": 2, "": 3, "$$ROOT": "$secret", "$id": 4, "$db": 5}


@pytest.fixture
def codec():
    return sample_codec()


def through_bson(codec, value):
    stored = bson.encode({"value": codec.encode(value, "argument 'x'")})
    return codec.decode(bson.decode(stored, AS_STORED)["value"])


def stored(codec, value):
    return codec.encode(value, "argument 'x'")


def refusal(codec, value):
    with pytest.raises(UnstorableValueError) as caught:
        codec.encode(value, "argument 'x'")
    return str(caught.value)


def nested(levels, kind=list):
    value = 1
    for _ in range(levels):
        value = kind([value])
    return value


NATIVE = [
    None,
    True,
    False,
    0,
    1,
    -(2**31),
    2**31,
    2**63 - 1,
    -(2**63),
    1.5,
    math.inf,
    "text",
    "häagen \U0001f600",
    "$$ROOT",
    "nul \0 inside",
    b"bytes \0",
    [],
    {},
    [1, [2, {"three": 3}]],
    KEYS,
    ObjectId("0123456789ab0123456789ab"),
    Decimal128("1.10"),
    Timestamp(1, 2),
    MinKey(),
    MaxKey(),
    Regex("^a", re.IGNORECASE),
    datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
]

TAGGED = [
    2**63,
    -(2**63) - 1,
    10**700,
    -(2**20000),
    Int64(5),
    Decimal("1.10"),
    Decimal("-0"),
    Decimal("1E+400"),
    Decimal("Infinity"),
    UUID("12345678123456781234567812345678"),
    Binary(b"user's own", 0),
    Binary(b"a UUID of theirs", 4),
    Binary(b"anything", 128),
    datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - naive on purpose
    datetime(2026, 1, 2, 3, 4, 5, 1, UTC),
    datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(seconds=-1))),
    datetime(2026, 7, 2, 3, 4, 5, 6, BERLIN),
    datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),
    datetime.min,  # noqa: DTZ901 - naive on purpose
    datetime.max,  # noqa: DTZ901 - naive on purpose
    date(2026, 1, 2),
    time(1, 2, 3, 4),
    time(1, 2, tzinfo=UTC),
    time(1, 2, tzinfo=BERLIN),
    timedelta(days=-1, microseconds=1),
    timedelta.max,
    timedelta.min,
    (),
    (1, (2, [3])),
    set(),
    {1, "1", None, (2, 3)},
    frozenset({frozenset({1}), frozenset()}),
    {1: "int", None: "none", (1, 2): "tuple", "text": "text", 1.5: {2: 3}},
    {"__mj": "tuple", "v": [1]},
    {"a": {"__mj": 1}},
    {"$ref": "a JSON schema"},
    {"$ref": "collection", "$id": 1},
    DBRef("users", ObjectId("0123456789ab0123456789ab")),
    DBRef("users", 5, "other", extra={"$ref": "x"}),
    Color.RED,
    Color.CRIMSON,
    Level.HIGH,
    Mood.CALM,
    Access.READ,
    Access.READ | Access.RUN,
    Access(0),
    {Level.LOW: Mood.CALM},
    Pair(1, (2, 3)),
    Pair(Pair(1)),
    Point(1),
    Point(Decimal(1), Point(2), ["a"]),
    Frozen(Color.RED, Point({1: 2})),
    Plain(a=1, b=Point(3)),
    Color,
    Point,
    range(3),
    range(2**70, 0, -2),
    Path("a") / "b",
    PurePosixPath("/a"),
    PureWindowsPath("c:\\a"),
    IPv4Address("10.0.0.1"),
    IPv6Address("fe80::1%eth0"),
    IPv4Network("10.0.0.0/8"),
    IPv6Interface("::1/64"),
    Attrs(Point(1), 2, ["a"]),
    {FrozenAttrs(1)},
    Model(x=Decimal("1.10"), labels={"a"}, color=Color.RED),
    FrozenModel(inside=[Model(x=Model(x=1))], point=Point(1)),
    Names(["a"]),
    IntBox(inside=1),
    HintedAttrs(HintedModel(x=1)),
]


class TestRoundTrip:
    @pytest.mark.parametrize("value", NATIVE, ids=repr)
    def test_keeps_what_bson_keeps_as_it_is(self, codec, value):
        assert stored(codec, value) == value

        back = through_bson(codec, value)

        assert (type(back), back) == (type(value), value)

    @pytest.mark.parametrize("value", TAGGED, ids=lambda value: type(value).__name__)
    def test_keeps_type_and_value_of_what_bson_lacks(self, codec, value):
        back = through_bson(codec, value)

        assert (type(back), back) == (type(value), value)

    @pytest.mark.parametrize("value", [math.nan, -0.0])
    def test_keeps_odd_floats(self, codec, value):
        assert repr(through_bson(codec, value)) == repr(value)

    @pytest.mark.behaviour("S146")
    @pytest.mark.parametrize("text", ["9" * 60 + ".10", "NaN", "sNaN12", "-0.00"])
    def test_keeps_decimals_to_the_last_digit(self, codec, text):
        assert str(through_bson(codec, Decimal(text))) == text

    def test_keeps_the_order_of_a_dict(self, codec):
        assert list(through_bson(codec, {"b": 1, "a": 2, "c": 3})) == ["b", "a", "c"]

    def test_keeps_the_zone_and_the_fold(self, codec):
        value = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)

        back = through_bson(codec, value)

        assert (back.tzinfo, back.fold, back.utcoffset()) == (BERLIN, 1, timedelta(hours=1))

    def test_keeps_an_offset(self, codec):
        value = datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3)))

        assert through_bson(codec, value).utcoffset() == timedelta(hours=-3)

    def test_never_reads_a_naive_time_as_utc(self, codec):
        assert through_bson(codec, NAIVE).tzinfo is None

    @pytest.mark.parametrize("zone", [UTC, FixedOffset(0, "UTC")])
    def test_gives_utc_times_the_utc_of_python(self, codec, zone):
        assert through_bson(codec, datetime(2026, 1, 2, tzinfo=zone)).tzinfo is UTC

    def test_copies_containers(self, codec):
        value = [{"a": [1]}]

        copy = stored(codec, value)
        value[0]["a"].append(2)

        assert copy == [{"a": [1]}]

    def test_gives_dataclasses_their_defaults_for_fields_that_were_added_since(self, codec):
        old = {"__mj": "dataclass", "v": {"class": f"{Point.__module__}.Point", "fields": {"x": 1}}}

        assert codec.decode(old) == Point(1, 0, [])

    def test_does_not_run_the_constructor(self, codec):
        old = stored(codec, Frozen(Color.RED))
        old["v"]["fields"]["color"] = stored(codec, Color.GREEN)

        assert codec.decode(old).color is Color.GREEN

    def test_keeps_what_a_model_holds_beside_its_fields(self, codec):
        model = Model(x=1, color="red")
        model._seen = 2

        loaded = through_bson(codec, model)

        assert (loaded._seen, loaded.color, loaded.model_fields_set) == (2, "red", {"x", "color"})
        assert loaded.model_dump(exclude_unset=True) == {"x": 1, "color": "red"}

    @pytest.mark.parametrize("value", [Attrs(1), Model(x=1)], ids=lambda value: type(value).__name__)
    def test_makes_anew_what_a_cached_property_keeps(self, codec, value):
        value.labels = ["one", "two"]
        assert value.size == 2

        assert through_bson(codec, value).size == 2

    @pytest.mark.parametrize("value", [Attrs(1), Model(x=1)], ids=lambda value: type(value).__name__)
    def test_gives_fields_that_were_added_since_their_defaults(self, codec, value):
        older = stored(codec, value)
        del older["v"]["fields"]["labels"]

        assert codec.decode(older) == value

    def test_neither_validates_a_model_again_nor_converts_its_values(self, codec):
        odd = Names.model_construct(root=5)

        assert through_bson(codec, odd).root == 5

    def test_reads_an_attrs_class_that_an_earlier_version_stored_by_its_attributes(self, codec):
        older = stored(codec, Attrs(1, 2, ["a"])) | {"__mj": "object"}

        assert codec.decode(older) == Attrs(1, 2, ["a"])

    def test_reads_a_time_from_mongomock_as_utc(self, codec):
        assert codec.decode(NAIVE) == datetime(2026, 1, 2, tzinfo=UTC)

    def test_reads_the_long_integers_of_the_driver_as_int(self, codec):
        assert type(codec.decode(Int64(2**40))) is int

    @pytest.mark.parametrize("kind", [list, tuple, lambda items: {"key": items[0]}, lambda items: {1: items[0]}])
    def test_takes_fifty_levels(self, codec, kind):
        value = nested(50, kind)

        assert through_bson(codec, value) == value


class TestStoredForm:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Decimal("1.10"), {"__mj": "decimal", "v": "1.10"}),
            (2**64, {"__mj": "bigint", "v": "18446744073709551616"}),
            (timedelta(seconds=1), {"__mj": "timedelta", "v": 1000000}),
            (NAIVE, {"__mj": "datetime", "v": "2026-01-02T00:00:00"}),
            (UUID(int=1), {"__mj": "uuid", "v": Binary(UUID(int=1).bytes, 4)}),
            ({1: 2}, {"__mj": "pairs", "v": [[1, 2]]}),
            ((1,), {"__mj": "tuple", "v": [1]}),
            (Color.CRIMSON, {"__mj": "enum", "v": {"class": "tests.support.payload_samples.Color", "name": "RED"}}),
        ],
    )
    def test_reads_well_in_the_shell(self, codec, value, expected):
        assert stored(codec, value) == expected

    def test_is_the_same_for_equal_sets(self, codec):
        one, other = {f"item {n}" for n in range(100)}, {f"item {n}" for n in reversed(range(100))}

        assert bson.encode(stored(codec, one)) == bson.encode(stored(codec, other))


class Text(str):
    pass


class Numbers(list):
    pass


class StatefulError(Exception):
    pass


class Slotted:
    __slots__ = ("hidden",)


class Stray(enum.Enum):
    ODD = 1


class StrayWord(enum.StrEnum):
    ODD = "odd"


class StrayNote(NamedTuple):
    text: str


@attrs.define
class StrayAttrs:
    x: int = 1


class StrayModel(BaseModel):
    x: int = 1


REFUSED = [
    (Text("a"), "str(...)"),
    (Numbers([1]), "list(...)"),
    (collections.OrderedDict(a=1), "dict(...)"),
    (collections.defaultdict(list), "dict(...)"),
    (collections.Counter("a"), "dict(...)"),
    (SON(a=1), "dict(...)"),
    (Code("1"), "str(...)"),
    (collections.namedtuple("Row", "a")(1), "type hint"),  # noqa: PYI024 - without types, as users write it
    (types.MappingProxyType({"a": 1}), "dict(...)"),
    (bytearray(b"a"), "bytes(...)"),
    (memoryview(b"a"), "bytes(...)"),
    (re.compile("a"), "Regex"),
    (len, "make it a job"),
    (lambda: 1, "make it a job"),
    (Text("a").upper, "make it a job"),
    (Point(1).__init__, "pass the object"),
    ((n for n in [1]), "list(...)"),
    (iter([1]), "list(...)"),
    (map(str, [1]), "list(...)"),
    (io.StringIO(), "the path or the content"),
    (threading.Lock(), "in the job"),
    (threading.Event(), "in the job"),
    (threading, "import it in the job"),
    (Unregistered(), "pass its id"),
    (Unregistered, "not registered"),
    (int, "not registered"),
    (StatefulError("a"), "as plain values"),
    (Slotted(), "as plain values"),
    (Stray.ODD, "type hint"),
    (StrayWord.ODD, "type hint"),
    (StrayNote("a"), "type hint"),
    (StrayAttrs(), "type hint"),
    (StrayModel(), "type hint"),
    (Box[int](inside=1), "class Named(Box[int])"),
    (ZoneInfo("Europe/Athens"), "as plain values"),
    (object(), "pass its id"),
    (Bits(9), "not a combination"),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(microseconds=3))), "whole number of seconds"),
    (Int64(2**70), "int(value)"),
    (Regex(b"bytes"), "as texts"),
    (Regex("a\0b"), "as texts"),
    ("\ud800", "surrogate"),
    ({"\ud800": 1}, "surrogate"),
    ({"a\0b": 1}, "NUL"),
    ({1: 1, "a\0b": 1}, "NUL"),
    (nested(51), "50 levels"),
    (nested(51, tuple), "50 levels"),
]


class TestRefusal:
    @pytest.mark.parametrize(
        ("value", "advice"), REFUSED, ids=[f"{type(value).__name__}: {advice}" for value, advice in REFUSED]
    )
    def test_says_what_to_do(self, codec, value, advice):
        message = refusal(codec, value)

        assert advice in message
        assert message.startswith("argument 'x'")

    def test_of_a_coroutine(self, codec):
        coroutine = asyncio.sleep(0)

        message = refusal(codec, coroutine)
        coroutine.close()

        assert "await" in message

    def test_of_a_client(self, codec):
        with MongoClient(connect=False) as client:
            message = refusal(codec, client)

        assert "connections cannot be stored" in message

    def test_of_an_open_file(self, codec, tmp_path):
        with (tmp_path / "file").open("w") as file:
            message = refusal(codec, file)

        assert "the path or the content" in message

    def test_of_a_list_that_contains_itself(self, codec):
        value = []
        value.append(value)

        assert "contains itself" in refusal(codec, value)

    @pytest.mark.parametrize(
        ("value", "place"),
        [
            ([0, {"name": [{1}, object()]}], "argument 'x'[1][\"name\"][1] is an object"),
            (({"a": object()},), "argument 'x'[0][\"a\"] is"),
            ({5: object()}, "argument 'x'[5] is"),
            ({object(): 5}, "argument 'x'[an object] is"),
            ({object()}, "argument 'x'{...} is"),
            (Point(Pair([object()])), "argument 'x'.x.left[0] is"),
            (Plain(odd=object()), "argument 'x'.odd is"),
        ],
    )
    def test_names_the_place(self, codec, value, place):
        assert refusal(codec, value).startswith(place)

    def test_carries_the_place(self, codec):
        with pytest.raises(UnstorableValueError) as caught:
            codec.encode([object()], "argument 'x'")

        assert caught.value.where == "argument 'x'[0]"

    def test_of_a_registered_class_with_hidden_state(self, codec):
        codec.registry.add_class(StatefulError)
        codec.registry.add_class(Slotted)

        assert "holds more than its attributes" in refusal(codec, StatefulError("a"))
        assert "__slots__" in refusal(codec, Slotted())

    @pytest.mark.parametrize(
        "value",
        [Stray.ODD, StrayWord.ODD, StrayNote("a"), StrayAttrs(), StrayModel()],
        ids=lambda value: type(value).__name__,
    )
    def test_gives_advice_that_works_when_it_is_followed(self, codec, value):
        def job(argument): ...

        job.__annotations__ = {"argument": type(value)}
        assert "name its class in a type hint of the job" in refusal(codec, value)

        codec.registry.learn(job)

        assert identical(through_bson(codec, value), value)

    def test_of_a_plain_class_works_when_it_is_registered_as_advised(self, codec):
        assert "register the class with mongojobs.register" in refusal(codec, Unregistered())

        codec.registry.add_class(Unregistered)

        assert type(through_bson(codec, Unregistered())) is Unregistered

    def test_of_a_model_with_a_field_that_is_not_set(self, codec):
        assert "'x' is not set" in refusal(codec, Model.model_construct())

    def test_names_the_place_inside_a_model(self, codec):
        assert refusal(codec, FrozenModel(inside=[Model(x=object())])).startswith(
            "argument 'x'.inside[0].x is an object"
        )

    def test_of_a_dataclass_with_a_field_that_is_not_set(self, codec):
        half = object.__new__(Point)

        assert "'x' is not set" in refusal(codec, half)

    def test_of_a_class_in_main(self, codec):
        lost = dataclasses.make_dataclass("Lost", ["x"])
        codec.registry.add_class(lost, "__main__.Lost")

        assert "a different __main__" in refusal(codec, lost(1))


POINT = "tests.support.payload_samples.Point"
COLOR = "tests.support.payload_samples.Color"
PAIR = "tests.support.payload_samples.Pair"
PLAIN = "tests.support.payload_samples.Plain"


def tag(name, content):
    return {"__mj": name, "v": content}


MODEL = {"class": "tests.support.payload_samples.Model", "set": ["x"], "extra": None, "private": None}

DAMAGED = [
    tag("range", [0, 1]),
    tag("range", [0, 1, 0]),
    tag("range", [0, 1, True]),
    tag("IPv4Address", "10.0.0.256"),
    tag("IPv4Address", 1),
    tag("PosixPath", "a//b"),
    tag("model", {**MODEL, "fields": {"x": 1, "unknown": 1}}),
    tag("model", {**MODEL, "fields": {"labels": []}}),
    tag("model", {**MODEL, "fields": {"x": 1}, "set": "x"}),
    tag("model", {**MODEL, "class": POINT, "fields": {"x": 1}}),
    tag("object", {"class": MODEL["class"], "fields": {"x": 1}}),
    tag("model", {"class": MODEL["class"], "fields": {"x": 1}}),
    tag("unknown", 1),
    tag("os.system", "ls"),
    tag(None, 1),
    tag(["tuple"], []),
    tag({"$ne": None}, 1),
    tag(Code("tuple"), []),
    {"__mj": "tuple"},
    {"__mj": "tuple", "v": [], "extra": 1},
    {"__mj": "tuple", "w": []},
    tag("tuple", "text"),
    tag("tuple", {"0": 1}),
    tag("set", [[1]]),
    tag("set", [1, 1]),
    tag("pairs", [[1]]),
    tag("pairs", [[1, 2], [1, 3]]),
    tag("pairs", [[{}, 2]]),
    tag("decimal", "one"),
    tag("decimal", 1.5),
    tag("decimal", " 1"),
    tag("decimal", "1e99999999999999999999"),
    tag("bigint", "0b11"),
    tag("bigint", "1_000"),
    tag("bigint", "9" * 5000),
    tag("int64", True),
    tag("int64", 1.0),
    tag("uuid", "12345678-1234-5678-1234-567812345678"),
    tag("uuid", b"short"),
    tag("uuid", Binary(b"short", 4)),
    tag("binary", [999, b""]),
    tag("binary", b"x"),
    tag("datetime", "2026-01-02"),
    tag("datetime", "20260102T000000"),
    tag("datetime", {"wall": "2026-01-02T00:00:00", "fold": 0, "zone": "../../etc/passwd"}),
    tag("datetime", {"wall": "2026-01-02T00:00:00", "fold": 0, "zone": "os"}),
    tag("datetime", {"wall": "2026-01-02T00:00:00", "fold": 7, "zone": None}),
    tag("date", "2026-13-01"),
    tag("time", "25:00:00"),
    tag("timedelta", 1.5),
    tag("timedelta", tag("bigint", "9" * 40)),
    tag("dbref", {"collection": 1, "id": 1, "database": None, "extra": {}}),
    tag("dbref", {"collection": "c"}),
    tag("enum", {"class": COLOR, "name": "BLUE"}),
    tag("enum", {"class": COLOR, "name": ["RED"]}),
    tag("enum", {"class": POINT, "name": "x"}),
    tag("enum", COLOR),
    tag("flags", {"class": COLOR, "names": []}),
    tag("dataclass", {"class": POINT, "fields": {}}),
    tag("dataclass", {"class": POINT, "fields": {"x": 1, "z": 2}}),
    tag("dataclass", {"class": POINT, "fields": [1]}),
    tag("dataclass", {"class": COLOR, "fields": {}}),
    tag("namedtuple", {"class": PAIR, "fields": {"right": 1}}),
    tag("namedtuple", {"class": PAIR, "fields": {"left": 1, "middle": 1}}),
    tag("object", {"class": POINT, "fields": {"x": 1}}),
    tag("object", {"class": COLOR, "fields": {}}),
    tag("object", {"class": PLAIN, "fields": {"shout": tag("class", COLOR)}}),
    Binary(b"x", 4),
    DBRef("users", 1),
    Code("1"),
    UUID(int=1),
    nested(51),
]


class TestDamage:
    @pytest.mark.behaviour("S29", "S30")
    @pytest.mark.parametrize("planted", DAMAGED, ids=lambda value: f"{value!r:.60}")
    def test_is_reported_as_such(self, codec, planted):
        with pytest.raises(DamagedPayloadError):
            codec.decode(planted)

    @pytest.mark.behaviour("S27", "S28")
    @pytest.mark.parametrize("kind", ["dataclass", "object", "namedtuple"])
    @pytest.mark.parametrize(
        ("name", "error"),
        [
            *((name, UnknownJobError) for name in ("os.system", "builtins.eval", "__class__", f"{POINT}.__init__")),
            *((name, DamagedPayloadError) for name in ("", 5, None, ["x"])),
        ],
    )
    def test_of_a_class_that_is_not_registered_names_it(self, codec, kind, name, error):
        with pytest.raises(error, match=re.escape(repr(name))):
            codec.decode(tag(kind, {"class": name, "fields": {}}))

    @pytest.mark.parametrize("name", ["antigravity", "antigravity.geohash", "this.s"])
    def test_imports_nothing(self, codec, name):
        with pytest.raises(UnknownJobError):
            codec.decode(tag("class", name))

        assert not {"antigravity", "this"} & sys.modules.keys()

    def test_cannot_change_the_class_of_an_object(self, codec):
        planted = {"__class__": tag("class", COLOR), "__dict__": {"a": 1}}

        value = codec.decode(tag("object", {"class": PLAIN, "fields": planted}))

        assert type(value) is Plain
