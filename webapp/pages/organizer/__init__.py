"""What organizers see: their own events and nobody else's."""

from typing import Any

from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue

from webapp.booking.commands import Actor, organizer
from webapp.events.queries import own_event
from webapp.pages.auth import ask_to_log_in
from webapp.storage.columns import MAX_NAME
from webapp.web.htmx import wants_fragment
from webapp.web.paging import number_in
from webapp.web.security import current_login, note_login_is_used

bp = Blueprint("organizer", __name__, url_prefix="/organizer")


@bp.before_request
def require_login() -> ResponseReturnValue | None:
    """Every route here is for organizers who are logged in."""
    if current_login() is not None:
        note_login_is_used()
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
    return number_in(request.args.get(name, ""))


# What the list of bookings is narrowed to, and where it goes on.
KEPT = ("status", "type", "search", "after")


def kept_list() -> dict[str, Any]:
    """Where in the list of bookings somebody came from, so that an action leads back there."""
    given = {name: request.args.get(name, "")[:MAX_NAME] for name in KEPT}
    return {name: value for name, value in given.items() if value}


@bp.context_processor
def tell_where_from() -> dict[str, object]:
    return {"kept_list": kept_list}


def organizer_id() -> int:
    """The id of the organizer who is logged in."""
    login = current_login()
    assert login is not None
    return login.organizer_id


def me() -> Actor:
    """The organizer who is logged in, as the one who acts."""
    return organizer(organizer_id())


# The views need `bp`, so they come after it.
from webapp.pages.organizer import (  # noqa: E402
    bookings,
    by_hand,
    checks,
    codes,
    contact,
    corrections,
    dashboard,
    desk,
    door,
    events,
    lists,
    mails,
    notices,
    pictures,
    settings,
    types,
    whole_list,
)

__all__ = [
    "bookings",
    "bp",
    "by_hand",
    "checks",
    "codes",
    "contact",
    "corrections",
    "dashboard",
    "desk",
    "door",
    "events",
    "lists",
    "mails",
    "notices",
    "pictures",
    "settings",
    "types",
    "whole_list",
]
