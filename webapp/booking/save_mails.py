"""Enqueues the mails that tell of what a batch decided, in its transaction.

It is part of `save`; what other verbs tell the attendees of an event is enqueued here, too.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam

from webapp.booking.change import EventChange
from webapp.booking.commands import ActivityKind, HistoryLine, TermKind
from webapp.storage import outbox
from webapp.storage.tables import bookings, deliveries

_enqueue = outbox.entries(
    bookings.c.email.is_not(None),
    bookings.c.event_id == bindparam("of_event"),
    bookings.c.position.in_(bindparam("positions", expanding=True)),
    what=bindparam("kind", type_=deliveries.c.what.type),
    network=bindparam("by_network", type_=deliveries.c.network.type),
    recipient=bookings.c.email,
    event_id=bookings.c.event_id,
    position=bookings.c.position,
    in_order_of=(bookings.c.position,),
)


def enqueue_mails(connection: Connection, changes: Iterable[EventChange], *, now: datetime) -> None:
    """Enqueue what has to be told, to those who left an address.

    Of one that moves up with fewer tickets than it asked for, the mail of the promotion tells all.
    """
    # The addresses of new bookings are known; those of others are read where they are written.
    new: list[dict[str, outbox.Value]] = []
    others: dict[tuple[int, str, str | None], list[int]] = {}
    for change in changes:
        event_id, journal = change.event.id, change.ledger.journal
        for line in journal.history:
            if line.what is ActivityKind.REDUCED and line.position in journal.promoted:
                continue
            kind = _mail_of(line, asks=line.position in change.asked)
            # Who keeps a place has read the mail that asked: that is no stranger.
            network = None if line.what is ActivityKind.KEPT else line.actor.network
            made = change.details.get(line.position)
            if kind and made is None:
                others.setdefault((event_id, kind, network), []).append(line.position)
            elif kind and made is not None and made.email is not None and made.is_told:
                new.append(
                    {
                        "what": kind,
                        "recipient": made.email,
                        "event_id": event_id,
                        "position": line.position,
                        "network": network,
                    }
                )
    if new:
        outbox.enqueue_rows(connection, new, now=now)
    for (event_id, kind, network), positions in others.items():
        values = {
            "of_event": event_id,
            "positions": positions,
            "kind": kind,
            "by_network": network,
            "now": now,
        }
        connection.execute(_enqueue, values)


def enqueue_mail(
    connection: Connection,
    kind: str,
    *which: ColumnElement[bool],
    network: outbox.Value = None,
    now: datetime,
) -> None:
    """Enqueue a mail to each of the bookings that left an address, by one statement."""
    outbox.enqueue(
        connection,
        kind,
        bookings.c.email.is_not(None),
        *which,
        recipient=bookings.c.email,
        event_id=bookings.c.event_id,
        position=bookings.c.position,
        network=network,
        in_order_of=(bookings.c.event_id, bookings.c.position),
        now=now,
    )


def _mail_of(line: HistoryLine, *, asks: bool) -> str:
    """The kind of mail that tells of a line of history; empty for none."""
    match line.what:
        case ActivityKind.BOOKED:
            return "ask_address" if asks else line.status_after.value
        case ActivityKind.KEPT:
            # Whose address is shown only now is told only now.
            return line.status_after.value if line.term is TermKind.ADDRESS else ""
        case ActivityKind.LAPSED:
            # The question has said it; an address that never answered is left alone.
            return line.what.value if line.term is TermKind.COMING else ""
    return line.what.value
