"""Python imports this at its start where its folder is on the path: the import of one module waits until it is told."""

import importlib.abc
import os
import sys
import threading
from pathlib import Path
from typing import Any


class Gate(importlib.abc.MetaPathFinder):
    """Waits before the module that GATE_BEFORE names is looked for, after making the file GATE_REACHED."""

    def find_spec(self, name: str, *_: Any) -> None:
        """Find nothing."""
        if name == os.environ["GATE_BEFORE"]:
            sys.meta_path.remove(self)
            Path(os.environ["GATE_REACHED"]).touch()
            while not Path(os.environ["GATE_OPEN"]).exists():
                threading.Event().wait(0.01)


if "GATE_BEFORE" in os.environ:
    sys.meta_path.insert(0, Gate())
