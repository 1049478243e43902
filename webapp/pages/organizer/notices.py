"""Mails to the organizer: about what. Where to is the account's address."""

import json
from typing import Any

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from webapp.accounts.addresses import owner_of
from webapp.errors import EditConflict, InvalidInput, Problem
from webapp.mail import scheduled as notices_service
from webapp.pages.forms import SEEN_FIELD, Overtaken, form_on
from webapp.pages.organizer import bp, organizer_id
from webapp.pages.organizer.wording import meanwhile
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.schemas import Input


class Seen(Input):
    """What the form was made from; nothing was set where it does not say."""

    wants_sold_out: bool = False
    wants_summary: bool = False


@bp.get("/notices")
def old_notices() -> ResponseReturnValue:
    """Where the page was before there were settings."""
    return move_to(url_for("organizer.notices"))


@bp.get("/settings/mails")
def notices() -> ResponseReturnValue:
    """What the organizer is written about."""
    now = notices_service.notices_of(organizer_id())
    return show(
        "organizer/settings/mails.html",
        owner=owner_of(organizer_id()),
        notices=now,
        now=_as_text(now),
    )


@bp.post("/settings/mails")
@form_on("organizer.notices")
def set_notices() -> ResponseReturnValue:
    """Save it; without an address nothing is sent."""
    wishes = {name: request.form.get(name) == "yes" for name in notices_service.Notices._fields}
    if any(wishes.values()) and owner_of(organizer_id()).email is None:
        missing = Problem("notice_address_missing")
        raise InvalidInput({name: missing for name, wish in wishes.items() if wish})
    try:
        notices_service.set_notices(organizer_id(), **wishes, seen=_seen())
    except EditConflict as conflict:
        raise Overtaken(_overtaken(conflict), seen=_as_text(conflict.row)) from conflict
    flash(_("Saved."))
    return move_to(url_for("organizer.notices"))


def _as_text(notices: notices_service.Notices) -> str:
    """What the form is made from, for its hidden field."""
    return json.dumps(notices._asdict())


def _seen() -> dict[str, Any]:
    """What `_as_text` made text of."""
    try:
        return Seen.model_validate_json(request.form.get(SEEN_FIELD, "")).model_dump()
    except ValidationError:
        return Seen().model_dump()


def _overtaken(conflict: EditConflict) -> dict[str, Problem]:
    """What each field that was changed meanwhile is now: `{field: problem}`."""
    return {name: meanwhile(value, "UTC") for name, value in conflict.changed.items()}
