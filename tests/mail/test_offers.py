"""The head of a waiting list is told, once, of tickets that it could take."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.mail.conftest import BASE_URL, Book, Clock, MakeEvent
from tests.support.changes import set_capacity
from tests.support.mail import Mailbox, words_of
from tests.support.tools import together
from webapp import clock
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.booking.type_services import TypeDetails, add_type
from webapp.events import services as events
from webapp.extensions import db
from webapp.mail import offers
from webapp.mail.worker import Deliverer
from webapp.storage import outbox
from webapp.storage.tables import deliveries

Tell = Callable[[], None]
OFFER = "2 tickets are free now: take them? Harvest Supper"


@pytest.fixture
def tell(deliverer: Deliverer) -> Tell:
    """What a deliverer does each minute."""
    deliverer.jobs = [(60.0, offers.write_offers)]
    return deliverer.drain


def written() -> int:
    query = select(func.count()).where(deliveries.c.what == offers.KIND)
    with db.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def subjects(mailbox: Mailbox, name: str) -> list[str]:
    return [message["Subject"] for message in mailbox.to(f"{name}@example.org")]


def test_head_that_needs_more_than_is_free_is_told_once(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada", 3)
    head = book(event_id, "mary", 4)
    book(event_id, "grace", 4)
    for _ in range(2):
        tell()
    assert subjects(mailbox, "mary")[1:] == [OFFER]
    words = words_of(mailbox.to("mary@example.org")[1])
    assert "wait for 4 tickets. Now 2 are free" in words
    assert f"{BASE_URL}/bookings/{head.reference}" in words
    bookings.change_tickets(event_id, position=1, tickets=2)
    tell()
    assert subjects(mailbox, "mary")[1:] == [OFFER], "more is free, and it knows"
    bookings.take_free(event_id, position=2, tickets=1)
    tell()
    assert subjects(mailbox, "mary")[2:] == ["You moved up, the ticket is yours: Harvest Supper"]
    assert subjects(mailbox, "grace")[1:] == [OFFER], "who is next now"
    assert written() == 2


def test_nobody_is_offered_what_nobody_could_take(
    make_event: MakeEvent, book: Book, tell: Tell, owner_id: int, the_clock: Clock
) -> None:
    soon = clock.now() + timedelta(hours=1)
    full, cancelled, started, unknown = (
        make_event(tickets=tickets, starts_at=soon) for tickets in (3, 5, 5, 5)
    )
    for event_id in (full, cancelled, started, unknown):
        book(event_id, "ada", 3)
    for event_id in (full, cancelled):
        book(event_id, "mary", 3)
    bookings.book_tickets(unknown, attendee_id="without an address", tickets=4)
    events.cancel_event(cancelled, actor=organizer(owner_id))
    tell()
    book(started, "mary", 3)
    the_clock.put_forward(hours=1)
    tell()
    assert written() == 0


def test_offer_that_is_no_longer_true_is_not_sent(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    first = book(event_id, "ada", 3)
    book(event_id, "mary", 4)
    offers.write_offers()
    bookings.cancel_booking(event_id, position=first.position)
    for _ in range(2):
        tell()
    assert subjects(mailbox, "mary") == ["You moved up, the tickets are yours: Harvest Supper"]
    assert written() == 1


def test_nothing_is_offered_that_is_gone_when_the_mail_leaves(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=7)
    book(event_id, "ada", 5)
    book(event_id, "mary", 4)
    offers.write_offers()
    set_capacity(event_id, 5, organizer_id=owner_id)
    tell()
    assert len(subjects(mailbox, "mary")) == 1


def test_several_deliverers_write_one_offer(app: Flask, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada", 3)
    book(event_id, "mary", 4)
    assert together(app, [offers.write_offers] * 4) == [None] * 4
    assert written() == 1


def test_offer_is_remembered_when_what_was_sent_is_forgotten(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada", 3)
    book(event_id, "mary", 4)
    tell()
    monkeypatch.setattr(outbox, "KEPT", -outbox.LEASE_TIME)
    outbox.forget_old(outbox.MAIL)
    tell()
    assert subjects(mailbox, "mary").count(OFFER) == 1


def test_who_keeps_a_type_from_those_behind_is_told_of_what_is_left(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, owner_id: int
) -> None:
    event_id, me = make_event(tickets=9), organizer(owner_id)
    for name, quota in (("VIP", 3), ("Front", None), ("Child", 2)):
        add_type(event_id, TypeDetails(name, quota=quota), actor=me)
    for name, wants in {
        "ada": {1: 2, 3: 1},
        "mary": {1: 2, 2: 1},
        "grace": {1: 1, 2: 1},
        "hedy": {3: 2},
        "joan": {3: 1},
    }.items():
        bookings.book_tickets(
            event_id, attendee_id=f"{name}@example.org", email=f"{name}@example.org", wants=wants
        )
    for _ in range(2):
        tell()
    assert subjects(mailbox, "mary")[1:] == [OFFER]
    words = words_of(mailbox.to("mary@example.org")[1])
    assert "You wait for 2 × VIP, 1 × Front. Now you can take 1 × VIP, 1 × Front at once" in words
    assert subjects(mailbox, "hedy")[1:] == ["1 ticket is free now: take it? Harvest Supper"]
    assert [len(subjects(mailbox, name)) for name in ("grace", "joan")] == [1, 1], "hold up nobody"
    assert written() == 2
