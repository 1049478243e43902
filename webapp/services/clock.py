"""The one clock, and how a moment is told to a person."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def in_words(moment: datetime, time_zone: str) -> str:
    """A moment as people at the event's place write it, such as 3 May 2027, 19:30."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{local.day} {local:%B %Y, %H:%M}"
