"""What an event with ticket types would answer to somebody: told before it is asked."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from webapp import clock
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    Claim,
    Outcome,
    Refusal,
    takes_tickets,
)
from webapp.booking.inventory import Inventory, inventory_of
from webapp.booking.ledger import Ledger
from webapp.booking.line import Line
from webapp.booking.load import claim_columns, claim_of
from webapp.booking.load_types import figures_of, first_of_queue, read_codes, types_of
from webapp.booking.ticket_types import CodeFigures, Wants, text_of, wants_of
from webapp.booking.type_queries import TypedEvent
from webapp.booking.wishes import access_of
from webapp.storage.rows import BookingRow, LockedEvent
from webapp.storage.tables import bookings, promo_codes, queues
from webapp.storage.transaction import read

_heads: Select[Any] = (
    select(*claim_columns)
    .select_from(queues)
    .join(
        bookings,
        (bookings.c.event_id == queues.c.event_id) & (bookings.c.position == first_of_queue),
    )
    .where(queues.c.event_id.in_(bindparam("event_ids", expanding=True)), queues.c.waiting > 0)
    .order_by(queues.c.event_id)
)


def available_of(events: Iterable[LockedEvent]) -> dict[int, int]:
    """Tickets that newcomers could have at once, of those events that have types: `{id: tickets}`.

    Hidden types do not count. It takes two statements for all of them, and none where there are
    none. Raises `Unavailable`.
    """
    typed = [event for event in events if event.types]
    return read(lambda connection: _available_of(connection, typed, clock.now())) if typed else {}


def _available_of(
    connection: Connection, events: list[LockedEvent], now: datetime
) -> dict[int, int]:
    types = types_of(connection, events, now)
    inventories = {event.id: inventory_of(event, now, types[event.id]) for event in events}
    heads: dict[int, list[Claim]] = {}
    if asked := [id_ for id_, here in inventories.items() if here.waiting and here.promotes]:
        rows = connection.execute(_heads, {"event_ids": asked}).all()
        for id_, found in groupby(rows, key=attrgetter("event_id")):
            heads[id_] = [claim_of(row) for row in found]
    available = {}
    for event in events:
        here, first = inventories[event.id], heads.get(event.id, [])
        walk = _line_of(first).walk_to_end(here)
        available[event.id] = TypedEvent(event, here, {}, {}, first, walk).available
    return available


def _line_of(heads: Iterable[Claim]) -> Line:
    parts = {head.wants: [head] for head in heads}
    return Line(lambda: parts, {})


def code_of_booking(booking: BookingRow) -> CodeFigures | None:
    """The code that a booking was made with, if any, as it is now."""
    if booking.code is None:
        return None
    its = (promo_codes.c.event_id == booking.event_id) & (promo_codes.c.number == booking.code)
    codes = read(lambda connection: read_codes(connection, [its], clock.now()))
    return next(iter(codes.get(booking.event_id, {}).values()), None)


def opened(found: TypedEvent, event: LockedEvent, at: datetime) -> TypedEvent:
    """An event as it will be at its opening, or as everybody will see a draft."""
    types = {number: figures_of(row, at) for number, row in found.types.items()}
    inventory = inventory_of(event, at, types)
    walk = _line_of(found.heads).walk_to_end(inventory)
    return replace(found, event=event, inventory=inventory, walk=walk)


def would_book(found: TypedEvent, wants: Wants, code: CodeFigures | None) -> Outcome | Refusal:
    """What a newcomer would be told who asked for these tickets now, by the ledger itself.

    A code that is for none of them goes unused.
    """
    named = "named" if code and any(code.is_for(number) for number in wants) else None
    ledger = Ledger(
        _copy(found.inventory),
        queues=lambda: {head.wants: [replace(head)] for head in found.heads},
        codes={named: code} if named and code else {},
    )
    command = BookTickets("", sum(wants.values()), wants=text_of(wants), code=named)
    return ledger.decide(command, ATTENDEE)


def _copy(inventory: Inventory) -> Inventory:
    types = {number: replace(kind) for number, kind in inventory.types.items()}
    return replace(inventory, types=types)


def more_of(
    found: TypedEvent, booking: BookingRow, code: CodeFigures | None, who: Actor = ATTENDEE
) -> dict[int, int]:
    """Tickets of each type that a booking can have besides, at once, from who acts: `{type: n}`.

    `code` is the one that it was made with. Types of which none can be had are left out.
    """
    here, has = found.inventory, wants_of(booking.wants)
    if here.is_closed_to(who, past_sale=True) or not takes_tickets(booking.status):
        return {}
    access = access_of(here, who, code, past_sale=True)
    most = here.most - booking.tickets
    if code and code.left is not None:
        most = min(most, code.left)
    if code and code.max_per_booking is not None:
        most = min(most, code.max_per_booking - booking.tickets)
    more = {}
    for number, kind in here.types.items():
        limits = [most, found.available_of(number)]
        if kind.most is not None:
            limits.append(kind.most - has.get(number, 0))
        if access.may_have(kind) and min(limits) > 0:
            more[number] = min(limits)
    return more
