"""The tables of accounts: organizers, their tokens and their sign-ins."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from webapp.extensions import Base
from webapp.storage.columns import (
    MAX_EMAIL,
    MAX_LANGUAGE,
    MAX_NAME,
    NEVER_REUSED,
    UTF8MB4,
    BigId,
    UtcDateTime,
    code_text,
    exact_text,
)


class Organizer(Base):
    """An account that owns events."""

    __tablename__ = "organizer"
    __table_args__ = (UniqueConstraint("username"), UTF8MB4)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    username: Mapped[str] = mapped_column(exact_text(64))
    password_hash: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(exact_text(MAX_EMAIL))
    # Whether somebody has opened the link that was mailed there: only then it stands for them.
    email_is_proven: Mapped[bool] = mapped_column(default=False, server_default=false())
    # The code of the language of their mails; null for that of the setting LANGUAGE.
    language: Mapped[str | None] = mapped_column(code_text(MAX_LANGUAGE))
    # Which mails that address wants.
    wants_sold_out: Mapped[bool] = mapped_column(default=False, server_default=false())
    wants_summary: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Whom attendees turn to: shown to everybody, and where answers to mails go; null for nobody.
    display_name: Mapped[str | None] = mapped_column(String(MAX_NAME))
    contact_email: Mapped[str | None] = mapped_column(exact_text(MAX_EMAIL))
    # Raised with each new password; what was checked with an older one is void.
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
    # How much it may do, each level all of the one before.
    level: Mapped[str] = mapped_column(code_text(16), default="manage", server_default="manage")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Null for one that is good until it is revoked, and for one that was never used.
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Login(Base):
    """Where an organizer is logged in; of the code that the device keeps only the SHA-256 is kept.

    A sign-in that ends is deleted.
    """

    __tablename__ = "login"
    __table_args__ = (UniqueConstraint("code_hash"), Index(None, "organizer_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"))
    code_hash: Mapped[str] = mapped_column(code_text(64))
    # Browser and system in words, such as "Firefox, Android"; empty where neither is known.
    device: Mapped[str] = mapped_column(String(MAX_NAME))
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Dismissal(Base):
    """What an organizer has put aside of what needs attention.

    It is told again once it is worse than `level`, which its kind gives a meaning. No event is
    referred to, so that one can be deleted; ids are never used again.
    """

    __tablename__ = "dismissal"
    __table_args__ = (UTF8MB4,)

    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizer.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(code_text(16), primary_key=True)
    # 0 for what is about the whole account.
    event_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(BigInteger)
