"""An organizer's events: making and editing one, publishing, cancelling."""

from dataclasses import asdict
from datetime import timedelta
from functools import partial
from hashlib import sha256
from types import SimpleNamespace

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.booking import queries
from webapp.booking.open_questions import answers_of
from webapp.booking.standstill import standstills
from webapp.errors import EditConflict, Problem
from webapp.events import services as events_service
from webapp.events.dates import warnings_of
from webapp.events.imaging import LARGEST_FILE_MB
from webapp.events.own_lists import types_at_a_glance
from webapp.events.pictures import create_event_with_picture
from webapp.events.queries import as_if_published, own_event, own_events
from webapp.events.removal import delete_event
from webapp.events.services import FIELDS_ATTENDEES_HEAR_OF
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, cursor_argument, me, organizer_id
from webapp.pages.organizer.event_form import (
    check_sure,
    choices_of,
    one_break,
    read_form,
    unsure,
    uploaded_file,
)
from webapp.pages.organizer.wording import (
    meanwhile,
    moved_up,
    pass_names,
    slips_told,
    with_slips,
)
from webapp.storage.rows import EventRow
from webapp.web.fields import Line
from webapp.web.htmx import fragment, move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.language import ngettext
from webapp.web.paging import number_in, page_of
from webapp.web.schemas import EVENT_FIELDS, Cancellation, Input, from_form

PAGE = 25
A_DAY = timedelta(days=1)
EVENT = "/events/<id:event_id>"
NOT_COPIED = {"sales_open_at": None, "sales_close_at": None, "cancel_until": None}


class PictureFields(Input):
    """What the picture of a new event shows, in words."""

    pictureDescription: Line = ""


@bp.get("/events/new")
def new_event() -> ResponseReturnValue:
    """The form for a new event, filled in where it is to be like another one."""
    event, time_zone, like = None, "UTC", _like()
    original, is_zone_open = None, False
    if like is not None:
        original = own_event(like, organizer_id=organizer_id())
        # The bookings stay where they are, and so does the date with all that hangs on it.
        details = asdict(events_service.details_of(original)) | NOT_COPIED
        event, time_zone = SimpleNamespace(**details, confirmed=0), original.time_zone
    else:
        # An event made by the API has UTC where nobody chose one.
        made = [one for one in own_events(organizer_id()) if not one.is_sample]
        chosen = [one.time_zone for one in made if one.time_zone != "UTC"]
        time_zone, is_zone_open = (chosen[0], False) if chosen else ("UTC", True)
    return show(
        "organizer/new_event.html",
        original=original,
        largest=LARGEST_FILE_MB,
        **choices_of(event, time_zone, is_zone_open=is_zone_open, is_copy=original is not None),
    )


@bp.post("/events/new")
@form_on("organizer.new_event")
def create_event() -> ResponseReturnValue:
    """Make an event, published or as a draft."""
    typed, like, picture = read_form(), _like(), uploaded_file()
    form, details = typed.fields, typed.details()
    adds_types = "types" in request.form
    if adds_types:
        # Nobody is to book while there are not all of them.
        form.status = "draft"
    if form.status == "published":
        check_sure(details)
    described = from_form(PictureFields, request.form).pictureDescription
    # What is not sent is left out: so are keys of the release before.
    sent = {"picture": sha256(picture).hexdigest(), "described": described} if picture else {}
    caller = str(me())
    event_id = create_event_with_picture(
        details,
        data=picture,
        description=described,
        like=like,
        actor=me(),
        published=form.status == "published",
        key=forms.idempotency_key("create", caller=caller, like=like, **sent, **form.model_dump()),
    )
    if form.status == "published":
        published = _("Your event is published. Share its link, and the first booking can arrive.")
        flash(with_slips(event_id, _("Your event is published."), if_none=published))
    else:
        flash(_("Saved as a draft. Only you can see it until you publish it."))
    shown = "organizer.types" if adds_types else "organizer.event"
    return move_to(url_for(shown, event_id=event_id))


@bp.get(f"{EVENT}/edit")
def edit(event_id: int) -> ResponseReturnValue:
    """The form for an event's details."""
    event = g.event
    if event.status == "cancelled":
        return move_to(url_for("organizer.event", event_id=event_id))
    told = 0
    if event.status == "published":
        told = events_service.count_told(event, actor=me())
    return show("organizer/edit.html", told=told, **choices_of(event, event.time_zone))


@bp.post(f"{EVENT}/edit")
@form_on("organizer.edit")
def save(event_id: int) -> ResponseReturnValue:
    """Save an event's details; more tickets go to those who wait, at once."""
    typed, tells = read_form(), request.form.get("tellAttendees") == "true"
    before = g.event
    if before.status == "published":
        check_sure(typed.kept(before), was=before)
    try:
        promoted = events_service.edit_event(
            event_id, typed.kept, actor=me(), seen=forms.seen(), tells=tells
        )
    except EditConflict as conflict:
        g.event = conflict.row
        raise Overtaken(_overtaken(conflict), seen=conflict.row.revision) from conflict
    saved = with_slips(event_id, _("Saved."))
    flash(" ".join([saved, _told(before, tells=tells), moved_up(promoted)]).strip())
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.post(f"{EVENT}/publish")
@form_on("organizer.event")
def publish(event_id: int) -> ResponseReturnValue:
    """Let everybody see and book the event; ask once more where a date of it is past."""
    slips = unsure(warnings_of(as_if_published(g.event), clock.now()))
    if slips and request.form.get("sure") != "yes":
        return show("organizer/confirm_publish.html", event=g.event, slips=slips_told(slips))
    events_service.publish_event(event_id, actor=me())
    published = _("Published. Share the link, and the first booking can arrive.")
    flash(with_slips(event_id, _("Your event is published."), if_none=published))
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.post(f"{EVENT}/unpublish")
@form_on("organizer.details")
def unpublish(event_id: int) -> ResponseReturnValue:
    """Make the event a draft again."""
    events_service.unpublish_event(event_id, actor=me())
    flash(_("It is a draft again. Only you can see it."))
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.get(f"{EVENT}/cancel")
def confirm_cancel_event(event_id: int) -> ResponseReturnValue:
    """Ask once more before an event is cancelled."""
    if g.event.status == "cancelled":
        return move_to(url_for("organizer.event", event_id=event_id))
    return show(
        "organizer/confirm_cancel_event.html",
        event=g.event,
        told=events_service.count_told(g.event, actor=me()),
    )


@bp.post(f"{EVENT}/cancel")
@form_on("organizer.confirm_cancel_event")
def cancel_event(event_id: int) -> ResponseReturnValue:
    """Cancel the event with every booking of it."""
    reason = from_form(Cancellation, request.form).reason
    events_service.cancel_event(event_id, actor=me(), reason=one_break(reason))
    flash(_("The event is cancelled, and every booking of it."))
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.get(f"{EVENT}/delete")
def confirm_delete_event(event_id: int) -> ResponseReturnValue:
    """Ask once more before an event is deleted."""
    return show("organizer/confirm_delete_event.html", event=g.event)


@bp.post(f"{EVENT}/delete")
@form_on("organizer.confirm_delete_event")
def remove_event(event_id: int) -> ResponseReturnValue:
    """Delete an event that never had a booking."""
    delete_event(event_id, actor=me())
    flash(_("%(name)s is deleted.", name=g.event.name))
    return move_to(url_for("organizer.events"))


@bp.get(f"{EVENT}/figures")
def figures(event_id: int) -> ResponseReturnValue:
    """The counts of an event, for a page that is open."""
    if not wants_fragment():
        return redirect(url_for("organizer.event", event_id=event_id), code=303)
    return fragment(
        "organizer/event.html",
        "figures",
        event=g.event,
        types_taken=types_at_a_glance([g.event]).get(event_id),
        standstill=standstills([g.event], actor=me()).get(event_id),
        answers=answers_of(g.event, actor=me()),
    )


@bp.get(f"{EVENT}/history")
def history(event_id: int) -> ResponseReturnValue:
    """Everything that happened to an event and its bookings, newest first."""
    before = cursor_argument("before")
    read = partial(queries.history, g.event, actor=me(), before=before)
    page, next_before = page_of(read, PAGE, lambda line: line.id)
    return show(
        "organizer/history.html",
        event=g.event,
        lines=page,
        pass_names=pass_names(event_id, (line.actor for line in page)),
        me=str(me()),
        is_continued=before is not None,
        next_before=next_before,
    )


def _like() -> int | None:
    """The event that a new one is to be like, if any."""
    return number_in(request.values.get("like", ""))


def _told(before: EventRow, *, tells: bool) -> str:
    """Whether attendees are told of what was changed of an event; empty where nobody could be."""
    now = own_event(before.id, organizer_id=organizer_id())
    concerns = any(getattr(now, name) != getattr(before, name) for name in FIELDS_ATTENDEES_HEAR_OF)
    told = events_service.count_told(now, actor=me()) if concerns else 0
    if now.status != "published" or not told:
        return ""
    if not tells:
        return _("Nobody was told.")
    return ngettext("%(num)s person is told by mail.", "%(num)s people are told by mail.", told)


def _overtaken(conflict: EditConflict) -> dict[str, Problem]:
    """What each field that was changed meanwhile is now: `{field: problem}`."""
    told = {
        EVENT_FIELDS[column]: meanwhile(value, conflict.row.time_zone)
        for column, value in conflict.changed.items()
    }
    if conflict.changed.get("description"):
        told["description"] = Problem("changed_meanwhile_see_below")
    return told
