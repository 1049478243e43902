"""What each mail says.

The words of a kind of mail are a text file in templates/mail, whose first paragraph is the title.
One layout for text and one for HTML serve all kinds.
"""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import parseaddr
from types import SimpleNamespace
from typing import Any

import segno
from flask import current_app

from webapp import clock
from webapp.booking.commands import Status, is_active
from webapp.booking.inventory import inventory_of
from webapp.booking.queries import find_event
from webapp.config import Settings, current_settings
from webapp.mail import announcements, facts, summaries
from webapp.mail.failures import NothingToSend
from webapp.storage.rows import DeliveryRow, EventRow
from webapp.text.formatting import count, slug, span
from webapp.text.languages import ENGLISH
from webapp.text.templates import templates_in

# Scanners need the code dark on light and large enough on a small screen.
QR_SCALE, QR_BORDER, QR_MASK = 8, 4, 0
TO_BE_ANNOUNCED = "to be announced"
FOR_ORGANIZER = "You get this mail because you asked for it in your settings"


@dataclass(frozen=True, slots=True)
class Link:
    """Something to click: the words on it, the address, and what is said beside it."""

    label: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the table; `before` is what it was until it was changed."""

    label: str
    value: str
    before: str = ""


@dataclass(slots=True)
class Mail:
    """A mail before it is put together.

    The subject is the title and, behind it, `about`: in a list of mails there is room for a few
    words, and the name of an event may be long, or run from right to left.
    `entry` is the event of a calendar file, with the position of the booking it belongs to.
    """

    title: str
    paragraphs: Sequence[str]
    reason: str
    about: str = ""
    facts: Sequence[Fact] = ()
    links: Sequence[Link] = ()
    button: Link | None = None
    ticket_code: str = ""
    entry: tuple[EventRow, int] | None = None
    entry_is_cancelled: bool = False
    unsubscribe: str = ""
    reply_to: str = ""
    message_id: str = field(default="", init=False)
    text: str = field(default="", init=False)
    html: str = field(default="", init=False)

    @property
    def subject(self) -> str:
        return one_line(f"{self.title}: {self.about}" if self.about else self.title)

    @property
    def picture_id(self) -> str:
        """The Content-ID of the code, which the HTML names; of this mail alone (RFC 2392)."""
        return f"ticket.{self.message_id}"

    @property
    def qr_code(self) -> bytes | None:
        """The code of the ticket as a PNG."""
        if not self.ticket_code:
            return None
        file = io.BytesIO()
        # Scanners read every mask; to weigh all eight of them costs more than the rest of it.
        code = segno.make(self.ticket_code, error="m", micro=False, mask=QR_MASK)
        code.save(file, kind="png", scale=QR_SCALE, border=QR_BORDER)
        return file.getvalue()


def mail_for(delivery: DeliveryRow, settings: Settings) -> Mail:
    """The mail that a delivery asks for. Raises `NothingToSend`, `PermanentFailure`."""
    match delivery.what:
        case "links":
            mail = _links_mail(delivery)
        case "message":
            mail = _announcement_mail(delivery)
        case "sold_out":
            mail = _sold_out_mail(delivery)
        case "summary":
            mail = _summary_mail(delivery)
        case _:
            mail = _booking_mail(delivery)
    mail.message_id = _message_id(delivery, settings)
    context = {"mail": mail, "site_name": settings.site_name, "home": settings.base_url}
    mail.text = _render("layout.txt", **context)
    mail.html = _render("layout.html", **context)
    return mail


def _message_id(delivery: DeliveryRow, settings: Settings) -> str:
    """The same for each try of one delivery, and for no other one of any installation."""
    made = f"{delivery.id} {delivery.created_at.isoformat()} {settings.base_url}"
    digest = hashlib.sha256(made.encode()).hexdigest()[:24]
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    return f"{delivery.id}.{digest}@{domain}"


def _booking_mail(delivery: DeliveryRow) -> Mail:
    booking, event, rank = facts.facts_for(delivery)
    lines = _event_facts(event)
    if delivery.what == "event_changed":
        lines = _compared(_event_facts(facts.event_before(delivery, booking, event)), lines)
        if not any(fact.before for fact in lines):
            raise NothingToSend
    ended = not is_active(booking.status)
    ending = facts.ending_of(booking) if ended else None
    words = _words(
        delivery.what,
        booking=booking,
        event=event,
        rank=rank,
        may_change=not ended and inventory_of(event, clock.now()).attendees_may_cancel,
        ending=ending,
    )
    mail = Mail(*words, reason="You get this mail because of a booking with this address")
    mail.about = event.name
    mail.facts = lines
    if ended:
        if event.status == "published":
            mail.button = Link("See the event", _event_link(event))
    else:
        lines.append(Fact("Tickets", str(booking.tickets)))
        if rank:
            lines.append(Fact("Place in line", f"{rank:,}"))
        mail.button = Link("Open your booking", _booking_link(booking.reference))
    if booking.status == Status.CONFIRMED:
        mail.ticket_code = booking.ticket_code
    if event.starts_at is not None and (mail.ticket_code or (ending and ending.had_tickets)):
        mail.entry = event, booking.position
        mail.entry_is_cancelled = ended
    return mail


def _links_mail(delivery: DeliveryRow) -> Mail:
    first = (delivery.details or {}).get("first")
    found = facts.current_bookings(delivery.recipient, first=tuple(first) if first else None)
    if not found:
        raise NothingToSend
    words = _words("links", found=found)
    mail = Mail(
        *words, reason="You get this mail because somebody asked for the bookings of this address"
    )
    mail.links = [
        Link(
            row.event_name,
            _booking_link(row.reference),
            f"{span(row, ENGLISH).striptags()} · {count(row.tickets, 'ticket')}, {row.status}",
        )
        for row in found
    ]
    return mail


def _announcement_mail(delivery: DeliveryRow) -> Mail:
    message, event, booking, reply_to = announcements.announcement_for(delivery)
    reason = f"You get this message of the organizer because of a booking for {event.name}"
    mail = Mail(message.subject, _paragraphs(message.text), reason, facts=_event_facts(event))
    mail.button = Link("Open your booking", _booking_link(booking.reference))
    mail.unsubscribe = link("unsubscribe.ask", reference=booking.reference)
    mail.reply_to = reply_to or ""
    return mail


def _sold_out_mail(delivery: DeliveryRow) -> Mail:
    event = find_event(delivery.event_id, with_drafts=True)
    mail = Mail(*_words("sold_out", event=event), reason=FOR_ORGANIZER, about=event.name)
    mail.facts = _event_facts(event)
    mail.button = Link("See the bookings", link("organizer.event", event_id=event.id))
    return mail


def _summary_mail(delivery: DeliveryRow) -> Mail:
    summary = summaries.summary_of(delivery)
    words = _words("summary", first=_day(summary.first_day), last=_day(summary.last_day))
    mail = Mail(*words, reason=FOR_ORGANIZER)
    mail.links = [
        Link(
            each.event.name,
            link("organizer.event", event_id=each.event.id),
            f"{each.booked:,} booked, {each.cancelled:,} cancelled, {each.promoted:,} moved up. "
            f"Now {each.event.confirmed:,} of {count(each.event.capacity, 'ticket')} taken, "
            f"{each.event.waiting:,} waiting.",
        )
        for each in summary.events
    ]
    return mail


def _words(what: str, **context: object) -> tuple[str, list[str]]:
    """Title and paragraphs of a kind of mail."""
    title, *paragraphs = _paragraphs(_render(f"{what}.txt", **context))
    return title, paragraphs


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n", text.strip().replace("\r\n", "\n"))


def _render(template: str, **context: object) -> str:
    return templates_in(ENGLISH).get_template(f"mail/{template}").render(context)


def one_line(text: str) -> str:
    """Text fit for a header: any kind of line break becomes a space."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _event_facts(event: EventRow | SimpleNamespace) -> list[Fact]:
    found = [Fact("Event", event.name), Fact("When", _when(event))]
    return [*found, Fact("Where", event.location)] if event.location else found


def _compared(before: list[Fact], now: list[Fact]) -> list[Fact]:
    """The facts as they are now, each with what it was if that was different."""
    values = {fact.label: fact.value for fact in now}
    old = {fact.label: fact.value for fact in before}
    labels = [label for label in ("Event", "When", "Where") if label in {**old, **values}]
    pairs = [
        (label, values.get(label, TO_BE_ANNOUNCED), old.get(label, TO_BE_ANNOUNCED))
        for label in labels
    ]
    return [Fact(label, new, was if was != new else "") for label, new, was in pairs]


def _when(event: EventRow | Any) -> str:
    return span(event, ENGLISH).striptags()


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%B %Y}"


def _event_link(event: EventRow) -> str:
    return link("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def _booking_link(reference: str) -> str:
    return link("attendee.booking", reference=reference)


def link(endpoint: str, **values: object) -> str:
    """The address of a page as it is reached from outside; no request is needed."""
    path = current_app.url_map.bind("localhost").build(endpoint, values)
    return current_settings().base_url + path
