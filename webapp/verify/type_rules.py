"""Ticket types: bookings, quotas, queues and codes have to say the same of who wants what.

What a booking wants is text, `1:2,3:1`. The database counts the bookings that want the same, and
there are few of those texts; they are read here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from webapp.booking.commands import Status, takes_tickets
from webapp.booking.terms import GRACE
from webapp.booking.ticket_types import wants_of
from webapp.storage.tables import bookings, events, promo_codes, queues, terms, ticket_types
from webapp.verify.checks import Broken, Check, Findings, Rule, single_rule, stream
from webapp.verify.next_in_line import next_in_line

RULES = {
    "a type's confirmed is the sum": (
        "a type's `confirmed` is the sum of the tickets of it that bookings take"
    ),
    "no type is oversold": "the tickets of a type that bookings take are no more than its quota",
    "wants sum up to tickets": "the tickets that a booking wants of each type are its `tickets`",
    "wants are of types that exist": "a booking wants tickets of types of its event only",
    "queues count who waits": "a queue's `waiting` counts the bookings that wait for the same",
    "quotas hold the largest party": (
        "a quota is no less than what any waiting booking wants of the type"
    ),
    "nobody is next": (
        "while promotion runs nobody waits who lacks nothing that somebody ahead does not lack"
    ),
}


def read_wants(wants: str) -> Mapping[int, int]:
    """What a booking wants, `{type: tickets}`; nothing where that cannot be read."""
    try:
        return wants_of(wants)
    except ValueError:
        return {}


def type_checks() -> list[Check]:
    """What must hold at each commit, as queries."""
    return [_figures(), _wants(), _codes(), _made_with()]


@dataclass(slots=True)
class _Typed:
    """An event with types: its rows, and what its bookings add up to."""

    id: int
    room: int
    promotes: bool
    quotas: dict[int, int | None] = field(default_factory=dict)
    confirmed: dict[int, int] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    taken: Counter[int] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    heads: dict[str, int] = field(default_factory=dict)
    # The first who waits and will lapse: from there on nobody is promoted before that.
    first_over: float = float("inf")

    @property
    def left(self) -> dict[int, int]:
        quotas = self.quotas.items()
        return {number: most - self.taken[number] for number, most in quotas if most is not None}


def check_types(connection: Connection, now: datetime) -> list[Broken]:
    """Every rule of types that does not hold; `now` decides where promotion has ended."""
    findings = Findings.of(RULES)
    found = _read(connection, now)
    if not found:
        return []
    for event_id, wanted in groupby(stream(connection, _grouped()), key=itemgetter(0)):
        _add_up(found[event_id], wanted, findings)
    for event in found.values():
        _judge(event, findings)
    return findings.broken()


def _read(connection: Connection, now: datetime) -> dict[int, _Typed]:
    to_come = or_(events.c.starts_at.is_(None), events.c.starts_at > now)
    promotes = case((and_(events.c.status != "cancelled", to_come), 1), else_=0)
    typed = select(events.c.id, events.c.capacity, promotes).where(events.c.types > 0)
    found = {row[0]: _Typed(row[0], row[1], bool(row[2])) for row in connection.execute(typed)}
    if not found:
        return found
    of_type = select(
        *(ticket_types.c[name] for name in ("event_id", "number", "quota", "confirmed"))
    )
    for event_id, number, quota, confirmed in stream(connection, of_type):
        if event_id in found:
            found[event_id].quotas[number] = quota
            found[event_id].confirmed[number] = confirmed
    for event_id, wants, waiting in stream(connection, select(queues)):
        if event_id in found:
            found[event_id].queues[wants] = waiting
    over = (
        select(terms.c.event_id, func.min(terms.c.position))
        .join(bookings, _of(terms))
        .join(events, events.c.id == terms.c.event_id)
        .where(
            events.c.types > 0,
            bookings.c.status == Status.WAITING,
            terms.c.is_open.is_(True),
            terms.c.lapses_at <= now - GRACE,
        )
        .group_by(terms.c.event_id)
    )
    for event_id, position in stream(connection, over):
        found[event_id].first_over = position
    return found


def _of(table: Any) -> Any:
    return and_(table.c.event_id == bookings.c.event_id, table.c.position == bookings.c.position)


def _grouped() -> Any:
    """How many bookings of events with types are alike, and the first of those."""
    alike = (bookings.c.event_id, bookings.c.wants, bookings.c.status, bookings.c.tickets)
    return (
        select(*alike, func.count(), func.min(bookings.c.position))
        .join(events, events.c.id == bookings.c.event_id)
        .where(events.c.types > 0)
        .group_by(*alike)
        .order_by(bookings.c.event_id)
    )


def _add_up(event: _Typed, wanted: Iterable[Any], findings: Findings) -> None:
    for _, wants, status, tickets, count, first in wanted:
        by_type = read_wants(wants)
        named = {"event": event.id, "position": first, "wants": wants, "bookings": count}
        if sum(by_type.values()) != tickets:
            findings.note("wants sum up to tickets", **named, tickets=tickets)
        if not event.quotas.keys() >= by_type.keys():
            findings.note("wants are of types that exist", **named)
        if takes_tickets(status):
            event.room -= tickets * count
            for number, each in by_type.items():
                event.taken[number] += each * count
        elif status == Status.WAITING:
            event.waiting[wants] += count
            event.heads[wants] = min(first, event.heads.get(wants, first))


def _judge(event: _Typed, findings: Findings) -> None:
    largest: dict[int, int] = defaultdict(int)
    for wants in event.waiting:
        for number, each in read_wants(wants).items():
            largest[number] = max(largest[number], each)
    for number, quota in event.quotas.items():
        taken, named = event.taken[number], {"event": event.id, "type": number}
        if event.confirmed[number] != taken:
            told = {"confirmed": event.confirmed[number], "confirmed_tickets": taken}
            findings.note("a type's confirmed is the sum", **named, **told)
        if quota is not None and taken > quota:
            findings.note("no type is oversold", **named, quota=quota, confirmed_tickets=taken)
        if quota is not None and largest[number] > quota:
            party = {"quota": quota, "largest_waiting": largest[number]}
            findings.note("quotas hold the largest party", **named, **party)
    for wants in sorted(event.queues.keys() | event.waiting.keys()):
        counted, waiting = event.queues.get(wants, 0), event.waiting[wants]
        if counted != waiting:
            named = {"event": event.id, "waiting": counted, "waiting_bookings": waiting}
            findings.note("queues count who waits", **named, wants=wants)
    if event.promotes:
        line = sorted((position, read_wants(wants)) for wants, position in _first(event).items())
        position = next_in_line(line, event.left, event.room)
        if position is not None:
            findings.note("nobody is next", event=event.id, position=position)


def _first(event: _Typed) -> Mapping[str, int]:
    return {wants: at for wants, at in event.heads.items() if at < event.first_over}


def _figures() -> Check:
    """What the event row says against its types and queues; an event without types has neither."""
    of_types = (
        select(
            ticket_types.c.event_id,
            func.count().label("types"),
            func.max(ticket_types.c.number).label("last"),
            func.sum(ticket_types.c.confirmed).label("confirmed"),
        )
        .group_by(ticket_types.c.event_id)
        .subquery("of_types")
    )
    of_queues = (
        select(queues.c.event_id, func.sum(queues.c.waiting).label("waiting"))
        .group_by(queues.c.event_id)
        .subquery("of_queues")
    )
    rows = events.outerjoin(of_types, of_types.c.event_id == events.c.id).outerjoin(
        of_queues, of_queues.c.event_id == events.c.id
    )
    count, queued = func.coalesce(of_types.c.types, 0), func.coalesce(of_queues.c.waiting, 0)
    confirmed, has_types = func.coalesce(of_types.c.confirmed, 0), events.c.types > 0
    return Check(
        rows,
        {
            "event": events.c.id,
            "last_number": events.c.types,
            "types": count,
            "last": of_types.c.last,
            "confirmed": events.c.confirmed,
            "of_types": confirmed,
            "waiting": events.c.waiting,
            "queued": queued,
        },
        (
            Rule(
                "types are numbered",
                "an event with types has some, with numbers up to its last; another one has none",
                or_(has_types != (count > 0), of_types.c.last > events.c.types),
                ("event", "last_number", "types", "last"),
            ),
            Rule(
                "types add up",
                "the tickets taken of each type are together those of the event",
                and_(has_types, events.c.confirmed != confirmed),
                ("event", "confirmed", "of_types"),
            ),
            Rule(
                "queues add up",
                "the queues of an event with types are together its waiting list",
                case((has_types, events.c.waiting), else_=0) != queued,
                ("event", "waiting", "queued"),
            ),
        ),
    )


def _wants() -> Check:
    """The wants that there are in each event, read off the index that finds the queues."""
    alike = (bookings.c.event_id, bookings.c.status, bookings.c.wants)
    wanted = (
        select(bookings.c.event_id, bookings.c.wants, func.min(bookings.c.position).label("first"))
        .group_by(*alike)
        .subquery("wanted")
    )
    return single_rule(
        "wants only where there are types",
        "a booking wants tickets by type where its event has types, and nowhere else",
        (events.c.types > 0) != (wanted.c.wants != ""),
        events.join(wanted, wanted.c.event_id == events.c.id),
        {
            "event": events.c.id,
            "types": events.c.types,
            "position": wanted.c.first,
            "wants": wanted.c.wants,
        },
    )


def _codes() -> Check:
    """Each code with the tickets of active bookings that were made with it."""
    had = (
        select(bookings.c.event_id, bookings.c.code, func.sum(bookings.c.tickets).label("tickets"))
        .where(bookings.c.code.is_not(None), bookings.c.active == 1)
        .group_by(bookings.c.event_id, bookings.c.code)
        .subquery("had")
    )
    of_code = and_(had.c.event_id == promo_codes.c.event_id, had.c.code == promo_codes.c.number)
    tickets = func.coalesce(had.c.tickets, 0)
    # Codes are secrets, so the rows are named by their numbers.
    return Check(
        promo_codes.outerjoin(had, of_code),
        {
            "event": promo_codes.c.event_id,
            "code": promo_codes.c.number,
            "limit": promo_codes.c.ticket_limit,
            "used": promo_codes.c.used,
            "tickets": tickets,
        },
        (
            Rule(
                "codes count their tickets",
                "a code's `used` is the tickets of active bookings that were made with it",
                promo_codes.c.used != tickets,
                ("event", "code", "used", "tickets"),
            ),
            Rule(
                "no code is overdrawn",
                "the tickets that are had with a code are no more than its limit",
                tickets > promo_codes.c.ticket_limit,
                ("event", "code", "limit", "tickets"),
            ),
        ),
    )


def _made_with() -> Check:
    known = and_(
        promo_codes.c.event_id == bookings.c.event_id, promo_codes.c.number == bookings.c.code
    )
    return single_rule(
        "a booking's code exists",
        "a booking that was made with a code names one of its event",
        and_(bookings.c.code.is_not(None), promo_codes.c.number.is_(None)),
        bookings.outerjoin(promo_codes, known),
        {
            "event": bookings.c.event_id,
            "position": bookings.c.position,
            "code": bookings.c.code,
        },
    )
