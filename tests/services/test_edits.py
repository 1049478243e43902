"""Edits that are older than what they would overwrite: noticed under the event's lock."""

from dataclasses import replace

from flask import Flask

from tests.services.conftest import MakeEvent
from tests.services.tools import together
from webapp.services.availability import find_event
from webapp.services.events import details_of, edit_event


def test_edit_made_of_what_is_there_loses_nobody_elses(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)

    def one_more() -> list[int]:
        return edit_event(
            event_id,
            lambda event: replace(details_of(event), capacity=event.capacity + 1),
            organizer_id=organizer_id,
        )

    assert together(in_app, [one_more] * 8) == [[]] * 8
    assert find_event(event_id).capacity == 9
