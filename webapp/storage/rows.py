"""What a row holds, by table: the types of what queries return.

SQLAlchemy's rows have these attributes, to be read; here the type checker learns of them.
"""

from datetime import datetime
from typing import Any, Protocol


class LockedEvent(Protocol):
    """The columns of an event that decide about its tickets."""

    id: int
    organizer_id: int
    status: str
    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    cancel_until: datetime | None
    max_tickets_per_booking: int
    waiting_list_limit: int | None
    capacity: int
    confirmed: int
    waiting: int
    next_position: int
    revision: int
    types: int
    next_lapse_at: datetime | None
    asks_address: bool
    still_coming_days: int | None
    still_coming_lapses: bool


class EventTimes(Protocol):
    """When an event is, and where that is on the clock."""

    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None


class EventRow(LockedEvent, Protocol):
    """A whole event."""

    name: str
    description: str
    location: str
    reminds: bool
    is_sample: bool
    picture: str | None
    picture_description: str
    cancel_reason: str | None
    created_at: datetime


class BookingRow(Protocol):
    """A booking."""

    event_id: int
    position: int
    attendee_id: str
    status: str
    tickets: int
    reference: str
    ticket_code: str
    name: str
    email: str | None
    language: str | None
    times_given: int | None
    admitted: int
    wants: str
    code: int | None
    created_at: datetime


class TicketTypeRow(Protocol):
    """A ticket type of an event."""

    event_id: int
    number: int
    name: str
    description: str
    place: int
    quota: int | None
    confirmed: int
    min_tickets: int
    max_tickets: int | None
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    hidden: bool


class CodeRow(Protocol):
    """A code of an event; `text` is in upper case."""

    event_id: int
    number: int
    text: str
    unlocks: bool
    ticket_limit: int | None
    used: int
    max_per_booking: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    note: str


class ActivityRow(Protocol):
    """A line of history.

    `details` is `{field: [before, after]}` for a change of the event, `{"term": [None, kind]}` for
    what is asked of an attendee, `{"fields": [field]}` for a correction of a booking or a
    ticket that was given away.
    """

    id: int
    event_id: int
    revision: int
    batch: str
    what: str
    actor: str
    at: datetime
    position: int | None
    cause: int | None
    status_before: str | None
    status_after: str | None
    tickets_before: int | None
    tickets_after: int | None
    wants_before: str | None
    wants_after: str | None
    details: dict[str, Any] | None


class DeliveryRow(Protocol):
    """Something that has to be sent.

    `event_id` and `position` are numbers where it is about an event and a booking, else null.
    """

    id: int
    what: str
    recipient: str
    event_id: Any
    position: Any
    details: dict[str, Any] | None
    bulk: bool
    dedupe_key: str | None
    network: str | None
    summary_id: int | None
    state: str
    attempts: int
    next_try_at: datetime
    problem: str | None
    created_at: datetime
    sent_at: datetime | None


class MessageRow(Protocol):
    """What an organizer wrote to the attendees of an event."""

    id: int
    event_id: int
    audience: str
    subject: str
    text: str
    created_at: datetime
