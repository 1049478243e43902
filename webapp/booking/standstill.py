"""Lists that stand still: tickets are free, and somebody ahead needs more of them.

Where tickets are all alike that is the head of the list; of an event with types it is the first who
keeps tickets, or those of a type, from all behind it, and could take fewer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Select, and_, case, select, union_all

from webapp import clock
from webapp.booking.access import check_own
from webapp.booking.commands import ActivityKind, Actor, Status, takes_tickets
from webapp.booking.inventory import inventory_of
from webapp.booking.load import head_position
from webapp.booking.takeable import Holder, holders, takeable_by_head
from webapp.booking.ticket_types import wants_of, words_of
from webapp.booking.type_queries import typed_event
from webapp.storage.rows import ActivityRow, BookingRow, EventRow
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import read

# How many lines of an event's history are looked at for its beginning.
LOOK_BACK = 500
# More than anything can be free: what a limit that is new did not leave before.
NEVER = -(1 << 60)


class Standstill(NamedTuple):
    """What holds up a list: who waits, the tickets that they could take, and since when it is so.

    Where that is further back than is looked, `since` is as far as was looked. Where there are
    types, `wanted` and `offered` are what is waited for and what is free as people read it.
    """

    head: BookingRow
    free: int
    since: datetime
    wanted: str = ""
    offered: str = ""


def standstills(found: Iterable[EventRow], *, actor: Actor) -> dict[int, Standstill]:
    """Which of an organizer's events have a list that stands still: `{event_id: standstill}`.

    Nothing is read where no event has both tickets that are free and a list. Raises
    `EventNotFound` for anybody else's event.
    """
    now = clock.now()
    still: dict[int, EventRow] = {}
    for event in found:
        check_own(event, actor)
        inventory = inventory_of(event, now)
        if inventory.promotes and inventory.waiting and inventory.free > 0:
            still[event.id] = event
    if not still:
        return {}

    def work(connection: Connection) -> dict[int, Standstill]:
        held: dict[int, Holder] = {}
        names: dict[int, dict[int, str]] = {}
        for event in still.values():
            if event.types:
                found = typed_event(connection, event.id, now)
                for first in holders(found.heads, found.inventory)[:1]:
                    held[event.id] = first
                    names[event.id] = {number: row.name for number, row in found.types.items()}
        position: ColumnElement[int] = head_position
        if held:
            known = {event_id: holder.claim.position for event_id, holder in held.items()}
            position = case(known, value=events.c.id, else_=head_position)
        of_interest = [event_id for event_id, e in still.items() if not e.types or event_id in held]
        at_head = and_(bookings.c.event_id == events.c.id, bookings.c.position == position)
        of_heads = select(bookings).join(events, at_head).where(events.c.id.in_(of_interest))
        heads = {head.event_id: cast(BookingRow, head) for head in connection.execute(of_heads)}
        newest = [select(_newest_lines(event_id).subquery()) for event_id in heads]
        lines = connection.execute(union_all(*newest)).all() if newest else []
        by_event: dict[int, list[ActivityRow]] = {}
        for line in cast(Sequence[ActivityRow], lines):
            by_event.setdefault(line.event_id, []).append(line)
        found_still: dict[int, Standstill] = {}
        for event_id, head in heads.items():
            event, holder = still[event_id], held.get(event_id)
            # It may have moved up since the event was read.
            if part := holder.part if holder else takeable_by_head(event, head.tickets, now):
                since = _since(event, head, by_event[event_id], holder)
                in_words = [
                    words_of(wants, names.get(event_id, {})) for wants in (head.wants, part.wants)
                ]
                found_still[event_id] = Standstill(head, part.tickets, since, *in_words)
        return found_still

    return read(work)


def _newest_lines(event_id: int) -> Select[Any]:
    return (
        select(activities)
        .where(activities.c.event_id == event_id)
        .order_by(activities.c.revision.desc())
        .limit(LOOK_BACK)
    )


def _since(
    event: EventRow, head: BookingRow, lines: Iterable[ActivityRow], holder: Holder | None
) -> datetime:
    """When the head became the head, or tickets were freed that it needs more of: the later one."""
    revision = attrgetter("revision")
    kind = holder.type if holder else None
    free, since = event.capacity - event.confirmed, event.created_at
    if holder and kind is not None:
        free = holder.left
    known = (line for line in lines if line.revision <= event.revision)
    for _, commit in groupby(sorted(known, key=revision, reverse=True), key=revision):
        written = list(commit)
        since = written[0].at
        free += sum(_taken(line, kind) for line in written)
        if free <= 0 or any(_makes_head(line, head.position) for line in written):
            break
    return since


def _taken(line: ActivityRow, kind: int | None) -> int:
    """The tickets that a line took out of what was free; below 0 where it made more free.

    Of one `kind` of ticket where it is given.
    """
    if line.details is not None and line.position is None:
        return _limited(line.details, kind)
    taken = _held(line.status_after, line.tickets_after, line.wants_after, kind)
    return taken - _held(line.status_before, line.tickets_before, line.wants_before, kind)


def _limited(details: Mapping[str, Any], kind: int | None) -> int:
    """The same of a line that tells of the event."""
    if kind is None:
        before, after = details.get("capacity", (0, 0))
        return int(before - after)
    before, after = details.get("ticket_type", (None, None))
    told = after or before or {}
    if told.get("number") != kind or "quota" not in told:
        return 0
    if not before or not after or None in (before.get("quota"), after["quota"]):
        # There was no such limit, so nothing was held up by it.
        return NEVER
    return int(before["quota"] - after["quota"])


def _held(status: str | None, tickets: int | None, wants: str | None, kind: int | None) -> int:
    if not status or not takes_tickets(status):
        return 0
    return (tickets or 0) if kind is None else wants_of(wants or "").get(kind, 0)


def _makes_head(line: ActivityRow, position: int) -> bool:
    """Whether the booking at `position` joined the list, or one before it left the list."""
    if line.position == position:
        return line.what == ActivityKind.BOOKED
    left = line.status_before == Status.WAITING and line.status_after != Status.WAITING
    return left and line.position is not None and line.position < position
