"""Codes of ticket types at the desk: making, giving away, changing and removing them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.pages.conftest import Person, forms_of, text_of
from tests.pages.test_type_pages import described
from webapp import clock
from webapp.booking.code_services import CodeDetails, PromoCode, add_code, codes_of_event, edit_code
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type
from webapp.events.queries import own_event
from webapp.events.services import cancel_event

MakeEvent = Callable[..., int]
VIP, STANDARD = 1, 2


def path_of(event_id: int, *parts: object) -> str:
    return "/".join([f"/organizer/events/{event_id}/codes", *map(str, parts)])


def codes_of(app: Flask, event_id: int, owner_id: int) -> list[PromoCode]:
    with app.app_context():
        event = own_event(event_id, organizer_id=owner_id)
        return codes_of_event(event, actor=organizer(owner_id))


@pytest.fixture
def gala(app: Flask, make_event: MakeEvent, owner_id: int) -> int:
    """VIP tickets that nobody sees, and others."""
    event_id = make_event("Gala", 10, time_zone="Asia/Tokyo")
    with app.app_context():
        for details in (TypeDetails("VIP", quota=4, hidden=True), TypeDetails("Standard")):
            add_type(event_id, details, actor=organizer(owner_id))
    return event_id


def test_code_is_made_up_and_its_link_can_be_given_away(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    types = owner.get(f"/organizer/events/{gala}/types")
    assert "No code unlocks it, so nobody can book it yet." in text_of(types)
    [path] = re.findall(r'href="([^"]*/codes\?type=[^"]*)"', types.text)
    shown = forms_of(owner.get(path))[path_of(gala)]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{8}", shown["code"])
    assert (shown.get("for-1"), shown.get("for-2")) == ("yes", None)
    assert forms_of(owner.get(path))[path_of(gala)]["code"] != shown["code"]
    data = {**shown, "limit": "3", "note": "For the choir"}
    # It may be pressed twice.
    answers = [owner.client.post(path_of(gala), data=data) for _ in range(2)]
    assert [answer.location for answer in answers] == [path_of(gala)] * 2
    [code] = codes_of(app, gala, owner_id)
    assert code.details.types == {VIP}
    assert (code.details.ticket_limit, code.details.unlocks) == (3, True)
    with app.app_context():
        book_tickets(gala, attendee_id="a", wants={VIP: 2}, code=code.details.text)
    page = owner.get(path_of(gala))
    [link] = re.findall(r'<a id="link-1"[^>]*>([^<]*)', page.text)
    assert link.endswith(f"/events/{gala}-gala?code={shown['code']}")
    told = text_of(page)
    assert "2 of 3 tickets booked" in told
    assert "For VIP." in told
    assert "For the choir" in told
    assert "No code unlocks it" not in owner.get(f"/organizer/events/{gala}/types").text


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"code": ""}, "code", "Fill in this field."),
    ({"code": "taken"}, "code", "Another code of this event reads like this."),
    ({"code": "TWO WORDS"}, "code", "without spaces"),
    ({"code": "ẞ" * 41}, "code", "40"),
    ({"limit": "0"}, "limit", "at least 1"),
    ({"maxPerBooking": "x"}, "maxPerBooking", "Use a whole number."),
    ({"validFrom": "2031-05-02T09:00", "validUntil": "2031-05-01T09:00"}, "validUntil", "after"),
    ({"note": "x" * 201}, "note", "200"),
    ({"for-77": "yes"}, "types", "77"),
]


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    with app.app_context():
        for text in ("TAKEN", "OTHER"):
            add_code(gala, CodeDetails(text, frozenset({VIP})), actor=organizer(owner_id))
    for path in (path_of(gala), path_of(gala, 2)):
        sent = {**forms_of(owner.get(path))[path], "code": "BAND", "note": "Us", "for-2": "yes"}
        for wrong, field, said in WRONG:
            typed = {**sent, **wrong}
            refused = owner.client.post(path, data=typed)
            assert refused.status_code == 400, wrong
            assert said in described(refused, field), wrong
            shown = forms_of(refused)[path]
            for name in ("code", "note", "limit", "validFrom", "validUntil", "for-1", "for-2"):
                assert shown.get(name) == typed.get(name), (wrong, name)
    for hostile in ("for-x", "for-", "for-1_0", "for-" + "9" * 5000, "unlocks", "types"):
        answer = owner.client.post(path_of(gala), data={**sent, "code": "", hostile: "yes"})
        assert answer.status_code == 400
    texts = [code.details.text for code in codes_of(app, gala, owner_id)]
    assert texts == ["TAKEN", "OTHER"]


def test_code_is_changed_and_what_the_form_does_not_show_stays(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    soon = datetime(2031, 5, 1, 9, 0, 7, 9, UTC)
    made = CodeDetails("BAND", frozenset({VIP}), unlocks=False, ticket_limit=5, valid_from=soon)
    with app.app_context():
        add_code(gala, made, actor=organizer(owner_id))
        before = own_event(gala, organizer_id=owner_id).revision
    path = path_of(gala, 1)
    assert owner.submit(path).location == path_of(gala)
    with app.app_context():
        assert own_event(gala, organizer_id=owner_id).revision == before
    data = {**forms_of(owner.get(path))[path], "limit": "7", "code": "group", "for-2": "yes"}
    with app.app_context():
        meanwhile = CodeDetails("BAND", ticket_limit=6, unlocks=False, valid_from=soon)
        edit_code(gala, 1, meanwhile, actor=organizer(owner_id))
    overtaken = owner.client.post(path, data=data)
    assert overtaken.status_code == 409
    assert "Meanwhile changed to 6." in described(overtaken, "limit")
    assert "Meanwhile changed to all ticket types." in described(overtaken, "types")
    again = forms_of(overtaken)[path]
    assert (again["limit"], again["for-2"]) == ("7", "yes")
    assert owner.client.post(path, data=again).status_code == 303
    [code] = codes_of(app, gala, owner_id)
    assert (code.details.text, {*code.details.types}) == ("GROUP", {VIP, STANDARD})
    assert (code.details.unlocks, code.details.valid_from) == (False, soon)


def test_code_that_was_used_stays_and_can_be_ended(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    with app.app_context():
        for text in ("USED", "NEW"):
            add_code(gala, CodeDetails(text), actor=organizer(owner_id))
        book_tickets(gala, attendee_id="a", wants={VIP: 2}, code="USED")
    refused = owner.submit(path_of(gala, 1), path_of(gala, 1, "remove"))
    assert refused.status_code == 409
    assert "Somebody has booked with this code, so it stays." in text_of(refused)
    too_few = owner.submit(path_of(gala, 1), limit=1)
    assert "Keep at least 2" in described(too_few, "limit")
    an_hour_ago = clock.now().astimezone(UTC) - timedelta(hours=1)
    there = (an_hour_ago + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M")
    assert owner.submit(path_of(gala, 1), validUntil=there).status_code == 303
    told = text_of(owner.get(path_of(gala)))
    assert "USED Ended" in told
    assert owner.submit(path_of(gala, 2), path_of(gala, 2, "remove")).status_code == 303
    assert "NEW is removed." in text_of(owner.get(path_of(gala)))
    assert owner.get(path_of(gala, 2)).status_code == 404


def test_many_codes_are_shown_page_by_page_the_newest_first(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    with app.app_context():
        for number in range(52):
            add_code(gala, CodeDetails(f"C{number:02}"), actor=organizer(owner_id))
    first = owner.get(path_of(gala)).text
    [more] = re.findall(r'href="([^"]*)" rel="next"', first)
    second = owner.get(more).text
    shown = [re.findall(r"<bdi>(C\d\d)</bdi>", page) for page in (first, second)]
    assert [len(page) for page in shown] == [50, 2]
    assert [*shown[0], *shown[1]] == [f"C{number:02}" for number in reversed(range(52))]
    assert "That was the last code." in text_of(owner.get(f"{path_of(gala)}?before=1"))


def test_event_without_types_has_no_codes(owner: Person, make_event: MakeEvent) -> None:
    path = path_of(make_event())
    page = owner.get(path)
    assert "add those first" in text_of(page)
    assert path not in forms_of(page)
    data: dict[str, Any] = {**owner.token(path), "code": "BAND"}
    assert owner.client.post(path, data=data).status_code == 400


def test_codes_of_a_cancelled_event_are_only_shown(
    app: Flask, owner: Person, owner_id: int, gala: int
) -> None:
    with app.app_context():
        add_code(gala, CodeDetails("BAND"), actor=organizer(owner_id))
    token = owner.token(path_of(gala))
    with app.app_context():
        cancel_event(gala, actor=organizer(owner_id))
    page = owner.get(path_of(gala)).text
    assert "BAND" in page
    assert "?code=" not in page
    assert owner.get(path_of(gala, 1)).location == path_of(gala)
    for path in (path_of(gala), path_of(gala, 1), path_of(gala, 1, "remove")):
        answer = owner.client.post(path, data={**token, "code": "OTHER"})
        assert answer.status_code in (303, 409)
    [code] = codes_of(app, gala, owner_id)
    assert code.details.text == "BAND"


@pytest.mark.every_database
def test_draft_with_types_and_codes_can_be_deleted(
    app: Flask, owner: Person, make_event: MakeEvent, give_type: Callable[[int], None]
) -> None:
    give_type(event_id := make_event(published=False))
    page = f"/organizer/events/{event_id}"
    path = path_of(event_id, 1)
    data = {**forms_of(owner.get(path))[path], "for-1": "yes"}
    assert owner.client.post(path, data=data).status_code == 303
    assert owner.submit(f"{page}/delete").status_code == 303
    assert owner.get(page).status_code == 404
