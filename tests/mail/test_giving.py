"""What is mailed when a ticket goes to somebody else, and whom attendees' answers reach."""

import re

import pytest

from tests.mail.conftest import BASE_URL, Book, Drain, MakeEvent
from tests.mail.test_compose import TIMED, calendar_of
from tests.mail.test_links import pressed_by
from tests.pages.conftest import Person
from tests.support.mail import Mailbox, words_of
from tests.support.tools import booking_at
from webapp import clock
from webapp.accounts.contacts import Contact, set_contact
from webapp.booking.commands import attendee, organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.giving import give_ticket
from webapp.booking.queries import find_booking
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.config import current_settings
from webapp.events.services import cancel_event
from webapp.mail.channel import MailChannel
from webapp.mail.failures import NothingToSend, NotYet
from webapp.storage import outbox
from webapp.storage.transaction import write

ADA, GRACE, CHOIR = "ada@example.org", "grace@example.org", "choir@example.org"


def give(event_id: int, reference: str) -> str:
    gift = give_ticket(
        event_id, position=1, name="Grace", email=GRACE, reference=reference, actor=attendee("n")
    )
    return gift.reference


def test_receiver_gets_the_ticket_and_the_giver_no_link(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    set_contact(owner_id, Contact("The Choir", CHOIR))
    event_id = make_event(tickets=3, **TIMED)
    old = book(event_id, "ada", tickets=2).reference
    drain()
    new = give(event_id, old)
    drain()
    correct_booking(event_id, position=1, name="Grace Hopper", reference=new)
    change_tickets(event_id, position=1, tickets=3, reference=new)
    drain()
    [booked, given], [received, raised] = mailbox.to(ADA), mailbox.to(GRACE)
    assert received["Subject"] == "Somebody has given you tickets: Harvest Supper"
    assert f"{BASE_URL}/bookings/{new}" in words_of(received)
    code = booking_at(event_id, 1).ticket_code
    assert " ".join(re.findall("....", code)) in words_of(received)
    assert given["Subject"] == "Your ticket was given to somebody else: Harvest Supper"
    for kind in ("plain", "html"):
        assert "/bookings/" not in words_of(given, kind)
        assert "Grace" not in words_of(given, kind)
        assert "please tell the organizer: answer this mail." in words_of(given, kind)
    assert {each["Reply-To"] for each in (booked, given, received, raised)} == {CHOIR}
    calendars = [calendar_of(each) for each in (booked, given, received, raised)]
    assert [each["METHOD"] for each in calendars] == ["PUBLISH", "CANCEL", "PUBLISH", "PUBLISH"]
    entries = [each.events[0] for each in calendars]
    ids = [str(entry["UID"]) for entry in entries]
    # Who has both in one calendar keeps the one that counts.
    assert (ids[0] == ids[1], ids[2] == ids[3], ids[1] == ids[2]) == (True, True, False)
    assert entries[0]["SEQUENCE"] < entries[1]["SEQUENCE"]
    assert entries[2]["SEQUENCE"] < entries[3]["SEQUENCE"]
    for entry in entries:
        assert str(entry["ORGANIZER"]) == f"mailto:{CHOIR}"
        assert entry["ORGANIZER"].params["CN"] == "The Choir"


def test_mail_on_its_way_does_not_lead_the_giver_to_the_new_link(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    """It was leased before, and is written after the ticket went to somebody else."""
    event_id = make_event(tickets=3, **TIMED)
    old = book(event_id, "ada").reference

    def remind(connection: object) -> None:
        outbox.enqueue(
            connection,  # type: ignore[arg-type]
            "event_changed",
            recipient=ADA,
            event_id=event_id,
            position=1,
            now=clock.now(),
        )

    write(remind)
    [confirmed, changed] = outbox.lease(outbox.MAIL).rows
    give(event_id, old)
    channel = MailChannel(current_settings())
    with pytest.raises(NothingToSend):
        channel.send(confirmed)
    # It goes to the receiver, once it has been leased anew.
    with pytest.raises(NotYet):
        channel.send(changed)
    channel.rest()
    assert mailbox.messages == []


def test_where_addresses_are_asked_the_mail_has_the_button(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, app: object, owner_id: int
) -> None:
    event_id = make_event(tickets=3, asks_address=True, **TIMED)

    booked = book_tickets(
        event_id, attendee_id=ADA, name="Ada", email=ADA, actor=organizer(owner_id)
    )
    drain()
    assert give(event_id, booked.reference) == ""
    drain()
    [offer] = mailbox.to(GRACE)
    assert offer["Subject"] == "Somebody wants to give you a ticket: Harvest Supper"
    assert f"/bookings/{booked.reference}" not in words_of(offer)
    assert mailbox.to(ADA)[1:] == []
    app.config["PREFERRED_URL_SCHEME"] = "https"  # type: ignore[attr-defined]
    person, page = Person(app), pressed_by(offer)  # type: ignore[arg-type]
    assert find_booking(booked.reference).booking.email == ADA
    answer = person.submit(page, "/bookings/take-over")
    assert answer.status_code == 303
    drain()
    assert [each["Subject"].partition(":")[0] for each in mailbox.to(GRACE)[1:]] == [
        "Somebody has given you a ticket"
    ]
    assert len(mailbox.to(ADA)) == 2
    assert booking_at(event_id, 1).name == "Grace"


def test_nobody_is_told_to_ask_an_organizer_whom_they_cannot_reach(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=3)
    for name in ("ada", "grace"):
        book(event_id, name)
    cancel_booking(event_id, position=1, actor=organizer(owner_id))
    drain()
    set_contact(owner_id, Contact("", CHOIR))
    cancel_booking(event_id, position=2, actor=organizer(owner_id))
    drain()
    first, second = mailbox.to(ADA)[-1], mailbox.to(GRACE)[-1]
    assert "organizer" not in words_of(first).partition("The organizer has cancelled")[2]
    assert "please ask the organizer: answer this mail." in words_of(second)
    assert first["Reply-To"] in first["From"]
    assert second["Reply-To"] == CHOIR


def test_mail_of_a_cancelled_event_says_why(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=1)
    for name in ("ada", "grace"):
        book(event_id, name)
    drain()
    cancel_event(event_id, actor=organizer(owner_id), reason="The hall is <closed>.\n\nSorry!")
    drain()
    for address in (ADA, GRACE):
        words = words_of(mailbox.to(address)[-1]).replace("\r", "")
        assert "The organizer says why:\nThe hall is <closed>.\n\nSorry!" in words
        assert "The hall is &lt;closed&gt;." in words_of(mailbox.to(address)[-1], "html")
