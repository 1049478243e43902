"""An event as a calendar file."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

from icalendar import Calendar, Event, vCalAddress, vText
from icalendar.parser import Contentline

from webapp.accounts.contacts import NOBODY, Contact
from webapp.config import Settings
from webapp.storage.rows import EventRow
from webapp.text.addresses import bare_address
from webapp.text.languages import Language

# Events whose entry is kept.
REMEMBERED = 256


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
    tickets: str = "",
) -> bytes:
    """The calendar entry of a booking, which takes the place of any earlier one of it.

    `url` is public, for entries are shared and synchronised, and a booking's own link would let
    every reader cancel it. Who organizes is the `contact`, or the site itself. `holder` counts
    those who gave the ticket on: whoever has it now gets an entry of their own. `tickets` says of
    which types they are.
    """
    address = bare_address(settings.mail_from)
    installation = hashlib.sha256(settings.base_url.encode()).hexdigest()[:12]
    given, domain = f"-{holder}" if holder else "", address.rpartition("@")[2]
    uid = f"event-{event.id}-booking-{position}{given}-{installation}@{domain}"
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
    own = {SEQUENCE: str(event.revision), STAMP: f"{now:{MOMENT}}", UID: uid}
    for name, value in own.items():
        line = _line(f"{name}:{value}")
        file = file.replace(b"\r\n%b:%b\r\n" % (name.encode(), SAME[name]), b"\r\n%b\r\n" % line)
    return file


def _line(text: str) -> bytes:
    """A line of a file; most are short enough as they are, which icalendar looks at for long."""
    if text.isascii() and len(text) <= LONGEST_LINE:
        return text.encode("ascii")
    return bytes(Contentline(text).to_ical())  # type: ignore[no-untyped-call]


# As in all files; in UTC.
MOMENT = "%Y%m%dT%H%M%SZ"
# In bytes; what is longer is folded.
LONGEST_LINE = 74
UID, STAMP, SEQUENCE = "UID", "DTSTAMP", "SEQUENCE"
# What stands in a file in place of what each booking has for itself.
SAME = {UID: b"same", STAMP: b"20000101T000000Z", SEQUENCE: b"0"}


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
) -> bytes:
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
    return bytes(calendar.to_ical())
