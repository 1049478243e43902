"""What pages and API accept of codes, with the same field names in forms and JSON."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from webapp.storage.columns import MAX_CAPACITY, MAX_NAME
from webapp.web.fields import Code, Digits, Line, Moment, not_blank, number_or_none
from webapp.web.schemas import Input, placed

MAX_TYPES_OF_CODE = 50

# {column: field}
CODE_FIELDS = {
    "text": "code",
    "types": "types",
    "unlocks": "unlocks",
    "ticket_limit": "limit",
    "max_per_booking": "maxPerBooking",
    "valid_from": "validFrom",
    "valid_until": "validUntil",
    "note": "note",
}
Limit = Annotated[
    Annotated[int, Field(ge=1, le=MAX_CAPACITY), Digits] | None, BeforeValidator(number_or_none)
]


class CodeFields(Input):
    """What an organizer says of a code; a time without an offset is in the event's zone.

    It is for `types`, by number, or for all of the event where there are none.
    """

    code: Annotated[Code, AfterValidator(not_blank)]
    types: Annotated[
        list[Annotated[int, Field(ge=1, le=2**31 - 1)]], Field(max_length=MAX_TYPES_OF_CODE)
    ] = []
    unlocks: bool = True
    limit: Limit = None
    maxPerBooking: Limit = None
    validFrom: Moment = None
    validUntil: Moment = None
    note: Annotated[Line, Field(max_length=MAX_NAME)] = ""

    def columns(self, time_zone: str) -> dict[str, Any]:
        """The same as `CodeDetails` takes it: `{column: value}`.

        Raises `InvalidInput` (validFrom, validUntil).
        """
        values = {column: getattr(self, field) for column, field in CODE_FIELDS.items()}
        for column in ("valid_from", "valid_until"):
            values[column] = placed(CODE_FIELDS[column], values[column], time_zone)
        return {**values, "types": frozenset(self.types)}
