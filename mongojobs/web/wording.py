"""How pages show values: times and durations that stay up to date, numbers, and strangers' texts made visible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from markupsafe import Markup, escape

from mongojobs.core.words.sizes import format_size
from mongojobs.core.words.wording import NONE, in_words, iso

_BREAKS: Final = "\n\t"


def visible(value: object) -> object:
    """Return *value* for a page: in texts, characters that do not print or that change the direction as codes.

    Markup of our own passes.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        character if character.isprintable() or character in _BREAKS else ascii(character)[1:-1] for character in value
    )


def ago(moment: datetime | None, now: datetime) -> Markup | str:
    """Return how long ago *moment* was, or in how long it will be; the page's script keeps it up to date."""
    if moment is None:
        return NONE
    distance = abs(now - moment)
    text = f"{in_words(distance)} ago" if moment <= now else f"in {in_words(distance)}"
    return _time(moment, text, "ago")


def since(moment: datetime | None, now: datetime) -> Markup | str:
    """Return how much time has passed since *moment*; the page's script keeps it up to date."""
    return NONE if moment is None else _time(moment, in_words(now - moment), "since")


def waiting(duration: timedelta, now: datetime) -> Markup | str:
    """Return how long something has been waiting; the page's script keeps it up to date."""
    return since(now - duration, now) if duration else NONE


def exact(moment: datetime | None) -> Markup | str:
    """Return *moment* to the second, in UTC."""
    return NONE if moment is None else _time(moment, f"{iso(moment)[:19].replace('T', ' ')} UTC", "exact")


def local(moment: datetime | None) -> Markup | str:
    """Return *moment* to the second, in UTC; the page's script shows it in the viewer's zone."""
    return NONE if moment is None else _time(moment, _to_the_second(moment, UTC), "local")


def in_zone(moment: datetime | None, zone: tzinfo | None) -> str:
    """Return *moment* to the second in *zone*; in UTC where it has no such time, or there is no zone."""
    if moment is None:
        return NONE
    try:
        return _to_the_second(moment, zone or UTC)
    except OverflowError:
        return _to_the_second(moment, UTC)


def duration(value: timedelta | float | None) -> str:
    """Return a duration, or a number of seconds, in words."""
    if value is None:
        return NONE
    return in_words(value if isinstance(value, timedelta) else timedelta(seconds=value))


def number(value: float | None) -> str:
    """Return a number with commas between the thousands."""
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def size(value: int) -> str:
    """Return a number of bytes, as it would be given."""
    return format_size(value)


def first_line(text: str | None) -> str:
    """Return the first line of *text* that is not empty."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


def _to_the_second(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"


def _time(moment: datetime, text: str, style: str) -> Markup:
    stamp = iso(moment)
    return Markup('<time datetime="{}" data-style="{}" title="{}">{}</time>').format(
        stamp, style, f"{stamp[:19].replace('T', ' ')} UTC", escape(text)
    )
