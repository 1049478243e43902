"""An event as a calendar file."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from icalendar import Calendar, Event, vCalAddress, vText
from icalendar.parser import Contentline

from webapp.accounts.contacts import NOBODY, Contact
from webapp.config import Settings
from webapp.storage.rows import EventRow
from webapp.text.addresses import bare_address
from webapp.text.languages import Language
from webapp.text.stand_ins import as_format, stands_for

# Events whose entry is kept.
REMEMBERED = 256


def calendar_file(event: EventRow, **of_booking: Any) -> bytes:
    """The calendar entry of a booking as a file, of what `calendar_parts` takes."""
    file, own = calendar_parts(event, **of_booking)
    return (as_format(file) % own).encode()


def calendar_parts(
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
    tickets: str = "",
) -> tuple[str, dict[str, str]]:
    """The calendar entry of a booking, which takes the place of any earlier one of it.

    As what all bookings of the event share, with stand-ins, and what stands for each of them.

    `url` is public, for entries are shared and synchronised, and a booking's own link would let
    every reader cancel it. Who organizes is the `contact`, or the site itself. `holder` counts
    those who gave the ticket on: whoever has it now gets an entry of their own. `tickets` says of
    which types they are.
    """
    address = bare_address(settings.mail_from)
    given, domain = f"-{holder}" if holder else "", address.rpartition("@")[2]
    uid = f"event-{event.id}-booking-{position}{given}-{_installation(settings.base_url)}@{domain}"
    file = _file(
        name=event.name,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        location=event.location,
        url=url,
        host=contact.email or address,
        host_name=contact.name or settings.site_name,
        language=language.code,
        cancelled=cancelled,
        tickets=tickets,
    )
    own = {
        "sequence": f"SEQUENCE:{event.revision}",
        "stamp": f"DTSTAMP:{now:{MOMENT}}",
        "uid": _line(f"UID:{uid}"),
    }
    return file, own


@lru_cache
def _installation(base_url: str) -> str:
    return hashlib.sha256(base_url.encode()).hexdigest()[:12]


def _line(text: str) -> str:
    """A line of a file; most are short enough as they are, which icalendar looks at for long."""
    if text.isascii() and len(text) <= LONGEST_LINE:
        return text
    return bytes(Contentline(text).to_ical()).decode()  # type: ignore[no-untyped-call]


# As in all files; in UTC.
MOMENT = "%Y%m%dT%H%M%SZ"
# In bytes; what is longer is folded.
LONGEST_LINE = 74
# Lines that each booking has for itself, as they are made first: `{stand-in: line}`.
SAME = {"uid": "UID:same", "stamp": "DTSTAMP:20000101T000000Z", "sequence": "SEQUENCE:0"}


@lru_cache(maxsize=REMEMBERED)
def _file(
    *,
    name: str,
    starts_at: datetime,
    ends_at: datetime | None,
    location: str,
    url: str,
    host: str,
    host_name: str,
    language: str,
    cancelled: bool,
    tickets: str,
) -> str:
    """What all bookings of an event have in common: to make it takes 0.4 ms."""
    entry = Event()
    entry.add("uid", "same")
    entry.add("sequence", 0)
    entry.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    entry.add("dtstamp", datetime(2000, 1, 1, tzinfo=UTC))
    entry.add("dtstart", starts_at)
    if ends_at is not None:
        entry.add("dtend", ends_at)
    entry.add("summary", name)
    if tickets:
        entry.add("description", tickets)
    if location:
        entry.add("location", location)
    entry.add("url", url)
    organizer = vCalAddress(f"mailto:{host}")
    organizer.params["CN"] = vText(host_name)
    entry["organizer"] = organizer
    calendar = Calendar()
    calendar.add("prodid", f"-//Nextup//Nextup//{language.upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(entry)
    file = bytes(calendar.to_ical()).decode()
    for name_of_line, line in SAME.items():
        file = file.replace(f"\r\n{line}\r\n", f"\r\n{stands_for(name_of_line)}\r\n")
    return file
