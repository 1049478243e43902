"""The door at the desk: passes for its devices, and who came."""

from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking import queries
from webapp.booking.commands import door as as_actor
from webapp.door import attendance, passes, services
from webapp.door.attendance import Shown
from webapp.door.decide import Scan, Verdict, What
from webapp.door.passes import DoorPass
from webapp.door.services import Answer
from webapp.pages import spreadsheet
from webapp.pages.forms import KEY_FIELD, form_on, is_key
from webapp.pages.organizer import bp, me
from webapp.pages.organizer.by_type import type_names
from webapp.pages.organizer.events import EVENT
from webapp.pages.presentation import absolute_url
from webapp.storage.columns import MAX_NAME
from webapp.web.htmx import fragment, move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.language import ngettext
from webapp.web.paging import number_in, page_of
from webapp.web.schemas import DoorCount, NewPass, from_form

PAGE = 50
DOOR = f"{EVENT}/door"


@bp.get(DOOR)
def door(event_id: int, made: str = "") -> ResponseReturnValue:
    """The door of an event; `made` is the link of a new pass, which is shown this one time."""
    return show(
        "organizer/door.html",
        block="main" if made or "refused_form" in g else "guests",
        event=g.event,
        made=made,
        **_figures(),
        **_guests(event_id),
    )


@bp.get(f"{DOOR}/figures")
def door_figures(event_id: int) -> ResponseReturnValue:
    """How many are in, for a page that is open."""
    if not wants_fragment():
        return redirect(url_for("organizer.door", event_id=event_id), code=303)
    return fragment("organizer/door.html", "figures", event=g.event, **_figures())


@bp.get(f"{DOOR}/guests")
def door_guests(event_id: int) -> ResponseReturnValue:
    """The list of who came, for a page that is open."""
    if not wants_fragment():
        return redirect(url_for("organizer.door", event_id=event_id), code=303)
    listed = _guests(event_id)
    return fragment("organizer/door.html", "guests", event=g.event, is_news=True, **listed)


@bp.get(f"{EVENT}/door.csv")
def export_door(event_id: int) -> ResponseReturnValue:
    """Who came, as a file."""
    portions = attendance.all_who_came(g.event, actor=me())
    # Read before the answer begins, so that a database which is away is still told as an error.
    first = next(portions, ())
    lines = spreadsheet.csv_of_door(
        chain([first], portions),
        types=type_names(),
        time_zone=g.event.time_zone,
        arrivals_of=partial(attendance.arrivals_of, event_id),
        names=_pass_names(passes.passes_of(event_id, actor=me())),
    )
    return spreadsheet.download(lines, spreadsheet.file_name(g.event, "door"))


@bp.post(f"{DOOR}/passes")
@form_on("organizer.door")
def make_pass(event_id: int) -> ResponseReturnValue:
    """Make a pass for a device and show its link, this one time."""
    wanted = from_form(NewPass, request.form)
    token = passes.create_pass(event_id, name=wanted.name, may_sell=wanted.maySell, actor=me())
    return door(event_id, absolute_url(url_for("door.open_door", token=token)))


@bp.post(f"{DOOR}/passes/<id:pass_id>/revoke")
@form_on("organizer.door")
def end_pass(event_id: int, pass_id: int) -> ResponseReturnValue:
    """End a pass at once."""
    name = passes.revoke_pass(event_id, pass_id, actor=me())
    flash(_("The pass “%(name)s” is revoked: its device sees nothing more.", name=name))
    return move_to(url_for("organizer.door", event_id=event_id))


@bp.post(f"{DOOR}/<int(max=2147483647):position>")
@form_on("organizer.door")
def admit(event_id: int, position: int) -> ResponseReturnValue:
    """Let people of a booking in without a device, or take that back."""
    form = from_form(DoorCount, request.form)
    found = queries.booking_at(g.event, position, actor=me())
    scan = Scan(
        id=_scan_id(event_id, position), what=What(form.what), position=position, count=form.count
    )
    [answer] = services.scan(event_id, [scan], actor=me())
    flash(_told(answer, found.name or found.attendee_id, form.count))
    if request.form.get("from") == "booking":
        return move_to(url_for("organizer.booking", event_id=event_id, position=position))
    shown, search, after = _asked()
    return move_to(
        url_for(
            "organizer.door",
            event_id=event_id,
            shown=shown,
            search=search or None,
            after=after or None,
        )
    )


def _scan_id(event_id: int, position: int) -> str:
    """The same for a form that is sent again, which then counts once."""
    key = request.form.get(KEY_FIELD, "")
    name = f"{me()}/{event_id}/{position}/{key}"
    return str(uuid5(NAMESPACE_OID, name) if is_key(key) else uuid4())


def _told(answer: Answer, name: str, count: int) -> str:
    """What became of letting somebody in by hand."""
    match answer.verdict:
        case Verdict.ADMITTED:
            return ngettext(
                "%(name)s: %(num)s person is let in.",
                "%(name)s: %(num)s people are let in.",
                count,
                name=name,
            )
        case Verdict.UNDONE:
            return ngettext(
                "%(name)s: %(num)s person counts as not here again.",
                "%(name)s: %(num)s people count as not here again.",
                count,
                name=name,
            )
        case Verdict.AGAIN:
            return _("%(name)s: all of them were in already.", name=name)
        case Verdict.NOT_IN:
            return _("%(name)s: nobody of them is in.", name=name)
        case Verdict.TOO_MANY:
            return _("%(name)s: not so many are left. Nothing is changed.", name=name)
    return _("%(name)s: this booking has no valid tickets. Nothing is changed.", name=name)


def _figures() -> dict[str, Any]:
    return {
        "figures": attendance.figures_of(g.event, actor=me()),
        "by_type": attendance.figures_by_type(g.event, actor=me()),
    }


def _asked() -> tuple[Shown | None, str, int]:
    """What the list is to be narrowed to, as address or form say: kind, search, position before."""
    kind, search = request.values.get("shown", ""), request.values.get("search", "")
    after = number_in(request.values.get("after", "")) or 0
    return Shown(kind) if kind in (*Shown,) else None, search.strip()[:MAX_NAME], after


def _guests(event_id: int) -> dict[str, Any]:
    """Those of the list that are asked for, a page of them, and the passes that let them in."""
    shown, search, after = _asked()
    read = partial(
        attendance.who_came, g.event, actor=me(), shown=shown, search=search, after=after
    )
    page, next_after = page_of(read, PAGE, lambda booking: booking.position)
    made = passes.passes_of(event_id, actor=me())
    return {
        "guests": page,
        "arrivals": attendance.arrivals_of(event_id, [booking.position for booking in page]),
        "passes": made,
        "pass_names": _pass_names(made),
        "kinds": list(Shown),
        "shown": shown or "",
        "search": search,
        "after": after,
        "next_after": next_after,
    }


def _pass_names(made: Iterable[DoorPass]) -> dict[str, str]:
    """Their names, by the actor that each is."""
    return {str(as_actor(one.id)): one.name for one in made}
