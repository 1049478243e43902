"""Pictures of events, as browsers fetch them and as templates name them."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Row

from webapp.errors import EventNotFound
from webapp.imaging import SMALL
from webapp.pages.presentation import FOR_EVER
from webapp.security import current_account
from webapp.services.availability import find_event
from webapp.services.pictures import Size, picture_data

bp = Blueprint("pictures", __name__)

EVENT_ID = "<int(max=9223372036854775807):event_id>"
# Whatever a browser takes it for, it runs nothing and loads nothing.
ALONE = "default-src 'none'; sandbox"


@dataclass(frozen=True, slots=True)
class Picture:
    """One size of an event's picture; its place can be held open before it is there."""

    url: str
    width: int
    height: int
    description: str


def init_app(app: Flask) -> None:
    app.add_template_global(picture_of)


def picture_of(event: Row[Any], size: Size) -> Picture | None:
    """The picture of an event, if it has one."""
    if event.picture is None:
        return None
    width, height = SMALL
    if size == "large":
        width, height = map(int, event.picture.rpartition("-")[2].split("x"))
    url = url_for("pictures.picture", event_id=event.id, size=size, name=event.picture)
    return Picture(url, width, height, event.picture_description)


@bp.get(f"/events/{EVENT_ID}/pictures/<any(large, small):size>/<name>.webp")
def picture(event_id: int, size: Size, name: str) -> ResponseReturnValue:
    """A picture under the name of its content, so that it can be kept for ever."""
    event = find_event(event_id, with_drafts=True)
    is_draft = event.status == "draft"
    if event.picture != name or (is_draft and not _is_own(event)):
        raise EventNotFound
    response = Response(picture_data(event_id, name, size), mimetype="image/webp")
    response.headers["Content-Security-Policy"] = ALONE
    response.headers["Cache-Control"] = "private, no-cache" if is_draft else FOR_EVER
    response.set_etag(f"{name}-{size}")
    return response.make_conditional(request)


def _is_own(event: Row[Any]) -> bool:
    account = current_account()
    return account is not None and account.id == event.organizer_id
