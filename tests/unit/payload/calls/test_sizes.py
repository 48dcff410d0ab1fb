"""How large a stored call is."""

import bson
import pytest
from bson import ObjectId

from mongojobs.payload.calls.sizes import SMALL_BYTES, is_surely_small

WIDE = "\U0001f600"
FEW = {"v": 1, "kind": "function", "target": "a", "args": [ObjectId()] * 49, "kwargs": {}}
SMALL = [
    FEW,
    FEW | {"target": WIDE * 1000},
    FEW | {"args": [WIDE * 1000]},
    FEW | {"args": [], "kwargs": {WIDE * 500: WIDE * 500}},
]


class TestWhatIsSurelySmall:
    @pytest.mark.parametrize("handler", SMALL, ids=["ids", "name", "text", "keywords"])
    def test_is_small(self, handler):
        assert is_surely_small(handler)
        assert len(bson.encode(handler)) < SMALL_BYTES

    @pytest.mark.parametrize(
        "change",
        [
            {"args": [1] * 51},
            {"args": ["x" * SMALL_BYTES]},
            {"args": [b"x"]},
            {"args": [{}]},
            {"kwargs": {"x": []}},
            {"kwargs": dict.fromkeys(map(str, range(51)))},
            {"kind": "method"},
        ],
    )
    def test_is_nothing_that_may_be_large(self, change):
        assert not is_surely_small(FEW | change)
