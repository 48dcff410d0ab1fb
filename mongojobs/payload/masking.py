"""Removing secrets from texts that are stored, logged and shown, whatever form they take there.

Two searches find them. One is for each secret as a whole, in all the ways to write and to escape it. The other looks
only at the letters and digits of a text: it finds what was cut, broken into lines and indented, or escaped twice, since
none of this changes these; and it finds any part of a secret that has eight of them. Both are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from mongojobs.payload.arguments import stored_arguments
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.renderings import escaped, texts_of

Clean = Callable[[str], str]

MASK: Final = "[masked]"
SHORTEST_SECRET: Final = 3
"""Shorter values occur in every text by chance: masking them would reveal more than it hides."""

SHORTEST_PART: Final = 8
"""In letters and digits: a part of a secret is found if at least this much of it is there."""

MOST_AT_ONCE: Final = 500
"""If more secrets than this may occur in one text, all of it is hidden."""

LONGEST_TEXT: Final = 64 * 1024
"""In characters: of a text longer than twice this, this much of its beginning and of its end is kept."""

_HIDDEN: Final = "(hidden, since too much of it is secret)"
_LEFT_OUT: Final = "\n... (cut) ...\n"
_TOKEN: Final = re.compile(
    r"\\+(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[abfnrtv0])?"
    r"|%(?:25)*[0-9a-fA-F]{2}|&(?:amp;)*#?\w{1,8};|([0-9A-Za-z]+|\0)",
    re.ASCII,
)
"""An escape, or letters and digits."""

_MAY_BE_ESCAPE: Final = re.compile(r"[\\%&+]|\n[ |]")
_BROKEN_LINE: Final = r"\n[ |]*"
"""How a traceback breaks lines, inside exception groups too."""

_NO_LETTERS: Final = bytes(code for code in range(1, 128) if not chr(code).isalnum())

Span = tuple[int, int]


class Mask:
    """Masks *values*, in their stored form, in texts; if there are more than *most*, it hides each text entirely."""

    def __init__(self, values: Iterable[object], *, most: int | None = None) -> None:
        texts = (text for value in values for text in texts_of(value) if len(text.strip()) >= SHORTEST_SECRET)
        found = list(dict.fromkeys(islice(texts, most and most + 1)))
        self._is_empty = not found
        self._hides_all = most is not None and len(found) > most
        if self._is_empty or self._hides_all:
            return
        joined = "\0".join(secret.replace("\0", "") for secret in found)
        plain, unescaped = _only_letters(joined), _letters(joined)[0]
        self._letters = f"{plain}\0{unescaped}"
        self._with_letters: list[tuple[str, str, str]] = []
        self._others: list[str] = []
        for secret, one, other in zip(found, plain.split("\0"), unescaped.split("\0"), strict=True):
            if len(other) >= SHORTEST_SECRET:
                self._with_letters.append((secret, one, other))
            else:
                self._others.append(secret)
        self._parts: frozenset[str] | None = None

    def __call__(self, text: str) -> str:
        """Return *text* without its secrets."""
        if self._hides_all:
            return MASK
        if self._is_empty or not text:
            return text
        if len(text) <= 2 * LONGEST_TEXT:
            return self._masked(text, 0, len(text))
        # What begins in the half that is kept ends in the half that is looked at.
        end = text[-2 * LONGEST_TEXT :]
        beginning = self._masked(text[: 2 * LONGEST_TEXT], 0, LONGEST_TEXT)
        return beginning + _LEFT_OUT + self._masked(end, LONGEST_TEXT, len(end))

    def _masked(self, text: str, begin: int, end: int) -> str:
        """Return *text* from *begin* to *end*, masked."""
        letters, places = _letters(text.replace("\0", " "))
        candidates = self._candidates(text, letters)
        if len(candidates) > MOST_AT_ONCE:
            return _HIDDEN
        pieces: list[str] = []
        for first, last in _merged([*_wholes(text, candidates), *self._found_parts(letters, places)]):
            if last > begin and first < end:
                pieces += [text[begin:first], MASK]
                begin = last
        return "".join([*pieces, text[begin:end]])

    def _candidates(self, text: str, letters: str) -> list[str]:
        """Return the secrets that may occur whole in *text*, in whatever form, and few others."""
        plain = _only_letters(text.replace("\0", ""))
        sizes = range(SHORTEST_SECRET, SHORTEST_PART + 1)
        there = {piece for some in (plain, letters) for size in sizes for piece in _pieces(some, size)}
        has_escapes = bool(_MAY_BE_ESCAPE.search(text))
        return [
            *(
                secret
                for secret, one, other in self._with_letters
                if (one[:SHORTEST_PART] in there and (one in plain or one in letters))
                or (other[:SHORTEST_PART] in there and other in letters)
            ),
            *(secret for secret in self._others if has_escapes or secret in text),
        ]

    def _found_parts(self, letters: str, places: list[int]) -> Iterator[Span]:
        """Yield where *letters*, found at *places*, contain a part of a secret."""
        if len(self._letters) < SHORTEST_PART:
            return
        if self._parts is None:
            self._parts = frozenset(_pieces(self._letters, SHORTEST_PART))
        for at, piece in enumerate(_pieces(letters, SHORTEST_PART)):
            if piece in self._parts:
                yield places[at], places[at + SHORTEST_PART - 1] + 1


def cleaner(handler: Mapping[str, Any], payloads: Payloads, redact: Clean | None) -> Clean:
    """Return what masks the secrets of a stored payload in a text, then passes it to *redact*."""
    mask = Mask(stored_arguments(handler, payloads).secrets())
    return mask if redact is None else lambda text: _redacted(mask(text), redact)


def _redacted(text: str, redact: Clean) -> str:
    try:
        redacted: object = redact(text)
    except Exception as error:  # noqa: BLE001 - the app's own function may raise anything
        return f"(hidden, since redact raised {type(error).__name__})"
    return redacted if isinstance(redacted, str) else "(hidden, since redact returned no text)"


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _only_letters(text: str) -> str:
    """Return only the letters and digits of *text*, including those of its escapes, in lower case."""
    return text.encode("ascii", "ignore").translate(None, _NO_LETTERS).decode().lower()


def _letters(text: str) -> tuple[str, list[int]]:
    """Return the letters and digits of *text* outside escapes, in lower case, and the position of each."""
    runs: list[str] = []
    places: list[int] = []
    for token in _TOKEN.finditer(text):
        if token[1] is not None:
            runs.append(token[1])
            places.extend(range(*token.span()))
    return "".join(runs).lower(), places


def _wholes(text: str, secrets: list[str]) -> Iterator[Span]:
    """Yield where one of *secrets* occurs whole in *text*."""
    forms = {form for secret in secrets for form in escaped(secret)}
    there = sorted((form for form in forms if "\n" in form or form in text), key=len, reverse=True)
    if there:
        pattern = "|".join(re.escape(form).replace("\\\n", "\n").replace("\n", _BROKEN_LINE) for form in there)
        yield from (found.span() for found in re.finditer(pattern, text))


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Yield *spans* from left to right, merging those that touch."""
    first = last = -1
    for begin, end in sorted(spans):
        if begin > last:
            if last >= 0:
                yield first, last
            first, last = begin, end
        else:
            last = max(last, end)
    if last >= 0:
        yield first, last
