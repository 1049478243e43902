"""The dashboard: an organizer's events by date, and what of them needs attention."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.booking.standstill import standstills
from webapp.door.attendance import let_in_twice
from webapp.errors import EventNotFound
from webapp.events import dismissals, own_lists, samples
from webapp.events.dismissals import Matter
from webapp.events.own_lists import Coming
from webapp.mail.announcements import undelivered
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, me, organizer_id
from webapp.pages.organizer.attention import Kind, Need, needs_of, still_told
from webapp.pages.presentation import sends_mail
from webapp.storage.columns import MAX_NAME
from webapp.storage.rows import EventRow
from webapp.web.htmx import move_to, show
from webapp.web.language import ngettext
from webapp.web.paging import number_in, page_of, place_in, place_of
from webapp.web.proxies import has_unnamed_proxy

PAGE = 25
# So many lines of what needs attention are shown.
MOST_NEEDS = 3
UPCOMING, DRAFTS, PAST = "", "drafts", "past"
LARGEST_LEVEL = 2**62
# So long the dashboard tells of people who were let in twice.
TWICE_FOR = timedelta(days=3)


@bp.get("")
def events() -> ResponseReturnValue:
    """The organizer's events: those to come by date, drafts, those that are over, or found ones."""
    search = request.args.get("search", "").strip()[:MAX_NAME]
    shown = "" if search else request.args.get("show", UPCOMING)
    shown = shown if shown in (DRAFTS, PAST) else UPCOMING
    at = place_in(request.args.get("after", ""))
    coming: Coming | None = None
    if search:
        read = partial(own_lists.found_events, organizer_id(), search=search, before=at)
    elif shown == DRAFTS:
        read = partial(own_lists.drafts, organizer_id(), before=at[1] if at else 0)
    elif shown == PAST:
        read = partial(own_lists.past_events, organizer_id(), before=at)
    else:
        coming = own_lists.coming_events(organizer_id(), after=at, limit=PAGE + 1)
        read = partial(lambda found, limit: found[:limit], coming.events)
    page, next_after = page_of(read, PAGE, place_of)
    needs = _needs([*page, *coming.ended]) if coming and at is None else []
    all_samples = all(event.is_sample for event in page)
    return show(
        "organizer/events.html",
        block="main" if "refused_form" in g else "events",
        events=page,
        types=own_lists.types_at_a_glance(page),
        shown=shown,
        search=search,
        needs=needs[:MOST_NEEDS],
        more_needs=len(needs[MOST_NEEDS:]),
        is_continued=at is not None,
        next_after=next_after,
        has_samples=any(event.is_sample for event in page),
        begins=bool(coming) and all_samples and not own_lists.has_own_events(organizer_id()),
        has_unnamed_proxy=has_unnamed_proxy(),
    )


@bp.post("/dismiss")
@form_on("organizer.events")
def dismiss_need() -> ResponseReturnValue:
    """Put a line of what needs attention aside, until its matter gets worse."""
    kind, event_id = request.form.get("kind", ""), number_in(request.form.get("event", ""))
    level = number_in(request.form.get("level", ""))
    if kind not in Kind.__members__ or event_id is None or level is None:
        raise EventNotFound
    matter = Matter(kind, event_id)
    dismissals.dismiss(matter, level=min(level, LARGEST_LEVEL), organizer_id=organizer_id())
    return move_to(url_for("organizer.events"))


@bp.post("/samples/remove")
@form_on("organizer.events")
def remove_samples() -> ResponseReturnValue:
    """Delete the sample events."""
    gone = samples.remove_samples(organizer_id=organizer_id())
    flash(ngettext("Removed: %(num)s sample event.", "Removed: %(num)s sample events.", gone))
    return move_to(url_for("organizer.events"))


def _needs(events: Sequence[EventRow]) -> list[Need]:
    """What needs attention and was not put aside."""
    now = clock.now()
    needs = needs_of(
        events,
        mails=undelivered(events, actor=me()),
        standstills=standstills(events, actor=me()),
        sends_mail=sends_mail(),
        twice=let_in_twice(
            (event for event in events if _has_begun_lately(event, now)),
            actor=me(),
            since=now - TWICE_FOR,
        ),
        now=now,
    )
    return still_told(needs, dismissals.dismissed_by(organizer_id())) if needs else []


def _has_begun_lately(event: EventRow, now: datetime) -> bool:
    """Whether people have come to its door of late: only then is the door asked."""
    return event.starts_at is not None and now - TWICE_FOR <= event.starts_at <= now
