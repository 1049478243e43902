"""Bookings that lapse, terms, and what databases of the first days lack.

The statuses `lapsed` and `held` are allowed before anything writes them, so that processes of the
release before can go on beside this schema.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}

STATUSES = "status IN ('confirmed', 'waiting', 'cancelled', 'lapsed', 'held')"
ACTIVE = "CASE WHEN status IN ('confirmed', 'waiting', 'held') THEN 1 END"
STATUSES_BEFORE = "status IN ('confirmed', 'waiting', 'cancelled')"
ACTIVE_BEFORE = "CASE WHEN status <> 'cancelled' THEN 1 END"

# MySQL checks a foreign key by the first index that begins with it, and not at all where another
# column of that index is null: {table: the index that has to come before the one with `position`}.
FIRST_INDEXES = {
    "activity": "ix_activity_event_id_revision",
    "delivery": "ix_delivery_event_id_state",
}


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        mend_first_days()
    op.add_column("event", sa.Column("next_lapse_at", MOMENT, nullable=True))
    change_statuses(STATUSES, ACTIVE)
    op.create_table(
        "term",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", code(16), nullable=False),
        sa.Column("lapses_at", MOMENT, nullable=True),
        sa.CheckConstraint("kind IN ('address', 'coming')", name=op.f("ck_term_kind")),
        sa.ForeignKeyConstraint(
            ["event_id", "position"],
            ["booking.event_id", "booking.position"],
            name="fk_term_event_id_position",
        ),
        sa.PrimaryKeyConstraint("event_id", "position", name="pk_term"),
        **UTF8MB4,
    )


def downgrade() -> None:
    """Fails, and changes nothing of them, while there are bookings that lapsed or are held."""
    change_statuses(STATUSES_BEFORE, ACTIVE_BEFORE)
    op.drop_table("term")
    op.drop_column("event", "next_lapse_at")


def change_statuses(statuses: str, active: str) -> None:
    """Allow these statuses and no others, and generate `active` from them."""
    if op.get_bind().dialect.name == "sqlite":
        copy_bookings(statuses, active)
    else:
        # One statement is there as a whole or not at all, and the same again does no harm.
        op.execute(
            "ALTER TABLE booking DROP CONSTRAINT ck_booking_status,"
            f" ADD CONSTRAINT ck_booking_status CHECK ({statuses}),"
            f" MODIFY COLUMN active INTEGER GENERATED ALWAYS AS ({active})"
        )


def copy_bookings(statuses: str, active: str) -> None:
    """SQLite can change neither a CHECK nor a generated column of a table that is there."""
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
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("active", sa.Integer(), sa.Computed(active), nullable=True),
        sa.CheckConstraint(statuses, name=op.f("ck_booking_status")),
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
        " created_at"
    )
    op.execute(f"INSERT INTO new_booking ({columns}) SELECT {columns} FROM booking")
    op.drop_table("booking")
    op.rename_table("new_booking", "booking")
    op.create_index("ix_booking_email", "booking", ["email"])
    op.create_index(
        "ix_booking_event_id_status_position", "booking", ["event_id", "status", "position"]
    )


def mend_first_days() -> None:
    """Bring databases to what the first migrations make today; those were edited when published."""
    there = sa.inspect(op.get_bind())
    descriptions = {column["name"]: column["type"] for column in there.get_columns("event")}
    if not isinstance(descriptions["description"], mysql.MEDIUMTEXT):
        op.alter_column("event", "description", type_=mysql.MEDIUMTEXT(), existing_nullable=False)
    for table, first in FIRST_INDEXES.items():
        names = [index["name"] for index in there.get_indexes(table)]
        index = f"ix_{table}_event_id_position"
        if names.index(index) < names.index(first):
            # In one statement: a foreign key is never without an index.
            op.execute(
                f"ALTER TABLE {table} DROP INDEX {index}, ADD INDEX {index} (event_id, position)"
            )
