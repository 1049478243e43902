"""The door: who was admitted, what its devices scanned, and the passes that let a device in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0015"
down_revision = "0014"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}

STATUSES = "status IN ('confirmed', 'waiting', 'cancelled', 'lapsed', 'held')"
ACTIVE = "CASE WHEN status IN ('confirmed', 'waiting', 'held') THEN 1 END"
ADMITTED = "admitted BETWEEN 0 AND tickets"


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        copy_bookings(with_admitted=True)
    elif not has_admitted():
        # One statement is there as a whole or not at all.
        op.execute(
            "ALTER TABLE booking ADD COLUMN admitted INTEGER DEFAULT 0 NOT NULL,"
            f" ADD CONSTRAINT ck_booking_admitted CHECK ({ADMITTED})"
        )
    op.create_table(
        "door_pass",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("token_hash", code(64), nullable=False),
        sa.Column("may_sell", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_door_pass_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_door_pass"),
        sa.UniqueConstraint("token_hash", name="uq_door_pass_token_hash"),
        **UTF8MB4,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_door_pass_event_id", "door_pass", ["event_id"])
    op.create_table(
        "scan",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("id", code(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("what", code(8), nullable=False),
        sa.Column("verdict", code(16), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("twice", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", MOMENT, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("anyway", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.CheckConstraint("what IN ('in', 'out')", name=op.f("ck_scan_what")),
        sa.CheckConstraint("people >= 1", name=op.f("ck_scan_people")),
        sa.CheckConstraint(
            "moved >= 0 AND twice >= 0 AND moved + twice <= people", name=op.f("ck_scan_moved")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_scan_event_id"),
        sa.ForeignKeyConstraint(
            ["event_id", "position"],
            ["booking.event_id", "booking.position"],
            name="fk_scan_event_id_position",
        ),
        sa.PrimaryKeyConstraint("event_id", "id", name="pk_scan"),
        **UTF8MB4,
    )
    op.create_index("ix_scan_event_id_position", "scan", ["event_id", "position"])
    op.create_index("ix_scan_event_id_received_at", "scan", ["event_id", "received_at"])
    op.create_index("ix_scan_event_id_twice", "scan", ["event_id", "twice"])
    op.create_table(
        "admission",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scan_id", code(36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_admission_number")),
        sa.ForeignKeyConstraint(
            ["event_id", "position"],
            ["booking.event_id", "booking.position"],
            name="fk_admission_event_id_position",
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "scan_id"],
            ["scan.event_id", "scan.id"],
            name="fk_admission_event_id_scan_id",
        ),
        sa.PrimaryKeyConstraint("event_id", "position", "number", name="pk_admission"),
        **UTF8MB4,
    )
    op.create_index("ix_admission_event_id_scan_id", "admission", ["event_id", "scan_id"])


def downgrade() -> None:
    op.drop_table("admission")
    op.drop_table("scan")
    op.drop_table("door_pass")
    if op.get_bind().dialect.name == "sqlite":
        copy_bookings(with_admitted=False)
    elif has_admitted():
        op.execute("ALTER TABLE booking DROP CONSTRAINT ck_booking_admitted, DROP COLUMN admitted")


def has_admitted() -> bool:
    columns = sa.inspect(op.get_bind()).get_columns("booking")
    return any(column["name"] == "admitted" for column in columns)


def copy_bookings(*, with_admitted: bool) -> None:
    """SQLite can add no CHECK of several columns to a table that is there."""
    admitted = (
        [
            sa.Column("admitted", sa.Integer(), server_default="0", nullable=False),
            sa.CheckConstraint(ADMITTED, name=op.f("ck_booking_admitted")),
        ]
        if with_admitted
        else []
    )
    op.create_table(
        "new_booking",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendee_id", exact(254), nullable=False),
        sa.Column("status", code(16), nullable=False),
        sa.Column("tickets", sa.Integer(), nullable=False),
        sa.Column("reference", code(32), nullable=False),
        sa.Column("ticket_code", code(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", exact(254), nullable=True),
        sa.Column("language", code(8), nullable=True),
        sa.Column("times_given", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("active", sa.Integer(), sa.Computed(ACTIVE), nullable=True),
        *admitted,
        sa.CheckConstraint(STATUSES, name=op.f("ck_booking_status")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_booking_position")),
        sa.CheckConstraint("tickets >= 1", name=op.f("ck_booking_tickets")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_booking_event_id"),
        sa.PrimaryKeyConstraint("event_id", "position", name="pk_booking"),
        sa.UniqueConstraint(
            "event_id", "attendee_id", "active", name="uq_booking_event_id_attendee_id_active"
        ),
        sa.UniqueConstraint("reference", name="uq_booking_reference"),
        sa.UniqueConstraint("ticket_code", name="uq_booking_ticket_code"),
    )
    columns = (
        "event_id, position, attendee_id, status, tickets, reference, ticket_code, name, email,"
        " language, times_given, created_at"
    )
    op.execute(f"INSERT INTO new_booking ({columns}) SELECT {columns} FROM booking")
    op.drop_table("booking")
    op.rename_table("new_booking", "booking")
    op.create_index("ix_booking_email", "booking", ["email"])
    op.create_index(
        "ix_booking_event_id_status_position", "booking", ["event_id", "status", "position"]
    )
