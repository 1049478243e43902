"""Events as calendar entries for everybody, whether or not they have a booking."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from icalendar import Calendar, Event, vText

from webapp.config import Settings
from webapp.events.queries import Announced
from webapp.text.addresses import bare_address


def public_calendar(
    announced: Iterable[tuple[Announced, str]], *, settings: Settings, now: datetime, name: str = ""
) -> bytes:
    """Events with the addresses of their pages, for everybody; with a `name` to be subscribed to.

    Each has a start.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Nextup//Nextup//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if name:
        calendar.add("x-wr-calname", name)
        calendar["refresh-interval"] = vText("PT1H", params={"VALUE": "DURATION"})
        calendar.add("x-published-ttl", "PT1H")
    for event, url in announced:
        entry = Event()
        entry.add("uid", _uid_of(event, settings))
        entry.add("status", "CANCELLED" if event.status == "cancelled" else "CONFIRMED")
        entry.add("dtstamp", now)
        entry.add("dtstart", event.starts_at)
        if event.ends_at is not None:
            entry.add("dtend", event.ends_at)
        entry.add("summary", event.name)
        if event.location:
            entry.add("location", event.location)
        entry.add("url", url)
        calendar.add_component(entry)
    return bytes(calendar.to_ical())


def _uid_of(event: Announced, settings: Settings) -> str:
    """What names an event, and no other one of any installation."""
    installation = hashlib.sha256(settings.base_url.encode()).hexdigest()[:12]
    domain = bare_address(settings.mail_from).rpartition("@")[2]
    return f"event-{event.id}-{installation}@{domain}"
