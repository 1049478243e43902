"""Whoever has to answer is asked by mail: from the question to who moves up in the end."""

import re
from email.message import EmailMessage

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.mail.conftest import BASE_URL, Book, Clock, Drain, MakeEvent
from tests.mail.test_compose import TIMED, only
from tests.support.asking import ask_whether_coming
from tests.support.mail import Mailbox, parsed, words_of
from tests.support.tools import event_bookings, statuses
from webapp import clock
from webapp.booking import heartbeat, lapses
from webapp.booking import services as bookings_service
from webapp.booking.commands import organizer
from webapp.booking.open_questions import answers_of
from webapp.booking.queries import find_event
from webapp.mail import announcements
from webapp.mail.facts import send_links
from webapp.storage.tables import bookings, terms
from webapp.storage.transaction import execute, read
from webapp.verify.services import verify

ADA = "ada@example.org"
MADE_UP, REAL, TICKETS = 300, 12, 10


def link_of(message: EmailMessage) -> str:
    """The path that the mail that asks leads to."""
    [found] = re.findall(rf"{BASE_URL}(/bookings/\S+/keep\S*)", words_of(message))
    return str(found)


def press(app: Flask, path: str) -> int:
    """Open the page behind a link and press its button, in a browser of its own."""
    client = app.test_client()
    page = client.get(path, base_url=BASE_URL)
    fields = dict(re.findall(r'name="(csrf_token|requestKey|token)" value="([^"]*)"', page.text))
    action = path.partition("?")[0]
    headers = {"Referer": f"{BASE_URL}{action}"}
    return client.post(action, data=fields, base_url=BASE_URL, headers=headers).status_code


def let_pass(the_clock: Clock, **time: float) -> None:
    """Put the clock forward, with a deliverer that is there."""
    the_clock.put_forward(**time)
    heartbeat.beat(the_clock.now())
    lapses.settle_due()


def test_made_up_addresses_lapse_and_the_real_ones_move_up_in_order(
    app: Flask,
    make_event: MakeEvent,
    drain: Drain,
    mailbox: Mailbox,
    the_clock: Clock,
    owner_id: int,
) -> None:
    event_id = make_event(tickets=TICKETS, asks_address=True)
    client = app.test_client()
    real: list[str] = []
    for number in range(MADE_UP + REAL):
        address = f"made.up{number}@example.org"
        if number % 25 == 24 and len(real) < REAL:
            address = f"real{len(real)}@example.org"
            real.append(address)
        asked = {"userId": address, "eventId": event_id}
        assert client.post("/api/events/book", json=asked).status_code == 202
    drain()
    questions = dict(zip(mailbox.recipients, mailbox.contents, strict=True))
    assert len(questions) == len(mailbox.contents) == MADE_UP + REAL
    for address in real:
        assert press(app, link_of(parsed(questions[address]))) == 303
    assert statuses(event_id) == ["confirmed"] * TICKETS + ["waiting"] * (MADE_UP + REAL - TICKETS)
    mailbox.contents.clear()
    mailbox.recipients.clear()
    drain()
    let_pass(the_clock, minutes=31)
    drain()
    assert {row.attendee_id for row in event_bookings(event_id, status="lapsed", limit=999)} == {
        row.attendee_id for row in event_bookings(event_id, limit=999)
    } - {*real}
    confirmed = [row.attendee_id for row in event_bookings(event_id, status="confirmed")]
    assert confirmed == real[:TICKETS]
    waiting = [row.attendee_id for row in event_bookings(event_id, status="waiting")]
    assert waiting == real[TICKETS:]
    told = [
        recipient
        for recipient, message in zip(mailbox.recipients, mailbox.messages, strict=True)
        if message["Subject"].startswith("You moved up")
    ]
    assert told == real[:TICKETS]
    figures = answers_of(find_event(event_id), actor=organizer(owner_id))
    assert figures == (MADE_UP + REAL, 0, REAL, 0, MADE_UP, TICKETS)
    # What was made up is left alone, and who waits was told of the place.
    assert {*mailbox.recipients} == {*real}
    assert verify().broken == []


def test_address_that_is_asked_is_told_nothing_else_until_it_answers(
    app: Flask,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    owner_id: int,
    the_clock: Clock,
) -> None:
    # Far from the end of a minute, which mails tell.
    the_clock.put_forward(seconds=65 - clock.now().second)
    event_id = make_event(tickets=5, asks_address=True, **TIMED)
    book(event_id, "ada", 2)
    drain()
    question = only(mailbox.to(ADA))
    assert question["Subject"] == "Please answer to keep your place: Harvest Supper"
    for kind in ("plain", "html"):
        assert "2 tickets with this address" in words_of(question, kind)
        assert "the booking lapses, and the next in line moves up" in words_of(question, kind)
    assert [part.get_filename() for part in question.walk() if part.get_filename()] == []
    bookings_service.change_tickets(event_id, position=1, tickets=1)
    drain()
    assert len(mailbox.to(ADA)) == 1
    the_clock.put_forward(minutes=9)
    # Both the links that somebody asks for and what the organizer sends again ask.
    send_links(ADA)
    announcements.mail_again(event_id, 1, actor=organizer(owner_id))
    drain()
    _, links, again = mailbox.to(ADA)
    assert "Not kept yet: open this link and press the button there until" in words_of(links)
    assert again["Subject"] == question["Subject"]
    assert link_of(links) == link_of(again) == link_of(question)
    [until] = re.findall(r"Without an answer until (.*?) the booking", words_of(question))
    assert until in words_of(again)
    assert press(app, link_of(links)) == 303
    drain()
    assert mailbox.to(ADA)[-1]["Subject"] == "Your ticket is booked: Harvest Supper"


def test_link_alone_changes_nothing(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(asks_address=True)
    book(event_id, "ada")
    drain()
    path = link_of(only(mailbox.to(ADA)))
    for _ in range(2):
        assert app.test_client().get(path, base_url=BASE_URL).status_code == 200
    query = select(terms.c.is_open).where(terms.c.event_id == event_id)
    assert read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.parametrize("lapses_too", [True, False])
def test_still_coming_has_two_links_and_says_what_comes_without_an_answer(
    app: Flask,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    the_clock: Clock,
    lapses_too: bool,
) -> None:
    event_id = make_event(tickets=1, still_coming_days=3, still_coming_lapses=lapses_too, **TIMED)
    booked = book(event_id, "ada")
    book(event_id, "bob")
    drain()
    ask_whether_coming(event_id, lapses_too=lapses_too, now=the_clock.now())
    drain()
    question = mailbox.to(ADA)[-1]
    assert question["Subject"] == "Are you still coming? Harvest Supper"
    words = words_of(question)
    assert f"Yes, I am coming: {BASE_URL}/bookings/{booked.reference}/keep" in words
    assert f"No, I cannot come: {BASE_URL}/bookings/{booked.reference}/cancel" in words
    assert ("Without an answer until" in words) is lapses_too
    assert ("Without an answer your booking stays" in words) is not lapses_too
    let_pass(the_clock, days=2, minutes=1)
    drain()
    if not lapses_too:
        assert statuses(event_id) == ["confirmed", "waiting"]
        assert press(app, link_of(question)) == 303
        return
    assert statuses(event_id) == ["lapsed", "confirmed"]
    told = mailbox.to(ADA)[-1]
    assert told["Subject"] == "Your booking has lapsed: Harvest Supper"
    assert "Book again on the page of the event" in words_of(told)
    assert mailbox.to("bob@example.org")[-1]["Subject"].startswith("You moved up")
    assert press(app, link_of(question)) == 409


def test_question_is_asked_and_answered_in_german(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(asks_address=True, **TIMED)
    book(event_id, "ada")
    execute(update(bookings).values(language="de"))
    drain()
    question = only(mailbox.to(ADA))
    assert question["Subject"] == (
        "Bitte antworten Sie, um Ihren Platz zu behalten: Harvest Supper"
    )
    assert "verfällt die Buchung" in words_of(question)
    assert press(app, link_of(question)) == 303
    drain()
    assert mailbox.to(ADA)[-1]["Subject"] == "Ihr Ticket ist gebucht: Harvest Supper"
