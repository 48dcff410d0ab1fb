"""Which arguments are secret by their name, for whoever shows arguments to people."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(
    r"passw(?:or)?d|passphrase|(?:^|_)pwd|secret|token|authorization|(?:^|_)auth(?:$|_)|api_?key|private_?key|access_?key"
    r"|credential|cookie|session_?id|(?:^|_)(?:ssn|cvv|cvc|pin|iban)(?:$|_)|card_?number",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether *name*, of an argument or of a key in one, says that its value is not for everybody's eyes."""
    return _SECRET.search(name.replace("-", "_")) is not None
