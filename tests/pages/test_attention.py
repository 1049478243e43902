"""What the dashboard shows first: what needs attention, and nothing else."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, text_of
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type
from webapp.mail.announcements import Undelivered
from webapp.pages.organizer.attention import Kind, needs_of, still_told
from webapp.storage.engines import write_engine
from webapp.storage.tables import deliveries, events
from webapp.web import proxies

MakeEvent = Callable[..., int]
Book = Callable[..., str]

NOW = datetime(2031, 5, 3, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUIET: dict[str, Any] = {"next_position": 1, "starts_at": NOW + 14 * DAY}


def event(**changes: Any) -> Any:
    """A published event in a month, with bookings and tickets left: it needs nothing."""
    usual = {
        "id": 1,
        "status": "published",
        "is_sample": False,
        "time_zone": "UTC",
        "starts_at": NOW + 30 * DAY,
        "ends_at": None,
        "sales_open_at": None,
        "sales_close_at": None,
        "waiting": 0,
        "next_position": 9,
    }
    return SimpleNamespace(**{**usual, **changes})


def needs(*given: Any, parked: dict[int, int] | None = None, still: tuple[int, ...] = ()) -> Any:
    standstills: Any = {event_id: SimpleNamespace(free=2) for event_id in still}
    mails = Undelivered(parked or {}, set(), False)
    return needs_of(given, mails=mails, standstills=standstills, sends_mail=True, now=NOW)


def kinds(*given: Any, parked: tuple[int, ...] = (), still: tuple[int, ...] = ()) -> list[Kind]:
    return [need.kind for need in needs(*given, parked=dict.fromkeys(parked, 1), still=still)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"starts_at": None}, []),
        ({"starts_at": NOW + 3 * HOUR}, [Kind.TODAY]),
        ({"starts_at": NOW - 3 * HOUR}, [Kind.TODAY]),
        ({"starts_at": NOW - 3 * HOUR, "ends_at": NOW + HOUR}, [Kind.TODAY]),
        ({"starts_at": NOW - 3 * HOUR, "ends_at": NOW - HOUR}, []),
        ({"starts_at": NOW - 2 * DAY, "ends_at": NOW + DAY}, [Kind.TODAY]),
        ({"starts_at": NOW + 13 * HOUR}, []),
        # The day is the one at its place.
        ({"starts_at": NOW + 11 * HOUR, "time_zone": "Asia/Tokyo"}, []),
        ({"starts_at": NOW + 13 * HOUR, "time_zone": "America/Los_Angeles"}, [Kind.TODAY]),
        ({"starts_at": NOW - 13 * HOUR}, []),
        ({"status": "draft"}, []),
        ({"status": "draft", "starts_at": None}, []),
        ({"status": "draft", "starts_at": NOW + 13 * DAY}, [Kind.DRAFT]),
        ({"status": "draft", "starts_at": NOW + HOUR}, [Kind.DRAFT]),
        ({"status": "draft", "starts_at": NOW - HOUR}, []),
        ({"waiting": 3}, [Kind.WAITING]),
        ({"waiting": 3, "starts_at": None}, [Kind.WAITING]),
        ({"waiting": 3, "starts_at": NOW + HOUR}, [Kind.TODAY, Kind.WAITING]),
        ({"waiting": 3, "starts_at": NOW - DAY}, []),
        ({"next_position": 1}, []),
        ({"next_position": 1, "starts_at": None}, []),
        ({"next_position": 1, "starts_at": NOW + 15 * DAY}, []),
        ({**QUIET}, [Kind.QUIET]),
        ({**QUIET, "sales_open_at": NOW + HOUR}, []),
        ({**QUIET, "sales_open_at": NOW}, [Kind.QUIET]),
        ({**QUIET, "sales_close_at": NOW}, []),
        ({"next_position": 1, "starts_at": NOW - DAY}, []),
        ({"waiting": 3, "is_sample": True}, []),
        ({"waiting": 3, "status": "cancelled"}, []),
    ],
    ids=str,
)
def test_event_needs(changes: dict[str, Any], expected: list[Kind]) -> None:
    assert kinds(event(**changes)) == expected


def test_what_could_not_be_delivered_is_told_also_of_what_is_over() -> None:
    over = event(starts_at=NOW - 5 * DAY)
    assert kinds(over, parked=(1,)) == [Kind.UNDELIVERED]
    assert kinds(over, parked=(2,)) == []


def test_list_that_stands_still_is_told_in_place_of_one_that_waits() -> None:
    given = [event(id=number, waiting=3) for number in (1, 2)]
    assert kinds(*given, still=(2,)) == [Kind.STANDS_STILL, Kind.WAITING]
    assert kinds(event(waiting=3, is_sample=True), still=(1,)) == []


@pytest.mark.every_database
def test_dashboard_and_event_say_who_holds_up_a_list_and_what_can_be_done(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event("Feast", tickets=5)
    book(event_id, "Ada", tickets=3)
    book(event_id, "Mary", tickets=4)
    page = owner.get("/organizer")
    assert "Feast : the waiting list has stood still since" in text_of(page)
    assert "2 tickets are free; Mary is next and wants 4." in text_of(page)
    path = f"/organizer/events/{event_id}"
    assert f'href="{path}/bookings/2"' in page.text
    for shown in (owner.get(path), owner.get(f"{path}/figures", fragment=True)):
        told = text_of(shown)
        assert "2 tickets are free, and Mary is next and wants 4." in told
        for link in (f"{path}/bookings/2", f"{path}/edit"):
            assert f'<a href="{link}">' in shown.text
    owner.submit(f"{path}/bookings/2", f"{path}/bookings/2/take", tickets=2)
    assert "stood still" not in text_of(owner.get("/organizer")) + text_of(owner.get(path))


def test_most_urgent_comes_first_and_then_what_is_soonest() -> None:
    given = [
        event(id=1, **QUIET),
        event(id=2, waiting=1, starts_at=None),
        event(id=3, waiting=1, starts_at=NOW + 5 * DAY),
        event(id=4, waiting=1, starts_at=NOW + 3 * DAY),
        event(id=5, starts_at=NOW + HOUR),
    ]
    found = needs(*given, parked={3: 7})
    assert [need.event.id for need in found] == [5, 3, 4, 3, 2, 1]


def lines_of(page: TestResponse) -> list[dict[str, str]]:
    """What the button of each line sends that puts it aside."""
    found = re.findall(r'(?s)action="/organizer/dismiss".*?</form>', page.text)
    return [dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form)) for form in found]


@pytest.mark.every_database
def test_dashboard_says_what_needs_attention_and_where_to_go(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    now = clock.now()
    full = make_event("Full", tickets=1)
    for name in ("Ada", "Grace"):
        book(full, name)
    make_event("Far away", starts_at=now + 15 * DAY)
    new = make_event("New", starts_at=now + 13 * DAY)
    draft = make_event("Draft", published=False, starts_at=now + 3 * DAY)
    failed = make_event("Failed")
    book(failed, "Mary")
    with app.app_context(), write_engine().begin() as connection:
        connection.execute(
            update(deliveries).where(deliveries.c.event_id == failed).values(state="parked")
        )
    told = {
        "SETUP": ("No mail server is configured", "nobody gets mails"),
        "UNDELIVERED": ("Mails for Failed could not be", f"/organizer/events/{failed}/mails"),
        "DRAFT": ("nobody can see it yet", f'/organizer/events/{draft}"'),
        "WAITING": ("Full : 1 booking waits for a ticket", f"/organizer/events/{full}/edit"),
        "QUIET": ("Nobody has booked New yet", f"/organizer/events/{new}/share"),
    }
    seen: list[str] = []
    while lines := lines_of(owner.get("/organizer")):
        page = owner.get("/organizer")
        assert len(lines) <= 3
        assert ("less urgent" in page.text) == (len(told) - len(seen) > 3)
        for line in lines:
            sentence, path = told[line["kind"]]
            assert sentence in text_of(page)
            assert path in page.text
        seen.append(lines[0]["kind"])
        assert owner.client.post("/organizer/dismiss", data=lines[0]).status_code == 303
    assert seen == list(told), "the worst first, and the next in its place"
    book(full, "Joan")
    assert lines_of(owner.get("/organizer"))[0]["kind"] == "WAITING", "twice as many wait"


def test_what_was_put_aside_comes_back_when_it_gets_worse() -> None:
    def levels(**changes: Any) -> list[int]:
        return [need.level for need in needs(event(**changes))]

    for worse in (
        [levels(next_position=1, starts_at=NOW + days * DAY) for days in (14, 7, 2, 1)],
        [levels(status="draft", starts_at=NOW + days * DAY) for days in (14, 7, 2, 1)],
        [levels(waiting=number) for number in (1, 2, 4, 9)],
    ):
        assert worse == sorted(worse)
        assert len({*map(tuple, worse)}) == len(worse)
    assert levels(waiting=4) == levels(waiting=7)
    [first] = needs(event(), parked={1: 7})
    assert still_told([first], {first.matter: first.level}) == []
    assert still_told(needs(event(), parked={1: 8}), {first.matter: 7}) != []
    [today] = needs(event(starts_at=NOW - DAY, ends_at=NOW + 2 * DAY))
    assert still_told([today], {today.matter: today.level - 1}) == [today], "each day anew"


@pytest.mark.every_database
def test_nobody_puts_aside_what_is_somebody_elses(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event("Theirs", starts_at=clock.now() + DAY)
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    stranger.log_in("stranger")
    line = {**stranger.token("/organizer"), "kind": "QUIET", "event": str(event_id), "level": "9"}
    assert stranger.client.post("/organizer/dismiss", data=line).status_code == 404
    for wrong in ({"kind": "NONSENSE"}, {"event": "x"}, {"level": "-1"}, {"level": ""}):
        assert stranger.client.post("/organizer/dismiss", data={**line, **wrong}).status_code == 404
    huge = {**line, "kind": "SETUP", "event": "0", "level": "9" * 18}
    for _ in range(2):
        assert stranger.client.post("/organizer/dismiss", data=huge).status_code == 303
    assert "No mail server" not in stranger.get("/organizer").text
    assert "No mail server" in owner.get("/organizer").text


@pytest.mark.every_database
def test_event_that_starts_next_is_seen_behind_many_newer_ones(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    old = make_event("Old but soon", published=False, starts_at=clock.now() + DAY)
    for number in range(30):
        make_event(f"Later {number}")
    assert [line["kind"] for line in lines_of(owner.get("/organizer"))] == ["SETUP", "DRAFT"]
    with app.app_context(), write_engine().begin() as connection:
        connection.execute(update(events).where(events.c.id == old).values(status="cancelled"))
    assert [line["kind"] for line in lines_of(owner.get("/organizer"))] == ["SETUP"]


def test_events_of_others_need_no_attention(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    make_event("Theirs", starts_at=clock.now() + DAY)
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    stranger.log_in("stranger")
    stranger.submit("/organizer/events/new", eventName="Mine", totalTickets=1, status="published")
    page = stranger.get("/organizer").text
    assert "Mine" in page
    assert "Theirs" not in page


def test_proxy_that_is_not_named_is_told_with_how_to_make_sure(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxies, "WINDOW_SECONDS", 0.0)
    app = make_app(own=True)
    with app.app_context():
        accounts.create_organizer(username="owner", password=PASSWORD)
    owner = Person(app)
    assert owner.log_in().status_code == 303
    assert "TRUSTED_PROXIES" not in owner.get("/organizer").text
    for _ in range(proxies.ENOUGH_REQUESTS * 10):
        owner.client.get("/login", headers={"X-Forwarded-For": "203.0.113.7"})
    told = owner.get("/organizer").text
    assert "All visitors look like one" in told
    assert "nobody can reach Nextup past it" in told


def test_list_of_an_event_with_types_that_stands_still_says_what_could_be_had(
    app: Flask, owner: Person, owner_id: int, make_event: MakeEvent
) -> None:
    event_id, me = make_event("Gala", tickets=9), organizer(owner_id)
    with app.app_context():
        add_type(event_id, TypeDetails("VIP", quota=3), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        for who, wants in {"a": {1: 2}, "b": {1: 2, 2: 1}}.items():
            book_tickets(event_id, attendee_id=who, wants=wants)
    said = "waits for 2 × VIP, 1 × Standard and could have 1 × VIP, 1 × Standard at once."
    for path in ("/organizer", f"/organizer/events/{event_id}"):
        assert said in text_of(owner.get(path))
