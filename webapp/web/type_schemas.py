"""What pages and API accept of ticket types, with the same field names in forms and JSON."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictStr

from webapp.storage.columns import MAX_CAPACITY
from webapp.storage.type_tables import MAX_TYPE_NAME
from webapp.web.fields import Digits, Moment, RequiredLine, Tickets, clean_text, number_or_none
from webapp.web.schemas import Input, placed

MAX_TYPE_DESCRIPTION = 1_000

# {column: field}
TYPE_FIELDS = {
    "name": "name",
    "description": "description",
    "quota": "quota",
    "min_tickets": "minTickets",
    "max_tickets": "maxTickets",
    "sales_open_at": "salesOpenAt",
    "sales_close_at": "salesCloseAt",
    "hidden": "hidden",
}


class TypeFields(Input):
    """What an organizer says of a ticket type; a time without an offset is in the event's zone."""

    name: Annotated[RequiredLine, Field(max_length=MAX_TYPE_NAME)]
    description: Annotated[
        StrictStr, Field(max_length=MAX_TYPE_DESCRIPTION), BeforeValidator(clean_text)
    ] = ""
    quota: Annotated[
        Annotated[int, Field(ge=1, le=MAX_CAPACITY), Digits] | None, BeforeValidator(number_or_none)
    ] = None
    minTickets: Tickets = 1
    maxTickets: Annotated[Tickets | None, BeforeValidator(number_or_none)] = None
    salesOpenAt: Moment = None
    salesCloseAt: Moment = None
    hidden: bool = False

    def columns(self, time_zone: str) -> dict[str, Any]:
        """The same as `TypeDetails` takes it, which is booking's: `{column: value}`.

        Raises `InvalidInput` (salesOpenAt, salesCloseAt).
        """
        values = {column: getattr(self, field) for column, field in TYPE_FIELDS.items()}
        for column in ("sales_open_at", "sales_close_at"):
            values[column] = placed(TYPE_FIELDS[column], values[column], time_zone)
        return values
