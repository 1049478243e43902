"""Changes that many tests make."""

from dataclasses import replace

from webapp.services.events import details_of, edit_event, own_event


def set_capacity(event_id: int, capacity: int, *, organizer_id: int) -> list[int]:
    """Give an event another number of tickets and leave all else as it is; say who moved up."""
    now = details_of(own_event(event_id, organizer_id=organizer_id))
    wanted = replace(now, capacity=capacity)
    return edit_event(event_id, wanted, organizer_id=organizer_id, before=now)
