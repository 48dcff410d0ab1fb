"""A folder for the path of processes to hold up at their start; `sitecustomize` names the files."""

from pathlib import Path

from tests.support.command_line import ROOT


class Gate:
    """Holds processes up before they import a module."""

    def __init__(self, folder: Path, module: str) -> None:
        self._reached, self._open = folder / "reached", folder / "open"
        self.environ = {
            "PYTHONPATH": f"{Path(__file__).parent}:{ROOT}",
            "GATE_BEFORE": module,
            "GATE_REACHED": str(self._reached),
            "GATE_OPEN": str(self._open),
        }

    def is_reached(self) -> bool:
        """Whether a process waits at it."""
        return self._reached.exists()

    def close(self) -> None:
        """Hold the next ones up again."""
        self._open.unlink()
        self._reached.unlink()

    def open(self) -> None:
        """Let them in."""
        self._open.touch()
