"""The ticket types of an event at the desk: the list, adding, changing, ordering, removing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import Field

from webapp import clock
from webapp.booking import type_services
from webapp.booking.code_services import PromoCode, codes_of_event
from webapp.booking.type_queries import TypedEvent, read_types
from webapp.booking.type_services import MAX_TYPES, TypeDetails, details_of_type
from webapp.errors import EditConflict, TypeNotFound
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, me
from webapp.pages.organizer.event_form import one_break, same_moments
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import meanwhile, moved_up
from webapp.storage.rows import TicketTypeRow
from webapp.web.fields import Digits
from webapp.web.htmx import move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.schemas import Input, from_form
from webapp.web.type_schemas import MAX_TYPE_DESCRIPTION, TYPE_FIELDS, TypeFields

TYPES = f"{EVENT}/types"
TYPE = f"{TYPES}/<int(max=2147483647):number>"


class Place(Input):
    """Where a type is to stand in the list, counted from 1."""

    place: Annotated[int, Field(ge=1, le=MAX_TYPES), Digits]


@bp.get(TYPES)
def types(event_id: int) -> ResponseReturnValue:
    """The ticket types of an event in order, and the form for one more."""
    return _show_types(event_id)


@bp.post(TYPES)
@form_on("organizer.types")
def add_type(event_id: int) -> ResponseReturnValue:
    """Give the event one more type; the first one takes over what is booked."""
    form = from_form(TypeFields, request.form)
    type_services.add_type(
        event_id,
        _details(form, g.event.time_zone),
        actor=me(),
        key=forms.idempotency_key("add_type", caller=str(me()), **form.model_dump()),
    )
    flash(_("%(name)s is added.", name=form.name))
    return move_to(url_for("organizer.types", event_id=event_id))


@bp.get(TYPE)
def edit_type(event_id: int, number: int) -> ResponseReturnValue:
    """The form for a type."""
    if g.event.status == "cancelled":
        return move_to(url_for("organizer.types", event_id=event_id))
    return show(
        "organizer/edit_type.html",
        event=g.event,
        type=_type(read_types(event_id), number),
        longest=MAX_TYPE_DESCRIPTION,
    )


@bp.post(TYPE)
@form_on("organizer.edit_type")
def save_type(event_id: int, number: int) -> ResponseReturnValue:
    """Save a type; a larger quota goes to those who wait for it, at once."""
    try:
        promoted = type_services.edit_type(
            event_id, number, _kept(g.event.time_zone), actor=me(), seen=forms.seen()
        )
    except EditConflict as conflict:
        problems = {
            TYPE_FIELDS[column]: meanwhile(value, g.event.time_zone)
            for column, value in conflict.changed.items()
        }
        raise Overtaken(problems, seen=conflict.row.revision) from conflict
    flash(" ".join([_("Saved."), moved_up(promoted)]).strip())
    return move_to(url_for("organizer.types", event_id=event_id))


@bp.post(f"{TYPE}/move")
@form_on("organizer.types")
def move_type(event_id: int, number: int) -> ResponseReturnValue:
    """Put a type to another place in the list."""
    place = from_form(Place, request.form).place
    typed = read_types(event_id)
    name = _type(typed, number).name
    order = [one for one in typed.types if one != number]
    order.insert(place - 1, number)
    type_services.order_types(event_id, order, actor=me())
    if wants_fragment():
        # Only the list changes: whoever moves a type further finds the button where it was.
        told = _("%(name)s is number %(place)s.", name=name, place=min(place, len(order)))
        return _show_types(event_id, told)
    # Below its row the list goes on where the eye is.
    path = url_for("organizer.types", event_id=event_id, _anchor=f"type-{number}")
    return redirect(path, code=303)


@bp.post(f"{TYPE}/remove")
@form_on("organizer.edit_type")
def remove_type(event_id: int, number: int) -> ResponseReturnValue:
    """Take away a type that nobody has booked."""
    name = _type(read_types(event_id), number).name
    type_services.remove_type(event_id, number, actor=me())
    flash(_("%(name)s is removed.", name=name))
    return move_to(url_for("organizer.types", event_id=event_id))


def _show_types(event_id: int, told: str = "") -> ResponseReturnValue:
    """The page; `told` is what has become of the list, for whoever does not see it."""
    typed = read_types(event_id)
    hidden = {number for number, row in typed.types.items() if row.hidden}
    codes = codes_of_event(g.event, actor=me()) if hidden else []
    return show(
        "organizer/types.html",
        event=g.event,
        typed=typed,
        locked={number for number in hidden if not any(_unlocks(code, number) for code in codes)},
        is_full=len(typed.types) >= MAX_TYPES,
        longest=MAX_TYPE_DESCRIPTION,
        now=clock.now(),
        told=told,
    )


def _unlocks(code: PromoCode, number: int) -> bool:
    """Whether a code is one that unlocks a type."""
    return code.details.unlocks and (not code.details.types or number in code.details.types)


def _type(typed: TypedEvent, number: int) -> TicketTypeRow:
    if number not in typed.types:
        raise TypeNotFound
    return typed.types[number]


def _kept(time_zone: str) -> Callable[[TicketTypeRow], TypeDetails]:
    """The details of the form that was sent, with the seconds that it shows no change of.

    Raises `InvalidInput`.
    """
    typed = _details(from_form(TypeFields, request.form), time_zone)

    def kept(row: TicketTypeRow) -> TypeDetails:
        return replace(typed, **same_moments(typed, details_of_type(row), time_zone))

    return kept


def _details(form: TypeFields, time_zone: str) -> TypeDetails:
    # Browsers send every line break as two characters.
    columns = form.columns(time_zone)
    return TypeDetails(**{**columns, "description": one_break(form.description)})
