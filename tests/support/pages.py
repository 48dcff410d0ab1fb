"""The examples of the pages of docs/, as modules that tests import."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.support.command_line import ROOT

_FILE = re.compile(r"```python\n# (\w+)\.py\n(.*?)```", re.DOTALL)

Load = Callable[[str], ModuleType]


@contextmanager
def examples_of(page: str, folder: Path) -> Iterator[Load]:
    """Let the files of docs/*page* be imported by their names during the block, from *folder*."""
    files = dict(_FILE.findall((ROOT / "docs" / page).read_text(encoding="utf-8")))
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(folder))
        for name in files:
            sys.modules.pop(name, None)
