"""Whoever writes rows of an event has locked its row first, and nobody locks it for nothing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import Connection, event

from tests.mail.conftest import Book, Clock, MakeEvent
from tests.pages.test_pictures import drawn
from tests.support.tools import set_own_address
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.booking.load import lock_event
from webapp.events import pictures
from webapp.events import services as events
from webapp.events.queries import own_event
from webapp.mail import announcements, scheduled
from webapp.mail.audiences import Audience
from webapp.storage import idempotency
from webapp.storage.engines import write_engine

OWNER = "owner@example.org"
# The row of one event or, in a batch, of several.
LOCK = re.compile(r"SELECT event\.id,.*\sFROM event\s+WHERE event\.id (=|IN)", re.DOTALL)
INSERT = re.compile(r"INSERT INTO (\w+) \(([^)]+)\)")


@contextmanager
def transactions() -> Iterator[list[list[str]]]:
    """The statements of each transaction that writes."""
    found: list[list[str]] = []
    under_way: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        # That is how SQLite's begin.
        if statement != "BEGIN IMMEDIATE":
            under_way.append(statement)

    def end(_: Connection) -> None:
        found.append([*under_way])
        under_way.clear()

    engine = write_engine()
    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": note,
        "commit": end,
        "rollback": end,
    }
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


def writes_of_event(statement: str) -> bool:
    made = INSERT.match(statement)
    return made is not None and "event_id" in made[2].split(", ")


def locks_event(statement: str) -> bool:
    # SQLite's transactions begin with a lock on everything.
    locks = "FOR UPDATE" in statement or write_engine().dialect.name == "sqlite"
    return locks and LOCK.match(statement) is not None


def steps(
    event_id: int, book: Book, owner_id: int, the_clock: Clock
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that writes rows of an event, one after the other."""
    key = idempotency.bind_key("book", caller="page", key="a key")
    yield "book", lambda: book(event_id, "ada")
    yield "book with a key", lambda: bookings.book_tickets(event_id, attendee_id="b", key=key)
    yield "book to wait", lambda: book(event_id, "carol")
    yield "cancel", lambda: bookings.cancel_booking(event_id, attendee_id="b")
    yield "book for two", lambda: book(event_id, "dora", 2)
    yield "change", lambda: bookings.change_tickets(event_id, position=4, tickets=1)
    by_owner = partial(partial, event_id=event_id, actor=organizer(owner_id))
    yield "remind", by_owner(scheduled.set_reminder, wanted=True)
    now = events.details_of(own_event(event_id, organizer_id=owner_id))
    yield "edit", by_owner(events.edit_event, details=replace(now, location="Castle"))
    yield "picture", by_owner(pictures.set_picture, data=drawn(), description="A castle")
    yield "no picture", by_owner(pictures.remove_picture)
    audience, subject, text = Audience.ALL, "A word", "Hello"
    message = partial(announcements.send_message, audience=audience, subject=subject, text=text)
    key = idempotency.bind_key("message", caller="page", key="a key")
    yield "message with a key", by_owner(message, key=key)
    yield "mail again", by_owner(announcements.mail_again, position=1)
    the_clock.put_forward(days=2, minutes=1)
    yield "reminders and sold out", scheduled.write_due
    yield "cancel the event", by_owner(events.cancel_event)


def test_whoever_writes_rows_of_an_event_has_locked_it_before(
    make_event: MakeEvent, book: Book, owner_id: int, the_clock: Clock
) -> None:
    event_id = make_event(tickets=2, starts_at=the_clock.now() + timedelta(days=3))
    # Without the summary, which from 06:00 UTC on is written for an organizer and not for an event.
    set_own_address(owner_id, email=OWNER, wants_sold_out=True, wants_summary=False)
    for name, step in steps(event_id, book, owner_id, the_clock):
        with transactions() as found:
            step()
        assert any(map(writes_of_event, chain(*found))), f"{name} writes nothing"
        for statements in found:
            locked = [number for number, each in enumerate(statements) if locks_event(each)]
            written = [number for number, each in enumerate(statements) if writes_of_event(each)]
            assert not written or locked[:1] == [0], f"{name}: {statements}"


def test_look_that_finds_nothing_to_write_waits_for_nobody(
    make_event: MakeEvent, book: Book, owner_id: int, the_clock: Clock
) -> None:
    event_id = make_event(tickets=1, starts_at=the_clock.now() + timedelta(days=3))
    book(event_id, "ada")
    set_own_address(owner_id, email=OWNER, wants_sold_out=True, wants_summary=True)
    scheduled.set_reminder(event_id, actor=organizer(owner_id), wanted=True)
    the_clock.put_forward(days=2, minutes=1)
    scheduled.write_due()
    with write_engine().begin() as connection:
        lock_event(connection, event_id)
        with transactions() as found:
            scheduled.write_due()
    assert found == []
