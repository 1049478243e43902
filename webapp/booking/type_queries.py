"""Reads what an event with ticket types offers now: for pages, the API and whoever waits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, bindparam, func, select

from webapp import clock
from webapp.booking import load
from webapp.booking.commands import Claim, Status
from webapp.booking.inventory import Inventory, available, inventory_of
from webapp.booking.line import Line, Walk
from webapp.booking.load_types import BY_WANTS, figures_of, heads_in, queues_of, types_of
from webapp.booking.takeable import Takeable, lacking, takeable, walk_ahead_of
from webapp.booking.ticket_types import TypeFigures, wants_of
from webapp.errors import EventNotFound
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.rows import BookingRow, EventRow, LockedEvent, TicketTypeRow
from webapp.storage.tables import bookings, events, queues, ticket_types
from webapp.storage.transaction import read

# How often it is read before the figures of several revisions have to do.
READS = 5

_event = select(*load.deciding_columns).where(events.c.id == bindparam("event_id"))
_revision = select(events.c.revision).where(events.c.id == bindparam("event_id"))
_types = (
    select(ticket_types)
    .where(ticket_types.c.event_id == bindparam("event_id"))
    .order_by(ticket_types.c.place, ticket_types.c.number)
)
_waiting = select(queues.c.wants, queues.c.waiting).where(
    queues.c.event_id == bindparam("event_id"), queues.c.waiting > 0
)
_ahead = (
    select(bookings.c.wants, func.count())
    .with_hint(bookings, BY_WANTS, "mysql")
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.status == Status.WAITING,
        bookings.c.wants.in_(bindparam("wants", expanding=True)),
        bookings.c.position < bindparam("position"),
    )
    .group_by(bookings.c.wants)
)


@dataclass(frozen=True, slots=True)
class TypedEvent:
    """An event with ticket types as of one revision.

    `types` are its types in the order of its page, `{number: row}`, `waiting` how many bookings
    wait for what, `{wants: bookings}`, and `heads` the first of each of those queues, in order of
    position. `walk` is the walk along all of them: it tells what a newcomer would find.
    """

    event: LockedEvent
    inventory: Inventory
    types: Mapping[int, TicketTypeRow]
    waiting: Mapping[str, int]
    heads: list[Claim]
    walk: Walk

    def figures(self, number: int) -> TypeFigures:
        return self.inventory.types[number]

    def available_of(self, number: int) -> int:
        """Tickets of a type that a newcomer could have at once, whether or not it is on sale."""
        if self.event.status == "cancelled" or self.walk.keeps_back(f"{number}:1"):
            return 0
        return max(0, self.inventory.free_for(f"{number}:1"))

    def waiting_for(self, number: int) -> int:
        """How many bookings that wait want any of a type."""
        return sum(count for wants, count in self.waiting.items() if number in wants_of(wants))

    @property
    def available(self) -> int:
        """Tickets that newcomers could have at once, of all types that are not hidden together."""
        shown = [kind for kind in self.inventory.types.values() if not kind.hidden]
        return min(self.inventory.free, sum(self.available_of(kind.number) for kind in shown))

    def takeable(self, booking: BookingRow | Claim) -> Takeable:
        """What a booking that waits could have at once in place of all it waits for."""
        ahead = walk_ahead_of(booking.position, self.heads, self.inventory)
        return takeable(booking.tickets, booking.wants, ahead)


class Lack(NamedTuple):
    """A type that somebody who waits lacks: the tickets of it that are left, and who is ahead.

    `ahead` counts the bookings ahead that want any of it as well.
    """

    type: int
    left: int
    ahead: int


class Standing(NamedTuple):
    """What a booking waits for: the types that it lacks, or where there are none, for room alone.

    `ahead` counts all the bookings ahead: they all compete for room.
    """

    lacks: list[Lack]
    ahead: int


def standing_of(found: TypedEvent, booking: BookingRow, *, rank: int) -> Standing:
    """Where a waiting booking stands; `rank` is its place in the whole list.

    Those ahead of it are counted by an index, by one statement, and only in queues for what it
    lacks. Raises `Unavailable`.
    """
    lacks = lacking(booking.position, booking.wants, found.heads, found.inventory)
    wanted = [wants for wants in found.waiting if wants_of(wants).keys() & set(lacks)]
    values = {"event_id": found.event.id, "wants": wanted, "position": booking.position}
    rows = read(lambda connection: connection.execute(_ahead, values).all()) if wanted else []
    return Standing(
        [
            Lack(
                number,
                # Only of a type that has a quota anybody can lack any.
                left=found.figures(number).left or 0,
                ahead=sum(count for wants, count in rows if number in wants_of(wants)),
            )
            for number in lacks
        ],
        rank - 1,
    )


def read_types(event_id: int) -> TypedEvent:
    """An event with ticket types as it is now, read once for all who ask at the same time.

    Raises `EventNotFound`, `Unavailable`.
    """
    return type_reads.own.submit(event_id, None)


def _read_types(event_id: int, readers: list[None]) -> list[TypedEvent]:
    now = clock.now()

    def work(connection: Connection) -> TypedEvent:
        # Statements that follow each other may see different revisions: then they are read again.
        for _ in range(READS):
            found = typed_event(connection, event_id, now)
            if (
                connection.execute(_revision, {"event_id": event_id}).scalar()
                == found.event.revision
            ):
                break
        return found

    return [read(work)] * len(readers)


type_reads: PerApp[Batcher[int, None, TypedEvent]] = PerApp(lambda: Batcher(_read_types))


def availability_of(listed: Iterable[EventRow]) -> dict[int, int]:
    """Tickets that newcomers could have at once of each event: `{event_id: tickets}`.

    Without ticket types nothing is read; of those with types the types by one statement, and who is
    first for what by one more where somebody waits. Raises `Unavailable`.
    """
    now, listed = clock.now(), list(listed)
    found = {event.id: available(event, now) for event in listed if not event.types}
    typed = [event for event in listed if event.types]

    def work(connection: Connection) -> dict[int, int]:
        types = types_of(connection, typed, now)
        heres = [(event, inventory_of(event, now, types[event.id])) for event in typed]
        waited = [event.id for event, here in heres if here.waiting and here.promotes]
        heads = heads_in(connection, waited) if waited else {}
        left = {}
        for event, here in heres:
            walk = _line_of(heads.get(event.id, ())).walk_to_end(here)
            left[event.id] = TypedEvent(event, here, {}, {}, [], walk).available
        return left

    return {**found, **read(work)} if typed else found


def _line_of(heads: Iterable[Claim]) -> Line:
    """The waiting list, of which only the first of each part is known."""
    parts = {head.wants: [head] for head in heads}
    return Line(lambda: parts, {})


def typed_event(connection: Connection, event_id: int, now: datetime) -> TypedEvent:
    """An event with ticket types as a transaction sees it. Raises `EventNotFound`."""
    values: dict[str, Any] = {"event_id": event_id}
    event = connection.execute(_event, values).one_or_none()
    if event is None:
        raise EventNotFound
    rows = cast(list[TicketTypeRow], connection.execute(_types, values).all())
    return _typed(connection, cast(LockedEvent, event), rows, now)


def _typed(
    connection: Connection, event: LockedEvent, rows: Sequence[TicketTypeRow], now: datetime
) -> TypedEvent:
    """An event with types, the rows of which are known."""
    types = {row.number: figures_of(row, now) for row in rows}
    inventory = inventory_of(event, now, types)
    waiting: dict[str, int] = {}
    line = Line(dict, {})
    if inventory.waiting and inventory.promotes:
        found = connection.execute(_waiting, {"event_id": event.id})
        waiting = {row.wants: row.waiting for row in found}
        parts = queues_of(connection, event.id)
        line = Line(lambda: parts, {})
    heads = line.heads()
    return TypedEvent(
        event,
        inventory,
        {row.number: row for row in rows},
        waiting,
        heads,
        line.walk_to_end(inventory),
    )


def names_of(event: LockedEvent) -> dict[int, str]:
    """The names of an event's ticket types in the order of its page: `{number: name}`.

    Nothing is read for an event without types. Raises `Unavailable`.
    """
    if not event.types:
        return {}
    rows = read(lambda connection: connection.execute(_types, {"event_id": event.id}).all())
    return {row.number: row.name for row in rows}
