"""What the door reads: the list of its guests, what changed in it, figures, guests by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, or_, select

from webapp.booking.codes import TICKET_CODE, code_hash
from webapp.door.load import normal_code, pass_names, shown_name
from webapp.errors import EventNotFound
from webapp.storage.engines import dialect
from webapp.storage.rows import EventRow, LockedEvent
from webapp.storage.search import finds
from webapp.storage.tables import activities, admissions, bookings, events, old_codes, scans
from webapp.storage.transaction import read

# Characters of the SHA-256 of a ticket code, in hex: nobody can use or find the code by them.
HASH_LENGTH = 24
# With more changes than these the whole list is sent again.
MOST_CHANGES = 1000
LAST_SCANS = 20
MOST_FOUND = 20


class Guest(NamedTuple):
    """A booking as a device keeps it; `code_hash` is the beginning of the hash of its code."""

    code_hash: str
    position: int
    name: str
    status: str
    tickets: int
    admitted: int


class Figures(NamedTuple):
    """How many people are in, `of` how many with a ticket, and `twice` on a used one."""

    inside: int
    of: int
    twice: int

    @property
    def missing(self) -> int:
        """How many tickets nobody has come in with; none of an event that was cancelled."""
        return max(0, self.of - self.inside)


@dataclass(frozen=True, slots=True)
class DoorList:
    """The guests of an event as of a revision: all of them, or those that changed since.

    `replaced` are the beginnings of the hashes of codes that are good no more.
    """

    event: EventRow
    is_whole: bool
    guests: Sequence[Guest]
    replaced: Sequence[str]
    figures: Figures

    @property
    def revision(self) -> int:
        return self.event.revision


class SeenScan(NamedTuple):
    """A scan as it is told at the door."""

    id: str
    what: str
    verdict: str
    people: int
    moved: int
    position: int | None
    name: str | None
    at: datetime
    by: str


class Arrival(NamedTuple):
    """A booking of which somebody is in; `by` is empty where the organizer let them in.

    `wants` is as in `Claim`.
    """

    position: int
    reference: str
    name: str
    tickets: int
    admitted: int
    first_at: datetime
    by: str
    wants: str = ""


def door_list(event_id: int, *, since: int | None = None) -> DoorList:
    """The list of an event, or what changed in it since a revision of it.

    Raises `EventNotFound`, `Unavailable`.
    """

    def work(connection: Connection) -> DoorList:
        # First of all: what is committed later is told by the next list again.
        event = _event(connection, event_id)
        changed = _changed_since(connection, event, since)
        here = [bookings.c.event_id == event_id]
        void = [old_codes.c.event_id == event_id, old_codes.c.kind == TICKET_CODE]
        if changed is not None:
            here.append(bookings.c.position.in_(changed))
            void.append(old_codes.c.position.in_(changed))
        guests = [
            Guest(
                code_hash(row.ticket_code)[:HASH_LENGTH],
                row.position,
                shown_name(row),
                row.status,
                row.tickets,
                row.admitted,
            )
            for row in connection.execute(
                select(*_guest).where(*here).order_by(bookings.c.position)
            )
        ]
        hashes = connection.execute(select(old_codes.c.code_hash).where(*void)).scalars()
        replaced = sorted(found[:HASH_LENGTH] for found in hashes)
        figures = figures_on(connection, event)
        return DoorList(event, changed is None, guests, replaced, figures)

    return read(work)


def door_figures(event_id: int) -> tuple[Figures, list[SeenScan]]:
    """How the door stands, with its last scans, newest first.

    Raises `EventNotFound`, `Unavailable`.
    """

    def work(connection: Connection) -> tuple[Figures, list[SeenScan]]:
        event = _event(connection, event_id)
        return figures_on(connection, event), _last_scans(connection, event_id)

    return read(work)


def find_guests(event_id: int, search: str) -> list[Guest]:
    """Guests by words of their name in any order, or by their ticket code; the active ones first.

    Raises `Unavailable`.
    """
    ways = []
    words = finds(search, dialect=dialect(), said=[bookings.c.name, bookings.c.attendee_id])
    if words is not None:
        ways.append(words)
    code = normal_code(search)
    if code and code.isascii():
        ways.append(bookings.c.ticket_code == code)
    if not ways:
        return []
    query = (
        select(*_guest)
        .where(bookings.c.event_id == event_id, or_(*ways))
        .order_by(bookings.c.active.is_(None), bookings.c.position)
        .limit(MOST_FOUND)
    )
    return [
        Guest("", row.position, shown_name(row), row.status, row.tickets, row.admitted)
        for row in read(lambda connection: connection.execute(query).all())
    ]


def arrivals(event_id: int, *, after: int = 0, limit: int = 50) -> list[Arrival]:
    """Who is in, in order of position, from behind the position `after`. Raises `Unavailable`."""
    query = (
        select(bookings, admissions.c.at, scans.c.actor)
        .join(
            admissions,
            and_(
                admissions.c.event_id == bookings.c.event_id,
                admissions.c.position == bookings.c.position,
            ),
        )
        .join(
            scans,
            and_(scans.c.event_id == admissions.c.event_id, scans.c.id == admissions.c.scan_id),
        )
        .where(
            bookings.c.event_id == event_id,
            bookings.c.position > after,
            admissions.c.number == 1,
        )
        .order_by(bookings.c.position)
        .limit(limit)
    )

    def work(connection: Connection) -> list[Arrival]:
        rows = connection.execute(query).all()
        names = pass_names(connection, event_id) if rows else {}
        return [
            Arrival(
                row.position,
                row.reference,
                shown_name(row),
                row.tickets,
                row.admitted,
                row.at,
                names.get(row.actor, ""),
                row.wants,
            )
            for row in rows
        ]

    return read(work)


_guest = (
    bookings.c.position,
    bookings.c.name,
    bookings.c.attendee_id,
    bookings.c.status,
    bookings.c.tickets,
    bookings.c.admitted,
    bookings.c.ticket_code,
)


def _event(connection: Connection, event_id: int) -> Any:
    event = connection.execute(select(events).where(events.c.id == event_id)).one_or_none()
    if event is None:
        raise EventNotFound
    return event


def _changed_since(
    connection: Connection, event: EventRow, since: int | None
) -> Sequence[int] | None:
    """The positions that changed after a revision; None where the whole list is due.

    Every change of a booking has a line of history with the revision that it made.
    """
    # A revision that is still to come was seen in a database that was restored since.
    if since is None or since > event.revision:
        return None
    query = (
        select(activities.c.position)
        .where(
            activities.c.event_id == event.id,
            activities.c.revision > since,
            activities.c.position.is_not(None),
        )
        .distinct()
        .limit(MOST_CHANGES + 1)
    )
    found = list(connection.execute(query).scalars())
    return found if len(found) <= MOST_CHANGES else None


def figures_on(connection: Connection, event: LockedEvent) -> Figures:
    """How the door of an event stands."""
    inside = select(func.count()).where(admissions.c.event_id == event.id)
    twice = select(func.coalesce(func.sum(scans.c.twice), 0)).where(
        scans.c.event_id == event.id, scans.c.twice > 0
    )
    counts = [int(connection.execute(query).scalar_one()) for query in (inside, twice)]
    return Figures(counts[0], event.confirmed, counts[1])


def _last_scans(connection: Connection, event_id: int) -> list[SeenScan]:
    of_booking = and_(
        bookings.c.event_id == scans.c.event_id, bookings.c.position == scans.c.position
    )
    query = (
        select(scans, bookings.c.name, bookings.c.attendee_id)
        .join(bookings, of_booking, isouter=True)
        .where(scans.c.event_id == event_id)
        .order_by(scans.c.received_at.desc(), scans.c.id)
        .limit(LAST_SCANS)
    )
    rows = connection.execute(query).all()
    names = pass_names(connection, event_id) if rows else {}
    return [
        SeenScan(
            row.id,
            row.what,
            row.verdict,
            row.people,
            row.moved,
            row.position,
            None if row.position is None else shown_name(row),
            row.received_at,
            names.get(row.actor, ""),
        )
        for row in rows
    ]
