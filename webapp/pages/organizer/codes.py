"""The codes of an event at the desk: the list with its links, adding, changing, removing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.booking.code_services import (
    CodeDetails,
    PromoCode,
    add_code,
    codes_of_event,
    edit_code,
    remove_code,
)
from webapp.booking.codes import new_promo_code
from webapp.booking.ticket_types import words_of_types
from webapp.booking.type_queries import names_of
from webapp.errors import CodeNotFound, EditConflict, Problem
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, cursor_argument, me
from webapp.pages.organizer.event_form import same_moments
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import meanwhile
from webapp.storage.rows import EventRow
from webapp.web.code_schemas import CODE_FIELDS, CodeFields
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.paging import number_in, page_of
from webapp.web.schemas import from_form

PAGE = 50
CODES = f"{EVENT}/codes"
CODE = f"{CODES}/<int(max=2147483647):number>"
# A box for each type that a code may be for: each keeps what was ticked.
FOR = "for-"


@bp.get(CODES)
def codes(event_id: int) -> ResponseReturnValue:
    """The codes of an event, the newest first, and the form for one more."""
    before = cursor_argument("before")
    made = codes_of_event(g.event, actor=me())[::-1]
    left = [code for code in made if before is None or code.number < before]
    page, next_before = page_of(lambda limit: left[:limit], PAGE, lambda code: code.number)
    return show(
        "organizer/codes.html",
        event=g.event,
        names=names_of(g.event),
        codes=page,
        words_of_types=words_of_types,
        is_continued=before is not None,
        next_before=next_before,
        suggested=new_promo_code(),
        wanted=number_in(request.args.get("type", "")),
        now=clock.now(),
    )


@bp.post(CODES)
@form_on("organizer.codes")
def make_code(event_id: int) -> ResponseReturnValue:
    """Give the event one more code."""
    form = _sent()
    details = CodeDetails(**form.columns(g.event.time_zone))
    key = forms.idempotency_key("add_code", caller=str(me()), **form.model_dump())
    add_code(event_id, details, actor=me(), key=key)
    flash(_("The code is made. Its link stands below."))
    return move_to(url_for("organizer.codes", event_id=event_id))


@bp.get(CODE)
def change_code(event_id: int, number: int) -> ResponseReturnValue:
    """The form for a code."""
    code = _code(g.event, number)
    if g.event.status == "cancelled":
        return move_to(url_for("organizer.codes", event_id=event_id))
    return show("organizer/edit_code.html", event=g.event, code=code, names=names_of(g.event))


@bp.post(CODE)
@form_on("organizer.change_code")
def save_code(event_id: int, number: int) -> ResponseReturnValue:
    """Save a code; what was booked with it stays."""
    try:
        edit_code(event_id, number, _kept(g.event.time_zone), actor=me(), seen=forms.seen())
    except EditConflict as conflict:
        raise Overtaken(_overtaken(conflict), seen=conflict.row.revision) from conflict
    flash(_("Saved."))
    return move_to(url_for("organizer.codes", event_id=event_id))


@bp.post(f"{CODE}/remove")
@form_on("organizer.change_code")
def end_code(event_id: int, number: int) -> ResponseReturnValue:
    """Take away a code with which nobody has booked."""
    text = _code(g.event, number).details.text
    remove_code(event_id, number, actor=me())
    flash(_("%(code)s is removed.", code=text))
    return move_to(url_for("organizer.codes", event_id=event_id))


def _code(event: EventRow, number: int) -> PromoCode:
    for code in codes_of_event(event, actor=me()):
        if code.number == number:
            return code
    raise CodeNotFound


def _sent() -> CodeFields:
    """The code of the form that was sent. Raises `InvalidInput`."""
    chosen = [name.removeprefix(FOR) for name in request.form if name.startswith(FOR)]
    form: dict[str, Any] = {**request.form.to_dict(), "types": [*filter(number_in, chosen)]}
    # What only programs say of a code is not in the form.
    form.pop("unlocks", None)
    return from_form(CodeFields, form)


def _kept(time_zone: str) -> Callable[[PromoCode], CodeDetails]:
    """The details of the form that was sent, with what it does not show. Raises `InvalidInput`."""
    typed = CodeDetails(**_sent().columns(time_zone))

    def kept(code: PromoCode) -> CodeDetails:
        before = code.details
        details = replace(typed, unlocks=before.unlocks)
        return replace(details, **same_moments(details, before, time_zone))

    return kept


def _overtaken(conflict: EditConflict) -> dict[str, Problem]:
    """What each field that was changed meanwhile is now: `{field: problem}`."""
    values = dict(conflict.changed)
    if "types" in values:
        names = names_of(conflict.row)
        values["types"] = words_of_types(values["types"], names) or _("all ticket types")
    return {
        CODE_FIELDS[column]: meanwhile(value, g.event.time_zone) for column, value in values.items()
    }
