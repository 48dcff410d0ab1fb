"""The example of docs/arguments.md does what stands there."""

import importlib
import re
import sys

import pytest

from mongojobs.testing import drain, mode
from tests.support.command_line import ROOT

TEXT = (ROOT / "docs" / "arguments.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```python\n# parcels\.py\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def parcels(tmp_path, monkeypatch):
    (tmp_path / "parcels.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("parcels")
    sys.modules.pop("parcels")


def test_the_example_is_true(parcels):
    with mode("fake"):
        parcels.example()

        assert drain() == (2, 0)
