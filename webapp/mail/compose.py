"""What each mail says.

The words of a kind of mail are a text file in templates/mail, whose first paragraph is the title.
One layout for text and one for HTML serve all kinds. A mail is in the language of its reader; what
organizers wrote stays as they wrote it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from webapp import clock
from webapp.accounts.contacts import contact_of
from webapp.booking.commands import Status, TermKind, is_active
from webapp.booking.links import Purpose
from webapp.booking.queries import find_event, may_leave_until
from webapp.booking.terms import QUESTIONS
from webapp.booking.ticket_types import words_of as words_of_tickets
from webapp.booking.type_offers import names_in
from webapp.booking.type_queries import names_of
from webapp.config import Settings, current_settings
from webapp.mail import announcements, facts, limits, opting_out, summaries
from webapp.mail.account_mails import ACCOUNT_MAILS, account_mail
from webapp.mail.ahead import NOTHING, Ahead
from webapp.mail.content import (
    BY_ASKING,
    BY_BOOKING,
    BY_CHOICE,
    BY_GIVING,
    Entry,
    Fact,
    Link,
    Mail,
    Reason,
)
from webapp.mail.facts import CurrentBooking
from webapp.mail.failures import NothingToSend
from webapp.mail.letters import lay_out
from webapp.mail.links import booking_link, event_link, keep_link, link, press_link
from webapp.mail.offers import offer_to
from webapp.mail.rendering import (
    ToldBooking,
    ToldEvent,
    kept_words_of,
    language_for,
    paragraphs_of,
    words_of,
)
from webapp.mail.summaries import EventSummary
from webapp.storage.rows import BookingRow, DeliveryRow, EventRow, EventTimes
from webapp.text.addresses import bare_address
from webapp.text.formatting import day, in_words, moment, span
from webapp.text.languages import Language
from webapp.text.sentence import later as _
from webapp.text.stand_ins import stands_for

# Events whose facts are kept.
REMEMBERED = 256


def mail_for(delivery: DeliveryRow, settings: Settings, ahead: Ahead = NOTHING) -> Mail:
    """The mail that a delivery asks for. Raises `NothingToSend`, `SummedUp`, `NotYet`."""
    match delivery.what:
        case "links":
            mail = _links_mail(delivery)
        case "summed_up":
            mail = _summed_up_mail(delivery)
        case "message":
            mail = _announcement_mail(delivery)
        case "address_changed" | "ticket_given":
            mail = _farewell_mail(delivery)
        case "sold_out":
            mail = _sold_out_mail(delivery)
        case "summary":
            mail = _summary_mail(delivery)
        case kind if kind in ACCOUNT_MAILS:
            mail = account_mail(delivery)
        case _:
            mail = _booking_mail(delivery, ahead)
    lay_out(mail, _id_of(delivery, settings), settings)
    return mail


def _id_of(delivery: DeliveryRow, settings: Settings) -> str:
    """The same for each try of one delivery, and for no other one of any installation."""
    made = f"{delivery.id} {delivery.created_at.isoformat()} {settings.base_url}"
    return f"{delivery.id}.{hashlib.sha256(made.encode()).hexdigest()[:24]}"


def _booking_mail(delivery: DeliveryRow, ahead: Ahead) -> Mail:
    asks = QUESTIONS.get(delivery.what)
    found = facts.facts_for(delivery, ahead)
    booking, event, rank, *_rest = found
    language, contact = language_for(booking.language), contact_of(event.organizer_id)
    lines = _told_facts(_facts(event, language))
    if delivery.what == "event_changed":
        before = facts.event_before(delivery, booking, event)
        lines = _compared(_facts(before, language), _facts(event, language), language)
        if not any(fact.before for fact in lines):
            raise NothingToSend
    ended = not is_active(booking.status)
    ending = facts.ending_of(booking) if ended else None
    until = None if ended else may_leave_until(booking, event)
    own = {"place": language.number(rank)} if rank else {}
    words = kept_words_of(
        delivery.what,
        language,
        booking=ToldBooking(booking.tickets, booking.status),
        event=ToldEvent(event.status, event.time_zone, event.starts_at, event.cancel_reason),
        is_next=rank == 1,
        place=rank and stands_for("place"),
        **(offer_to(found) if delivery.what == "free_now" else {}),
        may_change=not ended and (until is None or clock.now() < until),
        until=until and in_words(until, event.time_zone, language),
        ending=ending,
        answer_by=facts.answer_by(delivery, found),
        contact=contact,
    )

    of_types = words_of_tickets(booking.wants, names_of(event))
    tickets = Fact(language.gettext("Tickets"), of_types or str(booking.tickets))
    mail = Mail(language, *words, _for_attendee(delivery.what), event.name, lines, own=own)
    mail.reply_to = contact.email or _own_address()

    def button(label: str, url: str, name: str = "link") -> Link:
        own[name] = url
        return Link(label, stands_for(name))

    match delivery.what:
        case Purpose.NEW_LINK:
            mail.button = button(language.gettext("Get a new link"), press_link(delivery, booking))
            return mail
        case Purpose.NEW_ADDRESS:
            label = language.gettext("Use this address")
            mail.button = button(label, press_link(delivery, booking))
            return mail
        case Purpose.TICKET_OFFER:
            mail.facts = (*lines, tickets)
            mail.button = button(language.gettext("Take it over"), press_link(delivery, booking))
            return mail
    if ended:
        if of_types:
            mail.facts = (*lines, tickets)
        if event.status == "published":
            mail.button = button(language.gettext("See the event"), event_link(event))
    else:
        mail.facts = (*lines, tickets)
        if rank:
            mail.facts += (Fact(language.gettext("Place in line"), stands_for("place")),)
        url = booking_link(booking.reference)
        mail.button = button(language.gettext("Open your booking"), url)
    if asks is TermKind.ADDRESS:
        mail.button = button(language.gettext("Keep the place"), keep_link(booking, asks))
        return mail
    if asks is TermKind.COMING:
        mail.button = button(language.gettext("Yes, I am coming"), keep_link(booking, asks))
        mail.second_button = button(
            language.gettext("No, I cannot come"),
            link("attendee.confirm_cancel", reference=booking.reference),
            "second_link",
        )
        return mail
    if booking.status == Status.CONFIRMED:
        mail.ticket_code = booking.ticket_code
    if event.starts_at is not None and (mail.ticket_code or (ending and ending.had_tickets)):
        holder = booking.times_given or 0
        mail.entry = Entry(event, booking.position, holder, ended, contact, of_types)
    return mail


def _farewell_mail(delivery: DeliveryRow) -> Mail:
    """Without a link to the booking: who is told may have nothing to do with it any more."""
    booking, event, *_ = facts.facts_for(delivery)
    language = language_for(booking.language)
    organizer = facts.address_of_organizer(event.organizer_id)
    words = words_of(delivery.what, language, has_organizer=organizer is not None)
    mail = Mail(language, *words, _for_attendee(delivery.what), about=event.name)
    mail.facts = _told_facts(_facts(event, language))
    mail.button = Link(language.gettext("See the event"), event_link(event))
    mail.reply_to = organizer or _own_address()
    if delivery.what == "ticket_given" and event.starts_at is not None:
        holder = (delivery.details or {})["holder"]
        contact = contact_of(event.organizer_id)
        mail.entry = Entry(event, booking.position, holder, True, contact)
    return mail


def _own_address() -> str:
    """Where answers go if no organizer wants them: the sender."""
    return bare_address(current_settings().mail_from)


def _for_attendee(what: str) -> Reason:
    """Why an attendee gets a mail."""
    return BY_GIVING if what in (Purpose.NEW_ADDRESS, Purpose.TICKET_OFFER) else BY_BOOKING


def _links_mail(delivery: DeliveryRow) -> Mail:
    first = (delivery.details or {}).get("first")
    found = facts.current_bookings(delivery.recipient, first=tuple(first) if first else None)
    if not found:
        raise NothingToSend
    limits.let_through(delivery)
    newest = max(found, key=lambda row: row.created_at)
    language = language_for(newest.language)
    mail = Mail(language, *words_of("links", language, found=found), BY_ASKING)
    mail.reply_to = _own_address()
    mail.links = _booking_links(found, language)
    return mail


def _summed_up_mail(delivery: DeliveryRow) -> Mail:
    limits.let_summary_through(delivery)
    found = facts.summed_up_bookings(delivery)
    newest = max(found, key=lambda row: row.created_at, default=None)
    language = language_for(newest.language if newest else None)
    mail = Mail(language, *words_of("summed_up", language, found=found), BY_BOOKING)
    mail.reply_to = _own_address()
    mail.links = _booking_links(found, language)
    mail.button = Link(language.gettext("Find your bookings"), link("find.bookings"))
    return mail


def _booking_links(found: Sequence[CurrentBooking], language: Language) -> tuple[Link, ...]:
    names = names_in({row.event_id for row in found if row.wants})
    return tuple(
        Link(row.event_name, *_told_link(row, names.get(row.event_id, {}), language))
        for row in found
    )


def _told_link(
    booking: CurrentBooking, names: Mapping[int, str], language: Language
) -> tuple[str, str]:
    """The link of a booking, and what is said beside it; it answers for the address if asked."""
    parts = _when(booking, language), _claim(booking, language)
    said = " · ".join(filter(None, (*parts, words_of_tickets(booking.wants, names))))
    if booking.term != TermKind.ADDRESS:
        return booking_link(booking.reference), said
    asks = language.gettext("Not kept yet: open this link and press the button there.")
    if booking.lapses_at is not None:
        until = moment(booking.lapses_at, booking.time_zone, language).striptags()
        asks = language.gettext(
            "Not kept yet: open this link and press the button there until %(moment)s.",
            moment=until,
        )
    return keep_link(booking, TermKind.ADDRESS), f"{said}\n{asks}"


def _announcement_mail(delivery: DeliveryRow) -> Mail:
    message, event, booking, reply_to = announcements.announcement_for(delivery)
    language = language_for(booking.language)
    reason = Reason(
        _("You get this message of the organizer because of a booking for %(event)s at %(site)s"),
        event.name,
    )
    own = {"link": booking_link(booking.reference)}
    mail = Mail(language, message.subject, paragraphs_of(message.text), reason, own=own)
    mail.facts = _told_facts(_facts(event, language))
    mail.button = Link(language.gettext("Open your booking"), stands_for("link"))
    mail.unsubscribe = link(
        "unsubscribe.ask",
        event_id=event.id,
        position=booking.position,
        token=opting_out.token_for(event.id, booking.position, delivery.recipient),
    )
    mail.reply_to = contact_of(event.organizer_id).email or reply_to or _own_address()
    return mail


def _sold_out_mail(delivery: DeliveryRow) -> Mail:
    event = find_event(delivery.event_id, with_drafts=True)
    language = language_for(facts.language_of_organizer(event.organizer_id))
    mail = Mail(language, *words_of("sold_out", language, event=event), BY_CHOICE)
    mail.about = event.name
    mail.facts = _told_facts(_facts(event, language))
    url = link("organizer.event", event_id=event.id)
    mail.button = Link(language.gettext("See the bookings"), url)
    return mail


def _summary_mail(delivery: DeliveryRow) -> Mail:
    summary = summaries.summary_of(delivery)
    language = language_for(facts.language_of_organizer(summary.organizer_id))
    days = {"first": day(summary.first_day, language), "last": day(summary.last_day, language)}
    mail = Mail(language, *words_of("summary", language, **days), BY_CHOICE)
    mail.links = tuple(
        Link(
            each.event.name,
            link("organizer.event", event_id=each.event.id),
            _figures(each, language),
        )
        for each in summary.events
    )
    return mail


def _figures(each: EventSummary, language: Language) -> str:
    """What happened to an event, and how it stands."""
    return language.ngettext(
        "%(booked)s booked, %(cancelled)s cancelled, %(promoted)s moved up. "
        "Now %(confirmed)s of %(num)s ticket taken, %(waiting)s waiting.",
        "%(booked)s booked, %(cancelled)s cancelled, %(promoted)s moved up. "
        "Now %(confirmed)s of %(num)s tickets taken, %(waiting)s waiting.",
        each.event.capacity,
        booked=language.number(each.booked),
        cancelled=language.number(each.cancelled),
        promoted=language.number(each.promoted),
        confirmed=language.number(each.event.confirmed),
        waiting=language.number(each.event.waiting),
    )


def _claim(booking: BookingRow, language: Language) -> str:
    """How many tickets a booking is for, and whether it has them."""
    ngettext = language.ngettext
    if not is_active(booking.status):
        return ngettext(
            "%(num)s ticket, no longer booked", "%(num)s tickets, no longer booked", booking.tickets
        )
    match booking.status:
        case Status.CONFIRMED:
            return ngettext(
                "%(num)s ticket, confirmed", "%(num)s tickets, confirmed", booking.tickets
            )
        case Status.HELD:
            return ngettext("%(num)s ticket, held", "%(num)s tickets, held", booking.tickets)
    return ngettext("%(num)s ticket, waiting", "%(num)s tickets, waiting", booking.tickets)


def _facts(event: EventRow | SimpleNamespace, language: Language) -> tuple[Fact, ...]:
    """What there is to say of an event, always in the same lines; some may be empty."""
    times = event.starts_at, event.ends_at, event.time_zone
    return _lines(event.name, times, event.location, language)


@lru_cache(maxsize=REMEMBERED)
def _lines(
    name: str,
    times: tuple[datetime | None, datetime | None, str],
    location: str,
    language: Language,
) -> tuple[Fact, ...]:
    starts_at, ends_at, time_zone = times
    when = SimpleNamespace(starts_at=starts_at, ends_at=ends_at, time_zone=time_zone)
    return (
        Fact(language.gettext("Event"), name),
        Fact(language.gettext("When"), _when(when, language)),
        Fact(language.gettext("Where"), location),
    )


def _told_facts(lines: tuple[Fact, ...]) -> tuple[Fact, ...]:
    return tuple([fact for fact in lines if fact.value])


def _compared(
    before: tuple[Fact, ...], now: tuple[Fact, ...], language: Language
) -> tuple[Fact, ...]:
    """The facts as they are now, each with what it was if that was different."""
    unknown = language.gettext("to be announced")
    return tuple(
        Fact(
            new.label,
            new.value or unknown,
            (was.value or unknown) if was.value != new.value else "",
        )
        for was, new in zip(before, now, strict=True)
        if was.value or new.value
    )


def _when(event: EventTimes | Any, language: Language) -> str:
    return span(event, language).striptags()
