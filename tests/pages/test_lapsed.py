"""A booking that has lapsed, as its attendee and its organizer see it."""

from collections.abc import Callable

from flask import Flask

from tests.pages.conftest import Person, text_of
from tests.support.changes import set_status
from webapp.booking.commands import Status


def test_attendee_reads_that_the_booking_has_lapsed_and_can_book_again(
    app: Flask, person: Person, make_event: Callable[..., int], book: Callable[..., str]
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada", 2)
    with app.app_context():
        set_status(event_id, 1, Status.LAPSED)
    page = person.get(f"/bookings/{reference}")
    text = text_of(page)
    assert "We asked you for an answer and had none in time" in text
    assert "Book again" in text
    assert "QR code" not in page.text
    assert person.get(f"/bookings/{reference}/cancel").status_code == 303
    assert person.book(event_id, "Ada").status_code == 303


def test_attendee_reads_that_tickets_are_held(
    app: Flask, person: Person, make_event: Callable[..., int], book: Callable[..., str]
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada", 2)
    with app.app_context():
        set_status(event_id, 1, Status.HELD)
    page = person.get(f"/bookings/{reference}")
    assert "2 tickets are set aside for you" in text_of(page)
    assert "QR code" not in page.text


def test_organizer_sees_what_has_lapsed(
    app: Flask, owner: Person, make_event: Callable[..., int], book: Callable[..., str]
) -> None:
    event_id = make_event()
    book(event_id, "Ada")
    book(event_id, "Bob")
    with app.app_context():
        set_status(event_id, 1, Status.LAPSED)
    listed = text_of(owner.get(f"/organizer/events/{event_id}?status=lapsed"))
    assert "Ada" in listed
    assert "Bob" not in listed
    detail = owner.get(f"/organizer/events/{event_id}/bookings/1")
    assert "lapsed : the address did not answer in time" in text_of(detail)
    assert "Cancel the booking" not in text_of(detail)
    table = owner.get(f"/organizer/events/{event_id}/bookings.csv").text
    assert "1,lapsed,1,Ada" in table
