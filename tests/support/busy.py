"""A small database in which everything that can happen to a booking has happened."""

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection, insert

from tests.support.drawing import give_picture
from tests.support.terms import answer, ask, end_terms, mails_configured, send_mails
from webapp import clock
from webapp.accounts.services import create_organizer
from webapp.booking import heartbeat
from webapp.booking.commands import organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.giving import give_ticket
from webapp.booking.links import replace_link_of
from webapp.booking.services import book_tickets, cancel_booking, change_tickets, take_free
from webapp.booking.type_services import TypeDetails, add_type, edit_type
from webapp.door.decide import Scan, What
from webapp.door.services import scan
from webapp.events.services import (
    EventDetails,
    cancel_event,
    create_event,
    edit_event,
    publish_event,
)
from webapp.storage import idempotency
from webapp.storage.tables import code_types, promo_codes
from webapp.storage.transaction import write


@dataclass(frozen=True, slots=True)
class Busy:
    """The ids of the events that `fill` made."""

    organizer: int
    hot: int
    started: int
    ended: int
    draft: int
    asked: int
    running: int
    typed: int


def fill() -> Busy:
    """Make events in every state; call it in an application context on an empty database."""
    owner = create_organizer(username="olga", password="a password for tests")
    hot, started, ended, draft, running = (
        _event(name, owner) for name in ("hot", "started", "ended", "draft", "running")
    )
    made = Busy(owner, hot, started, ended, draft, _asking(owner), running, _event("typed", owner))
    _fill_hot(made)
    _fill_started(made)
    _fill_running(made)
    _fill_asked(made)
    _fill_typed(made)
    for attendee in "ab":
        book_tickets(made.ended, attendee_id=attendee, tickets=3, email="ada@example.org")
    change_tickets(made.ended, position=1, tickets=5)
    for attendee in "cd":
        book_tickets(made.ended, attendee_id=attendee, tickets=4)
    take_free(made.ended, position=3, tickets=2)
    replace_link_of(made.ended, position=2, actor=organizer(owner))
    give_ticket(made.ended, position=1, name="Bob", email="bob@example.org")
    correct_booking(made.ended, position=2, name="Ada", email="grace@example.org")
    _scan(made, made.ended, 2, "in", 1)
    cancel_event(made.ended, actor=organizer(owner))
    details = EventDetails("renamed draft", 7, starts_at=clock.now() + timedelta(days=9))
    edit_event(made.draft, details, actor=organizer(owner))
    give_picture(made.draft, description="A square", actor=organizer(owner))
    return made


def _event(name: str, owner: int) -> int:
    return create_event(EventDetails(name, 10), actor=organizer(owner), published=name != "draft")


def _asking(owner: int) -> int:
    details = EventDetails("asked", 2, starts_at=clock.now() + timedelta(days=9))
    return create_event(details, actor=organizer(owner), published=True)


def _fill_asked(made: Busy) -> None:
    """Ends with position 1 lapsed, 2 kept, 3 asked and promoted, 4 waiting and about to be."""
    event = made.asked
    with mails_configured():
        ask(event, "a1")
        kept = ask(event, "a2")
        send_mails()
        answer(event, kept)
        end_terms(event)
        heartbeat.beat(clock.now())
        ask(event, "a3")
        send_mails()
        ask(event, "a4")


def _fill_hot(made: Busy) -> None:
    """Ends with positions 3-9 confirmed, 1 and 2 cancelled, 10 and 11 waiting, nothing free.

    One of the two people of position 4 is in.
    """
    event = made.hot
    for attendee in ("a1", "a2", "a3", "a4", "a5"):
        book_tickets(event, attendee_id=attendee, tickets=2)
    for attendee, tickets in (("w6", 3), ("w7", 1), ("w8", 2), ("w9", 1)):
        book_tickets(event, attendee_id=attendee, tickets=tickets)
    cancel_booking(event, position=1)
    cancel_booking(event, attendee_id="a2", actor=organizer(made.organizer))
    change_tickets(event, position=3, tickets=1)
    edit_event(event, EventDetails("hot", 11), actor=organizer(made.organizer))
    book_tickets(event, attendee_id="a1")
    change_tickets(event, position=6, tickets=2)
    key = idempotency.bind_key("book", caller="page", key="k", attendee="w11")
    for _ in range(2):
        book_tickets(event, attendee_id="w11", tickets=2, key=key)
    for what, count in (("in", 2), ("in", 1), ("out", 1)):
        _scan(made, event, 4, what, count)


def _scan(made: Busy, event_id: int, position: int, what: str, count: int) -> None:
    asked = Scan(str(uuid.uuid4()), What(what), position=position, count=count)
    scan(event_id, [asked], actor=organizer(made.organizer))


def _fill_started(made: Busy) -> None:
    """Ends with room that the waiting booking would fit in: promotion has ended."""
    for attendee in "abc":
        book_tickets(made.started, attendee_id=attendee, tickets=5)
    past = EventDetails("started", 10, starts_at=clock.now() - timedelta(hours=1))
    edit_event(made.started, past, actor=organizer(made.organizer))
    cancel_booking(made.started, position=1, actor=organizer(made.organizer))


def _fill_running(made: Busy) -> None:
    """Ends with positions 1 and 4 confirmed; 2 and 3 lapsed with the list when 4 was sold."""
    event = made.running
    for attendee in "abc":
        book_tickets(event, attendee_id=attendee, tickets=6)
    now = clock.now()
    runs = {"starts_at": now - timedelta(hours=1), "sales_close_at": now + timedelta(hours=1)}
    runs["ends_at"] = now + timedelta(hours=2)
    edit_event(event, EventDetails("running", 10, **runs), actor=organizer(made.organizer))  # type: ignore[arg-type]
    book_tickets(event, attendee_id="d", tickets=3)
    change_tickets(event, position=4, tickets=4)


def _fill_typed(made: Busy) -> None:
    """Ends with positions 3 to 8 confirmed: four VIP, four Standard, one Friend; one seat is free.

    9 and 12 wait for room and keep it from all behind, 10 waits for VIP, 11 for two types. 1 and 2
    are cancelled. Code 1 is for Friends: 3 of its 4 tickets are had.
    """
    event, me = made.typed, organizer(made.organizer)
    for attendee, tickets in (("a1", 2), ("a2", 6), ("a3", 2), ("a4", 1)):
        book_tickets(event, attendee_id=attendee, tickets=tickets)
    vip = TypeDetails("VIP", quota=12)
    for kind in (vip, TypeDetails("Standard"), TypeDetails("Friend", quota=2, hidden=True)):
        add_type(event, kind, actor=me)
    add_friends_code(event)
    cancel_booking(event, position=2)
    edit_type(event, 1, replace(vip, quota=5), actor=me)
    book_tickets(event, attendee_id="a5", wants={2: 3})
    change_tickets(event, position=5, wants={2: 4})
    change_tickets(event, position=5, wants={2: 2})
    book_tickets(event, attendee_id="a6", wants={1: 1, 2: 1})
    book_tickets(event, attendee_id="a7", wants={3: 1}, code="friends")
    cancel_booking(event, position=1)
    edit_type(event, 1, replace(vip, quota=4), actor=me)
    book_tickets(event, attendee_id="a8", wants={2: 1})
    book_tickets(event, attendee_id="a9", wants={2: 3})
    book_tickets(event, attendee_id="a10", wants={1: 2})
    book_tickets(event, attendee_id="a11", wants={2: 1, 3: 1}, code="FRIENDS")
    book_tickets(event, attendee_id="a12", wants={2: 3})


def add_friends_code(event_id: int) -> None:
    """A code that unlocks the third type of an event, for four tickets."""
    code = {"event_id": event_id, "number": 1, "text": "FRIENDS", "ticket_limit": 4}
    for_type = {"event_id": event_id, "code": 1, "type": 3}

    def work(connection: Connection) -> None:
        connection.execute(insert(promo_codes), code)
        connection.execute(insert(code_types), for_type)

    write(work)


def go_on(made: Busy) -> None:
    """Move the started event into the future again; publish the draft, and cancel it.

    The event with types is cancelled as well.
    """
    later = EventDetails("started", 10, starts_at=clock.now() + timedelta(days=1))
    edit_event(made.started, later, actor=organizer(made.organizer))
    publish_event(made.draft, actor=organizer(made.organizer))
    cancel_event(made.draft, actor=organizer(made.organizer))
    cancel_event(made.typed, actor=organizer(made.organizer))
