"""Scans as they travel: what devices send, from the door's page or to the API, and the answers."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import BeforeValidator, Field, StrictStr, WithJsonSchema, model_validator
from typing_extensions import TypedDict

from webapp.door.decide import Scan, Verdict, What
from webapp.door.services import MOST_AT_ONCE, MOST_SCANS, Answer, Item
from webapp.errors import InvalidInput, Problem
from webapp.text.formatting import clock
from webapp.web.fields import Digits, Moment, printable, wrong
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext
from webapp.web.schemas import Input, placed

LONGEST_CODE = 100
is_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE).fullmatch


def own_id(value: object) -> object:
    """The random id that a device gives what it sends."""
    if not isinstance(value, str) or not is_uuid(value):
        raise wrong("uuid")
    return value.lower()


def code_text(value: object) -> object:
    return printable(value).strip() if isinstance(value, str) else value


OwnId = Annotated[
    StrictStr, BeforeValidator(own_id), WithJsonSchema({"type": "string", "format": "uuid"})
]
Code = Annotated[
    StrictStr, Field(min_length=1, max_length=LONGEST_CODE), BeforeValidator(code_text)
]


class ScanEntry(Input):
    """What one device saw, or did without network: then it is `offline`, and has happened.

    The guest is named by the code of the ticket, or by the position of the booking.
    """

    id: OwnId
    what: Literal["in", "out"] = "in"
    code: Code | None = None
    position: Annotated[int, Field(ge=1, le=2**31 - 1), Digits] | None = None
    count: Annotated[int, Field(ge=1, le=MOST_AT_ONCE), Digits] = 1
    at: Moment = None
    offline: bool = False
    anyway: bool = False


class Scans(Input):
    """Scans in the order in which they were made."""

    scans: Annotated[list[ScanEntry], Field(min_length=1, max_length=MOST_SCANS)]

    @model_validator(mode="after")
    def each_names_one_guest(self) -> Self:
        for number, entry in enumerate(self.scans):
            field = f"scans[{number}]"
            if entry.code is None and entry.position is None:
                raise InvalidInput({f"{field}.code": Problem("missing")})
            if entry.code is not None and entry.position is not None:
                raise InvalidInput({f"{field}.position": Problem("code_alone")})
            entry.at = placed(f"{field}.at", entry.at, "UTC")
        return self

    def asked(self) -> list[Scan]:
        """The same as the services take it."""
        return [
            Scan(
                id=entry.id,
                what=What(entry.what),
                code=entry.code,
                position=entry.position,
                count=entry.count,
                at=entry.at,
                offline=entry.offline,
                anyway=entry.anyway,
            )
            for entry in self.scans
        ]


class ScanItem(TypedDict):
    """So many tickets of a type."""

    type: int
    name: str
    tickets: int


class ScanAnswer(TypedDict):
    """The verdict about a scan; `says` is what to do. What does not apply is left out.

    `admitted` of `of` people of the booking are in now; `firstAt` and `firstBy` tell of whoever
    came before. `items` are the tickets of the booking by type; of which types those are who are
    in nobody is asked.
    """

    id: str
    verdict: Literal[
        "admitted",
        "again",
        "too_many",
        "not_confirmed",
        "cancelled",
        "replaced",
        "other_event",
        "unknown",
        "undone",
        "not_in",
    ]
    says: str
    position: NotRequired[int]
    name: NotRequired[str]
    admitted: NotRequired[int]
    of: NotRequired[int]
    firstAt: NotRequired[str]
    firstBy: NotRequired[str]
    items: NotRequired[list[ScanItem]]


class ScanAnswers(TypedDict):
    """The answer to each scan, in their order."""

    scans: list[ScanAnswer]


def answers_shown(answers: list[Answer]) -> ScanAnswers:
    return {"scans": [answer_shown(answer) for answer in answers]}


def answer_shown(answer: Answer) -> ScanAnswer:
    shown: dict[str, Any] = {
        "id": answer.id,
        "verdict": answer.verdict.value,
        "says": says(answer),
        "position": answer.position,
        "name": answer.name,
        "admitted": answer.admitted,
        "of": answer.of,
        "firstAt": None if answer.first_at is None else utc(answer.first_at),
        "firstBy": None if answer.first_at is None else _by(answer),
        "items": items_shown(answer.items) or None,
    }
    return {name: value for name, value in shown.items() if value is not None}  # type: ignore[return-value]


def items_shown(items: Sequence[Item]) -> list[ScanItem]:
    return [{"type": one.number, "name": one.name, "tickets": one.tickets} for one in items]


def utc(moment: datetime) -> str:
    """A moment as programs read it."""
    return moment.isoformat().replace("+00:00", "Z")


def says(answer: Answer) -> str:
    """What to do, in one sentence or two."""
    admitted, of = answer.admitted or 0, answer.of or 0
    match answer.verdict:
        case Verdict.ADMITTED if of == 1:
            return _("Let them in.")
        case Verdict.ADMITTED:
            return ngettext(
                "Let %(num)s in: %(admitted)s of %(of)s are in now.",
                "Let %(num)s in: %(admitted)s of %(of)s are in now.",
                answer.count,
                admitted=admitted,
                of=of,
            )
        case Verdict.AGAIN if answer.twice:
            return _("Let in twice with this ticket. They are inside: tell the organizer.")
        case Verdict.AGAIN:
            return _(
                "Already in since %(time)s, let in by %(name)s. Do not let them in again.",
                time=_time(answer),
                name=_by(answer),
            )
        case Verdict.TOO_MANY if answer.what is What.OUT:
            return _("Only %(admitted)s of them are in. Nothing is taken back.", admitted=admitted)
        case Verdict.TOO_MANY:
            return _(
                "Only %(left)s of %(of)s are left, and nobody is let in yet. Ask how many come.",
                left=of - admitted,
                of=of,
            )
        case Verdict.NOT_CONFIRMED:
            return _("Not a confirmed booking: it waits, or has lapsed. Do not let them in.")
        case Verdict.CANCELLED:
            return _("This booking was cancelled. Do not let them in.")
        case Verdict.REPLACED:
            return _("This ticket was replaced by a newer one. Ask for the one in the last mail.")
        case Verdict.OTHER_EVENT:
            return _("This ticket is for another event: %(event)s.", event=answer.other_event)
        case Verdict.UNKNOWN:
            return _("No ticket of this event. Scan it again, or search for the name.")
        case Verdict.UNDONE:
            return _("Taken back: %(admitted)s of %(of)s are in now.", admitted=admitted, of=of)
        case Verdict.NOT_IN:
            return _("Nobody of this booking is in. Nothing is taken back.")


def _by(answer: Answer) -> str:
    return answer.first_by or _("the organizer")


def _time(answer: Answer) -> str:
    return "" if answer.first_at is None else clock(answer.first_at, language())
