"""Events: made, edited, published, cancelled, listed; who has to be told."""

from datetime import timedelta

import pytest
from sqlalchemy import event as listened
from sqlalchemy import insert

from tests.support.changes import set_capacity
from tests.support.fixtures import Clock, MakeEvent, add_organizer
from tests.support.tools import figures, fill, history, rows, statuses
from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.inventory import available
from webapp.booking.queries import find_event
from webapp.booking.ranks import rank_of
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import (
    BookingClosed,
    EventClosed,
    EventNotFound,
    IdempotencyConflict,
    InvalidInput,
    Problem,
)
from webapp.events import samples
from webapp.events import services as events
from webapp.events.queries import events_after, own_event, own_events, upcoming_events
from webapp.events.samples import add_samples
from webapp.events.services import EventDetails
from webapp.storage.engines import write_engine
from webapp.storage.idempotency import bind_key
from webapp.storage.tables import bookings as booking_table


def names(found: list[object]) -> list[str]:
    return [event.name for event in found]  # type: ignore[attr-defined]


def test_event_is_kept_as_it_was_described(organizer_id: int, now: Clock) -> None:
    details = EventDetails(
        name="Fête 🎉",
        capacity=120,
        description="Zeile eins\nZeile zwei",
        location="Größer als 你好",
        time_zone="Europe/Berlin",
        starts_at=now.at(days=3, microseconds=123_456),
        ends_at=now.at(days=4),
        sales_open_at=now.at(days=1),
        sales_close_at=now.at(days=2),
        cancel_until=now.at(days=2, hours=5),
        max_tickets_per_booking=4,
        waiting_list_limit=0,
    )
    event_id = events.create_event(details, actor=organizer(organizer_id), published=True)
    event = find_event(event_id)
    for field in EventDetails.__dataclass_fields__:
        assert getattr(event, field) == getattr(details, field), field
    assert (event.confirmed, event.waiting, event.next_position, event.revision) == (0, 0, 1, 1)
    assert (event.status, event.is_sample, event.created_at) == ("published", False, now.moment)
    assert [(line.what, line.actor) for line in history(event_id)] == [
        ("created", f"organizer:{organizer_id}")
    ]


def test_draft_is_shown_to_nobody_until_it_is_published(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(published=False)
    with pytest.raises(EventNotFound):
        find_event(event_id)
    assert upcoming_events() == []
    assert own_event(event_id, organizer_id=organizer_id).status == "draft"
    events.publish_event(event_id, actor=organizer(organizer_id))
    assert names(list(upcoming_events())) == ["Conference"]
    events.unpublish_event(event_id, actor=organizer(organizer_id))
    assert upcoming_events() == []


def test_event_with_bookings_cannot_become_a_draft_again(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    fill(event_id, 1)
    cancel_booking(event_id, position=1)
    with pytest.raises(EventClosed):
        events.unpublish_event(event_id, actor=organizer(organizer_id))
    assert find_event(event_id).status == "published"


def test_larger_capacity_promotes_at_once_and_only_whom_it_reaches(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=2)
    fill(event_id, 2, 1, 2, 1)
    assert list(set_capacity(event_id, 4, organizer_id=organizer_id)) == [2]
    assert statuses(event_id) == ["confirmed", "confirmed", "waiting", "waiting"]
    assert figures(event_id) == (3, 2, 0)
    line = history(event_id)[0]
    assert (line.what, line.details) == ("edited", {"capacity": [2, 4]})


def test_editing_the_capacity_with_other_details_promotes_too(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    wanted = EventDetails("Renamed", 2)
    assert list(events.edit_event(event_id, wanted, actor=organizer(organizer_id))) == [2]
    assert find_event(event_id).name == "Renamed"
    assert figures(event_id) == (2, 0, 0)
    assert (history(event_id)[0].details or {}).keys() == {"name", "capacity"}


def test_capacity_below_what_is_confirmed_is_refused_with_the_number(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 2, 1)
    with pytest.raises(InvalidInput) as refused:
        set_capacity(event_id, 2, organizer_id=organizer_id)
    assert refused.value.problems == {"totalTickets": Problem("capacity_too_low", limit=3)}
    with pytest.raises(InvalidInput) as refused:
        events.edit_event(event_id, EventDetails("Renamed", 2), actor=organizer(organizer_id))
    assert refused.value.problems == {"totalTickets": Problem("capacity_too_low", limit=3)}
    assert find_event(event_id).name == "Conference"
    set_capacity(event_id, 3, organizer_id=organizer_id)
    assert figures(event_id) == (3, 0, 0)


def test_capacity_below_the_largest_waiting_party_is_refused_with_the_number(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 2, 4, 1)
    with pytest.raises(InvalidInput) as refused:
        set_capacity(event_id, 3, organizer_id=organizer_id)
    assert refused.value.problems == {"totalTickets": Problem("capacity_too_low", limit=4)}
    cancel_booking(event_id, position=2)
    set_capacity(event_id, 3, organizer_id=organizer_id)
    assert figures(event_id) == (3, 0, 0)


def test_capacity_of_nothing_is_refused(make_event: MakeEvent, organizer_id: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        set_capacity(make_event(), 0, organizer_id=organizer_id)
    assert refused.value.problems == {"totalTickets": Problem("capacity_too_low", limit=1)}


def test_edit_that_changes_nothing_leaves_no_trace(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    assert set_capacity(event_id, 3, organizer_id=organizer_id) == {}
    assert find_event(event_id).revision == 1


def test_event_put_off_after_its_start_promotes_who_waited(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event(capacity=1, starts_at=now.at(hours=1))
    fill(event_id, 1, 1)
    now.go(hours=2)
    cancel_booking(event_id, position=1, actor=organizer(organizer_id))
    assert set_capacity(event_id, 2, organizer_id=organizer_id) == {}
    later = EventDetails("Conference", 2, starts_at=now.at(hours=1))
    assert list(events.edit_event(event_id, later, actor=organizer(organizer_id))) == [2]


def test_cancelled_event_cancels_its_bookings_and_tells_who_left_an_address(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id, other_id = make_event(capacity=2), make_event()
    book_tickets(event_id, attendee_id="a@example.org", tickets=2, email="a@example.org")
    book_tickets(event_id, attendee_id="b@example.org", email="b@example.org")
    book_tickets(event_id, attendee_id="silent")
    book_tickets(event_id, attendee_id="c@example.org", email="c@example.org")
    cancel_booking(event_id, position=4)
    fill(other_id, 1)
    revision = find_event(event_id).revision
    events.cancel_event(event_id, actor=organizer(organizer_id))
    event = find_event(event_id)
    assert (event.status, event.confirmed, event.waiting) == ("cancelled", 0, 0)
    assert (event.revision, available(event, clock.now())) == (revision + 1, 0)
    assert statuses(event_id) == ["cancelled"] * 4
    assert statuses(other_id) == ["confirmed"]
    told = rows(
        "SELECT recipient FROM delivery WHERE what = 'event_cancelled' AND event_id = :id"
        " ORDER BY recipient",
        id=event_id,
    )
    assert [row.recipient for row in told] == ["a@example.org", "b@example.org"]
    lines = {
        (line.position, line.status_before, line.status_after)
        for line in history(event_id)
        if line.revision == revision + 1
    }
    assert lines == {
        (None, None, None),
        (1, "confirmed", "cancelled"),
        (2, "waiting", "cancelled"),
        (3, "waiting", "cancelled"),
    }


def test_nothing_moves_in_a_cancelled_event(make_event: MakeEvent, organizer_id: int) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    assert rank_of(event_id, 2) == 1
    events.cancel_event(event_id, actor=organizer(organizer_id))
    events.cancel_event(event_id, actor=organizer(organizer_id))
    lines = len(history(event_id))
    assert rank_of(event_id, 2) is None
    assert cancel_booking(event_id, position=1).promoted == {}
    with pytest.raises(BookingClosed):
        change_tickets(event_id, position=2, tickets=1)
    with pytest.raises(EventClosed):
        set_capacity(event_id, 9, organizer_id=organizer_id)
    with pytest.raises(EventClosed):
        events.publish_event(event_id, actor=organizer(organizer_id))
    assert len(history(event_id)) == lines


def test_thousands_of_bookings_are_cancelled_by_a_handful_of_statements(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=5000)
    fill(event_id, 1)
    many = [
        {
            "event_id": event_id,
            "position": position,
            "attendee_id": f"guest{position}",
            "status": "confirmed",
            "tickets": 1,
            "reference": f"r{position}",
            "ticket_code": f"c{position}",
            "name": "",
            "created_at": find_event(event_id).created_at,
        }
        for position in range(2, 3001)
    ]
    statements: list[str] = []

    def note(*args: object) -> None:
        statements.append(str(args[2]))

    with write_engine().begin() as connection:
        connection.execute(insert(booking_table), many)
    listened.listen(write_engine(), "before_cursor_execute", note)
    events.cancel_event(event_id, actor=organizer(organizer_id))
    listened.remove(write_engine(), "before_cursor_execute", note)
    assert set(statuses(event_id)) == {"cancelled"}
    assert len(statements) < 12


@pytest.mark.parametrize(
    "details",
    [
        {"name": "Other name"},
        {"location": "Elsewhere"},
        {"starts_at": timedelta(days=2)},
        {"time_zone": "Europe/Berlin"},
    ],
)
def test_attendees_are_told_when_time_or_place_changes(
    make_event: MakeEvent, organizer_id: int, now: Clock, details: dict[str, object]
) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="a@example.org", email="a@example.org")
    changed = {
        key: now.moment + value if isinstance(value, timedelta) else value
        for key, value in details.items()
    }
    wanted = EventDetails(**{"name": "Conference", "capacity": 3, **changed})  # type: ignore[arg-type]
    events.edit_event(event_id, wanted, actor=organizer(organizer_id), tells=True)
    assert len(rows("SELECT id FROM delivery WHERE what = 'event_changed'")) == 1
    events.edit_event(
        event_id,
        EventDetails(**{"name": "Conference", "capacity": 9, "description": "More", **changed}),  # type: ignore[arg-type]
        actor=organizer(organizer_id),
        tells=True,
    )
    assert len(rows("SELECT id FROM delivery WHERE what = 'event_changed'")) == 1


def test_nobody_is_told_of_a_change_unless_asked(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="a@example.org", email="a@example.org")
    wanted = EventDetails("Renamed", 3, location="Barn", starts_at=now.moment + timedelta(days=1))
    events.edit_event(event_id, wanted, actor=organizer(organizer_id))
    assert rows("SELECT id FROM delivery WHERE what = 'event_changed'") == []


def test_organizers_see_and_change_their_own_events_only(
    make_event: MakeEvent, organizer_id: int, stranger_id: int
) -> None:
    event_id = make_event()
    details = EventDetails("Mine now", 9)
    for attempt in (
        lambda: own_event(event_id, organizer_id=stranger_id),
        lambda: events.edit_event(event_id, details, actor=organizer(stranger_id)),
        lambda: set_capacity(event_id, 9, organizer_id=stranger_id),
        lambda: events.publish_event(event_id, actor=organizer(stranger_id)),
        lambda: events.unpublish_event(event_id, actor=organizer(stranger_id)),
        lambda: events.cancel_event(event_id, actor=organizer(stranger_id)),
    ):
        with pytest.raises(EventNotFound):
            attempt()
    assert own_events(stranger_id) == []
    assert names(list(own_events(organizer_id))) == ["Conference"]
    event = find_event(event_id)
    assert (event.name, event.capacity, event.status, event.revision) == (
        "Conference",
        3,
        "published",
        1,
    )


def test_events_are_listed_from_their_announcement_until_they_end_soonest_first(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    """Without an end that is at midnight of its day where it takes place; it is noon in London."""
    make_event("Undated")
    make_event("Later", starts_at=now.at(days=2))
    make_event("Sooner", starts_at=now.at(days=1))
    make_event("Now", starts_at=now.moment)
    make_event("Draft", published=False)
    make_event("Festival", starts_at=now.at(days=-40), ends_at=now.at(hours=1))
    make_event("Weekend", starts_at=now.at(hours=-20), ends_at=now.at(days=1))
    make_event("Lunch", starts_at=now.at(hours=-2), ends_at=now.at(microseconds=1))
    make_event("Breakfast", starts_at=now.at(hours=-4), ends_at=now.moment)
    make_event("Yesterday", starts_at=now.at(hours=-13))
    make_event("Today", starts_at=now.at(hours=-11))
    # There midnight was at 11 o'clock of ours.
    make_event("Tonga", starts_at=now.at(hours=-11), time_zone="Pacific/Tongatapu")
    make_event("Past", starts_at=now.at(days=-40), ends_at=now.at(days=-1))
    gone = make_event("Cancelled", starts_at=now.at(days=1))
    events.cancel_event(gone, actor=organizer(organizer_id))
    listed = ["Festival", "Weekend", "Today", "Lunch", "Now", "Sooner", "Later", "Undated"]
    assert names(list(upcoming_events())) == listed
    paged: list[str] = []
    after = None
    while page := upcoming_events(after=after, limit=2):
        paged += names(list(page))
        after = page[-1].starts_at, page[-1].id
    assert paged == listed
    assert names(list(upcoming_events(search="festi"))) == ["Festival"]
    now.go(hours=1)
    assert names(list(upcoming_events())) == [
        "Weekend",
        "Today",
        "Now",
        "Sooner",
        "Later",
        "Undated",
    ]


def test_long_event_is_found_as_soon_as_it_is_changed(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    times = {"starts_at": now.at(days=-40), "ends_at": now.at(days=-1)}
    event_id = make_event("Festival", **times)
    assert upcoming_events() == []
    longer = EventDetails("Festival", 3, starts_at=times["starts_at"], ends_at=now.at(days=1))
    events.edit_event(event_id, longer, actor=organizer(organizer_id))
    assert names(list(upcoming_events())) == ["Festival"]
    now.go(days=2)
    assert upcoming_events() == []


def test_after_an_event_come_those_of_its_organizer_or_else_of_all(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    past = find_event(make_event("Past", starts_at=now.at(days=-9)))
    assert events_after(past) == []
    other = add_organizer("otto")
    later = EventDetails("Another's", 3, starts_at=now.at(days=1))
    events.create_event(later, actor=organizer(other), published=True)
    assert names(list(events_after(past))) == ["Another's"]
    for number in range(4):
        make_event(f"Own {number}", starts_at=now.at(days=9 - number))
    make_event("Draft", starts_at=now.at(days=1), published=False)
    assert names(list(events_after(past))) == ["Own 3", "Own 2", "Own 1"]


def test_pages_of_events_leave_nothing_out_and_repeat_nothing(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    for number in range(7):
        starts_at = now.at(days=1 + number // 3) if number < 5 else None
        make_event(f"E{number}", starts_at=starts_at)
    seen: list[str] = []
    after = None
    while page := upcoming_events(after=after, limit=2):
        seen += names(list(page))
        after = page[-1].starts_at, page[-1].id
    assert seen == [f"E{number}" for number in range(7)]
    mine: list[str] = []
    before = None
    while page := own_events(organizer_id, before=before, limit=3):
        mine += names(list(page))
        before = page[-1].id
    assert mine == list(reversed(seen))


def test_search_finds_part_of_name_or_place_and_takes_wildcards_literally(
    make_event: MakeEvent,
) -> None:
    make_event("Jazz in June")
    make_event("Poetry", location="Jazz cellar")
    make_event("100% Rock")
    assert names(list(upcoming_events(search="jazz"))) == ["Jazz in June", "Poetry"]
    assert names(list(upcoming_events(search="0%"))) == ["100% Rock"]
    assert upcoming_events(search="_") == []


def test_same_form_sent_twice_makes_one_event(organizer_id: int) -> None:
    def send(name: str = "Conference") -> int:
        key = bind_key("create", caller="page", key="k1", name=name)
        return events.create_event(
            EventDetails(name, 5), actor=organizer(organizer_id), published=True, key=key
        )

    event_id = send()
    assert send() == event_id
    with pytest.raises(IdempotencyConflict):
        send("Another")
    assert len(own_events(organizer_id)) == 1


def test_samples_are_removed_with_all_that_belongs_to_them_and_nothing_else(
    make_event: MakeEvent, organizer_id: int
) -> None:
    mine = make_event(capacity=1)
    fill(mine, 1, 1)
    add_samples(str)
    assert len(own_events(organizer_id)) == 4
    assert samples.remove_samples(organizer_id=organizer_id) == 3
    assert [event.id for event in own_events(organizer_id)] == [mine]
    assert statuses(mine) == ["confirmed", "waiting"]
    assert {row.event_id for row in rows("SELECT event_id FROM activity")} == {mine}
    assert samples.remove_samples(organizer_id=organizer_id) == 0


def test_id_of_a_removed_event_is_never_given_out_again(
    make_event: MakeEvent, organizer_id: int
) -> None:
    """Or what is remembered of the old one, here its waiting list, would be told of the new."""
    details = EventDetails("Sample", 1)
    old = events.create_event(
        details, actor=organizer(organizer_id), published=True, is_sample=True
    )
    fill(old, 1, 1, 1, 1)
    assert rank_of(old, 4) == 3
    samples.remove_samples(organizer_id=organizer_id)
    new = make_event(capacity=1)
    fill(new, 1, 1)
    assert rank_of(new, 2) == 1
    assert new != old
