"""What scans need to know of an event's guests, read under its lock, all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select

from webapp.booking.codes import TICKET_CODE, code_hash
from webapp.booking.commands import door
from webapp.booking.guests import is_guest_id
from webapp.door.decide import Guest, Scan, Verdict
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import (
    admissions,
    bookings,
    door_passes,
    events,
    old_codes,
    scans,
    ticket_types,
)

# How people read the letters that no code has.
MISREAD = str.maketrans("OIL", "011", " -\t")

_guest_columns = (
    bookings.c.event_id,
    bookings.c.position,
    bookings.c.status,
    bookings.c.tickets,
    bookings.c.admitted,
    bookings.c.name,
    bookings.c.attendee_id,
    bookings.c.ticket_code,
    bookings.c.wants,
)


# Made once, so that the text of each is also made once.
_before = (
    select(scans, bookings.c.name, bookings.c.attendee_id)
    .join(
        bookings,
        and_(bookings.c.event_id == scans.c.event_id, bookings.c.position == scans.c.position),
        isouter=True,
    )
    .where(
        scans.c.event_id == bindparam("event_id"),
        scans.c.id.in_(bindparam("ids", expanding=True)),
    )
)
_with_codes = select(*_guest_columns).where(
    bookings.c.ticket_code.in_(bindparam("codes", expanding=True))
)
_at_positions = select(*_guest_columns).where(
    bookings.c.event_id == bindparam("event_id"),
    bookings.c.position.in_(bindparam("positions", expanding=True)),
)
_first_in = (
    select(admissions.c.position, admissions.c.at, scans.c.actor)
    .join(
        scans,
        and_(scans.c.event_id == admissions.c.event_id, scans.c.id == admissions.c.scan_id),
    )
    .where(
        admissions.c.event_id == bindparam("event_id"),
        admissions.c.position.in_(bindparam("positions", expanding=True)),
        admissions.c.number == 1,
    )
)


def normal_code(text: str) -> str:
    """A ticket code as it is kept, from one that was scanned or typed."""
    return text.upper().translate(MISREAD)


def shown_name(booking: Any) -> str:
    """The name of a booking, or what an integration calls it; never an address."""
    if booking.name or "@" in booking.attendee_id or is_guest_id(booking.attendee_id):
        return str(booking.name)
    return str(booking.attendee_id)


@dataclass(slots=True)
class Seen:
    """A scan that was decided before, with the name of its guest."""

    row: Any
    name: str | None


@dataclass
class Found:
    """What the scans of one call are about.

    `before` are those decided before: `{id: Seen}`. Guests of the event stand under their codes
    and positions; a code that is good elsewhere, or was, has its verdict in `elsewhere`, with the
    name of the organizer's other event that it belongs to.
    """

    connection: Connection
    event: LockedEvent
    before: dict[str, Seen] = field(default_factory=dict)
    by_code: dict[str, Guest] = field(default_factory=dict)
    by_position: dict[int, Guest] = field(default_factory=dict)
    elsewhere: dict[str, tuple[Verdict, str | None]] = field(default_factory=dict)

    def guest_of(self, scan: Scan) -> Guest | None:
        """The guest whom a scan names, if there is one."""
        if scan.code is None:
            return self.by_position.get(scan.position or 0)
        return self.by_code.get(normal_code(scan.code))

    def verdict_without_guest(self, scan: Scan) -> tuple[Verdict, str | None]:
        """What a scan is that names no guest of the event, and for which event it would be good."""
        code = normal_code(scan.code or "")
        return self.elsewhere.get(code, (Verdict.UNKNOWN, None))

    @cached_property
    def pass_names(self) -> dict[str, str]:
        """The names of the event's devices."""
        return pass_names(self.connection, self.event.id)

    @cached_property
    def type_names(self) -> dict[int, str]:
        """The names of the event's ticket types; nothing is read where it has none."""
        return type_names(self.connection, self.event)


def pass_names(connection: Connection, event_id: int) -> dict[str, str]:
    """The names of an event's devices, each under what the history calls it."""
    query = select(door_passes.c.id, door_passes.c.name).where(door_passes.c.event_id == event_id)
    return {str(door(row.id)): row.name for row in connection.execute(query)}


def type_names(connection: Connection, event: LockedEvent) -> dict[int, str]:
    """The names of an event's ticket types in their order: `{number: name}`."""
    if not event.types:
        return {}
    query = (
        select(ticket_types.c.number, ticket_types.c.name)
        .where(ticket_types.c.event_id == event.id)
        .order_by(ticket_types.c.place, ticket_types.c.number)
    )
    return {row.number: row.name for row in connection.execute(query)}


def find(connection: Connection, event: LockedEvent, asked: Sequence[Scan]) -> Found:
    """Look for the guests of scans, and for scans that were decided before."""
    found = Found(connection, event)
    _find_before(found, [scan.id for scan in asked])
    new = [scan for scan in asked if scan.id not in found.before]
    read = {normal_code(scan.code) for scan in new if scan.code is not None}
    # MySQL will not compare a code, which is ASCII, with any other text.
    codes = {code for code in read if code.isascii()}
    positions = {scan.position for scan in new if scan.position is not None}
    others = _find_guests(found, codes, positions)
    _find_elsewhere(found, event, codes, others)
    _find_first(found)
    return found


def _find_before(found: Found, ids: Sequence[str]) -> None:
    values = {"event_id": found.event.id, "ids": ids}
    for row in found.connection.execute(_before, values):
        found.before[row.id] = Seen(row, None if row.position is None else shown_name(row))


def _find_guests(found: Found, codes: set[str], positions: set[int]) -> dict[str, int]:
    """Guests of this event; `{code: event_id}` of tickets for another one."""
    others: dict[str, int] = {}
    rows: list[Any] = []
    if codes:
        rows += found.connection.execute(_with_codes, {"codes": [*codes]})
    if positions:
        values = {"event_id": found.event.id, "positions": [*positions]}
        rows += found.connection.execute(_at_positions, values)
    for row in rows:
        if row.event_id != found.event.id:
            others[row.ticket_code] = row.event_id
            continue
        guest = found.by_position.setdefault(
            row.position,
            Guest(
                row.position,
                row.status,
                row.tickets,
                row.admitted,
                shown_name(row),
                wants=row.wants,
            ),
        )
        found.by_code[row.ticket_code] = guest
    return others


def _find_elsewhere(
    found: Found, event: LockedEvent, codes: set[str], others: dict[str, int]
) -> None:
    """Codes that were replaced, and those of the organizer's other events."""
    replaced: dict[str, int] = {}
    if missing := {code_hash(code): code for code in codes - found.by_code.keys() - others.keys()}:
        query = select(old_codes.c.code_hash, old_codes.c.event_id).where(
            old_codes.c.code_hash.in_(missing), old_codes.c.kind == TICKET_CODE
        )
        for row in found.connection.execute(query):
            replaced[missing[row.code_hash]] = row.event_id
    for code, event_id in replaced.items():
        if event_id == event.id:
            found.elsewhere[code] = (Verdict.REPLACED, None)
        else:
            others[code] = event_id
    if not others:
        return
    # Of other organizers' events nothing is told, not even that there is such a code.
    own = select(events.c.id, events.c.name).where(
        events.c.id.in_(set(others.values())), events.c.organizer_id == event.organizer_id
    )
    names = {row.id: row.name for row in found.connection.execute(own)}
    for code, event_id in others.items():
        if event_id in names:
            found.elsewhere[code] = (Verdict.OTHER_EVENT, names[event_id])


def _find_first(found: Found) -> None:
    """Since when somebody of a guest is in, and by whom."""
    inside = [guest.position for guest in found.by_position.values() if guest.admitted]
    if not inside:
        return
    values = {"event_id": found.event.id, "positions": inside}
    for row in found.connection.execute(_first_in, values):
        guest = found.by_position[row.position]
        guest.first_at, guest.first_by = row.at, row.actor
