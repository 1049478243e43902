"""A new link or address: asked by mail, done by the button behind it, and told by mail."""

import re
from email.message import EmailMessage

import pytest
from flask import Flask

from tests.mail.conftest import BASE_URL, Drain, MakeEvent
from tests.mail.test_compose import TIMED, calendar_of
from tests.pages.conftest import Person, text_of
from tests.support.mail import Mailbox, words_of
from tests.support.tools import booking_at, set_own_address
from webapp.booking import corrections, links
from webapp.booking.links import Token
from webapp.booking.queries import find_booking
from webapp.booking.services import book_tickets, cancel_booking

ADA, BOB, EVE, GRACE, OWNER = (
    f"{name}@example.org" for name in ("ada", "bob", "eve", "grace", "owner")
)
REPLACED = "This link was replaced. The new one was mailed."


@pytest.fixture
def https(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Browsers come by the scheme of BASE_URL, or they keep no cookie."""
    monkeypatch.setitem(app.config, "PREFERRED_URL_SCHEME", "https")
    return app


@pytest.fixture
def person(https: Flask) -> Person:
    return Person(https)


@pytest.fixture
def thief(https: Flask) -> Person:
    """Somebody else, who has the link as well."""
    return Person(https)


def book(event_id: int, email: str | None = ADA, tickets: int = 1) -> str:
    attendee_id = email or "7"
    outcome = book_tickets(
        event_id, attendee_id=attendee_id, tickets=tickets, name="Ada Lovelace", email=email
    )
    return outcome.reference


def ask(person: Person, reference: str) -> str:
    """Ask for a new link on the booking's page; what is told."""
    answer = person.submit(f"/bookings/{reference}/new-link")
    assert answer.status_code == 303, answer.text
    return text_of(person.get(answer.location)).replace(reference, "")


def pressed_by(message: EmailMessage) -> str:
    """The path of the page with the button that a mail leads to."""
    found = re.search(rf"{BASE_URL}(\S+token=\S+)", words_of(message))
    assert found is not None
    return found[1]


def replace(reference: str) -> str:
    booking = find_booking(reference).booking
    said = Token(booking.event_id, booking.position, links.state_of(booking), ADA)
    return links.replace_link(said, reference=reference)


def test_button_behind_the_mail_replaces_the_link_and_following_it_does_not(
    person: Person, thief: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(**TIMED)
    old = person.book(event_id).location.rpartition("/")[2]
    code = booking_at(event_id, 1).ticket_code
    assert "a mail is on its way" in ask(thief, old)
    drain()
    first, question = mailbox.to(ADA)
    assert question["Subject"] == "A new link for your booking? Harvest Supper"
    path = pressed_by(question)
    for _ in range(2):
        assert "A new link for your booking?" in person.get(path).text
    assert find_booking(old).booking.ticket_code == code
    answer = person.submit(path, f"/bookings/{old}/replace")
    new = booking_at(event_id, 1).reference
    assert (answer.status_code, answer.location) == (303, f"/bookings/{new}")
    assert "This is your new link." in person.get(answer.location).text
    # The browser that pressed goes on with the new link; the other one knows nothing of it.
    assert new in person.get("/bookings").text
    for link in (
        "",
        "/cancel",
        "/calendar.ics",
        path.removeprefix(f"/bookings/{old}"),
    ):
        page = thief.get(f"/bookings/{old}{link}")
        assert page.status_code == 410
        assert REPLACED in page.text
        assert not re.search(f"{new}|Lovelace|Ada|Harvest|{code}", page.text)
    drain()
    told = mailbox.to(ADA)[2]
    assert told["Subject"] == "Your booking has a new link: Harvest Supper"
    words = words_of(told)
    assert f"{BASE_URL}/bookings/{new}" in words
    assert old not in words
    assert booking_at(event_id, 1).ticket_code[:4] in words
    assert calendar_of(told).events[0]["UID"] == calendar_of(first).events[0]["UID"]


def test_answer_is_the_same_whether_or_not_there_is_an_address(
    person: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event()
    with_address, without = book(event_id), book(event_id, None)
    told = [ask(person, reference) for reference in (with_address, without)]
    assert "a mail is on its way to it" in told[0]
    assert [text.count("a mail is on its way to it") for text in told] == [1, 1]
    drain()
    assert mailbox.recipients == [ADA, ADA]


def test_mailbox_is_not_flooded_by_who_has_the_link(
    person: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    reference = book(make_event())
    told = {ask(person, reference) for _ in range(5)}
    assert len(told) == 1
    for _ in range(5):
        ask(person, reference)
    refused = person.submit(f"/bookings/{reference}/new-link")
    assert refused.status_code == 429
    drain()
    assert len(mailbox.to(ADA)) == 1 + 3


def test_mails_that_were_waiting_carry_the_new_link(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    old = book(make_event())
    new = replace(old)
    drain()
    assert [new in words_of(message) for message in mailbox.to(ADA)] == [True, True]
    assert not any(old.encode() in content for content in mailbox.contents)


def test_what_the_holder_of_the_old_link_asked_for_dies_with_it(
    person: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event()
    old = book(event_id)
    corrections.correct_booking(event_id, position=1, email=EVE, reference=old)
    drain()
    early = pressed_by(mailbox.to(EVE)[0])
    corrections.correct_booking(event_id, position=1, email=EVE, reference=old)
    links.ask_for_new_link(event_id, position=1, reference=old)
    replace(old)
    drain()
    # What was not sent yet is not sent, and what was sent does nothing any more.
    assert len(mailbox.to(EVE)) == 1
    assert [m["Subject"].partition(":")[0] for m in mailbox.to(ADA)] == [
        "Your ticket is booked",
        "Your booking has a new link",
    ]
    page = person.submit(early, "/bookings/address")
    assert page.status_code == 410
    assert "This link does not work any more" in page.text
    assert booking_at(event_id, 1).email == ADA


def test_new_address_is_asked_without_a_link_to_the_booking_and_the_old_one_is_told(
    person: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    set_own_address(owner_id, email=OWNER, wants_sold_out=False, wants_summary=False)
    event_id = make_event()
    reference = book(event_id)
    drain()
    corrections.correct_booking(event_id, position=1, email=GRACE, reference=reference)
    drain()
    [question] = mailbox.to(GRACE)
    assert question["Subject"] == "Is this your address? Harvest Supper"
    assert not re.search(f"{reference}|Lovelace|{ADA}", words_of(question))
    path = pressed_by(question)
    for _ in range(2):
        page = person.get(path)
        assert GRACE in page.text
        assert not re.search(f"{reference}|Lovelace|{ADA}", page.text)
    assert booking_at(event_id, 1).email == ADA
    for _ in range(2):
        done = person.submit(path, "/bookings/address")
        assert done.status_code == 200
        assert "From now on we write to this address" in done.text
        assert booking_at(event_id, 1).email == GRACE
    drain()
    notice = mailbox.to(ADA)[-1]
    assert notice["Subject"] == "Your booking has another e-mail address: Harvest Supper"
    assert notice["Reply-To"] == OWNER
    assert not re.search(f"{reference}|{GRACE}", words_of(notice) + words_of(notice, "html"))
    ticket = mailbox.to(GRACE)[1]
    assert ticket["Subject"] == "Your ticket is booked: Harvest Supper"
    assert reference in words_of(ticket)
    assert (len(mailbox.to(ADA)), len(mailbox.to(GRACE))) == (2, 2)


def test_old_address_is_told_although_the_booking_is_cancelled_at_once(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    """Whoever took it away with a stolen link would else do so unseen."""
    event_id = make_event()
    book(event_id)
    drain()
    said = Token(event_id, 1, links.state_of(booking_at(event_id, 1)), EVE)
    corrections.set_address(said)
    cancel_booking(event_id, position=1)
    drain()
    notice = mailbox.to(ADA)[1]
    assert notice["Subject"] == "Your booking has another e-mail address: Harvest Supper"
    assert notice["Reply-To"] == notice["From"].partition("<")[2].rstrip(">")
    assert "please tell the organizer of the event" in words_of(notice)


def test_address_that_has_a_booking_is_refused_on_the_page_of_the_button(
    person: Person, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=3)
    book(event_id)
    corrections.correct_booking(event_id, position=1, email=GRACE)
    drain()
    path = pressed_by(mailbox.to(GRACE)[0])
    book(event_id, GRACE)
    refused = person.submit(path, "/bookings/address")
    assert refused.status_code == 409
    assert "This address already has a booking for this event" in text_of(refused)
    assert booking_at(event_id, 1).email == ADA


@pytest.mark.parametrize("token", ["", "?token=", "?token=x", "?token=%C3%A4.%F0%9F%8E%9F"])
def test_page_without_a_good_token_has_no_button(
    person: Person, make_event: MakeEvent, token: str
) -> None:
    event_id = make_event()
    reference, others = book(event_id), book(event_id, BOB)
    for path in (f"/bookings/{reference}/replace", "/bookings/address"):
        page = person.get(f"{path}{token}")
        assert page.status_code == 410
        assert "<button" not in page.text.partition("<main")[2].partition("</main")[0]
    # Nor with one that is for another booking.
    said = Token(event_id, 2, links.state_of(booking_at(event_id, 2)), BOB)
    good = links.make_token(links.Purpose.NEW_LINK, said)
    assert person.get(f"/bookings/{reference}/replace?token={good}").status_code == 410
    assert person.get(f"/bookings/{others}/replace?token={good}").status_code == 200
