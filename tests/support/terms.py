"""Questions that leave, and terms that are over, without waiting for either."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select, update

from tests.support.fixtures import Clock
from webapp import clock
from webapp.booking import heartbeat, lapses
from webapp.booking.codes import token_for
from webapp.booking.commands import Outcome, TermKind
from webapp.booking.services import book_tickets, keep_booking
from webapp.storage import outbox
from webapp.storage.engines import write_engine
from webapp.storage.tables import events, terms
from webapp.storage.transaction import read

# Nothing listens there: what is sent is noted by `send_mails`.
MAIL_URL = "smtp://127.0.0.1:9"
BASE_URL = "https://tickets.example.org"


def ask(event_id: int, name: str, tickets: int = 1) -> Outcome:
    """Book for somebody whose address is asked."""
    address = f"{name}@example.org"
    return book_tickets(
        event_id, attendee_id=address, email=address, tickets=tickets, must_answer=True
    )


def send_mails() -> list[str]:
    """Note all that is due as sent, as a deliverer does, and return what kinds that was."""
    sent = []
    while (lease := outbox.lease(outbox.MAIL)).rows:
        for delivery in lease.rows:
            outbox.mark_sent(delivery, lapses.begin_term_of(delivery))
            sent.append(delivery.what)
    return sent


def answer(event_id: int, booked: Outcome) -> Outcome:
    """Press the button of the mail that asks for the address."""
    token = token_for(
        event_id, booked.position, purpose=TermKind.ADDRESS, reference=booked.reference
    )
    return keep_booking(event_id, position=booked.position, reference=booked.reference, token=token)


@contextmanager
def mails_configured() -> Iterator[None]:
    """Let the application believe for a while that it can send mails."""
    known = current_app.extensions["settings"]
    current_app.extensions["settings"] = replace(known, mail_url=MAIL_URL)
    try:
        yield
    finally:
        current_app.extensions["settings"] = known


def end_terms(event_id: int) -> None:
    """Let all open terms of an event have ended a minute ago."""
    past = clock.now() - timedelta(minutes=1)
    with write_engine().begin() as connection:
        ended = update(terms).where(
            terms.c.event_id == event_id, terms.c.is_open, terms.c.lapses_at.is_not(None)
        )
        connection.execute(ended.values(lapses_at=past))
        connection.execute(update(events).where(events.c.id == event_id).values(next_lapse_at=past))


def go(now: Clock, **distance: float) -> None:
    """Let time pass with a deliverer that is there."""
    now.go(**distance)
    heartbeat.beat(now())


def term_at(event_id: int, position: int) -> Any:
    query = select(terms).where(terms.c.event_id == event_id, terms.c.position == position)
    return read(lambda connection: connection.execute(query).one_or_none())


def next_lapse_of(event_id: int) -> datetime | None:
    query = select(events.c.next_lapse_at).where(events.c.id == event_id)
    found: datetime | None = read(lambda connection: connection.execute(query).scalar_one())
    return found
