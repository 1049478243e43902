"""Edits that are older than what they would overwrite: noticed under the event's lock."""

from dataclasses import replace
from functools import partial

import pytest
from flask import Flask

from tests.support.changes import set_capacity
from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import figures, fill, history, together
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.booking.services import cancel_booking
from webapp.errors import EditConflict
from webapp.events import services as events
from webapp.events.services import EventDetails, details_of, edit_event
from webapp.mail import scheduled


def test_edit_made_from_an_older_revision_is_refused_and_told_what_is_there_now(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event(capacity=50)
    starts_at = now.at(days=3)
    elsewhere = EventDetails("Conference", 100, location="New Hall", starts_at=starts_at)
    edit_event(event_id, elsewhere, actor=organizer(organizer_id), seen=1)
    with pytest.raises(EditConflict) as refused:
        edit_event(event_id, EventDetails("Renamed", 50), actor=organizer(organizer_id), seen=1)
    changed = {"capacity": 100, "location": "New Hall", "starts_at": starts_at}
    assert refused.value.changed == changed, "the name was nobody else's to change"
    assert refused.value.row.revision == 2
    assert details_of(find_event(event_id)) == elsewhere
    edit_event(event_id, EventDetails("Renamed", 50), actor=organizer(organizer_id), seen=2)
    assert details_of(find_event(event_id)) == EventDetails("Renamed", 50)


def test_each_change_since_counts_and_not_the_last_alone(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    for number in (1, 2, 3):
        wanted = EventDetails("Conference", 3 + number, location=f"Hall {min(number, 2)}")
        edit_event(event_id, wanted, actor=organizer(organizer_id), seen=number)
    with pytest.raises(EditConflict) as refused:
        edit_event(event_id, EventDetails("Conference", 3), actor=organizer(organizer_id), seen=1)
    assert refused.value.changed == {"capacity": 6, "location": "Hall 2"}
    with pytest.raises(EditConflict) as refused:
        edit_event(event_id, EventDetails("Conference", 3), actor=organizer(organizer_id), seen=3)
    assert refused.value.changed == {"capacity": 6}


def test_bookings_meanwhile_are_no_conflict(make_event: MakeEvent, organizer_id: int) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 3, 1, 1)
    cancel_booking(event_id, position=2)
    wanted = EventDetails("Renamed", 4)
    promoted = edit_event(event_id, wanted, actor=organizer(organizer_id), seen=1)
    assert list(promoted) == [3]
    assert figures(event_id) == (4, 0, 0)


def test_other_doings_meanwhile_are_no_conflict(make_event: MakeEvent, organizer_id: int) -> None:
    event_id = make_event(published=False)
    events.publish_event(event_id, actor=organizer(organizer_id))
    edit_event(
        event_id, EventDetails("Conference", 3, location="Barn"), actor=organizer(organizer_id)
    )
    # The same place is wanted here, so only the name is set.
    wanted = EventDetails("Renamed", 3, location="Barn")
    edit_event(event_id, wanted, actor=organizer(organizer_id), seen=1)
    assert details_of(find_event(event_id)) == wanted


def test_edit_to_what_is_there_by_now_is_no_conflict_and_leaves_no_trace(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    wanted = EventDetails("Renamed", 9, description="Soup")
    for _ in range(2):
        assert edit_event(event_id, wanted, actor=organizer(organizer_id), seen=1) == {}
    assert find_event(event_id).revision == 2


@pytest.mark.parametrize("seen", [0, 999])
def test_edit_from_an_unknown_revision_overwrites_nothing_that_was_ever_edited(
    make_event: MakeEvent, organizer_id: int, seen: int
) -> None:
    """As a form does that was opened before an upgrade, or before a backup was put back."""
    event_id = make_event()
    edit_event(
        event_id, EventDetails("Conference", 3, location="Barn"), actor=organizer(organizer_id)
    )
    with pytest.raises(EditConflict) as refused:
        edit_event(event_id, EventDetails("Renamed", 9), actor=organizer(organizer_id), seen=seen)
    assert refused.value.changed == {"location": "Barn"}
    wanted = EventDetails("Renamed", 9, location="Barn")
    edit_event(event_id, wanted, actor=organizer(organizer_id), seen=seen)
    assert details_of(find_event(event_id)) == wanted


def test_of_edits_made_at_the_same_time_exactly_one_wins(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    for turn in range(1, 6):
        seen = find_event(event_id).revision
        wishes = [EventDetails(f"Turn {turn}", 100 * turn + number) for number in range(4)]
        edits = [
            partial(edit_event, event_id, wish, actor=organizer(organizer_id), seen=seen)
            for wish in wishes
        ]
        results = together(in_app, edits)
        won = [
            wish
            for wish, result in zip(wishes, results, strict=True)
            if isinstance(result, dict) and list(result) in ([], [2])
        ]
        assert won == [details_of(find_event(event_id))]
        lost = [result for result in results if isinstance(result, EditConflict)]
        assert len(lost) == 3
        assert all(refused.changed == {"capacity": won[0].capacity} for refused in lost)
    assert len([line for line in history(event_id) if line.what == "edited"]) == 5


def test_edit_made_of_what_is_there_loses_nobody_elses(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)

    def one_more() -> dict[int, str]:
        return edit_event(
            event_id,
            lambda event: replace(details_of(event), capacity=event.capacity + 1),
            actor=organizer(organizer_id),
        )

    assert together(in_app, [one_more] * 8) == [{}] * 8
    assert find_event(event_id).capacity == 9


def test_capacity_set_after_a_conflict_promotes_as_ever(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1, 1)
    set_capacity(event_id, 2, organizer_id=organizer_id)
    seen = find_event(event_id).revision
    wanted = EventDetails("Conference", 3)
    with pytest.raises(EditConflict):
        edit_event(event_id, wanted, actor=organizer(organizer_id), seen=1)
    assert figures(event_id) == (2, 1, 0)
    promoted = edit_event(event_id, wanted, actor=organizer(organizer_id), seen=seen)
    assert list(promoted) == [3]


def test_mails_to_the_organizer_set_at_the_same_time_are_not_undone(
    in_app: Flask, organizer_id: int
) -> None:
    seen = scheduled.notices_of(organizer_id)._asdict()
    wishes = [(True, False), (False, True)]
    results = together(
        in_app,
        [
            partial(
                scheduled.set_notices,
                organizer_id,
                wants_sold_out=sold_out,
                wants_summary=summary,
                seen=seen,
            )
            for sold_out, summary in wishes
        ],
    )
    [won] = [wish for wish, result in zip(wishes, results, strict=True) if result is None]
    [lost] = [result for result in results if isinstance(result, EditConflict)]
    [taken] = [name for name, wanted in zip(seen, won, strict=True) if wanted]
    assert lost.changed == {taken: True}
    assert tuple(scheduled.notices_of(organizer_id)) == won
