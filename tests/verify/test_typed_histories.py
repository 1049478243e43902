"""Whatever is done to an event with types, one thing after another: `verify` finds it in order."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.busy import add_friends_code
from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import go, mails_configured, send_mails
from tests.support.tools import booking_at, history
from webapp.booking import lapses
from webapp.booking.commands import CancelBooking, organizer
from webapp.booking.foresight import would_move_up
from webapp.booking.giving import give_ticket
from webapp.booking.queries import BookingView, find_event, takeable_now
from webapp.booking.ranks import rank_of
from webapp.booking.services import book_tickets, cancel_booking, change_tickets, take_free
from webapp.booking.ticket_types import wants_of
from webapp.booking.type_services import TypeDetails, add_type, details_of_type, edit_type
from webapp.errors import DomainError
from webapp.events.services import cancel_event, details_of, edit_event
from webapp.verify.services import verify

STEPS = 160


@pytest.mark.parametrize("seed", range(2))
def test_history_of_an_event_with_types_is_in_order(
    make_event: MakeEvent, organizer_id: int, now: Clock, seed: int
) -> None:
    dice, me = random.Random(seed), organizer(organizer_id)
    with mails_configured():
        event_id = make_event(capacity=20, starts_at=now.at(days=3))
        made = 0

        def some(most: int = 3) -> dict[int, int]:
            numbers = dice.sample([1, 2, 3], dice.choice([1, 1, 1, 2, 3]))
            return {number: dice.randint(1, most) for number in numbers}

        def book() -> None:
            wants = some()
            code = "friends" if 3 in wants else None
            book_tickets(event_id, attendee_id=f"a{made}", wants=wants, code=code)

        def ask_somebody() -> None:
            address = f"b{made}@example.org"
            book_tickets(
                event_id, attendee_id=address, email=address, wants=some(), must_answer=True
            )

        def cancel() -> None:
            position = dice.randint(1, made)
            told = would_move_up(find_event(event_id), CancelBooking(position), actor=me)
            outcome = cancel_booking(event_id, position=position, actor=me)
            assert outcome.repeated or list(outcome.promoted) == list(told)

        def give() -> None:
            position = dice.randint(1, made)
            give_ticket(event_id, position=position, name="G", email=f"g{made}@example.org")

        def change() -> None:
            position = dice.randint(1, made)
            wants = dict(wants_of(booking_at(event_id, position).wants))
            number = dice.choice(list(wants))
            wants[number] = max(0, wants[number] + dice.choice([-1, 1, 1]))
            kept = {each: tickets for each, tickets in wants.items() if tickets}
            change_tickets(event_id, position=position, wants=kept)

        def take() -> None:
            event = find_event(event_id)
            for position in range(1, made + 1):
                booking = booking_at(event_id, position)
                rank = rank_of(event_id, position) if booking.status == "waiting" else None
                part = takeable_now(BookingView(booking, event, rank))
                if part:
                    take_free(event_id, position=position, wants=part.by_type)

        def limit() -> None:
            number, quota = dice.randint(1, 3), dice.choice([3, 6, 9, None])
            edit_type(
                event_id, number, lambda row: replace(details_of_type(row), quota=quota), actor=me
            )

        def enlarge() -> None:
            event = find_event(event_id)
            capacity = event.capacity + dice.choice([-1, 1, 2])
            edit_event(event_id, replace(details_of(event), capacity=capacity), actor=me)

        def wait_a_while() -> None:
            send_mails()
            go(now, minutes=20)
            lapses.settle_due()

        steps: list[Callable[[], None]] = [
            *[book] * 8, *[ask_somebody] * 2, *[cancel] * 4, *[change] * 6, take, give, limit,
            enlarge, *[wait_a_while] * 2,
        ]  # fmt: skip
        for number in range(6):
            book_tickets(event_id, attendee_id=f"p{number}", tickets=dice.randint(1, 3))
        cancel_booking(event_id, position=2)
        made, quota = 6, find_event(event_id).confirmed + 1
        add_type(event_id, TypeDetails("VIP", quota=quota), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        add_type(event_id, TypeDetails("Friend", quota=3, hidden=True), actor=me)
        add_friends_code(event_id)
        change_tickets(event_id, position=1, tickets=booking_at(event_id, 1).tickets + 1)
        for number in range(STEPS):
            with suppress(DomainError):
                dice.choice(steps)()
            made = find_event(event_id).next_position - 1
            if number % 80 == 79:
                assert verify().broken == []
        # Enough happened for it to be worth looking at.
        told = Counter(line.what for line in history(event_id, limit=10_000))
        assert min(told[what] for what in ("promoted", "raised", "reduced", "lapsed")) > 0, told
        event = find_event(event_id)
        assert event.waiting
        # The list ends, and goes on when the start is moved.
        larger = replace(details_of(event), capacity=event.capacity + 200)
        edit_event(event_id, larger, actor=me)
        edit_type(event_id, 2, TypeDetails("Standard"), actor=me)
        now.moment = event.starts_at or now.moment
        book_tickets(event_id, attendee_id="walk-in", wants={2: 1}, actor=me, past_sale=True)
        assert verify().broken == []
        later = now.moment + timedelta(days=1)
        edit_event(event_id, replace(details_of(find_event(event_id)), starts_at=later), actor=me)
        book_tickets(event_id, attendee_id="late", wants={2: 1})
        assert verify().broken == []
        cancel_event(event_id, actor=me)
        assert verify().broken == []
