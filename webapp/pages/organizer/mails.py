"""Mails to the attendees of an event: messages, the reminder, and what could not be delivered."""

from typing import Annotated, Any

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator, Field, StrictStr

from webapp.booking import links
from webapp.config import current_settings
from webapp.errors import BookingNotFound
from webapp.mail import announcements, scheduled
from webapp.mail.announcements import PAGE
from webapp.mail.audiences import Audience
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, cursor_argument, kept_list, me
from webapp.pages.organizer.bookings import BOOKING
from webapp.pages.organizer.events import EVENT
from webapp.text.sentences import delivery_problem
from webapp.web.fields import RequiredLine, clean_text
from webapp.web.htmx import fragment, move_to, show
from webapp.web.language import gettext as _
from webapp.web.language import language
from webapp.web.schemas import Input, from_form

LONGEST_TEXT = 10_000


class MessageFields(Input):
    """A message to the attendees of an event."""

    audience: Audience
    subject: RequiredLine
    text: Annotated[
        StrictStr, Field(min_length=1, max_length=LONGEST_TEXT), BeforeValidator(clean_text)
    ]


@bp.context_processor
def tell_of_mails() -> dict[str, Any]:
    """Whether mails leave at all, and why one did not, for the pages that say so."""
    return {
        "has_mail_server": current_settings().mail_url is not None,
        "problem_of": lambda delivery: delivery_problem(delivery.problem, language()),
    }


@bp.get(f"{EVENT}/mails")
def mails(event_id: int) -> ResponseReturnValue:
    """Write to the attendees, and see what became of it."""
    after = cursor_argument("after") or 0
    found = announcements.parked(g.event, actor=me(), after=after)
    return show(
        "organizer/mails.html",
        event=g.event,
        messages=announcements.recent_announcements(g.event, actor=me()),
        parked=found,
        next_after=found[-1].id if len(found) == PAGE else None,
    )


@bp.get(f"{EVENT}/mails/progress")
def progress(event_id: int) -> ResponseReturnValue:
    """How far the messages have got, for a page that is open."""
    return fragment(
        "organizer/mails.html",
        "progress",
        event=g.event,
        messages=announcements.recent_announcements(g.event, actor=me()),
    )


@bp.post(f"{EVENT}/mails/preview")
@form_on("organizer.mails")
def preview_message(event_id: int) -> ResponseReturnValue:
    """Show a message as it will arrive, and how many it will reach."""
    form = from_form(MessageFields, request.form)
    return show(
        "organizer/preview_message.html",
        event=g.event,
        message=form,
        people=announcements.count_recipients(g.event, form.audience, actor=me()),
    )


@bp.post(f"{EVENT}/mails")
@form_on("organizer.mails")
def send_message(event_id: int) -> ResponseReturnValue:
    """Send a message that has been previewed, or go back to its text."""
    if request.form.get("back") == "yes":
        return forms.show_typed()
    form = from_form(MessageFields, request.form)
    announcements.send_message(
        event_id,
        audience=form.audience,
        subject=form.subject,
        text=form.text,
        actor=me(),
        key=forms.idempotency_key("message", caller=str(me()), **form.model_dump()),
    )
    flash(_("Your message is on its way. Nobody gets it twice."))
    return move_to(url_for("organizer.mails", event_id=event_id))


@bp.post(f"{EVENT}/mails/<id:delivery_id>/resend")
@form_on("organizer.mails")
def resend(event_id: int, delivery_id: int) -> ResponseReturnValue:
    """Try a mail again that could not be delivered."""
    if announcements.resend(event_id, delivery_id, actor=me()):
        flash(_("It is sent again now. If that fails too, you find it here again."))
    return move_to(url_for("organizer.mails", event_id=event_id))


@bp.post(f"{EVENT}/mails/reminder")
@form_on("organizer.mails")
def set_reminder(event_id: int) -> ResponseReturnValue:
    """Have the attendees reminded a day before, or not."""
    wanted = request.form.get("reminds") == "yes"
    scheduled.set_reminder(event_id, actor=me(), wanted=wanted)
    if wanted:
        flash(_("They are reminded a day before."))
    else:
        flash(_("Nobody is reminded."))
    return move_to(url_for("organizer.mails", event_id=event_id))


@bp.post(f"{BOOKING}/mail")
@form_on("organizer.booking")
def mail_again(event_id: int, position: int) -> ResponseReturnValue:
    """Mail the link of a booking to its attendee once more."""
    if not announcements.mail_again(event_id, position, actor=me()):
        raise BookingNotFound
    flash(_("A mail with the link of this booking is on its way."))
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )


@bp.post(f"{BOOKING}/replace")
@form_on("organizer.booking")
def replace_link(event_id: int, position: int) -> ResponseReturnValue:
    """Give a booking a new link and ticket code, and mail them to its attendee."""
    key = forms.idempotency_key("replace", caller=str(me()), position=position)
    links.replace_link_of(event_id, position=position, actor=me(), key=key)
    flash(
        _(
            "The link is replaced. The new one is on its way to the attendee; the old one does not"
            " work any more."
        )
    )
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )
