"""Door passes: who makes them, when they end, and what is read with them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.changes import set_capacity
from tests.support.door import asked, code_of, device, new_pass, scan_one
from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import fill, rows
from webapp.booking.codes import code_hash
from webapp.booking.commands import organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.links import replace_link_of
from webapp.booking.services import book_tickets, cancel_booking
from webapp.door.passes import create_pass, find_pass, passes_of, revoke_pass
from webapp.door.queries import (
    HASH_LENGTH,
    MOST_CHANGES,
    arrivals,
    door_figures,
    door_list,
    find_guests,
)
from webapp.door.services import scan
from webapp.errors import EventClosed, EventNotFound, InvalidInput, PassNotFound
from webapp.events.services import details_of, edit_event

# A quarter past midnight of the day after, in Berlin.
LATE = datetime(2027, 5, 8, 22, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "ends"),
    [
        ({}, None),
        ({"starts_at": LATE}, datetime(2027, 5, 10, 22, tzinfo=UTC)),
        # It ends at midnight: that is the end of the day before.
        (
            {"starts_at": LATE, "ends_at": datetime(2027, 5, 9, 22, tzinfo=UTC)},
            datetime(2027, 5, 10, 22, tzinfo=UTC),
        ),
        (
            {"starts_at": LATE, "ends_at": datetime(2027, 5, 11, 5, tzinfo=UTC)},
            datetime(2027, 5, 12, 22, tzinfo=UTC),
        ),
    ],
)
def test_pass_ends_with_the_day_after_the_event_where_that_is(
    make_event: MakeEvent, now: Clock, times: dict[str, datetime], ends: datetime | None
) -> None:
    token = new_pass(make_event(time_zone="Europe/Berlin", **times))
    ends = ends or now() + timedelta(days=7)
    for moment, is_over in ((ends - timedelta(seconds=1), False), (ends, True)):
        now.moment = moment
        found = find_pass(token)
        assert found is not None
        assert (found.expires_at, found.is_over) == (ends, is_over)


def test_moved_event_moves_the_end_of_its_passes(
    make_event: MakeEvent, now: Clock, organizer_id: int
) -> None:
    event_id = make_event(starts_at=now.at(days=1))
    token = new_pass(event_id)
    edit_event(
        event_id,
        lambda event: replace(details_of(event), starts_at=now.at(days=30)),
        actor=organizer(organizer_id),
    )
    now.go(days=29)
    found = find_pass(token)
    assert found is not None
    assert not found.is_over
    now.go(days=4)
    found = find_pass(token)
    assert found is not None
    assert found.is_over
    with pytest.raises(EventClosed):
        new_pass(event_id)


def test_only_the_organizer_makes_lists_and_revokes_passes(
    make_event: MakeEvent, now: Clock, organizer_id: int, stranger_id: int
) -> None:
    event_id, other = make_event(), make_event()
    olga, sam = organizer(organizer_id), organizer(stranger_id)
    token = new_pass(event_id, "North", may_sell=True)
    with pytest.raises(EventNotFound):
        create_pass(event_id, actor=sam, name="Mine")
    for name in ("", " ", "x" * 81, "two\nlines"):
        with pytest.raises(InvalidInput):
            create_pass(event_id, actor=olga, name=name)
    [found] = passes_of(event_id, actor=olga)
    assert (found.name, found.may_sell, found.last_used_at) == ("North", True, None)
    assert passes_of(event_id, actor=sam) == []
    for event, actor, error in ((event_id, sam, EventNotFound), (other, olga, PassNotFound)):
        with pytest.raises(error):
            revoke_pass(event, found.id, actor=actor)
    assert find_pass(token) is not None
    [used] = passes_of(event_id, actor=olga)
    assert used.last_used_at == now()
    for _ in range(2):
        assert revoke_pass(event_id, found.id, actor=olga) == "North"
    revoked = find_pass(token)
    assert revoked is not None
    assert revoked.is_over
    assert [find_pass(wrong) for wrong in ("", "door_x", "é\ud800", "x" * 1000)] == [None] * 4
    assert token not in str([tuple(row) for row in rows("SELECT * FROM door_pass")])


def test_list_tells_what_changed_and_holds_no_usable_code(
    make_event: MakeEvent, now: Clock, organizer_id: int
) -> None:
    event_id, olga = make_event(capacity=3), organizer(organizer_id)
    fill(event_id, 1, 2)
    book_tickets(event_id, attendee_id="ada@example.org", email="ada@example.org", name="Ada")
    whole = door_list(event_id)
    assert whole.is_whole
    assert [tuple(guest)[1:6] for guest in whole.guests] == [
        (1, "guest1", "confirmed", 1, 0),
        (2, "guest2", "confirmed", 2, 0),
        (3, "Ada", "waiting", 1, 0),
    ]
    codes = [code_of(event_id, position) for position in (1, 2, 3)]
    assert [guest.code_hash for guest in whole.guests] == [
        code_hash(code)[:HASH_LENGTH] for code in codes
    ]

    def since(revision: int) -> tuple[list[int], int]:
        listed = door_list(event_id, since=revision)
        assert not listed.is_whole
        return [guest.position for guest in listed.guests], listed.revision

    assert since(whole.revision) == ([], whole.revision)
    steps: list[tuple[Callable[[], object], list[int]]] = [
        (lambda: scan_one(event_id, device(event_id), codes[0]), [1]),
        (lambda: set_capacity(event_id, 4, organizer_id=organizer_id), [3]),
        (lambda: replace_link_of(event_id, position=3, actor=olga), [3]),
        (lambda: correct_booking(event_id, position=3, name="Grace"), [3]),
        (lambda: cancel_booking(event_id, position=2, actor=olga), [2]),
    ]
    revision = whole.revision
    for step, changed in steps:
        step()
        positions, revision_now = since(revision)
        assert (positions, revision_now) == (changed, revision + 1)
        revision = revision_now
    told = door_list(event_id, since=whole.revision)
    assert told.replaced == [code_hash(codes[2])[:HASH_LENGTH]]
    assert tuple(told.figures) == (1, 2, 0)
    # A database that was restored knows less than the device.
    assert door_list(event_id, since=revision + 1).is_whole
    assert MOST_CHANGES > 100


def test_figures_arrivals_and_search(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(capacity=20)
    for name in ("Ada Lovelace", "Grace Hopper", "Ada Byron"):
        book_tickets(event_id, attendee_id=f"{name[:5]}{name[-1]}", name=name, tickets=2)
    north = device(event_id)
    came = now()
    scan_one(event_id, north, code_of(event_id, 2), count=2)
    now.go(minutes=1)
    scan(event_id, [asked("nothing"), asked(code_of(event_id, 2), offline=True)], actor=north)
    figures, last = door_figures(event_id)
    assert tuple(figures) == (2, 6, 1)
    assert sorted(seen.verdict for seen in last) == ["admitted", "again", "unknown"]
    assert last[-1].by == "North gate"
    [arrived] = arrivals(event_id)
    assert (arrived.position, arrived.name, arrived.admitted) == (2, "Grace Hopper", 2)
    assert (arrived.first_at, arrived.by) == (came, "North gate")
    assert arrivals(event_id, after=2) == []
    typed = code_of(event_id, 3).lower()
    found = {
        words: [guest.position for guest in find_guests(event_id, words)]
        for words in ("ada", "LOVELACE ada", typed, " ", "nobody", "%")
    }
    assert found == {"ada": [1, 3], "LOVELACE ada": [1], typed: [3], " ": [], "nobody": [], "%": []}
