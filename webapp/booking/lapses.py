"""Who does not answer gives way: terms begin when their question has left, and end in a batch.

The deliverer calls `settle_due` each second, and `watch` before it: a thread of its own does.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, select, update

from webapp import clock
from webapp.booking import heartbeat, terms
from webapp.booking.batch import Batch, Changes
from webapp.booking.commands import SYSTEM, ActivityKind, TermKind
from webapp.booking.figures import move_next_lapse
from webapp.booking.inventory import has_started
from webapp.booking.load import lock_event
from webapp.errors import EventNotFound, Unavailable
from webapp.logs import log_event
from webapp.storage.outbox import Step
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import bookings, events
from webapp.storage.tables import terms as term_rows
from webapp.storage.transaction import read, write

log = logging.getLogger(__name__)

# After an absence of the deliverer everybody has at least so long to answer.
TIME_AFTER_ABSENCE = timedelta(minutes=30)
# How many events are settled in one look.
EVENTS_AT_ONCE = 100


def settle_due() -> None:
    """Have those lapse whose terms are over, a batch for each event. Raises `Unavailable`."""
    due = (
        select(events.c.id)
        .where(events.c.next_lapse_at <= clock.now() - terms.GRACE)
        .order_by(events.c.next_lapse_at)
        .limit(EVENTS_AT_ONCE)
    )
    for event_id in read(lambda connection: connection.execute(due).scalars().all()):
        try:
            settle(event_id)
        except EventNotFound:
            continue
        except Unavailable:
            raise
        except Exception:
            log.exception("the terms of event %s cannot be settled", event_id)


def settle(event_id: int) -> None:
    """Send an event an empty batch: before it decides, those lapse whose terms are over.

    Raises `EventNotFound`, `Unavailable`.
    """
    batch = Batch()

    def work(connection: Connection) -> int:
        event = lock_event(connection, event_id)
        batch.run(connection, [event], lambda changes, now: None)
        return batch.lapsed

    lapsed = write(work, already_committed=batch.already_committed)
    if lapsed:
        log_event("lapse", event_id=event_id, bookings=lapsed)


def watch() -> bool:
    """Beat, after an absence only once everybody has time to answer; whether lapses may go on.

    Raises `Unavailable`.
    """
    if heartbeat.is_resting():
        return False
    if not heartbeat.is_recent(heartbeat.last_beat(), clock.now()):
        give_time()
    heartbeat.beat(clock.now())
    return True


def give_time() -> None:
    """Move open terms that would end sooner to 30 minutes ahead, event by event.

    Raises `Unavailable`.
    """
    soon = clock.now() + TIME_AFTER_ABSENCE
    ending = select(events.c.id).where(events.c.next_lapse_at < soon).order_by(events.c.id)
    for event_id in read(lambda connection: connection.execute(ending).scalars().all()):
        with suppress(EventNotFound):
            write(partial(_give_time, event_id=event_id))


def _give_time(connection: Connection, *, event_id: int) -> None:
    event = lock_event(connection, event_id)
    now = clock.now()
    if has_started(event, now):
        return
    until = now + TIME_AFTER_ABSENCE
    if event.starts_at is not None:
        until = min(until, event.starts_at)
    sooner = (
        term_rows.c.event_id == event_id,
        term_rows.c.is_open.is_(True),
        term_rows.c.lapses_at < until,
    )
    connection.execute(update(term_rows).where(*sooner).values(lapses_at=until))
    move_next_lapse(connection, event, terms.find_next(connection, event_id))


def begin_term_of(delivery: DeliveryRow) -> Step | None:
    """What else is done in the transaction that marks a question sent, or refused for good.

    None for a delivery that asks nothing.
    """
    kind = terms.QUESTIONS.get(delivery.what)
    return None if kind is None else partial(_begin_term, delivery=delivery, kind=kind)


def _begin_term(connection: Connection, *, delivery: DeliveryRow, kind: TermKind) -> None:
    """Have the term of a booking begin, unless it has; nothing for one that is over."""
    details = delivery.details or {}
    with suppress(EventNotFound):
        event = lock_event(connection, delivery.event_id)
        asked_for_another_start = "starts_at" in details and (
            event.starts_at is None or details["starts_at"] != event.starts_at.isoformat()
        )
        if not asked_for_another_start:
            decide = partial(
                _decide_term,
                connection,
                event_id=event.id,
                position=delivery.position,
                kind=kind,
                lapses=details.get("lapses", True),
            )
            Batch().run(connection, [event], decide)


def _decide_term(
    connection: Connection,
    changes: Changes,
    now: datetime,
    *,
    event_id: int,
    position: int,
    kind: TermKind,
    lapses: bool,
) -> None:
    change = changes[event_id]
    row = connection.execute(_waiting_term(event_id, position, kind)).one_or_none()
    if row is None or has_started(change.event, now):
        return
    if lapses:
        lapses_at = terms.end_of(kind, change.event, now)
        here = (term_rows.c.event_id == event_id, term_rows.c.position == position)
        connection.execute(update(term_rows).where(*here).values(lapses_at=lapses_at))
        change.next_lapse_at = min(change.next_lapse_at or lapses_at, lapses_at)
    change.history = [
        {
            "what": ActivityKind.ASKED,
            "actor": str(SYSTEM),
            "position": position,
            "status_before": row.status,
            "status_after": row.status,
            "tickets_before": row.tickets,
            "tickets_after": row.tickets,
            "details": {"term": [None, kind]},
        }
    ]


def _waiting_term(event_id: int, position: int, kind: TermKind) -> Any:
    """A booking whose question has been written and not yet sent."""
    of_booking = and_(
        bookings.c.event_id == term_rows.c.event_id, bookings.c.position == term_rows.c.position
    )
    return (
        select(bookings.c.status, bookings.c.tickets)
        .join(bookings, of_booking)
        .where(
            term_rows.c.event_id == event_id,
            term_rows.c.position == position,
            term_rows.c.kind == kind,
            term_rows.c.is_open.is_(True),
            term_rows.c.lapses_at.is_(None),
            bookings.c.active == 1,
        )
    )
