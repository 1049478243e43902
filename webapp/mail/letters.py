"""What each mail says. Its words are a text file in templates/mail; the first paragraph is the
title, and one layout for text and one for HTML put all kinds on the page."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any

import segno
from flask import current_app
from sqlalchemy import Row

from webapp.config import Settings, current_settings
from webapp.pages.presentation import count, slug, span
from webapp.services import clock, messages, news, notices
from webapp.services.availability import find_event
from webapp.services.book import inventory_of
from webapp.services.commands import Status, is_active
from webapp.services.delivery import NothingToTell

# Scanners need the code dark on light and large enough on a small screen.
QR_SCALE, QR_BORDER, QR_MASK = 8, 4, 0
OPEN = "to be announced"
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
class Letter:
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
    entry: tuple[Row[Any], int] | None = None
    entry_is_cancelled: bool = False
    unsubscribe: str = ""
    reply_to: str = ""
    text: str = field(default="", init=False)
    html: str = field(default="", init=False)

    @property
    def subject(self) -> str:
        return one_line(f"{self.title}: {self.about}" if self.about else self.title)

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


def write(delivery: Row[Any], settings: Settings) -> Letter:
    """The mail that a delivery asks for. Raises `NothingToTell`, `Refused`."""
    match delivery.what:
        case "links":
            letter = _links(delivery)
        case "message":
            letter = _message(delivery)
        case "sold_out":
            letter = _sold_out(delivery)
        case "summary":
            letter = _summary(delivery)
        case _:
            letter = _of_booking(delivery)
    context = {"letter": letter, "site_name": settings.site_name, "home": settings.base_url}
    letter.text = _render("layout.txt", **context)
    letter.html = _render("layout.html", **context)
    return letter


def _of_booking(delivery: Row[Any]) -> Letter:
    booking, event, rank = news.about(delivery)
    facts = _facts(event)
    if delivery.what == "event_changed":
        facts = _compared(_facts(news.event_before(delivery, booking, event)), facts)
        if not any(fact.before for fact in facts):
            raise NothingToTell
    ended = not is_active(booking.status)
    ending = news.ending_of(booking) if ended else None
    words = _words(
        delivery.what,
        booking=booking,
        event=event,
        rank=rank,
        may_change=not ended and inventory_of(event, clock.now()).attendees_may_cancel,
        ending=ending,
    )
    letter = Letter(*words, reason="You get this mail because of a booking with this address")
    letter.about = event.name
    letter.facts = facts
    if ended:
        if event.status == "published":
            letter.button = Link("See the event", _event_link(event))
    else:
        facts.append(Fact("Tickets", str(booking.tickets)))
        if rank:
            facts.append(Fact("Place in line", f"{rank:,}"))
        letter.button = Link("Open your booking", _booking_link(booking.reference))
    if booking.status == Status.CONFIRMED:
        letter.ticket_code = booking.ticket_code
    if event.starts_at is not None and (letter.ticket_code or (ending and ending.had_tickets)):
        letter.entry = event, booking.position
        letter.entry_is_cancelled = ended
    return letter


def _links(delivery: Row[Any]) -> Letter:
    first = (delivery.details or {}).get("first")
    found = news.current_bookings(delivery.recipient, first=tuple(first) if first else None)
    if not found:
        raise NothingToTell
    words = _words("links", found=found)
    letter = Letter(
        *words, reason="You get this mail because somebody asked for the bookings of this address"
    )
    letter.links = [
        Link(
            row.event_name,
            _booking_link(row.reference),
            f"{span(row).striptags()} · {count(row.tickets, 'ticket')}, {row.status}",
        )
        for row in found
    ]
    return letter


def _message(delivery: Row[Any]) -> Letter:
    message, event, booking, reply_to = messages.message_of(delivery)
    letter = message_letter(message.subject, message.text, event)
    letter.button = Link("Open your booking", _booking_link(booking.reference))
    letter.unsubscribe = link("unsubscribe.ask", reference=booking.reference)
    letter.reply_to = reply_to or ""
    return letter


def message_letter(subject: str, text: str, event: Row[Any]) -> Letter:
    """What an organizer writes, as each attendee reads it."""
    reason = f"You get this message of the organizer because of a booking for {event.name}"
    return Letter(subject, _paragraphs(text), reason=reason, facts=_facts(event))


def _sold_out(delivery: Row[Any]) -> Letter:
    event = find_event(delivery.event_id, with_drafts=True)
    letter = Letter(*_words("sold_out", event=event), reason=FOR_ORGANIZER, about=event.name)
    letter.facts = _facts(event)
    letter.button = Link("See the bookings", link("organizer.event", event_id=event.id))
    return letter


def _summary(delivery: Row[Any]) -> Letter:
    summary = notices.summary_of(delivery)
    words = _words("summary", first=_day(summary.first_day), last=_day(summary.last_day))
    letter = Letter(*words, reason=FOR_ORGANIZER)
    letter.links = [
        Link(
            each.event.name,
            link("organizer.event", event_id=each.event.id),
            f"{each.booked:,} booked, {each.cancelled:,} cancelled, {each.promoted:,} moved up. "
            f"Now {each.event.confirmed:,} of {count(each.event.capacity, 'ticket')} taken, "
            f"{each.event.waiting:,} waiting.",
        )
        for each in summary.events
    ]
    return letter


def _words(what: str, **context: object) -> tuple[str, list[str]]:
    """Title and paragraphs of a kind of mail."""
    title, *paragraphs = _paragraphs(_render(f"{what}.txt", **context))
    return title, paragraphs


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n", text.strip().replace("\r\n", "\n"))


def _render(template: str, **context: object) -> str:
    return current_app.jinja_env.get_template(f"mail/{template}").render(context)


def one_line(text: str) -> str:
    """Text fit for a header: any kind of line break becomes a space."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _facts(event: Row[Any] | SimpleNamespace) -> list[Fact]:
    facts = [Fact("Event", event.name), Fact("When", _when(event))]
    return [*facts, Fact("Where", event.location)] if event.location else facts


def _compared(before: list[Fact], now: list[Fact]) -> list[Fact]:
    """The facts as they are now, each with what it was if that was different."""
    values = {fact.label: fact.value for fact in now}
    old = {fact.label: fact.value for fact in before}
    labels = [label for label in ("Event", "When", "Where") if label in {**old, **values}]
    pairs = [(label, values.get(label, OPEN), old.get(label, OPEN)) for label in labels]
    return [Fact(label, new, was if was != new else "") for label, new, was in pairs]


def _when(event: Row[Any] | Any) -> str:
    return span(event).striptags()


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%B %Y}"


def _event_link(event: Row[Any]) -> str:
    return link("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def _booking_link(reference: str) -> str:
    return link("attendee.booking", reference=reference)


def link(endpoint: str, **values: object) -> str:
    """The address of a page as it is reached from outside; no request is needed."""
    path = current_app.url_map.bind("localhost").build(endpoint, values)
    return current_settings().base_url + path
