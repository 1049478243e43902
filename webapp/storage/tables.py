"""The tables, with a constraint behind every rule that a row or a pair of rows can break.

A booking is named by its event and its position there. Both are known before the row is written,
so a batch of bookings and their history goes in without asking the database for generated ids.
"""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.column_types import (
    BigId,
    LongText,
    PictureData,
    UtcDateTime,
    code_text,
    exact_text,
)

MAX_ID = 2**63 - 1
MAX_CAPACITY = 10_000_000
MAX_NAME = 200
MAX_EMAIL = 254
MAX_LANGUAGE = 8
# That strangers can have sent to one address within an hour.
MOST_MAILS = 10
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
# SQLite gives the id of a deleted last row to the next one; what remembers the old one by its id
# would take the new one for it.
NEVER_REUSED = {**UTF8MB4, "sqlite_autoincrement": True}


class Organizer(Base):
    """An account that owns events."""

    __tablename__ = "organizer"
    __table_args__ = (UniqueConstraint("username"), UTF8MB4)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    username: Mapped[str] = mapped_column(exact_text(64))
    password_hash: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(exact_text(MAX_EMAIL))
    # The code of the language of their mails; null for that of the setting LANGUAGE.
    language: Mapped[str | None] = mapped_column(code_text(MAX_LANGUAGE))
    # Which mails that address wants.
    wants_sold_out: Mapped[bool] = mapped_column(default=False, server_default=false())
    wants_summary: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Raised with each new password; a session or remembered login of an older one is void.
    credential_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A Bearer token of an organizer; only its SHA-256 is kept."""

    __tablename__ = "api_token"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "organizer_id"), UTF8MB4)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"))
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    token_hash: Mapped[str] = mapped_column(code_text(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Event(Base):
    """What is attended, with the inventory of its tickets.

    `confirmed` counts tickets, `waiting` counts bookings. `revision` grows by one with every
    transaction that changes the event or one of its bookings.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(f"capacity BETWEEN 1 AND {MAX_CAPACITY}", "capacity"),
        CheckConstraint("confirmed BETWEEN 0 AND capacity", "confirmed"),
        CheckConstraint("waiting >= 0", "waiting"),
        CheckConstraint("next_position >= 1", "next_position"),
        CheckConstraint("max_tickets_per_booking >= 1", "max_tickets_per_booking"),
        CheckConstraint("waiting_list_limit IS NULL OR waiting_list_limit >= 0", "waiting_list"),
        CheckConstraint("status IN ('draft', 'published', 'cancelled')", "status"),
        Index(None, "organizer_id"),
        Index(None, "organizer_id", "starts_at"),
        Index(None, "status", "starts_at"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"))
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    description: Mapped[str] = mapped_column(LongText, default="")
    location: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(code_text(16))
    sales_open_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sales_close_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    max_tickets_per_booking: Mapped[int] = mapped_column(Integer, default=10)
    # The most bookings that may wait: none for no limit, 0 for no waiting list.
    waiting_list_limit: Mapped[int | None] = mapped_column(Integer)
    capacity: Mapped[int] = mapped_column(Integer)
    confirmed: Mapped[int] = mapped_column(Integer, default=0)
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    next_position: Mapped[int] = mapped_column(Integer, default=1)
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    # No term of a booking ends before this moment; null where none is open.
    next_lapse_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whether the attendees are reminded a day before.
    reminds: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_sample: Mapped[bool] = mapped_column(default=False)
    # The name of its picture, and what that shows in words; empty where it only decorates.
    picture: Mapped[str | None] = mapped_column(code_text(40))
    picture_description: Mapped[str] = mapped_column(
        String(MAX_NAME), default="", server_default=""
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Picture(Base):
    """The picture of an event in two sizes, apart from the event's row so that this stays short."""

    __tablename__ = "picture"
    __table_args__ = (UTF8MB4,)

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    large: Mapped[bytes] = mapped_column(PictureData)
    small: Mapped[bytes] = mapped_column(PictureData)


class Booking(Base):
    """One attendee's claim to tickets of one event."""

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("tickets >= 1", "tickets"),
        CheckConstraint("position >= 1", "position"),
        CheckConstraint(
            "status IN ('confirmed', 'waiting', 'cancelled', 'lapsed', 'held')", "status"
        ),
        UniqueConstraint("reference"),
        UniqueConstraint("ticket_code"),
        UniqueConstraint("event_id", "attendee_id", "active"),
        Index(None, "event_id", "status", "position"),
        Index(None, "email"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    attendee_id: Mapped[str] = mapped_column(exact_text(MAX_EMAIL))
    status: Mapped[str] = mapped_column(code_text(16))
    tickets: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(code_text(32))
    ticket_code: Mapped[str] = mapped_column(code_text(32))
    name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    email: Mapped[str | None] = mapped_column(exact_text(MAX_EMAIL))
    # The code of the language it was made in; null for that of the setting LANGUAGE.
    language: Mapped[str | None] = mapped_column(code_text(MAX_LANGUAGE))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Null for a booking that is over, and nulls never collide: one active booking per attendee.
    active: Mapped[int | None] = mapped_column(
        Integer, Computed("CASE WHEN status IN ('confirmed', 'waiting', 'held') THEN 1 END")
    )


class Term(Base):
    """What a booking's attendee has been asked, and by when they have to do it to keep the booking.

    There is a row only where something is asked. `lapses_at` is null until the question has been
    sent; the row of a booking that lapsed is kept.
    """

    __tablename__ = "term"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        CheckConstraint("kind IN ('address', 'coming')", "kind"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(code_text(16))
    lapses_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Activity(Base):
    """One line of the history of an event or of one of its bookings; only ever appended.

    `position` names the booking, or is null for the event itself. `cause` is the position of the
    booking whose cancel or change made this promotion possible.
    """

    __tablename__ = "activity"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        Index(None, "event_id", "revision"),
        Index(None, "event_id", "position"),
        UTF8MB4,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    revision: Mapped[int] = mapped_column(BigInteger)
    batch: Mapped[str] = mapped_column(code_text(32))
    what: Mapped[str] = mapped_column(code_text(32))
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    position: Mapped[int | None] = mapped_column(Integer)
    cause: Mapped[int | None] = mapped_column(Integer)
    status_before: Mapped[str | None] = mapped_column(code_text(16))
    status_after: Mapped[str | None] = mapped_column(code_text(16))
    tickets_before: Mapped[int | None] = mapped_column(Integer)
    tickets_after: Mapped[int | None] = mapped_column(Integer)
    # For a change of the event: {field: [before, after]}.
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class UsedKey(Base):
    """What was answered under a caller's one-time key, written with the effect it stands for."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index(None, "created_at"), UTF8MB4)

    # 0 stands for "no event yet": the key of a form that creates one.
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    operation: Mapped[str] = mapped_column(code_text(16), primary_key=True)
    caller: Mapped[str] = mapped_column(code_text(64), primary_key=True)
    key: Mapped[str] = mapped_column(code_text(255), primary_key=True)
    content_hash: Mapped[str] = mapped_column(code_text(64))
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Delivery(Base):
    """Something that has to be sent, written in the transaction of the change it tells.

    `next_try_at` is when a pending row is due, or when its lease ends. Delivery is at least once,
    and a repeat carries the same message id because that is made from the row's id. A `bulk` row
    waits for all others.
    `dedupe_key` names what may be told one time only, such as a message to one person.
    `network` is a keyed hash of the network from which a stranger caused it. One that is summed up
    instead is `sent` without `sent_at`, and `summary_id` names the delivery that tells it.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'sent', 'parked')", "state"),
        CheckConstraint("attempts >= 0", "attempts"),
        Index(None, "channel", "state", "bulk", "next_try_at"),
        Index(None, "event_id", "state"),
        Index(None, "event_id", "position"),
        Index(None, "dedupe_key", unique=True),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    channel: Mapped[str] = mapped_column("receiver", code_text(16), key="channel")
    what: Mapped[str] = mapped_column(code_text(32))
    recipient: Mapped[str] = mapped_column(exact_text(MAX_EMAIL))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("event.id"))
    position: Mapped[int | None] = mapped_column(Integer)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    bulk: Mapped[bool] = mapped_column(default=False, server_default=false())
    dedupe_key: Mapped[str | None] = mapped_column("once", code_text(64), key="dedupe_key")
    network: Mapped[str | None] = mapped_column(code_text(32))
    summary_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(code_text(16))
    attempts: Mapped[int] = mapped_column(Integer)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MailSlot(Base):
    """One of the mails that strangers can have sent to an address within an hour.

    Number 0 is the mail that sums up what finds no slot; it has not left while `taken_at` is null.
    """

    __tablename__ = "mail_slot"
    __table_args__ = (
        CheckConstraint(f"number BETWEEN 0 AND {MOST_MAILS - 1}", "number"),
        Index(None, "network", "event_id", "taken_at"),
        Index(None, "taken_at"),
        UTF8MB4,
    )

    recipient: Mapped[str] = mapped_column(exact_text(MAX_EMAIL), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    delivery_id: Mapped[int] = mapped_column(BigInteger)
    network: Mapped[str | None] = mapped_column(code_text(32))
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    taken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Pace(Base):
    """When a channel's next delivery may leave; deliverers lock the row as they lease."""

    __tablename__ = "pace"
    __table_args__ = (UTF8MB4,)

    channel: Mapped[str] = mapped_column("receiver", code_text(16), key="channel", primary_key=True)
    free_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Message(Base):
    """What an organizer wrote to the attendees of an event, whoever of them it was sent to."""

    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint("audience IN ('all', 'confirmed', 'waiting')", "audience"),
        Index(None, "event_id"),
        UTF8MB4,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    audience: Mapped[str] = mapped_column(code_text(16))
    subject: Mapped[str] = mapped_column(String(MAX_NAME))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OptOut(Base):
    """An address that wants no more messages of an organizer; its tickets are still told of."""

    __tablename__ = "opt_out"
    __table_args__ = (UTF8MB4,)

    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"), primary_key=True)
    recipient: Mapped[str] = mapped_column(exact_text(MAX_EMAIL), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


# The same as SQLAlchemy Core takes them: services read and write rows, not objects.
organizers = cast(Table, Organizer.__table__)
tokens = cast(Table, ApiToken.__table__)
events = cast(Table, Event.__table__)
bookings = cast(Table, Booking.__table__)
terms = cast(Table, Term.__table__)
activities = cast(Table, Activity.__table__)
used_keys = cast(Table, UsedKey.__table__)
deliveries = cast(Table, Delivery.__table__)
mail_slots = cast(Table, MailSlot.__table__)
paces = cast(Table, Pace.__table__)
messages = cast(Table, Message.__table__)
opt_outs = cast(Table, OptOut.__table__)
pictures = cast(Table, Picture.__table__)
