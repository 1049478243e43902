"""What an event with ticket types would answer to somebody: told before it is asked."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from webapp import clock
from webapp.booking.commands import ATTENDEE, BookTickets, Outcome, Refusal, takes_tickets
from webapp.booking.inventory import Inventory, inventory_of
from webapp.booking.ledger import Ledger
from webapp.booking.line import Line
from webapp.booking.load_types import figures_of, read_codes
from webapp.booking.ticket_types import CodeFigures, Wants, text_of, wants_of
from webapp.booking.type_queries import TypedEvent
from webapp.booking.wishes import Access
from webapp.storage.rows import BookingRow, LockedEvent
from webapp.storage.tables import promo_codes, ticket_types
from webapp.storage.transaction import read


def names_in(event_ids: Iterable[int]) -> dict[int, dict[int, str]]:
    """The names of the types of some events: `{event_id: {type: name}}`, by one statement.

    Raises `Unavailable`.
    """
    wanted = list(event_ids)
    query = (
        select(ticket_types.c.event_id, ticket_types.c.number, ticket_types.c.name)
        .where(ticket_types.c.event_id.in_(wanted))
        .order_by(ticket_types.c.place, ticket_types.c.number)
    )
    found: dict[int, dict[int, str]] = {}
    for event_id, number, name in read(lambda c: c.execute(query).all()) if wanted else ():
        found.setdefault(event_id, {})[number] = name
    return found


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
    parts = {head.wants: [head] for head in found.heads}
    walk = Line(lambda: parts, {}).walk_to_end(inventory)
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


def more_of(found: TypedEvent, booking: BookingRow, code: CodeFigures | None) -> dict[int, int]:
    """Tickets of each type that the attendee of a booking can have besides, at once: `{type: n}`.

    `code` is the one that it was made with. Types of which none can be had are left out.
    """
    here, has = found.inventory, wants_of(booking.wants)
    if here.closure or not takes_tickets(booking.status):
        return {}
    access, most = Access(code), here.most - booking.tickets
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
