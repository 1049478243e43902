"""What the API accepts about bookings: who books, of which ticket types, what changes of it."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StrictStr, model_validator

from webapp.errors import InvalidInput, Problem
from webapp.web.fields import (
    Code,
    Email,
    EventId,
    LanguageCode,
    Line,
    Reference,
    RequiredLine,
    Tickets,
    UserId,
    wrong,
)
from webapp.web.schemas import LEFT_OUT, Input

MAX_ITEMS = 4
MAX_NUMBER = 2**31 - 1


class WantedItem(Input):
    """So many tickets of a type, which is named by its number in the event."""

    type: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    tickets: Tickets


def few_items(value: object) -> object:
    """Refuse a list before its parts are looked at."""
    if isinstance(value, list) and not value:
        raise wrong("missing")
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise wrong("too_many_types", limit=MAX_ITEMS)
    return value


Items = Annotated[
    list[WantedItem],
    Field(json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS}),
    BeforeValidator(few_items),
]


def wants_of_items(items: Sequence[WantedItem] | None) -> dict[int, int]:
    """What is wanted of each type: `{type: tickets}`. Raises `InvalidInput` (items)."""
    wants: dict[int, int] = {}
    for item in items or ():
        if item.type in wants:
            raise InvalidInput({"items": Problem("type_twice", type=item.type)})
        wants[item.type] = item.tickets
    return wants


def tickets_of(tickets: int | None, items: Sequence[WantedItem] | None) -> int | None:
    """How many tickets are asked for, by number or by type; `None` where neither was sent.

    Raises `InvalidInput` (items; tickets where it is not the sum of the items).
    """
    if items is None:
        return tickets
    total = sum(wants_of_items(items).values())
    if tickets not in (None, total):
        raise InvalidInput({"tickets": Problem("not_the_sum", limit=total)})
    return total


class BookRequest(Input):
    """An integration books for an attendee."""

    userId: UserId
    eventId: EventId
    tickets: Tickets = 1
    name: Line = ""
    email: Email | None = None
    language: Annotated[LanguageCode | None, LEFT_OUT] = None
    pastSale: Annotated[bool | None, LEFT_OUT] = None
    items: Annotated[Items | None, LEFT_OUT] = None
    code: Annotated[Code | None, LEFT_OUT] = None

    @model_validator(mode="after")
    def tickets_are_those_of_the_items(self) -> Self:
        sent = self.tickets if "tickets" in self.model_fields_set else None
        self.tickets = tickets_of(sent, self.items) or self.tickets
        return self


class CancelRequest(Input):
    """The booking of an attendee (for the organizer), or the one of a reference."""

    userId: UserId | None = None
    eventId: EventId | None = None
    bookingReference: Reference | None = None

    @model_validator(mode="after")
    def names_one_booking(self) -> Self:
        if self.bookingReference is None:
            for field in ("userId", "eventId"):
                if getattr(self, field) is None:
                    raise InvalidInput({field: Problem("reference_or_ids")})
        elif self.userId is not None or self.eventId is not None:
            raise InvalidInput({"bookingReference": Problem("reference_alone")})
        return self


class BookingChange(Input):
    """Other tickets of a booking, or what is wrong with its name or email.

    `items` tells all that it is to have, by type.
    """

    tickets: Annotated[Tickets | None, LEFT_OUT] = None
    items: Annotated[Items | None, LEFT_OUT] = None
    name: Annotated[RequiredLine | None, LEFT_OUT] = None
    email: Annotated[Email | None, LEFT_OUT] = None

    @model_validator(mode="after")
    def changes_one_thing(self) -> Self:
        corrects = self.name is not None or self.email is not None
        if corrects and self.items is not None:
            raise InvalidInput({"items": Problem("tickets_or_correction")})
        self.tickets = tickets_of(self.tickets, self.items)
        if corrects is (self.tickets is not None):
            raise InvalidInput({"tickets": Problem("tickets_or_correction")})
        return self


class TakeRequest(Input):
    """How many of the tickets that are free a booking takes; of several types, by type."""

    tickets: Annotated[Tickets | None, LEFT_OUT] = None
    items: Annotated[Items | None, LEFT_OUT] = None

    @model_validator(mode="after")
    def says_how_many(self) -> Self:
        self.tickets = tickets_of(self.tickets, self.items)
        if self.tickets is None:
            raise InvalidInput({"tickets": Problem("missing")})
        return self


class KeepRequest(Input):
    """An attendee answers what they were asked; for the address with the token of its mail."""

    token: Annotated[StrictStr, Field(max_length=200)] | None = None
