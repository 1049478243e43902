"""Who came: what the door has noted, for the organizer of an event."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from webapp.booking.access import check_own
from webapp.booking.commands import Actor, Status
from webapp.booking.queries import PORTION, event_bookings
from webapp.booking.ticket_types import wants_of
from webapp.door.queries import Figures, figures_on
from webapp.storage.rows import BookingRow, LockedEvent
from webapp.storage.tables import admissions, bookings, scans, ticket_types
from webapp.storage.transaction import read


class Shown(StrEnum):
    """What the list of who came can be narrowed to."""

    IN = "in"
    MISSING = "missing"
    TWICE = "twice"


class Arrival(NamedTuple):
    """When the first of a booking came and by whom they were let in, in order; `twice` once more.

    `actors` are as the history keeps them: `door:3`, `organizer:7`.
    """

    first_at: datetime | None
    actors: Sequence[str]
    twice: int


class TypeAtDoor(NamedTuple):
    """How many tickets of a type are out, and with how many of them somebody is certainly in."""

    name: str
    of: int
    inside: int


class ByType(NamedTuple):
    """How the door stands by ticket type, in their order.

    Nobody is asked with which ticket of a party they come. So of parties that have several types
    and are in only in part, `unsure` people are counted with no type.
    """

    types: Sequence[TypeAtDoor]
    unsure: int


NOBODY = Arrival(None, (), 0)


def figures_of(event: LockedEvent, *, actor: Actor) -> Figures:
    """How the door of an event stands, for its organizer. Raises `EventNotFound`, `Unavailable`."""
    check_own(event, actor)
    return read(lambda connection: figures_on(connection, event))


def figures_by_type(event: LockedEvent, *, actor: Actor) -> ByType | None:
    """How the door stands by ticket type; none where there are no types.

    Raises `EventNotFound`, `Unavailable`.
    """
    check_own(event, actor)
    if not event.types:
        return None
    kinds = (
        select(ticket_types.c.number, ticket_types.c.name, ticket_types.c.confirmed)
        .where(ticket_types.c.event_id == event.id)
        .order_by(ticket_types.c.place, ticket_types.c.number)
    )
    is_whole = bookings.c.admitted == bookings.c.tickets
    parties = (
        select(bookings.c.wants, is_whole, func.sum(bookings.c.admitted), func.count())
        .where(bookings.c.event_id == event.id, bookings.c.admitted > 0)
        .group_by(bookings.c.wants, is_whole)
    )

    def work(connection: Connection) -> ByType:
        inside: Counter[int] = Counter()
        unsure = 0
        for wants, whole, people, count in connection.execute(parties):
            wanted = wants_of(wants)
            if len(wanted) == 1:
                inside.update(dict.fromkeys(wanted, int(people)))
            elif whole:
                inside.update({number: tickets * count for number, tickets in wanted.items()})
            else:
                unsure += int(people)
        rows = connection.execute(kinds)
        types = [TypeAtDoor(row.name, row.confirmed, inside[row.number]) for row in rows]
        return ByType(types, unsure)

    return read(work)


def who_came(
    event: LockedEvent,
    *,
    actor: Actor,
    shown: Shown | None = None,
    search: str = "",
    after: int = 0,
    limit: int = 50,
) -> list[BookingRow]:
    """Bookings that may come in or are in, in order of position, from behind `after`.

    `search` finds what it finds among all bookings. Raises `EventNotFound`.
    """
    return event_bookings(
        event, actor=actor, only=_those(event, shown), search=search, after=after, limit=limit
    )


def all_who_came(event: LockedEvent, *, actor: Actor) -> Iterator[Sequence[BookingRow]]:
    """All of them, a portion at a time, each a read of its own. Raises `EventNotFound`."""
    after = 0
    while portion := who_came(event, actor=actor, after=after, limit=PORTION):
        yield portion
        after = portion[-1].position


def arrivals_of(event_id: int, positions: Sequence[int]) -> dict[int, Arrival]:
    """When those at some positions came, and by whom they were let in: `{position: arrival}`.

    Who is neither in nor was let in twice is left out.
    """
    if not positions:
        return {}
    within = admissions.c.position.in_(positions)
    came = (
        select(admissions.c.position, admissions.c.at, scans.c.actor)
        .join(
            scans,
            and_(scans.c.event_id == admissions.c.event_id, scans.c.id == admissions.c.scan_id),
        )
        .where(admissions.c.event_id == event_id, within)
        .order_by(admissions.c.position, admissions.c.at, admissions.c.number)
    )
    again = select(scans.c.position, scans.c.twice, scans.c.actor).where(
        scans.c.event_id == event_id, scans.c.twice > 0, scans.c.position.in_(positions)
    )

    def work(connection: Connection) -> dict[int, Arrival]:
        found: dict[int, Arrival] = {}
        for position, at, by in connection.execute(came):
            first = found.get(position, NOBODY)
            found[position] = Arrival(first.first_at or at, _with(first.actors, by), 0)
        for position, twice, by in connection.execute(again):
            first = found.get(position, NOBODY)
            found[position] = Arrival(first.first_at, _with(first.actors, by), first.twice + twice)
        return found

    return read(work)


def let_in_twice(events: Iterable[LockedEvent], *, actor: Actor, since: datetime) -> dict[int, int]:
    """How many people came in on a used ticket, as is known since a moment: `{event_id: people}`.

    Events without any are left out. Raises `EventNotFound`.
    """
    ids = []
    for event in events:
        check_own(event, actor)
        ids.append(event.id)
    query = (
        select(scans.c.event_id, func.sum(scans.c.twice))
        .where(scans.c.event_id.in_(ids), scans.c.twice > 0, scans.c.received_at >= since)
        .group_by(scans.c.event_id)
    )
    rows = read(lambda connection: connection.execute(query).all()) if ids else []
    return {row[0]: int(row[1]) for row in rows}


def _with(actors: Sequence[str], one: str) -> Sequence[str]:
    return actors if one in actors else (*actors, one)


def _those(event: LockedEvent, shown: Shown | None) -> Sequence[ColumnElement[bool]]:
    """Which bookings belong to a list."""
    admitted, tickets = bookings.c.admitted, bookings.c.tickets
    confirmed = bookings.c.status == Status.CONFIRMED
    match shown:
        case Shown.IN:
            return [admitted > 0]
        case Shown.MISSING:
            return [confirmed, admitted < tickets]
        case Shown.TWICE:
            twice = select(scans.c.position).where(scans.c.event_id == event.id, scans.c.twice > 0)
            return [bookings.c.position.in_(twice)]
    # Who came to an event that was cancelled meanwhile came all the same.
    return [or_(confirmed, admitted > 0)]
