"""What the dashboard shows first: what needs attention, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from tests.pages.conftest import PASSWORD, Person, text_of
from webapp import clock
from webapp.accounts import services as accounts
from webapp.pages.organizer.attention import Kind, needs_of
from webapp.storage.engines import write_engine
from webapp.storage.tables import deliveries, events
from webapp.web import proxies

MakeEvent = Callable[..., int]
Book = Callable[..., str]

NOW = datetime(2031, 5, 3, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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


def kinds(
    *given: Any, undelivered: tuple[int, ...] = (), still: tuple[int, ...] = ()
) -> list[Kind]:
    standstills: Any = dict.fromkeys(still)
    needs = needs_of(given, undelivered=undelivered, standstills=standstills, now=NOW)
    return [need.kind for need in needs]


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
        ({"next_position": 1}, [Kind.QUIET]),
        ({"next_position": 1, "sales_open_at": NOW + HOUR}, []),
        ({"next_position": 1, "sales_open_at": NOW}, [Kind.QUIET]),
        ({"next_position": 1, "sales_close_at": NOW}, []),
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
    assert kinds(over, undelivered=(1,)) == [Kind.UNDELIVERED]
    assert kinds(over, undelivered=(2,)) == []


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
        event(id=1, next_position=1),
        event(id=2, waiting=1, starts_at=None),
        event(id=3, waiting=1, starts_at=NOW + 5 * DAY),
        event(id=4, waiting=1, starts_at=NOW + 3 * DAY),
        event(id=5, starts_at=NOW + HOUR),
    ]
    needs = needs_of(given, undelivered=(3,), standstills={}, now=NOW)
    assert [need.event.id for need in needs] == [5, 3, 4, 3, 2, 1]


@pytest.mark.every_database
def test_dashboard_says_what_needs_attention_and_where_to_go(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    now = clock.now()
    full = make_event("Full", tickets=1)
    for name in ("Ada", "Grace"):
        book(full, name)
    new = make_event("New")
    draft = make_event("Draft", published=False, starts_at=now + 3 * DAY)
    failed = make_event("Failed")
    book(failed, "Mary")
    with app.app_context(), write_engine().begin() as connection:
        connection.execute(
            update(deliveries).where(deliveries.c.event_id == failed).values(state="parked")
        )
    page = owner.get("/organizer")
    said = text_of(page)
    for sentence, path in (
        ("Full : 1 booking waits for a ticket", f"/organizer/events/{full}/edit"),
        ("Nobody has booked New yet", f"/organizer/events/{new}#share"),
        ("nobody can see it yet", f'/organizer/events/{draft}"'),
        ("Mails for Failed could not be delivered", f"/organizer/events/{failed}/mails"),
        ("No mail server is configured", ""),
    ):
        assert sentence in said
        assert path in page.text
    assert said.index("Mails for Failed") < said.index("nobody can see") < said.index("waits")


@pytest.mark.every_database
def test_event_that_starts_next_is_seen_behind_many_newer_ones(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    old = make_event("Old but soon", published=False, starts_at=clock.now() + DAY)
    for number in range(30):
        make_event(f"Later {number}")
    page = owner.get("/organizer")
    assert f'/organizer/events/{old}"' in page.text
    assert "more, less urgent" in text_of(page)
    with app.app_context(), write_engine().begin() as connection:
        connection.execute(update(events).where(events.c.id == old).values(status="cancelled"))
    assert f'/organizer/events/{old}"' not in owner.get("/organizer").text


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
    assert "Nobody has booked" in page
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
