"""From which network a mail was caused, which mail sums it up, and how many an address had."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("network", code(32), nullable=True))
    op.add_column("delivery", sa.Column("summary_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "mail_slot",
        sa.Column("recipient", exact(254), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("network", code(32), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.CheckConstraint("number BETWEEN 0 AND 9", name=op.f("ck_mail_slot_number")),
        sa.PrimaryKeyConstraint("recipient", "number", name="pk_mail_slot"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    op.create_index(
        "ix_mail_slot_network_event_id_taken_at", "mail_slot", ["network", "event_id", "taken_at"]
    )
    op.create_index("ix_mail_slot_taken_at", "mail_slot", ["taken_at"])


def downgrade() -> None:
    op.drop_table("mail_slot")
    op.drop_column("delivery", "summary_id")
    op.drop_column("delivery", "network")
