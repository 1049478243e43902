"""An event with ticket types as its visitors see it: the choice, codes, and what is promised."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert, select

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from tests.support.mail import parsed, words_of
from tests.support.terms import MAIL_URL
from tests.support.tools import statuses
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking import heartbeat
from webapp.booking import services as bookings
from webapp.booking.commands import Status, organizer
from webapp.booking.type_services import TypeDetails, add_type, edit_type
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.extensions import db
from webapp.mail.compose import mail_for
from webapp.mail.facts import send_links
from webapp.storage.tables import code_types, deliveries, promo_codes
from webapp.storage.transaction import execute, read

MakeEvent = Callable[..., int]
VIP, STANDARD, CREW = 1, 2, 3
GALA = "/events/{}-gala"
WOULD_WAIT = "you would join the waiting list"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def gala(app: Flask, make_event: MakeEvent, owner_id: int) -> int:
    """Twenty seats: two of them VIP, and a hidden type for who has the code CREW."""
    event_id = make_event("Gala", tickets=20)
    add_types(
        app,
        owner_id,
        event_id,
        TypeDetails("VIP", "Front row", quota=2),
        TypeDetails("Standard", min_tickets=2, max_tickets=4),
        TypeDetails("Secret seats", quota=3, hidden=True),
    )
    with app.app_context():
        values: dict[str, Any] = {"event_id": event_id, "number": 1, "text": "CREW", "used": 0}
        execute(insert(promo_codes).values(**values, unlocks=True))
        execute(insert(code_types).values(event_id=event_id, code=1, type=CREW))
    return event_id


def add_types(app: Flask, owner_id: int, event_id: int, *types: TypeDetails) -> None:
    with app.app_context():
        for details in types:
            add_type(event_id, details, actor=organizer(owner_id))


def book(app: Flask, event_id: int, who: str, wants: dict[int, int], **more: Any) -> str:
    email = f"{who}@example.org"
    who_books: dict[str, Any] = {"attendee_id": email, "name": who, "email": email, **more}
    with app.app_context():
        return str(bookings.book_tickets(event_id, wants=wants, **who_books).reference)


def chosen(wants: dict[int, int]) -> dict[str, Any]:
    return {f"type-{number}": tickets for number, tickets in wants.items()}


def fields_of(person: Person, path: str) -> dict[str, str]:
    return forms_of(person.get(path))[path.partition("?")[0]]


def button_of(page: Any) -> str:
    return str(re.findall(r'id="book-button">\s*(.*?)\s*</button>', page.text)[0])


def forecast_of(page: Any) -> str:
    found = re.findall(r'(?s)id="forecast"[^>]*>(.*?)</p>', page.text)[0]
    return " ".join(re.sub("<[^>]*>", "", found).split())


def test_each_type_says_what_is_left_of_it(app: Flask, gala: int, person: Person) -> None:
    page = person.get(GALA.format(gala))
    text = text_of(page)
    assert "VIP Front row 2 left" in text
    assert "Standard Available 2 to 4 in one booking" in text
    assert "Secret" not in page.text
    assert (button_of(page), forecast_of(page)) == ("Book", "Choose your tickets.")
    book(app, gala, "ada", {VIP: 2})
    book(app, gala, "bob", {VIP: 1})
    text = text_of(person.get(GALA.format(gala)))
    assert "VIP Front row Sold out · 1 waits for this · join the waiting list" in text


def test_mix_is_booked_as_the_form_says(app: Flask, gala: int, person: Person) -> None:
    page = GALA.format(gala)
    sent = person.submit(page, name="Ada", email="ada@example.org", **chosen({1: 1, 2: 2}))
    assert sent.status_code == 303
    assert statuses_of(app, gala) == [Status.CONFIRMED]
    shown = text_of(person.get(sent.location))
    assert "1 × VIP 2 × Standard" in shown


def statuses_of(app: Flask, event_id: int) -> list[Any]:
    with app.app_context():
        return list(statuses(event_id))


def test_who_was_promised_tickets_does_not_wait_unasked(
    app: Flask, gala: int, person: Person
) -> None:
    """The first press that would wait says so and keeps what was typed; the second one joins."""
    page = GALA.format(gala)
    typed: dict[str, Any] = {"name": "Cleo", "email": "cleo@example.org", "type-1": 1, "type-2": 2}
    fields = {**fields_of(person, page), **typed}
    book(app, gala, "ada", {VIP: 2})
    refused = person.client.post(page, data=fields)
    assert refused.status_code == 409
    assert WOULD_WAIT in text_of(refused)
    assert button_of(refused) == "Join the waiting list"
    assert "Not enough is free now of: VIP" in forecast_of(refused)
    again = forms_of(refused)[page]
    assert {name: again[name] for name in typed} == {k: str(v) for k, v in typed.items()}
    assert len(statuses_of(app, gala)) == 1
    # Another mix is another promise.
    other = person.client.post(page, data={**again, "type-2": "3"})
    assert other.status_code == 409
    joined = person.client.post(page, data=again)
    assert joined.status_code == 303
    assert statuses_of(app, gala) == [Status.CONFIRMED, Status.WAITING]


def test_where_all_is_full_one_press_joins(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala", tickets=2)
    add_types(app, owner_id, event_id, TypeDetails("VIP", quota=1), TypeDetails("Standard"))
    book(app, event_id, "ada", {VIP: 1, STANDARD: 1})
    page = GALA.format(event_id)
    assert button_of(person.get(page)) == "Join the waiting list"
    typed: dict[str, Any] = {"name": "Bob", "email": "bob@example.org", "type-2": 1}
    assert person.submit(page, **typed).status_code == 303
    assert statuses_of(app, event_id) == [Status.CONFIRMED, Status.WAITING]


def test_promise_of_a_list_that_is_off_is_never_made(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala", tickets=5, waiting_list_limit=0)
    add_types(app, owner_id, event_id, TypeDetails("VIP", quota=1), TypeDetails("Standard"))
    book(app, event_id, "ada", {VIP: 1})
    page = GALA.format(event_id)
    refused = person.submit(page, name="B", email="b@example.org", **chosen({1: 1, 2: 1}))
    assert refused.status_code == 409
    assert WOULD_WAIT not in text_of(refused)
    assert "waiting list" not in button_of(refused)
    assert fields_of(person, page)["waits"] == ""


@pytest.mark.parametrize(
    ("sent", "marked"),
    [
        ({"type-2": 1}, {"type-2": "Choose at least 2 of Standard, or none."}),
        ({"type-2": 5}, {"type-2": "Choose at most 4 of Standard."}),
        ({"type-1": 3}, {"type-1": "Choose at most 2 of VIP."}),
        ({"type-1": "x", "type-2": 1}, {"type-1": "Use a whole number."}),
        ({}, {"items": "ticket type"}),
        ({"type-1": 1, "email": "no"}, {"email": "@"}),
    ],
)
def test_refusal_is_told_at_its_row(
    app: Flask, gala: int, person: Person, sent: dict[str, Any], marked: dict[str, str]
) -> None:
    page = GALA.format(gala)
    typed: dict[str, Any] = {"name": "Ada", "email": "ada@example.org", **sent}
    refused = person.submit(page, **typed)
    assert refused.status_code == 400
    shown = forms_of(refused)[page]
    for name, value in typed.items():
        assert shown[name] == str(value)
    for name, told in marked.items():
        [said] = re.findall(rf'id="{name}-error">([^<]*)<', refused.text)
        assert told in said
    assert "Secret" not in refused.text
    assert statuses_of(app, gala) == []


def test_code_shows_hidden_type_to_who_has_it_alone(app: Flask, gala: int) -> None:
    """Also where the page is one that is kept, and after a refusal."""
    page = GALA.format(gala)
    for _ in range(2):
        insider, outsider = Person(app), Person(app)
        shown = insider.get(f"{page}?code=crew ")
        assert "Secret seats" in shown.text
        assert "Secret" not in outsider.get(page).text
        assert "Secret" not in insider.get(page).text
        asked = f"/events/{gala}/availability?form=yes&shown=1,2"
        assert "Secret" not in outsider.get(asked, fragment=True).text
    typed: dict[str, Any] = {"name": "Ada", "email": "no address", "type-3": 2}
    insider = Person(app)
    refused = insider.submit(f"{page}?code=crew", page, **typed)
    assert "Secret seats" in refused.text
    again = {**forms_of(refused)[page], "email": "ada@example.org"}
    assert (again["code"], again["type-3"]) == ("CREW", "2")
    assert insider.client.post(page, data=again).status_code == 303
    stranger = Person(app)
    without = stranger.submit(page, **{**typed, "email": "eve@example.org"})
    assert without.status_code == 400
    assert "Ticket type 3 is not on sale now." in without.text
    assert "Secret" not in without.text


def test_link_with_a_code_keeps_it_on_the_way_to_the_pages_address(
    gala: int, person: Person
) -> None:
    for old in (f"/events/{gala}", f"/events/{gala}-as-it-was-called"):
        answer = person.get(f"{old}?code=cr%C3%A9w%26x%0D&search=1")
        assert answer.location == f"{GALA.format(gala)}?code=cr%C3%A9w%26x%0D"
    assert (
        "Secret seats" in person.client.get(f"/events/{gala}?code=CREW", follow_redirects=True).text
    )


def test_form_from_before_the_types_is_shown_anew_with_them(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala")
    page = GALA.format(event_id)
    typed = {**fields_of(person, page), "name": "Ada", "email": "ada@example.org"}
    add_types(app, owner_id, event_id, TypeDetails("A"), TypeDetails("B"))
    refused = person.client.post(page, data=typed)
    assert refused.status_code == 400
    assert "Please look at the marked fields." in text_of(refused)
    assert forms_of(refused)[page]["name"] == "Ada"
    again = {**forms_of(refused)[page], "type-2": "1"}
    assert person.client.post(page, data=again).status_code == 303


@pytest.mark.parametrize("code", ["%00", "%F0%9F%98%80" * 99, "%ED%A0%80", "%22%3E%3Cb%3E", " "])
def test_strange_code_is_none(gala: int, person: Person, code: str) -> None:
    page = person.get(f"{GALA.format(gala)}?code={code}")
    assert page.status_code == 200
    assert "Secret" not in page.text
    assert "<b>" not in page.text.replace("<b>Sold", "")


def test_wrong_code_is_told_by_the_one_sentence(app: Flask, gala: int, person: Person) -> None:
    page = person.get(f"{GALA.format(gala)}?code=GUESS")
    assert page.status_code == 200
    assert "This code is not valid." in page.text
    assert "Secret" not in page.text
    assert "code" not in forms_of(page)[GALA.format(gala)]


def test_guesser_of_codes_is_stopped_and_still_books(app: Flask, gala: int, person: Person) -> None:
    page = GALA.format(gala)
    for number in range(20):
        person.get(f"{page}?code=GUESS{number}")
    stopped = person.get(f"{page}?code=CREW")
    assert "Too many wrong codes" in stopped.text
    assert "Secret" not in stopped.text
    typed: dict[str, Any] = {"name": "Ada", "email": "ada@example.org", "type-1": 1}
    assert person.submit(page, **typed).status_code == 303


def test_code_for_another_type_is_in_nobodys_way(app: Flask, gala: int, person: Person) -> None:
    page = GALA.format(gala)
    typed: dict[str, Any] = {"name": "Ada", "email": "ada@example.org", "type-1": 1}
    assert person.submit(f"{page}?code=CREW", page, **typed).status_code == 303


def test_only_type_that_can_be_had_is_chosen(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    later = datetime(2099, 5, 3, 10, tzinfo=UTC)
    event_id = make_event("Gala", tickets=9)
    early = TypeDetails("Early", sales_close_at=datetime(2020, 1, 1, tzinfo=UTC))
    late = TypeDetails("Late", sales_open_at=later)
    add_types(app, owner_id, event_id, TypeDetails("Seat", min_tickets=2), early, late)
    page = person.get(GALA.format(event_id))
    fields = forms_of(page)[GALA.format(event_id)]
    assert {name for name in fields if name.startswith("type-")} == {"type-1"}
    assert (fields["type-1"], button_of(page)) == ("2", "Book 2 tickets")
    text = text_of(page)
    assert "Early No longer on sale" in text
    assert re.search(r"Late From (?:\w+,? )?3 May 2099", text)


def test_open_page_learns_what_its_mix_leads_to(
    app: Flask, gala: int, owner_id: int, person: Person
) -> None:
    asked = f"/events/{gala}/availability?form=yes&shown=1,2&type-1={{}}&type-2={{}}"
    part = person.get(asked.format(1, 2), fragment=True)
    assert "Book 3 tickets" in part.text
    assert "You get all 3 at once." in part.text
    assert 'hx-target="#types"' not in part.text
    tag = {"If-None-Match": part.headers["ETag"]}
    assert person.get(asked.format(1, 2), fragment=True, **tag).status_code == 304
    book(app, gala, "ada", {VIP: 2})
    part = person.get(asked.format(1, 2), fragment=True)
    assert "Join the waiting list" in part.text
    assert 'name="waits" value="1:1,2:2"' in part.text
    assert "Ask for at most 10." in person.get(asked.format(0, 11), fragment=True).text
    # A type less is another form: the rows come anew, with what was chosen.
    with app.app_context():
        edit_type(gala, VIP, TypeDetails("VIP", quota=2, hidden=True), actor=organizer(owner_id))
    part = person.get(asked.format(0, 2), fragment=True)
    assert 'hx-target="#types"' in part.text
    assert 'value="2"' in part.text
    assert "VIP" not in part.text


def test_list_of_events_tells_what_newcomers_can_have(
    app: Flask, gala: int, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    """Not what is kept for who waits; two statements tell it of all events with types."""
    make_event("Plain")
    person.get("/")
    plain = count_statements(app, lambda: person.get("/?search=plain"))
    assert "20 tickets left" in text_of(person.get("/"))
    for number in range(3):
        event_id = make_event(f"Other {number}", tickets=2)
        add_types(app, owner_id, event_id, TypeDetails("One", quota=1), TypeDetails("Any"))
        book(app, event_id, "ada", {1: 1})
        book(app, event_id, "bob", {1: 1})
    assert text_of(person.get("/")).count("Only 1 left") == 0
    assert text_of(person.get("/?search=other")).count("1 ticket left") == 3
    book(app, event_id, "cleo", {2: 1})
    assert text_of(person.get("/?search=other")).count("Sold out · 1 waiting") == 1
    assert count_statements(app, lambda: person.get("/?search=other")) == plain + 2


def count_statements(app: Flask, work: Callable[[], Any]) -> int:
    seen: list[str] = []
    with app.app_context():
        engines = list(db.engines.values())

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    for engine in engines:
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_party_gives_back_by_type_and_is_told_where_it_goes(
    app: Flask, gala: int, person: Person
) -> None:
    mine = f"/bookings/{book(app, gala, 'ada', {VIP: 2, STANDARD: 3})}"
    asked = person.submit(mine, **chosen({1: 1, 2: 3}))
    assert "You give back: 1 × VIP . It goes on offer again at once" in text_of(asked)
    assert "You keep: 1 × VIP, 3 × Standard ." in text_of(asked)
    book(app, gala, "bob", {VIP: 1})
    asked = person.submit(mine, **chosen({1: 1, 2: 3}))
    assert "It goes to the next in line at once" in text_of(asked)
    waiting = book(app, gala, "cleo", {VIP: 2})
    sure = person.client.post(mine, data=forms_of(asked)[mine])
    assert sure.status_code == 303
    assert statuses_of(app, gala) == [Status.CONFIRMED, Status.CONFIRMED, Status.WAITING]
    text = text_of(person.get(mine))
    assert "1 × VIP 3 × Standard" in text
    # One VIP is not enough for who waits for two.
    kept = person.submit(mine, **chosen({1: 0, 2: 3}))
    assert "You give back: 1 × VIP . It is kept for those who wait for more" in text_of(kept)
    cancel = text_of(person.get(f"{mine}/cancel"))
    assert "You give back: 1 × VIP, 3 × Standard ." in cancel
    assert "You leave the waiting list and lose place 1." in text_of(
        person.get(f"/bookings/{waiting}/cancel")
    )


def test_more_tickets_are_had_by_type(app: Flask, gala: int, person: Person) -> None:
    mine = f"/bookings/{book(app, gala, 'ada', {STANDARD: 2})}"
    rows = forms_of(person.get(mine))[mine]
    assert {name for name in rows if name.startswith("type-")} == {"type-1", "type-2"}
    assert person.submit(mine, **chosen({1: 2, 2: 2})).status_code == 303
    assert "2 × VIP 2 × Standard" in text_of(person.get(mine))
    refused = person.submit(mine, **chosen({1: 1, 2: 4}))
    assert refused.status_code == 400
    assert 'id="items-error"' in refused.text
    # The same number once more is no change.
    assert person.submit(mine, **chosen({1: 2, 2: 2})).status_code == 303
    told = text_of(person.get(mine))
    assert "The booking is for 4 tickets." in told
    assert "Changed" not in told
    assert forms_of(refused)[mine]["type-2"] == "4"
    refused = person.submit(mine, **chosen({1: 2, 2: 5}))
    assert re.search(r'id="type-2-error">[^<]*at most 4 of Standard', refused.text)


def test_who_waits_is_told_the_truth(app: Flask, gala: int, person: Person) -> None:
    book(app, gala, "ada", {VIP: 2})
    both = book(app, gala, "bob", {VIP: 1, STANDARD: 2})
    book(app, gala, "cleo", {STANDARD: 2})
    vip = f"/bookings/{book(app, gala, 'dora', {VIP: 1})}"
    assert "1 ahead of you wants VIP too." in text_of(person.get(vip))
    first = f"/bookings/{both}"
    shown = text_of(person.get(first))
    assert "You are next for VIP ." in shown
    assert "2 tickets are free now: take them?" in shown
    assert "At once: 2 × Standard, in place of 1 × VIP, 2 × Standard" in shown
    taken = person.submit(first, f"{first}/take")
    assert taken.status_code == 303
    assert "2 × Standard" in text_of(person.get(first))
    assert "You are next for VIP ." in text_of(person.get(vip))


def test_who_lacks_only_room_is_told_so(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala", tickets=3)
    add_types(app, owner_id, event_id, TypeDetails("A", quota=3), TypeDetails("B", quota=2))
    book(app, event_id, "ada", {1: 1, 2: 1})
    mine = f"/bookings/{book(app, event_id, 'bob', {1: 1, 2: 1})}"
    shown = text_of(person.get(mine))
    assert "You are next. There is only not room for all of you yet" in shown
    last = f"/bookings/{book(app, event_id, 'cleo', {1: 1})}"
    assert "1 ahead of you." in text_of(person.get(last))


def test_bookings_of_this_device_say_which_tickets(app: Flask, gala: int, person: Person) -> None:
    page = GALA.format(gala)
    person.submit(page, name="Ada", email="ada@example.org", **chosen({1: 1, 2: 2}))
    assert "1 × VIP, 2 × Standard" in text_of(person.get("/bookings"))


def test_mails_and_calendar_say_which_tickets(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala", tickets=9, starts_at=datetime(2099, 5, 3, 10, tzinfo=UTC))
    add_types(app, owner_id, event_id, TypeDetails("VIP", quota=2), TypeDetails("Standard"))
    reference = book(app, event_id, "ada", {VIP: 2, STANDARD: 1}, language="de")
    book(app, event_id, "bob", {VIP: 1})
    with app.app_context():
        send_links("ada@example.org", network="here")
        mails = {
            (row.what, row.recipient): parsed(mail_for(row, app.extensions["settings"]).body)
            for row in read(lambda connection: connection.execute(select(deliveries)).all())
        }
    confirmed = mails["confirmed", "ada@example.org"]
    assert "Tickets: 2 × VIP, 1 × Standard" in words_of(confirmed)
    assert "2 × VIP, 1 × Standard" in words_of(confirmed, "html")
    [calendar] = confirmed.iter_attachments()
    assert "DESCRIPTION:2 × VIP\\, 1 × Standard" in calendar.get_content()
    assert "Tickets: 1 × VIP" in words_of(mails["waiting", "bob@example.org"])
    assert "2 × VIP, 1 × Standard" in words_of(mails["links", "ada@example.org"])
    file = person.get(f"/bookings/{reference}/calendar.ics")
    assert "DESCRIPTION:2 × VIP\\, 1 × Standard" in file.text
    cancelled = "/bookings/" + reference
    person.submit(f"{cancelled}/cancel")
    with app.app_context():
        query = select(deliveries).where(deliveries.c.what == "cancelled")
        row = read(lambda connection: connection.execute(query).one())
        told = parsed(mail_for(row, app.extensions["settings"]).body)
        assert "2 × VIP, 1 × Standard" in words_of(told)


def test_stranger_learns_nothing_of_a_booking_of_types(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the address has to answer, with and without a booking: the same, also what waits."""
    app = make_app(MAIL_URL=MAIL_URL, BASE_URL="http://tickets.example.org")
    with app.app_context():
        heartbeat.beat(clock.now())
        owner_id = accounts.create_organizer(username="owner", password=PASSWORD)
        details = EventDetails(name="Gala", capacity=5, asks_address=True)
        event_id = events.create_event(details, actor=organizer(owner_id), published=True)
    add_types(app, owner_id, event_id, TypeDetails("VIP", quota=2), TypeDetails("Standard"))
    book(app, event_id, "ada", {VIP: 2})
    page = GALA.format(event_id)
    for wants, status in (({2: 1}, 303), ({1: 1, 2: 1}, 409), ({1: 3}, 400)):
        answers = []
        for who in ("ada", "new"):
            person = Person(app)
            typed = {"name": "A", "email": f"{who}@example.org", **chosen(wants)}
            person.client.get(page, base_url="http://tickets.example.org")
            sent = person.submit(page, **typed)
            answers.append((sent.status_code, sent.headers.get("Location"), len(sent.data)))
        assert answers[0] == answers[1]
        assert answers[0][0] == status


def test_plain_page_has_nothing_of_types(app: Flask, make_event: MakeEvent, person: Person) -> None:
    page = person.get(f"/events/{make_event('Plain')}-plain?code=CREW").text
    assert not re.search(r"type-\d|I have a code|name=\"waits", page)


def test_those_ahead_who_want_something_else_do_not_count(
    app: Flask, make_event: MakeEvent, owner_id: int, person: Person
) -> None:
    event_id = make_event("Gala", tickets=9)
    add_types(app, owner_id, event_id, TypeDetails("A", quota=1), TypeDetails("B", quota=1))
    book(app, event_id, "ada", {1: 1, 2: 1})
    for who in ("bob", "cleo"):
        book(app, event_id, who, {1: 1})
    both = person.get(f"/bookings/{book(app, event_id, 'dora', {1: 1, 2: 1})}")
    shown = text_of(both)
    assert "2 ahead of you want A too. You are next for B . You get all of them at once" in shown
    last = person.get(f"/bookings/{book(app, event_id, 'eve', {2: 1})}")
    assert "<title>1 ahead of you · Gala" in last.text
    assert "1 ahead of you wants B too." in text_of(last)
