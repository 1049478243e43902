"""Where the links of mails lead: pages as they are reached from outside."""

from functools import lru_cache

from flask import current_app

from webapp.booking.codes import token_for
from webapp.booking.commands import TermKind
from webapp.booking.links import Purpose, Token, make_token, state_of
from webapp.config import current_settings
from webapp.extensions import PerApp
from webapp.storage.rows import BookingRow, DeliveryRow, EventRow
from webapp.text.formatting import slug

# Events.
REMEMBERED = 256


def link(endpoint: str, **values: object) -> str:
    """The address of a page as it is reached from outside; no request is needed."""
    return current_settings().base_url + _paths.own.build(endpoint, values)


_paths = PerApp(lambda: current_app.url_map.bind("localhost"))


def event_link(event: EventRow) -> str:
    return link("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def event_entry_link(event_id: int) -> str:
    """The shortest address of an event's page."""
    return _entries.own(event_id)


def booking_link(reference: str) -> str:
    return _bookings.own + reference


# To have werkzeug build them for each mail would take as long as to fill it in.
_entries = PerApp(
    lambda: lru_cache(maxsize=REMEMBERED)(lambda id_: link("attendee.event", event_id=id_))
)
_bookings = PerApp(lambda: link("attendee.booking", reference="-").removesuffix("-"))


def keep_link(booking: BookingRow, asks: TermKind) -> str:
    """Where the attendee answers; for an address with the token that only this mail has."""
    if asks is not TermKind.ADDRESS:
        return link("keep.ask", reference=booking.reference)
    token = token_for(booking.event_id, booking.position, purpose=asks, reference=booking.reference)
    return link("keep.ask", reference=booking.reference, token=token)


def press_link(delivery: DeliveryRow, booking: BookingRow) -> str:
    """Where the button is that nobody but the reader of this mail can press."""
    purpose = Purpose(delivery.what)
    name = (delivery.details or {}).get("name", "")
    said = Token(delivery.event_id, delivery.position, state_of(booking), delivery.recipient, name)
    token = make_token(purpose, said)
    if purpose is Purpose.TICKET_OFFER:
        return link("corrections.confirm_take_over", token=token)
    if purpose is Purpose.NEW_ADDRESS:
        # The address may be a stranger's: it does not lead to the booking itself.
        return link("links.confirm_address", token=token)
    return link("links.confirm_replace", reference=booking.reference, token=token)
