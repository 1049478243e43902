"""The tickets of an event with types, as its organizer reads and narrows them."""

from typing import cast

from flask import g, request
from markupsafe import Markup

from webapp.booking.ticket_types import items_of, words_of
from webapp.booking.type_queries import names_of
from webapp.pages.organizer import bp
from webapp.web.paging import number_in


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


def words_told(wants: str | None) -> str:
    """The same as text that is not a page's; empty where there are no types."""
    return words_of(wants, type_names()) if wants else ""


def narrowed_type() -> int | None:
    """The type to which the list of bookings is narrowed by its address; none for all."""
    number = number_in(request.args.get("type", ""))
    return number if number in type_names() else None
