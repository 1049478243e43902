"""Pictures of events, as browsers fetch them and as templates name them."""

from dataclasses import dataclass

from flask import Blueprint, Flask, Response, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking.queries import find_event, is_hidden
from webapp.errors import EventNotFound
from webapp.events.imaging import SMALL
from webapp.events.pictures import Size, picture_data
from webapp.storage.rows import EventRow
from webapp.web.security import current_login
from webapp.web.static_files import IMMUTABLE

bp = Blueprint("pictures", __name__)

# Whatever a browser takes it for, it runs nothing and loads nothing.
PICTURE_CSP = "default-src 'none'; sandbox"


@dataclass(frozen=True, slots=True)
class Picture:
    """One size of an event's picture; its place can be held open before it is there."""

    url: str
    width: int
    height: int
    description: str


def init_app(app: Flask) -> None:
    app.add_template_global(picture_of)


def picture_of(event: EventRow, size: Size) -> Picture | None:
    """The picture of an event, if it has one."""
    if event.picture is None:
        return None
    width, height = SMALL
    if size == "large":
        width, height = map(int, event.picture.rpartition("-")[2].split("x"))
    url = url_for("pictures.picture", event_id=event.id, size=size, name=event.picture)
    return Picture(url, width, height, event.picture_description)


@bp.get("/events/<id:event_id>/pictures/<any(large, small):size>/<name>.webp")
def picture(event_id: int, size: Size, name: str) -> ResponseReturnValue:
    """A picture under the name of its content, so that it can be kept for ever."""
    event = find_event(event_id, with_drafts=True)
    is_draft = is_hidden(event)
    if event.picture != name or (is_draft and not _is_own(event)):
        raise EventNotFound
    response = Response(picture_data(event_id, name, size), mimetype="image/webp")
    response.headers["Content-Security-Policy"] = PICTURE_CSP
    response.headers["Cache-Control"] = "private, no-cache" if is_draft else IMMUTABLE
    response.set_etag(f"{name}-{size}")
    return response.make_conditional(request)


def _is_own(event: EventRow) -> bool:
    login = current_login()
    return login is not None and login.organizer_id == event.organizer_id
