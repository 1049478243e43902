"""What the page of an event with ticket types offers, and what a chosen mix would lead to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from flask import g
from werkzeug.exceptions import TooManyRequests

from webapp import clock
from webapp.booking.code_services import code_of
from webapp.booking.commands import Refusal, Status
from webapp.booking.inventory import Closure
from webapp.booking.refusals import error_of
from webapp.booking.ticket_types import CodeFigures, as_kept, text_of
from webapp.booking.type_offers import opened, would_book
from webapp.booking.type_queries import TypedEvent, read_types
from webapp.booking.wishes import Access
from webapp.errors import InvalidInput, UnknownCode
from webapp.pages import types
from webapp.pages.offer import FEW_LEFT
from webapp.storage.columns import MAX_NAME
from webapp.storage.rows import EventRow, TicketTypeRow
from webapp.text.sentences import problem_sentences, sentence_of
from webapp.web.language import language
from webapp.web.rate_limits import CodeTry

# What a form promises that joins the waiting list whatever is chosen.
ANY = "any"
MAX_SHOWN = 999


class Sale(StrEnum):
    """Whether a type can be chosen, by its own dates."""

    OPEN = "open"
    LATER = "later"
    OVER = "over"


class Leads(StrEnum):
    """What a choice leads to."""

    NOWHERE = "nowhere"
    TICKETS = "tickets"
    LIST = "list"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type as the page shows it: `count` of it are chosen so far, `most` may be.

    It `tells_most` where the organizer has said so. `left` are the tickets that can be had at once:
    told where they are `few`. `waiting` bookings wait for it. `moment` is when its sale opens, or
    closes.
    """

    number: int
    name: str
    description: str
    count: int
    least: int
    most: int
    tells_most: bool
    left: int
    few: bool
    waiting: int
    sale: Sale
    moment: datetime | None

    @property
    def field(self) -> str:
        return types.field_of(self.number)


@dataclass(frozen=True, slots=True)
class Choice:
    """The types of an event that its visitor sees, and what comes of those chosen.

    `code` is the one that was named and is of use; `is_wrong_code` says that it was none, and
    `code_waits` that it was not looked at, after too many wrong ones. `place` is the one in the
    waiting list, `lacking` names the types of the choice that are not free: where it waits for none
    of them, there is only not room for all at once. `says` is a refusal. `waits` is what the form
    promises to be the waiting list, `available` are the tickets to be had at once.
    """

    rows: tuple[TypeRow, ...]
    code: str
    is_wrong_code: bool
    code_waits: bool
    leads: Leads
    tickets: int
    place: int | None
    lacking: tuple[str, ...]
    says: str
    waits: str
    available: int

    @property
    def is_open(self) -> bool:
        """Whether anything can be chosen."""
        return any(row.sale is Sale.OPEN for row in self.rows)

    @property
    def all_wait(self) -> bool:
        return self.waits == ANY

    @property
    def shown(self) -> str:
        """The numbers of its rows: a page that is open says with them what it shows."""
        return ",".join(str(row.number) for row in self.rows)

    def is_shown_by(self, asked: Mapping[str, str]) -> bool:
        """Whether the page that asks for what is new shows these rows, and fields in the same."""
        fields = all((row.field in asked) is (row.sale is Sale.OPEN) for row in self.rows)
        return fields and asked.get("shown") == self.shown


class Named(NamedTuple):
    """A code that was named: what it is good for, or that it is none.

    After too many wrong ones it is not looked at: then it `waits`.
    """

    text: str = ""
    figures: CodeFigures | None = None
    waits: bool = False

    @property
    def is_wrong(self) -> bool:
        return bool(self.text) and self.figures is None


def code_named(event_id: int, values: Mapping[str, str]) -> Named:
    """The code that a link or a form names, looked up once a request. Raises `Unavailable`."""
    if not (text := as_kept(values.get("code", "")[:MAX_NAME])):
        return Named()
    if "named_code" not in g:
        g.named_code = _look_up(event_id, text)
    named: Named = g.named_code
    return named


def _look_up(event_id: int, text: str) -> Named:
    try:
        with CodeTry(text):
            return Named(text, code_of(event_id, text))
    except UnknownCode:
        return Named(text)
    except TooManyRequests:
        return Named(text, waits=True)


def choice_of(event: EventRow, values: Mapping[str, str]) -> Choice:
    """What an event with types offers to who has named a code, and has chosen so far.

    Raises `EventNotFound`, `Unavailable`.
    """
    named = code_named(event.id, values)
    found = read_types(event.id)
    closure = found.inventory.closure
    at = clock.now()
    if closure is Closure.NOT_YET_OPEN and event.sales_open_at:
        at = event.sales_open_at
    # A draft is shown as everybody will see it.
    found = opened(found, event if found.event.status == "draft" else found.event, at)
    access = Access(named.figures)
    seen = {
        number: row
        for number, row in found.types.items()
        if found.inventory.closure is None and access.sees(found.figures(number))
    }
    sales = {number: _sale(found, row, at) for number, row in seen.items()}
    can_be_had = [number for number, sale in sales.items() if sale is Sale.OPEN]
    has_chosen = types.has_rows(values)
    rows = []
    for number, row in seen.items():
        kind = found.figures(number)
        most = min(limit for limit in (kind.most, found.inventory.most) if limit is not None)
        count = 0
        if number in can_be_had:
            count = types.counted(values, number, most=MAX_SHOWN)
            if not has_chosen and can_be_had == [number]:
                count = min(kind.min_tickets, most)
        left = found.available_of(number)
        rows.append(
            TypeRow(
                number,
                row.name,
                row.description,
                count,
                kind.min_tickets,
                most,
                kind.max_tickets is not None and kind.max_tickets < found.inventory.most,
                min(left, FEW_LEFT + 1),
                0 < left <= FEW_LEFT,
                0 if left else found.waiting_for(number),
                sales[number],
                row.sales_open_at if sales[number] is Sale.LATER else row.sales_close_at,
            )
        )
    chosen = {row.number: row.count for row in rows if row.count}
    return _foreseen(event, found, tuple(rows), named, chosen)


def _sale(found: TypedEvent, row: TicketTypeRow, at: datetime) -> Sale:
    if found.figures(row.number).is_on_sale:
        return Sale.OPEN
    later = row.sales_open_at is not None and at < row.sales_open_at
    return Sale.LATER if later else Sale.OVER


def _foreseen(
    event: EventRow,
    found: TypedEvent,
    rows: tuple[TypeRow, ...],
    named: Named,
    chosen: Mapping[int, int],
) -> Choice:
    leads, place, says = Leads.NOWHERE, None, ""
    lacking: tuple[str, ...] = ()
    outcome = would_book(found, chosen, named.figures) if chosen else None
    if isinstance(outcome, Refusal):
        leads, says = Leads.REFUSAL, _sentence(outcome, event)
    elif outcome is not None:
        waits = outcome.status is Status.WAITING
        leads, place = Leads.LIST if waits else Leads.TICKETS, outcome.rank
        if waits:
            walk = found.walk.copy()
            lacks = () if walk.is_stopped else walk.lacks(text_of(chosen))
            lacking = tuple(found.types[number].name for number in lacks)
    have = [row for row in rows if row.sale is Sale.OPEN]
    all_wait = bool(have) and not any(row.left for row in have) and found.inventory.has_list
    promised = text_of(chosen) if leads is Leads.LIST else ""
    shown = sum(found.available_of(row.number) for row in rows)
    return Choice(
        rows,
        named.text if named.figures else "",
        named.is_wrong,
        named.waits,
        leads,
        sum(chosen.values()),
        place,
        lacking,
        says,
        ANY if all_wait else promised,
        min(found.inventory.free, shown),
    )


def _sentence(refusal: Refusal, event: EventRow) -> str:
    error = error_of(refusal, event, clock.now(), field=types.ALL_ROWS)
    if isinstance(error, InvalidInput):
        return " ".join(problem_sentences(error, language()).values())
    return sentence_of(error, language())
