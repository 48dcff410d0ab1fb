"""Optional packages: what to say when one is not installed."""

from __future__ import annotations

from mongojobs.core.errors import ExtraMissingError


def missing(extra: str, what: str) -> ExtraMissingError:
    """Return the error that *what* needs the *extra* of this package, with the command that installs it."""
    return ExtraMissingError(f'{what} needs an optional package: pip install "mongojobs[{extra}]"')
