"""What the API shows of ticket types and codes, and of tickets by type, field by field."""

from datetime import datetime
from typing import NotRequired

from typing_extensions import TypedDict

from webapp.booking.code_services import CodeDetails, PromoCode
from webapp.booking.ticket_types import wants_of
from webapp.booking.type_queries import TypedEvent
from webapp.booking.type_services import TypeDetails, details_of_type


class Item(TypedDict):
    """Tickets of a type, which is named by its number in the event."""

    type: int
    tickets: int


class TypeStatus(TypedDict):
    """A ticket type that everybody may see; `quota` is null where only the capacity limits it.

    `available` are the tickets of it that a newcomer could have at once, `waiting` the bookings
    that wait for any.
    """

    type: int
    name: str
    quota: int | None
    available: int
    waiting: int


class TypeFieldsShown(TypedDict):
    """What the organizer says of a ticket type. Times are UTC."""

    type: int
    name: str
    description: str
    quota: int | None
    minTickets: int
    maxTickets: int | None
    salesOpenAt: str | None
    salesCloseAt: str | None
    hidden: bool


class TakenTickets(TypedDict):
    """How many tickets are had of a type: its organizer's business."""

    taken: NotRequired[int]


class TicketType(TypeFieldsShown, TakenTickets):
    """A ticket type with its figures; `taken`, how many tickets are had, is the organizer's."""

    onSale: bool
    available: int
    waiting: int


class ChangedType(TicketType):
    """A ticket type after a change; `promoted` are the bookings that a larger quota confirmed."""

    promoted: list[str]


class TypeList(TypedDict):
    """The ticket types of an event in the order of its page."""

    ticketTypes: list[TicketType]


class CodeShown(TypedDict):
    """A code; it is for `types`, or for all where there are none."""

    number: int
    code: str
    types: list[int]
    unlocks: bool
    limit: int | None
    maxPerBooking: int | None
    validFrom: str | None
    validUntil: str | None
    note: str


class UsedCode(CodeShown):
    """A code of which `used` tickets are had by active bookings."""

    used: int


class CodePage(TypedDict):
    codes: list[UsedCode]
    nextCursor: str | None


def items_of(wants: str) -> list[Item]:
    """What a booking wants, types ascending."""
    return [{"type": number, "tickets": count} for number, count in wants_of(wants).items()]


def type_statuses(typed: TypedEvent) -> list[TypeStatus]:
    """The types of an event as everybody sees them: none that is hidden."""
    return [
        {
            "type": row.number,
            "name": row.name,
            "quota": row.quota,
            "available": typed.available_of(row.number),
            "waiting": typed.waiting_for(row.number),
        }
        for row in typed.types.values()
        if not row.hidden
    ]


def type_fields(number: int, details: TypeDetails) -> TypeFieldsShown:
    return {
        "type": number,
        "name": details.name,
        "description": details.description,
        "quota": details.quota,
        "minTickets": details.min_tickets,
        "maxTickets": details.max_tickets,
        "salesOpenAt": utc(details.sales_open_at),
        "salesCloseAt": utc(details.sales_close_at),
        "hidden": bool(details.hidden),
    }


def ticket_type(typed: TypedEvent, number: int, *, for_organizer: bool) -> TicketType:
    """A type with its figures, as one who may see it sees it."""
    figures = typed.figures(number)
    taken: TakenTickets = {"taken": figures.confirmed} if for_organizer else {}
    return {
        **type_fields(number, details_of_type(typed.types[number])),
        **taken,
        "onSale": figures.is_on_sale,
        "available": typed.available_of(number),
        "waiting": typed.waiting_for(number),
    }


def code_fields(number: int, details: CodeDetails) -> CodeShown:
    return {
        "number": number,
        "code": details.text,
        "types": sorted(details.types),
        "unlocks": bool(details.unlocks),
        "limit": details.ticket_limit,
        "maxPerBooking": details.max_per_booking,
        "validFrom": utc(details.valid_from),
        "validUntil": utc(details.valid_until),
        "note": details.note,
    }


def used_code(code: PromoCode) -> UsedCode:
    return {**code_fields(code.number, code.details), "used": code.used}


def utc(moment: datetime | None) -> str | None:
    """An aware UTC time as RFC 3339 writes it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
