"""Links that are replaced and bookings that are corrected, through the services."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text, update

from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import booking_at, history, rows, together
from webapp.booking.codes import code_hash
from webapp.booking.commands import Actor, organizer
from webapp.booking.corrections import Correction, correct_booking, set_address
from webapp.booking.guests import new_guest_id
from webapp.booking.links import (
    Purpose,
    Token,
    ask_for_new_link,
    make_token,
    read_token,
    replace_link,
    replace_link_of,
    state_of,
)
from webapp.booking.queries import find_booking, locate
from webapp.booking.services import (
    book_tickets,
    cancel_booking,
    change_tickets,
    keep_booking,
    take_free,
)
from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    BookingNotFound,
    EventNotFound,
    LinkExpired,
    LinkReplaced,
    NoAddress,
)
from webapp.storage.engines import write_engine
from webapp.storage.idempotency import bind_key
from webapp.storage.tables import used_keys
from webapp.verify.services import verify

ADA, BOB, GRACE = "ada@example.org", "bob@example.org", "grace@example.org"


def book(event_id: int, email: str = ADA, **more: object) -> str:
    """Book as a page does and return the reference."""
    values = {"name": "Ada", "email": email, **more}
    return book_tickets(event_id, attendee_id=email, **values).reference  # type: ignore[arg-type]


def token_of(event_id: int, position: int = 1, address: str = ADA) -> Token:
    """What a mail that is asked for now says."""
    return Token(event_id, position, state_of(booking_at(event_id, position)), address)


def replace(event_id: int, reference: str, position: int = 1) -> str:
    return replace_link(token_of(event_id, position), reference=reference)


def mails(event_id: int) -> list[tuple[str, str]]:
    """Kind and recipient of what is to be sent."""
    found = rows(f"SELECT what, recipient FROM delivery WHERE event_id = {event_id} ORDER BY id")
    return [(row.what, row.recipient) for row in found]


def told(event_id: int) -> list[tuple[str, str, object]]:
    lines = history(event_id, position=1)
    return [(line.what, line.actor, line.details) for line in reversed(lines)]


def test_replaced_link_is_void_and_everything_else_stays(now: Clock, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    old = book(event_id)
    before = booking_at(event_id, 1)
    new = replace(event_id, old)
    after = booking_at(event_id, 1)
    assert find_booking(new).booking.position == 1
    assert after.reference == new != old
    assert after.ticket_code != before.ticket_code
    same = ("attendee_id", "status", "tickets", "name", "email", "created_at")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    for look in (find_booking, locate):
        with pytest.raises(LinkReplaced):
            look(old)
        with pytest.raises(BookingNotFound):
            look(before.ticket_code)
    kept = rows("SELECT event_id, position, code_hash, kind FROM old_code ORDER BY kind")
    codes = {"reference": old, "ticket_code": before.ticket_code}
    assert [tuple(row) for row in kept] == [
        (event_id, 1, code_hash(code), kind) for kind, code in codes.items()
    ]
    assert told(event_id)[1:] == [("replaced", "attendee", None)]
    assert mails(event_id) == [("confirmed", ADA), ("link_replaced", ADA)]
    assert verify().broken == []


def test_place_in_line_is_kept_with_another_link(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    book(event_id)
    waiting = book(event_id, BOB)
    assert find_booking(replace(event_id, waiting, 2)).rank == 1
    cancel_booking(event_id, position=1)
    assert booking_at(event_id, 2).status == "confirmed"


@pytest.mark.race
def test_button_pressed_by_many_at_once_makes_one_new_link(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event()
    old = book(event_id)
    press = partial(replace_link, token_of(event_id), reference=old)
    answers = together(in_app, [press] * 8)
    made = [answer for answer in answers if isinstance(answer, str)]
    assert made == [booking_at(event_id, 1).reference]
    assert {type(answer) for answer in answers} == {str, LinkReplaced}
    assert len(rows("SELECT kind FROM old_code")) == 2
    assert mails(event_id).count(("link_replaced", ADA)) == 1
    assert verify().broken == []


def test_form_of_the_organizer_sent_twice_replaces_once(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    book(event_id)
    key = bind_key("replace", caller="organizer", key="k", position=1)
    press = partial(replace_link_of, event_id, position=1, actor=organizer(organizer_id), key=key)
    assert together(in_app, [press] * 4) == [None] * 4
    assert len(rows("SELECT kind FROM old_code")) == 2
    assert told(event_id)[1:] == [("replaced", f"organizer:{organizer_id}", None)]
    assert verify().broken == []


def test_link_is_replaced_for_the_events_own_organizer_alone(
    make_event: MakeEvent, organizer_id: int, stranger_id: int
) -> None:
    event_id = make_event()
    reference = book(event_id)
    for actor in (organizer(stranger_id), Actor("attendee")):
        with pytest.raises(EventNotFound):
            replace_link_of(event_id, position=1, actor=actor)
    book_tickets(event_id, attendee_id="7")
    with pytest.raises(NoAddress):
        replace_link_of(event_id, position=2, actor=organizer(organizer_id))
    cancel_booking(event_id, position=1)
    with pytest.raises(BookingClosed):
        replace_link_of(event_id, position=1, actor=organizer(organizer_id))
    assert find_booking(reference).booking.position == 1


def test_token_is_good_for_its_purpose_and_for_a_day(now: Clock, make_event: MakeEvent) -> None:
    event_id = make_event()
    old = book(event_id)
    said = token_of(event_id)
    token = make_token(Purpose.NEW_LINK, said)
    assert old not in token
    assert read_token(Purpose.NEW_LINK, token) == said
    for purpose, text_ in (
        (Purpose.NEW_ADDRESS, token),
        (Purpose.NEW_LINK, token[:-1]),
        (Purpose.NEW_LINK, f"x{token}"),
        (Purpose.NEW_LINK, ""),
    ):
        with pytest.raises(LinkExpired):
            read_token(purpose, text_)
    now.go(hours=24)
    assert read_token(Purpose.NEW_LINK, token) == said
    now.go(seconds=1)
    with pytest.raises(LinkExpired):
        read_token(Purpose.NEW_LINK, token)


def test_token_dies_with_the_link_and_the_address_it_was_asked_for(make_event: MakeEvent) -> None:
    event_id = make_event()
    first = book(event_id)
    said = token_of(event_id)
    second = replace_link(said, reference=first)
    # The same token, sent along with the link that came after.
    with pytest.raises(LinkExpired):
        replace_link(said, reference=second)
    said = token_of(event_id)
    set_address(token_of(event_id, address=GRACE))
    with pytest.raises(LinkExpired):
        replace_link(said, reference=second)
    assert find_booking(second).booking.email == GRACE


def test_who_found_the_booking_by_its_old_link_changes_nothing_any_more(
    make_event: MakeEvent, organizer_id: int
) -> None:
    """A view looks the reference up before its command waits for the event."""
    event_id = make_event()
    old = book(event_id, tickets=2)
    new = replace(event_id, old)
    for stale in (
        partial(cancel_booking, event_id, position=1, reference=old),
        partial(change_tickets, event_id, position=1, tickets=1, reference=old),
        partial(take_free, event_id, position=1, tickets=1, reference=old),
        partial(keep_booking, event_id, position=1, reference=old),
        partial(correct_booking, event_id, position=1, name="Eve", reference=old),
        partial(ask_for_new_link, event_id, position=1, reference=old),
        partial(
            replace_link_of, event_id, position=1, reference=old, actor=organizer(organizer_id)
        ),
    ):
        with pytest.raises(LinkReplaced):
            stale()
    change_tickets(event_id, position=1, tickets=1, reference=new)
    assert (booking_at(event_id, 1).tickets, booking_at(event_id, 1).name) == (1, "Ada")
    cancel_booking(event_id, position=1, reference=new)
    assert booking_at(event_id, 1).status == "cancelled"


def test_repeated_key_answers_with_the_reference_of_then(make_event: MakeEvent) -> None:
    event_id = make_event()
    key = bind_key("book", caller="page", key="k", email=ADA)
    old = book(event_id, key=key)
    replace(event_id, old)
    assert book(event_id, key=key) == old
    # The release before stored no references, and the new one is not for who knew the old one.
    answer = {"position": 1, "tickets": 1, "status": "confirmed", "rank": None}
    with write_engine().begin() as connection:
        connection.execute(update(used_keys).values(answer=answer))
    with pytest.raises(LinkReplaced):
        book(event_id, key=key)


def test_nobody_is_mailed_who_has_no_address_or_no_booking_any_more(
    make_event: MakeEvent,
) -> None:
    event_id = make_event()
    nameless = book_tickets(event_id, attendee_id="7").reference
    ask_for_new_link(event_id, position=1, reference=nameless)
    over = book(event_id)
    cancel_booking(event_id, position=2)
    ask_for_new_link(event_id, position=2, reference=over)
    assert Purpose.NEW_LINK not in dict(mails(event_id))


def test_name_is_corrected_at_once_and_the_history_names_the_field_alone(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    reference = book(event_id)
    key = bind_key("change", caller="page", key="k", name="Grace")
    for _ in range(2):
        made = correct_booking(event_id, position=1, name="Grace", reference=reference, key=key)
        assert made == Correction(["name"], asks_address=False)
    assert correct_booking(event_id, position=1, name="Grace").changed == []
    correct_booking(event_id, position=1, name="Grace H", actor=organizer(organizer_id))
    assert booking_at(event_id, 1).name == "Grace H"
    assert told(event_id)[1:] == [
        ("corrected", "attendee", {"fields": ["name"]}),
        ("corrected", f"organizer:{organizer_id}", {"fields": ["name"]}),
    ]
    assert mails(event_id) == [("confirmed", ADA)]
    assert verify().broken == []


def test_new_address_counts_once_its_mail_was_answered(make_event: MakeEvent) -> None:
    event_id = make_event()
    reference = book(event_id)
    made = correct_booking(event_id, position=1, email=GRACE, reference=reference)
    assert made == Correction([], asks_address=True)
    assert booking_at(event_id, 1).email == ADA
    assert mails(event_id) == [("confirmed", ADA), ("new_address", GRACE)]
    said = token_of(event_id, address=GRACE)
    for _ in range(2):
        set_address(said)
    after = booking_at(event_id, 1)
    assert (after.email, after.attendee_id, after.reference) == (GRACE, GRACE, reference)
    # What was still to be sent goes to the new address as well.
    assert mails(event_id) == [
        ("confirmed", GRACE),
        ("new_address", GRACE),
        ("address_changed", ADA),
        ("confirmed", GRACE),
    ]
    assert told(event_id)[1:] == [("corrected", "attendee", {"fields": ["email"]})]
    assert book(event_id) != reference
    with pytest.raises(AlreadyBooked):
        book(event_id, GRACE)
    # Once the booking has another address again, the token is worth nothing.
    set_address(token_of(event_id, address=BOB))
    with pytest.raises(LinkExpired):
        set_address(said)
    assert verify().broken == []


def test_who_was_booked_without_an_address_is_known_by_it_once_it_is_there(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id=new_guest_id(), name="Erna", actor=organizer(organizer_id))
    set_address(token_of(event_id, address=GRACE))
    with pytest.raises(AlreadyBooked):
        book(event_id, GRACE)
    assert verify().broken == []


@pytest.mark.parametrize(("attendee", "email"), [("7", ADA), ("7", None), (ADA, BOB)])
def test_attendee_id_that_is_not_the_address_stays(
    make_event: MakeEvent, attendee: str, email: str | None
) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id=attendee, email=email)
    set_address(token_of(event_id, address=GRACE))
    after = booking_at(event_id, 1)
    assert (after.attendee_id, after.email) == (attendee, GRACE)
    assert [kind for kind, _ in mails(event_id)].count("address_changed") == (email is not None)


def test_address_with_a_booking_is_given_to_no_other_one(make_event: MakeEvent) -> None:
    event_id = make_event()
    book(event_id)
    book(event_id, GRACE)
    said = token_of(event_id, address=GRACE)
    # Asking tells nobody whether the address has a booking.
    assert correct_booking(event_id, position=1, email=GRACE).asks_address
    with pytest.raises(AlreadyBooked) as refused:
        set_address(said)
    assert refused.value.kind == "already_booked.new_address"
    assert booking_at(event_id, 1).email == ADA
    cancel_booking(event_id, position=2)
    set_address(said)
    assert booking_at(event_id, 1).attendee_id == GRACE


@pytest.mark.race
def test_two_bookings_that_get_one_address_at_once(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    book(event_id)
    book(event_id, BOB)
    calls: list[Callable[[], object]] = [
        partial(set_address, token_of(event_id, 1, GRACE)),
        partial(set_address, token_of(event_id, 2, GRACE)),
        partial(book, event_id, GRACE),
    ]
    answers = together(in_app, calls)
    refused = [answer for answer in answers if isinstance(answer, AlreadyBooked)]
    assert len(refused) == 2
    holders = rows(f"SELECT position FROM booking WHERE attendee_id = '{GRACE}' AND active = 1")
    assert len(holders) == 1
    assert verify().broken == []


def test_booking_that_is_over_is_not_corrected(make_event: MakeEvent) -> None:
    event_id = make_event()
    book(event_id)
    said = token_of(event_id, address=GRACE)
    cancel_booking(event_id, position=1)
    with pytest.raises(BookingClosed):
        correct_booking(event_id, position=1, name="Grace")
    with pytest.raises(BookingClosed):
        set_address(said)
    with write_engine().begin() as connection:
        connection.execute(text("UPDATE booking SET status = 'lapsed'"))
    with pytest.raises(BookingClosed, match="lapsed"):
        set_address(said)
