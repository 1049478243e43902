"""Whose language: each visitor's own, and nobody gets another's."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, forms_of, text_of
from tests.pages.test_pictures import drawn, upload
from tests.pages.test_settings import SECTIONS
from tests.support.changes import set_status
from tests.support.languages import LEFT_TO_RIGHT, RIGHT_TO_LEFT, english_left, made_up
from tests.support.tools import booking_at, set_own_address
from webapp.booking import links
from webapp.booking import services as bookings
from webapp.booking.commands import Status, organizer
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.links import Purpose, Token
from webapp.booking.queries import find_booking
from webapp.events import samples
from webapp.events import services as events
from webapp.mail import facts
from webapp.mail.opting_out import token_for
from webapp.pages.organizer import bookings as organizer_bookings
from webapp.pages.organizer import events as organizer_events
from webapp.storage.tables import deliveries
from webapp.storage.transaction import write
from webapp.text.languages import LANGUAGES
from webapp.text.sentences import DELIVERY_PROBLEMS

# One of them tells what is left in English; the long tier tries both.
DIRECTIONS = [
    pytest.param(LEFT_TO_RIGHT, "ltr", marks=pytest.mark.long),
    (RIGHT_TO_LEFT, "rtl"),
]
SETTINGS = [f"/settings/{section}" for section in SECTIONS]

MakeEvent = Callable[..., int]
Book = Callable[..., str]
GERMAN = "de-AT,de;q=0.8,en;q=0.5"
STARTS_AT = datetime(2031, 5, 3, 17, 30, tzinfo=UTC)


def park_all(event_id: int, problem: str) -> None:
    """Have all mails of an event given up."""
    change = update(deliveries).where(deliveries.c.event_id == event_id)
    parked = change.values(state="parked", problem=problem)
    write(lambda connection: connection.execute(parked))


def get(person: Person, path: str, language: str = "", **headers: str) -> TestResponse:
    """Read a page with a browser that asks for a language."""
    return person.client.get(path, headers={"Accept-Language": language, **headers})


def title_of(page: TestResponse) -> str:
    found = re.search(r"<title>(.*?) ·", page.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("", "Events"),
        ("de", "Veranstaltungen"),
        ("DE-at", "Veranstaltungen"),
        ("de-CH-1901", "Veranstaltungen"),
        ("fr-FR, fr;q=0.9, de;q=0.5, en;q=0.4", "Veranstaltungen"),
        ("en;q=0.4, de;q=0.5", "Veranstaltungen"),
        ("de;q=0.4, en-GB;q=0.5", "Events"),
        ("de;q=0, fr", "Events"),
        ("*", "Events"),
        ("deutsch", "Events"),
        ("de;q=none, ,;;=", "Events"),
        (f"{'xx, ' * 10_000}de", "Events"),
    ],
)
def test_browser_says_what_its_visitor_reads(person: Person, header: str, title: str) -> None:
    assert title_of(get(person, "/", header)) == title


def test_site_has_a_language_for_whoever_asks_for_none_of_ours(
    make_app: Callable[..., Flask],
) -> None:
    person = Person(make_app(LANGUAGE="de"))
    assert title_of(person.get("/")) == "Veranstaltungen"
    assert title_of(get(person, "/", "fr")) == "Veranstaltungen"
    assert title_of(get(person, "/", "fr,en;q=0.1")) == "Events"


def test_choice_counts_more_than_the_browser_and_leads_back(person: Person) -> None:
    path = "/?search=Caf%C3%A9"
    answer = person.submit(path, "/language", language="de")
    assert (answer.status_code, answer.location) == (303, path)
    assert title_of(get(person, "/", "en")) == "Veranstaltungen"
    person.submit("/bookings", "/language", language="en")
    assert title_of(get(person, "/", GERMAN)) == "Events"


def test_choice_is_a_cookie_of_this_site_alone(make_app: Callable[..., Flask]) -> None:
    app = make_app(BASE_URL="https://tickets.example.org")
    cookie = app.test_client().post("/language", data={"language": "de"}).headers["Set-Cookie"]
    assert cookie.startswith("__Host-nextup-language=de; ")
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= {*cookie.split("; ")}


@pytest.mark.parametrize("chosen", ["", "fr", "de\r\n", "../de"])
def test_language_that_we_do_not_have_is_not_remembered(person: Person, chosen: str) -> None:
    answer = person.client.post("/language", data={"language": chosen, "next": "/bookings"})
    assert (answer.status_code, answer.location) == (303, "/bookings")
    assert "Set-Cookie" not in answer.headers


def test_language_that_is_gone_falls_back(person: Person) -> None:
    person.client.set_cookie("nextup-language", "fr")
    assert title_of(get(person, "/", GERMAN)) == "Veranstaltungen"


def test_choice_leads_nowhere_else(person: Person) -> None:
    for path in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = person.client.post("/language", data={"language": "de", "next": path})
        assert answer.location == "/"


def test_another_site_chooses_for_nobody(person: Person) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = person.client.post("/language", data={"language": "de"}, headers=headers)
    assert "Set-Cookie" not in answer.headers


def test_choice_comes_back_from_a_form_that_was_refused(
    person: Person, make_event: MakeEvent
) -> None:
    path = f"/events/{make_event()}-harvest-supper"
    refused = person.submit(path, name="", email="no address")
    assert refused.status_code == 400
    assert f'name="next" value="{path}"' in refused.text
    gone = person.client.put("/language")
    assert 'name="next" value="/"' in gone.text


def test_two_visitors_who_take_turns_get_each_their_own(
    app: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1, starts_at=STARTS_AT)
    book(event_id, "Ada")
    path = f"/bookings/{book(event_id, 'Grace')}"
    english, german = Person(app), Person(app)
    for _ in range(2):
        assert "You are next" in english.get(path).text
        assert "Sie sind als Nächstes dran" in get(german, path, GERMAN).text


@pytest.mark.parametrize("path", ["availability", "standing"])
def test_fragment_that_is_known_in_one_language_is_sent_in_another(
    person: Person, make_event: MakeEvent, book: Book, path: str
) -> None:
    event_id = make_event(tickets=1)
    book(event_id, "Ada")
    start = f"/events/{event_id}" if path == "availability" else f"/bookings/{book(event_id, 'B')}"
    part = {"HX-Request-Type": "partial"}
    english = get(person, f"{start}/{path}", **part)
    known = {**part, "If-None-Match": english.headers["ETag"]}
    assert get(person, f"{start}/{path}", **known).status_code == 304
    german = get(person, f"{start}/{path}", GERMAN, **known)
    assert german.status_code == 200
    assert german.headers["ETag"] != english.headers["ETag"]
    for answer in (english, german):
        assert {"Accept-Language", "Cookie"} <= {*answer.vary}


def test_page_says_what_language_it_is_in(person: Person) -> None:
    assert '<html lang="en" dir="ltr">' in person.get("/").text
    assert '<html lang="de" dir="ltr">' in get(person, "/nothing", GERMAN).text
    whole = get(person, "/", GERMAN)
    assert {"Accept-Language", "Cookie", "HX-Request-Type"} <= {*whole.vary}


def test_api_stays_english_byte_for_byte(
    app: Flask, person: Person, make_event: MakeEvent, book: Book
) -> None:
    later = make_event(sales_open_at=STARTS_AT, starts_at=STARTS_AT)
    person.client.set_cookie("nextup-language", "de")
    asked = [
        ("GET", "/api/events/99", None),
        ("GET", f"/api/events/status/{later}", None),
        ("GET", "/api/nothing", None),
        ("PUT", "/api/events/book", None),
        ("POST", "/api/events/book", {"userId": 1, "eventId": later}),
        ("POST", "/api/events/book", {"userId": " ", "eventId": "x", "colour": 1}),
        ("GET", "/api/docs", None),
        ("GET", "/api/openapi.json", None),
    ]
    for method, path, body in asked:
        plain = app.test_client().open(path, method=method, json=body)
        german = person.client.open(
            path, method=method, json=body, headers={"Accept-Language": GERMAN}
        )
        assert german.data == plain.data, path
        assert german.headers.get("ETag") == plain.headers.get("ETag")


def test_german_visitor_books_waits_and_gives_back(person: Person, make_event: MakeEvent) -> None:
    person.client.set_cookie("nextup-language", "de")
    event_id = make_event(
        tickets=1, starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(hours=3, minutes=30),
        time_zone="Europe/Berlin",
    )  # fmt: skip
    shown = text_of(person.client.get(f"/events/{event_id}", follow_redirects=True))
    assert "Sa., 3. Mai 2031, 19:30 &ndash; 23:00 MESZ" in shown
    assert "1 von 1 Ticket" in shown
    refused = person.book(event_id, tickets="x")
    assert "Geben Sie eine ganze Zahl ein." in text_of(refused)
    ticket = person.book(event_id).location
    assert "Gebucht. Bewahren Sie die Adresse dieser Seite auf" in text_of(person.get(ticket))
    waiting = person.book(event_id, "Grace").location
    assert "Sie stehen auf der Warteliste." in text_of(person.get(waiting))
    person.submit(f"{ticket}/cancel")
    assert "Ihre Buchung ist storniert." in text_of(person.get(ticket))
    assert "Zeigen Sie das am Einlass vor. Es gilt für 1 Person." in text_of(person.get(waiting))


@pytest.fixture(params=[LEFT_TO_RIGHT, RIGHT_TO_LEFT])
def stranger(request: pytest.FixtureRequest, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who reads a made-up language."""
    code = request.param
    monkeypatch.setitem(LANGUAGES, code, made_up(code))
    person = Person(app)
    person.client.set_cookie("nextup-language", code)
    return person


def pages(app: Flask, visitor: Person, make_event: MakeEvent, book: Book) -> Iterator[TestResponse]:
    """Each page of an attendee in each of its states."""
    get, submit = visitor.get, visitor.submit
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    def make(**fields: object) -> int:
        return make_event("Γιορτή", **{"location": "Αθήνα", **fields})

    plain = make(tickets=2000, starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(days=2),
                 sales_close_at=STARTS_AT, cancel_until=STARTS_AT)  # fmt: skip
    few, full = make(), make(tickets=1)
    no_list, full_list = (
        make(tickets=1, waiting_list_limit=0),
        make(tickets=1, waiting_list_limit=1),
    )
    opens = make(sales_open_at=tomorrow, starts_at=STARTS_AT)
    single = make(max_tickets_per_booking=1)
    closed = make(sales_close_at=datetime.now(UTC) - timedelta(days=1), starts_at=tomorrow)
    gone = make()
    ticket, pair = book(plain, "Ada", 3), book(plain, "Bob")
    for event, name in ((no_list, "Ada"), (full_list, "Ada"), (full_list, "Bob"), (full, "Ada")):
        book(event, name)
    waiting = [book(full, name) for name in ("Bob", "Eve", "Joe")]
    lapsed, held, of_gone = book(few, "Ada"), book(single, "Ada"), book(gone, "Ada")
    with app.app_context():
        events.cancel_event(gone, actor=organizer(1))
        set_status(few, 1, Status.LAPSED)
        set_status(single, 1, Status.HELD)
    for path in ("/", "/?search=xyz", "/?after=undated-99999", "/bookings", "/login", "/nothing",
                 "/bookings/none", "/events/9999"):  # fmt: skip
        yield get(path)
        yield get(path, fragment=True)
    for event in (plain, few, full, no_list, full_list, opens, single, closed, gone):
        yield get(f"/events/{event}-")
        yield get(f"/events/{event}-?tickets=7")
        for how in ("", "?tickets=7", "?form=no", "?form=yes"):
            yield get(f"/events/{event}/availability{how}", fragment=True)
    for reference in (ticket, pair, *waiting, lapsed, held, of_gone):
        for path in ("", "/cancel", "/standing"):
            yield get(f"/bookings/{reference}{path}", fragment=path == "/standing")
    yield submit(f"/bookings/{ticket}", tickets=9)
    yield submit(f"/bookings/{ticket}", tickets=2)
    yield get(f"/bookings/{ticket}/correct")
    yield submit(f"/bookings/{ticket}/correct", name="")
    yield get(submit(f"/bookings/{waiting[0]}/correct", name="Δάφνη").location)
    yield get(f"/bookings/{pair}/give")
    for email in ("ada@example.org", "daphne@example.org"):
        receiver: dict[str, Any] = {"name": "Δάφνη", "email": email}
        yield submit(f"/bookings/{pair}/give", **receiver)
        yield submit(f"/bookings/{pair}/give", sure="yes", **receiver)
    yield get(f"/bookings/{pair}/given")
    yield get(f"/bookings/{pair}")
    with app.app_context():
        pair = booking_at(plain, 2).reference
    yield submit(f"/events/{plain}", name="", email="x", tickets="x")
    yield submit(f"/events/{plain}", name="A", email="a@example.org", tickets=99)
    yield submit(f"/events/{plain}", name="A", email="ada@example.org")
    yield submit(f"/events/{plain}", name="A", email="ada@example.org", csrf_token="")
    yield submit("/login", username="x", password="x")
    yield submit("/bookings", email="x")
    for page, fields in (
        (f"/events/{plain}", {"name": "Δάφνη", "email": "new@example.org"}),
        (f"/events/{full}", {"name": "Δάφνη", "email": "new@example.org"}),
        (f"/bookings/{ticket}", {"tickets": 2, "sure": "yes"}),
        ("/bookings", {"email": "new@example.org"}),
    ):
        yield get(submit(page, **fields).location)
    yield get("/bookings")
    yield get(submit("/bookings", "/bookings/forget").location)
    yield get(submit(f"/bookings/{waiting[1]}/new-link").location)
    for email, purpose, path in (
        ("joe@example.org", Purpose.NEW_ADDRESS, "/bookings/address"),
        ("eva@example.org", Purpose.NEW_ADDRESS, "/bookings/address"),
        ("eva@example.org", Purpose.TICKET_OFFER, "/bookings/take-over"),
        ("", Purpose.NEW_LINK, f"/bookings/{waiting[1]}/replace"),
    ):
        with app.app_context():
            row = find_booking(waiting[1]).booking
            state = links.state_of(row)
            token = links.make_token(purpose, Token(row.event_id, row.position, state, email))
        yield get(f"{path}?token={token}")
        answer = submit(f"{path}?token={token}", path)
        yield get(answer.location) if answer.location else answer
        yield get(f"{path}?token={token}")
    yield get(submit(f"/bookings/{waiting[2]}/cancel").location)
    with app.app_context():
        messages = f"/messages/{plain}/1/{token_for(plain, 1, 'ada@example.org')}"
    yield get(messages)
    yield submit(messages)
    yield get(messages)
    yield submit(messages, f"{messages}/again")
    with app.app_context():
        bookings.cancel_booking(full, position=1)
        set_status(plain, 2, Status.LAPSED)
    yield get(f"/bookings/{waiting[0]}/standing", fragment=True)
    yield get(f"/bookings/{pair}/standing", fragment=True)


@pytest.mark.parametrize(("code", "direction"), DIRECTIONS)
def test_every_page_of_an_attendee_says_everything_in_the_visitors_language(
    app: Flask,
    person: Person,
    make_event: MakeEvent,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    direction: str,
) -> None:
    monkeypatch.setitem(LANGUAGES, code, made_up(code))
    person.client.set_cookie("nextup-language", code)
    assert count_in_language(pages(app, person, make_event, book), code, direction) > 100


def count_in_language(shown: Iterable[TestResponse], code: str, direction: str) -> int:
    """Fail on a page that says something in English; how many have been looked at."""
    seen = 0
    for page in shown:
        if page.status_code in (301, 303, 304):
            continue
        seen += 1
        # The name of the site is the organizer's.
        said = page.text.replace("· Nextup", "")
        assert not english_left(said), f"{page.request.path}\n{said}"
        assert "<html" not in said or f'<html lang="{code}" dir="{direction}">' in said
    return seen


def pages_of_organizer(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> Iterator[TestResponse]:
    """Each page of an organizer in each of its states."""
    get, submit = owner.get, owner.submit
    home, now = "/organizer", datetime.now(UTC)
    tomorrow, soon = now + timedelta(days=1), now + timedelta(days=3)

    def make(**fields: object) -> int:
        return make_event("Γιορτή", **{"location": "Αθήνα", **fields})

    def went_on(answer: TestResponse) -> TestResponse:
        assert answer.status_code == 303, answer.text
        return get(answer.location)

    yield get(home)
    with app.app_context():
        samples.add_samples(str)
    yield get(home)
    yield went_on(submit(home, f"{home}/samples/remove"))
    plain = make(tickets=3000, starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(days=2),
                 sales_close_at=STARTS_AT, cancel_until=STARTS_AT, waiting_list_limit=5,
                 description="Μουσική")  # fmt: skip
    quiet, full, no_list = make(), make(tickets=1), make(tickets=1, waiting_list_limit=0)
    draft = make(published=False, starts_at=soon)
    today = make(starts_at=now - timedelta(minutes=1), ends_at=tomorrow + timedelta(days=1))
    over = make(starts_at=now - timedelta(days=3), ends_at=now - timedelta(days=2))
    gone, changed = make(), make(tickets=3)
    for name, tickets in (("Ada", 3), ("Bob", 2), ("Eve", 1), ("Joe", 1)):
        book(plain, name, tickets)
    for name in ("Ada", "Bob", "Eve"):
        book(full, name)
    for event in (no_list, gone):
        book(event, "Ada")
    for name, tickets in (("Ada", 3), ("Bob", 1), ("Eve", 1), ("Joe", 1)):
        book(changed, name, tickets)
    with app.app_context():
        events.cancel_event(gone, actor=organizer(1))
        set_status(plain, 3, Status.LAPSED)
        set_status(plain, 4, Status.HELD)
        park_all(plain, "550 no such user")
    for path in ("", "?before=999999", "?before=1", "/events/new", f"/events/new?like={plain}",
                 *SETTINGS, "/events/99999"):  # fmt: skip
        yield get(f"{home}{path}")
    for event in (plain, quiet, full, no_list, draft, today, over, gone, changed):
        here = f"{home}/events/{event}"
        for path in ("", "?search=xyz", "?status=waiting", "?after=99", "/edit", "/cancel",
                     "/history", "/history?before=999999", "/history?before=1", "/picture",
                     "/mails", "/mails?after=1", "/bookings/new", "/bookings/list"):  # fmt: skip
            yield get(f"{here}{path}")
        for path in ("", "/figures", "/bookings", "/mails/progress", "?status=lapsed"):
            yield get(f"{here}{path}", fragment=True)
        for position in (1, 2, 3, 4, 99):
            for path in ("", "/cancel"):
                yield get(f"{here}/bookings/{position}{path}")
    here = f"{home}/events/{plain}"
    yield submit(f"{home}/events/new", eventName="", totalTickets="x")
    yield submit(f"{here}/edit", endsAt="2031-01-01T10:00", totalTickets=1)
    overtaken = forms_of(get(f"{here}/edit"))[f"{here}/edit"]
    described = forms_of(get(f"{here}/picture"))[f"{here}/picture"]
    mails = f"{home}/settings/mails"
    notices = forms_of(get(mails))[mails]
    yield went_on(submit(f"{here}/edit", totalTickets=4000, location="", description="Χορός",
                         startsAt="2031-05-01T10:00"))  # fmt: skip
    meanwhile = {"totalTickets": "9", "location": "Πάτρα", "description": "Θέατρο",
                 "startsAt": "2031-04-01T10:00"}  # fmt: skip
    yield owner.client.post(f"{here}/edit", data={**overtaken, **meanwhile})
    yield submit(f"{here}/picture")
    yield went_on(upload(owner, plain, drawn(), "Χορωδία"))
    yield went_on(upload(owner, plain, drawn((500, 300)), "Χορός"))
    yield get(f"{home}/events/new?like={plain}")
    yield get(f"{here}/history")
    yield owner.client.post(f"{here}/picture", data={**described, "description": "Άλλο"})
    yield upload(owner, plain, b"no picture")
    yield went_on(submit(f"{here}/picture", f"{here}/picture/remove"))
    yield submit(mails, wants_summary="yes")
    with app.app_context():
        set_own_address(1, "new@example.org")
    for section in SETTINGS:
        yield get(f"{home}{section}")
    yield went_on(submit(mails, wants_summary="yes"))
    yield owner.client.post(mails, data={**notices, "wants_sold_out": "yes"})
    for subject, text in (("", ""), ("Νέα", "Καλημέρα")):
        message: dict[str, Any] = {"audience": "all", "subject": subject, "text": text}
        yield submit(f"{here}/mails", f"{here}/mails/preview", **message)
    yield submit(f"{home}/events/{quiet}/mails", f"{home}/events/{quiet}/mails/preview", **message)
    for audience in ("all", "confirmed", "waiting"):
        fields = {**owner.token(f"{here}/mails"), **message, "audience": audience}
        yield went_on(owner.client.post(f"{here}/mails", data=fields))
    yield get(f"{here}/mails/progress", fragment=True)
    for _ in range(2):
        yield went_on(submit(f"{here}/mails", f"{here}/mails/reminder"))
    resend = next(action for action in forms_of(get(f"{here}/mails")) if "resend" in action)
    yield went_on(submit(f"{here}/mails", resend))
    yield went_on(submit(f"{here}/bookings/1", f"{here}/bookings/1/mail"))
    yield went_on(submit(f"{here}/bookings/1", f"{here}/bookings/1/replace"))
    with app.app_context():
        correct_booking(plain, position=1, name="Δάφνη")
        row = booking_at(plain, 1)
        set_address(Token(plain, 1, links.state_of(row), "daphne@example.org"))
    yield submit(f"{here}/bookings/1", tickets=9)
    yield submit(f"{here}/bookings/1", tickets=2)
    yield went_on(submit(f"{here}/bookings/1", tickets=2, sure="yes"))
    yield went_on(submit(f"{here}/bookings/1/correct", name="Άδα"))
    yield went_on(submit(f"{here}/bookings/1/give", name="Ρέα", email="rhea@example.org"))
    yield went_on(submit(f"{here}/bookings/1/cancel"))
    yield get(f"{here}/bookings/1")
    yield submit(f"{home}/events/{changed}/bookings/1", tickets=2)
    yield went_on(submit(f"{home}/events/{changed}/bookings/1", tickets=2, sure="yes"))
    yield went_on(submit(f"{home}/events/{changed}/bookings/1/cancel"))
    yield get(f"{home}/events/{changed}/history")
    person: dict[str, Any] = {"name": "Δάφνη", "email": "new@example.org"}
    yield went_on(submit(f"{home}/events/{quiet}/bookings/new", **person))
    yield submit(f"{home}/events/{quiet}/bookings/new", **person)
    yield went_on(submit(f"{home}/events/{full}/bookings/new", **person))
    people = "Δίκη,Πλήθος,Πλήθος\nΔάφη,new@example.org,1\n,,0\nΔίκη,dike@example,1\nΔίκη,,1"
    people += "\nΔίκη,,1"
    yield submit(f"{home}/events/{quiet}/bookings/list", text=people, act="look")
    yield went_on(submit(f"{home}/events/{full}/cancel"))
    yield from pages_of_types(owner, f"{home}/events/{changed}")
    here = f"{home}/events/{draft}"
    yield went_on(submit(here, f"{here}/publish"))
    yield went_on(submit(f"{here}/details", f"{here}/unpublish"))
    yield get(f"{here}/history")
    for status in ("published", "draft"):
        new: dict[str, Any] = {"eventName": "Νέα", "totalTickets": 5, "status": status}
        yield went_on(submit(f"{home}/events/new", **new))
    yield get(home)


def pages_of_types(owner: Person, here: str) -> Iterator[TestResponse]:
    """The pages of ticket types and codes of an event that has bookings, some of them waiting."""
    get, submit = owner.get, owner.submit
    types, codes = f"{here}/types", f"{here}/codes"
    times = {"salesOpenAt": "2031-05-01T09:00", "salesCloseAt": "2031-05-02T09:00"}
    first: dict[str, Any] = {"name": "Θέση", "minTickets": 1, "description": "Μπροστά"}
    yield get(types)
    yield get(codes)
    yield submit(types, **{**first, "quota": 1})
    more: dict[str, Any]
    for more in ({"quota": 99}, {"name": "Δ", **times}, {"name": "Ψ", "hidden": "true"}):
        assert owner.submit(types, **{**first, **more}).status_code == 303
    of_size = ({"minTickets": 2}, {"minTickets": 2, "maxTickets": 3}, {"maxTickets": 3})
    for name, more in zip("ΚΛΜ", of_size, strict=True):
        added = owner.submit(types, **{**first, "name": name, **more})
        assert added.status_code == 303
    yield get(types)
    seen = forms_of(get(f"{types}/2"))[f"{types}/2"]
    for number in (1, 2, 3):
        yield get(f"{types}/{number}")
        yield submit(f"{types}/{number}", name="Θέση")
    yield submit(types, f"{types}/1/move", place=2)
    yield submit(types, f"{types}/1/move", fragment=True, place=1)
    owner.submit(f"{types}/2", quota=8, salesOpenAt="2021-01-01T10:00", salesCloseAt="")
    yield owner.client.post(f"{types}/2", data={**seen, "quota": "9", "salesOpenAt": ""})
    yield submit(f"{types}/1", f"{types}/1/remove")
    owner.submit(f"{types}/3", f"{types}/3/remove")
    yield get(types)
    yield get(codes)
    good = {"validFrom": "2031-05-01T09:00", "validUntil": "2031-05-02T09:00"}
    for more in ({"limit": 9, "maxPerBooking": 2, **good}, {"validUntil": "2021-01-01T10:00"}):
        assert owner.submit(codes, note="Χορός", **more).status_code == 303
    yield get(codes)
    yield get(f"{codes}/1")
    yield submit(f"{codes}/1", code="")
    yield get(f"{codes}?before=1")
    owner.submit(f"{codes}/1", f"{codes}/1/remove")
    yield get(codes)
    for path in ("", "/history"):
        yield get(f"{here}{path}")
    yield get(f"/organizer/events/new?like={here.rpartition('/')[2]}")


@pytest.mark.parametrize(("code", "direction"), DIRECTIONS)
def test_every_page_of_an_organizer_says_everything_in_the_visitors_language(
    app: Flask,
    owner: Person,
    make_event: MakeEvent,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    direction: str,
) -> None:
    monkeypatch.setitem(LANGUAGES, code, made_up(code))
    for module in (organizer_bookings, organizer_events):
        monkeypatch.setattr(module, "PAGE", 3)
    owner.client.set_cookie("nextup-language", code)
    shown = pages_of_organizer(app, owner, make_event, book)
    assert count_in_language(shown, code, direction) > 200


def test_german_organizer_publishes_adds_and_cancels(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    owner.client.set_cookie("nextup-language", "de")
    new: dict[str, Any] = {
        "eventName": "Erntefest", "totalTickets": 1, "status": "draft",
        "timeZone": "Europe/Vienna", "startsAt": "2031-05-03T19:30",
    }  # fmt: skip
    page = owner.submit("/organizer/events/new", **new).location
    shown = owner.get(page)
    assert "Als Entwurf gespeichert." in shown.text
    assert "Sa., 3. Mai 2031, 19:30 MESZ" in text_of(shown)
    assert ">Wien</option>" in owner.get(f"{page}/edit").text
    assert "Veröffentlicht." in owner.get(owner.submit(page, f"{page}/publish").location).text
    event_id = int(page.rpartition("/")[2])
    for name in ("Ada", "Grace"):
        book(event_id, name)
    told = owner.get(owner.submit(f"{page}/bookings/1/cancel").location)
    assert "Grace ist von der Warteliste nachgerückt und hat 1 Ticket." in told.text
    history = text_of(owner.get(f"{page}/history"))
    assert "Buchung 2 nachgerückt , als Buchung 1 Tickets zurückgab" in history
    assert "Buchung 1 von Ihnen storniert" in history
    assert "Status: Entwurf → veröffentlicht" in history
    assert "Abgesagt" in owner.get(owner.submit(f"{page}/cancel").location).text


def test_export_is_in_the_organizers_language(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    book(event_id, "Ada")
    path = f"/organizer/events/{event_id}/bookings.csv"
    headings, row = get(owner, path, GERMAN).data.decode("utf-8-sig").splitlines()
    assert headings == (
        "Buchungsnummer;Status;Tickets;Name;E-Mail;Kennung des Gastes;Buchungsreferenz;Gebucht;"
        "Ticketcode;Eingelassen;Zuerst eingelassen"
    )
    assert row.startswith("1;bestätigt;1;Ada;")


def test_organizer_who_chooses_a_language_is_written_to_in_it(
    app: Flask, owner: Person, person: Person, owner_id: int
) -> None:
    person.submit("/", "/language", language="de")
    assert language_of(app, owner_id) is None
    for code in ("de", "en"):
        owner.submit("/organizer", "/language", language=code)
        assert language_of(app, owner_id) == code
    owner.submit("/organizer", "/logout")
    owner.submit("/", "/language", language="de")
    assert language_of(app, owner_id) == "en"


def language_of(app: Flask, organizer_id: int) -> str | None:
    with app.app_context():
        return facts.language_of_organizer(organizer_id)


def test_what_a_mail_failed_of_is_told_in_german(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    book(event_id, "Ada")
    for problem, told in (
        (DELIVERY_PROBLEMS["no_address"], "An diese Adresse kann keine E-Mail gesendet werden."),
        ("550 100% full", "550 100% full"),
    ):
        with app.app_context():
            park_all(event_id, problem)
        assert told in get(owner, f"/organizer/events/{event_id}/mails", GERMAN).text
