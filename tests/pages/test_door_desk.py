"""The door at the desk: passes for its devices, and who came."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages import conftest
from tests.pages.conftest import PASSWORD, Person, forms_of
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking.commands import door as device
from webapp.booking.commands import organizer
from webapp.door import passes, services
from webapp.door.decide import Scan, Verdict, What
from webapp.pages.door.session import csrf_token_of
from webapp.web.rate_limits import limiter

MakeEvent = Callable[..., int]
Book = Callable[..., str]
Scanning = Callable[..., Verdict]

# What the page of the door asks first.
DOOR = "/door/list"


def text_of(page: TestResponse) -> str:
    """What a person reads of a page, without the blanks that its markup leaves before a comma."""
    return re.sub(r" ([,.:])", r"\1", conftest.text_of(page))


@pytest.fixture
def evening(make_event: MakeEvent) -> int:
    """An event that starts in an hour."""
    return make_event(
        "Harvest Supper", tickets=10, starts_at=clock.now() + timedelta(hours=1), time_zone="UTC"
    )


@pytest.fixture
def scan(app: Flask) -> Scanning:
    """A device of a name scans a booking, and so many people go in."""

    def scan(
        event_id: int, position: int, count: int = 1, *, at: str = "Gate", **facts: Any
    ) -> Verdict:
        with app.app_context():
            me = organizer(accounts.id_of("owner"))
            made = {one.name: one.id for one in passes.passes_of(event_id, actor=me)}
            if at not in made:
                found = passes.find_pass(passes.create_pass(event_id, name=at, actor=me))
                assert found is not None
                made[at] = found.id
            one = Scan(str(uuid4()), position=position, count=count, **facts)
            return services.scan(event_id, [one], actor=device(made[at]))[0].verdict

    return scan


def make_pass(owner: Person, event_id: int, name: str = "Main entrance") -> str:
    """The path of a new pass's link, as the desk shows it."""
    path = f"/organizer/events/{event_id}/door"
    page = owner.submit(path, f"{path}/passes", name=name)
    assert page.status_code == 200
    found = re.findall(r'id="made">http://127\.0\.0\.1:3000(/door/[A-Za-z0-9_-]{40,})<', page.text)
    assert len(found) == 1
    return str(found[0])


def cookie_of(answer: TestResponse) -> dict[str, str]:
    """Attributes of the cookie that an answer sets for the door, with lower-case names."""
    [cookie] = [c for c in answer.headers.getlist("Set-Cookie") if "nextup-door=" in c]
    parts = (part.strip().partition("=") for part in cookie.split(";"))
    return {name.lower(): value for name, _, value in parts}


def test_link_of_a_pass_is_shown_once_and_becomes_a_cookie_for_the_door_alone(
    owner: Person, person: Person, evening: int
) -> None:
    link = make_pass(owner, evening)
    desk = owner.get(f"/organizer/events/{evening}/door")
    assert link not in desk.text
    assert "Main entrance" in text_of(desk)
    assert "Not opened yet." in text_of(desk)
    opened = person.get(link)
    assert (opened.status_code, opened.location) == (303, "/door")
    assert opened.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in opened.headers["Cache-Control"]
    cookie = cookie_of(opened)
    assert cookie["path"] == "/door"
    assert {"httponly", "samesite"} <= cookie.keys()
    assert cookie["samesite"] == "Lax"
    # Until the end of the day after the event.
    assert 24 * 3600 < int(cookie["max-age"]) < 50 * 3600
    assert "Harvest Supper" in text_of(person.get("/door"))
    assert person.get(DOOR).status_code == 200
    assert person.get("/organizer").status_code == 303
    assert "Last used about" in text_of(owner.get(f"/organizer/events/{evening}/door"))


def test_cookie_of_the_door_goes_only_over_https_where_the_site_does(
    make_app: Callable[..., Flask], owner: Person, evening: int
) -> None:
    link = make_pass(owner, evening)
    site = "https://tickets.example.org"
    client = make_app(BASE_URL=site).test_client()
    answer = client.get(link, base_url=site)
    assert answer.headers["Set-Cookie"].startswith("__Secure-nextup-door=")
    assert "secure" in cookie_of(answer)
    assert client.get(DOOR, base_url=site).status_code == 200


def test_revoked_pass_opens_nothing_from_then_on(
    owner: Person, person: Person, evening: int
) -> None:
    link = make_pass(owner, evening, "Back door")
    other = Person(owner.app)
    other.get(make_pass(owner, evening, "Main entrance"))
    assert person.get(link).status_code == 303
    path = f"/organizer/events/{evening}/door"
    ending = next(action for action in forms_of(owner.get(path)) if action.endswith("/revoke"))
    for _ in range(2):
        assert owner.client.post(ending, data=owner.token(path)).status_code == 303
    assert "“Back door” is revoked" in text_of(owner.get(path))
    call, page, again = person.get(DOOR), person.get("/door"), person.get(link)
    assert call.json is not None
    assert call.json["code"] == "pass_ended"
    for refused in (call, page, again):
        assert refused.status_code == 401
        assert "This door pass was revoked. Ask whoever runs the event" in text_of(refused)
    assert other.get(DOOR).status_code == 200


def test_pass_that_has_ended_says_so(
    app: Flask, owner: Person, person: Person, evening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = make_pass(owner, evening)
    person.get(link)
    later = clock.now() + timedelta(days=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert person.get(DOOR).status_code == 401
    assert "This door pass has ended." in text_of(person.get(link))


def test_guesses_are_counted_and_lock_nobody_out(
    owner: Person, person: Person, evening: int
) -> None:
    link = make_pass(owner, evening)
    stranger = Person(owner.app)
    assert "This device has no door pass." in text_of(stranger.get("/door"))
    answers = [stranger.get(f"/door/guess-{number}") for number in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert "Check that its link is complete" in text_of(answers[0])
    # The same network, as it is at a venue.
    assert person.get(link).status_code == 303
    assert person.get(DOOR).status_code == 200
    limiter.reset()


def test_forms_of_the_door_need_their_token_which_outlives_the_session(
    owner: Person, person: Person, evening: int
) -> None:
    person.get(make_pass(owner, evening))
    cookie = person.client.get_cookie("nextup-door", path="/door")
    assert cookie is not None
    with owner.app.test_request_context():
        token, other = csrf_token_of(cookie.value), csrf_token_of("another pass")
    scans = {"scans": [{"id": str(uuid4()), "what": "in", "code": "0" * 16}]}
    for wrong in ("", "x", other):
        headers = {"X-CSRFToken": wrong}
        assert person.client.post("/door/scans", json=scans, headers=headers).status_code == 400
        data = {"csrf_token": wrong}
        assert person.client.post("/door/sign-out", data=data).status_code == 400
    with person.client.session_transaction() as session:
        session.clear()
    headers = {"X-CSRFToken": token}
    assert person.client.post("/door/scans", json=scans, headers=headers).status_code == 200
    left = person.client.post("/door/sign-out", data={"csrf_token": token})
    assert (left.status_code, left.location) == (303, "/")
    assert person.get(DOOR).status_code == 401


def test_other_organizers_neither_make_nor_end_passes(
    app: Flask, owner: Person, make_event: MakeEvent, evening: int
) -> None:
    make_pass(owner, evening)
    path = f"/organizer/events/{evening}/door"
    ending = next(action for action in forms_of(owner.get(path)) if action.endswith("/revoke"))
    second = make_event("Another")
    # The pass of one event is none of another one, not even of the same organizer.
    moved = ending.replace(f"/{evening}/", f"/{second}/")
    assert owner.client.post(moved, data=owner.token(path)).status_code == 404
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    stranger.log_in("stranger")
    token = stranger.token("/organizer")
    for place in (ending, f"{path}/passes", f"{path}/1"):
        assert stranger.client.post(place, data={**token, "name": "Mine"}).status_code == 404
    assert "Revoked" not in text_of(owner.get(path))


def test_wrong_name_of_a_device_is_told_at_its_field(owner: Person, evening: int) -> None:
    path = f"/organizer/events/{evening}/door"
    for name in ("", "x" * 81):
        refused = owner.submit(path, f"{path}/passes", name=name, maySell="true")
        assert refused.status_code == 400
        assert 'aria-invalid="true"' in refused.text
        assert "checked" in refused.text


def rows_of(owner: Person, event_id: int, file: str = "door") -> list[dict[str, str]]:
    answer = owner.get(f"/organizer/events/{event_id}/{file}.csv")
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


@pytest.mark.every_database
def test_desk_tells_who_is_in_since_when_and_by_which_device(
    owner: Person, evening: int, book: Book, scan: Scanning, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/organizer/events/{evening}/door"
    for name, tickets in (("Ada", 1), ("Grace", 4), ("Mary", 2)):
        book(evening, name, tickets)
    assert scan(evening, 1) is Verdict.ADMITTED
    assert scan(evening, 2, 2, at="Gate") is Verdict.ADMITTED
    assert scan(evening, 2, 1, at="Back") is Verdict.ADMITTED
    # Without network a device has let one in whom another one had let in before.
    assert scan(evening, 1, at="Back", offline=True) is Verdict.AGAIN
    page = text_of(owner.get(path))
    assert "In 4 of 7" in page
    assert "Not here yet 3" in page
    assert "Let in twice 1" in page
    assert re.search(r"Ada ada@example.org 1 In 1 twice \d\d:\d\d[^,]*, Gate, Back", page), page
    assert re.search(r"Grace grace@example.org 4 3 of 4 in \d\d:\d\d[^,]*, Gate, Back", page)
    assert "Mary mary@example.org 2 not here yet" in page
    assert "4 of 7" in text_of(owner.get(f"{path}/figures", fragment=True))
    for kind, names in (("in", "Ada Grace"), ("missing", "Grace Mary"), ("twice", "Ada")):
        listed = text_of(owner.get(f"{path}?shown={kind}", fragment=True))
        assert {name for name in ("Ada", "Grace", "Mary") if name in listed} == {*names.split()}
    found = text_of(owner.get(f"{path}?search=grace", fragment=True))
    assert "1 booking found" in found
    assert "Ada" not in found
    rows = rows_of(owner, evening)
    assert [(r["Name"], r["Tickets"], r["Admitted"], r["Missing"], r["By"]) for r in rows] == [
        ("Ada", "1", "1", "0", "Gate / Back"),
        ("Grace", "4", "3", "1", "Gate / Back"),
        ("Mary", "2", "0", "2", ""),
    ]
    assert [row["Let in twice"] for row in rows] == ["1", "0", "0"]
    for row, booking in zip(rows, rows_of(owner, evening, "bookings"), strict=True):
        assert row["Admitted"] == booking["Admitted"]
        assert row["First admitted"] == booking["First admitted"]
        assert bool(row["First admitted"]) is (row["Admitted"] != "0")
    told = "1 person came in on a ticket that was used already."
    assert told not in text_of(owner.get("/organizer"))
    began = clock.now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: began)
    assert told in text_of(owner.get("/organizer"))


def test_desk_lets_people_in_and_takes_that_back(owner: Person, evening: int, book: Book) -> None:
    path = f"/organizer/events/{evening}/door"
    book(evening, "Grace", 3)
    shown = owner.get(path)
    assert f'name="count" value="3" formaction="{path}/1"' in shown.text
    form = forms_of(shown)[path]
    for _ in range(2):
        # A form that is sent twice counts once.
        sent = owner.client.post(f"{path}/1?shown=missing", data={**form, "count": "1"})
        assert sent.location == f"{path}?shown=missing"
    page = text_of(owner.get(path))
    assert "Grace: 1 person is let in." in page
    assert "In 1 of 3" in page
    owner.client.post(f"{path}/1", data={**forms_of(owner.get(path))[path], "count": "2"})
    of_booking = f"/organizer/events/{evening}/bookings/1"
    sent = owner.submit(of_booking, f"{path}/1", what="out", count=2)
    assert sent.location == of_booking
    told = text_of(owner.get(of_booking))
    assert "2 people count as not here again." in told
    assert re.search(r"1 of 3 in \d\d:\d\d[^,]*, desk", told)
    assert "Booking let out again by you: 1 of 3 in" in told
    assert "Booking let in by you: 3 of 3 in" in told
    too_many = owner.submit(of_booking, f"{path}/1", what="in", count=9)
    assert too_many.status_code == 303
    assert "not so many are left" in text_of(owner.get(of_booking))


def test_history_names_the_device(owner: Person, evening: int, book: Book, scan: Scanning) -> None:
    book(evening, "Grace", 2)
    scan(evening, 1, at="Main gate")
    scan(evening, 1, at="Main gate", what=What.OUT)
    history = text_of(owner.get(f"/organizer/events/{evening}/history"))
    assert "Booking 1 let in at the door (Main gate): 1 of 2 in" in history
    assert "Booking 1 let out again at the door (Main gate): 0 of 2 in" in history


def test_after_the_event_desk_tells_how_many_never_came(
    owner: Person, evening: int, book: Book, scan: Scanning, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(evening, "Ada", 3)
    book(evening, "Grace", 1)
    later = clock.now() + timedelta(days=1)
    path = f"/organizer/events/{evening}"
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        assert "never came" not in text_of(owner.get(f"{path}/details"))
    scan(evening, 1, 3)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "Never came 1 25 % of all tickets" in text_of(owner.get(f"{path}/door"))
    details = text_of(owner.get(f"{path}/details"))
    assert "3 of 4 were let in. 1 never came: 25 % of all tickets." in details


def test_whoever_is_in_is_neither_cancelled_nor_reduced_away(
    owner: Person, person: Person, evening: int, book: Book, scan: Scanning
) -> None:
    reference = book(evening, "Grace", 4)
    ticket, of_desk = f"/bookings/{reference}", f"/organizer/events/{evening}/bookings/1"
    cancelling = {
        who: forms_of(who.get(f"{page}/cancel"))[f"{page}/cancel"]
        for who, page in ((person, ticket), (owner, of_desk))
    }
    giving = forms_of(person.get(f"{ticket}/give"))[f"{ticket}/give"]
    assert "Show this at the door. It admits 4 people." in text_of(person.get(ticket))
    scan(evening, 1, 2)
    page = person.get(ticket)
    assert "2 of 4 in" in text_of(page)
    assert "Show this at the door for 2 more people." in text_of(page)
    assert "it cannot be cancelled" in text_of(page)
    assert "/give" not in page.text
    giving |= {"name": "Eve", "email": "eve@example.org", "sure": "yes"}
    assert person.client.post(f"{ticket}/give", data=giving).location == ticket
    assert "Grace" in text_of(person.get(ticket))
    assert re.search(r'name="tickets"[^>]* min="2"', page.text)
    for who, place in ((person, ticket), (owner, of_desk)):
        refused = who.client.post(f"{place}/cancel", data=cancelling[who])
        assert refused.status_code == 409
        assert "has been let in at the door" in text_of(refused)
        fewer = who.submit(place, place, tickets=1, sure="yes")
        assert fewer.status_code == 400
        assert "Keep at least 2: so many have been let in at the door." in text_of(fewer)
        assert f"{place}/cancel" not in who.get(place).text
    assert person.submit(ticket, ticket, tickets=2, sure="yes").status_code == 303
    assert "All 2 of this ticket were let in at the door" in text_of(person.get(ticket))
