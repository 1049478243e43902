"""What organizers see: their own events and nobody else's."""

import re

from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue

from webapp.htmx import wants_fragment
from webapp.pages.auth import ask_to_log_in
from webapp.security import current_account
from webapp.services.events import own_event

bp = Blueprint("organizer", __name__, url_prefix="/organizer")

is_cursor = re.compile(r"[0-9]{1,18}").fullmatch


@bp.before_request
def require_login() -> ResponseReturnValue | None:
    """Every route here is for organizers who are logged in."""
    if current_account() is not None:
        return None
    if wants_fragment() and request.endpoint == f"{bp.name}.progress":
        # A page that asks for news by itself stays: somebody may be writing on it.
        return Response(status=401)
    return ask_to_log_in()


@bp.before_request
def find_own_event() -> None:
    """Every route that names an event finds it here, so none can forget whose it is."""
    event_id = (request.view_args or {}).get("event_id")
    if event_id is not None:
        g.event = own_event(event_id, organizer_id=organizer_id())


def cursor_argument(name: str) -> int | None:
    """The number after or before which a list goes on; anything else begins it anew."""
    text = request.args.get(name, "")
    return int(text) if is_cursor(text) else None


def organizer_id() -> int:
    """The id of the organizer who is logged in."""
    account = current_account()
    assert account is not None
    return account.id


# The views need `bp`, so they come after it.
from webapp.pages.organizer import bookings, events, mails, notices, pictures  # noqa: E402

__all__ = ["bookings", "bp", "events", "mails", "notices", "pictures"]
