"""The tables of the door. What is admitted stands in `booking.admitted` as well."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.columns import NEVER_REUSED, UTF8MB4, BigId, UtcDateTime, code_text

MAX_PASS_NAME = 80


class DoorPass(Base):
    """A link for one device: good for the door of one event, and for nothing else.

    When it ends follows from the event and from when it was made.
    """

    __tablename__ = "door_pass"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "event_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    name: Mapped[str] = mapped_column(String(MAX_PASS_NAME))
    token_hash: Mapped[str] = mapped_column(code_text(64))
    # Whether it may sell to people who come without a ticket.
    may_sell: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Scan(Base):
    """What a device saw, and what was decided; only ever appended.

    The device made the `id`. Of so many `people` `moved` were admitted, or let out again; `twice`
    were let in by their device although their tickets were in already. `at` is what the device's
    clock said. `answer` holds what else was answered, so that the same scan gets it again.
    """

    __tablename__ = "scan"
    __table_args__ = (
        CheckConstraint("what IN ('in', 'out')", "what"),
        CheckConstraint("people >= 1", "people"),
        CheckConstraint("moved >= 0 AND twice >= 0 AND moved + twice <= people", "moved"),
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        Index(None, "event_id", "position"),
        Index(None, "event_id", "received_at"),
        Index(None, "event_id", "twice"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(BigId, ForeignKey("event.id"), primary_key=True)
    id: Mapped[str] = mapped_column(code_text(36), primary_key=True)
    position: Mapped[int | None] = mapped_column(Integer)
    what: Mapped[str] = mapped_column(code_text(8))
    verdict: Mapped[str] = mapped_column(code_text(16))
    people: Mapped[int] = mapped_column(Integer)
    moved: Mapped[int] = mapped_column(Integer)
    twice: Mapped[int] = mapped_column(Integer)
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    offline: Mapped[bool]
    anyway: Mapped[bool]
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)


class Admission(Base):
    """One person let in with one ticket of a booking; the key is what stands behind "once".

    The tickets of a booking are numbered from 1, and those admitted are the first of them.
    """

    __tablename__ = "admission"
    __table_args__ = (
        CheckConstraint("number >= 1", "number"),
        ForeignKeyConstraint(["event_id", "position"], ["booking.event_id", "booking.position"]),
        ForeignKeyConstraint(["event_id", "scan_id"], ["scan.event_id", "scan.id"]),
        Index(None, "event_id", "scan_id"),
        UTF8MB4,
    )

    event_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    scan_id: Mapped[str] = mapped_column(code_text(36))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
