"""Writes what a batch has made of ticket types, queues and codes; nothing for a plain event.

It is part of `save`, in a transaction that writes the event under the guard of its revision.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, func, select, update

from webapp.booking.change import EventChange
from webapp.booking.line import InconsistentLedger
from webapp.storage.counters import Amounts, add_or_insert, add_to
from webapp.storage.tables import bookings, promo_codes, queues, ticket_types

_of_type = (ticket_types.c.event_id, ticket_types.c.number)
_of_queue = (queues.c.event_id, queues.c.wants)
_of_code = (promo_codes.c.event_id, promo_codes.c.number)

_had_with_code = (
    select(func.coalesce(func.sum(bookings.c.tickets), 0))
    .where(
        bookings.c.event_id == promo_codes.c.event_id,
        bookings.c.code == promo_codes.c.number,
        bookings.c.active == 1,
    )
    .correlate(promo_codes)
    .scalar_subquery()
)
_empty_queues = update(queues).where(queues.c.event_id == bindparam("of_event")).values(waiting=0)
_count_codes = (
    update(promo_codes)
    .where(promo_codes.c.event_id == bindparam("of_event"))
    .values(used=_had_with_code)
)


def save_queues_and_codes(connection: Connection, changes: Iterable[EventChange]) -> None:
    """Move the counters of queues and codes by what bookings have done to them.

    Raises `InconsistentLedger` when a queue or a code is not there.
    """
    typed = [change for change in changes if change.event.types]
    if not typed:
        return
    queued: dict[tuple[int, str], int] = {}
    used: dict[tuple[int, int], int] = {}
    for change in typed:
        event_id, journal = change.event.id, change.ledger.journal
        queued.update({(event_id, wants): by for wants, by in journal.queues.items() if by})
        if journal.list_end is None:
            used.update({(event_id, number): by for number, by in journal.codes.items() if by})
        else:
            end_queues(connection, event_id)
    shrunk = {key: by for key, by in queued.items() if by < 0}
    grown = {key: by for key, by in queued.items() if by > 0}
    if shrunk:
        _expect(len(shrunk), add_to(connection, _of_queue, queues.c.waiting, shrunk))
    if grown:
        add_or_insert(connection, _of_queue, queues.c.waiting, grown)
    if used:
        _expect(len(used), add_to(connection, _of_code, promo_codes.c.used, used))


def save_types(connection: Connection, changes: Iterable[EventChange]) -> None:
    """Count what has been taken of each type. Raises `InconsistentLedger`."""
    taken: Amounts = {
        (change.event.id, number): kind.confirmed - before
        for change in changes
        for number, kind in change.ledger.inventory.types.items()
        if (before := change.taken_before.get(number, 0)) != kind.confirmed
    }
    if taken:
        _expect(len(taken), add_to(connection, _of_type, ticket_types.c.confirmed, taken))


def end_queues(connection: Connection, event_id: int) -> None:
    """Nobody waits any more; what is had with each code is counted anew."""
    connection.execute(_empty_queues, {"of_event": event_id})
    connection.execute(_count_codes, {"of_event": event_id})


def _expect(wanted: int, changed: int) -> None:
    if changed != wanted:
        raise InconsistentLedger(f"{wanted} counters should have moved, {changed} did")
