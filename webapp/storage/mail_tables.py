"""The tables of mails: what has to be sent, at which pace, and what organizers write."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.columns import (
    MAX_EMAIL,
    MAX_NAME,
    NEVER_REUSED,
    UTF8MB4,
    BigId,
    UtcDateTime,
    code_text,
    exact_text,
)

# That strangers can have sent to one address within an hour.
MOST_MAILS = 10


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
