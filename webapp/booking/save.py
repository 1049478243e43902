"""Writes what a ledger decided, as one more revision of each event.

It comes after `load` in the same transaction: rows, figures, history and what has to be sent are
committed together or not at all.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    Update,
    bindparam,
    insert,
    update,
)

from webapp.booking.change import BookingDetails, EventChange
from webapp.booking.commands import (
    SYSTEM,
    Claim,
    HistoryLine,
    Status,
    TermKind,
)
from webapp.booking.ending import end_bookings
from webapp.booking.figures import write_figures
from webapp.booking.line import InconsistentLedger
from webapp.booking.questions import ask_still_coming
from webapp.booking.save_mails import enqueue_mails
from webapp.booking.save_types import save_queues_and_codes, save_types
from webapp.booking.terms import asks_promoted
from webapp.storage.tables import activities, bookings, terms

# Made once, so that the text of each is also made once.
_insert_bookings, _insert_history = insert(bookings), insert(activities)
_end = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position.in_(bindparam("positions", expanding=True)),
        bookings.c.active == 1,
    )
    .values(status=bindparam("ended_as"))
)
# Also for the door, where whoever has come has answered whatever was asked.
close_terms = (
    update(terms)
    .where(
        terms.c.event_id == bindparam("of_event"),
        terms.c.position.in_(bindparam("positions", expanding=True)),
        terms.c.is_open.is_(True),
    )
    .values(is_open=False)
)
_resize = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position == bindparam("at_position"),
    )
    .values(tickets=bindparam("wanted"))
)
_resize_types = _resize.values(wants=bindparam("wanted_types"))
_promote_each = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.status == Status.WAITING,
        bookings.c.position.in_(bindparam("positions", expanding=True)),
    )
    .values(status=Status.CONFIRMED)
)
_promote = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.status == Status.WAITING,
        bookings.c.position <= bindparam("last"),
    )
    .values(status=Status.CONFIRMED)
)


def save(connection: Connection, changes: Sequence[EventChange], *, now: datetime) -> None:
    """Write what was decided, as one more revision of each event.

    Raises `Conflict` when another writer was first (on a cluster the lock is not enough), and
    `InconsistentLedger` when the rows are not what a ledger was told.
    """
    save_rows(connection, changes, now=now)
    save_types(connection, changes)
    write_figures(connection, changes)


def save_first_part(connection: Connection, change: EventChange, *, now: datetime) -> None:
    """Write what has been decided so far, so that what is read from now on is as it is then.

    The figures are left to `save`, which has to come after. Raises `InconsistentLedger`.
    """
    save_rows(connection, [change], now=now)
    change.ledger.journal.forget()
    change.is_begun = True


def save_rows(connection: Connection, changes: Sequence[EventChange], *, now: datetime) -> None:
    """Write everything but the figures of the events. Raises `InconsistentLedger`."""
    for change in changes:
        _write_changed_bookings(connection, change)
        _end_list(connection, change, now)
    claims = [(change, claim) for change in changes for claim in change.ledger.journal.created]
    if claims:
        created = [
            _booking(change.event.id, claim, change.details[claim.position], now)
            for change, claim in claims
        ]
        # One statement for all of them names a column for all or for none.
        if not any(row["language"] for row in created):
            for row in created:
                del row["language"]
        if any(change.event.types for change in changes):
            for (_, claim), row in zip(claims, created, strict=True):
                row["wants"], row["code"] = claim.wants, claim.code
        connection.execute(_insert_bookings, created)
    asked = [
        {"event_id": change.event.id, "position": position, "kind": TermKind.ADDRESS}
        for change in changes
        for position in sorted(change.asked)
    ]
    if asked:
        connection.execute(insert(terms), asked)
    save_queues_and_codes(connection, changes)
    _write_history(connection, changes, now)
    enqueue_mails(connection, changes, now=now)
    for change in changes:
        if change.ledger.journal.promoted and asks_promoted(change.event, now):
            promoted = bookings.c.position.in_(list(change.ledger.journal.promoted))
            ask_still_coming(connection, change.event, promoted, now=now)


def _write_changed_bookings(connection: Connection, change: EventChange) -> None:
    """End, resize, promote and keep bookings that were there before."""
    journal, of_event = change.ledger.journal, {"of_event": change.event.id}
    for ended, status in ((journal.lapsed, Status.LAPSED), (journal.cancelled, Status.CANCELLED)):
        if ended:
            values = {**of_event, "positions": list(ended), "ended_as": status}
            _expect(len(ended), connection, _end, values)
    if answered := [*journal.lapsed, *journal.kept]:
        values = {**of_event, "positions": answered}
        _expect(len(answered), connection, close_terms, values)
    for claim in journal.resized.values():
        values = {**of_event, "at_position": claim.position, "wanted": claim.tickets}
        if claim.wants:
            _expect(1, connection, _resize_types, {**values, "wanted_types": claim.wants})
        else:
            _expect(1, connection, _resize, values)
    if journal.promoted and change.event.types:
        values = {**of_event, "positions": list(journal.promoted)}
        _expect(len(journal.promoted), connection, _promote_each, values)
    elif journal.promoted:
        # Strict order makes the promoted a run at the head of the list: one statement moves all.
        values = {**of_event, "last": max(journal.promoted)}
        _expect(len(journal.promoted), connection, _promote, values)


def _end_list(connection: Connection, change: EventChange, now: datetime) -> None:
    """Have all lapse who still wait, behind what was decided before and ahead of the sale."""
    end = change.ledger.journal.list_end
    if end is None:
        return
    _write_lines(connection, _lines_of(change, change.ledger.journal.history[: end.after], now))
    stamp = {**stamp_of(change, now), "actor": str(SYSTEM), "cause": end.cause}
    still_waiting = bookings.c.status == Status.WAITING
    if end_bookings(connection, Status.LAPSED, stamp, still_waiting) != end.lapsed:
        raise InconsistentLedger(f"{end.lapsed} bookings should have lapsed with the list")


def _expect(wanted: int, connection: Connection, statement: Update, values: Any) -> None:
    changed = connection.execute(statement, values).rowcount
    if changed != wanted:
        raise InconsistentLedger(f"{wanted} rows should have changed, {changed} did")


def _write_history(connection: Connection, changes: Sequence[EventChange], now: datetime) -> None:
    lines: list[dict[str, Any]] = []
    for change in changes:
        journal = change.ledger.journal
        # Those before the end of the list are written already.
        left = journal.history[journal.list_end.after :] if journal.list_end else journal.history
        lines += _lines_of(change, left, now)
    _write_lines(connection, lines)
    for change in changes:
        # Lines that name the same columns are written together.
        for _, alike in groupby(change.history, key=lambda line: line.keys()):
            stamped = [{**stamp_of(change, now), **further} for further in alike]
            connection.execute(_insert_history, stamped)


def _write_lines(connection: Connection, lines: list[dict[str, Any]]) -> None:
    if lines:
        # One statement for all of them names a column for all or for none.
        names = set[str]().union(*lines)
        if any(len(line) < len(names) for line in lines):
            lines = [{**dict.fromkeys(names), **line} for line in lines]
        connection.execute(_insert_history, lines)


def _lines_of(
    change: EventChange, history: Iterable[HistoryLine], now: datetime
) -> list[dict[str, Any]]:
    return [{**stamp_of(change, now), **_activity(line)} for line in history]


def stamp_of(change: EventChange, now: datetime) -> dict[str, Any]:
    """What every line of history of a change carries."""
    return {
        "event_id": change.event.id,
        "revision": change.revision,
        "batch": change.batch,
        "at": now,
    }


def _activity(line: HistoryLine) -> dict[str, Any]:
    # What is null is left out: for SQLite's driver a null, as a text that is an enum, takes longer
    # than a plain value.
    told: dict[str, Any] = {
        "actor": str(line.actor),
        "what": str(line.what),
        "position": line.position,
        "status_after": str(line.status_after),
        "tickets_after": line.tickets_after,
    }
    if line.status_before is not None:
        told |= {"status_before": line.status_before, "tickets_before": line.tickets_before}
    if line.cause is not None:
        told["cause"] = line.cause
    if line.term is not None:
        told["details"] = {"term": [None, line.term]}
    if line.wants_after is not None:
        told |= {"wants_before": line.wants_before, "wants_after": line.wants_after}
    return told


def _booking(event_id: int, claim: Claim, details: BookingDetails, now: datetime) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "position": claim.position,
        "attendee_id": claim.attendee_id,
        "status": str(claim.status),
        "tickets": claim.tickets,
        "reference": claim.reference,
        "ticket_code": details.ticket_code,
        "name": details.name,
        "email": details.email,
        "language": details.language,
        "created_at": now,
    }
