"""Whom attendees turn to, as their pages and mails name them."""

import json

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from webapp.accounts.contacts import Contact, set_contact
from webapp.errors import EditConflict
from webapp.pages.forms import SEEN_FIELD, Overtaken, form_on
from webapp.pages.organizer import bp, organizer_id
from webapp.pages.organizer.wording import meanwhile
from webapp.web.htmx import move_to
from webapp.web.language import gettext as _
from webapp.web.schemas import ContactFields, Input, from_form


class Seen(Input):
    """What the form was made from; nothing was set where it does not say."""

    name: str = ""
    email: str = ""


@bp.post("/settings/account/contact")
@form_on("organizer.account")
def save_contact() -> ResponseReturnValue:
    """Save what attendees see from now on."""
    # A field that is left empty is no address, and no wrong one either.
    given = {name: value for name, value in request.form.items() if value.strip()}
    contact = from_form(ContactFields, given).contact()
    try:
        set_contact(organizer_id(), contact, seen=_seen())
    except EditConflict as conflict:
        problems = {f"contact_{part}": meanwhile(v, "UTC") for part, v in conflict.changed.items()}
        raise Overtaken(problems, seen=as_text(conflict.row)) from conflict
    flash(_("Saved."))
    return move_to(url_for("organizer.account"))


def as_text(contact: Contact) -> str:
    """What the form is made from, for its hidden field."""
    return json.dumps(contact._asdict())


def _seen() -> Contact:
    """What `as_text` made text of."""
    try:
        return Contact(**Seen.model_validate_json(request.form.get(SEEN_FIELD, "")).model_dump())
    except ValidationError:
        return Contact()
