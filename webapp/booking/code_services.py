"""Add, edit and remove the codes of an event, and read what a code is good for now.

The text of a code is a secret of its organizer and of whom they gave it to: the log has its number.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from webapp import clock
from webapp.booking import batch
from webapp.booking.access import check_own
from webapp.booking.change import EventChange
from webapp.booking.commands import Actor
from webapp.booking.load_types import read_codes
from webapp.booking.revisions import part_edited_since
from webapp.booking.ticket_types import CodeFigures, as_kept
from webapp.booking.type_services import refuse_cancelled
from webapp.errors import (
    CodeInUse,
    CodeNotFound,
    EditConflict,
    InvalidInput,
    Problem,
    UnknownCode,
)
from webapp.logs import log_event
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import CodeRow, LockedEvent
from webapp.storage.tables import bookings, code_types, promo_codes, ticket_types
from webapp.storage.transaction import read
from webapp.storage.type_tables import MAX_CODE

# The most codes of one event.
MAX_CODES = 1_000


@dataclass(frozen=True, slots=True)
class CodeDetails:
    """What an organizer says of a code. Moments are aware.

    It is for `types`, or for all of the event where there are none; it `unlocks` those that are
    hidden. `ticket_limit` is how many tickets can be had with it in all, `max_per_booking` in one
    booking.
    """

    text: str
    types: frozenset[int] = frozenset()
    unlocks: bool = True
    ticket_limit: int | None = None
    max_per_booking: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromoCode:
    """A code of an event: `used` tickets of active bookings are had with it."""

    number: int
    details: CodeDetails
    used: int

    @property
    def left(self) -> int | None:
        """Tickets that can still be had with it; `None` for no limit."""
        limit = self.details.ticket_limit
        return None if limit is None else limit - self.used


def as_it_is_kept(details: CodeDetails) -> CodeDetails:
    """Details with the text by which the code is compared."""
    return replace(details, text=as_kept(details.text))


def codes_of_event(event: LockedEvent, *, actor: Actor) -> list[PromoCode]:
    """All codes of an event in the order in which they were made; for its organizer.

    Raises `EventNotFound`, `Unavailable`.
    """
    check_own(event, actor)
    return read(lambda connection: list(_codes(connection, event.id).values()))


def code_of(event_id: int, text: str) -> CodeFigures:
    """What can be had with a code now.

    Raises `UnknownCode` for each that is no good, whatever the reason; `Unavailable`.
    """
    wanted = and_(promo_codes.c.event_id == event_id, promo_codes.c.text == as_kept(text))
    found = read(lambda connection: read_codes(connection, [wanted], clock.now()))
    for code in found.get(event_id, {}).values():
        if code.is_usable:
            return code
    raise UnknownCode


def add_code(
    event_id: int, details: CodeDetails, *, actor: Actor, key: IdempotencyKey | None = None
) -> int:
    """Give an event one more code; its number.

    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `InvalidInput` (code, types,
    validUntil), `IdempotencyConflict`, `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> int:
        add = partial(make, connection, change)
        return int(idempotency.run_once(connection, key, event_id, add)["code"])

    def make(connection: Connection, change: EventChange) -> dict[str, int]:
        refuse_cancelled(change)
        codes = _codes(connection, event_id)
        if len(codes) >= MAX_CODES:
            raise InvalidInput({"code": Problem("all_codes_made", limit=MAX_CODES)})
        kept = _checked(connection, event_id, codes, details)
        number = max(codes, default=0) + 1
        row = {"event_id": event_id, "number": number, "used": 0, **_columns(kept)}
        connection.execute(insert(promo_codes), row)
        _set_types(connection, event_id, number, kept)
        change.history = [_line("code_added", actor, number, {}, _told(kept))]
        return {"code": number}

    number = batch.change_event(event_id, actor, decide)
    log_event("code added", event_id=event_id, code=number, actor=actor)
    return number


def edit_code(
    event_id: int,
    number: int,
    details: CodeDetails | Callable[[PromoCode], CodeDetails],
    *,
    actor: Actor,
    seen: int | None = None,
) -> None:
    """Give a code other details; what was booked with it stays.

    `details` may be a function that makes them from the code as it is, which is locked meanwhile.
    With `seen`, a revision of the event, nothing is set if what would change of the code has been
    edited since.
    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `CodeNotFound`,
    `EditConflict` (its row is the event's), `InvalidInput` (as for `add_code`; limit where it is
    less than what is had with it), `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> None:
        refuse_cancelled(change)
        codes = _codes(connection, event_id)
        code = _one(codes, number)
        wanted = details(code) if callable(details) else details
        kept = _checked(connection, event_id, codes, wanted, of=code)
        before, after = _told(code.details), _told(kept)
        changed = {name: value for name, value in after.items() if value != before[name]}
        if not changed:
            return
        if seen is not None:
            edited = part_edited_since(connection, change.event, seen, ("code", number))
            if edited := edited & changed.keys():
                now_is = {name: getattr(code.details, name) for name in edited}
                raise EditConflict(now_is, row=change.event)
        connection.execute(update(promo_codes).where(*_is(event_id, number)).values(_columns(kept)))
        if "types" in changed:
            _forget_types(connection, event_id, number)
            _set_types(connection, event_id, number, kept)
        was = {"text": before["text"], **{name: before[name] for name in changed}}
        becomes = {"text": after["text"], **changed}
        change.history = [_line("code_edited", actor, number, was, becomes)]

    batch.change_event(event_id, actor, decide)
    log_event("code edited", event_id=event_id, code=number, actor=actor)


def remove_code(event_id: int, number: int, *, actor: Actor) -> None:
    """Take away a code with which nobody has ever booked.

    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `CodeNotFound`, `CodeInUse`,
    `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> None:
        refuse_cancelled(change)
        code = _one(_codes(connection, event_id), number)
        booked = select(bookings.c.position).where(
            bookings.c.event_id == event_id, bookings.c.code == number
        )
        if connection.execute(booked.limit(1)).first():
            raise CodeInUse
        _forget_types(connection, event_id, number)
        connection.execute(delete(promo_codes).where(*_is(event_id, number)))
        change.history = [_line("code_removed", actor, number, _told(code.details), {})]

    batch.change_event(event_id, actor, decide)
    log_event("code removed", event_id=event_id, code=number, actor=actor)


def _codes(connection: Connection, event_id: int) -> dict[int, PromoCode]:
    """The codes of an event, in order of their numbers: `{number: code}`."""
    of_event = select(promo_codes).where(promo_codes.c.event_id == event_id)
    rows = connection.execute(of_event.order_by(promo_codes.c.number)).all()
    types: dict[int, set[int]] = {}
    if rows:
        for row in connection.execute(
            select(code_types.c.code, code_types.c.type).where(code_types.c.event_id == event_id)
        ):
            types.setdefault(row.code, set()).add(row.type)
    return {
        row.number: PromoCode(
            row.number, _details_of(cast(CodeRow, row), types.get(row.number, ())), row.used
        )
        for row in rows
    }


_kept_in_row = [field.name for field in fields(CodeDetails) if field.name != "types"]


def _details_of(row: CodeRow, types: Iterable[int]) -> CodeDetails:
    return CodeDetails(
        **{name: getattr(row, name) for name in _kept_in_row}, types=frozenset(types)
    )


def _columns(details: CodeDetails) -> dict[str, Any]:
    return {name: getattr(details, name) for name in _kept_in_row}


def _one(codes: Mapping[int, PromoCode], number: int) -> PromoCode:
    if number not in codes:
        raise CodeNotFound
    return codes[number]


def _is(event_id: int, number: int) -> tuple[ColumnElement[bool], ...]:
    return promo_codes.c.event_id == event_id, promo_codes.c.number == number


def _set_types(connection: Connection, event_id: int, number: int, details: CodeDetails) -> None:
    if rows := [
        {"event_id": event_id, "code": number, "type": kind} for kind in sorted(details.types)
    ]:
        connection.execute(insert(code_types), rows)


def _forget_types(connection: Connection, event_id: int, number: int) -> None:
    connection.execute(
        delete(code_types).where(code_types.c.event_id == event_id, code_types.c.code == number)
    )


def _checked(
    connection: Connection,
    event_id: int,
    codes: Mapping[int, PromoCode],
    details: CodeDetails,
    *,
    of: PromoCode | None = None,
) -> CodeDetails:
    """Details with the text as it is kept; `of` is the code that they are for, unless it is new.

    Raises `InvalidInput` for what cannot be.
    """
    problems: dict[str, Problem] = {}
    text = as_kept(details.text)
    # What is kept may be longer than what was typed: the capital of one letter can be two.
    if not 1 <= len(text) <= MAX_CODE or not text.isprintable() or " " in text:
        problems["code"] = Problem("code_text", limit=MAX_CODE)
    elif any(code.details.text == text for code in codes.values() if code is not of):
        problems["code"] = Problem("code_taken")
    of_event = select(ticket_types.c.number).where(ticket_types.c.event_id == event_id)
    there = set(connection.execute(of_event).scalars())
    if not there:
        problems["types"] = Problem("codes_need_types")
    elif missing := details.types - there:
        problems["types"] = Problem("no_such_type", type=min(missing))
    if of and details.ticket_limit is not None and details.ticket_limit < of.used:
        problems["limit"] = Problem("code_limit_too_low", limit=of.used)
    begins, ends = details.valid_from, details.valid_until
    if begins is not None and ends is not None and ends <= begins:
        problems["validUntil"] = Problem("valid_until_before_from")
    if problems:
        raise InvalidInput(problems)
    return as_it_is_kept(details)


def _told(details: CodeDetails) -> dict[str, Any]:
    """The details as history keeps them."""
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in _columns(details).items()
    }
    return {**values, "types": sorted(details.types)}


def _line(
    what: str, actor: Actor, number: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """A line of the event's history: `{"code": [before, after]}`, each with its number."""
    details = {"code": [{"number": number, **told} if told else None for told in (before, after)]}
    return {"what": what, "actor": str(actor), "details": details}
