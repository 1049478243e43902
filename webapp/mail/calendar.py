"""An event as a calendar file."""

from datetime import datetime
from typing import Any

from icalendar import Calendar, Event, vCalAddress, vText
from sqlalchemy import Row


def calendar_file(
    event: Row[Any],
    *,
    uid: str,
    cancelled: bool,
    url: str,
    organizer: tuple[str, str],
    now: datetime,
) -> bytes:
    """A calendar entry, which takes the place of any earlier one with the same uid.

    `organizer` is a name and an address; `url` is public, for entries are shared and
    synchronised, and a booking's own link would let every reader cancel it.
    """
    entry = Event()
    entry.add("uid", uid)
    entry.add("sequence", event.revision)
    entry.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    entry.add("dtstamp", now)
    entry.add("dtstart", event.starts_at)
    if event.ends_at is not None:
        entry.add("dtend", event.ends_at)
    entry.add("summary", event.name)
    if event.location:
        entry.add("location", event.location)
    entry.add("url", url)
    name, address = organizer
    host = vCalAddress(f"mailto:{address}")
    host.params["CN"] = vText(name)
    entry["organizer"] = host
    calendar = Calendar()
    calendar.add("prodid", "-//Nextup//Nextup//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(entry)
    return bytes(calendar.to_ical())
