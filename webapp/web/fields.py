"""The values that fields of pages and API hold, each cleaned and checked."""

from datetime import datetime
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from email_validator import EmailNotValidError
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from webapp.storage.columns import MAX_EMAIL, MAX_ID, MAX_NAME
from webapp.text.addresses import Unreachable, checked_address
from webapp.text.languages import LANGUAGES
from webapp.text.typed import has_controls, is_blank, tidy, tidy_line, western_digits
from webapp.web.paging import is_number

MAX_TICKETS = 1_000
MAX_USER_ID = 64
MAX_TYPED_CODE = 80


def wrong(code: str, **parameters: object) -> PydanticCustomError:
    """What a validator raises; it becomes a `Problem` of the field."""
    return PydanticCustomError("problem", "{code}", {"code": code, **parameters})


def clean_line(value: object) -> object:
    """One line of text as it is meant, that every database and driver can keep."""
    if not isinstance(value, str):
        return value
    printable(value)
    if "\n" in value.strip() or "\r" in value.strip():
        raise wrong("one_line")
    line = tidy_line(value)
    return "" if is_blank(line) else line


def clean_text(value: object) -> object:
    """Text of several lines as it is meant."""
    return tidy(printable(value)) if isinstance(value, str) else value


def printable(text: str) -> str:
    """Text without control characters or halves of a surrogate pair."""
    if has_controls(text):
        raise wrong("control_characters")
    return text


def clean_email(text: str) -> str:
    """An e-mail address in the form that identifies: lower case."""
    try:
        return checked_address(text).normalized.lower()
    except Unreachable as error:
        raise wrong("email_ending", ending=error.ending) from error
    except EmailNotValidError as error:
        raise wrong("email") from error


def user_id(value: object) -> int | str:
    """An integrator's name for an attendee. White space around it would be lost by a database."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wrong("integer_or_string")
    if isinstance(value, int):
        if not 0 <= value <= MAX_ID:
            raise wrong("between", least=0, most=MAX_ID)
        return value
    if not 1 <= len(value) <= MAX_USER_ID or value != value.strip():
        raise wrong("user_id", limit=MAX_USER_ID)
    if "\n" in value or "\r" in value:
        raise wrong("one_line")
    # As it was sent, byte by byte: it identifies.
    return printable(value)


def known_language(code: str) -> str:
    if code not in LANGUAGES:
        raise wrong("one_of", allowed=", ".join(sorted(LANGUAGES)))
    return code


def known_zone(name: str) -> str:
    if name not in all_zones():
        raise wrong("time_zone")
    return name


@cache
def all_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def moment(value: object) -> object:
    """ISO 8601; an empty form field is no moment."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, datetime):
        return value
    raise wrong("date_and_time")


def not_blank(text: str) -> str:
    if not text:
        raise wrong("missing")
    return text


def number_or_none(value: object) -> object:
    return None if value == "" else value


def digits(value: object) -> object:
    """A number as a form has it is written as people do: Python would take 1_0 and 1.0, too."""
    if not isinstance(value, str):
        return value
    return plain_digits(western_digits(tidy_line(value)))


def plain_digits(value: object) -> object:
    """A number as programs write it."""
    if isinstance(value, str) and not is_number(value.strip()):
        raise wrong("whole_number")
    return value


# What is counted is what is kept: the limits hold for the text as it is meant.
Line = Annotated[StrictStr, Field(max_length=MAX_NAME), BeforeValidator(clean_line)]
RequiredLine = Annotated[Line, Field(min_length=1), AfterValidator(not_blank)]
Email = Annotated[
    StrictStr,
    Field(max_length=MAX_EMAIL),
    BeforeValidator(clean_line),
    AfterValidator(clean_email),
]
# Behind the limits of a number, or its JSON Schema does not have them.
Digits = BeforeValidator(digits)
PlainDigits = BeforeValidator(plain_digits)
EventId = Annotated[int, Field(ge=1, le=MAX_ID)]
UserId = Annotated[
    int | str,
    PlainValidator(user_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_ID},
                {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID},
            ]
        }
    ),
]
# What somebody types as a code: what is kept of it is shorter, mostly.
Code = Annotated[StrictStr, Field(max_length=MAX_TYPED_CODE), BeforeValidator(clean_line)]
Tickets = Annotated[int, Field(ge=1, le=MAX_TICKETS), Digits]
Reference = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Zone = Annotated[StrictStr, AfterValidator(known_zone)]
LanguageCode = Annotated[
    StrictStr,
    AfterValidator(known_language),
    WithJsonSchema({"type": "string", "enum": sorted(LANGUAGES)}),
]
Moment = Annotated[
    datetime | None,
    BeforeValidator(moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
