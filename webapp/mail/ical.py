"""An event as a calendar file."""

import hashlib
from datetime import datetime
from email.utils import parseaddr

from icalendar import Calendar, Event, vCalAddress, vText

from webapp.accounts.contacts import NOBODY, Contact
from webapp.config import Settings
from webapp.storage.rows import EventRow
from webapp.text.languages import Language


def calendar_file(
    event: EventRow,
    *,
    position: int,
    holder: int = 0,
    cancelled: bool,
    language: Language,
    url: str,
    contact: Contact = NOBODY,
    settings: Settings,
    now: datetime,
) -> bytes:
    """The calendar entry of a booking, which takes the place of any earlier one of it.

    `url` is public, for entries are shared and synchronised, and a booking's own link would let
    every reader cancel it. Who organizes is the `contact`, or the site itself. `holder` counts
    those who gave the ticket on: whoever has it now gets an entry of their own.
    """
    address = parseaddr(settings.mail_from)[1]
    installation = hashlib.sha256(settings.base_url.encode()).hexdigest()[:12]
    domain = address.rpartition("@")[2]
    entry = Event()
    given = f"-{holder}" if holder else ""
    entry.add("uid", f"event-{event.id}-booking-{position}{given}-{installation}@{domain}")
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
    host = vCalAddress(f"mailto:{contact.email or address}")
    host.params["CN"] = vText(contact.name or settings.site_name)
    entry["organizer"] = host
    calendar = Calendar()
    calendar.add("prodid", f"-//Nextup//Nextup//{language.code.upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(entry)
    return bytes(calendar.to_ical())
