"""The calls of the door's page: it scans, keeps the list, asks for figures and finds by name."""

from collections.abc import Sequence
from typing import Annotated, Any

from flask import Response, request
from pydantic import Field

from webapp.booking.commands import door
from webapp.door.queries import (
    Guest,
    SeenScan,
    SoldType,
    door_figures,
    door_list,
    find_guests,
)
from webapp.door.services import scan
from webapp.door.walk_ins import WalkIn, admit_walk_in
from webapp.pages.door import bp
from webapp.pages.door.session import current_pass
from webapp.storage.columns import MAX_NAME
from webapp.web.error_responses import answers_json
from webapp.web.fields import Digits, Line, Tickets
from webapp.web.json_bodies import answer, answer_if_changed, read_json
from webapp.web.paging import number_in
from webapp.web.rate_limits import DOOR_PASS_CALLS, limited
from webapp.web.scans import OwnId, Scans, answer_shown, answers_shown, utc
from webapp.web.schemas import Input, from_json

TypeNumber = Annotated[int, Field(ge=1, le=2**31 - 1), Digits]


class WalkInRequest(Input):
    """Somebody who comes without a ticket."""

    id: OwnId
    tickets: Tickets = 1
    type: TypeNumber | None = None
    name: Annotated[Line, Field(max_length=MAX_NAME)] = ""


def _device() -> str:
    return str(current_pass().id)


counted = limited(DOOR_PASS_CALLS, caller=_device)


@bp.post("/scans")
@answers_json
@counted
def send_scans() -> Response:
    """Let people in, or take that back: as the API's call of the same name."""
    found = current_pass()
    asked = from_json(Scans, read_json()).asked()
    return answer(answers_shown(scan(found.event_id, asked, actor=door(found.id))))


@bp.post("/walk-ins")
@answers_json
@counted
def sell() -> Response:
    """Sell to somebody who comes without a ticket, and let them in; again is harmless."""
    asked = from_json(WalkInRequest, read_json())
    told = admit_walk_in(current_pass(), WalkIn(asked.id, asked.tickets, asked.name, asked.type))
    return answer(answer_shown(told))


@bp.get("/list")
@answers_json
@counted
def guest_list() -> Response:
    """All guests, or those that changed since a revision: `?since=12`. No code that is of use."""
    found = current_pass()
    listed = door_list(found.event_id, since=number_in(request.args.get("since", "")))
    event, figures = listed.event, listed.figures
    return answer(
        {
            "event": {
                "id": event.id,
                "name": event.name,
                "startsAt": utc(event.starts_at) if event.starts_at else None,
                "timeZone": event.time_zone,
            },
            "pass": {
                "name": found.name,
                "endsAt": utc(found.expires_at),
                "maySell": found.may_sell,
            },
            "revision": listed.revision,
            "whole": listed.is_whole,
            "guests": [{"h": guest.code_hash, **_guest(guest)} for guest in listed.guests],
            "replaced": listed.replaced,
            "in": figures.inside,
            "of": figures.of,
            "twice": figures.twice,
            **({"types": types_shown(listed.types)} if listed.types else {}),
        }
    )


@bp.get("/figures")
@answers_json
@counted
def figures() -> Response:
    """How many are in, and the last scans; with an ETag, for who asks again and again."""
    told, last = door_figures(current_pass().event_id)
    return answer_if_changed(
        {
            "in": told.inside,
            "of": told.of,
            "twice": told.twice,
            "lastScans": [_seen(each) for each in last],
        }
    )


@bp.get("/search")
@answers_json
@counted
def search() -> Response:
    """Guests by words of their name, in any order, or by their code: `?q=`."""
    found = find_guests(current_pass().event_id, request.args.get("q", "")[:MAX_NAME])
    return answer({"guests": [_guest(guest) for guest in found]})


def types_shown(types: Sequence[SoldType]) -> list[dict[str, Any]]:
    """The ticket types of the event as devices keep them; `s` says which they may sell now."""
    return [{"t": one.number, "n": one.name, "s": one.sells} for one in types]


def _guest(guest: Guest) -> dict[str, Any]:
    """A guest as devices keep them; `w` says of which types the tickets are, where there are."""
    told = {
        "p": guest.position,
        "n": guest.name,
        "s": guest.status,
        "t": guest.tickets,
        "a": guest.admitted,
    }
    return {**told, "w": guest.wants} if guest.wants else told


def _seen(each: SeenScan) -> dict[str, Any]:
    return {
        "id": each.id,
        "what": each.what,
        "verdict": each.verdict,
        "count": each.people,
        "moved": each.moved,
        "position": each.position,
        "name": each.name,
        "at": utc(each.at),
        "by": each.by,
    }
