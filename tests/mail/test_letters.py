"""Mails that many get alike are drawn once, and nothing of one reader is in another's."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.mail.conftest import MakeEvent
from tests.mail.test_compose import START, TIMED
from tests.support.tools import event_bookings
from webapp.accounts.contacts import Contact, set_contact
from webapp.booking import services as bookings
from webapp.booking.commands import ATTENDEE, organizer
from webapp.config import current_settings
from webapp.mail import letters, rendering
from webapp.mail.compose import mail_for
from webapp.mail.rendering import ToldBooking, ToldEvent
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import deliveries
from webapp.storage.transaction import read
from webapp.text.formatting import grouped
from webapp.text.stand_ins import NotKept, as_format, stands_for

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# What somebody may write in the hope that it is filled in, or escaped once too seldom.
WILD = "100 % %(link)s %s <b>&amp;</b> {link} =20 \N{SNOWMAN}"
CHANGES: list[dict[str, Any]] = [
    {},
    {"name": f"{WILD}!"},
    {"location": "Elsewhere"},
    {"location": ""},
    {"starts_at": START.replace(hour=16)},
    {"ends_at": None},
    {"time_zone": "Europe/London"},
]


def book(event_id: int, name: str, tickets: int = 1, language: str | None = None) -> None:
    email = f"{name}@example.org"
    bookings.book_tickets(
        event_id, attendee_id=email, tickets=tickets, name=WILD, email=email, language=language
    )


def rows_of(event_id: int, what: str) -> list[DeliveryRow]:
    of_kind = deliveries.c.event_id == event_id, deliveries.c.what == what
    query = select(deliveries).where(*of_kind).order_by(deliveries.c.id)
    rows: Any = read(lambda connection: connection.execute(query).all())
    return list(rows)


def content_of(row: DeliveryRow) -> bytes:
    """Subject and body of a mail, but for the moment at which its calendar file was made."""
    mail = mail_for(row, current_settings())
    return mail.subject.encode() + re.sub(rb"DTSTAMP:\w+", b"", mail.body)


def forget() -> None:
    letters._kept.clear()
    rendering._kept_words.clear()


def check(rows: list[DeliveryRow]) -> None:
    """What is kept and filled in is what is drawn for one reader alone."""
    kept = [content_of(row) for row in [*rows, *rows]]
    drawn = []
    for row in rows:
        forget()
        drawn.append(content_of(row))
    assert kept == [*drawn, *drawn]
    assert len(set(drawn)) == len(rows)


@on_sqlite
def test_kept_mail_is_the_one_that_is_drawn_for_its_reader(
    app: Flask, make_event: MakeEvent, owner_id: int
) -> None:
    booked, cancelled = [], []
    for change in CHANGES:
        event_id = make_event(**{"name": WILD, "tickets": 6, **TIMED, "location": WILD, **change})
        for number, language in enumerate((None, None, "de", "de")):
            book(event_id, f"has{number}", 1 + number % 2, language)
        for number in range(3):
            book(event_id, f"waits{number}")
        booked += [*rows_of(event_id, "confirmed"), *rows_of(event_id, "waiting")]
        assert len(booked) % 7 == 0
    check(booked)
    set_contact(owner_id, Contact(WILD, "box@example.org"))
    check(booked)
    for row in booked:
        if row.what == "waiting" or row.position == 1:
            by = organizer(owner_id) if row.position == 1 else ATTENDEE
            bookings.cancel_booking(row.event_id, position=row.position, actor=by)
    for event_id in {row.event_id for row in booked}:
        cancelled += rows_of(event_id, "cancelled")
    assert len(cancelled) == 4 * len(CHANGES)
    check(cancelled)


@on_sqlite
def test_mail_has_nothing_of_another_reader(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(WILD, tickets=4, **TIMED)
    for number in range(4):
        book(event_id, f"has{number}")
    found = event_bookings(event_id)
    for row in rows_of(event_id, "confirmed"):
        content = content_of(row).replace(b"=\r\n", b"").decode()
        for booking in found:
            is_own = booking.position == row.position
            for own in (booking.reference, grouped(booking.ticket_code)):
                assert (own in content) == is_own
        assert stands_for("")[:-1] not in content


@on_sqlite
def test_mails_of_one_kind_are_drawn_once(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(tickets=4, **TIMED)
    for number in range(10):
        book(event_id, f"somebody{number}")
    forget()
    # Who is next in line is told so.
    for what, drawings in (("confirmed", 1), ("waiting", 3)):
        for row in rows_of(event_id, what):
            content_of(row)
        assert letters._kept.own.cache_info().misses == drawings
        assert rendering._kept_words.own.cache_info().misses == drawings


def test_words_that_are_kept_ask_for_nothing_else() -> None:
    with pytest.raises(NotKept):
        _ = ToldBooking(1, "confirmed").reference
    with pytest.raises(NotKept):
        _ = ToldEvent("published", "UTC", None, None).confirmed


def test_stand_ins_alone_are_filled_in() -> None:
    text = f"{WILD} {stands_for('link')}{stands_for('place')}."
    assert as_format(text) % {"link": "%(place)s", "place": "7"} == f"{WILD} %(place)s7."
