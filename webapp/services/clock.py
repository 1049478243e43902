"""The one clock, and how a moment is told to a person."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def in_words(moment: datetime, time_zone: str) -> str:
    """A moment as people at the event's place write it, such as 3 May 2027, 19:30 CEST."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{local.day} {local:%B %Y, %H:%M} {zone_name(local)}"


def zone_name(local: datetime) -> str:
    """The zone of a local time, such as CEST, or its distance from UTC where it has no letters."""
    name = local.tzname() or ""
    # A hyphen would let a line break between sign and number.
    offset = f"{local:%z}".replace("-", "\N{MINUS SIGN}")
    return name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"
