"""An organizer's events: the dashboard, making and editing one, publishing, cancelling."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.booking import queries
from webapp.booking.open_questions import answers_of
from webapp.booking.standstill import standstills
from webapp.door.attendance import let_in_twice
from webapp.errors import EditConflict, Problem
from webapp.events import samples
from webapp.events import services as events_service
from webapp.events.pictures import create_event_like
from webapp.events.queries import next_events, own_event, own_events
from webapp.events.services import EventDetails
from webapp.mail.announcements import undelivered
from webapp.pages import forms
from webapp.pages.forms import Overtaken, form_on
from webapp.pages.organizer import bp, cursor_argument, me, organizer_id
from webapp.pages.organizer.attention import Need, needs_of
from webapp.pages.organizer.wording import meanwhile, moved_up, pass_names, with_slips
from webapp.storage.rows import EventRow
from webapp.text.formatting import local_input
from webapp.text.languages import Language
from webapp.web.fields import all_zones
from webapp.web.htmx import fragment, move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext
from webapp.web.paging import number_in, page_of
from webapp.web.proxies import has_unnamed_proxy
from webapp.web.schemas import EVENT_FIELDS, Cancellation, EventFields, from_form

PAGE = 25
A_DAY = timedelta(days=1)
# So long the dashboard tells of people who were let in twice.
TWICE_FOR = timedelta(days=3)
REGIONS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
EVENT = "/events/<id:event_id>"


@bp.get("")
def events() -> ResponseReturnValue:
    """The organizer's events, newest first."""
    before = cursor_argument("before")
    read = partial(own_events, organizer_id(), before=before)
    page, next_before = page_of(read, PAGE, lambda event: event.id)
    needs, is_resting = _needs(page) if before is None else ([], False)
    return show(
        "organizer/events.html",
        events=page,
        needs=needs,
        is_resting=is_resting,
        is_continued=before is not None,
        next_before=next_before,
        has_samples=any(event.is_sample for event in page),
        only_samples=all(event.is_sample for event in page),
        has_unnamed_proxy=has_unnamed_proxy(),
    )


@bp.post("/samples/remove")
@form_on("organizer.events")
def remove_samples() -> ResponseReturnValue:
    """Delete the sample events."""
    gone = samples.remove_samples(organizer_id=organizer_id())
    flash(ngettext("Removed: %(num)s sample event.", "Removed: %(num)s sample events.", gone))
    return move_to(url_for("organizer.events"))


@bp.get("/events/new")
def new_event() -> ResponseReturnValue:
    """The form for a new event, filled in where it is to be like another one."""
    event, time_zone, like = None, "UTC", _like()
    original, is_zone_open = None, False
    if like is not None:
        original = own_event(like, organizer_id=organizer_id())
        details = asdict(events_service.details_of(original))
        # The bookings stay where they are.
        event, time_zone = SimpleNamespace(**details, confirmed=0), original.time_zone
    else:
        chosen = [one.time_zone for one in own_events(organizer_id()) if not one.is_sample]
        time_zone, is_zone_open = (chosen[0], False) if chosen else ("UTC", True)
    return show(
        "organizer/new_event.html",
        event=event,
        original=original,
        time_zone=time_zone,
        is_zone_open=is_zone_open,
        zones=zones_by_region(language()),
    )


@bp.post("/events/new")
@form_on("organizer.new_event")
def create_event() -> ResponseReturnValue:
    """Make an event, published or as a draft."""
    form, like = from_form(EventFields, request.form), _like()
    caller = str(me())
    create = events_service.create_event if like is None else partial(create_event_like, like)
    event_id = create(
        form.details(),
        actor=me(),
        published=form.status == "published",
        key=forms.idempotency_key("create", caller=caller, like=like, **form.model_dump()),
    )
    if form.status == "published":
        published = _("Your event is published. Share its link, and the first booking can arrive.")
        flash(with_slips(event_id, _("Your event is published."), if_none=published))
    else:
        flash(_("Saved as a draft. Only you can see it until you publish it."))
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.get(f"{EVENT}/edit")
def edit(event_id: int) -> ResponseReturnValue:
    """The form for an event's details."""
    event = g.event
    if event.status == "cancelled":
        return move_to(url_for("organizer.event", event_id=event_id))
    return show(
        "organizer/edit.html",
        event=event,
        time_zone=event.time_zone,
        zones=zones_by_region(language()),
    )


@bp.post(f"{EVENT}/edit")
@form_on("organizer.edit")
def save(event_id: int) -> ResponseReturnValue:
    """Save an event's details; more tickets go to those who wait, at once."""
    kept = partial(_kept, from_form(EventFields, request.form).details())
    try:
        promoted = events_service.edit_event(event_id, kept, actor=me(), seen=forms.seen())
    except EditConflict as conflict:
        g.event = conflict.row
        raise Overtaken(_overtaken(conflict), seen=conflict.row.revision) from conflict
    flash(" ".join([with_slips(event_id, _("Saved.")), moved_up(promoted)]).strip())
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.post(f"{EVENT}/publish")
@form_on("organizer.event")
def publish(event_id: int) -> ResponseReturnValue:
    """Let everybody see and book the event."""
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
    events_service.cancel_event(event_id, actor=me(), reason=_lines(reason))
    flash(_("The event is cancelled, and every booking of it."))
    return move_to(url_for("organizer.event", event_id=event_id))


@bp.get(f"{EVENT}/figures")
def figures(event_id: int) -> ResponseReturnValue:
    """The counts of an event, for a page that is open."""
    if not wants_fragment():
        return redirect(url_for("organizer.event", event_id=event_id), code=303)
    return fragment(
        "organizer/event.html",
        "figures",
        event=g.event,
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


def _needs(newest: Sequence[EventRow]) -> tuple[list[Need], bool]:
    """What needs attention among the newest events and those that start next; if all mails rest."""
    now = clock.now()
    soonest = next_events(organizer_id(), since=now - A_DAY, limit=PAGE)
    looked_at = {event.id: event for event in (*newest, *soonest)}
    mails = undelivered(looked_at.values(), actor=me())
    needs = needs_of(
        looked_at.values(),
        undelivered=mails.parked,
        held=mails.held,
        standstills=standstills(looked_at.values(), actor=me()),
        twice=let_in_twice(
            (event for event in looked_at.values() if _has_begun_lately(event, now)),
            actor=me(),
            since=now - TWICE_FOR,
        ),
        now=now,
    )
    return needs, mails.is_resting


def _has_begun_lately(event: EventRow, now: datetime) -> bool:
    """Whether people have come to its door of late: only then is the door asked."""
    return event.starts_at is not None and now - TWICE_FOR <= event.starts_at <= now


def _like() -> int | None:
    """The event that a new one is to be like, if any."""
    return number_in(request.values.get("like", ""))


def _overtaken(conflict: EditConflict) -> dict[str, Problem]:
    """What each field that was changed meanwhile is now: `{field: problem}`."""
    told = {
        EVENT_FIELDS[column]: meanwhile(value, conflict.row.time_zone)
        for column, value in conflict.changed.items()
    }
    if conflict.changed.get("description"):
        told["description"] = Problem("changed_meanwhile_see_below")
    return told


def _kept(details: EventDetails, event: EventRow) -> EventDetails:
    """Details as they are where the form shows no change of them.

    A field for moments knows neither seconds nor which of two equal hours is meant when clocks go
    back, and browsers send every line break as two characters.
    """
    before = events_service.details_of(event)
    if _lines(details.description) == _lines(before.description):
        details = replace(details, description=before.description)
    if details.time_zone != before.time_zone:
        return details
    kept: dict[str, Any] = {}
    for name, value in asdict(before).items():
        if isinstance(value, datetime) and isinstance(getattr(details, name), datetime):
            shown = local_input(value, before.time_zone)
            if local_input(getattr(details, name), before.time_zone) == shown:
                kept[name] = value
    return replace(details, **kept)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@cache
def zones_by_region(language: Language) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """The time zones that people live in, region by region, each with the name of its city."""
    regions: dict[str, list[tuple[str, str]]] = {"": [("UTC", "UTC")]}
    for zone in sorted(all_zones()):
        region, slash, _ = zone.partition("/")
        if slash and region in REGIONS:
            regions.setdefault(region, []).append((zone, language.city(zone)))
    return list(regions.items())
