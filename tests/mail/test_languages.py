"""Mails and calendar files are in the language of the booking, or in that of its organizer."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.mail.conftest import BASE_URL, Clock, Drain, MakeEvent
from tests.mail.test_asks import let_pass
from tests.mail.test_compose import TIMED, calendar_of, only
from tests.support.asking import ask_whether_coming
from tests.support.languages import LEFT_TO_RIGHT, RIGHT_TO_LEFT, english_left, made_up
from tests.support.mail import Mailbox, words_of
from tests.support.tools import booking_at, set_own_address
from webapp.booking import corrections, links
from webapp.booking import services as bookings
from webapp.booking.commands import ATTENDEE, attendee, organizer
from webapp.booking.links import Token
from webapp.config import current_settings
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.extensions import db
from webapp.mail import announcements, facts, offers, scheduled
from webapp.mail.audiences import Audience
from webapp.mail.channel import MailChannel
from webapp.mail.worker import Deliverer
from webapp.storage.tables import deliveries, organizers
from webapp.text.languages import LANGUAGES

ADA, BOB, OWNER = "ada@example.org", "bob@example.org", "owner@example.org"
# One of them tells what is left in English; the long tier tries both.
DIRECTIONS = [
    pytest.param(LEFT_TO_RIGHT, "ltr", marks=pytest.mark.long),
    (RIGHT_TO_LEFT, "rtl"),
]
# What the site and time zones are called, addresses, and what stands in brackets.
NAMES = re.compile(r"Nextup|EES?T")
ADDRESS = re.compile(r"https?://[^\s⟦⟧]+")
SAID = re.compile(r"⟦[^⟦⟧]*⟧")
KINDS = {
    "confirmed", "waiting", "promoted", "reduced", "raised", "cancelled", "event_changed",
    "event_cancelled", "free_now", "reminder", "links", "message", "sold_out", "summary",
    "new_link", "link_replaced", "new_address", "address_changed", "summed_up",
    "ask_address", "still_coming", "lapsed",
}  # fmt: skip


def book(event_id: int, email: str, tickets: int = 1, language: str | None = None) -> int:
    outcome = bookings.book_tickets(
        event_id, attendee_id=email, tickets=tickets, name="A", email=email, language=language
    )
    return outcome.position


def book_on_page(app: Flask, event_id: int, language: str) -> str:
    """Book as a browser that asks for a language, and return the reference."""
    client = app.test_client()
    headers = {"Accept-Language": language}
    path = f"/events/{event_id}-harvest-supper"
    page = client.get(path, base_url=BASE_URL, headers=headers)
    token = re.findall(r'csrf_token" value="([^"]+)', page.text)[-1]
    fields = {"csrf_token": token, "name": "Ada", "email": ADA, "tickets": "2"}
    answer = client.post(path, data=fields, base_url=BASE_URL, headers=headers)
    assert answer.status_code == 303
    return answer.location.rpartition("/")[2]


def choose(owner_id: int, language: str) -> None:
    """Have an organizer written to in a language, about everything."""
    with db.engine.begin() as connection:
        own = organizers.c.id == owner_id
        connection.execute(update(organizers).where(own).values(language=language))
    set_own_address(owner_id, email=OWNER, wants_sold_out=True, wants_summary=True)


def check_german_ticket(message: EmailMessage) -> None:
    assert message["Subject"] == "Ihre Tickets sind gebucht: Harvest Supper"
    for kind in ("plain", "html"):
        words = words_of(message, kind)
        assert "Sie haben 2 Tickets. Zeigen Sie den Code am Einlass vor" in words
        assert "Mo., 3. Mai 2027, 19:30\u201322:30 MESZ" in words
        assert "Sie bekommen diese E-Mail wegen einer Buchung mit dieser Adresse bei" in words
    assert "Wo: Botanical Garden" in words_of(message)
    assert '<html lang="de" dir="ltr">' in words_of(message, "html")
    assert 'alt="QR-Code Ihres Tickets"' in words_of(message, "html")
    names = {part.get_filename() for part in message.walk()} - {None}
    assert names == {"Ticket.png", "Veranstaltung.ics"}
    assert calendar_of(message)["PRODID"].endswith("//DE")


def test_who_books_with_a_german_browser_gets_a_german_mail_and_calendar_entry(
    app: Flask, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    reference = book_on_page(app, make_event(tickets=5, **TIMED), "de-AT,en;q=0.5")
    drain()
    check_german_ticket(only(mailbox.to(ADA)))
    # The file is the booking's, whoever fetches it.
    file = app.test_client().get(f"/bookings/{reference}/calendar.ics", base_url=BASE_URL)
    assert "PRODID:-//Nextup//Nextup//DE" in file.text


def test_booking_of_the_api_has_mails_in_the_language_it_names(
    app: Flask, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    asked = {"userId": ADA, "eventId": event_id, "tickets": 2, "language": "de"}
    answer = app.test_client().post("/api/events/book", json=asked)
    assert answer.status_code == 201
    assert answer.get_json()["message"] == "The booking is confirmed."
    drain()
    check_german_ticket(only(mailbox.to(ADA)))


def test_same_key_for_another_language_is_another_request(
    app: Flask, make_event: MakeEvent
) -> None:
    asked = {"userId": ADA, "eventId": make_event()}
    statuses = [
        app.test_client()
        .post("/api/events/book", json={**asked, **more}, headers={"Idempotency-Key": "k"})
        .status_code
        for more in ({}, {"language": None}, {"language": "de"})
    ]
    assert statuses == [201, 201, 422]


@pytest.mark.parametrize(("setting", "kept"), [("en", "de"), ("de", None)])
def test_page_keeps_the_language_where_it_is_not_that_of_the_installation(
    make_app: Callable[..., Flask], make_event: MakeEvent, setting: str, kept: str
) -> None:
    event_id = make_event(tickets=5)
    app = make_app(BASE_URL=BASE_URL, LANGUAGE=setting)
    book_on_page(app, event_id, "de")
    assert booking_at(event_id, 1).language == kept


def test_booking_without_a_language_is_told_in_that_of_the_installation(
    make_app: Callable[..., Flask], make_event: MakeEvent, mailbox: Mailbox
) -> None:
    book(make_event(tickets=5, **TIMED), ADA, 2)
    send_with(make_app, LANGUAGE="de")
    check_german_ticket(only(mailbox.to(ADA)))


def test_language_that_is_gone_becomes_that_of_the_installation(
    make_app: Callable[..., Flask],
    make_event: MakeEvent,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    book(event_id, ADA, 2, language="xx")
    drain()
    assert only(mailbox.to(ADA))["Subject"] == "Your tickets are booked: Harvest Supper"
    facts.send_links(ADA)
    book(event_id, BOB, 2, language="xx")
    send_with(make_app, LANGUAGE="de")
    check_german_ticket(only(mailbox.to(BOB)))
    assert mailbox.to(ADA)[1]["Subject"] == "Ihre Buchung"


def send_with(make_app: Callable[..., Flask], **environ: str) -> None:
    """Have what is due sent by a deliverer with other settings."""
    mail_url = current_settings().mail_url or ""
    with make_app(MAIL_URL=mail_url, BASE_URL=BASE_URL, **environ).app_context():
        deliverer = Deliverer(MailChannel(current_settings()))
        deliverer.drain()
        deliverer.channel.rest()


def test_links_are_mailed_in_the_language_of_the_newest_booking(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    soon, later = (make_event(starts_at=datetime(year, 5, 3, tzinfo=UTC)) for year in (2031, 2032))
    book(later, ADA)
    book(soon, ADA, 2, language="de")
    drain()
    facts.send_links(ADA)
    drain()
    message = mailbox.to(ADA)[-1]
    assert message["Subject"] == "Ihre Buchungen"
    assert "Sa., 3. Mai 2031, 00:00 UTC · 2 Tickets, bestätigt" in words_of(message)


def test_message_stays_as_it_was_written_in_a_frame_of_the_readers_language(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    book(event_id, ADA, language="de")
    drain()
    announcements.send_message(
        event_id, audience=Audience.ALL, subject="A word", text="Bring a coat.",
        actor=organizer(owner_id),
    )  # fmt: skip
    drain()
    message = mailbox.to(ADA)[1]
    assert message["Subject"] == "A word"
    words = words_of(message)
    assert "Bring a coat.\r\n" in words
    assert "Buchung öffnen: " in words
    assert "Keine solchen Nachrichten mehr: " in words


def test_organizer_is_told_in_the_language_they_chose(
    make_event: MakeEvent, deliverer: Deliverer, mailbox: Mailbox, owner_id: int, the_clock: Clock
) -> None:
    choose(owner_id, "de")
    book(make_event(tickets=1), ADA)
    deliverer.jobs = [(60.0, scheduled.write_due)]
    the_clock.put_forward(days=1, hours=12 - the_clock.now().hour)
    deliverer.drain()
    sold_out, summary = mailbox.to(OWNER)
    assert sold_out["Subject"] == "Ausverkauft: Harvest Supper"
    assert "Das einzige Ticket ist vergeben." in words_of(sold_out)
    assert summary["Subject"].startswith("Ihre Veranstaltungen am ")
    assert "1 gebucht, 0 storniert, 0 nachgerückt." in words_of(summary)
    assert only(mailbox.to(ADA))["Subject"] == "Your ticket is booked: Harvest Supper"


def kinds_sent() -> set[str]:
    query = select(deliveries.c.what).where(deliveries.c.sent_at.is_not(None))
    with db.engine.connect() as connection:
        return {*connection.execute(query).scalars()}


def english_of(message: EmailMessage) -> list[str]:
    """What a mail in a made-up language still says in English."""
    left = [*english_left(NAMES.sub("", words_of(message, "html")))]
    for part in (words_of(message), message["Subject"]):
        text = ADDRESS.sub("", NAMES.sub("", part))
        # A text may hold another one as a value.
        while SAID.search(text):
            text = SAID.sub("", text)
        left += re.findall("[A-Za-z]+", text)
    names = [part.get_filename() for part in message.walk()]
    return left + [name for name in names if name and not name.startswith("⟦")]


@pytest.mark.parametrize(("code", "direction"), DIRECTIONS)
def test_every_mail_says_everything_in_the_readers_language(
    make_event: MakeEvent,
    deliverer: Deliverer,
    mailbox: Mailbox,
    owner_id: int,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    direction: str,
) -> None:
    monkeypatch.setitem(LANGUAGES, code, made_up(code))
    choose(owner_id, code)
    actor = organizer(owner_id)
    the_clock.put_forward(days=1, hours=12 - the_clock.now().hour)
    # Names in letters that are not Latin ones.
    timed: dict[str, Any] = {
        "name": "Γιορτή",
        "location": "Αθήνα",
        "starts_at": the_clock.now() + timedelta(days=4),
        "time_zone": "Europe/Athens",
    }

    def tell() -> None:
        deliverer.jobs = [(60.0, scheduled.write_due), (60.0, offers.write_offers)]
        deliverer.drain()

    full, kept, gone = (make_event(tickets=3, **timed) for _ in range(3))
    undated = make_event(tickets=9, name="Γιορτή")
    scheduled.set_reminder(kept, actor=actor, wanted=True)
    for number, tickets in enumerate((1, 2, 3, 2, 1, 2), start=1):
        book(full, f"guest{number}@example.org", tickets, code)
    for event_id in (kept, gone):
        book(event_id, "pair@example.org", 2, code)
        book(event_id, "one@example.org", 1, code)
        book(event_id, "waits@example.org", 3, code)
    book(undated, "pair@example.org", 2, code)
    tell()
    asking = make_event(tickets=1, asks_address=True, **timed)
    for number, tickets in enumerate((1, 1), start=1):
        book(asking, f"asked{number}@example.org", tickets, code)
    facts.send_links("asked1@example.org")
    tell()
    facts.send_links("asked1@example.org")
    for lapses_too in (False, True):
        coming = make_event(tickets=3, **timed)
        book(coming, "asked1@example.org", 1, code)
        book(coming, "asked2@example.org", 2, code)
        ask_whether_coming(coming, lapses_too=lapses_too, now=the_clock.now())
        tell()
    facts.send_links("pair@example.org")
    facts.send_links("guest1@example.org")
    tell()
    bookings.change_tickets(undated, position=1, tickets=3)
    bookings.change_tickets(full, position=3, tickets=1)
    bookings.change_tickets(full, position=4, tickets=1)
    tell()
    bookings.change_tickets(kept, position=1, tickets=1)
    bookings.change_tickets(kept, position=3, tickets=2)
    tell()
    for position, who in ((2, ATTENDEE), (1, actor), (3, actor), (6, ATTENDEE)):
        bookings.cancel_booking(full, position=position, actor=who)
        tell()
    for changes in ({"location": "Πάτρα"}, {"location": ""}):
        details = EventDetails(capacity=3, **{**timed, **changes})
        events.edit_event(kept, details, actor=actor, tells=True)
        tell()
    first = booking_at(undated, 1)
    links.ask_for_new_link(undated, position=1, reference=first.reference)
    corrections.correct_booking(undated, position=1, email="new@example.org")
    tell()
    corrections.set_address(Token(undated, 1, links.state_of(first), "new@example.org"))
    links.replace_link_of(undated, position=1, actor=actor)
    tell()
    events.cancel_event(gone, actor=actor)
    announcements.send_message(
        kept, audience=Audience.ALL, subject="Νέα", text="Καλημέρα", actor=actor
    )
    tell()
    # What is beyond three mails, with a booking that is over.
    for _ in range(3):
        facts.send_links("new@example.org", network="one")
    tell()
    bookings.cancel_booking(undated, position=1, actor=attendee("one"))
    tell()
    the_clock.put_forward(minutes=6)
    tell()
    # The summary of a day, then of two days with the reminder.
    the_clock.put_forward(days=1, hours=1)
    tell()
    let_pass(the_clock, days=1)
    book(undated, "one@example.org", 1, code)
    the_clock.put_forward(days=1)
    tell()
    assert kinds_sent() == KINDS
    for message in mailbox.messages:
        assert english_of(message) == [], message["Subject"]
        assert f'<html lang="{code}" dir="{direction}">' in words_of(message, "html")
