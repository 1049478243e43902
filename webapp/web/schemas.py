"""What pages and API accept: one set of models, with the same field names in forms and JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from webapp.accounts.contacts import Contact
from webapp.errors import InvalidInput, Problem
from webapp.events.dates import check_dates
from webapp.events.services import EventDetails
from webapp.storage.columns import MAX_CAPACITY, MAX_NAME, MAX_REASON
from webapp.storage.door_tables import MAX_PASS_NAME
from webapp.web.fields import (
    Digits,
    Email,
    Line,
    Moment,
    RequiredLine,
    Tickets,
    Zone,
    clean_email,
    clean_text,
    number_or_none,
)

MAX_DESCRIPTION = 20_000
# So many days before an event attendees can be asked whether they are still coming, at most.
MOST_COMING_DAYS = 30
MOST_ERRORS = 10
FIRST_YEAR, LAST_YEAR = 1970, 9998

Model = TypeVar("Model", bound=BaseModel)


# What is not sent is left out of what an Idempotency-Key is bound to: so are keys of the release
# before.
LEFT_OUT = Field(exclude_if=lambda value: value is None)


class Input(BaseModel):
    """The base of all input: nothing unknown, and the names of the JSON contract."""

    model_config = ConfigDict(extra="forbid")


class Newcomer(Input):
    """Who books on a page."""

    name: RequiredLine
    email: Email


class PageBooking(Newcomer):
    """An attendee books on a page."""

    tickets: Tickets = 1


class Correction(Input):
    """What is wrong with a booking's name or address; one left empty stays as it is."""

    name: RequiredLine
    email: Annotated[Email | None, BeforeValidator(lambda value: value or None)] = None


class Receiver(Input):
    """Who gets a ticket of somebody else."""

    name: RequiredLine
    email: Email


class WantedTickets(Input):
    """How many tickets a booking is to have."""

    tickets: Tickets


class Login(Input):
    username: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    password: Annotated[StrictStr, Field(min_length=1, max_length=1000)]


class OwnPassword(Input):
    password: Annotated[StrictStr, Field(min_length=1, max_length=1000)]


class NewPassword(Input):
    new_password: Annotated[StrictStr, Field(min_length=1, max_length=1000)]


class NewToken(Input):
    name: Annotated[Line, Field(min_length=1, max_length=MAX_NAME)]
    level: Literal["read", "book", "manage"]
    days: Annotated[int, Field(ge=1, le=3650), Digits] | None = None


class NewPass(Input):
    """A device at the door, by the name that its people know it by."""

    name: Annotated[RequiredLine, Field(max_length=MAX_PASS_NAME)]
    maySell: bool = False


class DoorCount(Input):
    """So many people of a booking come in, or are let out again."""

    what: Literal["in", "out"]
    count: Tickets = 1


class FindBookings(Input):
    email: Email


class ContactFields(Input):
    """Whom attendees turn to; either may be left out."""

    contact_name: Line = ""
    contact_email: Email | None = None

    def contact(self) -> Contact:
        """The same as the services take it."""
        return Contact(self.contact_name, self.contact_email or "")


class Cancellation(Input):
    """Why an event is cancelled, as everybody is told."""

    reason: Annotated[
        StrictStr,
        Field(max_length=MAX_REASON),
        AfterValidator(str.strip),
        BeforeValidator(clean_text),
    ] = ""


# {column: field}
EVENT_FIELDS = {
    "name": "eventName",
    "capacity": "totalTickets",
    "description": "description",
    "location": "location",
    "time_zone": "timeZone",
    "starts_at": "startsAt",
    "ends_at": "endsAt",
    "sales_open_at": "salesOpenAt",
    "sales_close_at": "salesCloseAt",
    "cancel_until": "cancelUntil",
    "max_tickets_per_booking": "maxTicketsPerBooking",
    "waiting_list_limit": "waitingListLimit",
    "asks_address": "asksAddress",
    "still_coming_days": "stillComingDays",
    "still_coming_lapses": "stillComingLapses",
}


class EventFields(Input):
    """What an organizer says of an event; a time without an offset is in the event's zone."""

    eventName: RequiredLine
    totalTickets: Annotated[int, Field(ge=1, le=MAX_CAPACITY), Digits]
    description: Annotated[
        StrictStr, Field(max_length=MAX_DESCRIPTION), BeforeValidator(clean_text)
    ] = ""
    location: Line = ""
    timeZone: Zone = "UTC"
    startsAt: Moment = None
    endsAt: Moment = None
    salesOpenAt: Moment = None
    salesCloseAt: Moment = None
    cancelUntil: Moment = None
    maxTicketsPerBooking: Tickets = 10
    waitingListLimit: Annotated[
        Annotated[int, Field(ge=0, le=MAX_CAPACITY), Digits] | None, BeforeValidator(number_or_none)
    ] = None
    asksAddress: bool = False
    stillComingDays: Annotated[
        Annotated[int, Field(ge=1, le=MOST_COMING_DAYS), Digits] | None,
        BeforeValidator(number_or_none),
    ] = None
    stillComingLapses: bool = False
    status: Literal["draft", "published"] = "published"

    @model_validator(mode="after")
    def times_in_order(self) -> Self:
        for field in ("startsAt", "endsAt", "salesOpenAt", "salesCloseAt", "cancelUntil"):
            setattr(self, field, placed(field, getattr(self, field), self.timeZone))
        check_dates(self.details())
        return self

    def details(self) -> EventDetails:
        """The same as the services take it."""
        values = {column: getattr(self, field) for column, field in EVENT_FIELDS.items()}
        return EventDetails(**values)


class EventEdit(EventFields):
    """What an organizer makes of an event, and whether its attendees are mailed what they hear of.

    That is its name, its place and its time.
    """

    tellAttendees: bool = False


def placed(field: str, value: datetime | None, time_zone: str) -> datetime | None:
    """A moment in UTC. Raises `InvalidInput` for a time that a clock change leaves out."""
    if value is None:
        return None
    try:
        if value.tzinfo is None:
            value = value.replace(tzinfo=ZoneInfo(time_zone))
            there = value.astimezone(UTC).astimezone(value.tzinfo)
            if there.replace(tzinfo=None) != value.replace(tzinfo=None):
                raise InvalidInput({field: Problem("skipped_by_clocks")})
        value = value.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput({field: Problem("year", first=FIRST_YEAR, last=LAST_YEAR)}) from error
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise InvalidInput({field: Problem("year", first=FIRST_YEAR, last=LAST_YEAR)})
    return value


def attendee_id_of(user_id: int | str, *, checked: bool = False) -> str:
    """The text that identifies an attendee: an e-mail address does so as `clean_email` has it.

    What has an @ and is none does so in lower case, or raises `InvalidInput` (userId) if `checked`.
    """
    text = str(user_id)
    if "@" not in text:
        return text
    try:
        return clean_email(text)
    except PydanticCustomError as error:
        if checked:
            raise InvalidInput({"userId": _problem(error.type, error.context or {})}) from error
        return text.lower()


def from_json(model: type[Model], data: object) -> Model:
    """Read a JSON object: types are taken as they are.

    Raises `InvalidInput` with the first `MOST_ERRORS` fields that are wrong.
    """
    if not isinstance(data, dict):
        raise InvalidInput({"body": Problem("object")})
    # Of what is not known no more is looked at than will be told.
    known = model.model_fields
    unknown = islice((name for name in data if name not in known), MOST_ERRORS)
    looked_at = {name: data[name] for name in (*known, *unknown) if name in data}
    try:
        return model.model_validate(looked_at, strict=True)
    except ValidationError as error:
        raise InvalidInput(_problems(error)) from error


def from_form(model: type[Model], form: Mapping[str, str]) -> Model:
    """Read a form, whose values are text and may hold fields of other purpose.

    Raises `InvalidInput` with the first `MOST_ERRORS` fields that are wrong.
    """
    known = model.model_fields
    try:
        return model.model_validate({k: v for k, v in form.items() if k in known})
    except ValidationError as error:
        raise InvalidInput(_problems(error)) from error


def _problems(error: ValidationError) -> dict[str, Problem]:
    """The first problem of each of the first wrong fields, which are named as they were sent."""
    problems: dict[str, Problem] = {}
    for item in error.errors(include_url=False, include_input=False):
        field = _named(item["loc"])
        if not field.isprintable():
            field = "body"
        problems.setdefault(field[:MAX_NAME], _problem(item["type"], item.get("ctx", {})))
    return dict(islice(problems.items(), MOST_ERRORS))


def _named(place: tuple[int | str, ...]) -> str:
    """A field as it was sent, such as `scans[0].id`."""
    match place:
        case ():
            return "body"
        case (name, int(number), field, *_):
            return f"{name}[{number}].{field}"
        case (name, int(number)):
            return f"{name}[{number}]"
    return str(place[0])


def _problem(kind: str, given: Mapping[str, Any]) -> Problem:
    """A problem for pydantic's kind of error, and for our own from `wrong`."""
    match kind:
        case "problem":
            return Problem(**given)
        case "missing" | "string_too_short" | "too_short":
            return Problem("missing")
        case "extra_forbidden":
            return Problem("unknown_field")
        case "string_too_long":
            return Problem("too_long", limit=given["max_length"])
        case "greater_than_equal":
            return Problem("at_least", limit=given["ge"])
        case "less_than_equal":
            return Problem("at_most", limit=given["le"])
        case "literal_error":
            return Problem("one_of", allowed=given["expected"])
        case "string_pattern_mismatch":
            return Problem("booking_reference")
        case "too_long":
            return Problem("too_many_items", limit=given["max_length"])
        case "list_type":
            return Problem("list")
        case "model_type":
            return Problem("object")
        case "string_type":
            return Problem("text")
        case _ if kind.startswith("int_"):
            return Problem("whole_number")
        case _ if kind.startswith("bool_"):
            return Problem("true_or_false")
    return Problem("unusable")
