"""Ticket types at the desk: adding, changing, ordering and removing them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, forms_of, text_of
from webapp import clock
from webapp.booking.code_services import CodeDetails, add_code, codes_of_event
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_queries import read_types
from webapp.booking.type_services import TypeDetails, add_type, edit_type
from webapp.events.queries import own_event
from webapp.events.services import cancel_event
from webapp.storage.rows import TicketTypeRow

MakeEvent = Callable[..., int]
VIP, STANDARD, FRIENDS = 1, 2, 3


def path_of(event_id: int, number: int | None = None, verb: str = "") -> str:
    path = f"/organizer/events/{event_id}/types"
    return "/".join([path, *([str(number)] if number else []), *([verb] if verb else [])])


def types_of(app: Flask, event_id: int) -> list[TicketTypeRow]:
    with app.app_context():
        return list(read_types(event_id).types.values())


def names_of(app: Flask, event_id: int) -> list[str]:
    return [row.name for row in types_of(app, event_id)]


def described(page: TestResponse, field: str) -> str:
    """What stands at a field as its error."""
    found = re.search(rf'id="{field}-error">([^<]*(?:<[^>]+>[^<]*)*?)</p>', page.text)
    return re.sub("<[^>]+>", "", found[1]) if found else ""


@pytest.fixture
def gala(app: Flask, make_event: MakeEvent, owner_id: int) -> int:
    """Ten seats in Tokyo; two VIP, both taken, for which a party waits; and a hidden type."""
    event_id = make_event("Gala", 10, time_zone="Asia/Tokyo")
    me = organizer(owner_id)
    with app.app_context():
        add_type(event_id, TypeDetails("VIP", quota=2), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        add_type(event_id, TypeDetails("Friends", quota=20, hidden=True), actor=me)
        book_tickets(event_id, attendee_id="a", wants={VIP: 2})
        book_tickets(event_id, attendee_id="b", wants={VIP: 1, STANDARD: 1})
    return event_id


def test_types_are_made_one_after_the_other(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(time_zone="Asia/Tokyo", published=False)
    path = path_of(event_id)
    assert "All tickets of this event are alike." in text_of(owner.get(path))
    assert "takes over" not in owner.get(path).text
    more: dict[str, Any] = {"quota": "3", "minTickets": "2", "maxTickets": "3", "hidden": "true"}
    times = {"salesOpenAt": "2031-05-01T09:00", "salesCloseAt": "2031-05-02T09:00"}
    typed = {**more, **times, "description": "A drink.\r\nAnd a seat."}
    answer = owner.submit(path, name="VIP", **typed)
    assert (answer.status_code, answer.location) == (303, path)
    assert "VIP is added." in text_of(owner.get(path))
    answer = owner.submit(path, fragment=True, name="Standard")
    assert answer.status_code == 204
    [vip, standard] = types_of(app, event_id)
    assert (vip.name, vip.description, vip.quota) == ("VIP", "A drink.\nAnd a seat.", 3)
    assert (vip.min_tickets, vip.max_tickets, vip.hidden) == (2, 3, True)
    assert vip.sales_open_at == datetime(2031, 5, 1, 0, tzinfo=UTC)
    assert (standard.quota, standard.hidden, standard.sales_open_at) == (None, False, None)
    told = text_of(owner.get(path))
    assert "VIP Hidden" in told
    assert "On sale from Thu 1 May 2031, 09:00 JST until Fri 2 May 2031, 09:00 JST" in told
    assert "From 2 to 3 in one booking." in told
    assert "0 of 3 tickets" in told


def test_form_that_is_sent_twice_adds_one_type(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    path = path_of(event_id := make_event())
    data = {**forms_of(owner.get(path))[path], "name": "VIP", "quota": "5"}
    answers = [owner.client.post(path, data=data) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert names_of(app, event_id) == ["VIP"]


def test_first_type_says_what_it_takes_over(
    app: Flask, owner: Person, make_event: MakeEvent, book: Callable[..., str]
) -> None:
    path = path_of(event_id := make_event(tickets=3))
    book(event_id, "Ada", tickets=2)
    book(event_id, "Grace", tickets=2)
    told = text_of(owner.get(path))
    assert "It takes over the 2 tickets that are taken so far." in told
    assert "The 1 booking that waits will wait for it." in told
    refused = owner.submit(path, name="Seat", quota=1)
    assert refused.status_code == 400
    assert described(refused, "quota").startswith("Keep at least 2 of Seat")
    assert forms_of(refused)[path]["name"] == "Seat"
    owner.submit(path, name="Seat", quota=3)
    told = text_of(owner.get(path))
    assert "2 of 3 tickets" in told
    assert "Seat 1 waiting" in told
    assert "takes over" not in told


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"name": ""}, "name", "Fill in this field."),
    ({"name": "vip"}, "name", "Another ticket type of this event has this name."),
    ({"name": "x" * 81}, "name", "80"),
    ({"name": "a\nb"}, "name", "one line"),
    ({"quota": "many"}, "quota", "Use a whole number."),
    ({"quota": "0"}, "quota", "at least 1"),
    ({"quota": "10000001"}, "quota", "at most 10000000"),
    ({"minTickets": "0"}, "minTickets", "at least 1"),
    ({"maxTickets": "1001"}, "maxTickets", "at most 1000"),
    ({"minTickets": "3", "maxTickets": "2"}, "maxTickets", "at least 3"),
    ({"salesOpenAt": "soon"}, "salesOpenAt", "Use a date and time"),
    ({"salesOpenAt": "0001-01-01T00:00"}, "salesOpenAt", "Use a year"),
    (
        {"salesOpenAt": "2031-05-02T09:00", "salesCloseAt": "2031-05-01T09:00"},
        *("salesCloseAt", "after"),
    ),
    ({"description": "x" * 1_001}, "description", "1000"),
    ({"hidden": "perhaps"}, "hidden", "true"),
]


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    app: Flask, owner: Person, gala: int
) -> None:
    for path in (path_of(gala), path_of(gala, STANDARD)):
        sent = {**forms_of(owner.get(path))[path], "name": "Balcony", "quota": "7"}
        for wrong, field, said in WRONG:
            typed = {**sent, **wrong}
            refused = owner.client.post(path, data=typed)
            assert refused.status_code == 400, wrong
            assert said in described(refused, field), wrong
            shown = forms_of(refused)[path]
            for name in ("name", "quota", "salesOpenAt", "salesCloseAt", "description"):
                assert shown[name] == typed[name], (wrong, name)
    assert names_of(app, gala) == ["VIP", "Standard", "Friends"]


def test_larger_quota_is_told_with_who_moved_up(app: Flask, owner: Person, gala: int) -> None:
    path = path_of(gala, VIP)
    assert "Not fewer than 2: so many are taken." in text_of(owner.get(path))
    refused = owner.submit(path, quota=1)
    assert described(refused, "quota").startswith("Keep at least 2 of VIP")
    answer = owner.submit(path, quota=3, name="Box")
    assert answer.location == path_of(gala)
    told = text_of(owner.get(path_of(gala)))
    assert "Saved." in told
    assert "moved up from the waiting list and has 2 tickets." in told
    assert "3 of 3 tickets" in told


def test_edit_overtaken_by_somebody_else_is_shown_beside_what_was_typed(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    path = path_of(gala, FRIENDS)
    data = {**forms_of(owner.get(path))[path], "quota": "30", "name": "Family"}
    meanwhile = TypeDetails("Friends", quota=25, hidden=False)
    with app.app_context():
        edit_type(gala, FRIENDS, meanwhile, actor=organizer(owner_id))
    overtaken = owner.client.post(path, data=data)
    assert overtaken.status_code == 409
    assert "Meanwhile changed to 25." in described(overtaken, "quota")
    assert described(overtaken, "hidden")
    again = forms_of(overtaken)[path]
    assert (again["quota"], again["name"]) == ("30", "Family")
    assert types_of(app, gala)[2].name == "Friends"
    assert owner.client.post(path, data=again).status_code == 303
    [*_, family] = types_of(app, gala)
    assert (family.name, family.quota, family.hidden) == ("Family", 30, True)


def test_form_that_is_sent_unchanged_changes_nothing(
    app: Flask, owner: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event(time_zone="Europe/Berlin")
    # Seconds, which its field does not show, and the second of two equal hours.
    opens, closes = datetime(2031, 5, 1, 9, 0, 7, 9, UTC), datetime(2031, 10, 26, 1, 30, tzinfo=UTC)
    details = TypeDetails("VIP", "A\nB", sales_open_at=opens, sales_close_at=closes)
    with app.app_context():
        add_type(event_id, details, actor=organizer(owner_id))
        before = own_event(event_id, organizer_id=owner_id).revision
    assert owner.submit(path_of(event_id, 1)).status_code == 303
    [vip] = types_of(app, event_id)
    assert (vip.sales_open_at, vip.sales_close_at) == (opens, closes)
    with app.app_context():
        assert own_event(event_id, organizer_id=owner_id).revision == before


def test_types_are_moved_up_and_down(app: Flask, owner: Person, gala: int) -> None:
    path = path_of(gala)
    for number, place, order in (
        (FRIENDS, 2, ["VIP", "Friends", "Standard"]),
        (FRIENDS, 2, ["VIP", "Friends", "Standard"]),
        (VIP, 3, ["Friends", "Standard", "VIP"]),
        (VIP, 50, ["Friends", "Standard", "VIP"]),
        (VIP, 1, ["VIP", "Friends", "Standard"]),
    ):
        answer = owner.submit(path, path_of(gala, number, "move"), place=place)
        assert (answer.status_code, answer.location) == (303, f"{path}#type-{number}")
        assert names_of(app, gala) == order
    page = owner.submit(path, path_of(gala, VIP, "move"), fragment=True, place=2)
    assert "VIP is number 2." in page.text
    assert page.text.index("Friends") < page.text.index("VIP</bdi></a>")
    for wrong in ("0", "51", "x", ""):
        answer = owner.submit(path, path_of(gala, VIP, "move"), place=wrong)
        assert answer.status_code == 400
    assert names_of(app, gala) == ["Friends", "VIP", "Standard"]


def test_type_that_was_booked_stays(app: Flask, owner: Person, gala: int) -> None:
    refused = owner.submit(path_of(gala, VIP), path_of(gala, VIP, "remove"))
    assert refused.status_code == 409
    assert "Somebody has booked this ticket type, so it stays." in text_of(refused)
    answer = owner.submit(path_of(gala, FRIENDS), path_of(gala, FRIENDS, "remove"))
    assert answer.location == path_of(gala)
    assert "Friends is removed." in text_of(owner.get(path_of(gala)))
    assert names_of(app, gala) == ["VIP", "Standard"]
    assert owner.get(path_of(gala, FRIENDS)).status_code == 404


def test_types_of_a_cancelled_event_are_only_shown(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    paths = [(path_of(gala), {"name": "New"}), (path_of(gala, VIP), {"name": "New"})]
    paths += [(path_of(gala, VIP, "move"), {"place": "2"}), (path_of(gala, FRIENDS, "remove"), {})]
    token = owner.token(path_of(gala))
    with app.app_context():
        cancel_event(gala, actor=organizer(owner_id))
    page = owner.get(path_of(gala))
    assert "Standard" in page.text
    assert f'action="{path_of(gala)}' not in page.text
    assert owner.get(path_of(gala, VIP)).location == path_of(gala)
    for path, typed in paths:
        answer = owner.client.post(path, data={**token, **typed})
        assert answer.status_code in (303, 409)
    assert names_of(app, gala) == ["VIP", "Standard", "Friends"]


def test_fifty_types_are_enough(app: Flask, owner: Person, gala: int, owner_id: int) -> None:
    with app.app_context():
        for number in range(47):
            add_type(gala, TypeDetails(f"Row {number}"), actor=organizer(owner_id))
    page = owner.get(path_of(gala))
    assert "These are as many as an event can have." in text_of(page)
    data = {**owner.token(path_of(gala)), "name": "One more"}
    assert owner.client.post(path_of(gala), data=data).status_code == 400
    assert len(names_of(app, gala)) == 50
    assert "All 50 ticket types" in text_of(owner.get(f"/organizer/events/{gala}"))


def test_desk_and_dashboard_tell_of_each_type(
    app: Flask, owner: Person, gala: int, make_event: MakeEvent
) -> None:
    plain = make_event("Plain")
    desk = owner.get(f"/organizer/events/{gala}")
    assert 'class="type-bars"' in desk.text
    assert "VIP 1 waiting 2 of 2" in text_of(desk)
    figures = owner.get(f"/organizer/events/{gala}/figures", fragment=True)
    assert "Friends 0 of 20" in text_of(figures)
    assert "VIP : 2 of 2, 1 waiting" in text_of(owner.get("/organizer"))
    assert "type-bars" not in owner.get(f"/organizer/events/{plain}").text
    assert owner.get("/organizer").text.count("of-type") == 3


def test_fewer_tickets_in_all_are_refused_with_the_number(owner: Person, gala: int) -> None:
    """A quota that is larger than the event is no mistake, and is told."""
    path = f"/organizer/events/{gala}/edit"
    refused = owner.submit(path, totalTickets=1)
    assert "2" in described(refused, "totalTickets")
    assert owner.submit(path, totalTickets=2).status_code == 303
    assert "The event has only 2." in text_of(owner.get(path_of(gala)))


@pytest.mark.every_database
def test_event_like_another_has_its_types_and_nothing_of_them_is_taken(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    later = clock.now() + timedelta(days=9)
    with app.app_context():
        me = organizer(owner_id)
        add_code(gala, CodeDetails("CHOIR"), actor=me)
        edit_type(
            gala, FRIENDS, TypeDetails("Friends", "Us", 20, 2, 4, later, None, True), actor=me
        )
    form = f"/organizer/events/new?like={gala}"
    assert "Its ticket types come along" in text_of(owner.get(form))
    created = owner.submit(form, "/organizer/events/new", startsAt="", startTime="")
    copy = int(created.location.rpartition("/")[2])
    [vip, standard, friends] = types_of(app, copy)
    assert [(row.number, row.confirmed) for row in (vip, standard, friends)] == [
        (1, 0),
        (2, 0),
        (3, 0),
    ]
    assert (friends.description, friends.quota, friends.max_tickets) == ("Us", 20, 4)
    assert (friends.hidden, friends.sales_open_at) == (True, None)
    with app.app_context():
        assert (new := own_event(copy, organizer_id=owner_id)).types == 3
        assert codes_of_event(new, actor=me) == []
        assert book_tickets(copy, attendee_id="a", wants={VIP: 2}).wants == "1:2"


def test_new_event_leads_to_its_types_as_a_draft(app: Flask, owner: Person, owner_id: int) -> None:
    typed: dict[str, Any] = {"eventName": "Fair", "totalTickets": "9", "types": "yes"}
    answer = owner.submit("/organizer/events/new", **typed)
    assert answer.status_code == 303
    event_id = int(answer.location.split("/")[3])
    assert answer.location == path_of(event_id)
    with app.app_context():
        assert own_event(event_id, organizer_id=owner_id).status == "draft"
    owner.submit(path_of(event_id), name="Adult")
    gone = owner.submit(f"/organizer/events/{event_id}/delete")
    assert gone.status_code == 303
    assert owner.get(f"/organizer/events/{event_id}").status_code == 404
