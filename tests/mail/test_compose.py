"""What mails say: parsed as a mail program does, and their links followed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from tests.mail.conftest import BASE_URL, Book, Clock, Drain, MakeEvent
from tests.support.mail import Mailbox, words_of
from tests.support.tools import event_bookings, history
from webapp import clock
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.booking.commands import ATTENDEE, organizer
from webapp.config import current_settings
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.mail import facts
from webapp.mail.channel import MailChannel
from webapp.mail.worker import Deliverer
from webapp.text.formatting import in_words
from webapp.text.languages import ENGLISH

START = datetime(2027, 5, 3, 17, 30, tzinfo=UTC)
TIMED: dict[str, Any] = {
    "starts_at": START,
    "ends_at": START + timedelta(hours=3),
    "time_zone": "Europe/Berlin",
    "location": "Botanical Garden",
}


def only(messages: list[EmailMessage]) -> EmailMessage:
    assert len(messages) == 1, [message["Subject"] for message in messages]
    return messages[0]


def subjects(mailbox: Mailbox, address: str) -> list[str]:
    return [message["Subject"] for message in mailbox.to(address)]


def calendar_of(message: EmailMessage) -> Any:
    part = only([p for p in message.iter_attachments() if p.get_content_subtype() == "calendar"])
    return Calendar.from_ical(part.get_content())


def test_ticket_mail_has_all_that_is_needed_at_the_door(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    receipt = book(make_event(tickets=5, **TIMED), "ada", 2)
    drain()
    message = only(mailbox.to("ada@example.org"))
    booking = queries.find_booking(receipt.reference).booking
    assert message["Subject"] == "Your tickets are booked: Harvest Supper"
    assert message["To"] == "ada@example.org"
    code = " ".join(re.findall("....", booking.ticket_code))
    for kind in ("plain", "html"):
        words = words_of(message, kind)
        assert "Mon 3 May 2027, 19:30\u201322:30 CEST" in words
        assert "Botanical Garden" in words
        assert code in words
        assert f"{BASE_URL}/bookings/{receipt.reference}" in words
    picture = only([p for p in message.walk() if p.get_content_type() == "image/png"])
    assert picture.get_content().startswith(b"\x89PNG")
    assert f"cid:{picture['Content-ID'].strip('<>')}" in words_of(message, "html")
    assert picture.get_content_disposition() == "inline"


def test_pictures_of_two_mails_have_names_of_their_own(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    """Mail programs may look for a picture in the whole mailbox (RFC 2392)."""
    for name in ("ada", "bob"):
        book(make_event(), name)
    drain()
    pictures = [
        (part["Content-ID"], message["Message-ID"])
        for message in mailbox.messages
        for part in message.walk()
        if part.get_content_type() == "image/png"
    ]
    assert len(set(pictures)) == 2
    assert all(picture == f"<ticket.{mail.strip('<>')}>" for picture, mail in pictures)


def test_ticket_mail_has_a_calendar_file(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    receipt = book(event_id, "ada")
    drain()
    moved = {**TIMED, "starts_at": START + timedelta(hours=1)}
    details = EventDetails(name="Harvest Supper", capacity=5, **moved)
    events.edit_event(event_id, details, actor=organizer(owner_id), tells=True)
    drain()
    bookings.cancel_booking(event_id, position=receipt.position)
    drain()
    booked, changed, cancelled = map(calendar_of, mailbox.to("ada@example.org"))
    entries = [calendar.events[0] for calendar in (booked, changed, cancelled)]
    assert [c["METHOD"] for c in (booked, changed, cancelled)] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert [e["STATUS"] for e in entries] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert len({entry["UID"] for entry in entries}) == 1
    assert [e["SEQUENCE"] for e in entries] == sorted({e["SEQUENCE"] for e in entries})
    assert [e.start for e in entries] == [START, *[START + timedelta(hours=1)] * 2]
    assert all(receipt.reference not in str(entry.to_ical()) for entry in entries)


def test_who_moves_up_late_is_told_until_when_to_give_back(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    """The event's own deadline is over, and a day after the promotion is not yet."""
    now = clock.now()
    event_id = make_event(
        tickets=1, starts_at=now + timedelta(days=9), cancel_until=now - timedelta(hours=1)
    )
    first = book(event_id, "ada")
    book(event_id, "bob")
    bookings.cancel_booking(event_id, position=first.position, actor=organizer(owner_id))
    drain()
    promotion = words_of(mailbox.to("bob@example.org")[-1])
    moved_up_at = history(event_id, position=2)[0].at
    until = in_words(moved_up_at + timedelta(days=1), "UTC", ENGLISH)
    assert "give the ticket back" in promotion
    assert f"That is possible until {until}." in promotion
    assert "cancel on the page" not in words_of(mailbox.to("ada@example.org")[0])


def test_waiting_attendee_is_told_the_rank_and_then_the_promotion(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1)
    first = book(event_id, "ada")
    book(event_id, "bob")
    waiting = book(event_id, "carol")
    drain()
    assert "You are number 2 in line" in words_of(only(mailbox.to("carol@example.org")))
    bookings.cancel_booking(event_id, position=first.position)
    bookings.cancel_booking(event_id, attendee_id="bob@example.org")
    drain()
    assert subjects(mailbox, "carol@example.org") == [
        "You are on the waiting list: Harvest Supper",
        "You moved up, the ticket is yours: Harvest Supper",
    ]
    promotion = mailbox.to("carol@example.org")[1]
    assert f"{BASE_URL}/bookings/{waiting.reference}" in words_of(promotion)
    assert "give the ticket back" in words_of(promotion)


def test_stale_news_is_not_told(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1)
    first = book(event_id, "ada")
    book(event_id, "bob")
    bookings.cancel_booking(event_id, position=first.position)
    drain()
    assert subjects(mailbox, "ada@example.org") == ["Your booking is cancelled: Harvest Supper"]
    assert subjects(mailbox, "bob@example.org") == [
        "You moved up, the ticket is yours: Harvest Supper"
    ]


def test_cancelled_by_organizer_says_so(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=2)
    for name, actor in (("ada", ATTENDEE), ("bob", organizer(owner_id))):
        receipt = book(event_id, name)
        bookings.cancel_booking(event_id, position=receipt.position, actor=actor)
    drain()
    assert "You have cancelled" in words_of(only(mailbox.to("ada@example.org")))
    assert "The organizer has cancelled" in words_of(only(mailbox.to("bob@example.org")))


def test_fewer_tickets_are_told(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    receipt = book(event_id, "ada", 3)
    drain()
    bookings.change_tickets(event_id, position=receipt.position, tickets=2)
    bookings.change_tickets(event_id, position=receipt.position, tickets=1)
    drain()
    assert subjects(mailbox, "ada@example.org")[1:] == [
        "Your booking is now for 1 ticket: Harvest Supper"
    ]


def test_changes_of_an_event_are_told_together(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    book(event_id, "ada")
    drain()
    for changes in ({"location": "Town Hall"}, {"location": "Castle", "ends_at": None}):
        details = EventDetails(name="Harvest Supper", capacity=5, **{**TIMED, **changes})
        events.edit_event(event_id, details, actor=organizer(owner_id), tells=True)
    drain()
    words = words_of(mailbox.to("ada@example.org")[1])
    assert len(mailbox.to("ada@example.org")) == 2
    assert "Where: Castle (before: Botanical Garden)" in words
    assert (
        "When: Mon 3 May 2027, 19:30 CEST (before: Mon 3 May 2027, 19:30\u201322:30 CEST)" in words
    )
    assert "Event: Harvest Supper\r\n" in words


def test_change_that_was_taken_back_is_not_told(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=5, **TIMED)
    book(event_id, "ada")
    drain()
    for location in ("Town Hall", "Botanical Garden"):
        details = EventDetails(name="Harvest Supper", capacity=5, **{**TIMED, "location": location})
        events.edit_event(event_id, details, actor=organizer(owner_id), tells=True)
    drain()
    assert len(mailbox.to("ada@example.org")) == 1


def test_cancelled_event_is_told_to_all(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=1, **TIMED)
    book(event_id, "ada")
    book(event_id, "bob")
    drain()
    events.cancel_event(event_id, actor=organizer(owner_id))
    drain()
    for name, words in (("ada", "no longer valid"), ("bob", "The waiting list is closed")):
        message = mailbox.to(f"{name}@example.org")[1]
        assert message["Subject"] == "This event is cancelled: Harvest Supper"
        assert words in words_of(message)


def test_following_links_shows_pages_and_changes_nothing(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1)
    first = book(event_id, "ada")
    book(event_id, "bob")
    book(event_id, "carol")
    bookings.cancel_booking(event_id, position=first.position)
    facts.send_links("carol@example.org")
    drain()
    before = [row.status for row in event_bookings(event_id)]
    client = app.test_client()
    followed = set()
    for message in mailbox.messages:
        links = set(re.findall(r'href="([^"]+)"', words_of(message, "html")))
        assert links
        assert links <= set(re.findall(r"https?://\S+", words_of(message)))
        followed |= links
    for link in followed:
        assert link.startswith(BASE_URL)
        page = client.get(link.removeprefix(BASE_URL) or "/", follow_redirects=True)
        assert page.status_code == 200, link
    assert len(followed) == 4
    assert [row.status for row in event_bookings(event_id)] == before


def test_asked_links_are_those_of_current_bookings(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    soon = the_clock.now() + timedelta(days=1)
    past = book(make_event(name="Past", starts_at=soon), "ada")
    open_ended = book(make_event(name="Open"), "ada")
    later = book(make_event(name="Later", starts_at=soon + timedelta(days=9)), "ada")
    cancelled = book(gone := make_event(name="Gone"), "ada")
    bookings.cancel_booking(gone, position=cancelled.position)
    other = book(make_event(name="Other"), "bob")
    drain()
    the_clock.put_forward(days=2)
    facts.send_links("ada@example.org")
    facts.send_links("nobody@example.org")
    drain()
    assert not mailbox.to("nobody@example.org")
    words = words_of(mailbox.to("ada@example.org")[-1])
    assert open_ended.reference in words
    assert later.reference in words
    for receipt in (past, cancelled, other):
        assert receipt.reference not in words


def test_names_cannot_forge_headers(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    evil = "Supper\u2028Bcc: victim@example.org\x85X: y"
    book(make_event(name=evil, tickets=5), "ada", email="ada@example.org")
    drain()
    message = only(mailbox.messages)
    assert message["Subject"] == "Your ticket is booked: Supper Bcc: victim@example.org X: y"
    assert message["Bcc"] is None
    assert message["X"] is None
    assert mailbox.recipients == ["ada@example.org"]


def test_what_an_attendee_typed_is_in_no_mail(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, app: Flask
) -> None:
    bookings.book_tickets(
        make_event(),
        attendee_id="x",
        name="Win a prize at https://evil.example",
        email="victim@example.org",
    )
    drain()
    assert b"evil.example" not in only(mailbox.messages).as_bytes()


def test_event_text_is_escaped_in_html(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    book(make_event(name='<b onclick="x">Ada & Bob</b>', location="<i>x</i>"), "ada")
    drain()
    message = only(mailbox.messages)
    assert "<b onclick" not in words_of(message, "html")
    assert "<i>x" not in words_of(message, "html")
    assert "&amp;" not in words_of(message)
    assert 'Your ticket is booked: <b onclick="x">Ada & Bob</b>' in words_of(
        message, "html"
    ).replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&amp;", "&")


@pytest.mark.parametrize(
    ("address", "on_the_wire"),
    [
        ("ada@müller.example", "ada@xn--mller-kva.example"),
        ("jürgen@example.org", "jürgen@example.org"),
        ("ada+x_y.z@example.org", "ada+x_y.z@example.org"),
    ],
)
def test_addresses_with_foreign_letters_arrive(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    address: str,
    on_the_wire: str,
) -> None:
    book(make_event(), "ada", email=address)
    drain()
    assert mailbox.recipients == [on_the_wire]
    assert mailbox.messages[0]["To"] == on_the_wire


def test_mail_cannot_be_taken_for_tracking_or_a_person(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    book(make_event(), "ada")
    drain()
    message = only(mailbox.messages)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    assert not re.findall(r'src="(?!cid:)', words_of(message, "html"))


def test_without_a_server_mails_are_private_files(
    make_event: MakeEvent, book: Book, make_app: Callable[..., Flask]
) -> None:
    book(make_event(), "ada")
    with make_app().app_context():
        settings = current_settings()
        Deliverer(MailChannel(settings)).drain()
        (file,) = (Path(settings.instance_path) / "mail").iterdir()
    assert file.suffix == ".eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert "example.org" not in file.name
    assert b"To: ada@example.org" in file.read_bytes()
