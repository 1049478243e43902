"""The picture of an organizer's event: uploading, replacing, describing and removing it."""

from functools import partial
from typing import Any

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.errors import EditConflict, InvalidInput, Problem
from webapp.events import pictures
from webapp.events.imaging import FIELD, LARGEST_FILE, LARGEST_FILE_MB
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, me
from webapp.pages.organizer.event_form import uploaded_file
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import meanwhile
from webapp.text.sentences import problem_sentence
from webapp.web.error_responses import show_http_error
from webapp.web.fields import Line
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.language import language
from webapp.web.schemas import Input, from_form
from webapp.web.security import current_login

# So much is read that a file which is somewhat too large is refused with what was typed kept.
LARGEST_BODY = 3 * LARGEST_FILE
# {endpoint that takes a picture: endpoint of the page with its form}
TAKE_FILES = {
    "organizer.set_picture": "organizer.picture",
    "organizer.create_event": "organizer.new_event",
}
TOO_LARGE = Problem("upload_too_large", limit=LARGEST_FILE_MB)


class PictureFields(Input):
    """What a picture shows, in words."""

    description: Line = ""


@bp.url_value_preprocessor
def allow_upload(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let organizers send a file; this comes before anything has been read of it."""
    if endpoint in TAKE_FILES and current_login() is not None:
        request.max_content_length = LARGEST_BODY


@bp.errorhandler(RequestEntityTooLarge)
def refuse_large_upload(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Nothing has been read, so the page is shown as it was before."""
    if request.endpoint not in TAKE_FILES:
        return show_http_error(error)
    if current_login() is None:
        next_path = url_for(TAKE_FILES[request.endpoint], **request.view_args or {})
        return move_to(url_for("auth.login", next=next_path))
    return forms.show_before_view(413, problem_sentence(TOO_LARGE, language()), typed={})


@bp.get(f"{EVENT}/picture")
def picture(event_id: int) -> ResponseReturnValue:
    """The picture of an event, and the form for another one."""
    if g.event.status == "cancelled":
        return move_to(url_for("organizer.event", event_id=event_id))
    return show("organizer/picture.html", event=g.event, largest=LARGEST_FILE_MB)


@bp.post(f"{EVENT}/picture")
@form_on("organizer.picture")
def set_picture(event_id: int) -> ResponseReturnValue:
    """Keep the picture that was sent; without one, what is said of the present one."""
    description = from_form(PictureFields, request.form).description
    data = uploaded_file()
    if data:
        set_or_describe = partial(pictures.set_picture, event_id, data)
    elif g.event.picture is not None:
        set_or_describe = partial(pictures.describe_picture, event_id)
    else:
        raise InvalidInput({FIELD: Problem("file_missing")})
    try:
        set_or_describe(description=description, actor=me(), seen=forms.seen())
    except EditConflict as conflict:
        g.event = conflict.row
        raise Overtaken(_overtaken(conflict), seen=conflict.row.revision) from conflict
    flash(_("The picture is saved."))
    return move_to(url_for("organizer.picture", event_id=event_id))


@bp.post(f"{EVENT}/picture/remove")
@form_on("organizer.picture")
def remove_picture(event_id: int) -> ResponseReturnValue:
    """Take the picture away."""
    try:
        pictures.remove_picture(event_id, actor=me(), seen=forms.seen())
    except EditConflict as conflict:
        g.event = conflict.row
        raise Overtaken({}, seen=conflict.row.revision, reason="picture") from conflict
    flash(_("The picture is removed."))
    return move_to(url_for("organizer.picture", event_id=event_id))


def _overtaken(conflict: EditConflict) -> dict[str, Problem]:
    """What was changed meanwhile: `{field: problem}`."""
    told: dict[str, Problem] = {}
    if "picture" in conflict.changed:
        if conflict.row.picture:
            told[FIELD] = Problem("picture_replaced_meanwhile")
        else:
            told[FIELD] = Problem("picture_removed_meanwhile")
    if "picture_description" in conflict.changed:
        described = conflict.changed["picture_description"]
        told["description"] = meanwhile(described, conflict.row.time_zone)
    return told
