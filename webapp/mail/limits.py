"""How many mails strangers can have sent to an address; what is beyond is summed up in one.

Whoever types an address into a form causes mails to it. Before such a mail leaves it takes one of
its recipient's slots, and a few of one network at most; each is free again an hour later. What
finds none is told by a mail of its own that sums up the rest, with the links of all bookings, at
most once an hour. The slots are rows that are locked, chosen in order and named by their key, so
any number of deliverers count together.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, distinct, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from webapp import clock
from webapp.accounts.addresses import Purpose
from webapp.booking.terms import QUESTIONS
from webapp.config import current_settings
from webapp.mail.failures import NotYet, SummedUp
from webapp.storage import outbox
from webapp.storage.mail_tables import MOST_MAILS
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import deliveries, mail_slots, paces
from webapp.storage.transaction import Conflict, write

WINDOW = timedelta(hours=1)
MOST_OF_NETWORK = 3
# It goes out later instead: its link is nowhere else.
NEVER_SUMMED_UP = (Purpose.RESET,)
# The number of the slot of the mail that sums up the rest; the others are for one mail each.
SUMMARY = 0
# How long the first one waits for what else there is to sum up.
COLLECTING = timedelta(minutes=5)
# In which as many addresses are mailed because of one network and event as it books freely.
NEW_ADDRESSES_WINDOW = timedelta(minutes=15)
LOOK_AGAIN = timedelta(minutes=1)
# Longer than a delivery is tried.
KEPT = timedelta(days=2)


class Slot(NamedTuple):
    """A row of `mail_slot`; `taken_at` is null for the summary that has not left."""

    recipient: str
    number: int
    delivery_id: int
    network: str | None
    event_id: int | None
    taken_at: datetime | None


# A mail that a stranger causes needs all of these, and to put them together takes longer than to
# run them.
_slots_of = (
    select(*(mail_slots.c[name] for name in Slot._fields))
    .where(mail_slots.c.recipient == bindparam("recipient"))
    .with_for_update()
)
_new_slot = insert(mail_slots)
_lock_pace = select(paces.c.channel).where(paces.c.channel == outbox.MAIL).with_for_update()
_mailed_because_of = select(
    func.count(distinct(mail_slots.c.recipient)), func.min(mail_slots.c.taken_at)
).where(
    mail_slots.c.network == bindparam("network"),
    mail_slots.c.event_id == bindparam("event_id"),
    mail_slots.c.taken_at > bindparam("since"),
)
# The same for a batch.
_recipients_known = (
    select(mail_slots.c.recipient)
    .where(mail_slots.c.recipient.in_(bindparam("recipients", expanding=True)))
    .with_for_update()
)
_mailed_because_of_each = (
    select(
        mail_slots.c.network,
        mail_slots.c.event_id,
        func.count(distinct(mail_slots.c.recipient)),
    )
    .where(
        mail_slots.c.network.in_(bindparam("networks", expanding=True)),
        mail_slots.c.event_id.in_(bindparam("event_ids", expanding=True)),
        mail_slots.c.taken_at > bindparam("since"),
    )
    .group_by(mail_slots.c.network, mail_slots.c.event_id)
)


def let_through(delivery: DeliveryRow) -> None:
    """Take a slot for a mail that is about to leave, if a stranger causes it.

    Raises `SummedUp` when another mail tells it instead, `NotYet` when it goes out later.
    """
    if delivery.network is not None and not write(partial(_take_slot, delivery=delivery)):
        raise SummedUp


def let_first_through(deliveries: Iterable[DeliveryRow]) -> Collection[int]:
    """Take slots, all in one transaction, for mails to addresses that had none; return their ids.

    Those that are left out have to ask for themselves.
    """
    caused = [delivery for delivery in deliveries if delivery.network is not None]
    first = {delivery.recipient: delivery for delivery in reversed(caused)}
    return write(partial(_take_first_slots, first=first)) if first else ()


def let_summary_through(delivery: DeliveryRow) -> None:
    """Take the slot of the mail that sums up the rest: from now on nothing more is added to it.

    Raises `NotYet` when another one has left within the hour.
    """
    write(partial(_take_slot_of_summary, delivery=delivery))


def forget_old() -> None:
    """Delete slots that count no more."""
    old = mail_slots.c.taken_at < clock.now() - KEPT
    write(lambda connection: connection.execute(delete(mail_slots).where(old)).rowcount)


def _take_slot(connection: Connection, *, delivery: DeliveryRow) -> bool:
    """Whether the mail may leave; else it is summed up. Raises `NotYet`."""
    now = clock.now()
    slots = _lock_slots(connection, delivery.recipient)
    recent = [
        slot
        for slot in slots.values()
        if slot.number != SUMMARY and slot.taken_at is not None and slot.taken_at > now - WINDOW
    ]
    # Of an earlier try.
    own = next((slot.number for slot in recent if slot.delivery_id == delivery.id), None)
    if own is not None:
        _write(connection, slots, _slot_of(delivery, own, now))
        return True
    # A booking depends on the first one that is sent.
    is_first_question = delivery.what in QUESTIONS and not _is_repeat(connection, delivery)
    of_network = sum(slot.network == delivery.network for slot in recent)
    free = set(range(SUMMARY + 1, MOST_MAILS)) - {slot.number for slot in recent}
    if not is_first_question:
        if not free or of_network >= MOST_OF_NETWORK:
            if delivery.what in NEVER_SUMMED_UP:
                raise NotYet(min(slot.taken_at or now for slot in recent) + WINDOW)
            _sum_up(connection, delivery, slots, now)
            return False
        _keep_to_bound_of_network(connection, delivery, recent, now)
    # Where all are taken the question is counted in place of the oldest.
    number = min(free) if free else min(recent, key=lambda slot: slot.taken_at or now).number
    _write(connection, slots, _slot_of(delivery, number, now))
    return True


def _take_first_slots(
    connection: Connection, *, first: Mapping[str, DeliveryRow]
) -> Collection[int]:
    """Take slots for those of `{recipient: delivery}` that nothing keeps back; return their ids."""
    now = clock.now()
    known = {*connection.execute(_recipients_known, {"recipients": sorted(first)}).scalars()}
    new = [first[recipient] for recipient in sorted(first.keys() - known)]
    if not new:
        return ()
    settings, mailed = current_settings(), Counter[tuple[str | None, int | None]]()
    if settings.ratelimit_enabled:
        connection.execute(_lock_pace)
        values = {
            "networks": sorted({delivery.network for delivery in new if delivery.network}),
            "event_ids": sorted({delivery.event_id for delivery in new if delivery.event_id}),
            "since": now - NEW_ADDRESSES_WINDOW,
        }
        for network, event_id, count in connection.execute(_mailed_because_of_each, values):
            mailed[network, event_id] = count
    taken = []
    for delivery in new:
        cause = delivery.network, delivery.event_id
        if not settings.ratelimit_enabled or mailed[cause] < max(1, settings.bookings_freely):
            mailed[cause] += 1
            taken.append(_slot_of(delivery, SUMMARY + 1, now))
    if taken:
        _insert_slots(connection, taken)
    return {slot.delivery_id for slot in taken}


def _insert_slots(connection: Connection, slots: Iterable[Slot]) -> None:
    try:
        connection.execute(_new_slot, [slot._asdict() for slot in slots])
    except IntegrityError as error:
        raise Conflict from error


def _take_slot_of_summary(connection: Connection, *, delivery: DeliveryRow) -> None:
    now = clock.now()
    slots = _lock_slots(connection, delivery.recipient)
    slot = slots.get(SUMMARY)
    if slot is not None and slot.delivery_id != delivery.id:
        free_at = (slot.taken_at or now) + WINDOW
        if free_at > now:
            raise NotYet(free_at)
    _write(connection, slots, _slot_of(delivery, SUMMARY, now))


def _slot_of(delivery: DeliveryRow, number: int, now: datetime) -> Slot:
    """A slot as a delivery takes it."""
    return Slot(delivery.recipient, number, delivery.id, delivery.network, delivery.event_id, now)


def _lock_slots(connection: Connection, recipient: str) -> dict[int, Slot]:
    """The slots of an address that were ever taken: `{number: slot}`."""
    rows = connection.execute(_slots_of, {"recipient": recipient})
    return {row.number: Slot(*row) for row in rows}


def _write(connection: Connection, known: Collection[int], slot: Slot) -> None:
    """Write a slot; `known` are the numbers of those that are there."""
    if slot.number in known:
        here = (mail_slots.c.recipient == slot.recipient, mail_slots.c.number == slot.number)
        connection.execute(update(mail_slots).where(*here).values(slot._asdict()))
        return
    _insert_slots(connection, [slot])


def _is_repeat(connection: Connection, question: DeliveryRow) -> bool:
    """Whether the same booking has been asked the same before."""
    earlier = select(deliveries.c.id).where(
        deliveries.c.event_id == question.event_id,
        deliveries.c.position == question.position,
        deliveries.c.what == question.what,
        deliveries.c.id < question.id,
    )
    return connection.execute(earlier.limit(1)).first() is not None


def _keep_to_bound_of_network(
    connection: Connection, delivery: DeliveryRow, recent: Iterable[Slot], now: datetime
) -> None:
    """Raise `NotYet` while one network has had too many addresses mailed because of one event."""
    settings, event_id = current_settings(), delivery.event_id
    if event_id is None or not settings.ratelimit_enabled:
        return
    since = now - NEW_ADDRESSES_WINDOW
    if any(slot.event_id == event_id and slot.taken_at > since for slot in recent if slot.taken_at):
        return
    # Others may be counting for other addresses.
    connection.execute(_lock_pace)
    values = {"network": delivery.network, "event_id": event_id, "since": since}
    mailed, first = connection.execute(_mailed_because_of, values).one()
    if mailed >= max(1, settings.bookings_freely):
        raise NotYet(max(first + NEW_ADDRESSES_WINDOW, now + LOOK_AGAIN))


def _sum_up(
    connection: Connection, delivery: DeliveryRow, slots: Mapping[int, Slot], now: datetime
) -> None:
    """Have a delivery told by the summary that is to come. Raises `NotYet`."""
    recipient, slot = delivery.recipient, slots.get(SUMMARY)
    if slot is not None and slot.taken_at is None:
        summary_id = slot.delivery_id
    else:
        due = now + COLLECTING
        if slot is not None and slot.taken_at is not None:
            # It may be on its way, or be written anew for another try.
            if _is_pending(connection, slot.delivery_id):
                raise NotYet(now + LOOK_AGAIN)
            due = max(due, slot.taken_at + WINDOW)
        key = f"summed_up:{delivery.id}"
        outbox.enqueue(connection, "summed_up", recipient=recipient, dedupe_key=key, now=due)
        made = select(deliveries.c.id).where(deliveries.c.dedupe_key == key)
        summary_id = connection.execute(made).scalar_one()
        _write(connection, slots, Slot(recipient, SUMMARY, summary_id, None, None, None))
    if not outbox.sum_up(connection, delivery, summary_id, now):
        # Somebody else has leased it since.
        raise NotYet(now)
    if delivery.what == "links" and delivery.details:
        summary = deliveries.c.id == summary_id
        connection.execute(update(deliveries).where(summary).values(details=delivery.details))


def _is_pending(connection: Connection, delivery_id: int) -> bool:
    query = select(deliveries.c.state).where(deliveries.c.id == delivery_id)
    return connection.execute(query).scalar() == "pending"
