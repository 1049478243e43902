"""Changes that many tests make."""

from dataclasses import replace

from webapp.services.events import details_of, edit_event


def set_capacity(event_id: int, capacity: int, *, organizer_id: int) -> list[int]:
    """Give an event another number of tickets and leave all else as it is; say who moved up."""
    return edit_event(
        event_id,
        lambda event: replace(details_of(event), capacity=capacity),
        organizer_id=organizer_id,
    )
