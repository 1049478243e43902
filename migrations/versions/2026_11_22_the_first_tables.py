"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
NEVER_REUSED = {**UTF8MB4, "sqlite_autoincrement": True}


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operation", code(16), nullable=False),
        sa.Column("caller", code(64), nullable=False),
        sa.Column("key", code(255), nullable=False),
        sa.Column("content_hash", code(64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(
            "event_id", "operation", "caller", "key", name="pk_idempotency_key"
        ),
        **UTF8MB4,
    )
    op.create_index("ix_idempotency_key_created_at", "idempotency_key", ["created_at"])

    op.create_table(
        "organizer",
        sa.Column("id", ID, nullable=False),
        sa.Column("username", exact(64), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("email", exact(254), nullable=True),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizer"),
        sa.UniqueConstraint("username", name="uq_organizer_username"),
        **UTF8MB4,
    )
    op.create_table(
        "api_token",
        sa.Column("id", ID, nullable=False),
        sa.Column("organizer_id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("token_hash", code(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organizer_id"], ["organizer.id"], name="fk_api_token_organizer_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
        **UTF8MB4,
    )
    op.create_index("ix_api_token_organizer_id", "api_token", ["organizer_id"])

    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False),
        sa.Column("organizer_id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("location", sa.String(200), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=True),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("status", code(16), nullable=False),
        sa.Column("sales_open_at", MOMENT, nullable=True),
        sa.Column("sales_close_at", MOMENT, nullable=True),
        sa.Column("cancel_until", MOMENT, nullable=True),
        sa.Column("max_tickets_per_booking", sa.Integer(), nullable=False),
        sa.Column("waiting_list_limit", sa.Integer(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("next_position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'cancelled')", name=op.f("ck_event_status")
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 10000000", name=op.f("ck_event_capacity")),
        sa.CheckConstraint("confirmed BETWEEN 0 AND capacity", name=op.f("ck_event_confirmed")),
        sa.CheckConstraint(
            "max_tickets_per_booking >= 1", name=op.f("ck_event_max_tickets_per_booking")
        ),
        sa.CheckConstraint("next_position >= 1", name=op.f("ck_event_next_position")),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_event_waiting")),
        sa.CheckConstraint(
            "waiting_list_limit IS NULL OR waiting_list_limit >= 0",
            name=op.f("ck_event_waiting_list"),
        ),
        sa.ForeignKeyConstraint(["organizer_id"], ["organizer.id"], name="fk_event_organizer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        **NEVER_REUSED,
    )
    op.create_index("ix_event_organizer_id", "event", ["organizer_id"])
    op.create_index("ix_event_status_starts_at", "event", ["status", "starts_at"])

    op.create_table(
        "booking",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendee_id", exact(254), nullable=False),
        sa.Column("status", code(16), nullable=False),
        sa.Column("tickets", sa.Integer(), nullable=False),
        sa.Column("reference", code(32), nullable=False),
        sa.Column("ticket_code", code(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", exact(254), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column(
            "active",
            sa.Integer(),
            sa.Computed(
                "CASE WHEN status <> 'cancelled' THEN 1 END",
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "status IN ('confirmed', 'waiting', 'cancelled')", name=op.f("ck_booking_status")
        ),
        sa.CheckConstraint("position >= 1", name=op.f("ck_booking_position")),
        sa.CheckConstraint("tickets >= 1", name=op.f("ck_booking_tickets")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_booking_event_id"),
        sa.PrimaryKeyConstraint("event_id", "position", name="pk_booking"),
        sa.UniqueConstraint(
            "event_id", "attendee_id", "active", name="uq_booking_event_id_attendee_id_active"
        ),
        sa.UniqueConstraint("reference", name="uq_booking_reference"),
        sa.UniqueConstraint("ticket_code", name="uq_booking_ticket_code"),
        **UTF8MB4,
    )
    op.create_index("ix_booking_email", "booking", ["email"])
    op.create_index(
        "ix_booking_event_id_status_position", "booking", ["event_id", "status", "position"]
    )

    op.create_table(
        "activity",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("batch", code(32), nullable=False),
        sa.Column("what", code(32), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("status_before", code(16), nullable=True),
        sa.Column("status_after", code(16), nullable=True),
        sa.Column("tickets_before", sa.Integer(), nullable=True),
        sa.Column("tickets_after", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id", "position"],
            ["booking.event_id", "booking.position"],
            name="fk_activity_event_id_position",
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_activity_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_activity"),
        **UTF8MB4,
    )
    # MySQL checks a foreign key by the first index that begins with it, and not at all where
    # another column of that index is null: one without nulls comes first.
    op.create_index("ix_activity_event_id_revision", "activity", ["event_id", "revision"])
    op.create_index("ix_activity_event_id_position", "activity", ["event_id", "position"])
    op.create_table(
        "delivery",
        sa.Column("id", ID, nullable=False),
        sa.Column("receiver", code(16), nullable=False),
        sa.Column("what", code(32), nullable=False),
        sa.Column("recipient", exact(254), nullable=False),
        sa.Column("event_id", ID, nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state", code(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=False),
        sa.Column("problem", sa.String(500), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_delivery_attempts")),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'parked')", name=op.f("ck_delivery_state")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_delivery_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        **NEVER_REUSED,
    )
    op.create_index("ix_delivery_event_id", "delivery", ["event_id"])
    op.create_index("ix_delivery_event_id_position", "delivery", ["event_id", "position"])
    op.create_index("ix_delivery_state_next_try_at", "delivery", ["state", "next_try_at"])


def downgrade() -> None:
    for table in (
        "delivery",
        "activity",
        "booking",
        "event",
        "api_token",
        "organizer",
        "idempotency_key",
    ):
        op.drop_table(table)
