"""What a batch needs to know of ticket types, codes and queues, read under its events' locks.

An event without types has none of these, and none of the statements is run for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Select, and_, bindparam, or_, select

from webapp.booking.commands import BookTickets, Claim, Status
from webapp.booking.decisions import Request
from webapp.booking.inventory import inventory_of
from webapp.booking.ledger import Ledger
from webapp.booking.load import WAITING_PAGE, claim_columns, claim_of, waiting_list
from webapp.booking.ticket_types import CodeFigures, TypeFigures
from webapp.storage.rows import LockedEvent, TicketTypeRow
from webapp.storage.tables import bookings, code_types, promo_codes, queues, ticket_types

TypesOf = dict[int, dict[int, TypeFigures]]
CodesOf = dict[int, dict[str, CodeFigures]]

# Left alone, MySQL reads all who wait to find the first of each queue.
BY_WANTS = "FORCE INDEX (ix_booking_event_id_status_wants_position)"

_types = (
    select(ticket_types)
    .where(ticket_types.c.event_id.in_(bindparam("event_ids", expanding=True)))
    .order_by(ticket_types.c.event_id, ticket_types.c.place, ticket_types.c.number)
)
first_of_queue = (
    select(bookings.c.position)
    .with_hint(bookings, BY_WANTS, "mysql")
    .where(
        bookings.c.event_id == queues.c.event_id,
        bookings.c.status == Status.WAITING,
        bookings.c.wants == queues.c.wants,
    )
    # By all columns of the index: MySQL sorts a whole queue where it is asked for the last alone.
    .order_by(bookings.c.event_id, bookings.c.status, bookings.c.wants, bookings.c.position)
    .limit(1)
    .correlate(queues)
    .scalar_subquery()
)
_heads: Select[Any] = (
    select(*claim_columns)
    .select_from(queues)
    .join(
        bookings,
        and_(bookings.c.event_id == queues.c.event_id, bookings.c.position == first_of_queue),
    )
    .where(queues.c.waiting > 0)
)
heads_statement = _heads.where(queues.c.event_id == bindparam("event_id"))
_heads_in = _heads.where(queues.c.event_id.in_(bindparam("event_ids", expanding=True)))
_behind = (
    select(*claim_columns)
    .with_hint(bookings, BY_WANTS, "mysql")
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.status == Status.WAITING,
        bookings.c.wants == bindparam("wants"),
        bookings.c.position > bindparam("after"),
    )
    .order_by(bookings.c.position)
    .limit(WAITING_PAGE)
)


def types_of(connection: Connection, events: Iterable[LockedEvent], now: datetime) -> TypesOf:
    """The ticket types of events as they are at `now`: `{event_id: {number: figures}}`.

    Those of each event are in the order of its page. Nothing is read where no event has types.
    """
    found: TypesOf = {event.id: {} for event in events if event.types}
    if found:
        for row in connection.execute(_types, {"event_ids": list(found)}):
            found[row.event_id][row.number] = figures_of(cast(TicketTypeRow, row), now)
    return found


def figures_of(row: TicketTypeRow, now: datetime) -> TypeFigures:
    """A ticket type as it is at `now`."""
    return TypeFigures(
        row.number,
        row.name,
        row.quota,
        row.confirmed,
        row.min_tickets,
        row.max_tickets,
        is_on_sale=_is_between(row.sales_open_at, now, row.sales_close_at),
        hidden=row.hidden,
    )


def codes_of(
    connection: Connection,
    requests: Iterable[Request],
    claims: Mapping[int, Iterable[Claim]],
    now: datetime,
) -> CodesOf:
    """The codes that requests name or their bookings were made with: `{event_id: {text: code}}`.

    Nothing is read where there are none.
    """
    # A code that many name at once is asked for once.
    named = {
        (request.event_id, promo_codes.c.text, request.command.code)
        for request in requests
        if isinstance(request.command, BookTickets) and request.command.code
    } | {
        (event_id, promo_codes.c.number, claim.code)
        for event_id, known in claims.items()
        for claim in known
        if claim.code is not None
    }
    wanted = [
        and_(promo_codes.c.event_id == event_id, column == value)
        for event_id, column, value in named
    ]
    return read_codes(connection, wanted, now) if wanted else {}


def queues_of(connection: Connection, event_id: int) -> Mapping[str, Iterable[Claim]]:
    """The waiting list of an event in parts, each in order: `{wants: claims}`.

    The first of each part is read now, by one statement, those behind it when they are asked for.
    """
    heads = [claim_of(row) for row in connection.execute(heads_statement, {"event_id": event_id})]
    return {head.wants: _queue(connection, event_id, head) for head in heads}


def heads_in(connection: Connection, event_ids: Iterable[int]) -> dict[int, list[Claim]]:
    """The first of each part of the waiting lists of events, by one statement: `{id: claims}`."""
    heads: dict[int, list[Claim]] = {}
    for row in connection.execute(_heads_in, {"event_ids": list(event_ids)}):
        heads.setdefault(row.event_id, []).append(claim_of(row))
    return heads


def _queue(connection: Connection, event_id: int, head: Claim) -> Iterator[Claim]:
    yield head
    values = {"event_id": event_id, "wants": head.wants, "after": head.position}
    while True:
        page = [claim_of(row) for row in connection.execute(_behind, values)]
        yield from page
        if len(page) < WAITING_PAGE:
            return
        values["after"] = page[-1].position


def open_ledger(
    connection: Connection,
    event: LockedEvent,
    claims: Iterable[Claim],
    now: datetime,
    *,
    types: TypesOf | None = None,
    codes: CodesOf | None = None,
    moved_up_lately: Callable[[int], bool] = lambda _: False,
) -> Ledger:
    """A ledger on an event and its waiting list; `types` are read unless they are given."""
    if types is None:
        types = types_of(connection, [event], now)
    return Ledger(
        inventory_of(event, now, types.get(event.id, {})),
        claims,
        waiting_list(connection, event.id),
        queues=(lambda: queues_of(connection, event.id)) if event.types else None,
        codes=(codes or {}).get(event.id, {}),
        moved_up_lately=moved_up_lately,
    )


def _is_between(begin: datetime | None, now: datetime, end: datetime | None) -> bool:
    return (begin is None or begin <= now) and (end is None or now < end)


def read_codes(connection: Connection, wanted: Iterable[Any], now: datetime) -> CodesOf:
    """The codes that meet one of the conditions: `{event_id: {text: code}}`."""
    in_event = and_(
        code_types.c.event_id == promo_codes.c.event_id, code_types.c.code == promo_codes.c.number
    )
    query = (
        select(promo_codes, code_types.c.type)
        .outerjoin_from(promo_codes, code_types, in_event)
        .where(or_(*wanted))
    )
    found: CodesOf = {}
    for row in connection.execute(query):
        codes = found.setdefault(row.event_id, {})
        if row.text not in codes:
            codes[row.text] = CodeFigures(
                row.number,
                unlocks=row.unlocks,
                limit=row.ticket_limit,
                used=row.used,
                max_per_booking=row.max_per_booking,
                is_valid=_is_between(row.valid_from, now, row.valid_until),
            )
        if row.type is not None:
            codes[row.text].types |= {row.type}
    return found
