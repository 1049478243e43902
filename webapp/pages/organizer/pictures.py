"""The picture of an organizer's event: uploading, replacing, describing and removing it."""

from functools import partial

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import EditConflict, InvalidInput, Problem
from webapp.events import pictures
from webapp.events.imaging import FIELD, LARGEST_FILE, LARGEST_FILE_MB
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, me, uploads
from webapp.pages.organizer.event_form import uploaded_file
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import meanwhile
from webapp.web.fields import Line
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.schemas import Input, from_form

# So much is read that a file which is somewhat too large is refused with what was typed kept.
for view in ("set_picture", "create_event"):
    uploads.allow(view, 3 * LARGEST_FILE, Problem("upload_too_large", limit=LARGEST_FILE_MB))


class PictureFields(Input):
    """What a picture shows, in words."""

    description: Line = ""


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
