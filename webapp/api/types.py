"""Ticket types and codes of an event: what everybody may see, and what its organizer makes."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from flask import Response, g
from pydantic import Field

from webapp.accounts.services import Level
from webapp.api import booking_shapes as shapes
from webapp.api import type_shapes
from webapp.api.auth import required_account
from webapp.api.blueprint import bp
from webapp.api.events import EVENT, Listing
from webapp.api.events import number as number_of
from webapp.api.openapi import documented
from webapp.api.wire import idempotency_key, page, read_query
from webapp.booking import code_services as codes_of
from webapp.booking import type_services as types_of
from webapp.booking.code_services import (
    CodeDetails,
    PromoCode,
    as_it_is_kept,
    code_of,
    codes_of_event,
)
from webapp.booking.commands import Actor, organizer
from webapp.booking.queries import find_event, is_hidden
from webapp.booking.type_queries import read_types
from webapp.booking.type_services import TypeDetails, details_of_type
from webapp.errors import CodeNotFound, EventNotFound, TypeNotFound
from webapp.events.queries import own_event
from webapp.storage.rows import EventRow, TicketTypeRow
from webapp.web.booking_schemas import MAX_NUMBER
from webapp.web.code_schemas import CodeFields
from webapp.web.fields import Code
from webapp.web.json_bodies import answer, read_json
from webapp.web.paging import page_of
from webapp.web.rate_limits import CodeTry
from webapp.web.schemas import Input, Model, from_json
from webapp.web.type_schemas import TypeFields

TYPE = f"{EVENT}/types/<id:number>"
CODE = f"{EVENT}/codes/<id:number>"


class TypeQuery(Input):
    """A code shows the hidden types that it unlocks."""

    code: Code = ""


class TypeOrder(Input):
    """The numbers of an event's types in the order of its page; those left out come last."""

    order: Annotated[list[Annotated[int, Field(ge=1, le=MAX_NUMBER)]], Field(max_length=50)]


@bp.get(f"{EVENT}/types")
@documented(who="either", query=TypeQuery, answer=type_shapes.TypeList, errors=(400, 404))
def ticket_types(event_id: int) -> Response:
    """The ticket types of an event.

    In the order of its page; none where its tickets are all alike. Hidden ones are shown to the
    organizer, and to who sends a code that unlocks them. A code that is no use is unknown_code, and
    after 20 of those in 15 minutes a client is told to come back later (429).
    """
    event, is_mine = _seen(event_id)
    shown = _shown(event, for_organizer=is_mine, code=read_query(TypeQuery).code)
    return answer({"ticketTypes": shown})


@bp.post(f"{EVENT}/types")
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=TypeFields,
    answer=type_shapes.TypeFieldsShown,
    status=201,
    errors=(404, 409, 422),
    idempotent=True,
)
def add_type(event_id: int) -> Response:
    """Add a ticket type.

    It is named by its number in the event, which is answered as type. The first one takes over all
    that is booked. A time without an offset is in the event's time zone. A hidden one is booked
    with a code alone.
    """
    own, actor = _own(event_id)
    fields = from_json(TypeFields, read_json())
    details = TypeDetails(**fields.columns(own.time_zone))
    key = idempotency_key("add_type", fields)
    made = types_of.add_type(event_id, details, actor=actor, key=key)
    location = f"/api/events/{event_id}/types/{made}"
    return answer(type_shapes.type_fields(made, details), 201, location=location)


@bp.patch(f"{EVENT}/types")
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=TypeOrder,
    answer=type_shapes.TypeList,
    errors=(404, 409),
)
def order_types(event_id: int) -> Response:
    """Set the order of the ticket types."""
    own, actor = _own(event_id)
    asked = from_json(TypeOrder, read_json())
    types_of.order_types(event_id, asked.order, actor=actor)
    return answer({"ticketTypes": _shown(own, for_organizer=True)})


@bp.get(TYPE)
@documented(who="either", query=TypeQuery, answer=type_shapes.TicketType, errors=(400, 404))
def ticket_type(event_id: int, number: int) -> Response:
    """Read a ticket type. A hidden one is not there for who has no code for it."""
    event, is_mine = _seen(event_id)
    shown = _shown(event, for_organizer=is_mine, code=read_query(TypeQuery).code)
    return answer(_one(shown, number))


@bp.patch(TYPE)
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=TypeFields,
    partial=True,
    answer=type_shapes.ChangedType,
    errors=(404, 409),
)
def edit_type(event_id: int, number: int) -> Response:
    """Change a ticket type.

    Send what changes. A larger quota promotes who waits at once; one below what is taken, or below
    what the largest party that waits wants, is refused.
    """
    own, actor = _own(event_id)
    change = read_json()

    def changed(row: TicketTypeRow) -> TypeDetails:
        shown = type_shapes.type_fields(number, details_of_type(row))
        return TypeDetails(**_changed(TypeFields, shown, change).columns(own.time_zone))

    promoted = types_of.edit_type(event_id, number, changed, actor=actor)
    shown = _one(_shown(own, for_organizer=True), number)
    return answer({**shown, "promoted": list(promoted.values())})


@bp.delete(TYPE)
@documented(who="organizer", level=Level.MANAGE, answer=shapes.Accepted, errors=(404, 409))
def delete_type(event_id: int, number: int) -> Response:
    """Delete a ticket type that was never booked and that no code is for.

    One that was booked can be hidden, or its sale be ended.
    """
    _, actor = _own(event_id)
    types_of.remove_type(event_id, number, actor=actor)
    return answer({"message": "The ticket type is deleted."})


@bp.get(f"{EVENT}/codes")
@documented(
    who="organizer",
    level=Level.MANAGE,
    query=Listing,
    answer=type_shapes.CodePage,
    errors=(400, 404),
)
def codes(event_id: int) -> Response:
    """An event's codes. In the order in which they were made."""
    own, actor = _own(event_id)
    asked = read_query(Listing)
    after = number_of(asked.cursor) if asked.cursor else 0

    def some(*, limit: int) -> list[PromoCode]:
        return [code for code in codes_of_event(own, actor=actor) if code.number > after][:limit]

    rows, cursor = page_of(some, asked.limit, lambda code: str(code.number))
    return page("codes", [type_shapes.used_code(row) for row in rows], next_cursor=cursor)


@bp.post(f"{EVENT}/codes")
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=CodeFields,
    answer=type_shapes.CodeShown,
    status=201,
    errors=(404, 409, 422),
    idempotent=True,
)
def add_code(event_id: int) -> Response:
    """Add a code.

    It is for the types that it names, or for all; it unlocks those of them that are hidden. The
    limit is that of tickets of active bookings made with it, waiting ones included. Case and outer
    spaces do not matter.
    """
    own, actor = _own(event_id)
    fields = from_json(CodeFields, read_json())
    details = CodeDetails(**fields.columns(own.time_zone))
    key = idempotency_key("add_code", fields)
    made = codes_of.add_code(event_id, details, actor=actor, key=key)
    return answer(type_shapes.code_fields(made, as_it_is_kept(details)), 201)


@bp.patch(CODE)
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=CodeFields,
    partial=True,
    answer=type_shapes.UsedCode,
    errors=(404, 409),
)
def edit_code(event_id: int, number: int) -> Response:
    """Change a code. Send what changes. What was booked with it stays."""
    own, actor = _own(event_id)
    change = read_json()

    def changed(code: PromoCode) -> CodeDetails:
        shown = type_shapes.code_fields(number, code.details)
        return CodeDetails(**_changed(CodeFields, shown, change).columns(own.time_zone))

    codes_of.edit_code(event_id, number, changed, actor=actor)
    for code in codes_of_event(own, actor=actor):
        if code.number == number:
            return answer(type_shapes.used_code(code))
    raise CodeNotFound


@bp.delete(CODE)
@documented(who="organizer", level=Level.MANAGE, answer=shapes.Accepted, errors=(404, 409))
def delete_code(event_id: int, number: int) -> Response:
    """Delete a code that nobody has booked with. Others end by validUntil or limit."""
    _, actor = _own(event_id)
    codes_of.remove_code(event_id, number, actor=actor)
    return answer({"message": "The code is deleted."})


def _own(event_id: int) -> tuple[EventRow, Actor]:
    """The event of whoever asks, and them. Raises `Unauthorized`, `EventNotFound`."""
    account = required_account()
    return own_event(event_id, organizer_id=account.id), organizer(account.id)


def _seen(event_id: int) -> tuple[EventRow, bool]:
    """An event that whoever asks may see, and whether it is theirs. Raises `EventNotFound`."""
    found = find_event(event_id, with_drafts=True)
    is_mine = g.caller is not None and found.organizer_id == g.caller.id
    if not is_mine and is_hidden(found):
        raise EventNotFound
    return found, is_mine


def _shown(event: EventRow, *, for_organizer: bool, code: str = "") -> list[type_shapes.TicketType]:
    """The types that somebody may see, with a code perhaps. Raises `UnknownCode`."""
    unlocked = None
    if code and not for_organizer:
        with CodeTry(code):
            unlocked = code_of(event.id, code)
    typed = read_types(event.id)
    return [
        type_shapes.ticket_type(typed, row.number, for_organizer=for_organizer)
        for row in typed.types.values()
        if for_organizer or not row.hidden or (unlocked and unlocked.unlocks_type(row.number))
    ]


def _one(shown: Iterable[type_shapes.TicketType], number: int) -> type_shapes.TicketType:
    for one in shown:
        if one["type"] == number:
            return one
    raise TypeNotFound


def _changed(model: type[Model], shown: Mapping[str, Any], change: object) -> Model:
    """What is shown now with the change that was sent. Raises `InvalidInput`."""
    if not isinstance(change, dict):
        return from_json(model, change)
    return from_json(model, {**{f: shown[f] for f in model.model_fields}, **change})
