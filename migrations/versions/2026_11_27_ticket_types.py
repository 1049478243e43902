"""Ticket types, what bookings want of them, who waits for what, and codes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0017"
down_revision = "0016"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("event", sa.Column("types", sa.Integer(), server_default="0", nullable=False))
    op.add_column("booking", sa.Column("wants", code(100), server_default="", nullable=False))
    op.add_column("booking", sa.Column("code", sa.Integer(), nullable=True))
    op.create_index(
        "ix_booking_event_id_status_wants_position",
        "booking",
        ["event_id", "status", "wants", "position"],
    )
    op.add_column("activity", sa.Column("wants_before", code(100), nullable=True))
    op.add_column("activity", sa.Column("wants_after", code(100), nullable=True))
    op.create_table(
        "ticket_type",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", exact(80), nullable=False),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.Column("confirmed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("min_tickets", sa.Integer(), server_default="1", nullable=False),
        sa.Column("max_tickets", sa.Integer(), nullable=True),
        sa.Column("sales_open_at", MOMENT, nullable=True),
        sa.Column("sales_close_at", MOMENT, nullable=True),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_ticket_type_number")),
        sa.CheckConstraint("quota IS NULL OR quota >= 1", name=op.f("ck_ticket_type_quota")),
        sa.CheckConstraint(
            "confirmed >= 0 AND (quota IS NULL OR confirmed <= quota)",
            name=op.f("ck_ticket_type_confirmed"),
        ),
        sa.CheckConstraint(
            "min_tickets >= 1 AND (max_tickets IS NULL OR max_tickets >= min_tickets)",
            name=op.f("ck_ticket_type_min_tickets"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_ticket_type_event_id"),
        sa.PrimaryKeyConstraint("event_id", "number", name="pk_ticket_type"),
        sa.UniqueConstraint("event_id", "name", name="uq_ticket_type_event_id_name"),
        **UTF8MB4,
    )
    op.create_table(
        "queue",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("wants", code(100), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_queue_waiting")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_queue_event_id"),
        sa.PrimaryKeyConstraint("event_id", "wants", name="pk_queue"),
        **UTF8MB4,
    )
    op.create_table(
        "code",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", exact(40), nullable=False),
        sa.Column("unlocks", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("ticket_limit", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_per_booking", sa.Integer(), nullable=True),
        sa.Column("valid_from", MOMENT, nullable=True),
        sa.Column("valid_until", MOMENT, nullable=True),
        sa.Column("note", sa.String(200), server_default="", nullable=False),
        sa.CheckConstraint(
            "used >= 0 AND (ticket_limit IS NULL OR used <= ticket_limit)",
            name=op.f("ck_code_used"),
        ),
        sa.CheckConstraint(
            "ticket_limit IS NULL OR ticket_limit >= 1", name=op.f("ck_code_ticket_limit")
        ),
        sa.CheckConstraint(
            "max_per_booking IS NULL OR max_per_booking >= 1",
            name=op.f("ck_code_max_per_booking"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_code_event_id"),
        sa.PrimaryKeyConstraint("event_id", "number", name="pk_code"),
        sa.UniqueConstraint("event_id", "text", name="uq_code_event_id_text"),
        **UTF8MB4,
    )
    op.create_table(
        "code_type",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("code", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id", "code"],
            ["code.event_id", "code.number"],
            name="fk_code_type_event_id_code",
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "type"],
            ["ticket_type.event_id", "ticket_type.number"],
            name="fk_code_type_event_id_type",
        ),
        sa.PrimaryKeyConstraint("event_id", "code", "type", name="pk_code_type"),
        **UTF8MB4,
    )


def downgrade() -> None:
    for table in ("code_type", "code", "queue", "ticket_type"):
        op.drop_table(table)
    op.drop_column("activity", "wants_after")
    op.drop_column("activity", "wants_before")
    op.drop_index("ix_booking_event_id_status_wants_position", "booking")
    op.drop_column("booking", "code")
    op.drop_column("booking", "wants")
    op.drop_column("event", "types")
