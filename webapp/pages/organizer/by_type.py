"""The tickets of an event with types, as its organizer reads and narrows them."""

from dataclasses import dataclass
from typing import cast

from flask import g, request
from markupsafe import Markup

from webapp.booking.commands import is_active
from webapp.booking.ticket_types import items_of, text_of, wants_of, words_of
from webapp.booking.type_offers import code_of_booking, more_of
from webapp.booking.type_queries import TypedEvent, names_of, read_types
from webapp.pages import forms, types
from webapp.pages.organizer import bp, me
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import BookingRow
from webapp.web.paging import number_in
from webapp.web.schemas import WantedTickets, from_form


@bp.app_template_global()
def type_names() -> dict[int, str]:
    """The names of the event's types in the order of its page: `{number: name}`; read once."""
    if "type_names" not in g:
        g.type_names = names_of(g.event)
    return cast(dict[int, str], g.type_names)


@bp.app_template_global()
def tickets_told(wants: str | None, tickets: int) -> Markup | int:
    """What a booking wants by type, such as `2 × VIP, 1 × Standard`; else only how many."""
    if not wants:
        return tickets
    items = items_of(wants, type_names())
    return Markup(", ").join(Markup("{} × <bdi>{}</bdi>").format(*item) for item in items)


@bp.app_template_global()
def words_told(wants: str | None) -> str:
    """The same as text that is not a page's; empty where there are no types."""
    return words_of(wants, type_names()) if wants else ""


def narrowed_type() -> int | None:
    """The type to which the list of bookings is narrowed by its address; none for all."""
    number = number_in(request.args.get("type", ""))
    return number if number in type_names() else None


class WantedByForm:
    """The tickets that the form of this request asks for: `wants` by type where it has rows.

    Raises `InvalidInput`, `ChooseTicketType`.
    """

    def __init__(self) -> None:
        self.wants = types.wanted_from_form(request.form)
        self.tickets = sum(self.wants.values()) or from_form(WantedTickets, request.form).tickets

    @property
    def text(self) -> str:
        """The wants as they are kept; empty without types."""
        return text_of(self.wants)

    @property
    def fields(self) -> dict[str, int]:
        """The fields that ask for the same: `{name: tickets}`."""
        if not self.wants:
            return {"tickets": self.tickets}
        return {types.field_of(number): tickets for number, tickets in self.wants.items()}

    def key(self, operation: str, position: int) -> IdempotencyKey | None:
        """The one-time key of the form, bound to what it asks for a booking."""
        content: dict[str, object] = {"position": position, "tickets": self.tickets}
        if self.wants:
            content["items"] = self.text
        return forms.idempotency_key(operation, caller=str(me()), **content)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type in a form of the desk: `count` of its tickets so far, at most `most`, now `left`.

    `waits` says that whoever wants any joins the waiting list.
    """

    number: int
    name: str
    count: int
    most: int
    left: int
    least: int = 1
    hidden: bool = False
    is_on_sale: bool = True
    waits: bool = False

    @property
    def field(self) -> str:
        return types.field_of(self.number)


def rows_to_book(found: TypedEvent) -> list[TypeRow]:
    """The types of an event as its organizer can book them: hidden ones, and past their sale."""
    here, rows = found.inventory, []
    for number, kind in here.types.items():
        left = found.available_of(number)
        most = here.most if kind.most is None else min(kind.most, here.most)
        count = kind.min_tickets if len(here.types) == 1 else 0
        waits = not left and here.has_place_in_list
        shown = (kind.min_tickets, kind.hidden, kind.is_on_sale, waits)
        rows.append(TypeRow(number, kind.name, count, most if left or waits else 0, left, *shown))
    return rows


def rows_to_change(booking: BookingRow) -> list[TypeRow]:
    """The types of which a booking has tickets, or could have some now; none without types."""
    if not booking.wants or not is_active(booking.status):
        return []
    found, has = read_types(booking.event_id), wants_of(booking.wants)
    more = more_of(found, booking, code_of_booking(booking), me())
    return [
        TypeRow(
            number,
            kind.name,
            has.get(number, 0),
            has.get(number, 0) + more.get(number, 0),
            more.get(number, 0),
            hidden=kind.hidden,
        )
        for number, kind in found.inventory.types.items()
        if number in has or number in more
    ]
